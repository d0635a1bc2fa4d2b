"""Whether the store can commit, by committing."""

from receiver.store import schema
from receiver.store.connect import Tx
from receiver.store.upserts import upserting

_PROBE = upserting(schema.commit_probe)


def probe(tx: Tx, now: int) -> None:
    """Write something that goes to the disk."""
    tx.bulk(_PROBE, [(1, now)])
