"""Channels as the store knows them: the throttle's bucket and the state of failing."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from receiver.core.throttling import Bucket
from receiver.store import schema
from receiver.store.connect import Tx
from receiver.store.upserts import upserting


@dataclass(slots=True)
class ChannelState:
    """One channel's row. ``failures`` counts those in a row, ``retry_at`` ends the rest after the last of them."""

    id: int
    name: str
    bucket: Bucket
    retired_at: int | None = None
    throttled_since: int | None = None
    failures: int = 0
    failure_class: str | None = None
    retry_at: int | None = None


_ALL = select(schema.channel)
_SAVE = upserting(schema.channel)


def load(tx: Tx) -> dict[str, ChannelState]:
    """All channels ever configured, by name."""
    return {
        row["name"]: ChannelState(
            id=row["id"],
            name=row["name"],
            bucket=Bucket(row["bucket_level"], row["bucket_per"], row["bucket_at"]),
            retired_at=row["retired_at"],
            throttled_since=row["throttled_since"],
            failures=row["failures"],
            failure_class=row["failure_class"],
            retry_at=row["retry_at"],
        )
        for row in tx.rows(_ALL)
    }


def save(tx: Tx, channels: Iterable[ChannelState]) -> None:
    """Write the channels' rows."""
    tx.bulk(
        _SAVE,
        [
            (
                channel.id,
                channel.name,
                channel.retired_at,
                channel.bucket.level,
                channel.bucket.per,
                channel.bucket.at,
                channel.throttled_since,
                channel.failures,
                channel.failure_class,
                channel.retry_at,
            )
            for channel in channels
        ],
    )
