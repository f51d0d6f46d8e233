"""From one pass to optimization: steps of `gatys` that start from the picture of a network.

The objective is that of `gatys` with its defaults, and the descent begins where the network ended: what a network got
right it keeps, and a few steps mend the touch. Half of them are made at half the size, where they cost a quarter and
move what is large, if the styles are pictures, which can be shown at that size too; the others at that of the picture.
A style at less than full strength counts that much less here too.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from stylecli.checkpoints.store import resolve, sha256
from stylecli.device import Device
from stylecli.losses.statistics import Statistics
from stylecli.media.resize import resize
from stylecli.method import Request, Result
from stylecli.settings.gatys import GatysSettings

if TYPE_CHECKING:
    from stylecli.backends.coarse_to_fine import Look
    from stylecli.backends.gatys import Gatys

SMALLEST = 128
"""Short side of the half size that is worth it."""

R = TypeVar("R")
"""Settings of the network's method."""


class Refiner:
    """Refines pictures; the encoder is opened with the first one."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.settings = GatysSettings(init="network", min_size=0)
        self.gatys: Gatys | None = None

    def weights(self, steps: int) -> dict[str, str]:
        """SHA-256 of the weights that so many steps look through, by name."""
        name = self.settings.weights
        return {name: sha256(resolve(name))} if steps else {}

    def refined(
        self,
        result: Result,
        request: Request[R, Tensor],
        styles: "Sequence[Tensor | Look]",
        steps: int,
        jobs: int,
        alpha: float,
        style_size: int | None = None,
        style_scale: float = 1.0,
    ) -> Result:
        """`result` after `steps` more.

        Args:
            result: A network's, whole: its image is [3, H, W] in [0, 1], or uint8, as the new one is.
            request: What the network was asked; of its content, of any size, the part that the image shows is taken.
            styles: Pictures [3, h, w] of any size, or what is known of them.
            steps: In all; none give `result` itself.
            jobs: How many of them share memory.
            alpha: Strength of the style.
            style_size: Short side of the style pictures, and
            style_scale: how much larger they are shown, as in the settings of `gatys`.

        Raises:
            MemoryLimitError: A descent at this size does not fit.
        """
        if not (steps and alpha):
            return result
        from stylecli.backends.gatys import Gatys

        content, masks = request.main, request.masks
        if result.window:
            top, left, height, width = result.window
            content = content[:, top : top + height, left : left + width]
        # Networks of one pass run in inference mode, and what they make cannot be differentiated.
        with torch.inference_mode(False), torch.no_grad():
            self.gatys = self.gatys or Gatys(self.settings, replace(self.device, jobs=jobs))
            start, picture = _floats(result.picture), _floats(content)
            looks = [_floats(style) if isinstance(style, Tensor) else _copied(style) for style in styles]
            height, width = start.shape[1:]
            if picture.shape[1:] != start.shape[1:]:
                picture = resize(picture, (height, width))
            known = self.settings
            half = round(min(height, width) / 2)
            early = steps // 2 if half >= SMALLEST and all(isinstance(style, Tensor) for style in styles) else 0
            settings = replace(
                known,
                min_size=half if early else 0,
                first_steps=early or None,
                steps=steps - early,
                style_size=style_size,
                style_scale=style_scale,
                style_weight=alpha * known.style_weight,
                strokes_weight=alpha * known.strokes_weight,
            )
            asked = Request(
                settings,
                picture,
                shares=request.shares,
                masks=masks and [mask.clone() for mask in masks],
                pictures={"init": start},
                listener=request.listener,
            )
            made = self.gatys.descended(asked, looks, ratio=2)
        image = made.picture if result.picture.is_floating_point() else made.picture.mul(255).round().byte()
        return replace(result, image=image, losses=made.losses, interrupted=made.interrupted)


def _floats(picture: Tensor) -> Tensor:
    """A copy outside of inference mode, in [0, 1]."""
    return picture.clone() if picture.is_floating_point() else picture.float().div(255)


def _copied(look: "Look") -> "Look":
    return {layer: Statistics(*(part.clone() for part in moments)) for layer, moments in look.items()}
