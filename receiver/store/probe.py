"""Whether the store can commit, by committing; and when it last could."""

from sqlalchemy import func, select

from receiver.store import schema
from receiver.store.connect import Tx
from receiver.store.upserts import upserting

_PROBE = upserting(schema.commit_probe)


def probe(tx: Tx, now: int) -> None:
    """Write something that goes to the disk."""
    tx.bulk(_PROBE, [(1, now)])


def last(tx: Tx) -> int | None:
    """When something was last written here, that is when a process was last alive; None when none ever was."""
    at: int | None = tx.scalar(select(func.max(schema.commit_probe.c.at)))
    return at
