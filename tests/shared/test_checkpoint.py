"""A training that was saved is refused by another guide."""

import numpy as np
import pytest


def guide_of(adapter, name="scale", size=()):
    def guide():
        scale = adapter.param(name, adapter.array(np.full(size, 0.3)), adapter.constraints.positive)
        adapter.sample("z", adapter.dist.Normal(0.0, scale.sum()))

    return guide


@pytest.mark.parametrize("other", [{"size": (3,)}, {"name": "width"}], ids=["shape", "name"])
def test_another_guides_state_is_refused(adapter, other):
    def model():
        adapter.sample("z", adapter.dist.Normal(0.0, 1.0))

    state = adapter.saved(model, guide_of(adapter))
    adapter.restored(model, guide_of(adapter), state)
    named = "model and guide make a parameter|parameters .* make svi as the one that was saved"
    with pytest.raises(ValueError, match=f"set_state: the ({named})"):
        adapter.restored(model, guide_of(adapter, **other), state)
