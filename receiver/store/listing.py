"""Messages and their attempts, newest first: for those who ask what was sent, and why not."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, func, or_, select

from receiver.core.entries import Outcome, Phase
from receiver.store import schema
from receiver.store.connect import Tx

ATTEMPTS_SHOWN = 20
"""Of each message the last ones; a message in doubt may have hundreds."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One message: its row as ``facts``, what its alerts became, its last attempts, its recipients' answers.

    ``redeliverable``: of what died with it something is neither told by now, nor waiting, nor on its way, nor
    overtaken by a newer life of its alert.
    """

    facts: Mapping[str, Any]
    outcomes: Mapping[str, int]
    attempts: Sequence[Mapping[str, Any]]
    recipients: Sequence[Mapping[str, Any]]
    redeliverable: bool


_m, _a, _r, _i, _d = schema.message, schema.attempt, schema.recipient, schema.message_item, schema.delivery
_newer, _e, _al = schema.delivery.alias("newer"), schema.episode, schema.alert
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

# What is told, or to be told, of a newer life of the alert overtakes what died.
_KNOWS_NEWER = (
    select(_newer.c.episode_id)
    .join(_al, _al.c.episode_id == _newer.c.episode_id)
    .join(_e, _e.c.alert_id == _al.c.id)
    .where(
        _e.c.id == _d.c.episode_id,
        _newer.c.episode_id != _d.c.episode_id,
        _newer.c.channel_id == _d.c.channel_id,
        or_(_newer.c.phase != Phase.IDLE, _newer.c.claimed.is_not(None), _newer.c.told.is_not(None)),
    )
    .correlate(_d)
    .exists()
)
_WITH_DEAD_UNTOLD = (
    select(_i.c.message_id)
    .distinct()
    .join(_m, _m.c.id == _i.c.message_id)
    .join(_d, and_(_d.c.episode_id == _i.c.episode_id, _d.c.channel_id == _m.c.channel_id))
    .where(
        _i.c.message_id.in_(bindparam("ids", expanding=True)),
        _i.c.outcome == Outcome.DEAD,
        _d.c.phase == Phase.IDLE,
        _d.c.claimed.is_(None),
        _d.c.told.is_distinct_from(_d.c.status),
        ~_KNOWS_NEWER,
    )
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
    outcomes, untold = _by_message(tx, _OUTCOMES, ids), _by_message(tx, _WITH_DEAD_UNTOLD, ids)
    return [
        Listed(
            row,
            {each["outcome"]: each["n"] for each in outcomes[row["id"]]},
            [each for each in attempts[row["id"]] if each["back"] <= ATTEMPTS_SHOWN],
            recipients[row["id"]],
            row["id"] in untold,
        )
        for row in rows
    ]


def _by_message(tx: Tx, query: Any, ids: Sequence[int]) -> dict[int, list[Mapping[str, Any]]]:
    found: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    if ids:
        for row in tx.rows(query, {"ids": ids}):
            found[row["message_id"]].append(row)
    return found
