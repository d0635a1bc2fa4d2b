"""What the receiver has to say of itself: told, but never in a storm of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.core.content import Content, Incidents, NoticeKind
from receiver.core.policy import Throttle
from receiver.core.retrying import Failure, FailureClass
from receiver.store.notices import DETAILS_KEPT
from receiver.transitions.claim import ClaimedNotice, Repeat, Rest
from receiver.transitions.notify import notify
from receiver.transitions.settle import Settled
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
    assert (notice.kind, notice.n, notice.details) == (REFUSED, 1, ("1 × not a notification",))
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
    assert (notice.n, notice.details) == (4, ("3 × two", "1 × three"))


def test_what_is_alike_adds_up_also_where_it_came_in_counts(timeline: Timeline) -> None:
    timeline.notify(REFUSED, "one")
    told(timeline)
    for many in (2, 1_500):
        with timeline.store.write() as tx:
            notify(tx, REFUSED, many, {"two": many}, timeline.policy, timeline.now)
    timeline.now += 10 * MINUTE
    notice = told(timeline)
    assert (notice.n, notice.details) == (1_502, ("1,502 × two",))


def test_more_different_things_than_are_kept_are_counted_without_saying_which(timeline: Timeline) -> None:
    timeline.notify(REFUSED, "first")
    told(timeline)
    for n in range(DETAILS_KEPT + 30):
        timeline.notify(REFUSED, f"thing {n}")
    timeline.notify(REFUSED, "thing 0")
    timeline.now += 10 * MINUTE
    notice = told(timeline)
    assert notice.n == DETAILS_KEPT + 31
    assert notice.details[:2] == ("2 × thing 0", "1 × thing 1")
    assert notice.details[DETAILS_KEPT:] == ("… and 30 more",)


def test_a_line_on_dead_letters_says_itself_how_many_they_are(timeline: Timeline) -> None:
    for message in range(DETAILS_KEPT + 2):
        with timeline.store.write() as tx:
            line = f"ops: 3 alerts (rejected): Bad; message {message}"
            notify(tx, NoticeKind.DEAD_LETTERS, 3, [line], timeline.policy, timeline.now)
    notice = told(timeline)
    assert notice.n == 3 * (DETAILS_KEPT + 2)
    assert notice.details[0] == "ops: 3 alerts (rejected): Bad; message 0"
    assert notice.details[DETAILS_KEPT:] == ("… and 2 more",)


def test_the_interval_counts_from_what_was_told_past_the_store(timeline: Timeline) -> None:
    timeline.now += 4 * MINUTE
    for _ in range(2):
        with timeline.store.write() as tx:
            told_at = timeline.now - 4 * MINUTE
            due = notify(tx, REFUSED, 1, ["one"], timeline.policy, timeline.now, told_at)
        assert due == {"oncall": START + 10 * MINUTE}
    assert timeline.send("oncall") == Rest(START + 10 * MINUTE)


def test_a_notice_that_waits_already_waits_for_the_interval_after_what_was_told_past_the_store(
    timeline: Timeline,
) -> None:
    timeline.notify(REFUSED, "one")
    told(timeline)
    timeline.notify(REFUSED, "two")
    timeline.now += 9 * MINUTE
    with timeline.store.write() as tx:
        notify(tx, REFUSED, 1, ["two"], timeline.policy, timeline.now, timeline.now - MINUTE)
    assert timeline.send("oncall") == Rest(START + 18 * MINUTE)


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
    assert told(timeline).details == ("1 × one", "1 × two")


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


def refuse(timeline: Timeline) -> Settled:
    """The notice that is due is refused."""
    claimed = timeline.claim("oncall")
    assert isinstance(claimed, ClaimedNotice)
    return timeline.settle(timeline.fix(claimed), Failure(FailureClass.REJECTED, "invalid_blocks"))


def test_a_notice_that_is_refused_while_others_are_taken_is_given_up_and_makes_no_notice(timeline: Timeline) -> None:
    timeline.notify(REFUSED, "one")
    assert refuse(timeline).rest == 5 * MINUTE
    timeline.receive(firing())
    timeline.now += 5 * MINUTE
    assert refuse(timeline).rest == 5 * MINUTE, "nothing was taken since"
    assert isinstance(timeline.send("oncall"), Content)
    timeline.now += 5 * MINUTE
    settled = refuse(timeline)
    assert (settled.refused, settled.dead) == (True, 0)
    timeline.now += HOUR
    assert isinstance(timeline.claim("oncall"), Rest)


def test_a_channel_that_refuses_everything_is_told_its_notices_once_it_is_mended(timeline: Timeline) -> None:
    timeline.notify(REFUSED, "one")
    for _ in range(4):
        refuse(timeline)
        timeline.now += 5 * MINUTE
    assert told(timeline).n == 1


def test_a_channel_that_comes_back_late_is_not_told_what_happened_long_ago(timeline: Timeline) -> None:
    timeline.notify(REFUSED, "one")
    with_it = timeline.policy
    timeline.reload(policy(channel()))
    timeline.now += 25 * HOUR
    timeline.sweep()
    timeline.reload(with_it)
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
    timeline.notify(REFUSED, "a")
    timeline.settle(timeline.fix(claimed), Failure(FailureClass.TRANSIENT, "connection_refused"))
    timeline.now += 10 * MINUTE
    notice = told(timeline)
    assert (notice.n, notice.details) == (3, ("2 × a", "1 × b"))
    assert isinstance(timeline.send("oncall"), Rest), "at most one of a kind in ten minutes"


def test_while_a_notice_is_in_doubt_no_other_of_its_kind_goes_out(timeline: Timeline) -> None:
    timeline.notify(REFUSED, "one")
    claimed = timeline.claim("oncall")
    assert isinstance(claimed, ClaimedNotice)
    in_doubt = Failure(FailureClass.TRANSIENT, "timeout", may_be_taken=True)
    timeline.settle(timeline.fix(claimed), in_doubt)
    timeline.notify(REFUSED, "two")
    for _ in range(5):
        timeline.now += 5 * MINUTE
        repeat = timeline.claim("oncall")
        assert isinstance(repeat, Repeat)
        timeline.settle(repeat, in_doubt)
    timeline.now += 5 * MINUTE
    repeat = timeline.claim("oncall")
    assert isinstance(repeat, Repeat)
    timeline.settle(repeat)
    assert timeline.send_notice("oncall") == Rest(timeline.now + 10 * MINUTE)
