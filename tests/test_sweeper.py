"""The loop in which time takes effect."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import func, select

from receiver.store import schema
from receiver.store.connect import StoreUnavailable
from receiver.store.writer import Writer
from receiver.sweeper import Sweeper
from tests.timeline import MINUTE, SECOND, START, Timeline, firing, policy, resolved


class Woken:
    """Keeps what the channels are told, and can be awaited."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[Mapping[str, int]] = asyncio.Queue()

    def __call__(self, due: Mapping[str, int]) -> None:
        self.calls.put_nowait(due)

    async def next(self) -> Mapping[str, int]:
        return await asyncio.wait_for(self.calls.get(), 20)


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
