"""Deliveries, their groups, and what left the pending without a message."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sqlalchemy import RowMapping, bindparam, case, exists, func, select, update

from receiver.core.alerts import Status
from receiver.core.entries import Delivery, Outcome, Phase
from receiver.core.grouping import Group, Reason
from receiver.store import schema
from receiver.store.alerts import dump, parse
from receiver.store.connect import Tx
from receiver.store.upserts import Bulk, chunks, inserting, upserting

_OF_EPISODES = select(schema.delivery).where(schema.delivery.c.episode_id.in_(bindparam("episodes", expanding=True)))
_SAVE = upserting(schema.delivery)
_ROW = attrgetter(*_SAVE.columns)
_REPEAT = Bulk(
    update(schema.delivery)
    .where(schema.delivery.c.episode_id == bindparam("episode"), schema.delivery.c.channel_id == bindparam("channel"))
    .values(duplicates=schema.delivery.c.duplicates + bindparam("times")),
    ("times", "episode", "channel"),
)
_GROUPS_BY_KEY = select(schema.alert_group).where(schema.alert_group.c.key.in_(bindparam("keys", expanding=True)))
_GROUPS_BY_ID = select(schema.alert_group).where(schema.alert_group.c.id.in_(bindparam("ids", expanding=True)))
_SAVE_GROUP = upserting(schema.alert_group)
# A message that its provider may have goes again before anything newer of its group.
_HAS_OPEN_MESSAGE = exists().where(
    schema.message.c.channel_id == schema.alert_group.c.channel_id,
    schema.message.c.group_id == schema.alert_group.c.id,
    schema.IS_OPEN,
    schema.message.c.state != "partial",
)
_FIRST_DUE = (
    select(schema.alert_group)
    .where(
        ~_HAS_OPEN_MESSAGE,
        schema.alert_group.c.channel_id == bindparam("channel"),
        schema.alert_group.c.due_at <= bindparam("now"),
    )
    # A group that failed three times goes last, so that what is wrong with it delays no other.
    .order_by(
        schema.alert_group.c.failures >= 3,
        schema.alert_group.c.severity.desc(),
        schema.alert_group.c.due_at,
        schema.alert_group.c.labels,
    )
    .limit(1)
)
_NEXT_DUE_AT = select(func.min(schema.alert_group.c.due_at)).where(
    schema.alert_group.c.channel_id == bindparam("channel"),
    schema.alert_group.c.due_at.is_not(None),
    ~_HAS_OPEN_MESSAGE,
)
_CLAMP_DUE = (
    update(schema.alert_group)
    .where(schema.alert_group.c.channel_id == bindparam("channel"), schema.alert_group.c.due_at > bindparam("latest"))
    .values(due_at=bindparam("latest"))
)
_WAITING_OF_GROUPS = (
    select(
        schema.delivery.c.group_id,
        func.count().label("waiting"),
        func.sum(case((schema.delivery.c.status == Status.FIRING, 1), else_=0)).label("openings"),
        func.min(schema.delivery.c.since).label("oldest_at"),
        func.max(schema.delivery.c.severity).label("severity"),
    )
    .where(
        schema.delivery.c.group_id.in_(bindparam("groups", expanding=True)),
        schema.delivery.c.phase == Phase.WAITING,
    )
    .group_by(schema.delivery.c.group_id)
)
# One seek for each status, however much waits.
_OLDEST = select(func.min(schema.delivery.c.since)).where(
    schema.delivery.c.group_id == bindparam("group"),
    schema.delivery.c.phase == Phase.WAITING,
    schema.delivery.c.status == bindparam("status"),
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


def load(tx: Tx, episode_ids: Sequence[int]) -> dict[tuple[int, int], Delivery]:
    """The deliveries of these episodes, by (channel, episode)."""
    found = {}
    for chunk in chunks(episode_ids):
        for channel_id, episode_id, group_id, phase, version, claimed, status, told, *rest in tx.tuples(
            _OF_EPISODES, {"episodes": chunk}
        ):
            found[channel_id, episode_id] = Delivery(
                channel_id,
                episode_id,
                group_id,
                Phase(phase),
                version,
                claimed,
                Status(status),
                Status(told) if told else None,
                *rest,
            )
    return found


def save(tx: Tx, deliveries: Iterable[Delivery]) -> None:
    """Write the deliveries' rows."""
    tx.bulk(_SAVE, [_ROW(delivery) for delivery in deliveries])


