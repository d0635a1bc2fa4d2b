"""What a store's rows say, read by plain SQL beside the program that writes them."""

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

ACCEPTED = "SELECT c.name, l.n FROM ledger l JOIN channel c ON c.id = l.channel_id WHERE l.side = 'accepted'"
OUTCOMES = "SELECT c.name, l.account, l.n FROM ledger l JOIN channel c ON c.id = l.channel_id WHERE l.side = 'outcome'"
HOUSE = "SELECT account, n FROM ledger WHERE side = 'house'"
PENDING = """
    SELECT c.name, count(*) FROM delivery d JOIN channel c ON c.id = d.channel_id
    WHERE d.phase IN ('waiting', 'held') GROUP BY 1
    UNION ALL SELECT c.name, count(*) FROM message_item i JOIN message m ON m.id = i.message_id
    JOIN channel c ON c.id = m.channel_id WHERE m.state IN ('claimed', 'unknown', 'partial') GROUP BY 1"""
LEFT = """
    SELECT c.name, d.outcome, count(*) FROM departure d JOIN channel c ON c.id = d.channel_id GROUP BY 1, 2
    UNION ALL SELECT c.name, i.outcome, count(*) FROM message_item i JOIN message m ON m.id = i.message_id
    JOIN channel c ON c.id = m.channel_id WHERE i.outcome IS NOT NULL GROUP BY 1, 2
    UNION ALL SELECT c.name, 'duplicate', sum(d.duplicates) FROM delivery d JOIN channel c ON c.id = d.channel_id
    GROUP BY 1"""
GIVEN_UP = """
    SELECT c.name, a.labels, d.outcome, count(*) FROM departure d JOIN channel c ON c.id = d.channel_id
    JOIN alert a ON a.id = d.alert_id WHERE d.outcome IN ('dead', 'withdrawn', 'muted') GROUP BY 1, 2, 3
    UNION ALL SELECT c.name, a.labels, i.outcome, count(*) FROM message_item i JOIN message m ON m.id = i.message_id
    JOIN channel c ON c.id = m.channel_id JOIN episode e ON e.id = i.episode_id JOIN alert a ON a.id = e.alert_id
    WHERE i.outcome IN ('dead', 'withdrawn') GROUP BY 1, 2, 3"""
COUNTED = "SELECT id, waiting, openings, urgent, reminders, oldest_at FROM alert_group WHERE waiting > 0 ORDER BY id"
SHOWN = """
    SELECT group_id, count(*), sum(status = 'firing' AND told IS NULL),
    sum(status = 'firing' AND told IS NULL AND urgent), sum(status = 'firing' AND told IS NOT NULL), min(since)
    FROM delivery WHERE phase = 'waiting' GROUP BY group_id ORDER BY group_id"""
UNSCHEDULED = """
    SELECT g.* FROM alert_group g JOIN channel c ON c.id = g.channel_id
    WHERE c.retired_at IS NULL AND g.message_id IS NULL AND (g.waiting > 0) <> (g.due_at IS NOT NULL)"""
STRANDED = "SELECT * FROM delivery WHERE phase = 'sending' AND claimed IS NULL"
FIXED = "SELECT uid, payload FROM message WHERE state = 'unknown'"
INSTANTS = """
    SELECT due_at FROM alert_group WHERE message_id IS NULL UNION SELECT opens_at FROM episode
    UNION SELECT retry_at FROM channel UNION SELECT retry_at FROM message WHERE state = 'unknown'
    UNION SELECT ends_at FROM mute"""


class Rows:
    """The rows of the store at a path, as they are when asked."""

    def __init__(self, path: Path) -> None:
        """Open the file; it is only read."""
        self._connection = sqlite3.connect(path)

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    def _all(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()

    def _sums(self, query: str) -> Counter[Any]:
        """The last column, added up by the others."""
        sums: Counter[Any] = Counter()
        for *by, n in self._all(query):
            sums[tuple(by) if len(by) > 1 else by[0]] += n
        return +sums

    def pending(self) -> Counter[str]:
        """How many entries wait, are held or are on their way, by channel."""
        return self._sums(PENDING)

    def accepted(self) -> Counter[str]:
        """How many entries the ledger has ever taken on, by channel."""
        return self._sums(ACCEPTED)

    def outcomes(self) -> Counter[tuple[str, str]]:
        """How many entries have ended by the ledger, by channel and outcome."""
        return self._sums(OUTCOMES)

    def left(self) -> Counter[tuple[str, str]]:
        """The same, counted from what there is to see of them."""
        return self._sums(LEFT)

    def house(self) -> Counter[str]:
        """What the ledger has counted before any channel."""
        return self._sums(HOUSE)

    def given_up(self) -> Counter[tuple[str, str, str]]:
        """What ended dead, withdrawn or muted, by channel, labels and outcome."""
        return self._sums(GIVEN_UP)

    def fixed(self) -> dict[str, bytes]:
        """The bytes of messages that a provider may have, by uid."""
        return dict(self._all(FIXED))

    def instants(self) -> list[int]:
        """When something that is noted in the rows comes to its time."""
        return [at for (at,) in self._all(INSTANTS) if at is not None]

    def groups_agree(self) -> bool:
        """Whether each group counts what waits in it, and has news exactly where it knows when that is due."""
        return self._all(COUNTED) == self._all(SHOWN) and not self._all(UNSCHEDULED)

    def nothing_is_stranded(self) -> bool:
        """Whether all that is on its way is in a message."""
        return not self._all(STRANDED)
