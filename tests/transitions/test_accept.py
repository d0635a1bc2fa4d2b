"""What enters the books, and as what."""

from dataclasses import replace

from sqlalchemy import select

from receiver.core.alerts import Notification
from receiver.core.matchers import Matcher
from receiver.store import schema
from receiver.store.messages import State
from receiver.transitions.accept import accept
from receiver.transitions.claim import Claimed, Rest
from tests.timeline import MINUTE, SCALE, SECOND, START, Timeline, channel, firing, policy, resolved


def told(timeline: Timeline) -> None:
    """Let everything that waits be told."""
    timeline.now += 10 * MINUTE
    assert not isinstance(timeline.send(), Rest)


def test_a_first_firing_waits_for_its_group(timeline: Timeline) -> None:
    accepted = timeline.receive(firing())
    assert (accepted.events, accepted.unrouted) == (1, 0)
    assert accepted.due == {"ops": START + 10 * SECOND}
    assert timeline.ledger() == {"accepted": 1, "pending": 1}


def test_what_is_said_again_is_a_duplicate_while_it_waits_is_sent_and_after_it_was_told(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.receive(firing(), url="http://am-2")
    assert timeline.ledger() == {"accepted": 2, "duplicate": 1, "pending": 1}
    timeline.now += 10 * SECOND
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.receive(firing())
    assert timeline.ledger() == {"accepted": 3, "duplicate": 2, "pending": 1}
    timeline.settle(timeline.fix(claimed))
    timeline.receive(firing())
    assert timeline.ledger() == {"accepted": 4, "duplicate": 3, "delivered": 1}


def test_alerts_that_a_body_holds_twice_count_once(timeline: Timeline) -> None:
    accepted = timeline.receive(firing(prometheus_replica="a"), firing(prometheus_replica="b"))
    assert accepted.events == 1
    assert timeline.ledger() == {"accepted": 1, "pending": 1}


def test_an_alert_that_ended_on_one_replica_and_fires_on_another_fires(timeline: Timeline) -> None:
    timeline.receive(firing(prometheus_replica="a"), resolved(prometheus_replica="b"))
    assert timeline.ledger() == {"accepted": 2, "stale": 1, "pending": 1}
    told(timeline)
    timeline.receive(resolved(prometheus_replica="a"), firing(prometheus_replica="b"))
    assert timeline.ledger() == {"accepted": 4, "stale": 2, "duplicate": 1, "delivered": 1}


def test_a_resolve_of_what_was_told_is_told(timeline: Timeline) -> None:
    timeline.receive(firing())
    told(timeline)
    timeline.receive(resolved())
    assert timeline.ledger() == {"accepted": 2, "delivered": 1, "pending": 1}
    told(timeline)
    timeline.receive(resolved(), url="http://am-2")
    assert timeline.ledger() == {"accepted": 3, "delivered": 2, "duplicate": 1}


def test_a_life_shorter_than_group_wait_is_told_to_nobody(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    timeline.receive(resolved())
    assert timeline.ledger() == {"accepted": 2, "superseded": 1, "unannounced": 1}
    assert timeline.claim() == Rest(None)


def test_a_resolve_during_the_cooldown_makes_one_line_of_both(timeline: Timeline) -> None:
    timeline.receive(firing(pod="a"))
    timeline.now += 10 * SECOND
    timeline.send()
    timeline.receive(firing(pod="b"))
    timeline.now += 30 * SECOND
    timeline.receive(resolved(pod="b"))
    assert timeline.ledger() == {"accepted": 3, "delivered": 1, "superseded": 1, "pending": 1}
    timeline.now += 2 * MINUTE
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert (content.firing, content.resolved, content.fired_and_resolved) == (0, 0, 1)
    assert timeline.ledger() == {"accepted": 3, "delivered": 2, "superseded": 1}


def test_a_resolve_that_nobody_waits_for_is_unannounced(timeline: Timeline) -> None:
    timeline.receive(resolved())
    assert timeline.ledger() == {"accepted": 1, "unannounced": 1}


def test_a_resolve_older_than_the_episode_is_stale(timeline: Timeline) -> None:
    timeline.receive(firing(starts_at=START))
    timeline.receive(resolved(ends_at=START))
    assert timeline.ledger() == {"accepted": 2, "stale": 1, "pending": 1}


def test_a_refire_while_the_resolve_waits_is_told_in_one_line(timeline: Timeline) -> None:
    timeline.receive(firing())
    told(timeline)
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.now += SECOND
    timeline.receive(firing(starts_at=timeline.now))
    assert timeline.ledger() == {"accepted": 3, "delivered": 1, "superseded": 1, "pending": 1}
    timeline.now += 10 * MINUTE
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert (content.firing, content.resolved) == (1, 0)


def test_an_alert_that_never_stopped_fires_again_from_where_it_was(timeline: Timeline) -> None:
    timeline.receive(firing())
    told(timeline)
    timeline.receive(resolved(ends_at=START + MINUTE))
    told(timeline)
    timeline.receive(firing(starts_at=START))
    timeline.now += 10 * MINUTE
    content = timeline.send()
    assert not isinstance(content, Rest)
    [line] = content.lines
    assert (line.again, line.starts_at) == (True, START + MINUTE)


def test_a_lost_resolve_ends_the_old_episode_and_what_waited_for_it(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 60 * MINUTE
    timeline.receive(firing(starts_at=timeline.now))
    assert timeline.ledger() == {"accepted": 2, "superseded": 1, "pending": 1}
    with timeline.store.read() as tx:
        closings = [row["closing"] for row in tx.rows(select(schema.episode).order_by(schema.episode.c.id))]
    assert closings == ["lost_resolve", None]


def test_without_send_resolved_the_resolve_is_unannounced(timeline: Timeline) -> None:
    timeline.policy = policy(channel(send_resolved=False))
    timeline.receive(firing())
    told(timeline)
    timeline.receive(resolved())
    assert timeline.ledger() == {"accepted": 2, "delivered": 1, "unannounced": 1}


def test_every_event_is_unrouted_filtered_or_taken(timeline: Timeline) -> None:
    web = Matcher("team", "=", "web")
    timeline.policy = policy(channel(matchers=(web,), min_severity=SCALE.rank("error")))
    accepted = timeline.receive(
        firing(team="web", severity="critical"), firing(team="web", severity="info"), firing(team="db"), truncated=7
    )
    assert (accepted.events, accepted.unrouted) == (3, 1)
    house = timeline.books().house
    assert (house["taken"], house["filtered"], house["unrouted"]) == (1, 1, 1)
    assert house["firing"] == 3
    assert house["truncated"] == 7
    assert house["severity_unknown"] == 1
    with timeline.store.read() as tx:
        verdicts = {row["verdicts"] for row in tx.rows(select(schema.routing))}
    assert verdicts == {'{"ops":"taken"}', '{"ops":"filtered"}', '{"ops":"unmatched"}'}


def test_an_addressed_channel_takes_it_alone_and_a_later_channel_is_told_when_it_hears_of_it(
    timeline: Timeline,
) -> None:
    timeline.policy = policy(channel("ops"), channel("oncall", alias="night"))
    timeline.restart()
    timeline.receive(firing(), to="night")
    assert timeline.ledger("ops") == {}
    assert timeline.ledger("oncall") == {"accepted": 1, "pending": 1}
    timeline.receive(firing())
    assert timeline.ledger("ops") == {"accepted": 1, "pending": 1}
    assert timeline.ledger("oncall") == {"accepted": 2, "duplicate": 1, "pending": 1}


def test_a_changed_annotation_is_no_news_but_is_what_will_be_told(timeline: Timeline) -> None:
    timeline.receive(firing())
    changed = replace(firing(), annotations={"summary": "it fires badly"})
    timeline.receive(changed)
    assert timeline.ledger() == {"accepted": 2, "duplicate": 1, "pending": 1}
    timeline.now += 10 * SECOND
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert content.lines[0].annotations == {"summary": "it fires badly"}


def test_why_an_entry_ended_without_a_message_is_kept(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.receive(resolved())
    with timeline.store.read() as tx:
        rows = tx.rows(select(schema.departure).order_by(schema.departure.c.id))
    assert [(row["status"], row["outcome"], row["reason"]) for row in rows] == [
        ("firing", "superseded", "resolved within group_wait"),
        ("resolved", "unannounced", "resolved within group_wait"),
    ]


def test_an_alert_with_enormous_annotations_is_stored_bounded_and_told(timeline: Timeline) -> None:
    timeline.receive(replace(firing(), annotations={"summary": "x" * 1_000_000, "runbook_url": "https://r"}))
    timeline.now += 10 * SECOND
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert content.lines[0].annotations == {"summary": "x" * 4096, "runbook_url": "https://r"}


def test_a_channel_taken_out_of_the_configuration_keeps_what_it_owes_until_it_is_back(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.policy = policy(channel("oncall"))
    timeline.restart()
    assert timeline.books().pending == {("ops", "retired"): 1}
    timeline.policy = policy(channel("ops"))
    timeline.restart()
    timeline.now += 10 * SECOND
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert timeline.ledger() == {"accepted": 1, "delivered": 1}
    with timeline.store.read() as tx:
        assert [row["state"] for row in tx.rows(select(schema.message))] == [State.SENT]


def test_each_channel_that_is_addressed_alone_hears_of_the_resolve(timeline: Timeline) -> None:
    timeline.policy = policy(channel("ops"), channel("oncall"))
    timeline.restart()
    for name in ("ops", "oncall"):
        timeline.receive(firing(), to=name)
    timeline.now += 10 * MINUTE
    assert not isinstance(timeline.send("ops"), Rest)
    assert not isinstance(timeline.send("oncall"), Rest)
    for name in ("ops", "oncall"):
        timeline.receive(resolved(), to=name)
    timeline.receive(resolved(), to="oncall")
    assert timeline.ledger("ops") == {"accepted": 2, "delivered": 1, "pending": 1}
    assert timeline.ledger("oncall") == {"accepted": 3, "delivered": 1, "duplicate": 1, "pending": 1}


def test_a_sender_whose_clock_is_ahead_repeats_itself_in_vain(timeline: Timeline) -> None:
    for _ in range(5):
        timeline.receive(firing(starts_at=START + 60 * MINUTE))
        timeline.now += MINUTE
    assert timeline.ledger() == {"accepted": 5, "duplicate": 4, "pending": 1}


def test_an_end_still_to_come_does_not_make_the_next_life_unresolvable(timeline: Timeline) -> None:
    timeline.receive(firing())
    told(timeline)
    timeline.receive(resolved(ends_at=timeline.now + 1440 * MINUTE))
    told(timeline)
    timeline.receive(firing(starts_at=START))
    told(timeline)
    timeline.receive(resolved(ends_at=timeline.now))
    assert timeline.ledger() == {"accepted": 4, "delivered": 3, "pending": 1}


def test_nothing_is_left_on_its_way_when_what_displaced_it_is_told(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.receive(firing(starts_at=timeline.now + SECOND))
    timeline.settle(timeline.fix(claimed))
    with timeline.store.read() as tx:
        rows = tx.rows(select(schema.delivery).order_by(schema.delivery.c.episode_id))
    assert [(row["phase"], row["claimed"]) for row in rows] == [("idle", None), ("waiting", None)]
    assert timeline.ledger() == {"accepted": 3, "delivered": 1, "superseded": 1, "pending": 1}


def test_what_shares_a_commit_is_judged_in_the_order_in_which_it_came(timeline: Timeline) -> None:
    ends, begins = resolved(pod="a", ends_at=START + SECOND), firing(pod="b", starts_at=START + 2 * SECOND)
    came = [firing(pod="a"), ends, firing(pod="b"), resolved(pod="b", ends_at=START + SECOND), begins]
    with timeline.store.write() as tx:
        accept(tx, [Notification((alert,)) for alert in came], timeline.policy, timeline.now)
    assert timeline.ledger() == {"accepted": 5, "superseded": 2, "unannounced": 2, "pending": 1}
    told(timeline)
    timeline.receive(resolved(pod="a"), resolved(pod="b", ends_at=timeline.now))
    assert timeline.ledger() == {"accepted": 7, "superseded": 2, "unannounced": 3, "delivered": 1, "pending": 1}
