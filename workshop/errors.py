"""Errors, sorted by what the caller does about them.

ChejianError
├─ ConfigError         stop, exit 2: a person edits a file
├─ NotConnected        wait and try again: nothing is lost. Exit 3 for a command
├─ Rejected            never try again: quarantine with the reason, count
└─ VerificationError   the evidence does not hold; carries the step. Exit 1
"""


class ChejianError(Exception):
    """Anything that chejian says on purpose; its text is one line: what, where, what to do."""

    exit_code = 1


class ConfigError(ChejianError):
    """The input is wrong and a person has to edit it. Names file, key and allowed values."""

    exit_code = 2


class NotConnected(ChejianError):
    """Something needed is not reachable now; try again later, nothing is lost. Names the endpoint.

    Attributes:
        retry_after_s: how long the other side asks us to wait, s; None when it says nothing.
    """

    exit_code = 3

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Rejected(ChejianError):
    """This item will never be accepted: quarantine it with this reason and go on."""


class VerificationError(ChejianError):
    """The evidence does not hold.

    Attributes:
        step: number of the verification step that refused.
    """

    def __init__(self, step: int, text: str) -> None:
        super().__init__(f"step {step}: {text}")
        self.step = step
        self.text = text
