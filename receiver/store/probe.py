"""Whether the store can commit, by committing."""

from receiver.store import schema
from receiver.store.connect import Tx
from receiver.store.upserts import upsert

_PROBE = upsert(schema.commit_probe)


def probe(tx: Tx, now: int) -> None:
    """Write something that goes to the disk."""
    tx.run(_PROBE, {"id": 1, "at": now})
