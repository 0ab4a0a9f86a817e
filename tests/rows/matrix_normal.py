"""MatrixNormal and ZeroSumNormal, of which NumPyro's are right."""

from tests.row import Family

ROWS = (
    Family(
        "MatrixNormal",
        points=({"loc": ((0.0, 1.0),), "scale_tril_row": ((1.0,),), "scale_tril_column": ((1.0, 0.0), (0.5, 1.0))},),
        apart="pyro/test_normal_arrays.py",
    ),
    Family("ZeroSumNormal", apart="pyro/test_normal_arrays.py"),
)
