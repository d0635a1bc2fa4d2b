"""When a group's news becomes due."""

from dataclasses import replace

import pytest

from receiver.core.grouping import Due, Group, Reason, WaitUntil, due, schedule, values
from tests.timeline import MINUTE, SECOND, channel

OPS = channel(group_wait=10 * SECOND, group_threshold=5, group_interval=2 * MINUTE)
AT = 1_000_000
QUIET = Group(1, 1, "key", {})
ONE = replace(QUIET, waiting=1, openings=1, oldest_at=AT)
FOUR = replace(QUIET, waiting=4, openings=4, oldest_at=AT)
FIVE = replace(QUIET, waiting=5, openings=5, oldest_at=AT)
FIVE_RESOLVES = replace(QUIET, waiting=5, openings=0, oldest_at=AT)
COOLING = replace(ONE, last_sent_at=AT - MINUTE)
COOLING_FIVE = replace(FIVE, last_sent_at=AT - MINUTE)
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
