"""One life of an alert, from firing to resolved, and what an event does to it.

none ──firing──▶ open ──resolved──▶ closed ──firing, later start──▶ open (a new episode)
                  │ ▲ └─firing: confirmed      ├─firing, older start─▶ open (reopened: "firing again")
                  │ │                          └─the same from another peer─▶ held ──reorder_window──▶ open (reopened)
                  │ │                                                           └──resolved──▶ stale
                  └─firing that starts well after the last sight: the resolve was lost, a new episode opens
"""

from dataclasses import dataclass
from enum import StrEnum

from receiver.core.alerts import Alert, Status

# HA Prometheus replicas may give starts a little apart; a later start than this means a new incident.
LOST_RESOLVE_AFTER = 120_000


class Closing(StrEnum):
    """Why an episode is closed."""

    RESOLVED = "resolved"
    LOST_RESOLVE = "lost_resolve"
    STALE = "stale"
    OVERTAKEN = "overtaken"


class Change(StrEnum):
    """What an event does to the episodes of its alert."""

    OPENS = "opens"
    REOPENS = "reopens"
    HOLDS = "holds"
    REPLACES = "replaces"
    CONFIRMS = "confirms"
    CLOSES = "closes"
    STALE = "stale"
    OUTVOTED = "outvoted"
    ALREADY_CLOSED = "already_closed"
    NEVER_SEEN = "never_seen"


@dataclass(slots=True)
class Episode:
    """One life of an alert, as tracked.

    ``starts_at`` and ``ends_at`` are the sender's times, ``opened_at``, ``last_seen`` and ``closed_at`` ours.
    ``resolved_by`` is the ``externalURL`` that sent the resolve. ``again`` marks a reopened life. ``opens_at`` is set
    while it is held: then it opens, unless a resolve shows before that the firing came out of order.
    """

    id: int
    alert_id: int
    starts_at: int
    opened_at: int
    last_seen: int
    ends_at: int | None = None
    closed_at: int | None = None
    closing: Closing | None = None
    resolved_by: str = ""
    again: bool = False
    opens_at: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether the alert still fires, as far as anybody has told us."""
        return self.closed_at is None


def judge(latest: Episode | None, event: Alert, now: int, *, peer: str, reorder_window: int) -> Change:
    """What the event does, arriving ``now``, given the alert's latest episode that is in effect (None: never seen).

    ``peer`` is the ``externalURL`` of its notification: another one than that of the resolve may be an Alertmanager
    that has not heard of the resolve yet.
    """
    if event.status is Status.FIRING:
        change = _judge_firing(latest, event)
        if change is Change.REOPENS and latest is not None and peer != latest.resolved_by and reorder_window > 0:
            return Change.HOLDS
        return change
    if latest is None:
        return Change.NEVER_SEEN
    if not latest.is_open:
        return Change.ALREADY_CLOSED
    ends_at = now if event.ends_at is None else event.ends_at
    return Change.CLOSES if ends_at > latest.starts_at else Change.STALE


def _judge_firing(latest: Episode | None, event: Alert) -> Change:
    if latest is None:
        return Change.OPENS
    if latest.is_open:
        # Measured from its own start too: a sender whose clock is ahead says the same start again and again.
        seen = max(latest.starts_at, latest.last_seen)
        lost = event.start_known and event.starts_at > seen + LOST_RESOLVE_AFTER
        return Change.REPLACES if lost else Change.CONFIRMS
    if latest.ends_at is not None and event.starts_at <= latest.ends_at:
        return Change.REOPENS
    return Change.OPENS
