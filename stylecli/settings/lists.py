"""Lists on the command line: `0,3,5-9` for seeds, layers and classes, and files of latents among seeds."""

import re

from stylecli.errors import UsageError

MOST = 10_000
LARGEST_SEED = 2**32 - 1
_RANGE = re.compile(r"(\d{1,12})(?:-(\d{1,12}))?", re.ASCII)
_ROW = re.compile(r"(.+\.(?:safetensors|np[yz]|pth?))(?:\[(\d{1,6})\])?", re.ASCII)
NAMED_LAYERS = {"coarse": (4, 8), "middle": (16, 32), "fine": (64, 2**16)}
"""Sizes in pixels, as in figure 3 of Karras et al. 2019."""


def integers(text: str, name: str, most: int = LARGEST_SEED) -> tuple[int, ...]:
    """`0,3,5-9` to (0, 3, 5, 6, 7, 8, 9), in the order said, doubles kept.

    Raises:
        UsageError: Not such a list, or a number above `most`.
    """
    found: list[int] = []
    for word in text.split(","):
        match = _RANGE.fullmatch(word.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last or last > most or len(found) + last - first >= MOST:
            why = f"at most {most}" if match and first <= last else "numbers and ranges with commas, such as 0,3,5-9"
            raise UsageError(f"{name} {text[:40]}: cannot use {word.strip()!r}", why)
        found += range(first, last + 1)
    return tuple(found)


def sources(text: str, name: str) -> tuple[int | tuple[str, int | None], ...]:
    """Seeds and saved latents: `0,5-7,face.safetensors,all.safetensors[2]`; a file is (path, row), row None for all.

    Raises:
        UsageError: Not such a list.
    """
    found: list[int | tuple[str, int | None]] = []
    for word in text.split(","):
        if match := _ROW.fullmatch(word.strip()):
            found.append((match[1], None if match[2] is None else int(match[2])))
        else:
            found += integers(word, name)
    return tuple(found)


def words(text: str, name: str) -> tuple[str, ...]:
    """Numbers and names: `0-2,cat` to ("0", "1", "2", "cat"); empty text is one empty word.

    Raises:
        UsageError: A range that is none.
    """
    found: list[str] = []
    for word in text.split(","):
        found += map(str, integers(word, name)) if _RANGE.fullmatch(word.strip()) else [word.strip()]
    return tuple(found)


def paths(*texts: str) -> list[str]:
    """The files among such lists, each once."""
    rows = (_ROW.fullmatch(word.strip()) for text in texts for word in text.split(","))
    return list(dict.fromkeys(row[1] for row in rows if row))


def layers(text: str, pixels: tuple[int, ...]) -> tuple[int, ...]:
    """Indices of w: `0-3,7`, or by the size at which they work: coarse (4 to 8 px), middle (16, 32), fine (64 up).

    Args:
        text: The list.
        pixels: The size at which each index of w works.

    Raises:
        UsageError: Not such a list, or a layer past the last.
    """
    found: set[int] = set()
    for word in text.split(","):
        if low_high := NAMED_LAYERS.get(word.strip()):
            found |= {i for i, size in enumerate(pixels) if low_high[0] <= size <= low_high[1]}
        else:
            found |= set(integers(word, "--layers", 2**31))
    if past := [layer for layer in found if layer >= len(pixels)]:
        raise UsageError(f"--layers {max(past)}: the last layer is {len(pixels) - 1}", "coarse, middle, fine, or 0-3")
    return tuple(sorted(found))
