"""Protocol buffers read as data: fields of a message, where they lie in the file, and nothing copied."""

from collections.abc import Iterator
from typing import NamedTuple

from stylecli.budget import Budget
from stylecli.errors import WeightsError

LONGEST = 10
"""Bytes of a number."""


class Message(NamedTuple):
    """A message, or anything else of a length, in a file.

    Attributes:
        data: The file.
        start: First byte.
        end: Byte behind the last.
    """

    data: memoryview
    start: int
    end: int

    def bytes(self) -> memoryview:
        """Its bytes."""
        return self.data[self.start : self.end]

    def text(self) -> str:
        """Its bytes as text."""
        return bytes(self.data[self.start : min(self.end, self.start + 1000)]).decode("utf-8", "replace")


def fields(message: Message, budget: Budget) -> Iterator[tuple[int, "int | Message"]]:
    """(number, value) of each field: integers, or what has a length; floats are four or eight bytes.

    Raises:
        WeightsError: It ends before its fields do, or is no message.
    """
    at = message.start
    while at < message.end:
        budget.step()
        tag, at = varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(message, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            length, at = varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise WeightsError("damaged: a field of no known type", "fetch it again")
        if length > message.end - at:
            raise WeightsError(f"truncated: {length:,} bytes wanted at {at:,} of {message.end:,}", "fetch it again")
        yield tag >> 3, Message(message.data, at, at + length)
        at += length


def varint(message: Message, at: int) -> tuple[int, int]:
    """(number, where it ends)."""
    value = 0
    for index in range(LONGEST):
        if at + index >= message.end:
            break
        byte = message.data[at + index]
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, at + index + 1
    raise WeightsError(f"truncated: a number that does not end at {at:,}", "fetch it again")


def packed(value: "int | Message", budget: Budget) -> list[int]:
    """Integers of a repeated field: one, or several packed together, each of which is a step."""
    if isinstance(value, int):
        return [value]
    budget.step(value.end - value.start)
    found, at = [], value.start
    while at < value.end:
        number, at = varint(value, at)
        found.append(number)
    return found
