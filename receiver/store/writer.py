"""The one thread that writes. Requests that wait share a commit; one that fails harms no other."""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError

from receiver.store.connect import Store, StoreUnavailable, Tx, describe

log = logging.getLogger(__name__)

# Alerts that share a commit at most; a larger notification commits alone.
BATCH_WEIGHT = 500

Work = Callable[[Tx, Sequence[Any]], Sequence[Any]]
T = TypeVar("T")


class StoreFull(Exception):
    """More is waiting for its commit than the process will hold; the sender is to come again."""


@dataclass(slots=True)
class _Job:
    work: Work
    item: Any
    weight: int
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True)
class WriterWatch:
    """What an observer learns of the writer, called on its thread: commit durations (seconds) and errors by reason."""

    committed: Callable[[float], None] = field(default=lambda _seconds: None)
    failed: Callable[[str], None] = field(default=lambda _reason: None)


class Writer:
    """Runs work in transactions on its own thread.

    ``work(tx, items)`` gets the items of consecutive jobs with the same work, and returns a result for each.
    """

    def __init__(self, store: Store, watch: WriterWatch | None = None, capacity: int = 200_000) -> None:
        """``capacity`` bounds the weight (alerts) that waits for a commit."""
        self._store = store
        self._watch = watch or WriterWatch()
        self._capacity = capacity
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self.failing = False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def submit(self, work: Work, item: Any, weight: int = 1) -> Any:
        """The result of the work on this item, once it is committed; raises StoreUnavailable, StoreFull or its own."""
        if self._waiting + weight > self._capacity and self._waiting > 0:
            raise StoreFull(f"{self._waiting} alerts wait for their commit")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting += weight
        self._queue.put(_Job(work, item, weight, loop, future))
        try:
            return await future
        finally:
            self._waiting -= weight

    async def run(self, work: Callable[[Tx], T]) -> T:
        """The result of the work in a transaction that it may share, but not merge, with others."""
        result: T = await self.submit(lambda tx, _items: [work(tx)], None)
        return result

    def stop(self) -> None:
        """Commit what waits, then end the thread."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        for jobs in self._batches():
            error = self._commit(jobs)
            # What is wrong with the database is wrong for each of them, and alone each would wait for its lock.
            if error is None or len(jobs) == 1 or isinstance(error, OperationalError):
                _answer(jobs)
                continue
            for job in jobs:
                job.error = None
                self._commit([job])
                _answer([job])

    def _batches(self) -> Iterator[list[_Job]]:
        following: _Job | None = None
        while True:
            job = following or self._queue.get()
            following = None
            if job is None:
                return
            jobs, weight, ended = [job], job.weight, False
            while not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    ended = True
                    break
                if weight + following.weight > BATCH_WEIGHT:
                    break
                jobs.append(following)
                weight += following.weight
                following = None
            yield jobs
            if ended:
                return

    def _commit(self, jobs: Sequence[_Job]) -> Exception | None:
        """Commit the jobs together; what went wrong, if something did."""
        began = time.perf_counter()
        try:
            with self._store.write() as tx:
                for work, same in groupby(jobs, key=lambda job: job.work):
                    together = list(same)
                    for job, result in zip(together, work(tx, [job.item for job in together]), strict=True):
                        job.result = result
        except DBAPIError as error:
            self.failing = True
            self._watch.failed("database")
            self._fail(jobs, StoreUnavailable(describe(error)))
            return error
        except Exception as error:
            self._watch.failed("work")
            self._fail(jobs, error)
            return error
        self.failing = False
        self._watch.committed(time.perf_counter() - began)
        return None

    @staticmethod
    def _fail(jobs: Sequence[_Job], error: BaseException) -> None:
        for job in jobs:
            job.error = error


def _answer(jobs: Sequence[_Job]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, theirs in by_loop.items():
        # A loop that is closed has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, theirs)


def _resolve(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
