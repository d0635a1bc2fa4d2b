"""A new policy: what waits already is told by it."""

from dataclasses import replace

from receiver.config.patterns import compile_pattern
from receiver.core.grouping import Reason
from receiver.core.matchers import parse
from receiver.core.policy import SeverityScale
from receiver.core.retrying import Failure, FailureClass
from receiver.transitions.claim import Claimed, Repeat, Rest
from tests.timeline import HOUR, MINUTE, SECOND, START, Timeline, channel, firing, policy, resolved

TEAM_A = parse('team="a"', compile_pattern)


def groups_told(timeline: Timeline) -> list[dict[str, str]]:
    """The groups that go out now."""
    told = []
    while not isinstance(content := timeline.send(), Rest):
        told.append(dict(content.group))
    return told


def test_what_waits_and_is_no_longer_sent_here_is_withdrawn(timeline: Timeline) -> None:
    timeline.receive(firing(team="a"), firing(team="b"))
    timeline.reload(policy(channel(matchers=TEAM_A)))
    assert timeline.ledger() == {"accepted": 2, "withdrawn": 1, "pending": 1}
    timeline.now += 10 * SECOND
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert [line.labels["team"] for line in content.lines] == ["a"]


def test_a_withdrawn_firing_is_news_again_when_the_channel_takes_it_again(timeline: Timeline) -> None:
    timeline.receive(firing(team="b"))
    timeline.reload(policy(channel(matchers=TEAM_A)))
    timeline.reload(policy(channel()))
    timeline.receive(firing(team="b"))
    timeline.now += 10 * SECOND
    assert groups_told(timeline) == [{"alertname": "HighErrorRate"}]
    assert timeline.ledger() == {"accepted": 2, "withdrawn": 1, "delivered": 1}


def test_what_is_on_its_way_is_told_although_it_is_no_longer_sent_here(timeline: Timeline) -> None:
    timeline.receive(firing(team="b"))
    timeline.now += 10 * SECOND
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.reload(policy(channel(matchers=TEAM_A)))
    timeline.settle(timeline.fix(claimed))
    assert timeline.ledger() == {"accepted": 1, "delivered": 1}


def test_what_waits_is_grouped_anew(timeline: Timeline) -> None:
    timeline.receive(firing(team="a"), firing(team="b"), firing("Other", team="a"))
    timeline.reload(policy(channel(group_by=("team",))))
    timeline.now += 10 * SECOND
    assert groups_told(timeline) == [{"team": "a"}, {"team": "b"}]


def test_a_changed_group_by_inherits_the_cooldown_and_tells_nothing_twice(timeline: Timeline) -> None:
    timeline.receive(firing(team="a"))
    timeline.now += 10 * SECOND
    groups_told(timeline)
    told_at = timeline.now
    timeline.now += SECOND
    timeline.reload(policy(channel(group_by=("team",))))
    timeline.receive(firing(team="a"), firing("New", team="a"))
    assert timeline.claim() == Rest(told_at + 2 * MINUTE)
    timeline.now = told_at + 2 * MINUTE
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert (content.firing, content.also_firing) == (1, 1)
    assert timeline.ledger() == {"accepted": 3, "duplicate": 1, "delivered": 2}


