"""What a message tells, and what became of entries without one: for those who look on, not for decisions."""

from typing import NamedTuple

from sqlalchemy import bindparam, case, func, select

from receiver.core.content import Told
from receiver.core.entries import Phase
from receiver.store import schema
from receiver.store.alerts import parse
from receiver.store.connect import Tx

_KEY_SHOWN = 16

_i, _d, _e, _a = schema.message_item, schema.delivery, schema.episode, schema.alert
_ORDER = (
    case((_i.c.line == Told.FIRING, 0), else_=1),
    _i.c.severity.desc(),
    _e.c.starts_at,
    _a.c.labels,
    _a.c.key,
    _i.c.episode_id,
)
# Sent without a fingerprint, an alert is known by the beginning of its own key.
_FINGERPRINT = case((_a.c.fingerprint == "", func.substr(_a.c.key, 1, _KEY_SHOWN)), else_=_a.c.fingerprint)
_MEMBERS = (
    select(_FINGERPRINT.label("fingerprint"), _i.c.line)
    .join(_e, _e.c.id == _i.c.episode_id)
    .join(_a, _a.c.id == _e.c.alert_id)
    .where(_i.c.message_id == bindparam("message"))
    .order_by(*_ORDER)
)
_GROUPS = (
    select(schema.alert_group.c.labels)
    .join(schema.message_group, schema.message_group.c.group_id == schema.alert_group.c.id)
    .where(schema.message_group.c.message_id == bindparam("message"))
    .order_by(schema.alert_group.c.labels)
)
_LEFT = (
    select(
        schema.departure.c.channel_id,
        schema.departure.c.outcome,
        schema.departure.c.reason,
        func.count().label("n"),
    )
    .where(schema.departure.c.id > bindparam("after"))
    .group_by(schema.departure.c.channel_id, schema.departure.c.outcome, schema.departure.c.reason)
    .order_by(func.min(schema.departure.c.id))
)
_LAST_LEFT = select(func.max(schema.departure.c.id))
_LEDGER = select(schema.ledger.c.channel_id, schema.ledger.c.side, schema.ledger.c.account, schema.ledger.c.n)
_HELD = (
    select(_d.c.channel_id, func.count().label("n"))
    .where(schema.NOT_IDLE, _d.c.phase == Phase.HELD)
    .group_by(_d.c.channel_id)
)


class Left(NamedTuple):
    """So many of a channel's entries left the pending without a message, for one reason."""

    channel_id: int
    outcome: str
    reason: str
    n: int


def members(tx: Tx, message_id: int) -> list[tuple[str, Told]]:
    """All that the message tells, most important first: each alert's fingerprint and what is said of it."""
    return [(fingerprint, Told(line)) for fingerprint, line in tx.tuples(_MEMBERS, {"message": message_id})]


def groups(tx: Tx, message_id: int) -> list[dict[str, str]]:
    """The labels of the groups whose news the message tells, as they were when it was composed."""
    return [parse(labels) for (labels,) in tx.tuples(_GROUPS, {"message": message_id})]


def left(tx: Tx, after: int) -> tuple[list[Left], int]:
    """What left the pending without a message since the departure ``after``, and the last departure's id."""
    found = [Left(*row) for row in tx.tuples(_LEFT, {"after": after})]
    return found, tx.scalar(_LAST_LEFT) or 0


def ledger(tx: Tx) -> dict[int, dict[str, int]]:
    """Each channel's accounts as they are counted, that of the house among them: ``accepted``, and every other."""
    found: dict[int, dict[str, int]] = {}
    for channel_id, side, account, n in tx.tuples(_LEDGER):
        accounts = found.setdefault(channel_id, {})
        name = side if side == "accepted" else account
        accounts[name] = accounts.get(name, 0) + n
    return found


def held(tx: Tx) -> dict[int, int]:
    """How many entries each channel holds, for a mute or for what another peer may say."""
    return {row["channel_id"]: row["n"] for row in tx.rows(_HELD)}
