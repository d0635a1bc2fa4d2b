"""The books' counts, moved in the same transaction as the rows they count."""

from collections import Counter
from enum import StrEnum

from receiver.core.entries import Origin, Outcome
from receiver.store import schema
from receiver.store.connect import Tx
from receiver.store.upserts import adding

HOUR = 3_600_000

HOUSE = 0


class House(StrEnum):
    """The accounts before any channel: ``firing + resolved = unrouted + filtered + taken``; the rest are notes."""

    FIRING = "firing"
    RESOLVED = "resolved"
    UNROUTED = "unrouted"
    FILTERED = "filtered"
    TAKEN = "taken"
    TRUNCATED = "truncated"
    UNREADABLE = "unreadable"
    SEVERITY_UNKNOWN = "severity_unknown"


class Postings:
    """Movements of one transaction, added up and posted once."""

    def __init__(self) -> None:
        """Start with nothing to post."""
        self._counts: Counter[tuple[int, str, str]] = Counter()

    def accepted(self, channel_id: int, origin: Origin, n: int = 1) -> None:
        """A channel took entries on."""
        self._counts[channel_id, "accepted", origin] += n

    def outcome(self, channel_id: int, outcome: Outcome, n: int = 1) -> None:
        """Entries of a channel left the pending."""
        self._counts[channel_id, "outcome", outcome] += n

    def house(self, account: House, n: int = 1) -> None:
        """Something happened to events before any channel took them."""
        self._counts[HOUSE, "house", account] += n

    def post(self, tx: Tx, now: int) -> None:
        """Write the movements to the ledger and to the hour's."""
        rows = [
            {"channel_id": channel_id, "side": side, "account": account, "n": n, "hour": now - now % HOUR}
            for (channel_id, side, account), n in self._counts.items()
            if n
        ]
        tx.run(_ADD, [{name: row[name] for name in row if name != "hour"} for row in rows])
        tx.run(_ADD_HOURLY, rows)


_ADD = adding(schema.ledger, "n")
_ADD_HOURLY = adding(schema.hourly, "n")
