"""When a group's news becomes due."""

from dataclasses import replace

import pytest

from receiver.core.grouping import (
    Due,
    Group,
    Reason,
    WaitUntil,
    due,
    hear_urgent,
    inherit,
    reminds,
    schedule,
    tell,
    values,
)
from tests.timeline import MINUTE, SECOND, channel

OPS = channel(
    group_wait=10 * SECOND,
    group_threshold=5,
    group_interval=2 * MINUTE,
    urgent_interval=30 * SECOND,
    repeat_interval=240 * MINUTE,
)
AT = 1_000_000
QUIET = Group(1, 1, "key", {})
ONE = replace(QUIET, waiting=1, openings=1, oldest_at=AT)
FOUR = replace(QUIET, waiting=4, openings=4, oldest_at=AT)
FIVE = replace(QUIET, waiting=5, openings=5, oldest_at=AT)
FIVE_RESOLVES = replace(QUIET, waiting=5, openings=0, oldest_at=AT)
COOLING = replace(ONE, last_sent_at=AT - MINUTE)
COOLING_FIVE = replace(FIVE, last_sent_at=AT - MINUTE)
URGENT = replace(ONE, urgent=1)
URGENT_COOLING = replace(URGENT, last_sent_at=AT - SECOND)
URGENT_ONCE = replace(URGENT_COOLING, last_urgent_at=AT - SECOND, urgent_in_row=1)
URGENT_TWICE = replace(URGENT_ONCE, urgent_in_row=2)
URGENT_FOR_LONG = replace(URGENT_ONCE, urgent_in_row=9)
REMINDER = replace(QUIET, waiting=1, reminders=1, oldest_at=AT, last_sent_at=AT - 240 * MINUTE)
REMINDER_AND_NEWS = replace(REMINDER, waiting=2, openings=1)
COOL = replace(ONE, last_sent_at=AT - 2 * MINUTE + 10 * SECOND)


@pytest.mark.parametrize(
    ("group", "later", "decision"),
    [
        (QUIET, 0, None),
        (ONE, 0, WaitUntil(AT + 10 * SECOND, Reason.WAIT)),
        (ONE, 10 * SECOND - 1, WaitUntil(AT + 10 * SECOND, Reason.WAIT)),
        (ONE, 10 * SECOND, Due(Reason.WAIT)),
        (FOUR, 0, WaitUntil(AT + 10 * SECOND, Reason.WAIT)),
        (FIVE, 0, Due(Reason.THRESHOLD)),
        (FIVE_RESOLVES, 0, WaitUntil(AT + 10 * SECOND, Reason.WAIT)),
        (COOLING, 10 * SECOND, WaitUntil(AT + MINUTE, Reason.COOLDOWN)),
        (COOLING, MINUTE - 1, WaitUntil(AT + MINUTE, Reason.COOLDOWN)),
        (COOLING, MINUTE, Due(Reason.COOLDOWN)),
        (COOLING_FIVE, 0, WaitUntil(AT + MINUTE, Reason.COOLDOWN)),
        (COOL, 10 * SECOND, Due(Reason.WAIT)),
        (URGENT, 0, Due(Reason.URGENT)),
        (URGENT_COOLING, 0, Due(Reason.URGENT)),
        (URGENT_ONCE, 29 * SECOND - 1, WaitUntil(AT + 29 * SECOND, Reason.URGENT)),
        (URGENT_ONCE, 29 * SECOND, Due(Reason.URGENT)),
        (URGENT_TWICE, 59 * SECOND - 1, WaitUntil(AT + 59 * SECOND, Reason.URGENT)),
        (URGENT_TWICE, 59 * SECOND, Due(Reason.URGENT)),
        (URGENT_FOR_LONG, 119 * SECOND - 1, WaitUntil(AT + 119 * SECOND, Reason.URGENT)),
        (URGENT_FOR_LONG, 119 * SECOND, Due(Reason.URGENT)),
        (REMINDER, 10 * SECOND - 1, WaitUntil(AT + 10 * SECOND, Reason.REPEAT)),
        (REMINDER, 10 * SECOND, Due(Reason.REPEAT)),
        (REMINDER_AND_NEWS, 10 * SECOND, Due(Reason.WAIT)),
    ],
)
def test_news_is_due_after_the_wait_or_at_the_threshold_but_never_within_the_cooldown(
    group: Group, later: int, decision: Due | WaitUntil | None
) -> None:
    assert due(group, OPS, AT + later) == decision


