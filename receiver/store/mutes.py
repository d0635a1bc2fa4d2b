"""Mutes, as rows; their matchers are kept as texts."""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import bindparam, select, update

from receiver.core.matchers import Pattern, parse
from receiver.core.muting import Mute
from receiver.store import schema
from receiver.store.connect import Tx

_m = schema.mute
_INSERT = _m.insert()
_NOT_ENDED = select(_m).where(_m.c.ended_at.is_(None)).order_by(_m.c.id)
_END = update(_m).where(_m.c.id == bindparam("mute")).values(ends_at=bindparam("ends_at"), ended_at=bindparam("now"))


def add(tx: Tx, mute: Mute, now: int) -> int:
    """Keep a mute; its id."""
    id_ = tx.new_id(_m)
    tx.run(
        _INSERT,
        {
            "id": id_,
            "matchers": msgspec.json.encode([str(matcher) for matcher in mute.matchers]).decode(),
            "channels": None if mute.channels is None else msgspec.json.encode(mute.channels).decode(),
            "starts_at": mute.starts_at,
            "ends_at": mute.ends_at,
            "comment": mute.comment,
            "created_by": mute.created_by,
            "created_at": now,
        },
    )
    return id_


def not_ended(tx: Tx, compile_pattern: Callable[[str], Pattern]) -> dict[int, Mute]:
    """The mutes whose end has not been seen to, by id: active ones, ones to come, and ones that end now."""
    return {row["id"]: _mute(row, compile_pattern) for row in tx.rows(_NOT_ENDED)}


def _mute(row: Any, compile_pattern: Callable[[str], Pattern]) -> Mute:
    texts: list[str] = msgspec.json.decode(row["matchers"])
    names: list[str] | None = None if row["channels"] is None else msgspec.json.decode(row["channels"])
    return Mute(
        matchers=tuple(matcher for text in texts for matcher in parse(text, compile_pattern)),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        channels=None if names is None else tuple(names),
        comment=row["comment"],
        created_by=row["created_by"],
    )


def end(tx: Tx, id_: int, ends_at: int, now: int) -> None:
    """Note that the mute has ended, and that what it held waits again."""
    tx.run(_END, {"mute": id_, "ends_at": ends_at, "now": now})
