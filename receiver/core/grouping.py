"""When a group's news becomes due: at once when much waits or it is urgent, else soon, but never within the cooldown.

There are two cooldowns. The group's own, ``group_interval``, begins with every message. The urgent one is shorter and
begins with every message that tells urgent news; it widens while such news keeps coming.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from receiver.core.alerts import identity
from receiver.core.policy import ChannelPolicy


class Reason(StrEnum):
    """Why a message goes out when it does."""

    WAIT = "wait"
    THRESHOLD = "threshold"
    URGENT = "urgent"
    COOLDOWN = "cooldown"
    REPEAT = "repeat"
    THROTTLED = "throttled"
    CATCH_UP = "catch_up"
    RECOVERED = "recovered"
    FAILOVER = "failover"


@dataclass(slots=True)
class Group:
    """The alerts of one channel that share the values of its ``group_by`` labels.

    ``waiting`` counts the deliveries with news, among them ``openings``, ``urgent`` ones of these, and ``reminders``.
    ``oldest_at`` is the arrival of the oldest, ``severity`` the highest rank that came among them. ``due_at`` is when
    it is to have its turn next, ``due_since`` when that was or is for the first time since it was told: attempts that
    fail change nothing about it. ``urgent_in_row`` counts the urgent messages since there was none for a
    group_interval. ``truncated`` alerts were cut off by Alertmanager's ``max_alerts`` and not told of yet.
    ``failures`` counts the attempts in a row that surely failed; ``refused_at`` is when the first of its messages in a
    row was refused itself. ``message_id`` is the message that is on its way with the group's news: nothing newer
    passes it. ``thread`` is the kind of the channel and what it said of the message that the group's later ones belong
    to; None where what comes next begins a new one.
    """

    id: int
    channel_id: int
    key: str
    labels: Mapping[str, str]
    waiting: int = 0
    openings: int = 0
    urgent: int = 0
    reminders: int = 0
    oldest_at: int | None = None
    severity: int = 0
    due_at: int | None = None
    due_reason: Reason | None = None
    due_since: int | None = None
    last_sent_at: int | None = None
    last_urgent_at: int | None = None
    urgent_in_row: int = 0
    truncated: int = 0
    failures: int = 0
    refused_at: int | None = None
    message_id: int | None = None
    thread: str | None = None


def thread(group: Group, kind: str) -> str | None:
    """What a channel of this kind said of the message that began the group's thread; None where none of it did."""
    said_by, _, reference = (group.thread or "").partition(":")
    return reference if said_by == kind else None


@dataclass(frozen=True, slots=True)
class Due:
    """The group's news may go out now."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Nothing is to be done before ``at``; ``reason`` names what is waited for."""

    at: int
    reason: Reason


def values(
    labels: Mapping[str, str], group_by: tuple[str, ...] | None, ignored: Collection[str] = ()
) -> dict[str, str]:
    """The labels that place an alert in its group; a missing one is the empty value.

    None takes every label but the ``ignored`` ones, which make no difference between alerts.
    """
    if group_by is None:
        return {name: value for name, value in labels.items() if name not in ignored}
    return {name: labels.get(name, "") for name in group_by}


def key(channel_id: int, group: Mapping[str, str]) -> str:
    """What a group of the channel with these values is known by."""
    return identity(str(channel_id), group)


def due(group: Group, channel: ChannelPolicy, now: int) -> Due | WaitUntil | None:
    """Whether the group's news goes out now, or when; None when it has none."""
    if group.oldest_at is None:
        return None
    ready_at, reason = _ordinary(group, group.oldest_at, channel, now)
    if group.urgent:
        urgent_at = now
        if group.last_urgent_at is not None:
            urgent_at = min(group.last_urgent_at, now) + urgent_cooldown(group, channel)
        if urgent_at <= ready_at:
            ready_at, reason = urgent_at, Reason.URGENT
    return Due(reason) if ready_at <= now else WaitUntil(ready_at, reason)


