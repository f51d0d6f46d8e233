"""Color preservation: golden outputs of the references, and what must hold for any colors."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from goldens import Golden
from hypothesis import given, settings
from hypothesis import strategies as st

from stylecli.media.color import coral, histogram, luminance
from stylecli.media.resize import resize_8bit

WAYS = [luminance, histogram, coral]


def rand(seed: int, height: int = 12, width: int = 15) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def test_luminance_is_that_of_neural_style_pt(tmp_path: Path) -> None:
    golden = Golden("gatys/original_colors", tmp_path)
    result = luminance(golden.picture("content_u8"), golden.picture("generated_u8")).permute(1, 2, 0) * 255
    golden.check("result_u8", result.round().byte(), largest=0)


def test_coral_is_that_of_pytorch_adain(tmp_path: Path) -> None:
    golden = Golden("adain/preserve_color", tmp_path)
    style, content = (
        resize_8bit(golden.picture(f"{name}_u8"), tuple(golden.case["outputs"][name]["shape"][1:]), filter="bilinear")
        for name in ("style0", "content")
    )
    golden.check("style_recolored", coral(style, content))


def test_exact_luminance_keeps_colors_and_brightness() -> None:
    content, stylized = rand(0) * 0.2 + 0.4, rand(1) * 0.2 + 0.4
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    result = luminance(content, stylized, exact=True)
    assert torch.allclose((result * weights).sum(0), (stylized * weights).sum(0), atol=1e-5)
    chroma = [picture - (picture * weights).sum(0) for picture in (result, content)]
    assert torch.allclose(chroma[0], chroma[1], atol=1e-5)
    assert luminance(content, stylized).sub(result).abs().max() < 6 / 255


def test_histogram_gives_the_targets_values() -> None:
    source, target = rand(0), rand(1) ** 2
    result = histogram(source, target)
    assert torch.allclose(result.flatten(1).sort().values, target.flatten(1).sort().values, atol=1e-6)
    assert torch.equal(result.flatten(1).argsort(), source.flatten(1).argsort())
    assert torch.allclose(histogram(source, source), source, atol=1e-6)


def test_histogram_keeps_flat_areas_flat() -> None:
    source = rand(0)
    source[:, :6] = 0.25
    assert histogram(source, rand(1))[:, :6].flatten(1).std(dim=1).max() == 0


def test_coral_gives_the_mean_and_nearly_the_covariance() -> None:
    style, content = rand(0, 40, 50), rand(1, 40, 50) ** 2
    result = coral(style, content).flatten(1)
    assert torch.allclose(result.mean(1), content.flatten(1).mean(1), atol=1e-5)
    assert torch.allclose(torch.cov(result), torch.cov(content.flatten(1)), atol=1e-3)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("flat", [0, 1])
def test_constant_and_gray_pictures_give_numbers(way: Callable[..., torch.Tensor], flat: int) -> None:
    gray = rand(2)[:1].expand(3, -1, -1).contiguous()
    for odd in (torch.full((3, 12, 15), 0.1), torch.zeros(3, 12, 15), gray):
        pictures = (odd, rand(3)) if flat == 0 else (rand(3), odd)
        result = way(*pictures)
        assert result.shape == (3, 12, 15)
        assert torch.isfinite(result).all()


@pytest.mark.parametrize("way", [histogram, coral])
@settings(deadline=None, max_examples=25)
@given(sizes=st.tuples(*[st.integers(1, 7)] * 4), seed=st.integers(0, 99))
def test_pictures_may_differ_in_size(
    way: Callable[..., torch.Tensor], sizes: tuple[int, int, int, int], seed: int
) -> None:
    style, content = rand(seed, *sizes[:2]), rand(seed + 1, *sizes[2:])
    result = way(style, content)
    assert result.shape == style.shape
    assert torch.isfinite(result).all()
