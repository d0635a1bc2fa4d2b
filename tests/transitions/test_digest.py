"""When more is due than tokens are left: who gets a message, and what goes together."""

from receiver.core.alerts import Alert, Status
from receiver.core.content import Content
from receiver.core.grouping import Reason
from receiver.core.policy import Throttle
from receiver.core.retrying import Failure, FailureClass
from receiver.transitions.claim import Claimed, Repeat, Rest
from tests.timeline import MINUTE, SECOND, START, Timeline, channel, firing, policy, resolved

REFUSED = Failure(FailureClass.REJECTED, "invalid_blocks", 400)
NO_ANSWER = Failure(FailureClass.TRANSIENT, "timeout", may_be_taken=True)
DOWN = Failure(FailureClass.TRANSIENT, "connection_refused")


def everything_due(timeline: Timeline, name: str = "ops") -> list[Content]:
    """What goes out at this instant."""
    told = []
    while not isinstance(content := timeline.send(name), Rest):
        told.append(content)
    return told


def failing(timeline: Timeline, failure: Failure) -> Content:
    """The next message, which fails so."""
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.settle(timeline.fix(claimed), failure)
    return claimed.content


def test_a_storm_of_groups_is_told_in_the_burst_less_the_kept_token(timeline: Timeline) -> None:
    timeline.receive(*(firing(f"Alert{n:02}", severity="info") for n in range(20)))
    timeline.now += 10 * SECOND
    told = everything_due(timeline)
    assert [(each.kind, each.groups) for each in told] == [("group", 1)] * 4 + [("digest", 16)]
    assert told[-1].reason == Reason.THROTTLED
    assert {line.labels["alertname"] for line in told[-1].lines} == {f"Alert{n:02}" for n in range(4, 20)}
    assert timeline.ledger() == {"accepted": 20, "delivered": 20}


def test_a_digest_begins_the_cooldown_of_each_of_its_groups(timeline: Timeline) -> None:
    timeline.receive(*(firing(f"Alert{n:02}", severity="info") for n in range(20)))
    timeline.now += 10 * SECOND
    everything_due(timeline)
    timeline.receive(firing("Alert19", severity="info", pod="b"))
    timeline.now += 119 * SECOND
    assert timeline.claim() == Rest(START + 130 * SECOND)
    timeline.now += SECOND
    [content] = everything_due(timeline)
    assert (content.reason, content.group) == (Reason.COOLDOWN, {"alertname": "Alert19"})


def test_urgent_news_has_the_kept_token_and_the_rest_waits_for_the_next_digest(timeline: Timeline) -> None:
    timeline.receive(*(firing(f"Alert{n:02}", severity="info") for n in range(20)))
    timeline.now += 10 * SECOND
    everything_due(timeline)
    timeline.receive(firing("Later1"), firing("Later2"), firing("Down", severity="critical"))
    [urgent] = everything_due(timeline)
    assert (urgent.reason, urgent.group, urgent.urgent) == (Reason.URGENT, {"alertname": "Down"}, 1)
    timeline.now += 10 * SECOND
    rest = timeline.claim()
    assert isinstance(rest, Rest)
    timeline.now += 10 * SECOND
    assert everything_due(timeline) == []
    timeline.now += 10 * SECOND
    told = everything_due(timeline)
    assert [each.group["alertname"] for each in told] == ["Later1", "Later2"]
    assert {each.reason for each in told} == {Reason.THROTTLED}


def test_after_an_outage_one_digest_tells_what_is_true_by_then(timeline: Timeline) -> None:
    timeline.receive(firing("Stays"), firing("Goes"))
    timeline.now += 10 * SECOND
    assert failing(timeline, DOWN).kind == "group"
    for _ in range(12):
        timeline.now += 5 * MINUTE
        failing(timeline, DOWN)
    timeline.receive(firing("New"), resolved("Goes", ends_at=timeline.now))
    timeline.now += 5 * MINUTE
    [content] = everything_due(timeline)
    assert (content.kind, content.reason) == ("digest", Reason.RECOVERED)
    assert (content.firing, content.fired_and_resolved) == (2, 1)
    assert timeline.ledger() == {"accepted": 4, "delivered": 3, "superseded": 1}


def test_after_a_downtime_longer_than_group_interval_the_first_message_is_a_digest(timeline: Timeline) -> None:
    timeline.receive(firing("A"), firing("B"))
    timeline.sweep()
    timeline.store.close()
    timeline.now += 2 * MINUTE + 1
    timeline.open()
    [content] = everything_due(timeline)
    assert (content.kind, content.reason, content.firing) == ("digest", Reason.CATCH_UP, 2)
    timeline.receive(firing("C"), firing("D"))
    timeline.now += 10 * SECOND
    assert [each.kind for each in everything_due(timeline)] == ["group", "group"]


def test_after_a_short_downtime_groups_are_told_one_by_one(timeline: Timeline) -> None:
    timeline.receive(firing("A"), firing("B"))
    timeline.sweep()
    timeline.store.close()
    timeline.now += 2 * MINUTE
    timeline.open()
    assert [each.kind for each in everything_due(timeline)] == ["group", "group"]


