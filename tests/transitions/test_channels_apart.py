"""Channels that hear of an alert by notifications of their own, as those of /webhook/{channel} do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.transitions.claim import Rest
from tests.timeline import MINUTE, SECOND, Timeline, channel, firing, policy, resolved


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Timeline]:
    """Both channels were told, each by its own notification, that the alert fires."""
    timeline = Timeline(tmp_path / "books.db", policy(channel("ops"), channel("oncall")))
    for name in ("ops", "oncall"):
        timeline.receive(firing("A"), to=name)
    timeline.now += MINUTE
    assert told(timeline, "ops") == told(timeline, "oncall") == [("A", "firing")]
    timeline.now += 10 * MINUTE
    yield timeline
    timeline.store.close()


def told(timeline: Timeline, name: str) -> list[tuple[str, str]]:
    """What the channel tells now."""
    lines = []
    while not isinstance(content := timeline.send(name), Rest):
        lines += [(line.labels["alertname"], str(line.told)) for line in content.lines]
    return lines


def test_a_channel_that_missed_a_flap_is_told_the_end(apart: Timeline) -> None:
    apart.receive(resolved("A", ends_at=apart.now), to="ops")
    apart.now += MINUTE
    again_at = apart.now
    apart.receive(firing("A", starts_at=again_at), to="ops")
    apart.now += 5 * MINUTE
    for name in ("ops", "oncall"):
        apart.receive(resolved("A", starts_at=again_at, ends_at=apart.now), to=name)
    apart.now += 5 * MINUTE
    assert told(apart, "oncall") == [("A", "resolved")]
    assert apart.ledger("oncall") == {"accepted": 2, "delivered": 2}


def test_a_refire_that_ends_at_once_still_ends_what_the_channel_was_told_before(apart: Timeline) -> None:
    apart.receive(resolved("A", ends_at=apart.now), to="ops")
    apart.now += MINUTE
    again_at = apart.now
    for name in ("ops", "oncall"):
        apart.receive(firing("A", starts_at=again_at), to=name)
    apart.now += 5 * SECOND
    apart.receive(resolved("A", starts_at=again_at, ends_at=apart.now), to="oncall")
    apart.now += 5 * MINUTE
    assert told(apart, "oncall") == [("A", "resolved")]
    assert apart.ledger("oncall") == {"accepted": 3, "delivered": 2, "superseded": 1}


def test_what_waits_of_an_earlier_life_is_overtaken_by_a_later_one(tmp_path: Path) -> None:
    slow = channel("oncall", group_wait=10 * MINUTE)
    timeline = Timeline(tmp_path / "books.db", policy(channel("ops"), slow))
    for name in ("ops", "oncall"):
        timeline.receive(firing("A"), to=name)
    timeline.now += MINUTE
    timeline.receive(resolved("A", ends_at=timeline.now), to="ops")
    timeline.now += MINUTE
    for name in ("ops", "oncall"):
        timeline.receive(firing("A", starts_at=timeline.now), to=name)
    timeline.now += 15 * MINUTE
    assert told(timeline, "oncall") == [("A", "firing")]
    assert timeline.ledger("oncall") == {"accepted": 2, "superseded": 1, "delivered": 1}
    timeline.store.close()
