"""Whether `stargan ref` lands in the domain of its reference, as a linear probe sees it that never saw a translation.

    python benchmarks/domains.py REAL CONTENTS [--weights stargan] [--count 20] [--size N] [--out DIR]

REAL has a folder for each domain, of pictures that the network was not trained on. The first two of each are
references; of the others the probe learns, a logistic regression on means and deviations of the encoder's features at
the network's size, of the middle square and random ones. Its accuracy is that of five-fold cross-validation, all
squares of a picture in one fold. Each content is then translated by the first reference of each domain. How much two
references of a domain differ in what they make, and two seeds of `latent`, is a distance of features
(`losses.generators.feature_distance`), the mean over contents and domains.
"""

import argparse
import json
from itertools import islice
from pathlib import Path

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Generator, Tensor
from torchvision.transforms.functional import to_tensor

from stylecli import api
from stylecli.checkpoints.load import load, load_vgg
from stylecli.checkpoints.store import resolve
from stylecli.losses.generators import feature_distance
from stylecli.media.images import read_picture
from stylecli.media.resize import resize
from stylecli.nets.stargan import StarGAN
from stylecli.nets.vgg import VGG
from stylecli.training.data import find_pictures
from stylecli.training.square_dataset import window

VIEWS = 6
LAYERS = ("relu2_1", "relu3_1", "relu4_1", "relu5_1")


class Eye:
    """The encoder, looking at the middle squares of pictures."""

    def __init__(self, encoder: str, size: int) -> None:
        self.net: VGG = load_vgg(resolve(encoder), LAYERS)
        self.size = size

    def square(self, picture: Tensor, share: float = 1, down: float = 0.5, across: float = 0.5) -> Tensor:
        """[3, H, W] to a square of a share of the short side, [3, size, size]."""
        side = round(share * min(picture.shape[1:]))
        return resize(window(picture, side, down, across), (self.size, self.size))

    def views(self, picture: Tensor, random: Generator) -> list[Tensor]:
        """The middle square, and random ones of at least 0.8 of the short side."""
        places = torch.rand(VIEWS - 1, 3, generator=random).tolist()
        return [self.square(picture), *(self.square(picture, 0.8 + share / 5, *place) for share, *place in places)]

    @torch.inference_mode()
    def features(self, square: Tensor) -> dict[str, Tensor]:
        """Of a square [3, size, size], by layer."""
        return self.net(square[None], LAYERS)


def moments(features: dict[str, Tensor]) -> list[float]:
    """What the probe sees."""
    return torch.cat([part for x in features.values() for part in (x.mean((0, 2, 3)), x.std((0, 2, 3)))]).tolist()


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("contents", type=Path)
    parser.add_argument("--weights", default="stargan")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--size", type=int, help="as that of `stargan ref`")
    parser.add_argument("--encoder", default="encoder")
    parser.add_argument("--out", type=Path, help="folder for the translations")
    args = parser.parse_args()
    net = load(resolve(args.weights), "stargan", StarGAN)
    names, eye = net.config.labels, Eye(args.encoder, net.config.size)
    real = {name: sorted(find_pictures([args.real / name])) for name in names}
    random = Generator().manual_seed(0)
    rows = [
        (moments(eye.features(square)), name, str(path))
        for name in names
        for path in real[name][2:]
        for square in eye.views(read_picture(path).pixels, random)
    ]
    seen, domains, groups = (list(part) for part in zip(*rows, strict=True))
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000, class_weight="balanced"))
    accuracy = float(cross_val_score(probe, seen, domains, groups=groups, cv=StratifiedGroupKFold(5)).mean())
    probe.fit(seen, domains)
    hits: dict[str, list[bool]] = {name: [] for name in names}
    apart: dict[str, list[float]] = {"references": [], "latents": []}
    for content in islice(sorted(find_pictures([args.contents])), args.count):
        for name in names:
            options = {"weights": args.weights, "domain": name, "size": args.size, "device": "cpu"}
            made = [api.stargan("ref", content, reference, **options) for reference in real[name][:2]]
            drawn = [api.stargan("latent", content, seeds=seed, **options) for seed in (0, 1)]
            if args.out:
                args.out.mkdir(parents=True, exist_ok=True)
                made[0].save(args.out / f"{content.stem}_{name}.png")
            features = [eye.features(eye.square(to_tensor(picture))) for picture in (*made, *drawn)]
            hits[name].append(probe.predict([moments(features[0])])[0] == name)
            apart["references"].append(float(feature_distance(features[0], features[1])))
            apart["latents"].append(float(feature_distance(features[2], features[3])))
    shares = {name: sum(found) / len(found) for name, found in hits.items()}
    told = {
        "accuracy": accuracy,
        "pictures": len(set(groups)),
        "in_domain": sum(shares.values()) / len(shares),
        "each": shares,
        "apart": {name: sum(values) / len(values) for name, values in apart.items()},
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
