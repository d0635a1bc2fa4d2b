"""What a new entry does, and what becomes of the one that waited."""

from dataclasses import replace

import pytest

from receiver.core import entries
from receiver.core.alerts import Status
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


HELD = replace(WAITING, phase=Phase.HELD, muted=True)
REMINDER = replace(TOLD, phase=Phase.WAITING, version=2, since=ARRIVED)
REMINDER_HELD = replace(REMINDER, phase=Phase.HELD, muted=True)


@pytest.mark.parametrize(
    ("delivery", "reminds", "ruling"),
    [
        (None, False, entries.OPENING),
        (UNTOLD, False, entries.OPENING),
        (UNTOLD, True, entries.OPENING),
        (WAITING, True, entries.REPEATED),
        (HELD, True, entries.REPEATED),
        (SENDING, True, entries.REPEATED),
        (TOLD, False, entries.REPEATED),
        (TOLD, True, entries.REMINDS),
        (REMINDER, True, entries.REPEATED),
        (replace(TOLD, phase=Phase.SENDING, claimed=2), True, entries.REPEATED),
    ],
)
def test_a_firing_is_news_once_and_again_when_its_group_was_told_long_ago(
    delivery: Delivery | None, reminds: bool, ruling: Ruling
) -> None:
    assert rule_firing(delivery, reminds=reminds) is ruling


@pytest.mark.parametrize(
    ("delivery", "change", "owed", "later", "ruling"),
    [
        (None, Change.NEVER_SEEN, False, 0, entries.NEVER_SEEN),
        (None, Change.CLOSES, False, 0, entries.NOBODY_TOLD),
        (None, Change.ALREADY_CLOSED, False, 0, entries.NOBODY_TOLD),
        (TOLD, Change.STALE, False, 0, entries.OUT_OF_ORDER),
        (TOLD, Change.OUTVOTED, False, 0, entries.OUTVOTED),
        (None, Change.OUTVOTED, False, 0, entries.OUTVOTED),
        (UNTOLD, Change.CLOSES, False, 0, entries.NOBODY_TOLD),
        (UNTOLD, Change.CLOSES, True, 0, entries.RESOLVES),
        (WAITING, Change.CLOSES, False, GROUP_WAIT, entries.BRIEF),
        (WAITING, Change.CLOSES, False, GROUP_WAIT + 1, entries.FIRED_AND_RESOLVED),
        (WAITING, Change.CLOSES, True, GROUP_WAIT, entries.RESOLVES_UNTOLD_NEWS),
        (SENDING, Change.CLOSES, False, 0, entries.RESOLVES),
        (TOLD, Change.CLOSES, False, 0, entries.RESOLVES),
        (REMINDER, Change.CLOSES, False, 0, entries.RESOLVES_UNTOLD_NEWS),
        (HELD, Change.CLOSES, False, GROUP_WAIT + 1, entries.ENDED_MUTED),
        (HELD, Change.CLOSES, True, 0, entries.RESOLVES_MUTED_NEWS),
        (REMINDER_HELD, Change.CLOSES, False, 0, entries.RESOLVES_MUTED_NEWS),
        (RESOLVE_WAITS, Change.ALREADY_CLOSED, False, 0, entries.REPEATED),
        (RESOLVE_SENDING, Change.ALREADY_CLOSED, False, 0, entries.REPEATED),
        (RESOLVE_TOLD, Change.ALREADY_CLOSED, False, 0, entries.REPEATED),
        (BRIEF_LIFE, Change.ALREADY_CLOSED, False, 0, entries.NOBODY_TOLD),
        (TOLD, Change.ALREADY_CLOSED, False, 0, entries.RESOLVES),
        (WAITING, Change.ALREADY_CLOSED, False, GROUP_WAIT, entries.BRIEF),
        (WAITING, Change.ALREADY_CLOSED, False, GROUP_WAIT + 1, entries.FIRED_AND_RESOLVED),
    ],
)
def test_a_resolve_is_told_to_those_who_were_told_or_are_owed_the_firing(
    delivery: Delivery | None, change: Change, owed: bool, later: int, ruling: Ruling
) -> None:
    now = ARRIVED + later
    found = rule_resolved(delivery, change, owed=owed, group_wait=GROUP_WAIT, send_resolved=True, now=now)
    assert found is ruling


@pytest.mark.parametrize(
    ("delivery", "ruling"),
    [
        (TOLD, entries.NOT_WANTED),
        (SENDING, entries.NOT_WANTED),
        (WAITING, entries.FIRED_AND_RESOLVED),
        (REMINDER, entries.NOT_WANTED_EITHER),
        (REMINDER_HELD, entries.ENDED_MUTED),
    ],
)
def test_without_send_resolved_only_what_was_never_told_as_firing_is_told_as_over(
    delivery: Delivery, ruling: Ruling
) -> None:
    late = ARRIVED + GROUP_WAIT + 1
    found = rule_resolved(delivery, Change.CLOSES, owed=True, group_wait=GROUP_WAIT, send_resolved=False, now=late)
    assert found is ruling


@pytest.mark.parametrize(
    ("delivery", "owes"),
    [(UNTOLD, False), (WAITING, False), (SENDING, True), (TOLD, True), (RESOLVE_WAITS, True), (RESOLVE_TOLD, False)],
)
def test_people_may_believe_in_what_was_told_or_is_on_its_way_until_they_hear_its_end(
    delivery: Delivery, owes: bool
) -> None:
    assert delivery.owes_end is owes