def test_news_that_is_due_keeps_its_place_in_the_queue() -> None:
    group = replace(ONE)
    schedule(group, OPS, AT + 10 * SECOND)
    assert (group.due_at, group.due_reason) == (AT + 10 * SECOND, Reason.WAIT)
    group.openings = 5
    schedule(group, OPS, AT + 20 * SECOND)
    assert (group.due_at, group.due_reason) == (AT + 10 * SECOND, Reason.WAIT)


def test_urgent_news_makes_what_waits_already_due_and_says_so() -> None:
    group = replace(COOLING)
    schedule(group, OPS, AT)
    assert (group.due_at, group.due_reason) == (AT + MINUTE, Reason.COOLDOWN)
    group.urgent = 1
    schedule(group, OPS, AT + 1)
    assert (group.due_at, group.due_reason) == (AT + 1, Reason.URGENT)


@pytest.mark.parametrize(("ago", "reminded"), [(238 * MINUTE - 1, False), (238 * MINUTE, True), (239 * MINUTE, True)])
def test_a_firing_reminds_once_the_last_message_is_older_than_repeat_less_group_interval(
    ago: int, reminded: bool
) -> None:
    assert reminds(replace(QUIET, last_sent_at=AT - ago), OPS, AT) is reminded


def test_a_group_that_was_never_told_is_not_reminded_of() -> None:
    assert not reminds(QUIET, OPS, AT)


@pytest.mark.parametrize(("ago", "in_row"), [(2 * MINUTE - 1, 3), (2 * MINUTE, 0)])
def test_the_urgent_cooldown_is_short_again_after_a_group_interval_without_urgent_news(ago: int, in_row: int) -> None:
    group = replace(QUIET, last_urgent_at=AT - ago, urgent_in_row=3)
    hear_urgent(group, OPS, AT)
    assert group.urgent_in_row == in_row


def test_a_message_begins_the_cooldown_and_an_urgent_one_the_urgent_cooldown_too() -> None:
    group = replace(QUIET, due_at=AT - 1, failures=2, refused_at=AT - 5)
    tell(group, AT, urgent=False)
    assert (group.last_sent_at, group.last_urgent_at, group.urgent_in_row) == (AT, None, 0)
    assert (group.due_at, group.failures, group.refused_at) == (None, 0, None)
    tell(group, AT + 1, urgent=True)
    assert (group.last_sent_at, group.last_urgent_at, group.urgent_in_row) == (AT + 1, AT + 1, 1)


def test_a_group_inherits_the_cooldowns_of_those_it_is_made_from() -> None:
    group = replace(QUIET, last_sent_at=AT)
    inherit(group, replace(QUIET, last_sent_at=AT - 1, last_urgent_at=AT - 1, urgent_in_row=2, truncated=7))
    assert group == replace(QUIET, last_sent_at=AT, last_urgent_at=AT - 1, urgent_in_row=2, truncated=7)


def test_a_clock_that_steps_back_lets_no_cooldown_grow() -> None:
    group = replace(URGENT, last_sent_at=AT + 60 * MINUTE, last_urgent_at=AT + 60 * MINUTE, urgent_in_row=1)
    schedule(group, OPS, AT)
    assert (group.last_sent_at, group.last_urgent_at, group.due_at) == (AT, AT, AT + 30 * SECOND)


def test_a_group_that_has_no_news_left_is_not_due() -> None:
    group = replace(ONE, due_at=AT, due_reason=Reason.WAIT, oldest_at=None)
    schedule(group, OPS, AT)
    assert (group.due_at, group.due_reason) == (None, None)


@pytest.mark.parametrize(
    ("group_by", "grouped"),
    [
        (("alertname", "cluster"), {"alertname": "A", "cluster": ""}),
        ((), {}),
        (None, {"alertname": "A", "pod": "1"}),
    ],
)
def test_a_missing_label_groups_as_the_empty_value(group_by: tuple[str, ...] | None, grouped: dict[str, str]) -> None:
    assert values({"alertname": "A", "pod": "1"}, group_by) == grouped