def test_new_waits_apply_to_what_waits_already(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.reload(policy(channel(group_wait=MINUTE)))
    assert timeline.claim() == Rest(START + MINUTE)
    timeline.reload(policy(channel(group_wait=SECOND)))
    assert timeline.claim() == Rest(START + SECOND)


def test_what_is_urgent_now_goes_at_once(timeline: Timeline) -> None:
    timeline.receive(firing(team="a"))
    timeline.reload(policy(channel(urgent=(TEAM_A,))))
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert (content.reason, content.urgent) == (Reason.URGENT, 1)


def test_a_resolve_after_a_changed_group_by_is_told_once(timeline: Timeline) -> None:
    timeline.receive(firing(team="a"))
    timeline.now += 10 * SECOND
    groups_told(timeline)
    timeline.reload(policy(channel(group_by=())))
    timeline.receive(resolved(team="a", ends_at=timeline.now))
    timeline.now += HOUR
    assert groups_told(timeline) == [{}]
    assert timeline.ledger() == {"accepted": 2, "delivered": 2}


def test_a_restart_with_the_same_configuration_changes_nothing(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.restart()
    assert timeline.claim() == Rest(START + 10 * SECOND)


def test_what_was_told_is_ranked_by_a_changed_scale(timeline: Timeline) -> None:
    timeline.receive(firing(severity="warning"))
    timeline.now += 10 * SECOND
    groups_told(timeline)
    scale = SeverityScale("severity", ("info", "warning", "critical"), "warning", {})
    timeline.reload(replace(policy(channel(min_severity=0)), severity=scale))
    timeline.now += 5 * HOUR
    timeline.receive(firing(severity="warning"))
    timeline.now += 10 * SECOND
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert [line.severity for line in content.lines] == ["warning"]


def test_what_comes_back_to_a_channel_is_placed_by_its_new_policy(timeline: Timeline) -> None:
    timeline.receive(firing(team="a", severity="info"))
    timeline.reload(policy(channel("other")))
    timeline.now += 24 * HOUR
    timeline.sweep()
    timeline.reload(policy(channel(group_by=("team",), urgent=(TEAM_A,))))
    timeline.receive(firing(team="a", severity="info"))
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert (content.reason, content.group) == (Reason.URGENT, {"team": "a"})


def test_a_refire_waits_for_what_is_on_its_way_of_its_alert_although_it_belongs_elsewhere_now(
    timeline: Timeline,
) -> None:
    timeline.receive(firing(team="a"))
    timeline.now += 10 * SECOND
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    sent = timeline.fix(claimed)
    timeline.reload(policy(channel(group_by=("team",))))
    timeline.receive(resolved(team="a", ends_at=timeline.now))
    timeline.receive(firing(team="a", starts_at=timeline.now + 1))
    timeline.now += HOUR
    assert isinstance(timeline.claim(), Repeat)
    timeline.settle(sent)
    timeline.now += HOUR
    assert groups_told(timeline) == [{"team": "a"}]


def test_what_dissolves_after_a_reload_is_routed_and_grouped_by_the_new_policy(timeline: Timeline) -> None:
    timeline.receive(firing(team="a"), firing(team="b"))
    timeline.now += 10 * SECOND
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    sent = timeline.fix(claimed)
    # Also where the clock says that the reload came before the claim.
    timeline.now -= HOUR
    timeline.reload(policy(channel(matchers=TEAM_A, group_by=("team",))))
    timeline.settle(sent, Failure(FailureClass.TRANSIENT, "connection_refused"))
    timeline.now += MINUTE
    assert groups_told(timeline) == [{"team": "a"}]
    assert timeline.ledger() == {"accepted": 2, "withdrawn": 1, "delivered": 1}


def test_what_was_told_while_its_group_changed_is_reminded_of_in_its_new_group(timeline: Timeline) -> None:
    timeline.receive(firing(team="a"))
    timeline.now += 10 * SECOND
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    sent = timeline.fix(claimed)
    timeline.reload(policy(channel(group_by=())))
    timeline.settle(sent)
    timeline.receive(firing("Other"))
    timeline.now += HOUR
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert (content.group, content.firing, content.also_firing) == ({}, 1, 1)


def test_ignored_labels_make_no_groups_of_their_own(timeline: Timeline) -> None:
    timeline.reload(policy(channel(group_by=None)))
    timeline.receive(firing(pod="a", prometheus_replica="1"))
    timeline.now += 10 * SECOND
    assert groups_told(timeline) == [{"alertname": "HighErrorRate", "pod": "a"}]
    timeline.receive(resolved(pod="a", prometheus_replica="2", ends_at=timeline.now))
    timeline.receive(firing(pod="a", prometheus_replica="2", starts_at=timeline.now + 1))
    assert timeline.claim() == Rest(timeline.now + 2 * MINUTE)


def test_what_waited_while_its_channel_was_away_tells_of_the_newer_life_that_began_meanwhile(
    timeline: Timeline,
) -> None:
    both = policy(channel(), channel("other"))
    timeline.reload(both)
    timeline.receive(firing())
    timeline.reload(policy(channel("other")))
    timeline.now += HOUR
    timeline.receive(firing(starts_at=timeline.now))
    timeline.reload(both)
    assert groups_told(timeline) == [{"alertname": "HighErrorRate"}]
    timeline.now += 10 * MINUTE
    timeline.receive(firing(starts_at=timeline.now - 10 * MINUTE))
    timeline.now += MINUTE
    assert groups_told(timeline) == []
    assert timeline.ledger() == {"accepted": 2, "delivered": 1, "duplicate": 1}
