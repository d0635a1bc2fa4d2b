"""Alerts and their episodes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, func, select, update

from receiver.core.alerts import Alert
from receiver.core.episodes import Closing, Episode
from receiver.store import schema
from receiver.store.connect import Tx
from receiver.store.upserts import CHUNK, Bulk, chunks, inserting, upserting

# What is kept of each annotation once an alert's annotations exceed the first figure; no message shows more.
ANNOTATIONS_KEPT_WHOLE = 65_536
ANNOTATION_KEPT = 4_096


@dataclass(slots=True)
class TrackedAlert:
    """One alert's row, with its latest episode that is in effect, and one that is ``held``."""

    id: int
    key: str
    source: str
    fingerprint: str
    labels: Mapping[str, str]
    routing_id: int | None = None
    episode: Episode | None = None
    held: Episode | None = None


class Known(NamedTuple):
    """What the store knows of an alert."""

    id: int
    routing_id: int | None
    episode: Episode | None
    held: Episode | None = None


_EPISODE = [
    schema.episode.c.id.label("episode_id"),
    schema.episode.c.starts_at,
    schema.episode.c.opened_at,
    schema.episode.c.last_seen,
    schema.episode.c.ends_at,
    schema.episode.c.closed_at,
    schema.episode.c.closing,
    schema.episode.c.resolved_by,
    schema.episode.c.again,
    schema.episode.c.opens_at,
]
_BY_KEY = (
    select(schema.alert.c.key, schema.alert.c.id, schema.alert.c.routing_id, schema.alert.c.held_id, *_EPISODE)
    .join(schema.episode, schema.episode.c.id == schema.alert.c.episode_id, isouter=True)
    .where(schema.alert.c.key.in_(bindparam("keys", expanding=True)))
)
_HELD = select(schema.episode.c.alert_id, *_EPISODE).where(schema.episode.c.id.in_(bindparam("ids", expanding=True)))
_HELD_UNTIL = (
    select(schema.episode.c.alert_id)
    .where(schema.episode.c.opens_at.is_not(None), schema.episode.c.opens_at <= bindparam("now"))
    .order_by(schema.episode.c.opens_at, schema.episode.c.id)
    .limit(CHUNK)
)
_LATEST = (
    select(schema.alert.c.id, schema.episode.c.id.label("episode_id"), schema.episode.c.closed_at)
    .join(schema.episode, schema.episode.c.id == schema.alert.c.episode_id)
    .where(schema.alert.c.id.in_(bindparam("ids", expanding=True)))
)
_BY_ID = select(schema.alert).where(schema.alert.c.id.in_(bindparam("ids", expanding=True)))
_NEXT_HELD_UNTIL = select(func.min(schema.episode.c.opens_at)).where(schema.episode.c.opens_at.is_not(None))
_CLAMP_HELD = (
    update(schema.episode)
    .where(schema.episode.c.opens_at.is_not(None), schema.episode.c.opens_at > bindparam("latest"))
    .values(opens_at=bindparam("latest"))
)
_SAVE_ALERT = upserting(schema.alert)
_SAVE_EPISODE = upserting(schema.episode)
_MOVE_EPISODE = Bulk(
    update(schema.episode)
    .where(schema.episode.c.id == bindparam("episode"))
    .values(closed_at=bindparam("at"), closing=bindparam("why"), opens_at=bindparam("held_until")),
    ("at", "why", "held_until", "episode"),
)
_ROUTING = select(schema.routing).where(schema.routing.c.verdicts.in_(bindparam("verdicts", expanding=True)))
_NEW_ROUTING = inserting(schema.routing)


def load(tx: Tx, keys: Sequence[str]) -> dict[str, Known]:
    """What is known of these alerts, by their key."""
    found: dict[str, Known] = {}
    for chunk in chunks(keys):
        held: dict[int, str] = {}
        for key, id_, routing_id, held_id, episode_id, *episode in tx.tuples(_BY_KEY, {"keys": chunk}):
            found[key] = Known(id_, routing_id, None if episode_id is None else _episode(id_, episode_id, *episode))
            if held_id is not None:
                held[held_id] = key
        if held:
            for alert_id, episode_id, *episode in tx.tuples(_HELD, {"ids": list(held)}):
                key = held[episode_id]
                found[key] = found[key]._replace(held=_episode(alert_id, episode_id, *episode))
    return found


