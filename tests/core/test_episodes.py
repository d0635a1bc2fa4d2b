"""What an event does to the life of its alert."""

from dataclasses import replace

import pytest

from receiver.core.alerts import Alert, Status, identity
from receiver.core.episodes import LOST_RESOLVE_AFTER, Change, Closing, Episode, judge

STARTED, SEEN, ENDED, NOW = 1_000_000, 1_060_000, 1_120_000, 1_200_000
PEER, WINDOW = "http://am-1", 120_000


def firing(starts_at: int = STARTED) -> Alert:
    return Alert(Status.FIRING, {}, {}, starts_at, None)


def resolved(ends_at: int | None = ENDED) -> Alert:
    return Alert(Status.RESOLVED, {}, {}, STARTED, ends_at)


def open_episode() -> Episode:
    return Episode(1, 1, STARTED, STARTED, SEEN)


def ahead_of_us() -> Episode:
    """An episode whose sender's clock is ten minutes ahead."""
    return Episode(1, 1, NOW + 600_000, NOW, NOW)


def closed_episode() -> Episode:
    return Episode(1, 1, STARTED, STARTED, SEEN, ENDED, ENDED, Closing.RESOLVED, resolved_by=PEER)


@pytest.mark.parametrize(
    ("latest", "event", "change"),
    [
        (None, firing(), Change.OPENS),
        (None, resolved(), Change.NEVER_SEEN),
        (open_episode(), firing(), Change.CONFIRMS),
        (open_episode(), firing(STARTED - 30_000), Change.CONFIRMS),
        (open_episode(), firing(SEEN + LOST_RESOLVE_AFTER), Change.CONFIRMS),
        (open_episode(), firing(SEEN + LOST_RESOLVE_AFTER + 1), Change.REPLACES),
        (ahead_of_us(), firing(NOW + 600_000), Change.CONFIRMS),
        (ahead_of_us(), firing(NOW + 600_000 + LOST_RESOLVE_AFTER + 1), Change.REPLACES),
        (open_episode(), replace(firing(NOW), start_known=False), Change.CONFIRMS),
        (closed_episode(), replace(firing(NOW), start_known=False), Change.OPENS),
        (open_episode(), resolved(STARTED + 1), Change.CLOSES),
        (open_episode(), resolved(STARTED), Change.STALE),
        (open_episode(), resolved(STARTED - 1), Change.STALE),
        (open_episode(), resolved(None), Change.CLOSES),
        (closed_episode(), resolved(), Change.ALREADY_CLOSED),
        (closed_episode(), firing(ENDED + 1), Change.OPENS),
        (closed_episode(), firing(ENDED), Change.REOPENS),
        (closed_episode(), firing(STARTED), Change.REOPENS),
    ],
)
def test_an_event_changes_the_episode_as_the_contract_says(
    latest: Episode | None, event: Alert, change: Change
) -> None:
    assert judge(latest, event, NOW, peer=PEER, reorder_window=WINDOW) is change


@pytest.mark.parametrize(
    ("event", "peer", "window", "change"),
    [
        (firing(ENDED), "http://am-2", WINDOW, Change.HOLDS),
        (firing(ENDED), "http://am-2", 0, Change.REOPENS),
        (firing(ENDED), PEER, WINDOW, Change.REOPENS),
        (firing(ENDED + 1), "http://am-2", WINDOW, Change.OPENS),
        (resolved(), "http://am-2", WINDOW, Change.ALREADY_CLOSED),
    ],
)
def test_an_old_firing_from_another_peer_than_the_resolves_is_held(
    event: Alert, peer: str, window: int, change: Change
) -> None:
    assert judge(closed_episode(), event, NOW, peer=peer, reorder_window=window) is change


def test_a_replaced_episode_that_never_ended_opens_a_new_one() -> None:
    lost = Episode(1, 1, STARTED, STARTED, SEEN, None, NOW, Closing.LOST_RESOLVE)
    assert judge(lost, firing(NOW), NOW, peer=PEER, reorder_window=WINDOW) is Change.OPENS


def test_an_alert_is_known_by_its_source_and_its_labels_without_the_ignored_ones() -> None:
    ignored = {"prometheus_replica"}
    key = identity("default", {"a": "1", "b": "2", "prometheus_replica": "x"}, ignored)
    assert key == identity("default", {"b": "2", "a": "1", "prometheus_replica": "y"}, ignored)
    assert key == identity("default", {"a": "1", "b": "2"}, ignored)
    assert key != identity("team", {"a": "1", "b": "2"}, ignored)
    assert key != identity("default", {"a": "1"}, ignored)


def test_label_sets_that_read_alike_when_joined_stay_apart() -> None:
    sets: list[dict[str, str]] = [{"a": "bc"}, {"ab": "c"}, {"a": "b", "c": ""}, {"a": "", "b": "c"}, {"a": "b\x00c"}]
    assert len({identity("default", labels, ()) for labels in sets}) == len(sets)
