"""The loop in which time takes effect: sweep, tell the channels that it concerns, sleep until there is more to do."""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping

from receiver.core.policy import Policy
from receiver.store.connect import StoreUnavailable, Tx
from receiver.store.writer import StoreFull, Writer
from receiver.transitions.sweep import Swept, sweep

log = logging.getLogger(__name__)

# Often enough that a process which starts knows well how long there was none; the wake event is a hint, as ever.
LONGEST_SLEEP = 30_000
STORE_RETRY = 1_000
# What is due at once, again and again, is swept once a second: nobody waits that closely, and the store has other work.
SHORTEST_SLEEP = 1_000

COPIED = "news that does not get through goes to the fallback channel"
DEAD = "news that was over and older than retry_for is dead"
FAILED_OVER = "news that was over and older than retry_for is left to the fallback channel"


class Sweeper:
    """Sweeps, for ever."""

    def __init__(
        self,
        writer: Writer,
        policy: Callable[[], Policy],
        wake: Callable[[Mapping[str, int]], None],
        clock: Callable[[], int],
    ) -> None:
        """``wake`` is told when each channel next has news due; ``clock`` gives UTC milliseconds."""
        self._writer = writer
        self._policy = policy
        self._wake = wake
        self._clock = clock
        self._sooner = asyncio.Event()
        self._until = math.inf

    def wake(self, at: int | None) -> None:
        """There is something to sweep at this instant: a hint not to sleep past it."""
        if at is not None and at < self._until:
            self._until = at
            self._sooner.set()

    async def run(self) -> None:
        """Sweep, and sleep until there is something to sweep."""
        while True:
            # Whatever is asked for from here on may come too late for this sweep.
            self._until = math.inf
            try:
                swept = await self._writer.run(self._sweep)
            except (StoreUnavailable, StoreFull) as error:
                log.error("the store refuses, trying again", extra={"error": str(error)})
                swept = Swept(self._clock() + STORE_RETRY, {})
            _report(swept)
            self._wake(swept.due)
            if not swept.again:
                await self._sleep(swept.next_at)

    def _sweep(self, tx: Tx) -> Swept:
        return sweep(tx, self._policy(), self._clock())

    async def _sleep(self, next_at: int | None) -> None:
        now = self._clock()
        if next_at is not None:
            self._until = min(self._until, max(next_at, now + SHORTEST_SLEEP))
        self._until = min(self._until, now + LONGEST_SLEEP)
        self._sooner.clear()
        if self._until <= now:
            return
        try:
            async with asyncio.timeout((self._until - now) / 1000):
                await self._sooner.wait()
        except TimeoutError:
            pass


def _report(swept: Swept) -> None:
    """One line for each channel of what has left it because it does not get through."""
    for channel, alerts in swept.copied.items():
        log.warning(COPIED, extra={"channel": channel, "alerts": alerts})
    for channel, alerts in swept.failed_over.items():
        log.error(FAILED_OVER, extra={"channel": channel, "alerts": alerts})
    for channel, alerts in swept.dead.items():
        log.error(DEAD, extra={"channel": channel, "alerts": alerts})
