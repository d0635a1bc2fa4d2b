"""The books' unit: one entry is one (channel, event). What a new one does, and what becomes of the one that waited.

An entry is pending and leaves that exactly once, to an outcome that never changes. Of one (channel, episode) at
most two entries are pending: one on its way in a message, and one newer that waits.
"""

from dataclasses import dataclass
from enum import StrEnum

from receiver.core.alerts import Status
from receiver.core.content import Told
from receiver.core.episodes import Change


class Outcome(StrEnum):
    """How an entry left the pending."""

    DELIVERED = "delivered"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    UNANNOUNCED = "unannounced"
    STALE = "stale"
    MUTED = "muted"
    FAILED_OVER = "failed_over"
    WITHDRAWN = "withdrawn"
    DEAD = "dead"


class Phase(StrEnum):
    """Where a delivery's newest entry is."""

    IDLE = "idle"
    WAITING = "waiting"
    HELD = "held"
    SENDING = "sending"


class Origin(StrEnum):
    """Where an accepted entry came from."""

    WEBHOOK = "webhook"
    FALLBACK = "fallback"
    REDELIVERY = "redelivery"


@dataclass(slots=True)
class Delivery:
    """What one channel knows of one episode.

    ``version`` counts the entries that waited here; ``claimed`` is the version on its way in a message, None when
    none is. ``status`` is the newest status heard, ``told`` the newest one that a provider took. ``since`` is when
    the oldest news not yet told arrived.
    """

    channel_id: int
    episode_id: int
    group_id: int
    phase: Phase = Phase.IDLE
    version: int = 0
    claimed: int | None = None
    status: Status = Status.FIRING
    told: Status | None = None
    told_at: int | None = None
    since: int = 0
    severity: int = 0
    duplicates: int = 0

    @property
    def waits(self) -> bool:
        """Whether its newest entry is pending and not on its way."""
        return self.phase in (Phase.WAITING, Phase.HELD)

    @property
    def may_have_told(self) -> bool:
        """Whether the channel was told of the firing, or a message on its way may be telling it."""
        return self.told is not None or self.claimed is not None

    @property
    def line(self) -> Told:
        """What a message composed now would say of it."""
        if self.status is Status.FIRING:
            return Told.FIRING
        return Told.FIRED_AND_RESOLVED if self.told is None else Told.RESOLVED


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a new entry does: ``outcome`` is its own (None: it waits), ``displaced`` that of the one that waited."""

    reason: str
    outcome: Outcome | None = None
    displaced: Outcome | None = None


NEWER_EPISODE = "a newer episode of the alert came while it waited"

OPENING = Ruling("opening")
REPEATED = Ruling("already told or waiting", Outcome.DUPLICATE)
OUT_OF_ORDER = Ruling("ended before the episode began", Outcome.STALE)
OUTVOTED = Ruling("the same notification says that it fires", Outcome.STALE)
NOBODY_TOLD = Ruling("nobody was told of the firing", Outcome.UNANNOUNCED)
NOT_WANTED = Ruling("send_resolved is off", Outcome.UNANNOUNCED)
NEVER_SEEN = Ruling("no firing was ever received", Outcome.UNANNOUNCED)
BRIEF = Ruling("resolved within group_wait", Outcome.UNANNOUNCED, displaced=Outcome.SUPERSEDED)
FIRED_AND_RESOLVED = Ruling("fired and resolved while it waited", displaced=Outcome.SUPERSEDED)
RESOLVES = Ruling("resolves what was told")


def rule_firing(delivery: Delivery | None) -> Ruling:
    """A firing of the open episode: news for a channel that was never told and owes nothing, else a duplicate."""
    if delivery is None or not (delivery.waits or delivery.may_have_told):
        return OPENING
    return REPEATED


def rule_resolved(
    delivery: Delivery | None, change: Change, *, group_wait: int, send_resolved: bool, now: int
) -> Ruling:
    """A resolve that arrives ``now`` and did ``change`` to its episode."""
    if change is Change.STALE:
        return OUT_OF_ORDER
    if change is Change.OUTVOTED:
        return OUTVOTED
    if change is Change.NEVER_SEEN:
        return NEVER_SEEN
    if delivery is None:
        return NOBODY_TOLD
    # A resolve sent to another channel has closed the episode; this channel hears of it only now.
    if change is Change.ALREADY_CLOSED and delivery.status is Status.RESOLVED:
        owes_resolve = delivery.waits or delivery.phase is Phase.SENDING
        return REPEATED if owes_resolve or delivery.told is Status.RESOLVED else NOBODY_TOLD
    if not delivery.may_have_told:
        if not delivery.waits:
            return NOBODY_TOLD
        return BRIEF if now - delivery.since <= group_wait else FIRED_AND_RESOLVED
    return RESOLVES if send_resolved else NOT_WANTED
