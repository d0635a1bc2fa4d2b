"""Channels as the store knows them: the throttle's bucket and the state of failing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from sqlalchemy import ColumnElement, bindparam, func, select, update

from receiver.core.retrying import FIRST_RETRY
from receiver.core.throttling import Bucket
from receiver.store import schema
from receiver.store.connect import Tx
from receiver.store.upserts import upserting


@dataclass(slots=True)
class ChannelState:
    """One channel's row. ``kind`` is slack, email or console.

    ``failures`` counts those in a row, ``failing_since`` is the first, ``failed_at`` the last; ``failure_reason`` and
    ``failure_code`` say what the last one was, also when it is over. ``retry_at`` ends the rest after it, which urgent
    news cuts short where the channel ``probes``; ``rests_until`` is when it would have ended. ``accepted_at`` is when
    the provider last took a message, ``refusals`` counts those that it has refused since. ``throttled_at`` is the last
    instant at which something that was due had to wait for a token. ``largest_digest`` bounds the groups of a digest
    after one was refused. ``catching_up``: nothing was sent yet since a downtime. ``routing`` tells whether the
    configuration has changed in what decides where alerts go, ``retry_for`` (milliseconds) outlives the channel's own
    configuration.
    """

    id: int
    name: str
    kind: str
    bucket: Bucket
    retry_for: int
    routing: str
    retired_at: int | None = None
    throttled_at: int | None = None
    failures: int = 0
    failure_class: str | None = None
    failure_reason: str | None = None
    failure_code: int | None = None
    failing_since: int | None = None
    failed_at: int | None = None
    retry_at: int | None = None
    rests_until: int | None = None
    probes: bool = False
    accepted_at: int | None = None
    refusals: int = 0
    last_digest_at: int | None = None
    largest_digest: int | None = None
    catching_up: bool = False


_ALL = select(schema.channel)
_SAVE = upserting(schema.channel)


_OWN = [name for name in ChannelState.__slots__ if name != "bucket"]
_ROW = attrgetter(*(name.replace("bucket_", "bucket.") for name in _SAVE.columns))


_PROBE_AT: ColumnElement[int] = func.max(bindparam("now"), schema.channel.c.failed_at + FIRST_RETRY)
_PROBE = (
    update(schema.channel)
    .where(
        schema.channel.c.id.in_(bindparam("channels", expanding=True)),
        schema.channel.c.probes,
        schema.channel.c.retry_at > _PROBE_AT,
    )
    .values(retry_at=_PROBE_AT)
)
# What may have been taken goes first, so it can't rest for longer than its channel.
_PROBE_MESSAGES = (
    update(schema.message)
    .where(
        schema.IS_OPEN,
        schema.message.c.state == "unknown",
        schema.message.c.channel_id == schema.channel.c.id,
        schema.channel.c.id.in_(bindparam("channels", expanding=True)),
        schema.channel.c.probes,
        schema.message.c.retry_at > schema.channel.c.retry_at,
    )
    .values(retry_at=schema.channel.c.retry_at)
)


def load(tx: Tx) -> dict[str, ChannelState]:
    """All channels ever configured, by name."""
    return {
        row["name"]: ChannelState(
            bucket=Bucket(row["bucket_level"], row["bucket_per"], row["bucket_at"]),
            **{name: row[name] for name in _OWN},
        )
        for row in tx.rows(_ALL)
    }


def probe(tx: Tx, channel_ids: Sequence[int], now: int) -> None:
    """Urgent news has come for these channels: those that rest after a failure try at once, but not all the time."""
    if channel_ids:
        tx.run(_PROBE, {"channels": channel_ids, "now": now})
        tx.run(_PROBE_MESSAGES, {"channels": channel_ids})


def save(tx: Tx, channels: Iterable[ChannelState]) -> None:
    """Write the channels' rows."""
    tx.bulk(_SAVE, [_ROW(channel) for channel in channels])
