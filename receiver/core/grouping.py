"""When a group's news becomes due: at once when much waits, else soon, but never within the cooldown."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from receiver.core.policy import ChannelPolicy


class Reason(StrEnum):
    """Why a message goes out when it does."""

    WAIT = "wait"
    THRESHOLD = "threshold"
    COOLDOWN = "cooldown"
    THROTTLED = "throttled"
    RECOVERED = "recovered"


@dataclass(slots=True)
class Group:
    """The alerts of one channel that share the values of its ``group_by`` labels.

    ``waiting`` counts the deliveries with news, ``openings`` those of them that fire, ``oldest_at`` is the arrival
    of the oldest, ``severity`` the highest rank that came among them. ``truncated`` alerts were cut off by
    Alertmanager's ``max_alerts`` and not told of yet. ``failures`` counts the attempts in a row that surely failed.
    """

    id: int
    channel_id: int
    key: str
    labels: Mapping[str, str]
    waiting: int = 0
    openings: int = 0
    oldest_at: int | None = None
    severity: int = 0
    due_at: int | None = None
    due_reason: Reason | None = None
    last_sent_at: int | None = None
    truncated: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """The group's news may go out now."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Nothing is to be done before ``at``; ``reason`` names what is waited for."""

    at: int
    reason: Reason


def values(labels: Mapping[str, str], group_by: tuple[str, ...] | None) -> dict[str, str]:
    """The labels that place an alert in its group; a missing one is the empty value, None takes every label."""
    if group_by is None:
        return dict(labels)
    return {name: labels.get(name, "") for name in group_by}


def due(group: Group, channel: ChannelPolicy, now: int) -> Due | WaitUntil | None:
    """Whether the group's news goes out now, or when; None when it has none."""
    if group.oldest_at is None:
        return None
    if group.openings >= channel.group_threshold:
        ready_at, reason = now, Reason.THRESHOLD
    else:
        ready_at, reason = min(group.oldest_at, now) + channel.group_wait, Reason.WAIT
    if group.last_sent_at is not None:
        # Where the clock has stepped back, the cooldown is no longer than its own length.
        cool_at = min(group.last_sent_at, now) + channel.group_interval
        if cool_at > ready_at:
            ready_at, reason = cool_at, Reason.COOLDOWN
    return Due(reason) if ready_at <= now else WaitUntil(ready_at, reason)


def schedule(group: Group, channel: ChannelPolicy, now: int) -> None:
    """Note in the group when its news becomes due, and why then."""
    match due(group, channel, now):
        case Due(reason):
            # News that was due already keeps its place in the queue; a group that was refused rests to the end.
            keeps = group.due_at is not None and (group.due_at <= now or group.failures > 0)
            group.due_at, group.due_reason = (group.due_at, group.due_reason) if keeps else (now, reason)
        case WaitUntil(at, reason):
            group.due_at, group.due_reason = at, reason
        case None:
            group.due_at, group.due_reason = None, None
