"""When channels have news due: what a transition tells those who wait."""

from collections.abc import Mapping


def heed(due: dict[str, int], other: Mapping[str, int]) -> None:
    """Note in ``due``, by channel, what is due sooner by ``other``. Instants in UTC milliseconds."""
    for name, at in other.items():
        due[name] = min(at, due.get(name, at))
