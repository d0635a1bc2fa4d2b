"""New secrets for every test."""

import random

import pytest

from tests.canaries.canary import Canaries


@pytest.fixture
def canaries() -> Canaries:
    """New ones; their seed is in the output of a test that fails."""
    seed = random.randrange(2**32)
    print(f"the canaries' seed: {seed}")  # noqa: T201 -- pytest shows it
    return Canaries(seed)
