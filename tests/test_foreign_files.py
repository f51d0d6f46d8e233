"""A file that is not ours is named as what it is, in one line, with what to do instead."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Result

from stylecli.checkpoints.layouts.identify import identify
from stylecli.errors import WeightsError

PAGE = "<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title>"


def several() -> bytes:
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        for name in ("saved/mosaic.pth", "saved/candy.pth", "readme.txt"):
            archive.writestr(name, b"x")
    return file.getvalue()


BYTES: dict[str, tuple[bytes, str]] = {
    **{f"page {code}": (PAGE.encode(code), "a web page") for code in ("utf-8", "utf-8-sig", "utf-16", "utf-16-be")},
    "page with a comment": (b"<!-- saved --><html>", "a web page"),
    "page utf-32": (PAGE.encode("utf-32-le"), "a web page"),
    "lfs": (
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n".encode("utf-16"),
        "a Git LFS pointer",
    ),
    "answer": (b'{"error": "Repository not found"}', "JSON text"),
    "model.safetensors.index.json": (b'{"metadata": {"total_size": 9}, "weight_map": {}}', "model in several files"),
    "net.tflite": (b"\x1c\0\0\0TFL3\x14\0\x20\0" + bytes(20), "a TFLite model"),
    "saved_model.pb": (b"\x08\x01\x12\x8f\xf2\x03\x0a\x97\x0d", "a SavedModel of TensorFlow"),
    "net.mlmodel": (b"\x08\x04\x12\x40\x0a\x1f\x0a\x05image", "a Core ML model"),
    "net.onnx": (b"\x08\x06\x12\x07pytorch", "an ONNX model"),
    "frozen.pb": (b"\x0a\x35\x0a\x05input\x12\x0bPlaceholder", "a frozen graph of TensorFlow"),
    "vgg.caffemodel": (b"\x0a\x10VGG_ILSVRC_19_la\x12\x40\x0a", "a caffemodel"),
    "new.caffemodel": (b"\x0a\x09GoogleNet\xa2\x06\x40", "a caffemodel"),
    "wave.ckpt": (b"\0\0\xb3\x12\x0a\xb0\x12\x0a\x20", "a TensorFlow checkpoint without its end"),
    "wave.ckpt.index": (b"\0\0\x06\x08\x01\x1a\x02\x08\x01", "a TensorFlow checkpoint without its end"),
    "vgg.mat": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "a MAT file"),
    "a.npy": (b"\x93NUMPY\x01\0v\0{'descr': '<f4'}", "a NumPy array"),
    "yolov3.weights": (struct.pack("<3iq", 0, 2, 5, 32013312) + bytes(8), "Darknet weights (YOLO)"),
    "net.params": (b"\x12\x01" + bytes(6) + b"\x09\0\0\0", "MXNet parameters"),
    "net.param": (b"7767517\n75 83\n", "an ncnn description"),
    "net.xml": (b'<?xml version="1.0"?>\n<net name="a" version="11">', "an OpenVINO description"),
    "all.zip": (several(), "a zip archive of 2 files (saved/mosaic.pth, saved/candy.pth)"),
    "paper.pdf": (b"%PDF-1.7\n", "a PDF"),
}

TENSORS: dict[str, str] = {
    "SANet": "sanet4_1.f.weight sanet4_1.g.weight sanet5_1.f.weight merge_conv.weight",
    "AdaAttN": "attn_adain_4_1.f.weight attn_adain_5_1.f.weight",
    "AdaAttN's decoder": "decoder_layer_1.1.weight decoder_layer_2.0.weight decoder_layer_2.4.weight",
    "StyTr2": "encoder_c.layers.0.norm1.weight encoder_s.layers.0.norm1.weight decoder.layers.0.norm1.weight",
    "LinearStyleTransfer": "snet.convs.0.weight cnet.convs.0.weight compress.weight",
    "MicroAST's encoder": "enc1.0.conv_layer.weight enc2.0.conv1.conv_layer.weight",
    "MicroAST's decoder": "dec1.conv1.conv_layer.weight dec2.conv1.conv_layer.weight dec3.1.conv_layer.weight",
    "MicroAST's modulator": "weight1.0.conv_layer.weight bias1.0.conv_layer.weight bias2.0.conv_layer.weight",
    "pix2pix": "model.model.0.weight model.model.1.model.1.weight model.model.3.weight",
    "MUNIT": "a.enc_content.model.0.conv.weight a.enc_style.model.0.conv.weight b.dec.model.0.conv.weight",
    "U-GAT-IT": "genA2B.DownBlock.1.weight genA2B.UpBlock1_1.conv1.weight disGA.model.1.weight_orig",
    "SPADE": "fc.weight head_0.conv_0.weight_orig up_0.conv_0.weight_orig",
    "lucidrains": "GAN.S.net.0.weight GAN.G.initial_block GAN.G.blocks.0.to_style1.weight",
    "EG3D": "backbone.synthesis.b4.const decoder.net.0.weight",
    "pSp": "state_dict.encoder.input_layer.0.weight state_dict.decoder.input.input latent_avg",
    "GFPGAN": "params_ema.stylegan_decoder.style_mlp.1.weight params_ema.final_linear.weight",
    "ArcFace": "input_layer.0.weight body.0.res_layer.0.weight output_layer.0.weight",
    "Stable Diffusion": "state_dict.model.diffusion_model.input_blocks.0.0.weight state_dict.first_stage_model.a",
    "ControlNet": "control_model.zero_convs.0.0.weight control_model.input_blocks.0.0.weight",
    "diffusers": "down_blocks.0.resnets.0.conv1.weight time_embedding.linear_1.weight",
    "FLUX": "double_blocks.0.img_attn.qkv.weight img_in.weight",
    "an autoencoder of Stable Diffusion": "encoder.conv_in.weight quant_conv.weight post_quant_conv.weight",
    "LoRA": "lora_unet_mid_block_attn.lora_down.weight lora_unet_mid_block_attn.alpha",
    "CLIP": "visual.conv1.weight token_embedding.weight ln_final.weight",
    "YOLO": "model.model.0.conv.weight model.model.24.anchors",
    "Segment Anything": "image_encoder.patch_embed.proj.weight mask_decoder.iou_token.weight",
    "MiDaS": "pretrained.model.a scratch.refinenet1.out_conv.weight",
    "U-2-Net": "stage1.rebnconvin.conv_s1.weight",
    "RAFT": "module.update_block.gru.convz1.weight module.fnet.conv1.weight",
    "ESRGAN": "conv_first.weight RRDB_trunk.0.RDB1.conv1.weight",
    "Whisper": "model_state_dict.decoder.blocks.0.cross_attn.query.weight",
    "GPT-2": "wte.weight h.0.attn.c_attn.weight",
    "BERT": "bert.embeddings.word_embeddings.weight bert.encoder.layer.0.output.dense.weight",
    "LLaMA": "model.layers.0.self_attn.q_proj.weight model.layers.0.mlp.gate_proj.weight",
    "VGG with batch norm": "features.0.weight features.1.weight features.1.running_mean features.3.weight",
    "AlexNet": "features.0.weight features.3.weight features.6.weight features.8.weight features.10.weight",
    "ResNet": "conv1.weight layer1.0.conv1.weight layer4.0.conv1.weight fc.weight",
    "Inception": "Conv2d_1a_3x3.conv.weight Mixed_5b.branch1x1.conv.weight",
    "DenseNet": "features.conv0.weight features.denseblock1.denselayer1.norm1.weight",
    "SwinIR": "conv_first.weight layers.0.residual_group.blocks.0.norm1.weight",
    "CodeFormer": "fuse_convs_dict.32.scale.0.weight quantize.embedding.weight",
    "HiFi-GAN": "generator.conv_pre.weight_v generator.ups.0.weight_v",
    "ViT": "patch_embed.proj.weight blocks.0.attn.qkv.weight cls_token",
}  # fmt: skip


def checked(cli: Callable[..., Result], path: Path) -> str:
    """The first of the two lines that `weights check` says."""
    done = cli("weights", "check", str(path))
    said, hint, *more = done.stderr.splitlines()
    assert (done.exit_code, done.stdout, more) == (3, "", [])
    assert hint.startswith("hint: ")
    assert "closest" not in said
    return said.removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", BYTES)
def test_containers(cli: Callable[..., Result], tmp_path: Path, name: str):
    data, what = BYTES[name]
    (path := tmp_path / "weights.pth").write_bytes(data)
    if what == "a PDF":
        assert what in cli("weights", "check", str(path)).stderr
    else:
        assert what in checked(cli, path)


@pytest.mark.parametrize("name", TENSORS)
def test_families(cli: Callable[..., Result], tmp_path: Path, name: str):
    torch.save({key: torch.zeros(1) for key in TENSORS[name].split()}, path := tmp_path / "weights.pth")
    said = checked(cli, path)
    assert said.startswith("holds ")
    assert name in said


def test_how_many():
    assert len(BYTES) + len(TENSORS) >= 60


def test_what_is_near_and_what_is_not():
    with pytest.raises(WeightsError, match=r"^no known network$"):
        identify({"a": torch.zeros(2)})
    with pytest.raises(WeightsError, match=r"^no known network: closest is StarGAN v2, clovaai \(no mapping_network"):
        identify(
            {
                "generator.from_rgb.weight": torch.zeros(8, 3, 3, 3),
                "style_encoder.shared.0.weight": torch.zeros(8, 3, 3, 3),
            }
        )
