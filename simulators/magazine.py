"""The tools of one machine and how worn each is."""

import numpy as np

from simulators.programs import Program


class Magazine:
    """Wear of every tool as a share of its life; a tool at the end of its life is changed before the next part."""

    def __init__(self, programs: tuple[Program, ...], dice: np.random.Generator, factor: float) -> None:
        """Tools somewhere in their lives; `factor` is the machine's own on all wear."""
        numbers = sorted({operation.tool.number for program in programs for operation in program.operations})
        self.wear = {number: float(dice.uniform(0.0, 0.9)) for number in numbers}
        self._steps = {program.name: tuple(step * factor for step in program.wear_per_part()) for program in programs}

    def use(self, program: Program, operation: int, worse: float = 1.0) -> None:
        """One operation of one part; `worse` is more than 1 without coolant."""
        self.wear[program.operations[operation].tool.number] += self._steps[program.name][operation] * worse

    def worn(self) -> int | None:
        """The number of a tool at the end of its life, or None."""
        return next((number for number, wear in self.wear.items() if wear >= 1.0), None)

    def change(self, number: int) -> None:
        """A new tool."""
        self.wear[number] = 0.0
