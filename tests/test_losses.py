"""Losses against closed forms, brute force and numerical gradients."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from stylecli.losses import content, distributions
from stylecli.losses.distributions import directions, sliced_wasserstein
from stylecli.losses.matrix_root import sqrtm
from stylecli.losses.statistics import Statistics, mapped, mean_and_second, mix, statistics
from stylecli.losses.statistics import correlations as correlations_of
from stylecli.losses.style import DISTANCES, correlations, gram, mmd_linear, mmd_poly, size_of, wasserstein
from stylecli.optimise.neighbors import Neighbors


def features(channels: int = 4, height: int = 5, width: int = 6, seed: int = 0) -> Tensor:
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def kernel_mmd(x: Tensor, y: Tensor, kernel: Callable[[Tensor], Tensor]) -> float:
    """MMD^2 of every vector of `x` [n, C] with every one of `y`, straight from its definition."""
    return float(kernel(x @ x.T).mean() + kernel(y @ y.T).mean() - 2 * kernel(x @ y.T).mean())


def rows(f: Tensor) -> Tensor:
    return f[0].flatten(1).T


def test_second_moment_of_ones_is_one() -> None:
    found = statistics(torch.ones(1, 3, 7, 9))
    assert torch.equal(found.second, torch.ones(3, 3))
    assert torch.equal(found.mean, torch.ones(3))
    assert torch.equal(found.variance, torch.zeros(3))


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6))
@settings(deadline=None, max_examples=30)
def test_moments_do_not_depend_on_how_often_a_picture_is_tiled(channels: int, height: int, width: int) -> None:
    f = features(channels, height, width)
    for a, b in zip(statistics(f), statistics(f.repeat(1, 1, 2, 3)), strict=True):
        assert torch.allclose(a, b)


def test_gram_is_the_mmd_of_the_quadratic_kernel() -> None:
    # Li et al. 2017, eq. 7: matching Gram matrices is matching distributions under k(x, y) = (x.y)^2.
    x, y = features(seed=1), features(height=4, width=3, seed=2)
    expected = kernel_mmd(rows(x), rows(y), torch.square)
    assert float(gram(statistics(x), statistics(y))) == pytest.approx(expected)


@pytest.mark.parametrize("offset", [0.0, 0.5, 3.0])
def test_mmd_poly_is_the_mmd_of_its_kernel(offset: float) -> None:
    x, y = features(seed=1), features(height=4, width=3, seed=2)
    expected = kernel_mmd(rows(x), rows(y), lambda product: (product + offset).square())
    assert float(mmd_poly(statistics(x), statistics(y), offset)) == pytest.approx(expected)


def test_mmd_linear_is_the_mmd_of_the_scalar_product() -> None:
    x, y = features(seed=1), features(seed=2)
    assert float(mmd_linear(statistics(x), statistics(y))) == pytest.approx(kernel_mmd(rows(x), rows(y), lambda p: p))


def test_mmd_gaussian_is_the_mmd_of_its_kernel() -> None:
    x, y = features(seed=1), features(height=4, width=3, seed=2)
    spread = torch.cdist(rows(y), rows(y)).square().mean()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-torch.cdist(a, b).square() / spread).mean()

    a, b = rows(x), rows(y)
    expected = float(kernel(a, a) + kernel(b, b) - 2 * kernel(a, b))
    found = distributions.gaussian(distributions.samples(x, None, 1000), distributions.samples(y, None, 1000))
    assert float(found) == pytest.approx(expected)
    same = distributions.samples(y, None, 1000)
    assert float(distributions.gaussian(same, same)) == pytest.approx(0, abs=1e-12)


def test_wasserstein_between_diagonal_gaussians() -> None:
    # For diagonal covariances the distance is that of the means and of the deviations.
    mean = [torch.tensor([0.0, 1.0, 2.0]).double(), torch.tensor([1.0, 1.0, 0.0]).double()]
    deviation = [torch.tensor([1.0, 2.0, 0.5]).double(), torch.tensor([3.0, 1.0, 0.5]).double()]
    now, target = (Statistics(m, torch.outer(m, m) + torch.diag(s**2)) for m, s in zip(mean, deviation, strict=True))
    bures = sum((math.sqrt(a**2 + 1e-4) - math.sqrt(b**2 + 1e-4)) ** 2 for a, b in zip(*deviation, strict=True))
    expected = float((mean[0] - mean[1]).square().mean()) + float(bures) / 3
    assert float(wasserstein(now, target)) == pytest.approx(expected, rel=1e-6)


def test_correlations_are_those_of_the_channels_whatever_their_means_and_contrasts() -> None:
    f = features(seed=1)
    assert torch.allclose(correlations_of(*statistics(f)), torch.corrcoef(f[0].flatten(1)), atol=1e-6)
    other = f * torch.tensor([2.0, 0.5, 7.0, 1.0])[:, None, None] + torch.arange(4.0)[:, None, None]
    assert float(correlations(statistics(f), statistics(other))) == pytest.approx(0, abs=1e-12)
    assert float(gram(statistics(f), statistics(other))) > 1


def test_a_channel_that_does_not_vary_has_no_correlations() -> None:
    f = features(seed=1)
    f[:, 2] = 0.3
    found = correlations_of(*statistics(f))
    assert found.isfinite().all()
    assert found[2].abs().max() < 1e-6


def test_moments_have_the_gradients_of_their_formulas() -> None:
    f = features(channels=3, height=2, width=3).repeat(2, 1, 1, 1).requires_grad_(True)
    assert torch.autograd.gradcheck(mean_and_second, (f,))


def test_square_root_and_its_gradient() -> None:
    a = features(1, 4, 4)[0, 0]
    matrix = (a @ a.T + torch.eye(4)).requires_grad_(True)
    assert torch.allclose(sqrtm(matrix) @ sqrtm(matrix), matrix, atol=1e-8)
    symmetric = lambda m: sqrtm((m + m.T) / 2)
    assert torch.autograd.gradcheck(symmetric, (matrix,), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", DISTANCES)
def test_style_distances(name: str) -> None:
    x, y = features(seed=1).requires_grad_(True), statistics(features(seed=2))
    distance = DISTANCES[name]
    assert float(distance(y, y)) == pytest.approx(0, abs=1e-6)
    assert float(distance(statistics(x), y).detach()) > 0
    assert float(size_of(name, y)) > 0
    assert torch.autograd.gradcheck(lambda f: distance(statistics(f), y), (x,), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", DISTANCES)
def test_style_distances_survive_constant_features(name: str) -> None:
    x = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    DISTANCES[name](statistics(x), statistics(torch.zeros(1, 3, 4, 4))).backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_weighted_moments_are_those_of_the_part() -> None:
    f = features(3, 4, 6)
    weights = torch.zeros(1, 1, 4, 6, dtype=torch.float64)
    weights[..., :3] = 1 / 12
    for a, b in zip(statistics(f, weights), statistics(f[..., :3]), strict=True):
        assert torch.allclose(a, b)


def test_mixed_moments_are_those_of_both_pictures_together() -> None:
    x, y = features(height=2, seed=1), features(height=6, seed=2)
    both = statistics(torch.cat([x, y], 2))
    for a, b in zip(mix([statistics(x), statistics(y)], [0.25, 0.75]), both, strict=True):
        assert torch.allclose(a, b)


def test_mapped_moments_are_those_of_mapped_features() -> None:
    f, matrix, bias = features(4), features(1, 7, 4, seed=3)[0, 0], features(1, 1, 7, seed=4)[0, 0, 0]
    wide = torch.einsum("dc,nchw->ndhw", matrix, f) + bias[:, None, None]
    for a, b in zip(mapped(statistics(f), matrix, bias), statistics(wide), strict=True):
        assert torch.allclose(a, b)


def test_normalized_content_ignores_gain_and_offset() -> None:
    f = features()
    assert torch.allclose(content.normalized(f), content.normalized(3 * f + 2), atol=1e-4)
    assert float(content.squared_error(f, f + 2)) == pytest.approx(4)


def test_total_variation_closed_forms() -> None:
    ramp = torch.arange(6.0).expand(1, 3, 5, 6)
    assert float(content.absolute(ramp)) == 3 * 5 * 5
    assert float(content.nine_point(torch.full((1, 3, 4, 4), 0.3))) == 0
    assert torch.autograd.gradcheck(content.nine_point, (features(3).requires_grad_(True),))


def test_sliced_wasserstein_sees_distributions_and_no_order() -> None:
    generator = torch.Generator().manual_seed(0)
    along = directions(8, 5, generator)
    assert torch.allclose(along.square().sum(1), torch.ones(8))
    x = torch.rand(2, 5, 300, generator=generator)
    mixed = x[:, :, torch.randperm(300, generator=generator)].requires_grad_(True)
    apart = sliced_wasserstein(mixed, x[0], along)
    assert float(apart[0].detach()) < 1e-10 < 1e-3 < float(apart[1].detach())
    (gradient,) = torch.autograd.grad(apart.sum(), mixed)
    assert gradient.isfinite().all()
    assert gradient[1].any()
    # The second moments of islands are those of the even picture; moved by c along an axis, the distance is c^2 / var.
    even = torch.ones(1, 1, 400)
    even[..., ::2] = -1
    islands = torch.zeros(1, 1, 400)
    islands[..., :100] = 2
    islands[..., :50] = -2
    assert torch.equal(even @ even.mT, islands @ islands.mT)
    one = torch.ones(1, 1)
    assert float(sliced_wasserstein(islands, even[0], one)) > 0.5
    assert float(sliced_wasserstein(even + 3, even[0], one)) == pytest.approx(9)


def test_sliced_wasserstein_of_other_numbers_of_vectors() -> None:
    many = torch.linspace(0, 1, 999)[None]
    assert float(sliced_wasserstein(torch.linspace(0, 1, 100)[None, None], many, torch.ones(1, 1))) < 1e-3


@pytest.mark.parametrize("both", [False, True], ids=["neighbors", "earth mover"])
def test_neighbors_are_those_of_brute_force(both: bool) -> None:
    """Equation 4 of ARF, 8 of STROTSS, as they stand; no other place is as near as a match: slopes are of it alone."""
    style, picture = ([features(4, 8, 8, seed), features(6, 4, 4, seed + 1)] for seed in (0, 2))
    loss = Neighbors([style], [1.0], both=both)
    scaled = lambda some: [x * scale for x, scale in zip(some, loss.scales, strict=True)]
    columns = lambda some: torch.cat([functional.avg_pool2d(some[0], 2), some[1]], 1)[0].flatten(1).T
    given = [x.requires_grad_() for x in picture]
    found = loss(given)
    mine, theirs = (columns(scaled(each)) for each in (given, style))
    cosines = functional.normalize(mine - mine.detach().mean(0)) @ functional.normalize(theirs - theirs.mean(0)).T
    plain = torch.stack([(1 - cosines.amax(axis)).mean() for axis in ((1, 0) if both else (1,))]).max()
    assert torch.allclose(found, plain)
    for ours, wanted in zip(*(torch.autograd.grad(each, given) for each in (found, plain)), strict=True):
        assert torch.allclose(ours, wanted)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_moments_however_they_lie_in_memory(count: int, memory: torch.memory_format) -> None:
    torch.manual_seed(0)
    x = torch.randn(count, 5, 9, 8).contiguous(memory_format=memory).requires_grad_()
    to_mean, to_second = torch.randn(count, 5), torch.randn(count, 5, 5)
    mean, second = mean_and_second(x)
    rows = x.double().flatten(2)
    exact = rows.mean(2), rows @ rows.mT / 72
    torch.testing.assert_close((mean.double(), second.double()), exact, atol=1e-5, rtol=1e-5)
    (ours,) = torch.autograd.grad((mean * to_mean).sum() + (second * to_second).sum(), x)
    (plain,) = torch.autograd.grad((exact[0] * to_mean).sum() + (exact[1] * to_second).sum(), x)
    torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-5)