def _ordinary(group: Group, oldest_at: int, channel: ChannelPolicy, now: int) -> tuple[int, Reason]:
    if group.openings >= channel.group_threshold:
        ready_at, reason = now, Reason.THRESHOLD
    else:
        ready_at, reason = min(oldest_at, now) + channel.group_wait, Reason.WAIT
    if group.last_sent_at is not None:
        # Where the clock has stepped back, the cooldown is no longer than its own length.
        cool_at = min(group.last_sent_at, now) + channel.group_interval
        if cool_at > ready_at:
            ready_at, reason = cool_at, Reason.COOLDOWN
    return ready_at, Reason.REPEAT if group.reminders == group.waiting else reason


def urgent_cooldown(group: Group, channel: ChannelPolicy) -> int:
    """How long after the last urgent message the next may follow: doubling with each, up to ``group_interval``."""
    doublings = max(0, group.urgent_in_row - 1)
    longest: int = channel.urgent_interval << min(doublings, 40)
    return min(longest, channel.group_interval)


def reminds(group: Group, channel: ChannelPolicy, now: int) -> bool:
    """Whether a firing that comes now, of what was told before, is to be told again."""
    patience = channel.repeat_interval - channel.group_interval
    return group.last_sent_at is not None and now - group.last_sent_at >= patience


def hear_urgent(group: Group, channel: ChannelPolicy, now: int) -> None:
    """Urgent news arrives: after a ``group_interval`` without any, the urgent cooldown is short again."""
    if group.last_urgent_at is None or now - group.last_urgent_at >= channel.group_interval:
        group.urgent_in_row = 0


def tell(group: Group, now: int, *, urgent: bool) -> None:
    """A message has told the group's news: its cooldowns begin."""
    group.last_sent_at = now
    if urgent:
        group.last_urgent_at = now
        group.urgent_in_row += 1
    group.failures, group.refused_at = 0, None
    # What came meanwhile is due no sooner than the cooldown that begins now.
    group.due_at = group.due_since = None


def inherit(group: Group, old: Group) -> None:
    """Alerts move here from an old group: what was told there was told here, and what was cut off is said here."""
    told = [at for at in (group.last_sent_at, old.last_sent_at) if at is not None]
    urgent = [at for at in (group.last_urgent_at, old.last_urgent_at) if at is not None]
    group.last_sent_at, group.last_urgent_at = max(told, default=None), max(urgent, default=None)
    group.urgent_in_row = max(group.urgent_in_row, old.urgent_in_row)
    group.truncated = max(group.truncated, old.truncated)


def heed_the_clock(group: Group, now: int) -> None:
    """Nothing was told in the future: a clock that has stepped back lengthens no wait beyond its own length."""
    if group.last_sent_at is not None:
        group.last_sent_at = min(group.last_sent_at, now)
    if group.last_urgent_at is not None:
        group.last_urgent_at = min(group.last_urgent_at, now)


def schedule(group: Group, channel: ChannelPolicy, now: int) -> None:
    """Note in the group when its news becomes due, and why then."""
    heed_the_clock(group, now)
    match due(group, channel, now):
        case Due(reason):
            # News that was due already keeps its place in the queue; a group that was refused rests to the end.
            keeps = group.due_at is not None and (group.due_at <= now or group.refused_at is not None)
            if not keeps or group.due_reason is None or reason is Reason.URGENT:
                group.due_reason = reason
            group.due_at = group.due_at if keeps else now
            if group.due_since is None or group.due_since > now:
                group.due_since = now
        case WaitUntil(at, reason):
            group.due_at, group.due_reason = at, reason
            # What was due stays so, where only the clock has stepped back.
            group.due_since = at if group.due_since is None else min(group.due_since, at)
        case None:
            group.due_at, group.due_reason = None, None
            if group.message_id is None:
                group.due_since = None
