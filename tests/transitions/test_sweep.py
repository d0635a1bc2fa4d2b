"""What time alone brings about."""

from receiver.core.retrying import Failure, FailureClass
from receiver.transitions.claim import Claimed, Repeat, Rest, fix
from tests.timeline import HOUR, MINUTE, SECOND, START, Timeline, channel, firing, policy, resolved

DOWN = Failure(FailureClass.TRANSIENT, "connection_refused")
NO_ANSWER = Failure(FailureClass.TRANSIENT, "timeout", may_be_taken=True)
THERE, HERE = "http://am-2", "http://am-1"


def fail(timeline: Timeline) -> None:
    """The next message fails."""
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.settle(timeline.fix(claimed), DOWN)


def over(timeline: Timeline) -> None:
    """An alert that was told as firing and as resolved, by one peer."""
    timeline.receive(firing(), url=HERE)
    timeline.now += MINUTE
    timeline.send()
    timeline.receive(resolved(ends_at=timeline.now), url=HERE)
    timeline.now += 5 * MINUTE
    timeline.send()
    timeline.now += 5 * MINUTE
    assert timeline.ledger() == {"accepted": 2, "delivered": 2}


def test_an_old_firing_of_another_peer_is_held_and_then_fires_again(timeline: Timeline) -> None:
    over(timeline)
    accepted = timeline.receive(firing(), url=THERE)
    assert accepted.held_until == timeline.now + 2 * MINUTE
    timeline.receive(firing(), url=THERE)
    assert timeline.books().pending == {("ops", "held"): 1}
    assert timeline.sweep().next_at == accepted.held_until
    timeline.now += 2 * MINUTE - 1
    timeline.sweep()
    assert timeline.books().pending == {("ops", "held"): 1}
    timeline.now += 1
    assert timeline.sweep().due == {"ops": timeline.now + 10 * SECOND}
    timeline.now += 10 * SECOND
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert [(line.told, line.again) for line in content.lines] == [("firing", True)]
    assert timeline.ledger() == {"accepted": 4, "delivered": 3, "duplicate": 1}


def test_a_held_firing_is_stale_once_its_peer_resolves_it_too(timeline: Timeline) -> None:
    over(timeline)
    timeline.receive(firing(), url=THERE)
    timeline.receive(resolved(ends_at=timeline.now), url=THERE)
    timeline.now += 10 * MINUTE
    assert timeline.sweep().due == {}
    assert isinstance(timeline.send(), Rest)
    assert timeline.ledger() == {"accepted": 4, "delivered": 2, "stale": 1, "duplicate": 1}


def test_a_held_firing_opens_at_once_when_the_peer_that_resolved_it_says_so(timeline: Timeline) -> None:
    over(timeline)
    timeline.receive(firing(), url=THERE)
    timeline.receive(firing(), url=HERE)
    timeline.now += 10 * SECOND
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert content.firing == 1
    assert timeline.sweep().next_at is None
    assert timeline.ledger() == {"accepted": 4, "delivered": 3, "duplicate": 1}


def test_a_held_firing_is_superseded_by_a_new_incident(timeline: Timeline) -> None:
    over(timeline)
    timeline.receive(firing(), url=THERE)
    timeline.receive(firing(starts_at=timeline.now), url=THERE)
    timeline.now += 10 * SECOND
    assert not isinstance(timeline.send(), Rest)
    timeline.now += 10 * MINUTE
    timeline.sweep()
    assert isinstance(timeline.send(), Rest)
    assert timeline.ledger() == {"accepted": 4, "delivered": 3, "superseded": 1}


def test_a_clock_that_steps_back_holds_no_firing_longer_than_the_window(timeline: Timeline) -> None:
    over(timeline)
    timeline.receive(firing(), url=THERE)
    timeline.now -= 5 * HOUR
    assert timeline.sweep().next_at == timeline.now + 2 * MINUTE


def test_news_of_what_is_over_dies_of_age_while_its_channel_fails_and_what_fires_does_not(timeline: Timeline) -> None:
    timeline.receive(firing("Over"), firing("Fires"))
    timeline.now += 10 * SECOND
    fail(timeline)
    timeline.now += MINUTE
    timeline.receive(resolved("Over", ends_at=timeline.now))
    ends_at = timeline.now + 24 * HOUR
    assert timeline.sweep().next_at == ends_at
    timeline.now = ends_at - 1
    timeline.sweep()
    assert timeline.ledger() == {"accepted": 3, "superseded": 1, "pending": 2}
    timeline.now = ends_at
    timeline.sweep()
    assert timeline.ledger() == {"accepted": 3, "superseded": 1, "dead": 1, "pending": 1}
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert [line.labels["alertname"] for line in content.lines] == ["Fires"]