class Latest(NamedTuple):
    """An alert's latest episode that is in effect, and whether it is over."""

    episode_id: int
    is_over: bool


def latest(tx: Tx, alert_ids: Sequence[int]) -> dict[int, Latest]:
    """The latest episodes of these alerts, by the alert's id."""
    rows = (row for chunk in chunks(alert_ids) for row in tx.tuples(_LATEST, {"ids": chunk}))
    return {alert_id: Latest(episode_id, closed_at is not None) for alert_id, episode_id, closed_at in rows}


def held_until(tx: Tx, now: int) -> list[TrackedAlert]:
    """Alerts whose held firing is to open by now, some of them; their episodes are not loaded."""
    ids = [row["alert_id"] for row in tx.rows(_HELD_UNTIL, {"now": now})]
    if not ids:
        return []
    rows = {row["id"]: row for row in tx.rows(_BY_ID, {"ids": ids})}
    return [
        TrackedAlert(id_, rows[id_]["key"], rows[id_]["source"], rows[id_]["fingerprint"], parse(rows[id_]["labels"]))
        for id_ in ids
    ]


def next_held_until(tx: Tx) -> int | None:
    """When the next held firing opens."""
    at: int | None = tx.scalar(_NEXT_HELD_UNTIL)
    return at


def clamp_held(tx: Tx, latest: int) -> None:
    """No firing is held longer than this: a clock that stepped back has lengthened its wait."""
    tx.run(_CLAMP_HELD, {"latest": latest})


def _episode(alert_id: int, id_: int, *columns: Any) -> Episode:
    starts_at, opened_at, last_seen, ends_at, closed_at, closing, *rest = columns
    closed = Closing(closing) if closing else None
    return Episode(id_, alert_id, starts_at, opened_at, last_seen, ends_at, closed_at, closed, *rest)


def save(tx: Tx, alerts: Iterable[TrackedAlert]) -> None:
    """Write the alerts' rows."""
    tx.bulk(
        _SAVE_ALERT,
        [
            (
                alert.id,
                alert.key,
                alert.source,
                alert.fingerprint,
                dump(alert.labels),
                alert.routing_id,
                alert.episode.id if alert.episode else None,
                alert.held.id if alert.held else None,
            )
            for alert in alerts
        ],
    )


def save_episodes(tx: Tx, episodes: Iterable[tuple[Episode, Alert, str]]) -> None:
    """Write episodes with what their newest event, sent by the given ``externalURL``, says of them."""
    tx.bulk(
        _SAVE_EPISODE,
        [
            (
                episode.id,
                episode.alert_id,
                episode.starts_at,
                episode.opened_at,
                episode.last_seen,
                episode.ends_at,
                episode.closed_at,
                episode.closing,
                episode.resolved_by,
                episode.again,
                episode.opens_at,
                _dump_annotations(event.annotations),
                dump(event.links),
                event.generator_url,
                external_url,
                event.defect,
            )
            for episode, event, external_url in episodes
        ],
    )


def move_episodes(tx: Tx, episodes: Iterable[Episode]) -> None:
    """Write of these episodes whether and why they are closed, and until when held; nothing else of them."""
    tx.bulk(_MOVE_EPISODE, [(episode.closed_at, episode.closing, episode.opens_at, episode.id) for episode in episodes])


def intern_routings(tx: Tx, verdicts: Sequence[str]) -> dict[str, int]:
    """The ids of these verdicts, given to new ones."""
    found: dict[str, int] = {}
    for chunk in chunks(verdicts):
        found.update({row["verdicts"]: row["id"] for row in tx.rows(_ROUTING, {"verdicts": chunk})})
    new = {text: tx.new_id(schema.routing) for text in verdicts if text not in found}
    tx.bulk(_NEW_ROUTING, [(id_, text) for text, id_ in new.items()])
    return found | new


def dump(texts: Mapping[str, str]) -> str:
    """A mapping as it is stored."""
    return msgspec.json.encode(texts).decode()


def parse(stored: str) -> dict[str, str]:
    """The mapping that was stored."""
    return msgspec.json.decode(stored, type=dict[str, str])


def _dump_annotations(annotations: Mapping[str, str]) -> str:
    whole = dump(annotations)
    if len(whole) <= ANNOTATIONS_KEPT_WHOLE:
        return whole
    return dump({name: text[:ANNOTATION_KEPT] for name, text in annotations.items()})
