"""What trainings of nets that hold their styles share: pictures, losses, and what is written of them.

    style    alpha times the mean over relu1_1, 2_1, 3_1, 4_1 of |G(o) - G(s)|^2 / |G(s)|^2,  G = F F^T / (h w)
    strokes  alpha times the mean over relu2_1, 3_1, 4_1, 5_1 of |P(o) - P(s)|^2 / |P(c) - P(s)|^2, P the correlations
             of features, blind to color and contrast; below the line, the mean over photographs
    content  |N(o) - N(c)|^2 / |N(c)|^2,  N = relu4_1 with each channel at zero mean and unit deviation

in features of a fixed network. With `--scaling mean` they are Johnson's: mean squared errors of features, and of Gram
matrices divided by their channels, summed over layers, with weights as pytorch/examples@77f55b9 (neural_style.py) has
them; see `presets`.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from stylecli.checkpoints.header import SIZED
from stylecli.device import Device
from stylecli.errors import InputError, UsageError
from stylecli.losses.content import nine_point
from stylecli.media.images import read_picture
from stylecli.media.resize import resize, short_side
from stylecli.nets.transformer_config import IDENTITY
from stylecli.settings.train_fast import TrainFastSettings
from stylecli.training.data import Crops, find_pictures
from stylecli.training.recipes import recipe
from stylecli.training.teacher_features import TeacherFeatures, shift, squared, strokes_apart, unlike


class PaintingTask:
    """The common half of a task for `training.loop.train`; the settings' `batch` is given.

    Attributes:
        pictures: Of the styles, by name.
        shown: Each picture at each size of its strokes, by the name of its row in the net.

    Raises:
        WeightsError: A teacher is missing or of another family.
        UsageError: A layer that the teacher does not have, or two styles of one name.
        InputError: No pictures, or a catalog that cannot be read.
    """

    def __init__(self, settings: TrainFastSettings, device: Device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.half = settings, device.torch, device.training().autocast
        assert settings.batch
        contents = tuple(find_pictures([Path(folder) for folder in settings.content]))
        self.content = Crops(contents, settings.crop, settings.batch, settings.seed, zoom=settings.zoom)
        self.pictures = _styles(settings.style)
        self.told = _told(self.pictures, settings.catalog)
        self.shown = {
            name if scale == 1 else f"{name}{SIZED}{scale:g}": (path, scale)
            for name, path in self.pictures.items()
            for scale in settings.style_scales
        }
        self.judge = TeacherFeatures(
            settings.teacher,
            settings.deep_teacher,
            settings.pixels,
            device,
            settings.style_layers,
            settings.content_layer,
            settings.strokes_layers if settings.strokes_weight else (),
        )
        with torch.inference_mode():
            found = [self.judge.measure(self._picture(*shown)) for shown in self.shown.values()]
            photos = self.judge.measure(self.content(0).to(self.device)).strokes
        # Out of inference mode again: the losses are differentiated.
        self.grams = [torch.cat(layer).clone() for layer in zip(*(each.grams for each in found), strict=True)]
        self.strokes = [torch.cat(layer).clone() for layer in zip(*(each.strokes for each in found), strict=True)]
        self.photos = [
            torch.stack([squared(photo - style).mean() for style in layer])
            for photo, layer in zip(photos, self.strokes, strict=True)
        ]

    def _picture(self, path: Path, scale: float) -> Tensor:
        pixels = read_picture(path).pixels
        height, width = pixels.shape[1:]
        size = short_side(height, width, round(scale * min(self.settings.style_size, height, width)))
        return resize(pixels, size)[None].to(self.device)

    def compared(self, output: Tensor, content: Tensor, style: Tensor, alpha: Tensor) -> dict[str, Tensor]:
        """Style, strokes, content and roughness of `output` [N, 3, H, W] in [0, 1], each with its weight.

        Args:
            output: What was painted.
            content: What of.
            style: Index of each one's style, [N].
            alpha: How much the style of each counts, [N].
        """
        with torch.no_grad():
            own = self.judge.deep(content)
        seen = self.judge.measure(output)
        given, deep = seen.grams, seen.deep
        s = self.settings
        wanted = [grams[style] for grams in self.grams]
        if s.scaling == "mean":
            distances = torch.stack(
                [(g - w).square().mean((1, 2)) / len(w[0]) ** 2 for g, w in zip(given, wanted, strict=True)]
            )
            looks, structure = distances.sum(0), (deep.float() - own.float()).square().mean((1, 2, 3))
        else:
            distances = torch.stack(list(map(unlike, given, wanted)))
            looks, structure = distances.mean(0), shift(deep, own)
        assert s.style_weight is not None
        losses = {"style": s.style_weight * (looks * alpha).mean(), "content": s.content_weight * structure.mean()}
        if s.strokes_weight:
            goals, photos = ([rows[style] for rows in part] for part in (self.strokes, self.photos))
            losses["strokes"] = s.strokes_weight * (strokes_apart(seen.strokes, goals, photos) * alpha).mean()
        return losses | ({"tv": s.tv_weight * nine_point(output)} if s.tv_weight else {})

    def about(self, title: str, paper: str, row: Mapping[str, float]) -> dict[str, object]:
        """What a file says of itself."""
        s = self.settings
        return {
            "title": title,
            "paper": paper,
            "commands": ["fast"],
            "licence": s.licence,
            "data": s.data,
            "pictures": len(self.content.paths),
            "recipe": recipe("train fast", s),
            "losses": row,
        }


def _styles(words: Sequence[str]) -> dict[str, Path]:
    """Pictures by the names of their styles."""
    paths = [
        found for word in words for found in (find_pictures([Path(word)]) if Path(word).is_dir() else [Path(word)])
    ]
    named = {path.stem: path for path in paths}
    if len(named) < len(paths):
        raise UsageError("--style: two pictures of one name", "a style is called as its file: rename one")
    if IDENTITY in named:
        raise UsageError(f"--style {named[IDENTITY]}: the name of the photo itself", "rename the picture")
    return named


def _told(pictures: Mapping[str, Path], catalog: str) -> list[dict[str, str]]:
    """Name, title, artist and year of each style, as far as the catalog has them."""
    rows: dict[str, dict[str, str]] = {}
    if catalog:
        try:
            with Path(catalog).open(encoding="utf-8-sig", newline="") as file:
                rows = {row.get("file", ""): row for row in csv.DictReader(file)}
        except (OSError, ValueError, csv.Error) as error:
            raise InputError(
                f"{catalog}: not a readable catalog", "CSV with columns file, title, artist, year"
            ) from error
    keys = ("title", "artist", "year")
    return [
        {"name": name, **{key: rows.get(path.name, {}).get(key) or "" for key in keys}}
        for name, path in pictures.items()
    ]