def repeat(tx: Tx, times: Mapping[tuple[int, int], int]) -> None:
    """Count how often these deliveries, by (channel, episode), heard what they had heard before."""
    tx.bulk(_REPEAT, [(n, episode_id, channel_id) for (channel_id, episode_id), n in times.items()])


def groups_by_key(tx: Tx, keys: Sequence[str]) -> list[Group]:
    """The groups known by these keys."""
    return [_group(row) for chunk in chunks(keys) for row in tx.rows(_GROUPS_BY_KEY, {"keys": chunk})]


def groups_by_id(tx: Tx, ids: Sequence[int]) -> list[Group]:
    """The groups with these ids."""
    return [_group(row) for chunk in chunks(ids) for row in tx.rows(_GROUPS_BY_ID, {"ids": chunk})]


def first_due(tx: Tx, channel_id: int, now: int) -> Group | None:
    """The group whose turn it is: most severe first, then longest due; not one with a message still open."""
    rows = tx.rows(_FIRST_DUE, {"channel": channel_id, "now": now})
    return _group(rows[0]) if rows else None


def next_due_at(tx: Tx, channel_id: int) -> int | None:
    """When the next group of the channel becomes due; None when none waits."""
    due_at: int | None = tx.scalar(_NEXT_DUE_AT, {"channel": channel_id})
    return due_at


def clamp_due(tx: Tx, channel_id: int, latest: int) -> None:
    """No group of the channel is due later than this: a clock that stepped back has lengthened its wait."""
    tx.run(_CLAMP_DUE, {"channel": channel_id, "latest": latest})


def _group(row: RowMapping) -> Group:
    return Group(
        id=row["id"],
        channel_id=row["channel_id"],
        key=row["key"],
        labels=parse(row["labels"]),
        waiting=row["waiting"],
        openings=row["openings"],
        oldest_at=row["oldest_at"],
        severity=row["severity"],
        due_at=row["due_at"],
        due_reason=Reason(row["due_reason"]) if row["due_reason"] else None,
        last_sent_at=row["last_sent_at"],
        truncated=row["truncated"],
        failures=row["failures"],
    )


def save_groups(tx: Tx, groups: Iterable[Group]) -> None:
    """Write the groups' rows."""
    tx.bulk(
        _SAVE_GROUP,
        [
            (
                group.id,
                group.channel_id,
                group.key,
                dump(group.labels),
                group.waiting,
                group.openings,
                group.oldest_at,
                group.severity,
                group.due_at,
                group.due_reason,
                group.last_sent_at,
                group.truncated,
                group.failures,
            )
            for group in groups
        ],
    )


def recount(tx: Tx, groups: Sequence[Group]) -> None:
    """Set what waits in these groups from their rows."""
    counted: dict[int, Any] = {}
    for chunk in chunks([group.id for group in groups]):
        counted.update({row["group_id"]: row for row in tx.rows(_WAITING_OF_GROUPS, {"groups": chunk})})
    for group in groups:
        row = counted.get(group.id)
        group.waiting = row["waiting"] if row else 0
        group.openings = row["openings"] if row else 0
        group.oldest_at = row["oldest_at"] if row else None
        group.severity = row["severity"] if row else 0


def oldest_waiting(tx: Tx, group_id: int) -> int | None:
    """The arrival of the group's oldest news that waits."""
    found = [tx.scalar(_OLDEST, {"group": group_id, "status": status}) for status in Status]
    return min((since for since in found if since is not None), default=None)


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
