"""What a store's rows say, read by plain SQL beside the program that writes them."""

import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ACCEPTED = "SELECT c.name, l.account, l.n FROM ledger l JOIN channel c ON c.id = l.channel_id WHERE l.side = 'accepted'"
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
    SELECT c.name, d.alert_id, d.outcome, count(*) FROM departure d JOIN channel c ON c.id = d.channel_id
    WHERE d.outcome IN ('dead', 'withdrawn', 'muted', 'failed_over') GROUP BY 1, 2, 3
    UNION ALL SELECT c.name, e.alert_id, i.outcome, count(*) FROM message_item i JOIN message m ON m.id = i.message_id
    JOIN channel c ON c.id = m.channel_id JOIN episode e ON e.id = i.episode_id
    WHERE i.outcome IN ('dead', 'withdrawn', 'failed_over') GROUP BY 1, 2, 3"""
COPIES = """
    SELECT d.channel_id, d.episode_id, d.copied, d.copied_to, c.name, b.name, a.labels, a.episode_id = d.episode_id
    FROM delivery d JOIN channel c ON c.id = d.channel_id JOIN channel b ON b.id = d.copied_to
    JOIN episode e ON e.id = d.episode_id JOIN alert a ON a.id = e.alert_id"""
STAND_INS = """
    SELECT c.name, a.labels, o.name FROM alert a JOIN delivery d ON d.episode_id = a.episode_id
    JOIN channel c ON c.id = d.channel_id JOIN channel o ON o.id = d.stands_in_for"""
DEAD = """
    SELECT m.uid, c.name, a.labels, a.episode_id = e.id FROM message m JOIN channel c ON c.id = m.channel_id
    JOIN message_item i ON i.message_id = m.id JOIN episode e ON e.id = i.episode_id JOIN alert a ON a.id = e.alert_id
    WHERE m.state = 'dead' AND i.outcome = 'dead' ORDER BY m.id, e.id"""
NOTICES = "SELECT kind, n FROM notice"
UNTOLD_NOTICES = """
    SELECT c.name, count(*) FROM notice n JOIN channel c ON c.id = n.channel_id WHERE n.told_at IS NULL GROUP BY 1"""
LABELS = "SELECT id, labels FROM alert"
BOOKS = "SELECT * FROM ledger"
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
    UNION SELECT ends_at FROM mute UNION SELECT due_at FROM notice WHERE told_at IS NULL"""


@dataclass(slots=True)
class Moved:
    """What is different from before: entries that the channels took on, by origin, and those that were given up.

    ``copies``: from which channel to which, of which labels, and whether of the alert's latest life. ``stand_ins`` are
    all who tell an alert in the place of another channel, by channel and labels.
    """

    accepted: Counter[tuple[str, str]] = field(default_factory=Counter)
    given_up: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    copies: list[tuple[str, str, str, bool]] = field(default_factory=list)
    stand_ins: dict[tuple[str, str], str] = field(default_factory=dict)


class Rows:
    """The rows of the store at a path, as they are when asked."""

    def __init__(self, path: Path) -> None:
        """Open the file; it is only read."""
        self._connection = sqlite3.connect(path)
        self._books: list[tuple[Any, ...]] = []
        self._accepted, self._given_up = Counter[Any](), Counter[Any]()
        self._copies: set[tuple[Any, ...]] = set()  # channel, episode, version, fallback
        self._stand_ins: dict[tuple[str, str], str] = {}

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

    def accepted(self) -> Counter[tuple[str, str]]:
        """How many entries the ledger has ever taken on, by channel and origin."""
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

    def moved(self) -> Moved:
        """What has moved since this was last asked."""
        moved = Moved(stand_ins=self._stand_ins)
        books = self._all(BOOKS)
        if books == self._books:
            return moved
        self._books = books
        before, self._accepted = self._accepted, self.accepted()
        moved.accepted = self._accepted - before
        before, self._given_up = self._given_up, self._sums(GIVEN_UP)
        assert before <= self._given_up, "an outcome never changes"
        gone = self._given_up - before
        labels = dict(self._all(LABELS)) if gone else {}
        moved.given_up = Counter({(name, labels[alert], outcome): n for (name, alert, outcome), n in gone.items()})
        copies = {row[:4]: (*row[4:6], row[6], bool(row[7])) for row in self._all(COPIES)}
        moved.copies = [copy for key, copy in copies.items() if key not in self._copies]
        self._copies = set(copies)
        moved.stand_ins = self._stand_ins = {(name, labels): giver for name, labels, giver in self._all(STAND_INS)}
        return moved

    def dead(self) -> dict[str, list[tuple[str, str, bool]]]:
        """What died, by the uid of its message: the channel, the labels, whether it is the alert's latest life."""
        dead: dict[str, list[tuple[str, str, bool]]] = {}
        for uid, channel_name, labels, latest in self._all(DEAD):
            dead.setdefault(uid, []).append((channel_name, labels, bool(latest)))
        return dead

    def notices(self) -> Counter[str]:
        """How many things notices have told or are to tell of, by kind."""
        return self._sums(NOTICES)

    def untold_notices(self) -> Counter[str]:
        """How many notices wait or are on their way, by channel."""
        return self._sums(UNTOLD_NOTICES)

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
