"""Vectors and matrices in batches without an element: draws, densities and gradients."""

import numpy as np
import pytest

from tests.adapters import over

EYE = np.eye(3)
# class -> its parameters for one element
EMPTY = {
    "Dirichlet": {"concentration": np.ones(3)},
    "RelaxedOneHotCategorical": {"temperature": 0.5, "probs": np.full(3, 1.0 / 3.0)},
    "MultivariateStudentT": {"df": 5.0, "loc": np.zeros(3), "scale_tril": EYE},
    "VonMisesFisher": {"mean_direction": EYE[0], "concentration": 2.0},
    "PowerSpherical": {"mean_direction": EYE[0], "concentration": 2.0},
    "LKJ": {"concentration": 1.5},
    "LKJCholesky": {"concentration": 1.5},
    "Wishart": {"concentration": 5.0, "scale_tril": EYE},
    "WishartCholesky": {"concentration": 5.0, "scale_tril": EYE},
    "InverseWishart": {"concentration": 5.0, "scale_tril": EYE},
    "InverseWishartCholesky": {"concentration": 5.0, "scale_tril": EYE},
    "MatrixNormal": {"loc": np.zeros((3, 3)), "scale_tril_row": EYE, "scale_tril_column": EYE},
    "MixtureOfDiagNormals": {"locs": np.zeros((2, 3)), "coord_scale": np.ones((2, 3)), "component_logits": np.zeros(2)},
    "SineBivariateVonMises": dict.fromkeys(("phi_loc", "psi_loc", "correlation"), 0.1)
    | dict.fromkeys(("phi_concentration", "psi_concentration"), 2.0),
}
SIZE = {"LKJ": (3,), "LKJCholesky": (3,)}
# both hosts' check of vectors and matrices reshapes to -1, which of nothing is ambiguous: they refuse their own too
CHECKED = {"Dirichlet", "VonMisesFisher", "PowerSpherical"}
# NumPyro's transforms of matrices, and its batched solver, do so in their own draws and densities
BY_NUMPYRO = {"LKJ", "Wishart", "InverseWishart", "MatrixNormal", "MixtureOfDiagNormals"}


@over({name: name for name in EMPTY}, "name", when=lambda a, name: a.eager or name not in BY_NUMPYRO)
@pytest.mark.parametrize("shape", [(0,), (2, 0)], ids=str)
def test_empty_batches(adapter, name, shape):
    params = {key: adapter.array(np.broadcast_to(v, (*shape, *np.shape(v)))) for key, v in EMPTY[name].items()}
    if adapter.eager and name == "Wishart":  # Pyro's name of it
        params["df"] = params.pop("concentration")

    def drawn(params):
        d = getattr(adapter.dist, name)(*SIZE.get(name, ()), **params, validate_args=name in CHECKED)
        return d, adapter.draw(d, adapter.key(0), (4,))

    d, x = drawn(params)
    assert tuple(d.batch_shape) == shape and tuple(x.shape) == (4, *shape, *d.event_shape)
    assert tuple(d.log_prob(x).shape) == (4, *shape)
    slopes = adapter.grad(lambda p: drawn(p)[1].sum())(params)
    for key, slope in slopes.items():
        assert tuple(slope.shape) == tuple(params[key].shape), key
