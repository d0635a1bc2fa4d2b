"""What a message says, as facts: read when it is claimed, in the claim's own transaction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, and_, bindparam, false, func, literal, select, true, type_coerce

from receiver.core.alerts import Status
from receiver.core.content import Failover, Line, Told, Totals
from receiver.core.entries import Phase
from receiver.store import schema
from receiver.store.alerts import parse
from receiver.store.connect import Tx
from receiver.store.messages import Message

# A message renders the first of its lines and counts the rest.
LINES_RENDERED = 500
URGENT_RENDERED = 10_000
ALSO_FIRING_RENDERED = 50
NAMES_COUNTED = 8


_i, _d, _e, _a = schema.message_item, schema.delivery, schema.episode, schema.alert
_COUNTS = select(_i.c.line, func.count().label("n")).where(_i.c.message_id == bindparam("message")).group_by(_i.c.line)
_OF_ITEM = and_(_d.c.episode_id == _i.c.episode_id, _d.c.channel_id == bindparam("channel"))
_IS_URGENT = and_(_d.c.urgent, _i.c.line == Told.FIRING, _d.c.told.is_(None))
_URGENT = (
    select(func.count()).select_from(_i.join(_d, _OF_ITEM)).where(_i.c.message_id == bindparam("message"), _IS_URGENT)
)
_FACTS = [
    _e.c.starts_at,
    _e.c.ends_at,
    _e.c.last_seen,
    _e.c.again,
    _e.c.annotations,
    _e.c.links,
    _e.c.generator_url,
    _e.c.external_url,
    _e.c.defect,
    _a.c.labels,
    _a.c.fingerprint,
]
_LINES = (
    select(
        _i.c.line,
        _i.c.severity,
        _IS_URGENT.label("urgent"),
        and_(_i.c.line == Told.FIRING, _d.c.told.is_not(None)).label("reminder"),
        and_(_i.c.line == Told.FIRING, _d.c.muted).label("after_mute"),
        *_FACTS,
    )
    .join(_d, _OF_ITEM)
    .join(_e, _e.c.id == _i.c.episode_id)
    .join(_a, _a.c.id == _e.c.alert_id)
    .where(_i.c.message_id == bindparam("message"))
    .order_by(~_IS_URGENT, _i.c.line != Told.FIRING, _i.c.severity.desc(), _e.c.starts_at, _a.c.labels)
    .limit(bindparam("limit"))
)
_STILL_FIRING = and_(
    _d.c.group_id.in_(
        select(schema.alert_group.c.id).where(
            schema.alert_group.c.message_id.is_not(None), schema.alert_group.c.message_id == bindparam("message")
        )
    ),
    # Of what a mute holds people know that it fires, too.
    _d.c.phase.in_([Phase.IDLE, Phase.HELD]),
    _d.c.status == Status.FIRING,
    _d.c.told == Status.FIRING,
    _e.c.closed_at.is_(None),
    # What was not confirmed for so long has lapsed.
    _e.c.last_seen > bindparam("lapsed"),
)
_ALSO_FIRING = (
    select(
        literal(Told.FIRING.value).label("line"),
        _d.c.severity,
        false().label("urgent"),
        true().label("reminder"),
        false().label("after_mute"),
        *_FACTS,
    )
    .join(_e, _e.c.id == _d.c.episode_id)
    .join(_a, _a.c.id == _e.c.alert_id)
    .where(_STILL_FIRING)
    .order_by(_d.c.severity.desc(), _e.c.starts_at, _a.c.labels)
    .limit(ALSO_FIRING_RENDERED)
)
_COUNT_ALSO_FIRING = (
    select(func.count().label("n"), func.min(_e.c.last_seen).label("confirmed_at"))
    .select_from(_d.join(_e, _e.c.id == _d.c.episode_id))
    .where(_STILL_FIRING)
)


_NAME = type_coerce(_a.c.labels, JSON)["alertname"].as_string()
_ITEMS = _i.join(_e, _e.c.id == _i.c.episode_id).join(_a, _a.c.id == _e.c.alert_id)
_SEVERITIES = (
    select(_i.c.severity, func.count().label("n"))
    .where(_i.c.message_id == bindparam("message"))
    .group_by(_i.c.severity)
    .order_by(_i.c.severity.desc())
)
_NAMES = (
    select(func.coalesce(_NAME, "").label("name"), func.count().label("n"))
    .select_from(_ITEMS)
    .where(_i.c.message_id == bindparam("message"))
    .group_by("name")
    .order_by(func.count().desc(), "name")
    .limit(NAMES_COUNTED)
)
_HOW_MANY_NAMES = (
    select(func.count(func.coalesce(_NAME, "").distinct()))
    .select_from(_ITEMS)
    .where(_i.c.message_id == bindparam("message"))
)

_STOOD_IN_FOR = (
    select(
        schema.channel.c.name,
        schema.channel.c.failure_reason,
        schema.channel.c.failure_code,
        schema.channel.c.failing_since,
        schema.channel.c.kind,
        func.count().label("n"),
    )
    .select_from(_i.join(_d, _OF_ITEM).join(schema.channel, schema.channel.c.id == _d.c.stands_in_for))
    .where(_i.c.message_id == bindparam("message"))
    .group_by(schema.channel.c.id)
    .order_by(func.count().desc(), schema.channel.c.name)
)


def failovers(tx: Tx, message: Message) -> tuple[Failover, ...]:
    """The channels in whose place the message tells something, and how they fail or did."""
    rows = tx.rows(_STOOD_IN_FOR, {"message": message.id, "channel": message.channel_id})
    return tuple(
        Failover(
            row["name"], row["kind"], row["n"], row["failure_reason"] or "", row["failure_code"], row["failing_since"]
        )
        for row in rows
    )


def counts(tx: Tx, message: Message) -> dict[Told, int]:
    """How many members say what."""
    return {Told(row["line"]): row["n"] for row in tx.rows(_COUNTS, {"message": message.id})}


def lines(tx: Tx, message: Message, levels: Sequence[str], urgent: int) -> tuple[tuple[Line, ...], str]:
    """The first lines of the message, most important first, and the ``externalURL`` of the first.

    All ``urgent`` ones are among them, up to a bound that no phone survives.
    """
    limit = max(LINES_RENDERED, min(urgent, URGENT_RENDERED))
    rows = tx.rows(_LINES, {"message": message.id, "channel": message.channel_id, "limit": limit})
    return tuple(_line(row, levels) for row in rows), rows[0]["external_url"] if rows else ""


def totals(tx: Tx, message: Message, levels: Sequence[str]) -> Totals:
    """What all members are, by severity and by name."""
    where = {"message": message.id}
    severities: Counter[str] = Counter()
    for row in tx.rows(_SEVERITIES, where):
        severities[levels[min(row["severity"], len(levels) - 1)]] += row["n"]
    names = tuple((row["name"], row["n"]) for row in tx.rows(_NAMES, where))
    how_many: int = tx.scalar(_HOW_MANY_NAMES, where)
    return Totals(tuple(severities.items()), names, how_many - len(names))


def urgent(tx: Tx, message: Message) -> int:
    """How many members are urgent news."""
    n: int = tx.scalar(_URGENT, {"message": message.id, "channel": message.channel_id})
    return n


@dataclass(frozen=True, slots=True)
class AlsoFiring:
    """How many other alerts of a message's groups fire, when the one unseen for longest was last seen, the first."""

    n: int
    confirmed_at: int | None
    lines: tuple[Line, ...]


def also_firing(tx: Tx, message: Message, levels: Sequence[str], lapsed: int) -> AlsoFiring:
    """The other alerts of the message's groups that fire, told before and seen since ``lapsed``."""
    where = {"message": message.id, "lapsed": lapsed}
    [counted] = tx.rows(_COUNT_ALSO_FIRING, where)
    lines = tuple(_line(row, levels) for row in tx.rows(_ALSO_FIRING, where)) if counted["n"] else ()
    return AlsoFiring(counted["n"], counted["confirmed_at"], lines)


def _line(row: Mapping[str, Any], levels: Sequence[str]) -> Line:
    return Line(
        told=Told(row["line"]),
        # The scale may have lost levels since the rank was stored.
        severity=levels[min(row["severity"], len(levels) - 1)],
        labels=parse(row["labels"]),
        annotations=parse(row["annotations"]),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        last_seen=row["last_seen"],
        generator_url=row["generator_url"],
        fingerprint=row["fingerprint"],
        links=parse(row["links"]),
        defect=row["defect"],
        again=row["again"],
        urgent=row["urgent"],
        reminder=row["reminder"],
        after_mute=row["after_mute"],
    )
