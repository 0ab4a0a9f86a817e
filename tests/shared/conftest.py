"""Every test of both adapters begins as a program does."""

import pytest


@pytest.fixture(autouse=True)
def fresh(adapter):
    adapter.fresh()
