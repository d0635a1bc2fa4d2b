"""What the receiver has to say of itself: told, but never in a storm of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.core.content import Content, Incidents, NoticeKind
from receiver.core.policy import Throttle
from receiver.core.retrying import Failure, FailureClass
from receiver.transitions.claim import ClaimedNotice, Repeat, Rest
from tests.timeline import HOUR, MINUTE, SECOND, START, Timeline, channel, firing, policy

REFUSED = NoticeKind.REFUSED


@pytest.fixture
def timeline(tmp_path: Path) -> Iterator[Timeline]:
    timeline = Timeline(tmp_path / "books.db", policy(channel(), channel("oncall"), notices=("oncall",)))
    yield timeline
    timeline.store.close()


def told(timeline: Timeline, name: str = "oncall") -> Incidents:
    notice = timeline.send_notice(name)
    assert isinstance(notice, Incidents), notice
    return notice


def test_a_notice_goes_at_once_to_the_channels_that_are_named_and_is_in_nobodys_books(timeline: Timeline) -> None:
    timeline.notify(REFUSED, "not a notification")
    notice = told(timeline)
    assert (notice.kind, notice.n, notice.details) == (REFUSED, 1, ("not a notification",))
    assert isinstance(timeline.send("ops"), Rest)
    assert timeline.ledger("oncall") == {}


def test_of_a_kind_there_is_one_in_ten_minutes_and_what_happens_meanwhile_is_added_up(timeline: Timeline) -> None:
    timeline.notify(REFUSED, "one")
    told(timeline)
    for _ in range(3):
        timeline.now += SECOND
        timeline.notify(REFUSED, "two")
    timeline.notify(REFUSED, "three")
    rest = timeline.send("oncall")
    assert rest == Rest(START + 10 * MINUTE)
    timeline.now = START + 10 * MINUTE - 1
    assert isinstance(timeline.send("oncall"), Rest)
    timeline.now += 1
    notice = told(timeline)
    assert (notice.n, notice.details) == (4, ("two", "three"))


def test_kinds_do_not_wait_for_each_other(timeline: Timeline) -> None:
    timeline.notify(REFUSED, "one")
    timeline.notify(NoticeKind.UNKNOWN_CHANNEL, "two")
    assert {told(timeline).kind, told(timeline).kind} == {REFUSED, NoticeKind.UNKNOWN_CHANNEL}


def test_a_notice_that_surely_reached_nobody_waits_again_with_what_has_happened_since(timeline: Timeline) -> None:
    timeline.notify(REFUSED, "one")
    claimed = timeline.claim("oncall")
    assert isinstance(claimed, ClaimedNotice)
    timeline.notify(REFUSED, "two")
    timeline.settle(timeline.fix(claimed), Failure(FailureClass.TRANSIENT, "connection_refused"))
    timeline.now += 2 * SECOND
    assert told(timeline).details == ("one", "two")


def test_a_notice_in_doubt_goes_again_byte_for_byte(timeline: Timeline) -> None:
    timeline.notify(REFUSED, "one")
    claimed = timeline.claim("oncall")
    assert isinstance(claimed, ClaimedNotice)
    sent = timeline.fix(claimed, b"these bytes")
    timeline.settle(sent, Failure(FailureClass.TRANSIENT, "timeout", may_be_taken=True))
    timeline.now += 2 * SECOND
    repeat = timeline.claim("oncall")
    assert isinstance(repeat, Repeat)
    assert repeat.payload == b"these bytes"
    assert timeline.settle(repeat).sent
    assert isinstance(timeline.claim("oncall"), Rest)


def test_a_notice_that_is_refused_is_given_up_and_makes_no_notice_of_its_own(timeline: Timeline) -> None:
    timeline.notify(REFUSED, "one")
    claimed = timeline.claim("oncall")
    assert isinstance(claimed, ClaimedNotice)
    settled = timeline.settle(timeline.fix(claimed), Failure(FailureClass.REJECTED, "invalid_blocks"))
    assert (settled.refused, settled.dead) == (True, 0)
    timeline.now += HOUR
    assert isinstance(timeline.claim("oncall"), Rest)


def test_urgent_news_goes_first_and_a_notice_may_have_the_kept_token(tmp_path: Path) -> None:
    few = channel("oncall", throttle=Throttle(1, HOUR, 2))
    timeline = Timeline(tmp_path / "few.db", policy(few, notices=("oncall",)))
    timeline.notify(REFUSED, "one")
    timeline.receive(firing(severity="critical"))
    first = timeline.send("oncall")
    assert isinstance(first, Content)
    assert first.urgent == 1
    assert told(timeline).n == 1
    timeline.notify(NoticeKind.UNKNOWN_CHANNEL, "two")
    rest = timeline.send("oncall")
    assert isinstance(rest, Rest)
    assert rest.throttled, "no token is left"
    timeline.store.close()


def test_a_clock_that_steps_back_makes_no_notice_later_than_its_interval(timeline: Timeline) -> None:
    timeline.notify(REFUSED, "one")
    told(timeline)
    timeline.notify(REFUSED, "two")
    timeline.now -= HOUR
    assert timeline.send("oncall") == Rest(timeline.now + 10 * MINUTE)


def test_without_channels_of_notices_nothing_is_kept(timeline: Timeline) -> None:
    timeline.reload(policy(channel()))
    timeline.notify(REFUSED, "one")
    timeline.reload(policy(channel(), notices=("ops",)))
    assert isinstance(timeline.send(), Rest)


def test_a_notice_that_goes_first_after_a_downtime_takes_nothing_of_the_digest_that_follows(timeline: Timeline) -> None:
    timeline.sweep()
    timeline.receive(firing("A"), firing("B"))
    timeline.now += HOUR
    timeline.restart()
    timeline.notify(REFUSED, "one")
    told(timeline)
    digest = timeline.send("oncall")
    assert isinstance(digest, Content)
    assert (digest.kind, digest.news, digest.reason) == ("digest", 2, "catch_up")


def test_what_is_raised_while_a_notice_is_on_its_way_in_vain_is_told_with_it(timeline: Timeline) -> None:
    timeline.notify(REFUSED, "a")
    claimed = timeline.claim("oncall")
    assert isinstance(claimed, ClaimedNotice)
    timeline.notify(REFUSED, "b")
    timeline.settle(timeline.fix(claimed), Failure(FailureClass.TRANSIENT, "connection_refused"))
    timeline.now += 10 * MINUTE
    notice = told(timeline)
    assert (notice.n, notice.details) == (2, ("a", "b"))
    assert isinstance(timeline.send("oncall"), Rest), "at most one of a kind in ten minutes"
