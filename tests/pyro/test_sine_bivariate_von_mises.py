"""Second derivatives of a sine bivariate von Mises draw, along its quantile."""

import torch

from irg_kernels.families import sine_bivariate_von_mises as kernel
from pyro_irg.attach import NATIVE
from pyro_irg.distributions.sine_bivariate_von_mises import _moving


def test_second_derivatives():
    """Of u along the curve of one quantile: differences of the first, which `test_partials` holds."""
    point, u, step = (2.0, 3.0, 3.5), 0.8, 1e-5
    for i in range(3):

        def at(shift, i=i):
            moved = [value + shift * (i == k) for k, value in enumerate(point)]
            tensors = [torch.tensor([value], dtype=torch.float64) for value in moved]
            start = torch.tensor([u], dtype=torch.float64)
            reach = kernel.frame(NATIVE, *tensors)
            for _ in range(4):  # the implicit midpoint rule along the curve
                halfway = [
                    torch.tensor([value + 0.5 * shift * (i == k)], dtype=torch.float64) for k, value in enumerate(point)
                ]
                middle = 0.5 * (start + u)
                slope = kernel.partials(NATIVE, middle, *halfway, *kernel.frame(NATIVE, *halfway))[i]
                start = u + shift * slope
            return kernel.partials(NATIVE, start, *tensors, *reach)[i].item()

        truth = (at(step) - at(-step)) / (2.0 * step)
        leaves = [torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in point]
        reach = kernel.frame(NATIVE, *(leaf.detach() for leaf in leaves))
        moving = _moving(torch.tensor([u], dtype=torch.float64), *leaves, *reach)
        (first,) = torch.autograd.grad(moving, leaves[i], create_graph=True)
        (second,) = torch.autograd.grad(first, leaves[i])
        assert abs(second.item() - truth) <= 1e-8 * max(1.0, abs(truth))
