"""Notices: what the receiver has to say of itself, by channel and kind."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, func, or_, select, update

from receiver.store import schema
from receiver.store.connect import Tx

# Of a thousand things that went wrong the first ones say what it is about.
DETAILS_KEPT = 20


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice that is not on its way yet: ``n`` things of this kind have happened, the first ones in ``details``."""

    id: int
    channel_id: int
    kind: str
    due_at: int
    n: int
    details: tuple[str, ...]


_n = schema.notice
_NOT_TOLD = (_n.c.told_at.is_(None), _n.c.message_id.is_(None))
_COLUMNS = (_n.c.id, _n.c.channel_id, _n.c.kind, _n.c.due_at, _n.c.n, _n.c.details)
_WAITING = select(*_COLUMNS).where(_n.c.channel_id == bindparam("channel"), _n.c.kind == bindparam("kind"), *_NOT_TOLD)
_LAST_TOLD = select(func.max(func.coalesce(_n.c.told_at, bindparam("now")))).where(
    _n.c.channel_id == bindparam("channel"),
    _n.c.kind == bindparam("kind"),
    or_(_n.c.told_at.is_not(None), _n.c.message_id.is_not(None)),
)
_FIRST_DUE = (
    select(*_COLUMNS)
    .where(_n.c.channel_id == bindparam("channel"), *_NOT_TOLD, _n.c.due_at <= bindparam("now"))
    .order_by(_n.c.due_at, _n.c.id)
    .limit(1)
)
_NEXT_DUE_AT = select(func.min(_n.c.due_at)).where(_n.c.channel_id == bindparam("channel"), *_NOT_TOLD)
_INSERT = _n.insert()
_ADD = (
    update(_n)
    .where(_n.c.id == bindparam("notice"))
    .values(n=bindparam("amount"), details=bindparam("texts"), due_at=bindparam("at"))
)
_CLAIM = update(_n).where(_n.c.id == bindparam("notice")).values(message_id=bindparam("message"))
_OF_MESSAGE = (_n.c.message_id == bindparam("message"), _n.c.told_at.is_(None))
_OF = select(*_COLUMNS).where(*_OF_MESSAGE)
_DROP = delete(_n).where(_n.c.id == bindparam("notice"))
_RELEASE = update(_n).where(*_OF_MESSAGE).values(message_id=None)
_TOLD = update(_n).where(*_OF_MESSAGE).values(told_at=bindparam("now"))
_CLAMP = (
    update(_n)
    .where(_n.c.channel_id == bindparam("channel"), *_NOT_TOLD, _n.c.due_at > bindparam("latest"))
    .values(due_at=bindparam("latest"))
)


def waiting(tx: Tx, channel_id: int, kind: str) -> Waiting | None:
    """The notice of this kind that waits for its turn on the channel."""
    return next((_waiting(row) for row in tx.rows(_WAITING, {"channel": channel_id, "kind": kind})), None)


def last_told_at(tx: Tx, channel_id: int, kind: str, now: int) -> int | None:
    """When the channel was last told a notice of this kind: ``now`` where one is on its way."""
    at: int | None = tx.scalar(_LAST_TOLD, {"channel": channel_id, "kind": kind, "now": now})
    return at


def first_due(tx: Tx, channel_id: int, now: int) -> Waiting | None:
    """The notice whose turn it is on the channel."""
    return next((_waiting(row) for row in tx.rows(_FIRST_DUE, {"channel": channel_id, "now": now})), None)


def next_due_at(tx: Tx, channel_id: int) -> int | None:
    """When the channel's next notice is due; None when none waits."""
    at: int | None = tx.scalar(_NEXT_DUE_AT, {"channel": channel_id})
    return at


def clamp_due(tx: Tx, channel_id: int, latest: int) -> None:
    """No notice of the channel is due later than this: a clock that stepped back has lengthened its wait."""
    tx.run(_CLAMP, {"channel": channel_id, "latest": latest})


def add(tx: Tx, channel_id: int, kind: str, due_at: int, n: int, details: Sequence[str]) -> None:
    """Keep a new notice."""
    row = {"id": tx.new_id(_n), "channel_id": channel_id, "kind": kind, "due_at": due_at, "n": n}
    tx.run(_INSERT, row | {"details": _dumped(details)})


def extend(tx: Tx, notice: Waiting, n: int, details: Sequence[str]) -> None:
    """More of the same has happened before it was told."""
    both = replace(notice, n=notice.n + n, details=(*notice.details, *details))
    tx.run(_ADD, {"notice": notice.id, "amount": both.n, "texts": _dumped(both.details), "at": both.due_at})


def claim(tx: Tx, notice: Waiting, message_id: int) -> None:
    """The notice is on its way."""
    tx.run(_CLAIM, {"notice": notice.id, "message": message_id})


def release(tx: Tx, message_id: int) -> None:
    """The message surely reached nobody: its notice waits again, and takes along what has happened meanwhile."""
    for notice in [_waiting(row) for row in tx.rows(_OF, {"message": message_id})]:
        meanwhile = waiting(tx, notice.channel_id, notice.kind)
        tx.run(_RELEASE, {"message": message_id})
        if meanwhile is not None:
            extend(tx, notice, meanwhile.n, meanwhile.details)
            tx.run(_DROP, {"notice": meanwhile.id})


def tell(tx: Tx, message_id: int, now: int) -> None:
    """The message's notice was told, or given up."""
    tx.run(_TOLD, {"message": message_id, "now": now})


def _dumped(details: Sequence[str]) -> str:
    return msgspec.json.encode(list(dict.fromkeys(details))[:DETAILS_KEPT]).decode()


def _waiting(row: Any) -> Waiting:
    return Waiting(**{**row, "details": tuple(msgspec.json.decode(row["details"]))})
