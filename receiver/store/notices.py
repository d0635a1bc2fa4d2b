"""Notices: what the receiver has to say of itself, by channel and kind."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, exists, func, or_, select, update

from receiver.core.content import NoticeKind
from receiver.store import schema
from receiver.store.connect import Tx

# Of a thousand things that went wrong the first ones say what it is about.
DETAILS_KEPT = 20
UNNAMED = ""
"""In the counts of details: what is not told apart any more."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice that is not on its way yet: ``n`` things of this kind have happened; how often which, in ``counts``."""

    id: int
    channel_id: int
    kind: str
    due_at: int
    first_at: int
    last_at: int
    n: int
    counts: Mapping[str, int]

    @property
    def details(self) -> tuple[str, ...]:
        """What has happened, as lines."""
        return lines(self.kind, self.counts)


_n = schema.notice
_other = _n.alias("other")
_NOT_TOLD = (_n.c.told_at.is_(None), _n.c.message_id.is_(None))
_COLUMNS = (_n.c.id, _n.c.channel_id, _n.c.kind, _n.c.due_at, _n.c.first_at, _n.c.last_at, _n.c.n, _n.c.details)
_WAITING = select(*_COLUMNS).where(_n.c.channel_id == bindparam("channel"), _n.c.kind == bindparam("kind"), *_NOT_TOLD)
_LAST_TOLD = select(func.max(func.coalesce(_n.c.told_at, bindparam("now")))).where(
    _n.c.channel_id == bindparam("channel"),
    _n.c.kind == bindparam("kind"),
    or_(_n.c.told_at.is_not(None), _n.c.message_id.is_not(None)),
)
# While one of its kind is on its way, perhaps to be told much later, a notice waits.
_IS_FREE = ~exists().where(
    _other.c.channel_id == _n.c.channel_id,
    _other.c.kind == _n.c.kind,
    _other.c.told_at.is_(None),
    _other.c.message_id.is_not(None),
)
_FIRST_DUE = (
    select(*_COLUMNS)
    .where(_n.c.channel_id == bindparam("channel"), *_NOT_TOLD, _n.c.due_at <= bindparam("now"), _IS_FREE)
    .order_by(_n.c.due_at, _n.c.id)
    .limit(1)
)
_NEXT_DUE_AT = select(func.min(_n.c.due_at)).where(_n.c.channel_id == bindparam("channel"), *_NOT_TOLD, _IS_FREE)
_PUT_OFF = (
    update(_n)
    .where(_n.c.channel_id == bindparam("channel"), _n.c.kind == bindparam("of_kind"), *_NOT_TOLD)
    .values(due_at=func.max(_n.c.due_at, bindparam("next_at")))
)
_INSERT = _n.insert()
_ADD = (
    update(_n)
    .where(_n.c.id == bindparam("notice"))
    .values(n=bindparam("amount"), details=bindparam("texts"), due_at=bindparam("at"), last_at=bindparam("now"))
)
_CLAIM = update(_n).where(_n.c.id == bindparam("notice")).values(message_id=bindparam("message"))
_OF_MESSAGE = (_n.c.message_id == bindparam("message"), _n.c.told_at.is_(None))
_OF = select(*_COLUMNS).where(*_OF_MESSAGE)
_DROP = delete(_n).where(_n.c.id == bindparam("notice"))
_RELEASE = update(_n).where(*_OF_MESSAGE).values(message_id=None)
_REFUSED_AT = select(func.min(_n.c.refused_at)).where(*_OF_MESSAGE)
_REFUSE = (
    update(_n)
    .where(*_OF_MESSAGE)
    .values(refused_at=func.coalesce(_n.c.refused_at, bindparam("now")), due_at=bindparam("at"))
)
_DROP_WAITING = (
    update(_n).where(_n.c.channel_id == bindparam("channel"), _n.c.told_at.is_(None)).values(told_at=bindparam("now"))
)
_TOLD = update(_n).where(*_OF_MESSAGE).values(told_at=bindparam("now"))
_CLAMP = (
    update(_n)
    .where(_n.c.channel_id == bindparam("channel"), *_NOT_TOLD, _n.c.due_at > bindparam("latest"))
    .values(due_at=bindparam("latest"))
)


