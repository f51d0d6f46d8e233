"""Public checkpoints that people know, by name: where they are, how to know them again, and under which licence."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_VGG = "Simonyan, Zisserman 2014, arXiv 1409.1556"
_AUTHORS = "CC BY 4.0 (the authors of VGG)"
_HUANG = "Huang, Belongie 2017, arXiv 1703.06868"
_MICHIGAN = "https://web.eecs.umich.edu/~justincj/models/"
_PYTORCH = "https://download.pytorch.org/models/"
_BETHGE = "https://bethgelab.org/media/uploads/pytorch_models/"
_GATYS_MIRROR = "https://huggingface.co/fdan/neural_style_transfer_vgg/resolve/main/vgg_conv.pth"
_ADAIN = "https://github.com/naoto0804/pytorch-AdaIN/releases/download/v0.0.0/"
_EXAMPLES = "https://www.dropbox.com/s/lrvwfehqdcxoza8/saved_models.zip?dl=1"


_ONNX = "https://github.com/onnx/models/raw/main/validated/vision/style_transfer/fast_neural_style/model/"
_JOHNSON = "Johnson, Alahi, Fei-Fei 2016, arXiv 1603.08155"
_ADA = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/"
_ADA_MIRROR = "https://huggingface.co/ZeqiangLai/StyleGAN2-pkl/resolve/main/ada/"
_MSG = "https://github.com/zhanghang1989/PyTorch-Multi-Style-Transfer/"
_DROPBOX = "https://www.dropbox.com/s/"
_CHOI = "Choi et al. 2020, arXiv 1912.01865"
_CLOVA = "CC BY-NC 4.0 (NAVER Corp.)"


@dataclass(frozen=True)
class Entry:
    """A file that can be pulled.

    Attributes:
        title: What it is.
        urls: Where it is; tried in this order.
        file: Its name in the weights folder.
        sha256: Hex digest, or its first digits where no more is published; empty where nothing is, and then the
            digest of the first pull is recorded.
        size: In bytes; None where it is not published.
        licence: Of the weights.
        paper: To cite.
        commands: Which subcommands it is for.
        network: That of ours which the file becomes.
        options: What the file cannot tell of itself, as options of the loader.
        member: The urls lead to a zip archive, and this is the file in it.
    """

    title: str
    urls: tuple[str, ...]
    file: str
    sha256: str = ""
    size: int | None = None
    licence: str = ""
    paper: str = ""
    commands: tuple[str, ...] = ("gatys",)
    network: str = "vgg"
    options: Mapping[str, str] = field(default_factory=dict)
    member: str = ""


ENTRIES: dict[str, Entry] = {
    "vgg19": Entry(
        "VGG-19 of torchvision",
        (f"{_PYTORCH}vgg19-dcbb9e9d.pth",),
        "vgg19-dcbb9e9d.pth",
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        574_673_361,
        "BSD-3-Clause (torchvision)",
        _VGG,
        options={"pixels": "torchvision"},
    ),
    "vgg16": Entry(
        "VGG-16 of torchvision",
        (f"{_PYTORCH}vgg16-397923af.pth",),
        "vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        553_433_881,
        "BSD-3-Clause (torchvision)",
        _VGG,
        options={"pixels": "torchvision"},
    ),
    "lpips-vgg": Entry(
        "weights of LPIPS 0.1 for the channels of vgg16",
        ("https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/vgg.pth",),
        "lpips_vgg.pth",
        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        7289,
        "BSD-2-Clause (richzhang/PerceptualSimilarity)",
        "Zhang et al. 2018, arXiv 1801.03924",
        ("stylegan",),
        "lpips",
    ),
    # The full digests of these two are not published; PyTorch's convention puts the first eight into the name.
    "vgg19-caffe": Entry(
        "VGG-19 of its authors (Caffe), as in neural-style",
        (f"{_MICHIGAN}vgg19-d01eb7cb.pth",),
        "vgg19-d01eb7cb.pth",
        "d01eb7cb",
        licence=_AUTHORS,
        paper=_VGG,
        options={"pixels": "caffe"},
    ),
    "vgg16-caffe": Entry(
        "VGG-16 of its authors (Caffe)",
        (f"{_MICHIGAN}vgg16-00b39a1b.pth",),
        "vgg16-00b39a1b.pth",
        "00b39a1b",
        licence=_AUTHORS,
        paper=_VGG,
        options={"pixels": "caffe"},
    ),
    "vgg19-gatys": Entry(
        "VGG-19 of its authors, as Gatys converted it",
        # The authors' own host is reported to be gone.
        (_GATYS_MIRROR, f"{_BETHGE}vgg_conv.pth"),
        "vgg_conv.pth",
        licence=_AUTHORS,
        paper=_VGG,
    ),
    "vgg19-normalized": Entry(
        "VGG-19 scaled to mean activation 1, as in AdaIN",
        (f"{_ADAIN}vgg_normalised.pth",),
        "vgg_normalised.pth",
        "804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a",
        80_102_481,
        _AUTHORS,
        _HUANG,
        ("gatys", "adain"),
    ),
    "adain-decoder": Entry(
        "decoder of AdaIN, for vgg19-normalized",
        (f"{_ADAIN}decoder.pth",),
        "decoder.pth",
        "379ca41d59f3a37eed3599bbbc2560c19da5c458870a5ffd3a9dd41aa88f9472",
        14_023_458,
        "MIT (pytorch-AdaIN)",
        _HUANG,
        ("adain",),
        "adain-decoder",
    ),
    "msgnet": Entry(
        "MSG-Net, trained on 21 styles, for any",
        (f"{_MSG}releases/download/v0.1/21styles.model", f"{_DROPBOX}2iz8orqqubrfrpo/21styles.model?dl=1"),
        "21styles.model",
        licence="MIT (zhanghang1989/PyTorch-Multi-Style-Transfer)",
        paper="Zhang, Dana 2017, arXiv 1703.06953",
        commands=("adain",),
        network="msgnet",
    ),
    **{
        name: Entry(
            f"the style {name} of pytorch/examples",
            (_EXAMPLES,),
            f"{name}.pth",
            licence="BSD-3-Clause (pytorch/examples)",
            paper=_JOHNSON,
            commands=("fast",),
            network="transformer",
            member=f"saved_models/{name}.pth",
        )
        for name in ("mosaic", "candy", "rain_princess", "udnie")
    },
    **{
        f"{name}-9": Entry(
            f"the style {name} of pytorch/examples, as ONNX",
            (f"{_ONNX}{name}-9.onnx", f"https://huggingface.co/onnxmodelzoo/{name}-9/resolve/main/{name}-9.onnx"),
            f"{name}-9.onnx",
            sha256,
            6_728_029 if sha256 else None,
            "BSD-3-Clause (onnx/models)",
            _JOHNSON,
            ("fast",),
            "transformer",
        )
        for name, sha256 in (
            ("mosaic", ""),
            ("candy", ""),
            ("rain-princess", "4162912e6f75fedef6f810ae989b9e10d3d5d43308dab34b027c850cf255e152"),
            ("udnie", "8656b6ce7dec8f22ee13c2d557d6b67bd6f550dde88d0f2e7c9972aeb765cc0d"),
            ("pointilism", "5ee2b8d4d6bc60a777f54e0fe96a1b717360a004b79d56c67390d4a975b14d98"),
        )
    },
    **{
        f"johnson-{name}": Entry(
            f"the style {name} of the authors of fast-neural-style",
            (f"https://cs.stanford.edu/people/jcjohns/fast-neural-style/models/{folder}/{name}.t7",),
            f"johnson_{name}.t7",
            licence="research and personal use (jcjohnson/fast-neural-style)",
            paper=_JOHNSON,
            commands=("fast",),
            network="feed-forward",
        )
        for folder, names in (
            ("instance_norm", ("candy", "la_muse", "mosaic", "feathers", "the_scream", "udnie")),
            ("eccv16", ("the_wave", "starry_night", "composition_vii")),
        )
        for name in names
    },
    **{
        f"animegan2-{name}": Entry(
            f"AnimeGANv2, {name}",
            (f"https://github.com/bryandlee/animegan2-pytorch/raw/main/weights/{name}.pt",),
            f"animegan2_{name}.pt",
            licence="MIT (bryandlee/animegan2-pytorch)",
            paper="Chen, Liu, Chen 2019, AnimeGAN",
            commands=("fast",),
            network="feed-forward",
        )
        for name in ("celeba_distill", "face_paint_512_v1", "face_paint_512_v2", "paprika")
    },
    **{
        f"cyclegan-{name}": Entry(
            f"CycleGAN, {name}",
            (f"https://efrosgans.eecs.berkeley.edu/cyclegan/pretrained_models/{name}.pth",),
            f"cyclegan_{name}.pth",
            licence="BSD-2-Clause (junyanz/pytorch-CycleGAN-and-pix2pix)",
            paper="Zhu et al. 2017, arXiv 1703.10593",
            commands=("fast",),
            network="feed-forward",
        )
        for name in ("style_monet", "style_vangogh", "style_cezanne", "style_ukiyoe", "horse2zebra", "zebra2horse")
    },
    **{
        f"stylegan2-{name}": Entry(
            f"StyleGAN 2 of NVIDIA: {what}",
            (f"{_ADA}{name}.pkl", f"{_ADA_MIRROR}{name}.pkl"),
            f"{name}.pkl",
            sha256,
            size,
            licence="NVIDIA Source Code License (non-commercial)",
            paper="Karras et al. 2020, arXiv 2006.06676",
            commands=("stylegan",),
            network="stylegan2",
        )
        for name, what, sha256, size in (
            (
                *("ffhq", "faces, 1024 px", "a205a346e86a9ddaae702e118097d014b7b8bd719491396a162cca438f2f524c"),
                381_624_121,
            ),
            (
                *("metfaces", "faces in art, 1024 px"),
                *("880a460d011a3696c088f58f5844b44271b17903963f2671f96f72dfbce5f76f", None),
            ),
            ("afhqcat", "cats, 512 px", "", None),
            ("afhqdog", "dogs, 512 px", "f124ff3f23206052473a7212cbc1f4e095a73c231500411e9c3b81a11eac3662", None),
            ("afhqwild", "wild animals, 512 px", "", None),
            ("brecahad", "histology, 512 px", "f9f0c2766187aff4c3424c4a5a67d52c503672f28cf08eab645382523b7a5161", None),
            (
                *("cifar10", "ten classes of things, 32 px"),
                *("f8952c74e23da2186d147ad871c48780bd59500ee37c301201081ee8e0cb32f1", None),
            ),
        )
    },
    **{
        name: Entry(
            f"StarGAN v2 of its authors: {what}, 256 px",
            (f"{_DROPBOX}{place}/100000_nets_ema.ckpt?dl=1",),
            f"{name}_100000_nets_ema.ckpt",
            licence=_CLOVA,
            paper=_CHOI,
            commands=("stargan",),
            network="stargan",
            options={"labels": domains},
        )
        for name, what, place, domains in (
            ("stargan-celeba-hq", "faces", "96fmei6c93o8b8t", "female,male"),
            ("stargan-afhq", "animals", "etwm810v25h42sn", "cat,dog,wild"),
        )
    },
    "wing": Entry(
        "landmarks of faces, for StarGAN v2",
        (f"{_DROPBOX}tjxpypwpt38926e/wing.ckpt?dl=1",),
        "wing.ckpt",
        licence=_CLOVA,
        paper="Wang, Bo, Fuxin 2019, arXiv 1904.07399",
        commands=("stargan",),
        network="fan",
    ),
}
"""By the name that `--weights` takes."""
