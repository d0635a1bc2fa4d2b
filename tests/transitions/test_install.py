"""A new policy: what waits already is told by it."""

from receiver.config.patterns import compile_pattern
from receiver.core.grouping import Reason
from receiver.core.matchers import parse
from receiver.transitions.claim import Claimed, Rest
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