def test_a_refused_digest_comes_back_in_halves_and_only_what_is_refused_alone_is_dead(timeline: Timeline) -> None:
    timeline.reload(policy(channel(throttle=Throttle(6, MINUTE, 2))))
    timeline.receive(firing("A", severity="error"), *(firing(name) for name in "BCDE"))
    timeline.now += 10 * SECOND
    assert failing(timeline, REFUSED).groups == 5
    assert failing(timeline, REFUSED).groups == 2
    assert failing(timeline, REFUSED).group == {"alertname": "A"}
    assert timeline.ledger() == {"accepted": 5, "pending": 5}
    told = []
    while "pending" in timeline.ledger():
        claimed = timeline.claim()
        if isinstance(claimed, Rest):
            assert claimed.until is not None
            timeline.now = claimed.until
            continue
        assert isinstance(claimed, Claimed)
        poisoned = any(line.labels["alertname"] == "A" for line in claimed.content.lines)
        timeline.settle(timeline.fix(claimed), REFUSED if poisoned else None)
        told.append((claimed.content.groups, poisoned, claimed.plain))
    assert told[-1] == (1, True, True)
    assert sum(groups for groups, poisoned, _ in told if not poisoned) == 4
    assert timeline.ledger() == {"accepted": 5, "delivered": 4, "dead": 1}


def test_what_is_refused_stays_pending_while_nothing_else_gets_through(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    assert failing(timeline, REFUSED).firing == 1
    for _ in range(3):
        timeline.now += 5 * MINUTE
        failing(timeline, REFUSED)
    assert timeline.ledger() == {"accepted": 1, "pending": 1}
    assert timeline.books().channels["ops"].failure_class == FailureClass.MISCONFIGURED
    timeline.receive(firing("Other"))
    timeline.now += 5 * MINUTE
    assert failing(timeline, REFUSED).groups == 2
    other = timeline.send()
    assert not isinstance(other, Rest)
    assert other.group == {"alertname": "Other"}
    assert timeline.books().channels["ops"].failure_class is None
    assert failing(timeline, REFUSED).group == {"alertname": "HighErrorRate"}
    assert timeline.ledger() == {"accepted": 2, "delivered": 1, "dead": 1}


def test_what_is_dead_and_still_fires_is_tried_again_when_it_comes_again(timeline: Timeline) -> None:
    test_what_is_refused_stays_pending_while_nothing_else_gets_through(timeline)
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    assert [each.firing for each in everything_due(timeline)] == [1]
    assert timeline.ledger() == {"accepted": 3, "delivered": 2, "dead": 1}


def test_the_next_news_of_a_group_whose_message_is_dead_starts_with_a_clean_slate(timeline: Timeline) -> None:
    test_what_is_refused_stays_pending_while_nothing_else_gets_through(timeline)
    timeline.now += 30 * MINUTE
    timeline.receive(firing(pod="new", severity="critical"))
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    assert not claimed.plain
    assert timeline.settle(timeline.fix(claimed), REFUSED).dead == 0


def test_the_healthy_groups_of_a_refused_digest_are_told_in_their_usual_form(timeline: Timeline) -> None:
    timeline.reload(policy(channel(throttle=Throttle(6, MINUTE, 2))))
    timeline.receive(*(firing(name) for name in "ABC"))
    timeline.now += 10 * SECOND
    assert failing(timeline, REFUSED).groups == 3
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    assert (claimed.content.groups, claimed.plain) == (1, False)


def test_after_an_outage_that_left_a_message_in_doubt_the_rest_is_one_digest(timeline: Timeline) -> None:
    timeline.receive(firing("InDoubt"))
    timeline.now += 10 * SECOND
    failing(timeline, NO_ANSWER)
    timeline.receive(*(firing(name) for name in "ABC"))
    timeline.now += 5 * MINUTE
    repeat = timeline.claim()
    assert isinstance(repeat, Repeat)
    timeline.settle(repeat)
    [content] = everything_due(timeline)
    assert (content.kind, content.reason, content.firing) == ("digest", Reason.CATCH_UP, 3)


def test_what_is_folded_says_once_how_many_alerts_were_cut_off(timeline: Timeline) -> None:
    timeline.receive(*(firing(f"Alert{n:02}") for n in range(20)), truncated=50)
    timeline.now += 10 * SECOND
    assert sum(content.truncated for content in everything_due(timeline)) == 50


def test_a_message_of_more_alerts_than_it_lists_has_the_sums_of_all(timeline: Timeline) -> None:
    timeline.reload(policy(channel(throttle=Throttle(1, 10 * SECOND, 1))))
    many = [firing(f"Name{n % 10}", pod=str(n), severity="warning") for n in range(600)]
    timeline.receive(
        *many, *(Alert(Status.FIRING, {"pod": str(n), "severity": "page"}, {}, START, None) for n in range(7))
    )
    timeline.now += 10 * SECOND
    content = timeline.send()
    assert isinstance(content, Content)
    assert (content.kind, content.news, len(content.lines)) == ("digest", 607, 500)
    assert content.totals is not None
    assert content.totals.severities == (("critical", 7), ("warning", 600))
    assert content.totals.names == tuple((f"Name{n}", 60) for n in range(8))
    assert content.totals.other_names == 3, "Name8, Name9, and none at all"
    assert content.totals.names[0][1] * 10 + 7 == content.news
