"""`train adain`: an any-style network.

The losses of the embedded network are what a stylization is for, in features of a fixed network F, at every alpha:

    style    alpha times the mean over relu1_1, 2_1, 3_1, 4_1 of |G(o) - G(s)|^2 / |G(s)|^2,  G = F F^T / (h w)
    content  |N(o) - N(c)|^2 / |N(c)|^2,  N = relu4_1 with each channel at zero mean and unit deviation
    pixels   1 - alpha times the mean of |o - c|

so that alpha = 0 is learned as the picture itself, and the way between is learned too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from stylecli.checkpoints.load import load_vgg
from stylecli.checkpoints.save import save_network
from stylecli.checkpoints.store import resolve
from stylecli.device import Device
from stylecli.nets.skip_adain import SkipAdaIN, SkipAdaINConfig
from stylecli.progress import Listener
from stylecli.settings.train_adain import TrainAdainSettings
from stylecli.training.data import Crops, find_pictures
from stylecli.training.judge import Judge, shift, squared, visible
from stylecli.training.loop import Schedule, train


def run(settings: TrainAdainSettings, device: Device, listener: Listener) -> Path:
    """Train in `settings.output`; the path of the averaged weights is returned. Errors are those of `AdainTask`."""
    schedule = Schedule(settings.steps, settings.learning_rate, decay=0.995, every=settings.every, clip=3.0)
    return train(AdainTask(settings, device), schedule, Path(settings.output), listener)


@dataclass(frozen=True)
class Batch:
    """Contents and styles [N, 3, H, W] in [0, 1], alpha [N, 1, 1, 1]."""

    content: Tensor
    style: Tensor
    alpha: Tensor


class AdainTask:
    """For `training.loop.train`.

    Raises:
        WeightsError: A teacher is missing or of another family.
        InputError: No pictures.
    """

    def __init__(self, settings: TrainAdainSettings, device: Device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, device.torch
        self.judge = Judge(settings.teacher, settings.deep_teacher, settings.pixels, self.device)
        content, style = (
            Crops(tuple(find_pictures([Path(f) for f in folders])), settings.crop, settings.batch, seed, zoom=1.5)
            for folders, seed in ((settings.content, settings.seed), (settings.style, settings.seed + 1))
        )
        self.content, self.style = content, style
        self.model = self._network().to(memory_format=torch.channels_last).to(self.device)
        # A black picture has next to no Gram matrix: relative to itself alone, it would outweigh all others.
        with torch.inference_mode():
            found, _ = self.judge.grams(torch.cat([style(-1), style(-2)]).to(self.device))
            sizes = [squared(each).mean() for each in found]
        self.floors = [0.1 * float(size) for size in sizes]

    def _network(self) -> SkipAdaIN:
        encoder = load_vgg(resolve("encoder"), SkipAdaINConfig().layers)
        net = SkipAdaIN(SkipAdaINConfig())
        wanted = net.style_vgg.state_dict()
        net.style_vgg.load_state_dict({name: value for name, value in encoder.state_dict().items() if name in wanted})
        net.style_vgg.requires_grad_(False)
        for module in net.modules():
            if isinstance(module, nn.Conv2d) and module.weight.requires_grad:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                module.bias.data.zero_()
        for name, module in [*net.encoder.items(), *net.decoder.items()]:
            if name.endswith(("b", "_2", "skip", "conv1")):
                module.weight.data.mul_(0.3)  # type: ignore[operator]
        # The start is the picture with the mean and deviation of the style's colors, from which all else is learned.
        last, skip = (net.decoder.get_submodule(name) for name in ("conv1", "conv1_skip"))
        assert isinstance(last, nn.Conv2d)
        assert isinstance(skip, nn.Conv2d)
        last.weight.data.mul_(0.1)
        nn.init.dirac_(skip.weight)
        nn.init.normal_(net.hidden.weight)
        nn.init.normal_(net.heads.weight, std=0.1)
        net.heads.bias.data.zero_()
        with torch.inference_mode():
            codes = torch.cat([net.code(self.style(-step)) for step in range(1, 1 + 256 // self.settings.batch)])
        net.code_mean.copy_(codes.mean(0))
        net.code_deviation.copy_(codes.std(0) + 1e-3)
        return net

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """Seeded crops, and an alpha for each: half of them 1, the others anywhere, with at least one 0."""
        pairs = zip(self.content.ahead(first, last), self.style.ahead(first, last), strict=True)
        for step, (content, style) in enumerate(pairs, first):
            alpha = torch.rand(len(content), generator=Generator().manual_seed(self.settings.seed + step))
            alpha[: (len(alpha) + 1) // 2] = 1
            alpha[-1] = 0
            yield Batch(content, style, alpha[:, None, None, None])

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Style, content and pixels, each with its weight."""
        content, style = (x.to(self.device, memory_format=torch.channels_last) for x in (batch.content, batch.style))
        alpha = batch.alpha.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16):
            raw = self.model(content, style, alpha)
        raw = raw.float()
        strength = alpha.flatten()
        output, outside = visible(raw)
        seen = strength > 0
        with torch.no_grad():
            wanted, _ = self.judge.grams(style[seen])
            own = self.judge.deep(content[seen])
        given, deep = self.judge.grams(output[seen])
        # The logarithm keeps a single hopeless pair from throwing the others off; near zero it changes nothing.
        distances = [
            (squared(x - g) / (squared(g) + floor)).log1p()
            for x, g, floor in zip(given, wanted, self.floors, strict=True)
        ]
        n, s = len(content), self.settings
        return {
            "style": s.style_weight * (torch.stack(distances).mean(0) * strength[seen]).sum() / n,
            "content": s.content_weight * shift(deep, own).sum() / n,
            "pixels": s.pixel_weight * ((raw - content).abs().mean((1, 2, 3)) * (1 - strength)).sum() / n,
            "range": outside,
        }

    def export(self, averaged: nn.Module, path: Path, row: Mapping[str, float]) -> None:
        """The averaged network, with a sample that proves it."""
        assert isinstance(averaged, SkipAdaIN)
        save_network(
            averaged,
            path,
            network="skip-adain",
            config={},
            about={
                "title": "small any-style network",
                "paper": "AdaIN, arXiv 1703.06868",
                "licence": self.settings.licence,
                "data": self.settings.data,
                "pictures": [len(self.content.paths), len(self.style.paths)],
                "recipe": {"command": "train adain", **asdict(self.settings)},
                "losses": row,
            },
        )
