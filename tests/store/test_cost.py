"""The cost of a step grows with what is due or received, never with what is tracked."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

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


class Watch:
    """The statements of a timeline's writes, and those of their plans that look through a whole table."""

    def __init__(self, timeline: Timeline) -> None:
        self.statements: list[str] = []
        self.scans: list[str] = []
        for engine in (timeline.store._engine, timeline.store._readers):
            event.listen(engine, "before_cursor_execute", self._look)

    def _look(self, connection: Connection, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        self.statements.append(statement)
        if statement.startswith(("PRAGMA", "BEGIN")):
            return
        assert connection.connection.driver_connection is not None
        one = parameters[0] if isinstance(parameters, list) else parameters
        plan = connection.connection.driver_connection.execute(f"EXPLAIN QUERY PLAN {statement}", one).fetchall()
        for *_, step in plan:
            what, name, *how = step.split()
            if what == "SCAN" and name not in (*SMALL, "CONSTANT") and not set(how) & set(PARTIAL):
                self.scans.append(f"{step}: {statement}")


def live(timeline: Timeline) -> Watch:
    """Everything that happens to alerts, once each: news, repeats, resolves, a claim, a scrape, a delivery."""
    watch = Watch(timeline)
    for alerts in (
        [firing("Fresh", pod=str(n)) for n in range(20)],
        [firing("Fresh", pod=str(n)) for n in range(20)],
        [resolved("Fresh", pod=str(n)) for n in range(10)],
    ):
        timeline.receive(*alerts)
    timeline.now += MINUTE
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.books()
    timeline.settle(timeline.fix(claimed))
    assert isinstance(timeline.claim(), Rest)
    return watch


@pytest.fixture
def tracking(tmp_path: Path) -> Callable[[int], Timeline]:
    """Makes a timeline that tracks so many alerts, all told."""

    def make(tracked: int) -> Timeline:
        timeline = Timeline(tmp_path / f"{tracked}.db", policy(channel(group_by=("alertname",), group_interval=0)))
        for first in range(0, tracked, 5_000):
            pods = range(first, min(tracked, first + 5_000))
            timeline.receive(*(firing(f"Old{pod % 100}", pod=str(pod)) for pod in pods))
            timeline.now += MINUTE * 60
            while not isinstance(timeline.send(), Rest):
                timeline.now += MINUTE
        return timeline

    return make


def test_the_statements_are_as_many_with_twenty_thousand_alerts_tracked_as_with_two_hundred(
    tracking: Callable[[int], Timeline],
) -> None:
    few, many = tracking(200), tracking(20_000)
    assert len(live(few).statements) == len(live(many).statements)
    few.store.close()
    many.store.close()


def test_no_statement_looks_through_a_whole_table(tracking: Callable[[int], Timeline]) -> None:
    timeline = tracking(2_000)
    watch = live(timeline)
    assert len(watch.statements) > 30
    assert watch.scans == []
    timeline.store.close()
