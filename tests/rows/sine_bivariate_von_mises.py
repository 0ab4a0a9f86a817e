"""SineBivariateVonMises."""

from tests.row import Family

ANGLES = ("phi_loc", "psi_loc", "phi_concentration", "psi_concentration", "correlation")

ROW = Family(
    "SineBivariateVonMises",
    points=(dict(zip(ANGLES, (0.5, -1.0, 2.0, 3.0, 1.0), strict=True)),),
    apart="shared/test_sine_bivariate_von_mises.py",
)
