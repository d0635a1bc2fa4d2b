"""Messages and their attempts, newest first: for those who ask what was sent, and why not."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, bindparam, case, func, select

from receiver.store import schema
from receiver.store.connect import Tx

ATTEMPTS_SHOWN = 20
"""Of each message the last ones; a message in doubt may have hundreds."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One message: its row as ``facts``, what its alerts became, its last attempts, its recipients' answers."""

    facts: RowMapping
    outcomes: Mapping[str, int]
    attempts: Sequence[RowMapping]
    recipients: Sequence[RowMapping]


_m, _a, _r, _i = schema.message, schema.attempt, schema.recipient, schema.message_item
_FACTS: list[ColumnElement[Any]] = [
    _m.c.id,
    _m.c.uid,
    schema.channel.c.name.label("channel"),
    _m.c.kind,
    _m.c.reason,
    _m.c.state,
    _m.c.subject,
    _m.c["items"],
    _m.c.groups,
    _m.c.claimed_at,
    _m.c.settled_at,
    _m.c.retry_at,
]
_LISTED = (
    select(*_FACTS)
    .join(schema.channel, schema.channel.c.id == _m.c.channel_id)
    .order_by(_m.c.id.desc())
    .limit(bindparam("limit"))
)
_ID_OF = select(_m.c.id).where(_m.c.uid == bindparam("uid"))
_ATTEMPTS = (
    select(
        _a.c.message_id,
        _a.c.at,
        _a.c.took,
        _a.c.result,
        _a.c.failure_class,
        _a.c.reason,
        _a.c.code,
        func.row_number().over(partition_by=_a.c.message_id, order_by=_a.c.id.desc()).label("back"),
    )
    .where(_a.c.message_id.in_(bindparam("ids", expanding=True)))
    .order_by(_a.c.id)
)
_RECIPIENTS = select(_r).where(_r.c.message_id.in_(bindparam("ids", expanding=True))).order_by(_r.c.address)
_OUTCOMES = (
    select(
        _i.c.message_id,
        case((_i.c.outcome.is_(None), "pending"), else_=_i.c.outcome).label("outcome"),
        func.count().label("n"),
    )
    .where(_i.c.message_id.in_(bindparam("ids", expanding=True)))
    .group_by(_i.c.message_id, _i.c.outcome)
)


def messages(
    tx: Tx, limit: int, *, channel: str | None = None, state: str | None = None, before: str | None = None
) -> list[Listed]:
    """The newest messages, of this channel and in this state where one is given, older than the one ``before``."""
    query = _LISTED.where(_m.c.state == state) if state else _LISTED
    if channel is not None:
        query = query.where(schema.channel.c.name == channel)
    if before is not None:
        query = query.where(_m.c.id < (tx.scalar(_ID_OF, {"uid": before}) or 0))
    rows = tx.rows(query, {"limit": limit})
    ids = [row["id"] for row in rows]
    attempts, recipients = _by_message(tx, _ATTEMPTS, ids), _by_message(tx, _RECIPIENTS, ids)
    outcomes = _by_message(tx, _OUTCOMES, ids)
    return [
        Listed(
            row,
            {each["outcome"]: each["n"] for each in outcomes[row["id"]]},
            [each for each in attempts[row["id"]] if each["back"] <= ATTEMPTS_SHOWN],
            recipients[row["id"]],
        )
        for row in rows
    ]


def _by_message(tx: Tx, query: Any, ids: Sequence[int]) -> dict[int, list[RowMapping]]:
    found: dict[int, list[RowMapping]] = defaultdict(list)
    if ids:
        for row in tx.rows(query, {"ids": ids}):
            found[row["message_id"]].append(row)
    return found