def test_a_clock_that_steps_ahead_kills_nothing_on_a_channel_that_works(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 11 * SECOND
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.now += 48 * HOUR
    timeline.sweep()
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert content.fired_and_resolved == 1


def test_what_a_removed_channel_owes_is_withdrawn_after_retry_for(timeline: Timeline) -> None:
    timeline.receive(firing("Waits"), firing("Sends"))
    timeline.now += 10 * SECOND
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.fix(claimed)
    timeline.reload(policy(channel("other")))
    assert timeline.books().pending == {("ops", "retired"): 2}
    removed_at = timeline.now
    assert timeline.sweep().next_at == removed_at + 24 * HOUR
    timeline.now = removed_at + 24 * HOUR
    timeline.sweep()
    assert timeline.ledger() == {"accepted": 2, "withdrawn": 2}
    assert timeline.sweep().next_at is None


def test_a_channel_that_comes_back_tells_what_it_owes(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.reload(policy(channel("other")))
    timeline.now += 23 * HOUR
    timeline.sweep()
    timeline.reload(policy(channel()))
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert content.firing == 1
    assert timeline.ledger() == {"accepted": 1, "delivered": 1}


def test_nothing_is_swept_at_the_start(timeline: Timeline) -> None:
    assert timeline.now == START
    swept = timeline.sweep()
    assert (swept.next_at, swept.due) == (None, {})


def test_a_held_firing_opens_in_a_group_that_was_not_there_before(timeline: Timeline) -> None:
    over(timeline)
    timeline.reload(policy(channel(), channel("new")))
    timeline.receive(firing(), url=THERE)
    timeline.now += 2 * MINUTE
    timeline.sweep()
    timeline.now += 10 * SECOND
    content = timeline.send("new")
    assert not isinstance(content, Rest)
    assert content.firing == 1
    assert timeline.ledger("new") == {"accepted": 1, "delivered": 1}


def test_a_resolve_that_waits_behind_a_message_in_doubt_does_not_die_of_age(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.settle(timeline.fix(claimed), NO_ANSWER)
    timeline.receive(resolved(ends_at=timeline.now))
    for _ in range(26):
        timeline.now += HOUR
        repeat = timeline.claim()
        assert isinstance(repeat, Repeat)
        timeline.settle(repeat, DOWN)
        timeline.sweep()
    timeline.now += HOUR
    repeat = timeline.claim()
    assert isinstance(repeat, Repeat)
    timeline.settle(repeat)
    timeline.now += HOUR
    content = timeline.send()
    assert not isinstance(content, Rest)
    assert content.resolved == 1
    assert timeline.ledger() == {"accepted": 2, "delivered": 2}


def test_a_message_under_way_when_its_channel_lapses_counts_once(timeline: Timeline) -> None:
    timeline.reload(policy(channel(retry_for=30 * SECOND)))
    timeline.receive(firing("Sends"), firing("Waits"))
    timeline.now += 10 * SECOND
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    sent = timeline.fix(claimed)
    before = timeline.policy
    timeline.reload(policy(channel("other")))
    timeline.now += 31 * SECOND
    timeline.sweep()
    timeline.policy = before
    timeline.settle(sent)
    assert timeline.ledger() == {"accepted": 2, "withdrawn": 2}


def test_a_claimed_message_that_was_given_up_gets_no_bytes(timeline: Timeline) -> None:
    timeline.reload(policy(channel(retry_for=30 * SECOND)))
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.reload(policy(channel("other")))
    timeline.now += 31 * SECOND
    timeline.sweep()
    with timeline.store.write() as tx:
        assert fix(tx, claimed, "subject", b"bytes", ()) is None


def test_a_sweep_never_asks_to_be_repeated_at_once(timeline: Timeline) -> None:
    timeline.receive(firing(starts_at=START - 2 * HOUR))
    timeline.now -= HOUR
    timeline.now += 10 * MINUTE
    timeline.receive(resolved(starts_at=START - 2 * HOUR, ends_at=timeline.now))
    timeline.now += 5 * MINUTE
    while not isinstance(claimed := timeline.claim(), Claimed):  # the first learns that the clock has stepped back
        assert isinstance(claimed, Rest)
        assert claimed.until is not None
        timeline.now = claimed.until
    timeline.settle(timeline.fix(claimed), Failure(FailureClass.TRANSIENT, "connection_refused"))
    for _ in range(500):
        swept = timeline.sweep()
        if swept.next_at is None:
            break
        assert swept.next_at > timeline.now
        timeline.now = swept.next_at
    assert timeline.ledger()["dead"] == 1
