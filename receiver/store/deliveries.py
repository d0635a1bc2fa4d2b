"""Deliveries, and what left the pending without a message."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, case, exists, func, or_, select, update

from receiver.core.alerts import Status
from receiver.core.entries import Delivery, Outcome, Phase
from receiver.store import schema
from receiver.store.alerts import parse
from receiver.store.connect import Tx
from receiver.store.upserts import Bulk, chunks, inserting, upserting

# SQLite's integers end here: no limit.
ALL = (1 << 63) - 1
_OF_EPISODES = select(schema.delivery).where(schema.delivery.c.episode_id.in_(bindparam("episodes", expanding=True)))
_SAVE = upserting(schema.delivery)
_ROW = attrgetter(*_SAVE.columns)
_REPEAT = Bulk(
    update(schema.delivery)
    .where(schema.delivery.c.episode_id == bindparam("episode"), schema.delivery.c.channel_id == bindparam("channel"))
    .values(duplicates=schema.delivery.c.duplicates + bindparam("times")),
    ("times", "episode", "channel"),
)
_d, _e, _a, _g, _i = schema.delivery, schema.episode, schema.alert, schema.alert_group, schema.message_item
_owed = _d.alias("owed")
_WITH_ALERT = select(_d, _a.c.id, _a.c.labels).join(_e, _e.c.id == _d.c.episode_id).join(_a, _a.c.id == _e.c.alert_id)
_DUE = select(schema.alert_group.c.id).where(
    schema.alert_group.c.channel_id == bindparam("channel"),
    schema.alert_group.c.due_at <= bindparam("now"),
    schema.alert_group.c.message_id.is_(None),
)
_WAITING_OF_DUE = _WITH_ALERT.where(_d.c.group_id.in_(_DUE), _d.c.phase == Phase.WAITING)
_PENDING = _WITH_ALERT.where(
    schema.NOT_IDLE, _d.c.channel_id == bindparam("channel"), _d.c.phase.in_((Phase.WAITING, Phase.HELD))
).order_by(_d.c.episode_id)
_TOLD_FIRING = _WITH_ALERT.where(
    _d.c.channel_id == bindparam("channel"),
    _d.c.phase == Phase.IDLE,
    _d.c.status == Status.FIRING,
    _d.c.told == Status.FIRING,
    _e.c.closed_at.is_(None),
)
_TOO_OLD = _WITH_ALERT.where(
    schema.NOT_IDLE,
    _d.c.channel_id == bindparam("channel"),
    _d.c.phase == Phase.WAITING,
    # What waits behind a message that may have been taken ends what that one tells.
    _d.c.claimed.is_(None),
    _d.c.since <= bindparam("latest"),
    _d.c.arrived_at <= bindparam("latest"),
    _d.c.status == Status.RESOLVED,
).limit(bindparam("limit"))
_OLDEST_OVER = select(func.min(func.max(_d.c.arrived_at, _d.c.since))).where(
    schema.NOT_IDLE,
    _d.c.channel_id == bindparam("channel"),
    _d.c.phase == Phase.WAITING,
    _d.c.claimed.is_(None),
    _d.c.status == Status.RESOLVED,
)
# Since when an entry is due: since its group is, or since it joined a group that was due already. What a clock that
# stepped back has left in the future counts from its group's time.
_JOINED = case((_d.c.since > bindparam("now"), _g.c.due_since), else_=_d.c.since)
_DUE_SINCE = func.max(_g.c.due_since, _JOINED)
_PATIENCE = case((and_(_d.c.urgent, _d.c.status == Status.FIRING), bindparam("urgent_after")), else_=bindparam("after"))
_OVERDUE_AT: ColumnElement[int] = _DUE_SINCE + _PATIENCE
_NOT_GETTING_THROUGH = and_(
    schema.NOT_IDLE,
    _d.c.channel_id == bindparam("channel"),
    _d.c.phase.in_((Phase.WAITING, Phase.SENDING)),
    _g.c.due_since.is_not(None),
    or_(_d.c.copied.is_(None), _d.c.copied < _d.c.version, _d.c.copied_to != bindparam("fallback")),
    # Something stands in its way: the whole channel, or what it was in.
    or_(
        bindparam("everything"),
        _g.c.failures > 0,
        _g.c.refused_at.is_not(None),
        exists().where(schema.message.c.id == _g.c.message_id, schema.message.c.attempts > 0),
    ),
)
_OVERDUE = (
    _WITH_ALERT.join(_g, _g.c.id == _d.c.group_id)
    .where(_NOT_GETTING_THROUGH, bindparam("now") >= _OVERDUE_AT)
    .order_by(_d.c.urgent.desc(), _d.c.episode_id)
    .limit(bindparam("limit"))
)
_NEXT_OVERDUE_AT = (
    select(func.min(_OVERDUE_AT))
    .select_from(_d.join(_g, _g.c.id == _d.c.group_id))
    .where(_NOT_GETTING_THROUGH, bindparam("now") < _OVERDUE_AT)
)
_OVER_AND_UNTOLD = and_(
    _d.c.phase == Phase.WAITING,
    _d.c.claimed.is_(None),
    _d.c.told.is_(None),
    _d.c.status == Status.RESOLVED,
    ~exists().where(
        _owed.c.episode_id == _d.c.owes, _owed.c.channel_id == _d.c.channel_id, _owed.c.told == Status.FIRING
    ),
)
_RELIEVED = (
    _WITH_ALERT.join(_i, _i.c.episode_id == _d.c.episode_id)
    .where(_i.c.message_id == bindparam("message"), _d.c.copied_to == bindparam("fallback"), _OVER_AND_UNTOLD)
    .order_by(_d.c.channel_id, _d.c.episode_id)
)
_RELIEVED_THROUGH = _WITH_ALERT.where(
    _d.c.episode_id.in_(bindparam("episodes", expanding=True)),
    _d.c.copied_to == bindparam("fallback"),
    _OVER_AND_UNTOLD,
)
_OF_LOST_ITEMS = (
    _WITH_ALERT.join(_i, and_(_i.c.episode_id == _d.c.episode_id, _i.c.message_id == bindparam("message")))
    .where(
        _d.c.channel_id == bindparam("channel"),
        _i.c.outcome == bindparam("outcome"),
        _i.c.episode_id > bindparam("after"),
    )
    .order_by(_i.c.episode_id)
    .limit(bindparam("limit"))
)
_UNMUTE = (
    update(_d)
    .where(schema.NOT_IDLE, _d.c.channel_id == bindparam("channel"), _d.c.phase == Phase.HELD, _d.c.muted)
    .values(phase=Phase.WAITING, since=bindparam("now"), arrived_at=bindparam("now"))
)
_GROUPS_MUTED = (
    select(_d.c.group_id)
    .distinct()
    .where(schema.NOT_IDLE, _d.c.channel_id == bindparam("channel"), _d.c.phase == Phase.HELD, _d.c.muted)
)
_DEPART = inserting(schema.departure)


@dataclass(frozen=True, slots=True)
class Departure:
    """An entry that left the pending without a message."""

    channel_id: int
    alert_id: int
    episode_id: int | None
    status: Status
    outcome: Outcome
    reason: str


class Entry(NamedTuple):
    """A delivery with its alert's id and labels."""

    delivery: Delivery
    alert_id: int
    labels: Mapping[str, str]


