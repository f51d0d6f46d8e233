"""Contact sheets: pictures in rows and columns, with labels."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from stylecli.media.images import quantize

CELL = 384
"""Longest side of a picture on a sheet in pixels, unless all are smaller."""

GAP, PAPER, INK = 8, (255, 255, 255), (40, 40, 40)


def sheet(
    rows: Sequence[Sequence[Tensor | None]],
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    *,
    heads: Sequence[Tensor | None] = (),
    corner: Tensor | None = None,
    cell: int = CELL,
) -> Tensor:
    """Pictures laid out in a table on white.

    Args:
        rows: Pictures [3, H, W] in [0, 1] or uint8, of any sizes; None leaves a gray field.
        row_labels: Left of each row.
        column_labels: Above each column.
        heads: Small pictures left of each row, above its label.
        corner: A small picture at the upper left.
        cell: Longest side of a picture.

    Returns:
        uint8 [3, H, W].
    """
    pictures, width, height = _fields(rows, cell)
    small = [None if each is None else _fitted(each, max(width, height) // 2) for each in (*heads, corner)]
    *small_heads, small_corner = small
    font = ImageFont.load_default(max(12, min(width, height) // 16))
    line = sum(font.getmetrics()) + GAP  # type: ignore[union-attr]
    left = max([_wide(font, label) for label in row_labels] + [each.width for each in small if each] + [0])
    left = min(left, max(width, height)) + 2 * GAP if left else GAP
    top = max(line if column_labels else 0, small_corner.height + GAP if small_corner else 0) + GAP
    columns = max(map(len, rows), default=0)
    page = Image.new("RGB", (left + columns * (width + GAP), top + len(rows) * (height + GAP)), PAPER)
    draw = ImageDraw.Draw(page)

    def write(label: str, x: float, y: float, room: int) -> None:
        if label:
            draw.text((x, y), _cut(font, label, room), INK, font, anchor="ma")

    if small_corner:
        page.paste(small_corner, (GAP + (left - 2 * GAP - small_corner.width) // 2, GAP))
    for column, label in enumerate(column_labels):
        write(label, left + column * (width + GAP) + width / 2, top - line, width)
    for index, row in enumerate(pictures):
        y = top + index * (height + GAP)
        head = small_heads[index] if index < len(small_heads) else None
        label = row_labels[index] if index < len(row_labels) else ""
        middle = y + (height - (head.height if head else 0) - (line if label else 0)) // 2
        if head:
            page.paste(head, ((left - head.width) // 2, middle))
        write(label, left / 2, middle + (head.height + GAP // 2 if head else 0), left - GAP)
        for column, each in enumerate(row):
            x = left + column * (width + GAP)
            if each is None:
                draw.rectangle((x, y, x + width - 1, y + height - 1), (224, 224, 224))
            else:
                page.paste(each, (x + (width - each.width) // 2, y + (height - each.height) // 2))
    return torch.from_numpy(np.asarray(page).copy()).permute(2, 0, 1)


def table(rows: Sequence[Sequence[Tensor | None]], cell: int = CELL) -> Tensor:
    """Pictures edge to edge, without labels; None leaves a white field.

    Args:
        rows: Pictures [3, H, W] in [0, 1] or uint8; smaller ones stand in the middle of their field.
        cell: Longest side of a picture.

    Returns:
        uint8 [3, H, W].
    """
    pictures, width, height = _fields(rows, cell)
    page = Image.new("RGB", (width * max(map(len, rows)), height * len(rows)), PAPER)
    for down, row in enumerate(pictures):
        for across, each in enumerate(row):
            if each is not None:
                place = across * width + (width - each.width) // 2, down * height + (height - each.height) // 2
                page.paste(each, place)
    return torch.from_numpy(np.asarray(page).copy()).permute(2, 0, 1)


def _fields(rows: Sequence[Sequence[Tensor | None]], cell: int) -> tuple[list[list[Image.Image | None]], int, int]:
    """Pictures that fit a field, and its width and height."""
    pictures = [[None if each is None else _fitted(each, cell) for each in row] for row in rows]
    found = [each.size for row in pictures for each in row if each is not None]
    width, height = (max((size[axis] for size in found), default=cell) for axis in (0, 1))
    return pictures, width, height


def _fitted(picture: Tensor, longest: int) -> Image.Image:
    image = Image.fromarray(quantize(picture, 8))
    scale = longest / max(image.size)
    if scale >= 1:
        return image
    return image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.LANCZOS
    )


def _wide(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, label: str) -> int:
    return int(font.getlength(label)) + 1


def _cut(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, label: str, room: int) -> str:
    if _wide(font, label) <= room:
        return label
    while label and _wide(font, f"{label}…") > room:
        label = label[:-1]
    return f"{label}…"
