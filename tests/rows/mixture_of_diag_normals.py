"""The mixtures of diagonal normals."""

from tests.row import Family

LOCS = ((0.0, 1.0), (2.0, 3.0))

ROWS = (
    Family(
        "MixtureOfDiagNormals",
        points=({"locs": LOCS, "coord_scale": ((1.0, 0.5), (2.0, 1.0)), "component_logits": (0.0, 1.0)},),
        apart="shared/test_mixture_of_diag_normals.py",
    ),
    Family(
        "MixtureOfDiagNormalsSharedCovariance",
        points=({"locs": LOCS, "coord_scale": (1.0, 0.5), "component_logits": (0.0, 1.0)},),
        apart="shared/test_mixture_of_diag_normals.py",
    ),
    Family(
        "GaussianScaleMixture",
        points=({"coord_scale": (1.0, 0.5), "component_logits": (0.0, 1.0), "component_scale": (1.0, 2.0)},),
        apart="shared/test_mixture_of_diag_normals.py",
    ),
)
