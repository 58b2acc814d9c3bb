"""The one error of the simulators."""


class SimulatorError(Exception):
    """Simulated equipment cannot run; the text is one line: what, where, what to do.

    Attributes:
        exit_code: what a command should end with: 2 a person has to edit the input, 3 something needed is not reachable (port, broker).
    """

    def __init__(self, text: str, *, exit_code: int = 2) -> None:
        super().__init__(text)
        self.exit_code = exit_code
