"""A group's messages belong together, from its first firing until nothing of it fires any more."""

from collections.abc import Mapping

import pytest

from receiver.core.alerts import Alert
from receiver.core.content import Content, Ended
from receiver.core.policy import Throttle
from receiver.core.retrying import Failure, FailureClass
from receiver.transitions.claim import Claimed, Rest
from receiver.transitions.threads import MOST_ENDED
from tests.timeline import HOUR, MINUTE, SECOND, Timeline, channel, firing, policy, resolved

REFUSED = Failure(FailureClass.TRANSIENT, "connection_refused")


def told(timeline: Timeline, *alerts: Alert, thread: str | None = None) -> Content:
    """The message that tells these, once its group has waited and cooled down."""
    timeline.receive(*alerts)
    timeline.now += 2 * MINUTE
    content = timeline.send(thread=thread)
    assert isinstance(content, Content)
    return content


def test_the_first_message_begins_a_thread_and_the_later_ones_belong_to_it(timeline: Timeline) -> None:
    assert told(timeline, firing(pod="a"), thread="C1/17.4").thread is None
    assert told(timeline, firing(pod="b")).thread == "C1/17.4"
    assert told(timeline, resolved(pod="a")).thread == "C1/17.4"


def test_where_the_channel_says_nothing_the_thread_is_the_first_messages_id(timeline: Timeline) -> None:
    first = told(timeline, firing(pod="a"))
    told(timeline, firing(pod="b"))
    assert told(timeline, firing(pod="c")).thread == first.uid


def test_a_channel_that_had_to_begin_anew_goes_on_there(timeline: Timeline) -> None:
    told(timeline, firing(pod="a"), thread="deleted")
    assert told(timeline, firing(pod="b"), thread="anew").thread == "deleted"
    assert told(timeline, firing(pod="c")).thread == "anew"


def test_once_nothing_fires_any_more_the_next_firing_begins_a_new_thread(timeline: Timeline) -> None:
    told(timeline, firing(pod="a"), firing(pod="b"), thread="first")
    assert told(timeline, resolved(pod="a")).thread == "first"
    assert told(timeline, resolved(pod="b")).thread == "first"
    assert told(timeline, firing(pod="a", starts_at=timeline.now)).thread is None


def test_a_resolve_that_waits_keeps_the_thread(timeline: Timeline) -> None:
    told(timeline, firing(pod="a"), firing(pod="b"), thread="first")
    timeline.receive(resolved(pod="a"))
    timeline.now += 2 * MINUTE
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.receive(resolved(pod="b"))
    timeline.settle(timeline.fix(claimed))
    timeline.now += 2 * MINUTE
    content = timeline.send()
    assert isinstance(content, Content)
    assert (content.resolved, content.also_firing, content.thread) == (1, 0, "first")


def test_an_alert_that_nobody_confirms_any_more_keeps_no_thread_open(timeline: Timeline) -> None:
    told(timeline, firing(pod="a"), firing(pod="b"), thread="first")
    timeline.now += 25 * HOUR
    timeline.receive(resolved(pod="b"))
    timeline.now += 2 * MINUTE
    timeline.send()
    assert told(timeline, firing(pod="c", starts_at=timeline.now)).thread is None


def test_what_ends_unsaid_ends_its_thread(timeline: Timeline) -> None:
    timeline.reload(policy(channel(send_resolved=False)))
    told(timeline, firing(pod="a"), thread="first")
    timeline.receive(resolved(pod="a"))
    timeline.now += 10 * HOUR
    assert told(timeline, firing(pod="a", starts_at=timeline.now)).thread is None
    assert told(timeline, firing(pod="b", starts_at=timeline.now)).thread is not None


def test_what_nobody_confirms_any_more_has_ended_by_the_next_firing(timeline: Timeline) -> None:
    told(timeline, firing(pod="a"), thread="first")
    timeline.now += 25 * HOUR
    assert told(timeline, firing(pod="b", starts_at=timeline.now)).thread is None


