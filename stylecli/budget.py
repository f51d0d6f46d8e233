"""What a file from a stranger may cost: bytes that it makes us allocate, and steps that it makes us take."""

from dataclasses import dataclass

ALLOWANCE = 2**28
"""Bytes that any file may ask for, however small it is."""

FACTOR = 8
"""Times its own size that a file may ask for: half precision becomes single, text becomes numbers, parts are copied."""

STEPS = 1_000_000
"""Ten times what the largest published checkpoint takes."""


class OverBudgetError(Exception):
    """A file asks for more than its size justifies; readers turn it into their own error, which names the file."""


@dataclass
class Budget:
    """What is left for one file; everything that reads a part of it draws from the same.

    Attributes:
        bytes: To be allocated.
        steps: Opcodes, values, names, layers.
    """

    bytes: int
    steps: int = STEPS

    @classmethod
    def of(cls, size: int) -> "Budget":
        """For a file of `size` bytes."""
        return cls(ALLOWANCE + FACTOR * size)

    def take(self, count: int, what: str = "it") -> None:
        """Pays for `count` bytes, before they are allocated.

        Raises:
            OverBudgetError: There are not so many left.
        """
        self.bytes -= count
        if self.bytes < 0:
            raise OverBudgetError(f"{what} would take more memory than a file of its size can be worth")

    def step(self, count: int = 1) -> None:
        """Pays for `count` steps, before they are taken.

        Raises:
            OverBudgetError: There are not so many left.
        """
        self.steps -= count
        if self.steps < 0:
            raise OverBudgetError(f"more than {STEPS:,} parts")
