"""Sheets of pictures with labels."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

GAP = 4
"""Pixels between pictures."""


def sheet(
    rows: Sequence[Sequence[Tensor | None]], row_labels: Sequence[str] = (), column_labels: Sequence[str] = ()
) -> Tensor:
    """Pictures [3, H, W] of one size in rows, [3, H', W'] in [0, 1] on white; None leaves a place empty.

    Args:
        rows: The pictures.
        row_labels: At the left; empty for none.
        column_labels: On top; empty for none.
    """
    first = next(cell for row in rows for cell in row if cell is not None)
    height, width = first.shape[-2:]
    font = ImageFont.load_default(max(10, min(height, width) // 10))
    left = max((_extent(text, font)[0] for text in row_labels), default=0) + 2 * GAP * bool(row_labels)
    top = max((_extent(text, font)[1] for text in column_labels), default=0) + 2 * GAP * bool(column_labels)
    count = max(len(row) for row in rows)
    canvas = torch.ones(3, top + len(rows) * (height + GAP) - GAP, left + count * (width + GAP) - GAP)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            if cell is not None:
                y, x = top + i * (height + GAP), left + j * (width + GAP)
                canvas[:, y : y + height, x : x + width] = cell.detach().clamp(0, 1)
    for i, text in enumerate(row_labels):
        _write(canvas, text, font, (left - 2 * GAP) / 2, top + i * (height + GAP) + height / 2)
    for j, text in enumerate(column_labels):
        _write(canvas, text, font, left + j * (width + GAP) + width / 2, (top - GAP) / 2)
    return canvas


def _extent(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> tuple[int, int]:
    box = font.getbbox(text)
    return round(box[2]), round(box[3])


def _write(canvas: Tensor, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, x: float, y: float) -> None:
    """Puts the middle of a text there."""
    width, height = _extent(text, font)
    image = Image.new("L", (width, height), 255)
    ImageDraw.Draw(image).text((0, 0), text, fill=0, font=font)
    x0, y0 = max(round(x - width / 2), 0), max(round(y - height / 2), 0)
    place = canvas[:, y0 : y0 + height, x0 : x0 + width]
    levels = torch.from_numpy(np.asarray(image, np.float32) / 255)
    place.copy_(torch.minimum(place, levels[: place.shape[1], : place.shape[2]]))
