"""Families that are no network of ours, by names of their tensors: people should be told what they hold, and the mend.

A row matches when each of its patterns is the whole name of some tensor. The first row that matches names the file.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

MOST = 10_000
"""Names that are looked at."""

ANY_STYLE = (
    "`stylecli adain` runs decoders of AdaIN, MicroAST, MSG-Net, and its own networks where --weights is left out"
)
MICROAST = (
    "`stylecli adain` runs MicroAST: name the folder with all four files, as `content_encoder_iter_160000.pth.tar`"
)
FEED = "`stylecli fast` runs nets of pytorch/examples, jcjohnson, lengstrom, rrmina, CycleGAN's and AnimeGANv2's"
FACES = "`stylecli stylegan` runs StyleGAN 1 and 2"
LUCIDRAINS = (
    "files of stylegan2_pytorch 0.20 to 1.9 with `SE` and `GE` can be read; those before do not tell their mapping"
)
FEATURES = "features come from VGG-16 and -19 without batch norm: `stylecli weights pull vgg19`"
NONE = "no command runs it; `stylecli weights list` names what can be run"


@dataclass(frozen=True)
class Family:
    """One family.

    Attributes:
        name: What people call it.
        mend: What to do instead.
        patterns: Of names of tensors, each of which must be there.
    """

    name: str
    mend: str
    patterns: tuple[str, ...]


def family_of(names: Iterable[str]) -> Family | None:
    """The family of a file with tensors of these names, wherever in it they lie."""
    listed = "\n".join(islice(names, MOST))
    found = lambda pattern: re.search(f"^(?:{pattern})$", listed, re.MULTILINE)
    return next((family for family in FAMILIES if all(map(found, family.patterns))), None)


def _rows(mend: str, *rows: tuple[str, ...]) -> tuple[Family, ...]:
    return tuple(Family(name, mend, patterns) for name, *patterns in rows)  # type: ignore[arg-type]


FAMILIES = (
    *_rows(
        ANY_STYLE,
        ("SANet's transform", r"sanet4_1\.f\.weight", r"sanet5_1\.f\.weight"),
        ("AdaAttN's transform", r"attn_adain_\d_1\.f\.weight"),
        ("AdaAttN's decoder", r"decoder_layer_1\.1\.weight", r"decoder_layer_2\.\d+\.weight"),
        ("StyTr2's transformer", r"encoder_c\.layers\.0\..+", r"encoder_s\.layers\.0\..+"),
        ("LinearStyleTransfer", r"snet\.convs\.0\.weight", r"cnet\.convs\.0\.weight"),
    ),
    *_rows(
        MICROAST,
        ("MicroAST's encoder", r"(\w+\.)?enc1\.0\.conv_layer\.weight", r"(\w+\.)?enc2\.0\.conv1\.conv_layer\.weight"),
        ("MicroAST's decoder", r"(\w+\.)?dec1\.conv1\.conv_layer\.weight", r"(\w+\.)?dec3\.\d+\.conv_layer\.weight"),
        ("MicroAST's modulator", r"(\w+\.)?weight1\.0\.conv_layer\.weight", r"(\w+\.)?bias2\.0\.conv_layer\.weight"),
    ),
    *_rows(
        FEED,
        ("a generator of pix2pix", r"model\.model\.0\.weight", r"model\.model\.1\.model\..+"),
        ("MUNIT", r"(a\.)?enc_content\.model\.0\.conv\.weight", r"(a\.)?enc_style\.model\.0\.conv\.weight"),
        ("U-GAT-IT", r"(genA2B\.)?DownBlock\.1\.weight", r"(genA2B\.)?UpBlock1_1\.conv1\.weight"),
        ("SPADE (GauGAN)", r"head_0\.conv_0\.weight_orig", r"up_0\.conv_0\.weight_orig"),
    ),
    *_rows(
        LUCIDRAINS,
        ("lucidrains' StyleGAN 2 without a constant (no_const)", r"(GAN\.)?GE?\.to_initial_block\.weight"),
        ("lucidrains' StyleGAN 2", r"(GAN\.)?GE?\.initial_block", r"(GAN\.)?GE?\.blocks\.0\.to_style1\.weight"),
    ),
    *_rows(
        FACES,
        ("EG3D", r"backbone\.synthesis\.b4\.const", r"decoder\.net\.0\.weight"),
        ("a discriminator of StyleGAN 2", r"b4\.fc\.weight", r"b8\.conv0\.weight"),
        ("a discriminator of StyleGAN 2", r"final_linear\.0\.weight", r"convs\.1\.conv1\.\d\.weight"),
        ("an encoder of faces for StyleGAN (pSp, e4e)", r"encoder\.input_layer\.0\.weight", r"decoder\.input\.input"),
        ("GFPGAN", r"stylegan_decoder\..+", r"final_linear\.weight"),
        ("ArcFace", r"input_layer\.0\.weight", r"body\.0\.res_layer\.0\.weight"),
    ),
    *_rows(
        NONE,
        ("Stable Diffusion", r"diffusion_model\.input_blocks\.0\.0\.weight"),
        ("ControlNet", r"(control_model\.)?zero_convs\.0\.0\.weight"),
        ("Stable Diffusion's network of noise (diffusers)", r"down_blocks\.0\.resnets\.0\.conv1\.weight", r"time_.+"),
        ("Stable Diffusion 3", r"(.+\.)?joint_blocks\.0\..+"),
        ("FLUX", r"(.+\.)?double_blocks\.0\.img_attn\.qkv\.weight"),
        ("an autoencoder of Stable Diffusion", r"(first_stage_model\.)?quant_conv\.weight", r"(.+\.)?post_quant_.+"),
        ("a LoRA", r".+\.(lora_down\.weight|lora_A(\.default)?\.weight)"),
        ("a textual inversion", r"(string_to_param\..+|emb_params)"),
        (
            "CLIP",
            r"(visual\.conv1|vision_model\.embeddings\.patch_embedding)\.weight",
            r"(.+\.)?token_embedding\.weight",
        ),
        ("YOLO", r"model\.\d+\.(anchors|anchor_grid|dfl\.conv\.weight)"),
        ("Segment Anything", r"image_encoder\.patch_embed\.proj\.weight", r"mask_decoder\..+"),
        ("MiDaS or Depth Anything", r"(.+\.)?scratch\.refinenet1\..+"),
        ("U-2-Net", r"stage1\.rebnconvin\.conv_s1\.weight"),
        ("RAFT", r"update_block\.gru\.convz1\.weight"),
        ("a detector of torchvision", r"rpn\.head\..+", r"roi_heads\..+"),
        ("DeepLab", r"backbone\.layer1\.0\.conv1\.weight", r"classifier\.0\.convs\..+"),
        ("ESRGAN", r"(.+\.)?(RRDB_trunk\.0|body\.0|sub\.0)\.(RDB1|rdb1)\.conv1\..+"),
        ("SwinIR", r"layers\.0\.residual_group\.blocks\.0\..+"),
        ("CodeFormer", r"fuse_convs_dict\..+", r"quantize\.embedding\.weight"),
        ("VQGAN", r"quantize\.embedding\.weight", r"encoder\.down\.0\..+"),
        ("Whisper", r"decoder\.blocks\.0\.cross_attn\.query\.weight"),
        ("HiFi-GAN", r"conv_pre\.weight(_v|_g)?", r"ups\.0\.weight(_v|_g)?"),
        ("GPT-2", r"(transformer\.)?wte\.weight", r"(transformer\.)?h\.0\.attn\.c_attn\.weight"),
        ("BERT", r"(bert\.)?embeddings\.word_embeddings\.weight", r"(bert\.)?encoder\.layer\.0\..+"),
        ("LLaMA", r"(model\.)?layers\.0\.self_attn\.q_proj\.weight", r"(model\.)?layers\.0\.mlp\.gate_proj\.weight"),
    ),
    *_rows(
        FEATURES,
        ("a VGG with batch norm", r"features\.0\.weight", r"features\.1\.running_mean", r"features\.3\.weight"),
        ("AlexNet", r"features\.0\.weight", r"features\.3\.weight", r"features\.6\.weight", r"features\.10\.weight"),
        ("ResNet", r"layer1\.0\.conv1\.weight", r"layer4\.0\.conv1\.weight"),
        ("Inception v3", r"Mixed_5b\.branch1x1\.conv\.weight"),
        ("DenseNet", r"features\.denseblock1\.denselayer1\.norm\.?1\.weight"),
        ("SqueezeNet", r"features\.3\.squeeze\.weight"),
        ("EfficientNet", r"features\.1\.0\.block\.0\.0\.weight", r"features\.2\.0\.block\.0\.0\.weight"),
        ("MobileNet", r"features\.0\.0\.weight", r"features\.1\.conv\.0\.0\.weight"),
        ("Swin Transformer", r"(.+\.)?layers\.0\.blocks\.0\.attn\.relative_position_bias_table"),
        ("ViT", r"patch_embed\.proj\.weight", r"blocks\.0\.attn\.qkv\.weight"),
        ("ConvNeXt", r"stages\.0\.(blocks\.)?0\.gamma"),
    ),
)
"""Narrower families before wider ones."""
