"""Alerts and their episodes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import RowMapping, bindparam, select, update

from receiver.core.alerts import Alert
from receiver.core.episodes import Closing, Episode
from receiver.store import schema
from receiver.store.connect import Tx
from receiver.store.upserts import chunks, upsert

# What is kept of each annotation once an alert's annotations exceed the first figure; no message shows more.
ANNOTATIONS_KEPT_WHOLE = 65_536
ANNOTATION_KEPT = 4_096


@dataclass(slots=True)
class TrackedAlert:
    """One alert's row, with its latest episode."""

    id: int
    key: str
    source: str
    fingerprint: str
    labels: Mapping[str, str]
    routing_id: int | None = None
    episode: Episode | None = None


_BY_KEY = (
    select(
        schema.alert.c.id,
        schema.alert.c.key,
        schema.episode.c.id.label("episode_id"),
        schema.episode.c.starts_at,
        schema.episode.c.opened_at,
        schema.episode.c.last_seen,
        schema.episode.c.ends_at,
        schema.episode.c.closed_at,
        schema.episode.c.closing,
        schema.episode.c.resolved_by,
        schema.episode.c.again,
    )
    .join(schema.episode, schema.episode.c.id == schema.alert.c.episode_id, isouter=True)
    .where(schema.alert.c.key.in_(bindparam("keys", expanding=True)))
)
_SAVE_ALERT = upsert(schema.alert)
_SAVE_EPISODE = upsert(schema.episode)
_CLOSE_EPISODE = (
    update(schema.episode)
    .where(schema.episode.c.id == bindparam("episode"))
    .values(closed_at=bindparam("closed_at"), closing=bindparam("closing"))
)
_ROUTING = select(schema.routing).where(schema.routing.c.verdicts.in_(bindparam("verdicts", expanding=True)))
_NEW_ROUTING = schema.routing.insert()


def load(tx: Tx, keys: Sequence[str]) -> dict[str, tuple[int, Episode | None]]:
    """The id and the latest episode of each known alert, by its key."""
    found: dict[str, tuple[int, Episode | None]] = {}
    for chunk in chunks(keys):
        for row in tx.rows(_BY_KEY, {"keys": chunk}):
            found[row["key"]] = (row["id"], None if row["episode_id"] is None else _episode(row))
    return found


def _episode(row: RowMapping) -> Episode:
    return Episode(
        id=row["episode_id"],
        alert_id=row["id"],
        starts_at=row["starts_at"],
        opened_at=row["opened_at"],
        last_seen=row["last_seen"],
        ends_at=row["ends_at"],
        closed_at=row["closed_at"],
        closing=Closing(row["closing"]) if row["closing"] else None,
        resolved_by=row["resolved_by"],
        again=row["again"],
    )


def save(tx: Tx, alerts: Iterable[TrackedAlert]) -> None:
    """Write the alerts' rows."""
    tx.run(
        _SAVE_ALERT,
        [
            {
                "id": alert.id,
                "key": alert.key,
                "source": alert.source,
                "fingerprint": alert.fingerprint,
                "labels": dump(alert.labels),
                "routing_id": alert.routing_id,
                "episode_id": alert.episode.id if alert.episode else None,
            }
            for alert in alerts
        ],
    )


def save_episodes(tx: Tx, episodes: Iterable[tuple[Episode, Alert, str]]) -> None:
    """Write episodes with what their newest event, sent by the given ``externalURL``, says of them."""
    tx.run(
        _SAVE_EPISODE,
        [
            {
                "id": episode.id,
                "alert_id": episode.alert_id,
                "starts_at": episode.starts_at,
                "opened_at": episode.opened_at,
                "last_seen": episode.last_seen,
                "ends_at": episode.ends_at,
                "closed_at": episode.closed_at,
                "closing": episode.closing,
                "resolved_by": episode.resolved_by,
                "again": episode.again,
                "annotations": _dump_annotations(event.annotations),
                "links": dump(event.links),
                "generator_url": event.generator_url,
                "external_url": external_url,
                "defect": event.defect,
            }
            for episode, event, external_url in episodes
        ],
    )


def close_episodes(tx: Tx, episodes: Iterable[Episode]) -> None:
    """Write that these episodes are closed, and nothing else of them."""
    tx.run(
        _CLOSE_EPISODE,
        [{"episode": episode.id, "closed_at": episode.closed_at, "closing": episode.closing} for episode in episodes],
    )


def intern_routings(tx: Tx, verdicts: Sequence[str]) -> dict[str, int]:
    """The ids of these verdicts, given to new ones."""
    found: dict[str, int] = {}
    for chunk in chunks(verdicts):
        found.update({row["verdicts"]: row["id"] for row in tx.rows(_ROUTING, {"verdicts": chunk})})
    new = {text: tx.new_id(schema.routing) for text in verdicts if text not in found}
    tx.run(_NEW_ROUTING, [{"id": id_, "verdicts": text} for text, id_ in new.items()])
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