def load(tx: Tx, episode_ids: Sequence[int]) -> dict[tuple[int, int], Delivery]:
    """The deliveries of these episodes, by (channel, episode)."""
    found = {}
    for chunk in chunks(episode_ids):
        for row in tx.tuples(_OF_EPISODES, {"episodes": chunk}):
            delivery = _delivery(*row)
            found[delivery.channel_id, delivery.episode_id] = delivery
    return found


def waiting(tx: Tx, channel_id: int, now: int) -> list[Entry]:
    """What waits in the groups of the channel that are due."""
    return [_with_alert(row) for row in tx.tuples(_WAITING_OF_DUE, {"channel": channel_id, "now": now})]


def pending(tx: Tx, channel_id: int) -> list[Entry]:
    """What waits or is held on the channel."""
    return [_with_alert(row) for row in tx.tuples(_PENDING, {"channel": channel_id})]


def told_firing(tx: Tx, channel_id: int) -> list[Entry]:
    """What the channel has told as firing and still fires. Looks at everything tracked."""
    return [_with_alert(row) for row in tx.tuples(_TOLD_FIRING, {"channel": channel_id})]


def too_old(tx: Tx, channel_id: int, latest: int, limit: int) -> list[Entry]:
    """What waits on the channel to say that something is over, and arrived by ``latest``: at most ``limit`` of it."""
    where = {"channel": channel_id, "latest": latest, "limit": limit}
    return [_with_alert(row) for row in tx.tuples(_TOO_OLD, where)]


def again(tx: Tx, entries: Sequence[Entry]) -> list[Entry]:
    """The same entries as their rows are now."""
    found = load(tx, [entry.delivery.episode_id for entry in entries])
    return [entry._replace(delivery=found[entry.delivery.channel_id, entry.delivery.episode_id]) for entry in entries]


