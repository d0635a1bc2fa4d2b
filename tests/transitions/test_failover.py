"""What a channel does not get through is told by its fallback, and both keep their books."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from receiver.config.patterns import compile_pattern
from receiver.core.content import Content, Told
from receiver.core.matchers import parse
from receiver.core.policy import ChannelPolicy
from receiver.core.retrying import Failure, FailureClass
from receiver.transitions.claim import Claimed, Repeat, Rest
from receiver.transitions.sweep import sweep
from tests.timeline import HOUR, MINUTE, SECOND, START, Timeline, channel, firing, policy, resolved

REFUSED = Failure(FailureClass.TRANSIENT, "connection_refused")
IN_DOUBT = Failure(FailureClass.TRANSIENT, "timeout", may_be_taken=True)
MISCONFIGURED = Failure(FailureClass.MISCONFIGURED, "invalid_token", 403)
REJECTED = Failure(FailureClass.REJECTED, "invalid_blocks", 400)


def ops(**changes: object) -> ChannelPolicy:
    """The channel that fails, whose fallback is oncall."""
    return channel("ops", fallback="oncall", fallback_after=10 * MINUTE, **changes)


def oncall(**changes: object) -> ChannelPolicy:
    """The fallback, which by its own filters takes nothing of what is told here."""
    return channel("oncall", **({"matchers": MATCHES_NOTHING} | changes))


MATCHES_NOTHING = parse('team="nobody"', compile_pattern)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Timeline]]:
    made: list[Timeline] = []

    def of(*channels: ChannelPolicy) -> Timeline:
        made.append(Timeline(tmp_path / "books.db", policy(*channels)))
        return made[-1]

    yield of
    for timeline in made:
        timeline.store.close()


@pytest.fixture
def timeline(make: Callable[..., Timeline]) -> Timeline:
    return make(ops(), oncall())


def fail(timeline: Timeline, failure: Failure = REFUSED, name: str = "ops") -> None:
    """What the channel sends now fails."""
    claimed = timeline.claim(name)
    assert not isinstance(claimed, Rest)
    timeline.settle(claimed if isinstance(claimed, Repeat) else timeline.fix(claimed), failure)


def go_on_failing(timeline: Timeline, until: int, failure: Failure = REFUSED) -> None:
    """The channel tries whenever it may, in vain, and time takes effect."""
    while timeline.now < until:
        swept = timeline.sweep()
        claimed = timeline.claim("ops")
        if isinstance(claimed, Rest):
            instants = [at for at in (claimed.until, swept.next_at, until) if at is not None and at > timeline.now]
            timeline.now = min(instants)
        else:
            timeline.settle(claimed if isinstance(claimed, Repeat) else timeline.fix(claimed), failure)
    timeline.sweep()


def told(timeline: Timeline, name: str) -> Content:
    """What the channel is told now."""
    content = timeline.send(name)
    assert isinstance(content, Content), content
    return content


def test_what_is_due_for_fallback_after_is_told_by_the_fallback_with_the_reason(timeline: Timeline) -> None:
    timeline.receive(firing())
    due_at = START + 10 * SECOND
    go_on_failing(timeline, due_at + 10 * MINUTE - 1)
    assert isinstance(timeline.claim("oncall"), Rest)
    assert timeline.ledger("oncall") == {}
    timeline.now += 1
    timeline.sweep()
    content = told(timeline, "oncall")
    assert [line.labels["alertname"] for line in content.lines] == ["HighErrorRate"]
    assert content.reason == "failover"
    [failover] = content.failovers
    assert (failover.channel, failover.news, failover.reason) == ("ops", 1, "connection_refused")
    assert failover.since == due_at
    assert timeline.ledger("oncall") == {"accepted": 1, "delivered": 1}
    assert timeline.ledger("ops") == {"accepted": 1, "pending": 1}


def test_urgent_news_goes_to_the_fallback_after_two_minutes(timeline: Timeline) -> None:
    timeline.receive(firing(severity="critical"))
    go_on_failing(timeline, START + 2 * MINUTE - 1)
    assert isinstance(timeline.claim("oncall"), Rest)
    timeline.now += 1
    timeline.sweep()
    assert told(timeline, "oncall").urgent == 1


@pytest.mark.parametrize("failure", [REFUSED, IN_DOUBT, MISCONFIGURED, REJECTED], ids=lambda failure: failure.reason)
def test_whatever_the_class_the_fallback_tells_it(timeline: Timeline, failure: Failure) -> None:
    timeline.receive(firing())
    go_on_failing(timeline, START + 11 * MINUTE, failure)
    assert told(timeline, "oncall").firing == 1


def test_a_channel_that_recovers_while_the_alert_fires_is_told_too(timeline: Timeline) -> None:
    timeline.receive(firing())
    go_on_failing(timeline, START + 11 * MINUTE)
    told(timeline, "oncall")
    timeline.now += 5 * MINUTE
    assert told(timeline, "ops").firing == 1
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.now += 3 * MINUTE
    assert told(timeline, "ops").resolved == 1
    assert told(timeline, "oncall").resolved == 1
    assert timeline.ledger("ops") == {"accepted": 2, "delivered": 2}
    assert timeline.ledger("oncall") == {"accepted": 2, "delivered": 2}


def test_what_has_resolved_by_then_has_failed_over_and_the_fallback_gets_the_resolve(timeline: Timeline) -> None:
    timeline.receive(firing())
    go_on_failing(timeline, START + 11 * MINUTE)
    told(timeline, "oncall")
    timeline.now += 5 * MINUTE
    timeline.receive(resolved(ends_at=timeline.now))
    assert timeline.ledger("ops") == {"accepted": 2, "failed_over": 2}
    timeline.now += 10 * SECOND
    content = told(timeline, "oncall")
    assert [line.told for line in content.lines] == [Told.RESOLVED]
    assert timeline.ledger("oncall") == {"accepted": 2, "delivered": 2}
    timeline.now += 5 * MINUTE
    assert isinstance(timeline.claim("ops"), Rest)


def test_what_resolves_before_either_has_told_it_is_told_once_and_by_the_fallback_alone(timeline: Timeline) -> None:
    timeline.receive(firing())
    go_on_failing(timeline, START + 11 * MINUTE)
    timeline.receive(resolved(ends_at=timeline.now))
    assert timeline.ledger("oncall") == {"accepted": 2, "superseded": 1, "pending": 1}
    timeline.sweep()
    assert timeline.ledger("oncall") == {"accepted": 2, "superseded": 1, "pending": 1}
    assert told(timeline, "oncall").fired_and_resolved == 1
    assert timeline.ledger("ops") == {"accepted": 2, "superseded": 1, "failed_over": 1}


def test_a_resolve_of_what_the_channel_told_itself_is_told_by_both(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    told(timeline, "ops")
    timeline.now += 3 * MINUTE
    timeline.receive(resolved(ends_at=timeline.now))
    go_on_failing(timeline, timeline.now + 11 * MINUTE)
    assert told(timeline, "oncall").news == 1
    assert timeline.ledger("ops") == {"accepted": 2, "delivered": 1, "pending": 1}
    timeline.now += 5 * MINUTE
    assert told(timeline, "ops").resolved == 1, "people there believe that it fires"


def test_a_message_in_doubt_is_told_by_the_fallback_and_still_goes_again_byte_for_byte(timeline: Timeline) -> None:
    timeline.receive(firing())
    go_on_failing(timeline, START + 11 * MINUTE, IN_DOUBT)
    assert told(timeline, "oncall").firing == 1
    timeline.now += 5 * MINUTE
    repeat = timeline.claim("ops")
    assert isinstance(repeat, Repeat)
    timeline.settle(repeat)
    assert timeline.ledger("ops") == {"accepted": 1, "delivered": 1}


def test_what_is_refused_for_good_goes_to_the_fallback_at_once_and_is_not_dead(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    fail(timeline, REJECTED)
    timeline.receive(firing("Other"))
    timeline.now += 10 * SECOND
    told(timeline, "ops")
    timeline.now += 5 * MINUTE
    fail(timeline, REJECTED)
    assert timeline.ledger("ops") == {"accepted": 2, "delivered": 1, "failed_over": 1}
    content = told(timeline, "oncall")
    assert content.failovers[0].reason == "invalid_blocks"
    assert timeline.ledger("oncall") == {"accepted": 1, "delivered": 1}


def test_what_the_fallback_takes_by_its_own_filters_is_no_second_message(make: Callable[..., Timeline]) -> None:
    timeline = make(ops(), oncall(matchers=()))
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    told(timeline, "oncall")
    go_on_failing(timeline, START + 11 * MINUTE)
    assert isinstance(timeline.claim("oncall"), Rest)
    assert timeline.ledger("oncall") == {"accepted": 2, "delivered": 1, "duplicate": 1}
    timeline.receive(resolved(ends_at=timeline.now))
    assert timeline.ledger("ops") == {"accepted": 2, "failed_over": 2}
    timeline.now += 3 * MINUTE
    assert told(timeline, "oncall").resolved == 1


def test_a_fallback_that_fails_too_hands_over_to_its_own(make: Callable[..., Timeline]) -> None:
    last = channel("last", matchers=MATCHES_NOTHING)
    timeline = make(ops(), oncall(fallback="last", fallback_after=10 * MINUTE), last)
    timeline.receive(firing())
    go_on_failing(timeline, START + 11 * MINUTE)
    fail(timeline, REFUSED, "oncall")
    go_on_failing(timeline, timeline.now + 11 * MINUTE)
    content = told(timeline, "last")
    assert [failover.channel for failover in content.failovers] == ["oncall"]
    timeline.receive(resolved(ends_at=timeline.now))
    assert timeline.ledger("ops") == {"accepted": 2, "failed_over": 2}
    timeline.now += 3 * MINUTE
    assert told(timeline, "last").resolved == 1


def test_what_is_muted_on_the_channel_is_not_told_elsewhere(timeline: Timeline) -> None:
    timeline.mute('alertname="HighErrorRate"', channels=("ops",))
    timeline.receive(firing(), firing("Other"))
    go_on_failing(timeline, START + 11 * MINUTE)
    assert [line.labels["alertname"] for line in told(timeline, "oncall").lines] == ["Other"]


def test_the_fallbacks_own_mutes_hold_what_it_would_tell(timeline: Timeline) -> None:
    timeline.mute('alertname="HighErrorRate"', channels=("oncall",))
    timeline.receive(firing())
    go_on_failing(timeline, START + 11 * MINUTE)
    assert isinstance(timeline.claim("oncall"), Rest)
    assert timeline.books().pending == {("ops", "waiting"): 1, ("oncall", "held"): 1}


def test_news_that_only_waits_for_its_turn_stays_where_it_is(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += HOUR
    timeline.sweep()
    assert timeline.ledger("oncall") == {}, "the clock has leapt, or nobody has looked; nothing has failed"


def test_what_comes_while_the_channel_fails_has_its_own_patience(timeline: Timeline) -> None:
    timeline.receive(firing())
    go_on_failing(timeline, START + 8 * MINUTE)
    timeline.receive(firing(instance="b"))
    go_on_failing(timeline, START + 11 * MINUTE)
    assert told(timeline, "oncall").news == 1
    go_on_failing(timeline, START + 18 * MINUTE)
    assert told(timeline, "oncall").news == 1


def test_after_a_downtime_the_channel_has_its_chance_before_the_fallback(timeline: Timeline) -> None:
    timeline.receive(firing())
    go_on_failing(timeline, START + MINUTE)
    timeline.now += HOUR
    timeline.restart()
    timeline.sweep()
    assert timeline.ledger("oncall") == {}
    assert told(timeline, "ops").firing == 1


def test_a_clock_that_steps_back_makes_no_failover_late(timeline: Timeline) -> None:
    timeline.receive(firing())
    go_on_failing(timeline, START + 5 * MINUTE)
    timeline.now -= HOUR
    begin = timeline.now
    go_on_failing(timeline, begin + 10 * MINUTE)
    timeline.now += 10 * SECOND
    assert told(timeline, "oncall").firing == 1, "which takes it for something new, by its clock"


def test_a_reload_that_names_another_fallback_tells_that_one(make: Callable[..., Timeline]) -> None:
    both = (oncall(), channel("other", matchers=MATCHES_NOTHING))
    timeline = make(ops(), *both)
    timeline.receive(firing())
    go_on_failing(timeline, START + 11 * MINUTE)
    timeline.reload(policy(channel("ops", fallback="other", fallback_after=10 * MINUTE), *both))
    fail(timeline)
    timeline.sweep()
    assert told(timeline, "oncall").firing == 1, "what it was given it keeps, though its filters would not take it"
    assert told(timeline, "other").firing == 1


def test_what_is_over_and_old_has_failed_over_where_there_is_a_fallback(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    told(timeline, "ops")
    timeline.now += 3 * MINUTE
    timeline.receive(resolved(ends_at=timeline.now))
    go_on_failing(timeline, timeline.now + 25 * HOUR)
    assert timeline.ledger("ops") == {"accepted": 2, "delivered": 1, "failed_over": 1}


def test_what_waits_behind_a_message_in_doubt_and_is_muted_is_not_told_elsewhere(timeline: Timeline) -> None:
    timeline.receive(firing(instance="a"))
    timeline.now += 10 * SECOND
    fail(timeline, IN_DOUBT)
    timeline.receive(firing(instance="b"))
    timeline.mute('instance="b"', channels=("ops",))
    go_on_failing(timeline, timeline.now + 11 * MINUTE, IN_DOUBT)
    assert [line.labels["instance"] for line in told(timeline, "oncall").lines] == ["a"]


def test_an_older_life_is_no_news_to_a_fallback_that_was_told_the_newer(make: Callable[..., Timeline]) -> None:
    timeline = make(ops(), oncall(matchers=()))
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    fail(timeline, IN_DOUBT)
    timeline.now += 5 * MINUTE
    timeline.receive(firing(starts_at=timeline.now))  # the resolve between was lost
    timeline.now += 10 * SECOND
    told(timeline, "oncall")
    go_on_failing(timeline, timeline.now + 11 * MINUTE, IN_DOUBT)
    assert isinstance(timeline.claim("oncall"), Rest)


def test_of_two_lives_the_fallback_tells_the_newer_and_its_end(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    fail(timeline, IN_DOUBT)
    timeline.now += 5 * MINUTE
    timeline.receive(firing(starts_at=timeline.now))
    go_on_failing(timeline, timeline.now + 11 * MINUTE, IN_DOUBT)
    content = told(timeline, "oncall")
    assert [(line.told, line.starts_at) for line in content.lines] == [(Told.FIRING, START + 5 * MINUTE + 10 * SECOND)]
    timeline.now += 5 * MINUTE
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.now += 3 * MINUTE
    assert told(timeline, "oncall").resolved == 1


def test_much_that_is_overdue_is_copied_in_turns_so_that_others_can_write_too(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.transitions.failover.AT_ONCE", 2)
    timeline.receive(*(firing(instance=str(n)) for n in range(5)))
    fail(timeline)
    timeline.now += 11 * MINUTE
    turns = []
    for _ in range(4):
        with timeline.store.write() as tx:
            turns.append(sweep(tx, timeline.policy, timeline.now).again)
    assert turns == [True, True, False, False]
    assert timeline.ledger("oncall") == {"accepted": 5, "pending": 5}


def test_what_rests_since_it_was_refused_and_is_muted_is_not_told_elsewhere(timeline: Timeline) -> None:
    timeline.receive(firing(severity="critical"))
    fail(timeline, REJECTED)
    timeline.mute('alertname="HighErrorRate"', channels=("ops",))
    timeline.now += 2 * MINUTE
    timeline.sweep()
    assert isinstance(timeline.claim("oncall"), Rest)


def test_a_fallback_that_was_removed_does_not_end_what_it_has_told(make: Callable[..., Timeline]) -> None:
    timeline = make(ops(), oncall())
    timeline.receive(firing())
    go_on_failing(timeline, START + 11 * MINUTE)
    told(timeline, "oncall")
    timeline.reload(policy(channel("ops")))
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.now += 5 * MINUTE
    assert told(timeline, "ops").fired_and_resolved == 1, "or nobody would hear that it is over"


def test_a_fallback_that_no_longer_takes_what_it_took_by_itself_does_not_end_it(make: Callable[..., Timeline]) -> None:
    timeline = make(ops(), oncall(matchers=()))
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    told(timeline, "oncall")
    go_on_failing(timeline, START + 11 * MINUTE)
    timeline.reload(policy(ops(), oncall()))
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.now += 5 * MINUTE
    assert told(timeline, "ops").fired_and_resolved == 1


def test_a_fallback_that_tells_no_ends_by_itself_does_not_end_it(make: Callable[..., Timeline]) -> None:
    timeline = make(ops(), oncall(matchers=(), send_resolved=False))
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    told(timeline, "oncall")
    go_on_failing(timeline, START + 11 * MINUTE)
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.now += 5 * MINUTE
    assert told(timeline, "ops").fired_and_resolved == 1


def test_a_chain_relieves_its_first_channel_too(make: Callable[..., Timeline]) -> None:
    last = channel("last", matchers=MATCHES_NOTHING)
    timeline = make(ops(), oncall(fallback="last", fallback_after=10 * MINUTE), last)
    timeline.receive(firing())
    go_on_failing(timeline, START + 11 * MINUTE)
    fail(timeline, REFUSED, "oncall")
    timeline.receive(resolved(ends_at=timeline.now))
    go_on_failing(timeline, timeline.now + 11 * MINUTE)
    assert told(timeline, "last").fired_and_resolved == 1
    assert timeline.ledger("oncall") == {"accepted": 2, "superseded": 1, "failed_over": 1}
    assert timeline.ledger("ops") == {"accepted": 2, "superseded": 1, "failed_over": 1}


def test_what_no_message_can_be_built_of_is_told_by_the_fallback(timeline: Timeline) -> None:
    timeline.receive(firing())
    while timeline.now < START + 12 * MINUTE:
        timeline.now += 30 * SECOND
        timeline.sweep()
        timeline.claim("ops")  # and no bytes are made of it
    assert told(timeline, "oncall").firing == 1


def test_the_reason_told_is_not_that_of_a_failure_that_is_long_over(timeline: Timeline) -> None:
    timeline.receive(firing("Old"))
    timeline.now += 10 * SECOND
    fail(timeline, MISCONFIGURED)
    timeline.now += 5 * MINUTE
    told(timeline, "ops")
    timeline.now += HOUR
    timeline.receive(firing(severity="critical"))
    claimed = timeline.claim("ops")
    assert isinstance(claimed, Claimed)
    timeline.fix(claimed)  # and no answer comes
    timeline.now += 3 * MINUTE
    timeline.sweep()
    [failover] = told(timeline, "oncall").failovers
    assert (failover.reason, failover.since) == ("timeout", None)


def test_old_news_that_is_muted_is_held_and_goes_nowhere_when_it_would_die_of_age(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    told(timeline, "ops")
    timeline.now += 3 * MINUTE
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.mute('alertname="HighErrorRate"', lasting=48 * HOUR, channels=("ops",))
    timeline.receive(firing("Other"))
    timeline.now += 10 * SECOND
    fail(timeline, REFUSED)
    go_on_failing(timeline, timeline.now + 25 * HOUR)
    named = [line.labels["alertname"] for line in told(timeline, "oncall").lines]
    assert named == ["Other"]
    assert timeline.books().pending["ops", "held"] == 1


def test_a_process_that_keeps_dying_puts_off_failing_over_by_no_more_than_its_downtimes(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    fail(timeline)
    for _ in range(4):  # three minutes at work, three minutes down
        go_on_failing(timeline, timeline.now + 3 * MINUTE)
        timeline.now += 3 * MINUTE
        timeline.restart()
    timeline.sweep()
    assert told(timeline, "oncall").firing == 1
