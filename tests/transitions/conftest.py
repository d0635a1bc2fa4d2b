"""The books on a virtual clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.timeline import Timeline


@pytest.fixture
def timeline(tmp_path: Path) -> Iterator[Timeline]:
    """A fresh store with one channel, ``ops``, on the built-in defaults."""
    timeline = Timeline(tmp_path / "books.db")
    yield timeline
    timeline.store.close()
