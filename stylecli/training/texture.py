"""`train texture`: a generator whose samples have the Gram matrices of an exemplar (Ulyanov et al. 2016).

    loss = mean over octaves and layers of log(1 + |G_l(x) - G_l(e)|^2 / |G_l(e)|^2),   G_l = F_l F_l^T / (H W)

for each sample x of noise by itself. Differs from the paper: losses are relative to their targets, so that no gradient
has to be normalized; every sample is also looked at in half its size, for structures larger than the network's view.
The norms of what is written hold the statistics of `SAMPLES` samples of the averaged weights.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from stylecli.checkpoints.save import save_network
from stylecli.checkpoints.texture_formats import stored_config
from stylecli.device import Device
from stylecli.errors import UsageError
from stylecli.media.images import read_picture
from stylecli.media.resize import resize, short_side
from stylecli.nets.texture_net import TextureConfig, TextureNet, calibrated, sizes
from stylecli.optimise.octaves import halved
from stylecli.progress import Listener
from stylecli.settings.train_texture import TrainTextureSettings
from stylecli.training.judge import Judge, squared, visible
from stylecli.training.loop import Schedule, train

SAMPLES = 8


def run(settings: TrainTextureSettings, device: Device, listener: Listener) -> Path:
    """Train in `settings.output`; the path of the averaged weights is returned. Errors are those of `TextureTask`."""
    schedule = Schedule(settings.steps, settings.learning_rate, warmup=20, decay=0.9, every=settings.every, clip=1.0)
    return train(TextureTask(settings, device), schedule, Path(settings.output), listener)


class TextureTask:
    """For `training.loop.train`.

    Raises:
        WeightsError: The teacher is missing or of another family.
        UsageError: A layer that the teacher does not have, or an exemplar too small for the deepest.
        InputError: The exemplar cannot be read.
    """

    def __init__(self, settings: TrainTextureSettings, device: Device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, device.torch
        pixels = read_picture(settings.exemplar).pixels
        height, width = pixels.shape[1:]
        self.exemplar = resize(pixels, short_side(height, width, min(settings.size, height, width)))
        if settings.branch:
            config = TextureConfig(settings.widths, settings.branch, (3, 3, 1), norm=settings.norm, joined="both")
        else:
            config = TextureConfig(settings.widths, norm=settings.norm, smooth=True)
        net = TextureNet(config)
        with torch.no_grad():
            assert net.out.bias is not None
            net.out.bias.copy_(self.exemplar.mean((1, 2)))
        self.model = net.to(memory_format=torch.channels_last).to(self.device).train()
        layers = settings.style_layers
        self.judge = Judge(settings.teacher, settings.deep_teacher, settings.pixels, self.device, layers, max(layers))
        with torch.inference_mode():
            found = self._grams(self.exemplar[None].to(self.device), "reflect")
        # Out of inference mode again: the losses are differentiated.
        self.wanted = [gram.clone() for gram in found]

    def batches(self, first: int, last: int) -> Iterator[list[Tensor]]:
        """Seeded noise for every scale, the coarsest first."""
        for step in range(first, last + 1):
            yield self._noise(self.settings.batch, self.settings.seed + step)

    def losses(self, batch: list[Tensor]) -> dict[str, Tensor]:
        """Style of what is visible, and what is not in the range of pixels."""
        output, outside = visible(self.model([each.to(self.device) for each in batch]))
        pairs = zip(self._grams(output, "circular"), self.wanted, strict=True)
        # The logarithm keeps a hopeless start from throwing the rest off; near zero it changes nothing.
        distances = [(squared(gram - wanted) / squared(wanted)).log1p().mean() for gram, wanted in pairs]
        return {"style": torch.stack(distances).mean(), "range": outside}

    def export(self, averaged: nn.Module, path: Path, row: Mapping[str, float]) -> None:
        """The averaged net with settled norms, and a sample that proves it."""
        s = self.settings
        net = self._settled(averaged)
        recipe = {
            **asdict(s),
            **{name: Path(getattr(s, name)).name for name in ("exemplar", "output", "teacher", "deep_teacher")},
        }
        about = {
            "title": s.title or Path(s.exemplar).stem.replace("_", " "),
            "paper": "Texture networks, arXiv 1603.03417",
            "commands": ["texture"],
            "licence": s.licence,
            "data": s.data,
            "recipe": {"command": "train texture", **recipe},
            "losses": row,
        }
        save_network(net, path, network="texture-net", config=stored_config(net.config), about=about)

    def sheet(self, averaged: nn.Module) -> Tensor:
        """The exemplar beside two samples, [3, H, W]."""
        with torch.no_grad():
            drawn = self._settled(averaged)([each.to(self.device) for each in self._noise(2, 0)])
        side = self.settings.size
        parts = [resize(self.exemplar, (side, side)), *drawn.float().clamp(0, 1).cpu()]
        return torch.cat(parts, 2)

    def _settled(self, averaged: nn.Module) -> TextureNet:
        assert isinstance(averaged, TextureNet)
        inputs = [each.to(self.device) for each in self._noise(SAMPLES, 1)]
        return averaged if averaged.config.norm == "instance" else calibrated(averaged, inputs)

    def _noise(self, count: int, seed: int) -> list[Tensor]:
        generator = Generator().manual_seed(seed)
        config, side = self.model.config, self.settings.size
        return [torch.rand(count, config.channels, *size, generator=generator) for size in sizes(config, side, side)]

    def _grams(self, picture: Tensor, mode: str) -> list[Tensor]:
        """Gram matrices at every octave and layer."""
        found: list[Tensor] = []
        for octave in range(self.settings.octaves):
            if octave:
                picture = halved(picture, mode)
            if min(picture.shape[2:]) < 16:
                raise UsageError(
                    f"{self.settings.exemplar}: too small for {self.settings.octaves} octaves", "--octaves 1"
                )
            found += self.judge.grams(picture)[0]
        return found
