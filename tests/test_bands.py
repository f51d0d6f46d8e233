"""Layers on large features, some rows after the others: the very values of the layers on the whole."""

import pytest
import torch
import torch.nn.functional as F

from stylecli.nets import bands, subpixel

CASES = [
    (9, 2, "reflect", None, 4),
    (3, 2, "reflect", None, 1),
    (3, 1, "reflect", None, 1),
    (10, 2, "reflect", 0, 4),
    (2, 1, "replicate", 1, 1),
    (3, 1, "constant", 0, 1),
]


@pytest.mark.parametrize("size", [(101, 82), (60, 83)])
@pytest.mark.parametrize(("kernel", "stride", "mode", "phased", "border"), CASES)
def test_bands_of_a_convolution(
    kernel: int,
    stride: int,
    mode: str,
    phased: int | None,
    border: int,
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
):
    made = torch.Generator().manual_seed(0)
    x = torch.randn(1, 8, *size, generator=made).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(16, 8, kernel, kernel, generator=made) / kernel, torch.randn(16, generator=made)
    with torch.inference_mode():
        whole = bands.convolved(x, weight, bias, stride, border=border, mode=mode, phased=phased)
        monkeypatch.setattr(bands, "LARGE", 0)
        monkeypatch.setattr(bands, "AT_ONCE", 2**14)
        parts = bands.convolved(x, weight, bias, stride, border=border, mode=mode, phased=phased)
    assert parts.shape == whole.shape
    assert torch.allclose(parts, whole, atol=1e-5)


@pytest.mark.parametrize("size", [(31, 22), (30, 23)])
@pytest.mark.parametrize("large", [2**25, 0])
def test_two_pixels_at_once(size: tuple[int, int], large: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bands, "LARGE", large)
    monkeypatch.setattr(bands, "AT_ONCE", 2**13)
    made = torch.Generator().manual_seed(0)
    x = torch.randn(1, 8, *size, generator=made).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(3, 8, 9, 9, generator=made) / 9, torch.randn(3, generator=made)
    wanted = F.conv2d(F.interpolate(F.pad(x, (2,) * 4, "replicate"), scale_factor=2.0), weight, bias)
    with torch.inference_mode():
        two = subpixel.beside(*subpixel.phases(weight, bias))
        found = bands.convolved(x, *two, border=2, mode="replicate", phased=0, pixels=2)
    assert found.shape == wanted.shape
    assert torch.allclose(found, wanted, atol=1e-5)


def test_norm_and_relu_in_place():
    x, scale, shift = torch.randn(1, 3, 50, 7), torch.rand(1, 3, 1, 1), torch.randn(1, 3, 1, 1)
    wanted = torch.relu(x * scale + shift)
    with torch.inference_mode():
        assert torch.allclose(bands.active(x, scale, shift), wanted, atol=1e-6)
    assert torch.allclose(x, wanted, atol=1e-6)


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("widths", [(3,), (3, 8, 1)])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (9, 12)])
def test_a_border_around_several(widths: tuple[int, ...], size: tuple[int, int], gradients: bool):
    parts = [torch.randn(2, width, *size) for width in widths]
    parts[-1] = parts[-1][:1].expand(2, -1, -1, -1)
    with torch.set_grad_enabled(gradients):
        made = bands.bordered(parts)
    assert torch.equal(made, F.pad(torch.cat(parts, 1), (1, 1, 1, 1), mode="replicate"))


@pytest.mark.parametrize("channels", [1, 3, 16])
@pytest.mark.parametrize("size", [(2, 2), (3, 7), (12, 10)])
def test_pooling_is_that_of_pytorch(channels: int, size: tuple[int, int]):
    x = torch.randn(2, channels, *size, generator=torch.Generator().manual_seed(0))
    x[0, 0, 1, 1] = torch.nan
    for laid in (x, x.contiguous(memory_format=torch.channels_last)):
        with torch.inference_mode():
            largest, mean = subpixel.pooled(laid, "max"), subpixel.pooled(laid, "average")
        assert torch.equal(largest.nan_to_num(9), F.max_pool2d(x, 2).nan_to_num(9))
        torch.testing.assert_close(mean, F.avg_pool2d(x, 2), equal_nan=True)
    flat = x.nan_to_num().requires_grad_()
    subpixel.pooled(flat, "max").sum().backward()
    assert flat.grad is not None
    assert flat.grad.sum() == 2 * channels * (size[0] // 2) * (size[1] // 2)
