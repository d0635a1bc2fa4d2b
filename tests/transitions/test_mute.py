"""What mutes hold, and what becomes of it."""

import pytest

from receiver.core.muting import MuteError
from receiver.transitions.claim import Claimed, Rest
from tests.timeline import HOUR, MINUTE, SECOND, START, Timeline, channel, firing, policy, resolved

ALERTNAME = 'alertname="HighErrorRate"'


def told(timeline: Timeline, name: str = "ops") -> list[tuple[str, str, bool]]:
    """What goes out now: of each alert its pod, what is said of it, and whether it says "after mute"."""
    lines = []
    while not isinstance(content := timeline.send(name), Rest):
        lines += [(line.labels.get("pod", ""), str(line.told), line.after_mute) for line in content.lines]
    return lines


def test_a_mute_must_not_match_everything_nor_end_before_it_begins(timeline: Timeline) -> None:
    with pytest.raises(MuteError, match="must not match the empty value"):
        timeline.mute('team=~".*"')
    with pytest.raises(MuteError, match="must end after"):
        timeline.mute(ALERTNAME, lasting=0)


def test_a_firing_is_held_while_muted_and_told_when_the_mute_ends(timeline: Timeline) -> None:
    timeline.mute(ALERTNAME)
    timeline.receive(firing(pod="a"), firing("Other", pod="b"))
    timeline.now += 10 * SECOND
    assert told(timeline) == [("b", "firing", False)]
    assert timeline.books().pending == {("ops", "held"): 1}
    timeline.now = START + HOUR - 1
    assert timeline.sweep().next_at == START + HOUR
    assert told(timeline) == []
    timeline.now = START + HOUR
    assert timeline.sweep().due == {"ops": START + HOUR + 10 * SECOND}
    timeline.now += 10 * SECOND
    assert told(timeline) == [("a", "firing", True)]
    assert timeline.ledger() == {"accepted": 2, "delivered": 2}


def test_what_ends_while_muted_is_muted_and_its_resolve_unannounced(timeline: Timeline) -> None:
    timeline.mute(ALERTNAME)
    timeline.receive(firing())
    timeline.now += MINUTE
    assert told(timeline) == []
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.now += HOUR
    timeline.sweep()
    assert told(timeline) == []
    assert timeline.ledger() == {"accepted": 3, "muted": 1, "unannounced": 2}


def test_the_resolve_of_a_told_alert_is_held_and_told_when_the_mute_ends(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    assert told(timeline) == [("", "firing", False)]
    timeline.mute(ALERTNAME)
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.now += 10 * MINUTE
    assert told(timeline) == []
    timeline.now += HOUR
    timeline.sweep()
    timeline.now += 10 * SECOND
    assert told(timeline) == [("", "resolved", False)]


def test_what_fired_and_resolved_untold_before_it_could_be_told_is_muted(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 11 * SECOND
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.mute(ALERTNAME)
    timeline.now += 10 * SECOND
    assert told(timeline) == []
    assert timeline.ledger() == {"accepted": 2, "superseded": 1, "muted": 1}


def test_two_mutes_hold_until_both_have_ended(timeline: Timeline) -> None:
    first, second = timeline.mute(ALERTNAME), timeline.mute('pod="a"', lasting=3 * HOUR)
    timeline.receive(firing(pod="a"), firing(pod="b"))
    timeline.now += MINUTE
    assert told(timeline) == []
    timeline.unmute(first)
    timeline.now += 10 * SECOND
    assert told(timeline) == [("b", "firing", True)]
    timeline.unmute(second)
    timeline.unmute(second)
    timeline.now += 2 * MINUTE
    assert told(timeline) == [("a", "firing", True)]
    assert timeline.sweep().next_at is None


def test_a_mute_of_one_channel_leaves_the_others_alone(timeline: Timeline) -> None:
    timeline.reload(policy(channel(), channel("quiet")))
    timeline.mute(ALERTNAME, channels=("quiet",))
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    assert told(timeline) == [("", "firing", False)]
    assert told(timeline, "quiet") == []


def test_a_reminder_is_held_and_over_when_its_alert_resolves_under_the_mute(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    told(timeline)
    timeline.mute(ALERTNAME, lasting=9 * HOUR)
    timeline.now += 4 * HOUR
    timeline.receive(firing())
    timeline.now += MINUTE
    assert told(timeline) == []
    assert timeline.books().pending == {("ops", "held"): 1}
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.now += 9 * HOUR
    timeline.sweep()
    timeline.now += 10 * SECOND
    assert told(timeline) == [("", "resolved", False)]
    assert timeline.ledger() == {"accepted": 3, "delivered": 2, "muted": 1}


def test_a_digest_says_how_many_mutes_are_active(timeline: Timeline) -> None:
    timeline.mute('alertname="Nothing"')
    timeline.mute('alertname="Nothing"', channels=("elsewhere",))
    timeline.receive(*(firing(f"Alert{n}") for n in range(9)))
    timeline.now += 10 * SECOND
    mutes = set()
    while isinstance(claimed := timeline.claim(), Claimed):
        mutes.add((claimed.content.kind, claimed.content.mutes))
        timeline.settle(timeline.fix(claimed))
    assert mutes == {("group", 1), ("digest", 1)}


def test_what_a_mute_held_on_a_channel_that_is_removed_is_told_when_both_are_over(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.mute(ALERTNAME)
    timeline.now += MINUTE
    assert told(timeline) == []
    timeline.reload(policy(channel("other")))
    timeline.now += 2 * HOUR
    timeline.sweep()
    timeline.reload(policy(channel()))
    timeline.now += 10 * SECOND
    assert told(timeline) == [("", "firing", True)]