def lines(kind: str, counts: Mapping[str, int]) -> tuple[str, ...]:
    """What has happened how often; a line on dead letters says itself how many alerts it is about."""
    kept = _kept(counts)
    more = kept.pop(UNNAMED, 0)
    named = [text if kind == NoticeKind.DEAD_LETTERS and n == 1 else f"{n:,} × {text}" for text, n in kept.items()]
    return (*named, f"… and {more:,} more") if named and more else tuple(named)


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


def add(tx: Tx, channel_id: int, kind: str, due_at: int, n: int, counts: Mapping[str, int], now: int) -> None:
    """Keep a new notice of what has happened ``now``."""
    row = {"id": tx.new_id(_n), "channel_id": channel_id, "kind": kind, "due_at": due_at, "n": n}
    row |= {"first_at": now, "last_at": now}
    tx.run(_INSERT, row | {"details": _dumped(counts)})


def extend(tx: Tx, notice: Waiting, n: int, counts: Mapping[str, int], now: int) -> None:
    """More of the same has happened, the last of it ``now``, before it was told."""
    both = Counter(notice.counts) + Counter(counts)
    tx.run(_ADD, {"notice": notice.id, "amount": notice.n + n, "texts": _dumped(both), "at": notice.due_at, "now": now})


def claim(tx: Tx, notice: Waiting, message_id: int) -> None:
    """The notice is on its way."""
    tx.run(_CLAIM, {"notice": notice.id, "message": message_id})


def release(tx: Tx, message_id: int) -> None:
    """The message surely reached nobody: its notice waits again, and takes along what has happened meanwhile."""
    for notice in [_waiting(row) for row in tx.rows(_OF, {"message": message_id})]:
        meanwhile = waiting(tx, notice.channel_id, notice.kind)
        tx.run(_RELEASE, {"message": message_id})
        if meanwhile is not None:
            extend(tx, notice, meanwhile.n, meanwhile.counts, meanwhile.last_at)
            tx.run(_DROP, {"notice": meanwhile.id})


def refused_at(tx: Tx, message_id: int) -> int | None:
    """When the message's notice was first refused; None if it was not before."""
    at: int | None = tx.scalar(_REFUSED_AT, {"message": message_id})
    return at


def refuse(tx: Tx, message_id: int, now: int, due_at: int) -> None:
    """The message's notice was refused, and rests."""
    tx.run(_REFUSE, {"message": message_id, "now": now, "at": due_at})


def give_up(tx: Tx, channel_id: int, now: int) -> None:
    """What the channel was to be told it is not told any more."""
    tx.run(_DROP_WAITING, {"channel": channel_id, "now": now})


def tell(tx: Tx, message_id: int, now: int, next_at: int) -> None:
    """The message's notice was told, or given up; the next of its kind waits until ``next_at``."""
    for notice in [_waiting(row) for row in tx.rows(_OF, {"message": message_id})]:
        tx.run(_PUT_OFF, {"channel": notice.channel_id, "of_kind": notice.kind, "next_at": next_at})
    tx.run(_TOLD, {"message": message_id, "now": now})


def _kept(counts: Mapping[str, int]) -> dict[str, int]:
    """The first details; all others are counted together."""
    kept = dict(islice(((text, n) for text, n in counts.items() if text != UNNAMED), DETAILS_KEPT))
    others = sum(counts.values()) - sum(kept.values())
    return kept | ({UNNAMED: others} if others else {})


def _dumped(counts: Mapping[str, int]) -> str:
    return msgspec.json.encode(_kept(counts)).decode()


def _waiting(row: Any) -> Waiting:
    known = dict(row)
    return Waiting(counts=msgspec.json.decode(known.pop("details")), **known)