def test_a_life_whose_end_was_lost_and_the_next_one_share_a_thread(timeline: Timeline) -> None:
    told(timeline, firing(pod="a"), thread="first")
    again = told(timeline, firing(pod="a", starts_at=timeline.now + HOUR))
    assert (again.firing, again.thread) == (1, "first")


def test_a_reminder_that_a_mute_holds_still_fires_and_keeps_the_thread(timeline: Timeline) -> None:
    told(timeline, firing(pod="a"), firing(pod="b"), thread="first")
    timeline.now += 4 * HOUR
    timeline.mute('pod="a"', lasting=2 * HOUR)
    timeline.receive(firing(pod="a"))
    timeline.now += 10 * SECOND
    assert isinstance(timeline.send(), Rest)
    ended = told(timeline, resolved(pod="b"))
    assert (ended.resolved, ended.also_firing, ended.thread) == (1, 1, "first")


def test_a_channel_of_another_kind_begins_a_thread_of_its_own(timeline: Timeline) -> None:
    told(timeline, firing(pod="a"), thread="#ops/C1/17.4")
    timeline.reload(policy(channel(kind="email")))
    first = told(timeline, firing(pod="b"))
    assert first.thread is None
    assert told(timeline, firing(pod="c")).thread == first.uid


def test_the_thread_survives_a_restart_and_an_attempt_that_failed(timeline: Timeline) -> None:
    told(timeline, firing(pod="a"), thread="first")
    timeline.receive(firing(pod="b"))
    timeline.now += 2 * MINUTE
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.settle(timeline.fix(claimed), REFUSED)
    timeline.restart()
    timeline.now += 2 * MINUTE
    content = timeline.send()
    assert isinstance(content, Content)
    assert (content.firing, content.thread) == (1, "first")


@pytest.mark.parametrize(("last", "later"), [({"pod": "b"}, "first"), ({"pod": "a"}, None)])
def test_a_digest_belongs_to_no_thread_and_ends_those_of_groups_that_it_tells_the_end_of(
    timeline: Timeline, last: Mapping[str, str], later: str | None
) -> None:
    timeline.reload(policy(channel(throttle=Throttle(1, 10 * SECOND, 1))))
    told(timeline, firing(pod="a"), thread="first")
    if later:
        told(timeline, firing(pod="b"))
    timeline.receive(resolved(pod="a"), firing("Other", pod="x"), firing("Another", pod="y"))
    timeline.now += 2 * MINUTE
    content = timeline.send()
    assert isinstance(content, Content)
    assert (content.kind, content.thread) == ("digest", None)
    assert told(timeline, firing(starts_at=timeline.now, **last), firing(pod="z")).thread == later


def test_a_digest_names_the_threads_that_it_ends_and_no_other(timeline: Timeline) -> None:
    timeline.reload(policy(channel(throttle=Throttle(1, 10 * SECOND, 1))))
    told(timeline, firing("Over", pod="a"), thread="over")
    told(timeline, firing("Partly", pod="a"), firing("Partly", pod="b"), thread="partly")
    told(timeline, firing("Again", pod="a"), thread="again")
    again = (resolved("Again", pod="a"), firing("Again", pod="b"))
    timeline.receive(resolved("Over", pod="a"), resolved("Partly", pod="a"), *again, firing("New", pod="a"))
    timeline.now += 2 * MINUTE
    content = timeline.send()
    assert isinstance(content, Content)
    assert (content.kind, content.groups) == ("digest", 4)
    assert content.ended == (Ended("over", {"alertname": "Over"}),)


def test_a_digest_ends_few_threads_in_so_many_words(timeline: Timeline) -> None:
    timeline.reload(policy(channel(throttle=Throttle(1, 10 * SECOND, 1))))
    names = [f"Name{n}" for n in range(MOST_ENDED + 5)]
    for name in names:
        told(timeline, firing(name, pod="a"), thread=name)
    timeline.receive(*(resolved(name, pod="a") for name in names))
    timeline.now += 2 * MINUTE
    content = timeline.send()
    assert isinstance(content, Content)
    assert (content.resolved, len(content.ended)) == (len(names), MOST_ENDED)
