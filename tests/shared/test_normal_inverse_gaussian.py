"""What the row of NormalInverseGaussian cannot say: the skewness is bounded by the tail weight."""

import pytest


@pytest.mark.parametrize("skewness", [2.0, -2.5, [0.0, 3.0]])
def test_skewness_beyond_the_tailweight(adapter, skewness):
    make, skewness = adapter.dist.NormalInverseGaussian, adapter.array(skewness)
    with pytest.raises(ValueError, match=r"skewness must lie between -tailweight and tailweight, but skewness is"):
        make(0.0, 1.0, 2.0, skewness, validate_args=True)
    make(0.0, 1.0, 2.0, 0.5 * skewness - 0.1 * abs(skewness), validate_args=False)
