"""Rows of `table`: networks of features, and those that take any style."""

from stylecli.checkpoints.layouts import any_style, vgg
from stylecli.checkpoints.layouts.format import LAST_PASS, Format, own

FORMATS = (
    own(
        "vgg",
        {"convs.conv1_1.weight": (None, 3, 3, 3), "preprocess": (3, 3), "preprocess_bias": (3,)},
        vgg.ours,
    ),
    Format(
        "VGG, torchvision or Caffe-style",
        "vgg",
        {"features.0.weight": (64, 3, 3, 3), "features.2.weight": (64, 64, 3, 3), "features.5.weight": (128, 64, 3, 3)},
        vgg.numbered,
        (r"classifier\.\d\.(weight|bias)",),
    ),
    Format(
        "VGG, Gatys' vgg_conv",
        "vgg",
        {"conv1_1.weight": (64, 3, 3, 3), "conv1_2.weight": (64, 64, 3, 3)},
        vgg.named,
    ),
    Format(
        "LPIPS, its weights of channels",
        "lpips",
        {f"lin{index}.model.1.weight": (1, None, 1, 1) for index in range(5)},
        vgg.lpips,
    ),
    Format(
        "VGG-19, normalised (AdaIN)",
        "vgg",
        {"0.weight": (3, 3, 1, 1), "2.weight": (64, 3, 3, 3), "5.weight": (64, 64, 3, 3), "9.weight": (128, 64, 3, 3)},
        vgg.normalised,
    ),
    Format(
        "VGG-19, normalised (AdaIN), Torch 7",
        "vgg",
        {"modules.1.weight": (3, 3, 1, 1), "modules.3.weight": (64, 3, 3, 3), "modules.6.weight": (64, 64, 3, 3)},
        vgg.torch7,
        (LAST_PASS,),
    ),
    Format(
        "VGG-19, compressed by Collaborative Distillation",
        "vgg",
        {"conv0.weight": (3, 3, 1, 1), "conv11.weight": (None, 3, 3, 3), "conv12.weight": (None, None, 3, 3)},
        vgg.distilled,
    ),
    own(
        "transport",
        {
            "decoder.conv2_last.weight": (None, None, 3, 3),
            "decoder.conv1.weight": (3, None, 3, 3),
            "code_mean": (None,),
        },
        any_style.transport,
    ),
    own(
        "adain",
        {"vgg.convs.conv1_1.weight": (None, 3, 3, 3), "decoder.convs.conv1_1.weight": (3, None, 3, 3)},
        any_style.pair,
    ),
    own(
        "microast",
        {
            "content_encoder.0.weight": (None, 3, 9, 9),
            "weights.0.weight": (None, 1, 3, 3),
            "up.10.weight": (3, None, 9, 9),
        },
        any_style.microast,
    ),
    Format(
        "MicroAST",
        "microast",
        {
            "content_encoder.enc1.0.conv_layer.weight": (None, 3, 9, 9),
            "style_encoder.enc1.0.conv_layer.weight": (None, 3, 9, 9),
            "modulator.weight1.0.conv_layer.weight": (None, 1, 3, 3),
            "decoder.dec3.10.conv_layer.weight": (3, None, 9, 9),
        },
        any_style.microast,
    ),
    own(
        "msgnet",
        {"inspiration": (None, None), "stem.weight": (None, 3, 7, 7), "blocks.0.narrow.weight": (None, None, 1, 1)},
        any_style.own_msgnet,
    ),
    Format(
        "MSG-Net",
        "msgnet",
        {
            "ins.weight": (1, None, None),
            "model1.0.conv2d.weight": (None, 3, 7, 7),
            "model.2.conv_block.2.weight": (None,) * 4,
        },
        any_style.msgnet,
        (r"model\.[01]\..+", r".+\.(running_mean|running_var|num_batches_tracked)"),
    ),
    Format(
        "AdaIN decoder (pytorch-AdaIN)",
        "adain-decoder",
        {"1.weight": (None, None, 3, 3), "5.weight": (None, None, 3, 3), "28.weight": (3, None, 3, 3)},
        any_style.numbered_decoder,
    ),
    Format(
        "AdaIN decoder, Torch 7",
        "adain-decoder",
        {
            "modules.2.weight": (None, None, 3, 3),
            "modules.6.weight": (None, None, 3, 3),
            "modules.29.weight": (3, None, 3, 3),
        },
        any_style.torch7_decoder,
        (LAST_PASS,),
    ),
    own(
        "adain-decoder",
        {"convs.conv4_1.weight": (None, None, 3, 3), "convs.conv1_1.weight": (3, None, 3, 3)},
        any_style.decoder,
    ),
)
