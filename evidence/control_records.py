"""Records that the state of the control log is made of."""

import msgspec

from store.control_kinds import Answer, Challenge, Commitment, Enrolment, Rotation
from workshop.batch import Header


class Enrolled(msgspec.Struct):
    """An edge from an enrolment on, with the keys that it had after one another."""

    enrolment: Enrolment
    rotations: list[Rotation] = []

    @property
    def keys(self) -> list[str]:
        """Every key since the enrolment, the present one last."""
        return [self.enrolment.key, *(item.statement.new for item in self.rotations)]

    def key_of(self, header: Header) -> str:
        """The key that signs this batch: batches sealed before a rotation keep the old one."""
        for item in self.rotations:
            if (header.epoch, header.seq) <= (item.statement.epoch, item.statement.after_seq):
                return item.statement.old
        return self.keys[-1]


class Committed(msgspec.Struct, frozen=True):
    """A commitment with its place in the control log."""

    index: int
    time_us: int
    body: Commitment


class Asked(msgspec.Struct):
    """A spot challenge, and what came back."""

    time_us: int
    body: Challenge
    answer: Answer | None = None
    answered_us: int = 0
    """Time of the answer's entry."""
