"""Gamma(a, 1): the derivative of log z in a at fixed quantile by a table, to a relative error of 5e-7.

That is exact enough for answers in float32, if the arithmetic is float64 (guard digits): lambda - 1 - log lambda
cancels.

    symbol      meaning
    w, lambda   1 / a and z / a
    y           +-sqrt(lambda - 1 - log lambda), of the sign of lambda - 1: Temme's eta (1979; DLMF 8.12.2) over sqrt(2)

    a d log z/da = (log lambda / (lambda - 1)) (1 + w K(y, w)),

whose limit at a = inf is the first factor.  K is smooth in y and w, of size 0.2: a polynomial, from mpmath by
`python -m benchmarks.gamma_table`, serves a >= 1.  (In the sampler's coordinates, z = d (1 + c x)**3, no polynomial of
such a degree is exact enough there.)
"""

from __future__ import annotations

from ..namespace import Array, Namespace


def dlogz_da_of_large(xp: Namespace[Array], z: Array, a: Array) -> Array:
    """d log z / da, for elements that are `is_large`; z > 0 and a of one shape, in float64."""
    w = 1.0 / a
    ratio = z * w
    # of z = a both are 0, and their quotient must be 1; of any other z they are of size 1e-16 at least
    excess, log_ratio = (ratio - 1.0) + 1e-30, xp.log(ratio) + 1e-30
    y = xp.copysign(xp.sqrt(xp.abs(excess - log_ratio)), excess)
    return log_ratio / excess * w * xp.bivariate(TABLE, y, w)


def is_large(xp: Namespace[Array], z: Array, a: Array) -> Array:
    """Whether a >= 1 and the table covers z, as it does from the quantile 1e-6 to 1 - 1e-7 at a = 1, and to rarer ones
    at a larger a."""
    return (a >= 1.0) & (xp.abs(z - MIDDLE * a) < HALF * a)


# fmt: off
# lambda where eta is -5 and 5
LEAST, MOST = 1.37096096592e-06, 16.2905874862
MIDDLE, HALF = 0.5 * (LEAST + MOST), 0.5 * (MOST - LEAST)
# [j][k] of y**j w**k, 1 + w K
TABLE = (
    (1, 0.166666771, 0.0166796527, -0.00963599147, -0.00343056507, 0.00467930288, -0.00139635273),
    (0, 2.20883293e-06, 0.0117538384, 0.00548155425, -0.00445320334, 0.000431321416, 0.000314626153),
    (0, -0.0111187641, -0.00672931192, 0.000214142948, 0.00413860358, -0.00280785505, 0.000647703595),
    (0, 0.00522701712, 0.0010942065, -0.00189741025, -0.000995903607, 0.00174031331, -0.000604068638),
    (0, -0.0010287153, 0.000741184096, 0.00118799033, -0.000799725907, -9.97120147e-05, 0.000153097094),
    (0, -0.000206888731, -0.000566564493, -0.00045909849, 0.0010704589, -0.000653040541, 0.000141042495),
    (0, 0.000233936124, 0.000233949074, 1.84579131e-06, -0.000586409994, 0.000590043054, -0.000188077185),
    (0, -0.000125027569, -0.000103667971, 0.000320423469, -0.000132975113, -8.3193324e-05, 5.84540454e-05),
    (0, 5.23239522e-05, -2.99357296e-05, -0.000207277417, 0.000337942561, -0.000218568149, 5.40876067e-05),
    (0, 8.8302093e-06, 7.93839249e-05, -5.56268769e-05, -6.72564874e-05, 0.000106276582, -4.03198129e-05),
    (0, -2.17162716e-05, -1.81531774e-05, 7.77261069e-05, -8.02304007e-05, 3.59960265e-05, -5.61198501e-06),
    (0, 4.55414485e-06, -1.79368185e-05, 9.67173107e-07, 2.88602888e-05, -3.10490344e-05, 1.05255672e-05),
    (0, 3.16048165e-06, 6.71970065e-06, -1.48130194e-05, 1.06878221e-05, -2.22915755e-06, -4.41078404e-07),
    (0, -1.17178799e-06, 2.25524913e-06, 1.02606513e-06, -5.21622617e-06, 4.89732383e-06, -1.57314412e-06),
    (0, -2.34497333e-07, -1.08559554e-06, 1.73217152e-06, -8.23996208e-07, -1.78334966e-07, 1.97804335e-07),
    (0, 1.32582656e-07, -1.74575158e-07, -1.68881381e-07, 5.37031744e-07, -4.68169443e-07, 1.45456454e-07),
    (0, 7.3834689e-09, 1.01348777e-07, -1.29592584e-07, 3.19984388e-08, 4.44988854e-08, -2.53257317e-08),
    (0, -8.30515567e-09, 8.29572346e-09, 1.26844874e-08, -3.27054309e-08, 2.71802934e-08, -8.25016176e-09),
    (0, 1.25013217e-10, -5.66327356e-09, 6.07752481e-09, -1.09395649e-10, -3.56779379e-09, 1.69254384e-09),
    (0, 2.80726747e-10, -2.22668157e-10, -4.82686221e-10, 1.10099294e-09, -8.84571396e-10, 2.63847149e-10),
    (0, -1.60096086e-11, 1.76735202e-10, -1.63276877e-10, -3.57760711e-11, 1.37408157e-10, -5.97160515e-11),
    (0, -4.01567898e-12, 2.58869168e-12, 7.53151889e-12, -1.58390131e-11, 1.24071273e-11, -3.65036688e-12),
    (0, 3.39384448e-13, -2.37806647e-12, 1.92139502e-12, 9.0130423e-13, -2.13535033e-12, 8.81019495e-13),
)
# fmt: on
