"""The books' unit: one entry is one (channel, event). What a new one does, and what becomes of the one that waited.

An entry is pending and leaves that exactly once, to an outcome that never changes. Of one (channel, episode) at
most two entries are pending: one on its way in a message, and one newer that waits.
"""

from dataclasses import dataclass
from enum import StrEnum

from receiver.core.alerts import Status
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
    the oldest news not yet told arrived, ``arrived_at`` when the newest entry did. ``owes`` is the earlier episode of
    the alert that the channel may have told of, and not of its end, or of which something still waits there.
    ``muted``: a mute holds it, or did until it waited again. ``stands_in_for`` is the channel that could not tell it,
    in whose place this one does; on that channel's own delivery ``copied`` is the version that was given to the
    fallback channel ``copied_to``.
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
    urgent: bool = False
    muted: bool = False
    owes: int | None = None
    arrived_at: int = 0
    stands_in_for: int | None = None
    copied: int | None = None
    copied_to: int | None = None

    @property
    def is_opening(self) -> bool:
        """Whether its newest entry says for the first time that the alert fires; a reminder says it again."""
        return self.status is Status.FIRING and self.told is None

    @property
    def waits(self) -> bool:
        """Whether its newest entry is pending and not on its way."""
        return self.phase in (Phase.WAITING, Phase.HELD)

    @property
    def may_have_told(self) -> bool:
        """Whether the channel was told of the firing, or a message on its way may be telling it."""
        return self.told is not None or self.claimed is not None

    @property
    def owes_end(self) -> bool:
        """Whether people may believe that the alert fires, because of this channel."""
        return self.may_have_told and self.told is not Status.RESOLVED


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a new entry does: ``outcome`` is its own (None: it waits), ``displaced`` that of the one that waited."""

    reason: str
    outcome: Outcome | None = None
    displaced: Outcome | None = None


OPENING = Ruling("opening")
REMINDS = Ruling("still firing, and the group was last told repeat_interval, less group_interval, ago")
REPEATED = Ruling("already told or waiting", Outcome.DUPLICATE)
OUT_OF_ORDER = Ruling("ended before the episode began", Outcome.STALE)
OUTVOTED = Ruling("the same notification says that it fires", Outcome.STALE)
NOBODY_TOLD = Ruling("nobody was told of the firing", Outcome.UNANNOUNCED)
NOT_WANTED = Ruling("send_resolved is off", Outcome.UNANNOUNCED)
NOT_WANTED_EITHER = Ruling("send_resolved is off", Outcome.UNANNOUNCED, displaced=Outcome.SUPERSEDED)
NEVER_SEEN = Ruling("no firing was ever received", Outcome.UNANNOUNCED)
BRIEF = Ruling("resolved within group_wait", Outcome.UNANNOUNCED, displaced=Outcome.SUPERSEDED)
ENDED_MUTED = Ruling("ended while muted", Outcome.UNANNOUNCED, displaced=Outcome.MUTED)
NEWER_LIFE = Ruling("the alert has a newer episode", Outcome.SUPERSEDED)
OVERTAKEN = Ruling("a newer episode of the alert is told already, or waits", Outcome.SUPERSEDED)
FIRED_AND_RESOLVED = Ruling("fired and resolved while it waited", displaced=Outcome.SUPERSEDED)
RESOLVES = Ruling("resolves what was told")
RESOLVES_UNTOLD_NEWS = Ruling("resolves what was told before", displaced=Outcome.SUPERSEDED)
RELIEVED = Ruling(
    "told by the fallback channel instead, which tells the resolve too",
    Outcome.FAILED_OVER,
    displaced=Outcome.FAILED_OVER,
)
RESOLVES_MUTED_NEWS = Ruling("resolves what was told before the mute", displaced=Outcome.MUTED)

# Why entries end that no event of their own has ended.
NEWER_EPISODE = "a newer episode of the alert came while it waited"
NEWER_RESOLVE = "another peer's resolve came while it was held"
ENDED_BEFORE_TOLD = "fired and resolved, muted when it would have been told"
ROUTED_AWAY = "a new configuration no longer sends it here"
CHANNEL_REMOVED = "its channel was removed from the configuration"
TOO_OLD = "over, and not delivered within retry_for"
TOLD_INSTEAD = "told by the fallback channel instead"


def rule_firing(delivery: Delivery | None, *, reminds: bool) -> Ruling:
    """A firing of the open episode: news for a channel that was never told and owes nothing.

    What was told is told again where it ``reminds``: its group's last message is old enough.
    """
    if delivery is None or not (delivery.waits or delivery.may_have_told):
        return OPENING
    if reminds and not delivery.waits and delivery.claimed is None and delivery.told is Status.FIRING:
        return REMINDS
    return REPEATED


def rule_copy(status: Status, there: Delivery | None, *, newer: bool, owed: bool, reminds: bool, now: int) -> Ruling:
    """What another channel could not tell comes to its fallback channel, which knows of it what is ``there``.

    ``newer``: the alert has a newer life, which is news in its own right.
    """
    if newer:
        return NEWER_LIFE
    if there is None or not (there.waits or there.may_have_told):
        return OPENING
    if status is Status.FIRING:
        return rule_firing(there, reminds=reminds)
    return rule_resolved(there, Change.ALREADY_CLOSED, owed=owed, group_wait=0, send_resolved=True, now=now)


def rule_redelivery(dead: Delivery, status: Status, newer: Delivery | None) -> Ruling:
    """Somebody wants what was dead to be told after all, by its ``status`` now.

    ``newer`` is what the channel knows of a newer life of the alert.
    """
    if dead.waits or dead.claimed is not None or dead.told is status:
        return REPEATED
    if newer is not None and (newer.waits or newer.may_have_told):
        return OVERTAKEN
    return OPENING


def rule_resolved(
    delivery: Delivery | None,
    change: Change,
    *,
    owed: bool,
    group_wait: int,
    send_resolved: bool,
    now: int,
    relieved: bool = False,
) -> Ruling:
    """A resolve that arrives ``now`` and did ``change`` to its episode.

    ``owed``: the channel may have told of an earlier episode's firing, and not of its end. ``relieved``: its fallback
    channel has told of the firing in its place.
    """
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
    believed = delivery.may_have_told or owed
    if delivery.phase is Phase.HELD:
        return RESOLVES_MUTED_NEWS if believed and send_resolved else ENDED_MUTED
    if not delivery.waits:
        if not believed:
            return NOBODY_TOLD
        return RESOLVES if send_resolved else NOT_WANTED
    if relieved and not believed:
        return RELIEVED
    if believed and send_resolved:
        return RESOLVES_UNTOLD_NEWS
    if delivery.may_have_told:
        return NOT_WANTED_EITHER
    return BRIEF if 0 <= now - delivery.since <= group_wait else FIRED_AND_RESOLVED
