"""Groups: what waits in them, which are due, and in which order they have their turn."""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, exists, func, or_, select, update

from receiver.core.alerts import Status
from receiver.core.entries import Phase
from receiver.core.grouping import Group, Reason
from receiver.core.throttling import Queue
from receiver.store import schema
from receiver.store.alerts import dump, parse
from receiver.store.connect import Tx
from receiver.store.upserts import chunks, upserting

_g, _d, _e = schema.alert_group, schema.delivery, schema.episode

_BY_KEY = select(_g).where(_g.c.key.in_(bindparam("keys", expanding=True)))
_BY_ID = select(_g).where(_g.c.id.in_(bindparam("ids", expanding=True)))
_OF_MESSAGE = select(_g).where(_g.c.message_id.is_not(None), _g.c.message_id == bindparam("message"))
_OF_CHANNEL = select(_g).where(_g.c.channel_id == bindparam("channel"), _g.c.waiting > 0)
_SAVE = upserting(_g)
_ROW = attrgetter(*_SAVE.columns)
# What is on its way, and may have been taken, goes before anything newer of its group.
_DUE = and_(_g.c.channel_id == bindparam("channel"), _g.c.due_at <= bindparam("now"), _g.c.message_id.is_(None))
_QUEUE = select(
    func.count().label("groups"),
    func.count(case((_g.c.urgent > 0, 1))).label("urgent"),
    func.min(case((_g.c.urgent == 0, _g.c.due_at))).label("rest_due_at"),
).where(_DUE)
_FIRST = (
    select(_g)
    .where(_DUE, _g.c.urgent >= bindparam("urgent"))
    # A group that failed three times goes last, so that what is wrong with it delays no other.
    .order_by(_g.c.failures >= 3, _g.c.urgent == 0, _g.c.severity.desc(), _g.c.due_at, _g.c.labels)
    .limit(bindparam("limit"))
)
_NEXT_DUE_AT = select(func.min(_g.c.due_at)).where(
    _g.c.channel_id == bindparam("channel"), _g.c.due_at.is_not(None), _g.c.message_id.is_(None)
)
_LATEST = case((_g.c.refused_at.is_not(None), bindparam("refused")), else_=bindparam("latest"))
_CLAMP_DUE = (
    update(_g)
    .where(
        _g.c.channel_id == bindparam("channel"),
        _g.c.due_at > func.min(bindparam("latest"), bindparam("refused")),
        _g.c.due_at > _LATEST,
    )
    .values(due_at=_LATEST)
)
_PUT_OFF_DUE_SINCE = (
    update(_g)
    .where(_g.c.channel_id == bindparam("channel"), _g.c.due_since < bindparam("now"))
    .values(due_since=func.min(_g.c.due_since + bindparam("by"), bindparam("now")))
)
# A group that is not due yet has both instants alike.
_CLAMP_DUE_SINCE = (
    update(_g)
    .where(
        _g.c.channel_id == bindparam("channel"),
        _g.c.due_since > bindparam("now"),
        or_(_g.c.due_at.is_(None), _g.c.due_since != _g.c.due_at),
    )
    .values(due_since=case((_g.c.due_since > _g.c.due_at, _g.c.due_at), else_=bindparam("now")))
)
_OPENING = and_(_d.c.status == Status.FIRING, _d.c.told.is_(None))


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


_WAITING = (
    select(
        _d.c.group_id,
        func.count().label("waiting"),
        _number(_OPENING).label("openings"),
        _number(and_(_OPENING, _d.c.urgent)).label("urgent"),
        _number(and_(_d.c.status == Status.FIRING, _d.c.told.is_not(None))).label("reminders"),
        func.min(_d.c.since).label("oldest_at"),
        func.max(_d.c.severity).label("severity"),
    )
    .where(_d.c.group_id.in_(bindparam("groups", expanding=True)), _d.c.phase == Phase.WAITING)
    .group_by(_d.c.group_id)
)
# A few seeks, however many of the group's alerts are over.
_FIRES = exists().where(
    _d.c.group_id == _g.c.id,
    _d.c.phase == Phase.IDLE,
    _d.c.status == Status.FIRING,
    _d.c.told == Status.FIRING,
    _e.c.id == _d.c.episode_id,
    _e.c.closed_at.is_(None),
    _e.c.last_seen > bindparam("lapsed"),
)
_END_IS_NEWS = exists().where(
    _d.c.group_id == _g.c.id,
    _d.c.phase.in_([phase for phase in Phase if phase is not Phase.IDLE]),
    _d.c.told == Status.FIRING,
)
_owed = _d.alias("owed")
_HEIR_IS_NEWS = exists().where(
    _d.c.group_id == _g.c.id,
    _d.c.phase.in_([phase for phase in Phase if phase is not Phase.IDLE]),
    _owed.c.episode_id == _d.c.owes,
    _owed.c.channel_id == _d.c.channel_id,
    _owed.c.told == Status.FIRING,
    bindparam("ends_told"),
)
_FIRING = select(_g.c.id).where(_g.c.id.in_(bindparam("ids", expanding=True)), or_(_FIRES, _END_IS_NEWS, _HEIR_IS_NEWS))
_GOES_ON = exists().where(
    _d.c.group_id == _g.c.id,
    _d.c.phase.in_([phase for phase in Phase if phase is not Phase.IDLE]),
    _d.c.status == Status.FIRING,
)
_OVER = select(_g.c.id).where(_g.c.id.in_(bindparam("ids", expanding=True)), ~or_(_FIRES, _GOES_ON))
_COUNTED = {"waiting": 0, "openings": 0, "urgent": 0, "reminders": 0, "oldest_at": None, "severity": 0}
# One seek for each status, however much waits.
_OLDEST = select(func.min(_d.c.since)).where(
    _d.c.group_id == bindparam("group"), _d.c.phase == Phase.WAITING, _d.c.status == bindparam("status")
)


