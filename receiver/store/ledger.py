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
        moved = [(*account, n) for account, n in self._counts.items() if n]
        tx.bulk(_ADD, moved)
        tx.bulk(_ADD_HOURLY, [(now - now % HOUR, *row) for row in moved])


_ADD = adding(schema.ledger, "n")
_ADD_HOURLY = adding(schema.hourly, "n")
