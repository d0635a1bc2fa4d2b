"""The loop of a channel that does as it is told, on a clock that leaps."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from receiver.channels.base import DeliveryError, Receipt
from receiver.core.content import Content, Rendered
from receiver.dispatch import Dispatcher, Outlet
from receiver.metrics import Metrics
from receiver.store.connect import Tx
from receiver.store.writer import Writer
from receiver.transitions.claim import Rest
from tests.timeline import SECOND, START, Timeline

T = TypeVar("T")


class Obedient:
    """A channel that answers each attempt as the test says, and remembers what it was given."""

    name = "ops"
    recipients: tuple[str, ...] = ()
    reasons = ("connection_refused", "recipients_refused", "timeout")

    def __init__(self, *answers: Receipt | DeliveryError) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[bytes, tuple[str, ...]]] = []
        self.attempted = asyncio.Event()

    def build(self, rendered: Rendered, uid: str, at: int, thread: str | None = None) -> bytes:
        return f"{uid}: {rendered.text}".encode()

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        self.sent.append((payload, tuple(recipients)))
        answer = self.answers.pop(0)
        if not self.answers:
            self.attempted.set()
        if isinstance(answer, DeliveryError):
            raise answer
        return answer

    async def check(self) -> None:
        pass

    async def close(self) -> None:
        pass


def named(content: Content) -> Rendered:
    return Rendered("subject", ", ".join(line.labels["alertname"] for line in content.lines))


class Clock:
    """A clock that leaps at each look, by a second if not told otherwise, so that no wait is long."""

    def __init__(self, leap: int = SECOND, begin: int = START) -> None:
        self.now = begin
        self.leap = leap

    def __call__(self) -> int:
        self.now += self.leap
        return self.now


class Patient(Writer):
    """A writer that knows how often the channel has been told to rest."""

    rests = 0
    _wanted = 0
    _rested: asyncio.Event

    async def run(self, work: Callable[[Tx], T]) -> T:
        """As the writer does."""
        result = await super().run(work)
        if isinstance(result, Rest):
            self.rests += 1
            if self.rests == self._wanted:
                self._rested.set()
        return result

    async def until_rested(self, times: int) -> None:
        """Wait until it has rested so many times more."""
        self._wanted, self._rested = self.rests + times, asyncio.Event()
        async with asyncio.timeout(10):
            await self._rested.wait()


@asynccontextmanager
async def resting(
    timeline: Timeline, obedient: Obedient, clock: Callable[[], int] | None = None
) -> AsyncIterator[tuple[Dispatcher, Patient, asyncio.Task[None]]]:
    """The channel's loop at work on the timeline's store, for a test that says itself when it has seen enough."""
    writer = Patient(timeline.store)
    writer.start()
    outlet = Outlet(obedient, named)
    leaping = clock or Clock(leap=100, begin=timeline.now)
    dispatcher = Dispatcher(outlet, writer, lambda: timeline.policy, Metrics(), leaping, jitter=lambda: 0.999)
    loop = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher, writer, loop
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        writer.stop()


@asynccontextmanager
async def dispatching(
    timeline: Timeline,
    obedient: Obedient,
    render: Callable[[Content], Rendered] = named,
    leap: int = SECOND,
    begin: int = START,
) -> AsyncIterator[Metrics]:
    """The channel's loop at work on the timeline's store, until its last answer is in the books."""
    writer, metrics = Writer(timeline.store), Metrics()
    writer.start()
    outlet = Outlet(obedient, render)
    dispatcher = Dispatcher(outlet, writer, lambda: timeline.policy, metrics, Clock(leap, begin), jitter=lambda: 0.999)
    loop = asyncio.create_task(dispatcher.run())
    try:
        await asyncio.wait_for(obedient.attempted.wait(), 20)
        dispatcher.stop()
        await asyncio.wait_for(loop, 20)
        yield metrics
    finally:
        loop.cancel()
        writer.stop()
