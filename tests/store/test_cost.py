"""The cost of a step grows with what is due or received, never with what is tracked."""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from receiver.core.policy import Throttle
from receiver.core.retrying import Failure, FailureClass
from receiver.transitions.claim import Claimed, Rest
from tests.timeline import MINUTE, Timeline, channel, firing, policy, resolved

# Tables that hold a few rows, whatever is tracked.
SMALL = ("channel", "ledger", "routing", "schema_version", "recipient")

# Indexes of what is pending alone: looking through one of them costs what is due.
PARTIAL = (
    "delivery_pending",
    "message_open",
    "alert_group_due",
    "alert_group_of_message",
    "episode_held",
    "mute_not_ended",
)


DOWN = Failure(FailureClass.TRANSIENT, "connection_refused")


class Watch:
    """The statements that the driver was given, and those of their plans that look through a whole table."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.scans: list[str] = []

    def look(self, connection: sqlite3.Connection, statement: str, parameters: Any) -> None:
        """Keep a statement that is about to be carried out, and look at its plan."""
        self.statements.append(statement)
        if statement.startswith(("PRAGMA", "BEGIN")):
            return
        # Not by a watched cursor.
        plan = sqlite3.Cursor(connection).execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        for *_, step in plan:
            what, name, *how = step.split()
            if what == "SCAN" and name not in (*SMALL, "CONSTANT") and not set(how) & set(PARTIAL):
                self.scans.append(f"{step}: {statement}")


class Watched(sqlite3.Connection):
    """A connection whose statements a watch may see. Whoever asks the database does so with one of its cursors."""

    watch: Watch | None = None

    def cursor(self, *_: Any) -> sqlite3.Cursor:  # type: ignore[override]
        """A cursor that shows what it carries out; ``execute`` of the connection makes one, too."""
        return WatchedCursor(self)


class WatchedCursor(sqlite3.Cursor):
    """Shows what it carries out."""

    def execute(self, sql: str, parameters: Any = ()) -> "WatchedCursor":
        """Show the statement, then carry it out."""
        if Watched.watch is not None:
            Watched.watch.look(self.connection, sql, parameters)
        super().execute(sql, parameters)
        return self

    def executemany(self, sql: str, rows: Any) -> "WatchedCursor":
        """Show the statement with its first row, then carry it out."""
        if Watched.watch is not None:
            Watched.watch.look(self.connection, sql, rows[0])
        super().executemany(sql, rows)
        return self


def live(timeline: Timeline) -> Watch:
    """Everything that happens to alerts, once each; what is tracked beside them stays as it is."""
    watch = Watched.watch = Watch()
    fresh = [firing("Fresh", pod=str(n), severity="critical" if n == 0 else "info") for n in range(20)]
    timeline.receive(*fresh)
    timeline.receive(*fresh)
    timeline.receive(*(resolved("Fresh", pod=str(n), ends_at=timeline.now) for n in range(10)), url="http://am-1")
    timeline.receive(firing("Fresh", pod="1"), url="http://am-2")
    muted = timeline.mute('pod="12"')
    timeline.receive(*(firing(f"Many{n}") for n in range(9)))
    timeline.sweep()
    timeline.now += MINUTE
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.books()
    timeline.settle(timeline.fix(claimed), DOWN)
    timeline.now += MINUTE
    while isinstance(claimed := timeline.claim(), Claimed):
        timeline.settle(timeline.fix(claimed))
    timeline.unmute(muted)
    timeline.now += 2 * MINUTE
    timeline.sweep()
    while not isinstance(timeline.send(), Rest):
        pass
    timeline.receive(*fresh)
    Watched.watch = None
    return watch


@pytest.fixture
def tracking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Timeline]:
    """Makes a timeline that tracks so many alerts, all told, and whose statements can be watched."""
    monkeypatch.setattr(sqlite3.dbapi2, "connect", partial(sqlite3.connect, factory=Watched))
    monkeypatch.setattr(Watched, "watch", None)

    def make(tracked: int) -> Timeline:
        ops = channel(
            group_by=("alertname",), group_interval=0, group_wait=0, throttle=Throttle(1_000_000, 1, 1_000_000)
        )
        timeline = Timeline(tmp_path / f"{tracked}.db", policy(ops))
        for first in range(0, tracked, 10_000):
            pods = range(first, min(tracked, first + 10_000))
            timeline.receive(*(firing(f"Old{pod % 100}", pod=str(pod)) for pod in pods))
            while not isinstance(timeline.send(), Rest):
                pass
        assert timeline.ledger() == {"accepted": tracked, "delivered": tracked}
        timeline.reload(policy(channel(group_by=("alertname",), throttle=Throttle(6, MINUTE, 3))))
        return timeline

    return make


def test_the_statements_are_as_many_with_a_hundred_thousand_alerts_tracked_as_with_a_thousand(
    tracking: Callable[[int], Timeline],
) -> None:
    counts = []
    for tracked in (1_000, 100_000):
        timeline = tracking(tracked)
        counts.append(len(live(timeline).statements))
        timeline.store.close()
    assert counts[0] == counts[1]
    assert counts[0] > 100


def test_no_statement_looks_through_a_whole_table(tracking: Callable[[int], Timeline]) -> None:
    timeline = tracking(2_000)
    watch = live(timeline)
    assert watch.scans == []
    timeline.store.close()
