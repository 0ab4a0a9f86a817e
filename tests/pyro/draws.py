"""What the tests of `pyro_irg.distributions` share."""

import torch

import pyro_irg.distributions as dist


def leaves(params, precision="float64", shape=()):
    """The parameters as tensors that take a gradient, one for every draw of `shape`."""
    dtype = getattr(torch, precision)
    found = {}
    for name, value in params.items():
        tensor = torch.tensor(value, dtype=dtype)
        found[name] = tensor.expand((*shape, *tensor.shape)).clone().requires_grad_()
    return found


def build(law, params, precision="float64", shape=(), **options):
    """The distribution and its leaves."""
    found = leaves(params, precision, shape)
    return getattr(dist, law.name)(**found, **options), found


def numpy(tensor):
    return tensor.detach().double().numpy()


def slopes(function, x, found):
    """d function(x) / d leaf for each leaf, when every draw has leaves of its own."""
    total = function(torch, x).sum()
    gradients = torch.autograd.grad(total, list(found.values()), retain_graph=True)
    return {name: numpy(gradient) for name, gradient in zip(found, gradients, strict=True)}
