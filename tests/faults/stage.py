"""The real dispatcher between a real store and a real channel, on a clock that moves when told."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from receiver import logs
from receiver.dispatch import Dispatcher, Outlet
from receiver.metrics import Metrics
from receiver.store.connect import Tx
from receiver.store.writer import Writer
from receiver.transitions.settle import Settled
from tests.faults.providers import Provider
from tests.timeline import Timeline, channel, firing, policy

T = TypeVar("T")


class Watched(Writer):
    """A writer that tells when an attempt is in the books."""

    attempts = 0

    def watch(self) -> None:
        """Begin to tell."""
        self._settled = asyncio.Event()

    async def run(self, work: Callable[[Tx], T]) -> T:
        """As the writer does."""
        result = await super().run(work)
        if isinstance(result, Settled):
            self.attempts += 1
            self._settled.set()
        return result

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for an attempt after which the condition holds."""
        async with asyncio.timeout(10):
            while not condition():
                self._settled.clear()
                await self._settled.wait()


class Stage:
    """What a fault happens to."""

    def __init__(self, path: Path, provider: Provider, kind: str) -> None:
        """The books are at ``path``; the one channel, of this kind, is the provider's."""
        self.timeline = Timeline(path, policy(channel(group_wait=0, kind=kind)))
        self.metrics = Metrics()
        self.metrics.add_channel("ops", provider.channel.reasons)
        self.log = io.StringIO()
        logs.configure("info", "json", self.log)
        self._writer = Watched(self.timeline.store)
        self._writer.watch()
        self._dispatcher = Dispatcher(
            Outlet(provider.channel, provider.render),
            self._writer,
            lambda: self.timeline.policy,
            self.metrics,
            lambda: self.timeline.now,
            jitter=lambda: 0.0,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The channel's loop at work."""
        self._writer.start()
        loop = asyncio.create_task(self._dispatcher.run())
        try:
            yield
            self._dispatcher.stop()
            async with asyncio.timeout(10):
                await loop
        finally:
            loop.cancel()
            self._writer.stop()
            self.timeline.store.close()

    async def arrives(self, alertname: str) -> None:
        """An alert arrives, and is due at once."""
        await asyncio.to_thread(self.timeline.receive, firing(alertname))
        self._dispatcher.look_again()

    async def passes(self, wait: int) -> None:
        """So many milliseconds pass."""
        self.timeline.now += wait
        self._dispatcher.look_again()

    async def attempts(self, count: int) -> None:
        """Wait until so many attempts are in the books."""
        await self._writer.until(lambda: self._writer.attempts >= count)

    async def nothing_pending(self) -> None:
        """Wait until everything has its outcome."""
        await self._writer.until(lambda: not self.timeline.books().pending)

    def counted(self, name: str, **labels: str) -> float:
        """The value of a counter of the channel, or the sum over the labels that are not given."""
        samples = (sample for metric in self.metrics.registry.collect() for sample in metric.samples)
        wanted = {"channel": "ops"} | labels
        return sum(each.value for each in samples if each.name == name and wanted.items() <= each.labels.items())

    def facts(self) -> list[dict[str, object]]:
        """What we have logged, line by line."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if line["logger"].startswith("receiver.")]

    def events(self) -> list[tuple[object, object]]:
        """The level and the message of each of these lines."""
        return [(line["level"], line["msg"]) for line in self.facts()]


def logging_state() -> Callable[[], None]:
    """How to set logging back to what it is now."""
    root, ours = logging.getLogger(), logging.getLogger("receiver")
    handlers, levels, raises = root.handlers[:], (root.level, ours.level), logging.raiseExceptions

    def restore() -> None:
        root.handlers[:], logging.raiseExceptions = handlers, raises
        root.setLevel(levels[0])
        ours.setLevel(levels[1])

    return restore