def by_key(tx: Tx, keys: Sequence[str]) -> list[Group]:
    """The groups known by these keys."""
    return [_group(row) for chunk in chunks(keys) for row in tx.rows(_BY_KEY, {"keys": chunk})]


def by_id(tx: Tx, ids: Sequence[int]) -> list[Group]:
    """The groups with these ids."""
    return [_group(row) for chunk in chunks(ids) for row in tx.rows(_BY_ID, {"ids": chunk})]


def of_message(tx: Tx, message_id: int) -> list[Group]:
    """The groups that wait for this message to be settled."""
    return [_group(row) for row in tx.rows(_OF_MESSAGE, {"message": message_id})]


def with_news(tx: Tx, channel_id: int) -> list[Group]:
    """The groups of the channel in which something waits."""
    return [_group(row) for row in tx.rows(_OF_CHANNEL, {"channel": channel_id})]


def firing(tx: Tx, ids: Sequence[int], lapsed: int, *, ends_told: bool) -> set[int]:
    """Those of these groups that have an alert which fires as far as people know, seen since ``lapsed``.

    With ``ends_told`` they also take for firing what has ended and fires anew, if they have heard of neither.
    """
    where = {"lapsed": lapsed, "ends_told": ends_told}
    return {row["id"] for chunk in chunks(ids) for row in tx.rows(_FIRING, {"ids": chunk, **where})}


def over(tx: Tx, ids: Sequence[int], lapsed: int) -> set[int]:
    """Those of these groups of which nothing fires once all that is on its way is told; they may be few at most."""
    return {row["id"] for row in tx.rows(_OVER, {"ids": ids, "lapsed": lapsed})}


def queue(tx: Tx, channel_id: int, now: int) -> Queue:
    """How much of the channel is due."""
    [row] = tx.rows(_QUEUE, {"channel": channel_id, "now": now})
    return Queue(**row)


def first(tx: Tx, channel_id: int, now: int, limit: int, *, urgent_only: bool = False) -> list[Group]:
    """The groups whose turn it is: urgent ones first, then the most severe, then the longest due."""
    rows = tx.rows(_FIRST, {"channel": channel_id, "now": now, "limit": limit, "urgent": int(urgent_only)})
    return [_group(row) for row in rows]


def next_due_at(tx: Tx, channel_id: int) -> int | None:
    """When the next group of the channel becomes due; None when none waits."""
    due_at: int | None = tx.scalar(_NEXT_DUE_AT, {"channel": channel_id})
    return due_at


def clamp_due(tx: Tx, channel_id: int, latest: int, refused: int) -> None:
    """No group of the channel is due later than this, or where it was refused than ``refused``.

    A clock that stepped back has lengthened its wait.
    """
    tx.run(_CLAMP_DUE, {"channel": channel_id, "latest": latest, "refused": refused})


def put_off_due_since(tx: Tx, channel_id: int, by: int, now: int) -> None:
    """The time in which there was no process does not count: no channel had the chance to tell what was due."""
    tx.run(_PUT_OFF_DUE_SINCE, {"channel": channel_id, "by": by, "now": now})


def clamp_due_since(tx: Tx, channel_id: int, now: int) -> None:
    """No group of the channel was due in the future: a clock that stepped back makes no failover late."""
    tx.run(_CLAMP_DUE_SINCE, {"channel": channel_id, "now": now})


def _group(row: Mapping[str, Any]) -> Group:
    reason = Reason(row["due_reason"]) if row["due_reason"] else None
    return Group(**{**row, "labels": parse(row["labels"]), "due_reason": reason})


def save(tx: Tx, groups: Iterable[Group]) -> None:
    """Write the groups' rows."""
    tx.bulk(_SAVE, [_row(group) for group in groups])


def _row(group: Group) -> tuple[object, ...]:
    id_, channel_id, key, _labels, *rest = _ROW(group)
    return id_, channel_id, key, dump(group.labels), *rest


def recount(tx: Tx, groups: Sequence[Group]) -> None:
    """Set what waits in these groups from their rows."""
    counted: dict[int, Mapping[str, Any]] = {}
    for chunk in chunks([group.id for group in groups]):
        counted.update({row["group_id"]: row for row in tx.rows(_WAITING, {"groups": chunk})})
    for group in groups:
        row = counted.get(group.id)
        for name, none in _COUNTED.items():
            setattr(group, name, row[name] if row else none)


def oldest_waiting(tx: Tx, group_id: int) -> int | None:
    """The arrival of the group's oldest news that waits."""
    found = [tx.scalar(_OLDEST, {"group": group_id, "status": status}) for status in Status]
    return min((since for since in found if since is not None), default=None)