def _with_alert(row: Any) -> Entry:
    *columns, alert_id, labels = row
    return Entry(_delivery(*columns), alert_id, parse(labels))


def _delivery(
    channel_id: int,
    episode_id: int,
    group_id: int,
    phase: str,
    version: int,
    claimed: int | None,
    status: str,
    told: str | None,
    *rest: Any,
) -> Delivery:
    told_status = Status(told) if told else None
    return Delivery(
        channel_id, episode_id, group_id, Phase(phase), version, claimed, Status(status), told_status, *rest
    )


def save(tx: Tx, deliveries: Iterable[Delivery]) -> None:
    """Write the deliveries' rows."""
    tx.bulk(_SAVE, [_ROW(delivery) for delivery in deliveries])


def repeat(tx: Tx, times: Mapping[tuple[int, int], int]) -> None:
    """Count how often these deliveries, by (channel, episode), heard what they had heard before."""
    tx.bulk(_REPEAT, [(n, episode_id, channel_id) for (channel_id, episode_id), n in times.items()])


def depart(tx: Tx, departures: Iterable[Departure], now: int) -> None:
    """Keep why these entries left the pending without a message."""
    tx.bulk(
        _DEPART,
        [
            (
                tx.new_id(schema.departure),
                departure.channel_id,
                departure.alert_id,
                departure.episode_id,
                departure.status,
                departure.outcome,
                departure.reason,
                now,
            )
            for departure in departures
        ],
    )


def oldest_over(tx: Tx, channel_id: int) -> int | None:
    """The arrival of the oldest entry that waits on the channel to say that something is over."""
    at: int | None = tx.scalar(_OLDEST_OVER, {"channel": channel_id})
    return at


@dataclass(frozen=True, slots=True)
class Patience:
    """For how long news may be due before it goes to the ``fallback`` channel, in milliseconds.

    ``everything``: the channel as a whole does not get through; else only what has failed by itself counts.
    """

    fallback: int
    after: int
    urgent_after: int
    everything: bool


def overdue(tx: Tx, channel_id: int, patience: Patience, now: int, limit: int = ALL) -> list[Entry]:
    """What the channel has not got through for so long that its fallback is to tell it, and was not given yet.

    At most ``limit`` of it, urgent news first.
    """
    where = _asked(channel_id, patience, now) | {"limit": limit}
    return [_with_alert(row) for row in tx.tuples(_OVERDUE, where)]


def next_overdue_at(tx: Tx, channel_id: int, patience: Patience, now: int) -> int | None:
    """When more is overdue, if nothing gets through."""
    at: int | None = tx.scalar(_NEXT_OVERDUE_AT, _asked(channel_id, patience, now))
    return at


def _asked(channel_id: int, patience: Patience, now: int) -> dict[str, Any]:
    return {"channel": channel_id, "now": now, **asdict(patience)}


def relieved(tx: Tx, fallback_id: int, message_id: int) -> list[Entry]:
    """What other channels still have to tell of lives that are over, and the fallback's message has told for them."""
    return [_with_alert(row) for row in tx.tuples(_RELIEVED, {"fallback": fallback_id, "message": message_id})]


def relieved_through(tx: Tx, fallback_id: int, episode_ids: Sequence[int]) -> list[Entry]:
    """What other channels still have to tell of these lives, and the fallback need not tell for them any more."""
    return [
        _with_alert(row)
        for chunk in chunks(episode_ids)
        for row in tx.tuples(_RELIEVED_THROUGH, {"fallback": fallback_id, "episodes": chunk})
    ]


def of_lost_items(
    tx: Tx, channel_id: int, message_id: int, outcome: Outcome, after: int = 0, limit: int = ALL
) -> list[Entry]:
    """The deliveries of a message's items that ended so: at most ``limit``, of later episodes than ``after``."""
    where = {"channel": channel_id, "message": message_id, "outcome": outcome, "after": after, "limit": limit}
    return [_with_alert(row) for row in tx.tuples(_OF_LOST_ITEMS, where)]


def unmute(tx: Tx, channel_id: int, now: int) -> list[int]:
    """What mutes hold on the channel waits again from now on; the ids of its groups."""
    group_ids = [row["group_id"] for row in tx.rows(_GROUPS_MUTED, {"channel": channel_id})]
    if group_ids:
        tx.run(_UNMUTE, {"channel": channel_id, "now": now})
    return group_ids
