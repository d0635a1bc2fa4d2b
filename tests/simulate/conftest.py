"""A timeline to write."""

from pathlib import Path

import pytest

from tests.simulate.scenario import Scenario


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    """An empty timeline with one channel, ``ops``, on the built-in defaults."""
    return Scenario(tmp_path)
