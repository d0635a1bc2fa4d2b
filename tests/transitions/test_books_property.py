"""Whatever happens, the books balance and everything that waits is told in the end."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from receiver.core.policy import Throttle
from receiver.core.retrying import Failure, FailureClass
from receiver.store import schema
from receiver.transitions.claim import Repeat, Rest
from tests.timeline import MINUTE, SECOND, Timeline, channel, firing, policy, resolved

PODS = st.sampled_from(["a", "b", "c"])
FAILURES = st.sampled_from(
    [
        None,
        None,
        Failure(FailureClass.TRANSIENT, "refused"),
        Failure(FailureClass.TRANSIENT, "timeout", may_be_taken=True),
        Failure(FailureClass.MISCONFIGURED, "auth_failed"),
        Failure(FailureClass.REJECTED, "invalid_blocks"),
    ]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fire"), st.sets(PODS, min_size=1), st.integers(0, 5)),
        st.tuples(st.just("resolve"), st.sets(PODS, min_size=1), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.sampled_from([1, SECOND, 10 * SECOND, 2 * MINUTE, 5 * MINUTE])),
        st.tuples(st.just("attempt"), st.sampled_from(["ops", "quiet"]), FAILURES),
        st.tuples(st.just("claim"), st.sampled_from(["ops", "quiet"])),
        st.tuples(st.just("restart")),
    ),
    max_size=40,
)
CHANNELS = (
    channel("ops", group_by=("alertname",), group_threshold=2, throttle=Throttle(6, MINUTE, 2)),
    channel("quiet", group_by=None, send_resolved=False),
)


def attempt(timeline: Timeline, name: str, failure: Failure | None) -> bool:
    """One turn of a channel's loop; whether there was something to send."""
    found = timeline.claim(name)
    if isinstance(found, Rest):
        return False
    repeat = found if isinstance(found, Repeat) else timeline.fix(found)
    timeline.settle(repeat, failure)
    if failure is not None and failure.may_be_taken:
        timeline.in_doubt.add(repeat.message.id)
    elif failure is None or failure.failure_class is FailureClass.REJECTED:
        timeline.in_doubt.discard(repeat.message.id)
    return True


def step(timeline: Timeline, name: str, *arguments: object) -> int:
    """Carry out one step; how many events it accepted."""
    match name, *arguments:
        case "fire", set(pods), int(minutes_ago):
            starts_at = timeline.now - minutes_ago * MINUTE
            return timeline.receive(*(firing(pod=pod, starts_at=starts_at) for pod in sorted(pods))).events
        case "resolve", set(pods), int(minutes_ago):
            ends_at = timeline.now - minutes_ago * MINUTE
            return timeline.receive(*(resolved(pod=pod, ends_at=ends_at) for pod in sorted(pods))).events
        case "wait", int(time):
            timeline.now += time
        case "attempt", str(channel_name), failure:
            assert failure is None or isinstance(failure, Failure)
            attempt(timeline, channel_name, failure)
        case "claim", str(channel_name):
            # A process that dies right here has fixed who is told, and sent nothing.
            timeline.claim(channel_name)
        case ("restart",):
            timeline.restart()
    return 0


def groups_agree_with_their_rows(timeline: Timeline) -> None:
    """What a group says of its waiting deliveries is what the rows say."""
    group, delivery = schema.alert_group.c, schema.delivery.c
    waiting = (
        select(delivery.group_id, func.count().label("n"), func.min(delivery.since).label("oldest"))
        .where(delivery.phase == "waiting")
        .group_by(delivery.group_id)
    )
    with timeline.store.read() as tx:
        rows = {row["group_id"]: (row["n"], row["oldest"]) for row in tx.rows(waiting)}
        counted = {
            row["id"]: (row["waiting"], row["oldest_at"])
            for row in tx.rows(select(group.id, group.waiting, group.oldest_at).where(group.waiting > 0))
        }
    assert counted == rows


def what_is_in_doubt_keeps_its_bytes(timeline: Timeline) -> None:
    """No message that a provider may have is dissolved and told in other words."""
    message = schema.message.c
    with timeline.store.read() as tx:
        states = {row["id"]: row["state"] for row in tx.rows(select(message.id, message.state))}
        stuck = tx.rows(select(schema.delivery).where(text("phase = 'sending' AND claimed IS NULL")))
    assert {states[id_] for id_ in timeline.in_doubt} <= {"unknown"}
    assert stuck == []


def live(steps: list[tuple[object, ...]]) -> None:
    """Carry out the steps, look at the books after each, then let faults clear and time pass."""
    with tempfile.TemporaryDirectory() as folder:
        timeline = Timeline(Path(folder) / "books.db", policy(*CHANNELS))
        events = 0
        for name, *arguments in steps:
            events += step(timeline, str(name), *arguments)
            for channel_name in ("ops", "quiet"):
                assert timeline.ledger(channel_name).get("accepted", 0) == events
            groups_agree_with_their_rows(timeline)
            what_is_in_doubt_keeps_its_bytes(timeline)
        for _ in range(40):
            timeline.now += 5 * MINUTE
            for channel_name in ("ops", "quiet"):
                while attempt(timeline, channel_name, None):
                    pass
        assert "pending" not in timeline.ledger("ops") | timeline.ledger("quiet")
        timeline.store.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_the_books_balance_after_every_step_and_nothing_stays_pending_once_faults_clear(
    steps: list[tuple[object, ...]],
) -> None:
    live(steps)


@pytest.mark.prove
@settings(max_examples=5_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_the_books_balance_through_five_thousand_sequences(steps: list[tuple[object, ...]]) -> None:
    live(steps)
