"""The loop in which time takes effect."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from receiver.core.retrying import Failure, FailureClass
from receiver.store import schema
from receiver.store.connect import StoreUnavailable
from receiver.store.writer import Writer
from receiver.sweeper import DEAD, Sweeper
from receiver.transitions.claim import Claimed
from receiver.transitions.sweep import Swept
from tests.timeline import HOUR, MINUTE, SECOND, START, Timeline, firing, policy, resolved


class Woken:
    """Keeps what the channels are told, and can be awaited."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[Mapping[str, int]] = asyncio.Queue()

    def __call__(self, due: Mapping[str, int]) -> None:
        self.calls.put_nowait(due)

    async def next(self) -> Mapping[str, int]:
        return await asyncio.wait_for(self.calls.get(), 20)


class StandIn:
    """A writer in whose transactions what the test says is swept; each may be held up."""

    def __init__(self, swept: Swept) -> None:
        self.swept = swept
        self.sweeps = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.began = asyncio.Event()

    async def run(self, _work: Callable[[Any], object]) -> Swept:
        self.sweeps += 1
        self.began.set()
        await self.may_end.wait()
        return self.swept


@asynccontextmanager
async def sweeping(writer: StandIn, woken: Woken) -> AsyncIterator[Sweeper]:
    """The sweeper at work, on a clock that stands still."""
    sweeper = Sweeper(writer, policy, woken, lambda: START)  # type: ignore[arg-type]  # all it needs of a writer
    task = asyncio.create_task(sweeper.run())
    try:
        yield sweeper
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_held_firing_opens_in_time_although_the_sweeper_had_nothing_to_wait_for(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "books.db", policy(reorder_window=10 * SECOND))
    timeline.receive(firing())
    timeline.now += MINUTE
    timeline.send()
    timeline.receive(resolved(ends_at=timeline.now))
    writer, woken = Writer(timeline.store), Woken()
    writer.start()
    sweeper = Sweeper(writer, lambda: timeline.policy, woken, lambda: timeline.now)
    task = asyncio.create_task(sweeper.run())
    assert await woken.next() == {}
    held_until = timeline.receive(firing(), url="http://am-2").held_until
    timeline.now += 10 * SECOND
    sweeper.wake(held_until)
    assert (await woken.next()).keys() == {"ops"}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    writer.stop()
    timeline.store.close()


async def test_a_store_that_refuses_is_swept_again_later(tmp_path: Path) -> None:
    class Refusing(Writer):
        refusals = 1

        async def run(self, work):  # type: ignore[no-untyped-def]  # as Writer's own
            if self.refusals:
                self.refusals -= 1
                raise StoreUnavailable("disk full")
            return await super().run(work)

    timeline = Timeline(tmp_path / "books.db")
    writer, woken = Refusing(timeline.store), Woken()
    writer.start()
    times = iter([START, START + SECOND])
    sweeper = Sweeper(writer, lambda: timeline.policy, woken, lambda: next(times, START + SECOND))
    task = asyncio.create_task(sweeper.run())
    assert await woken.next() == {}
    assert await woken.next() == {}
    with timeline.store.read() as tx:
        assert tx.scalar(select(func.max(schema.commit_probe.c.at))) == START + SECOND
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    writer.stop()
    timeline.store.close()


@pytest.mark.parametrize("at", [None, START + 60 * SECOND])
async def test_what_is_to_be_swept_later_wakes_nobody(tmp_path: Path, at: int | None) -> None:
    timeline = Timeline(tmp_path / "books.db")
    writer, woken = Writer(timeline.store), Woken()
    writer.start()
    sweeper = Sweeper(writer, lambda: timeline.policy, woken, lambda: timeline.now)
    task = asyncio.create_task(sweeper.run())
    await woken.next()
    sweeper.wake(at)
    sweeper.wake(START)
    assert await woken.next() == {}
    assert woken.calls.empty()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    writer.stop()
    timeline.store.close()


async def test_what_is_to_be_swept_now_and_is_said_during_a_sweep_is_swept_right_after_it() -> None:
    writer, woken = StandIn(Swept(None, {})), Woken()
    writer.may_end.clear()
    async with sweeping(writer, woken) as sweeper, asyncio.timeout(10):
        await writer.began.wait()
        sweeper.wake(START)
        writer.may_end.set()
        await woken.next()
        await woken.next()
    assert writer.sweeps == 2


async def test_what_is_to_be_swept_later_and_is_said_during_a_sweep_has_time() -> None:
    writer, woken = StandIn(Swept(None, {})), Woken()
    writer.may_end.clear()
    async with sweeping(writer, woken) as sweeper, asyncio.timeout(10):
        await writer.began.wait()
        sweeper.wake(START + 10 * SECOND)
        writer.may_end.set()
        await woken.next()
        assert writer.sweeps == 1
        sweeper.wake(START + 20 * SECOND)
        sweeper.wake(START + 5 * SECOND)
        await woken.next()
    assert writer.sweeps == 2


@pytest.mark.parametrize("next_at", [START - MINUTE, START, START + 1])
async def test_what_is_due_at_once_again_and_again_is_not_swept_without_a_pause(
    next_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.sweeper.SHORTEST_SLEEP", 100)
    writer, woken = StandIn(Swept(next_at, {})), Woken()
    async with sweeping(writer, woken), asyncio.timeout(10):
        await woken.next()
        begun = asyncio.get_running_loop().time()
        await woken.next()
        assert asyncio.get_running_loop().time() - begun >= 0.1


async def test_what_does_not_get_through_and_where_it_goes_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    swept = Swept(None, {}, copied={"ops": 3}, dead={"db": 2, "web": 1}, failed_over={"app": 4})
    woken = Woken()
    async with sweeping(StandIn(swept), woken):
        await woken.next()
    said = [
        (record.levelno, record.message, vars(record)["channel"], vars(record)["alerts"]) for record in caplog.records
    ]
    dead = "news that was over and older than retry_for is dead"
    assert sorted(said) == [
        (logging.WARNING, "news that does not get through goes to the fallback channel", "ops", 3),
        (logging.ERROR, dead, "db", 2),
        (logging.ERROR, dead, "web", 1),
        (logging.ERROR, "news that was over and older than retry_for is left to the fallback channel", "app", 4),
    ]


async def test_a_death_of_age_is_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    timeline = Timeline(tmp_path / "books.db")
    timeline.receive(firing())
    timeline.now += MINUTE
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.settle(timeline.fix(claimed), Failure(FailureClass.TRANSIENT, "connection_refused"))
    timeline.receive(resolved(ends_at=timeline.now))
    timeline.now += 25 * HOUR
    writer, woken = Writer(timeline.store), Woken()
    writer.start()
    task = asyncio.create_task(Sweeper(writer, lambda: timeline.policy, woken, lambda: timeline.now).run())
    await woken.next()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    writer.stop()
    assert timeline.ledger() == {"accepted": 2, "superseded": 1, "dead": 1}
    [said] = [vars(record) for record in caplog.records]
    assert (said["msg"], said["channel"], said["alerts"]) == (DEAD, "ops", 1)
    timeline.store.close()
