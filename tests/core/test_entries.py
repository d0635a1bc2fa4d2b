"""What a new entry does, and what becomes of the one that waited."""

from dataclasses import replace

import pytest

from receiver.core import entries
from receiver.core.alerts import Status
from receiver.core.content import Told
from receiver.core.entries import Delivery, Phase, Ruling, rule_firing, rule_resolved
from receiver.core.episodes import Change

GROUP_WAIT = 10_000
ARRIVED = 500_000

UNTOLD = Delivery(1, 1, 1)
WAITING = replace(UNTOLD, phase=Phase.WAITING, version=1, since=ARRIVED)
SENDING = replace(UNTOLD, phase=Phase.SENDING, version=1, claimed=1, since=ARRIVED)
TOLD = replace(UNTOLD, version=1, told=Status.FIRING)
RESOLVE_WAITS = replace(TOLD, phase=Phase.WAITING, version=2, status=Status.RESOLVED)
RESOLVE_SENDING = replace(TOLD, phase=Phase.SENDING, version=2, claimed=2, status=Status.RESOLVED)
RESOLVE_TOLD = replace(TOLD, version=2, status=Status.RESOLVED, told=Status.RESOLVED)
BRIEF_LIFE = replace(UNTOLD, version=1, status=Status.RESOLVED)


@pytest.mark.parametrize(
    ("delivery", "ruling"),
    [
        (None, entries.OPENING),
        (UNTOLD, entries.OPENING),
        (WAITING, entries.REPEATED),
        (SENDING, entries.REPEATED),
        (TOLD, entries.REPEATED),
    ],
)
def test_a_firing_is_news_once(delivery: Delivery | None, ruling: Ruling) -> None:
    assert rule_firing(delivery) is ruling


@pytest.mark.parametrize(
    ("delivery", "change", "later", "ruling"),
    [
        (None, Change.NEVER_SEEN, 0, entries.NEVER_SEEN),
        (None, Change.CLOSES, 0, entries.NOBODY_TOLD),
        (None, Change.ALREADY_CLOSED, 0, entries.NOBODY_TOLD),
        (TOLD, Change.STALE, 0, entries.OUT_OF_ORDER),
        (TOLD, Change.OUTVOTED, 0, entries.OUTVOTED),
        (None, Change.OUTVOTED, 0, entries.OUTVOTED),
        (UNTOLD, Change.CLOSES, 0, entries.NOBODY_TOLD),
        (WAITING, Change.CLOSES, GROUP_WAIT, entries.BRIEF),
        (WAITING, Change.CLOSES, GROUP_WAIT + 1, entries.FIRED_AND_RESOLVED),
        (SENDING, Change.CLOSES, 0, entries.RESOLVES),
        (TOLD, Change.CLOSES, 0, entries.RESOLVES),
        (RESOLVE_WAITS, Change.ALREADY_CLOSED, 0, entries.REPEATED),
        (RESOLVE_SENDING, Change.ALREADY_CLOSED, 0, entries.REPEATED),
        (RESOLVE_TOLD, Change.ALREADY_CLOSED, 0, entries.REPEATED),
        (BRIEF_LIFE, Change.ALREADY_CLOSED, 0, entries.NOBODY_TOLD),
        (TOLD, Change.ALREADY_CLOSED, 0, entries.RESOLVES),
        (WAITING, Change.ALREADY_CLOSED, GROUP_WAIT, entries.BRIEF),
        (WAITING, Change.ALREADY_CLOSED, GROUP_WAIT + 1, entries.FIRED_AND_RESOLVED),
    ],
)
def test_a_resolve_is_told_to_those_who_were_told_or_are_owed_the_firing(
    delivery: Delivery | None, change: Change, later: int, ruling: Ruling
) -> None:
    found = rule_resolved(delivery, change, group_wait=GROUP_WAIT, send_resolved=True, now=ARRIVED + later)
    assert found is ruling


@pytest.mark.parametrize(
    ("delivery", "ruling"),
    [(TOLD, entries.NOT_WANTED), (SENDING, entries.NOT_WANTED), (WAITING, entries.FIRED_AND_RESOLVED)],
)
def test_without_send_resolved_only_what_was_never_told_as_firing_is_told_as_over(
    delivery: Delivery, ruling: Ruling
) -> None:
    late = ARRIVED + GROUP_WAIT + 1
    assert rule_resolved(delivery, Change.CLOSES, group_wait=GROUP_WAIT, send_resolved=False, now=late) is ruling


@pytest.mark.parametrize(
    ("delivery", "line"),
    [
        (WAITING, Told.FIRING),
        (RESOLVE_WAITS, Told.RESOLVED),
        (replace(WAITING, status=Status.RESOLVED), Told.FIRED_AND_RESOLVED),
    ],
)
def test_a_line_says_what_is_true_of_the_alert_and_not_yet_told(delivery: Delivery, line: Told) -> None:
    assert delivery.line is line
