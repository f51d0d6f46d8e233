"""Which domain a picture looks like: a logistic regression on means and deviations of a judge's features.

It learns from real pictures before a training begins, and is not changed by it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RIDGE = 20.0
"""Half of the weight of the squared weights, beside the sum over pictures."""
ITERATIONS = 100


def domain_classifier(moments: Tensor, domains: Tensor, count: int) -> nn.Linear:
    """From `moments` [N, D] of pictures of `domains` [N], each below `count`: [N, D] to logits [N, count]."""
    mean, deviation = moments.mean(0), moments.std(0).clamp_min(1e-6)
    scaled = (moments - mean) / deviation
    weight, bias = moments.new_zeros(count, moments.shape[1]), moments.new_zeros(count)
    parameters = [weight.requires_grad_(), bias.requires_grad_()]
    optimizer = torch.optim.LBFGS(parameters, max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(scaled @ weight.T + bias, domains) + RIDGE / len(scaled) * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    told = nn.Linear(moments.shape[1], count).to(moments).requires_grad_(False)
    told.weight.data = weight.detach() / deviation
    told.bias.data = bias.detach() - told.weight @ mean
    return told
