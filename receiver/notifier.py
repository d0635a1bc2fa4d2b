"""What the receiver has to say of itself reaches the channels of ``notices``.

What has happened is gathered here and written to the store, which sees to it that of a kind at most one message in ten
minutes goes out. While the store itself fails, a notice of that goes past it, straight to the providers.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from receiver.core.content import NoticeKind
from receiver.core.policy import Policy
from receiver.redaction import scrub
from receiver.store.connect import StoreUnavailable, Tx
from receiver.store.notices import UNNAMED, lines
from receiver.store.writer import StoreFull, Writer
from receiver.transitions.due import heed
from receiver.transitions.notify import INTERVAL, notify

PAUSE_SECONDS = 5.0
"""Between two writes: whoever sends a thousand bad requests a second costs one row in that time."""

KINDS_OF_DETAIL = 50
"""Different things kept until the next write; beyond that they are counted, without saying which."""

LAST_SECONDS = 5.0
"""What is noted at the end of the process has this long to be written."""

TRANSACTION_FAILED = "a transaction failed"

REFUSALS = {
    "bad_http": "not HTTP as it should be (TLS, perhaps, where none is spoken)",
    "content_encoding": "compressed, or encoded otherwise (415)",
    "credential_in_url": "with a credential in the URL (400); change that credential",
    "disconnected": "broken off before its end",
    "internal_error": "an internal error of the receiver (503), see its log",
    "not_a_notification": "not a notification of Alertmanager or Grafana (400)",
    "store_full": "too much waits for the store already (503)",
    "store_unavailable": "the store can't commit (503)",
    "too_large": "larger than --web.max-body (413)",
    "too_many_alerts": "more alerts than one notification may hold (413)",
    "unauthorized": "without a token that is good for it (401, 403)",
    "wrong_path": "to a path or with a method that does not exist (404, 405)",
}
"""Why a request was refused, by the reasons of the metric."""

Happened = tuple[NoticeKind, str]


class Notifier:
    """Gathers, and hands on."""

    def __init__(
        self,
        writer: Writer,
        policy: Callable[[], Policy],
        wake: Callable[[Mapping[str, int]], None],
        say_directly: Callable[[NoticeKind, int, tuple[str, ...]], Awaitable[None]],
        clock: Callable[[], int],
        pause: float = PAUSE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``wake`` is told when channels have a notice due; ``say_directly`` sends one without the store.

        ``clock`` gives UTC milliseconds, ``monotonic`` seconds.
        """
        self._writer = writer
        self._policy = policy
        self._wake = wake
        self._say_directly = say_directly
        self._clock = clock
        self._pause = pause
        self._monotonic = monotonic
        self._happened: Counter[Happened] = Counter()
        self._news = asyncio.Event()
        self._said_directly_at: float | None = None

    def note(self, kind: NoticeKind, detail: str) -> None:
        """Something has happened; ``detail`` is one line, the same for what is alike. Credentials in it are removed."""
        self._happened[self._counted_as(kind, scrub(detail))] += 1
        self._news.set()

    def transaction_failed(self) -> None:
        """One of the writer's, also if it was ours."""
        self.note(NoticeKind.STORE_TROUBLE, TRANSACTION_FAILED)

    def refused(self, reason: str) -> None:
        """A request was refused that may have held alerts. What is the store's fault is that of a notice of its own."""
        kind = NoticeKind.STORE_TROUBLE if reason.startswith("store_") else NoticeKind.REFUSED
        self.note(kind, REFUSALS.get(reason, reason.replace("_", " ")))

    def unknown_channel(self, name: str) -> None:
        """A notification was addressed to a channel that does not exist."""
        self.note(NoticeKind.UNKNOWN_CHANNEL, f"/webhook/{name}")

    async def run(self) -> None:
        """Hand on what is noted, until cancelled, and then once more."""
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                await self.hand_on()
                await asyncio.sleep(self._pause)
        except asyncio.CancelledError:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await self.hand_on()
            raise

    async def hand_on(self) -> None:
        """Write what has gathered; where the store can't take it, say at least that."""
        happened, self._happened = self._happened, Counter()
        if not happened or not self._policy().notices:
            return
        try:
            self._wake(await self._writer.run(lambda tx: self._keep(tx, happened)))
        except (StoreUnavailable, StoreFull) as error:
            if isinstance(error, StoreUnavailable):
                # Noted with everybody's, but our own tries would add up as long as the store is down.
                self._happened -= Counter([self._counted_as(NoticeKind.STORE_TROUBLE, TRANSACTION_FAILED)])
            self._keep_for_later(happened)
            await self._say_that_the_store_fails(error)

    def _counted_as(self, kind: NoticeKind, detail: str) -> Happened:
        known = (kind, detail) in self._happened or len(self._happened) < KINDS_OF_DETAIL
        return kind, detail if known else UNNAMED

    def _keep_for_later(self, happened: Counter[Happened]) -> None:
        meanwhile, self._happened = self._happened, happened
        for (kind, detail), n in meanwhile.items():
            self._happened[self._counted_as(kind, detail)] += n
        self._news.set()

    def _keep(self, tx: Tx, happened: Counter[Happened]) -> dict[str, int]:
        due: dict[str, int] = {}
        policy, now = self._policy(), self._clock()
        for kind in NoticeKind:
            if details := _of(kind, happened):
                told_at = self._said_at(now) if kind is NoticeKind.STORE_TROUBLE else None
                heed(due, notify(tx, kind, sum(details.values()), details, policy, now, told_at))
        return due

    def _said_at(self, now: int) -> int | None:
        """When the store's trouble was last told past the store, by the clock whose time is ``now``."""
        if self._said_directly_at is None:
            return None
        return now - int((self._monotonic() - self._said_directly_at) * 1000)

    async def _say_that_the_store_fails(self, error: Exception) -> None:
        now = self._monotonic()
        if self._said_directly_at is not None and (now - self._said_directly_at) * 1000 < INTERVAL:
            return
        self._said_directly_at = now
        troubles = _of(NoticeKind.STORE_TROUBLE, self._happened)
        details = scrub(f"the store can't commit: {error}"), *lines(NoticeKind.STORE_TROUBLE, troubles)
        await self._say_directly(NoticeKind.STORE_TROUBLE, max(1, sum(troubles.values())), details)


def _of(kind: NoticeKind, happened: Counter[Happened]) -> dict[str, int]:
    """What has happened of this kind, and how often."""
    return {detail: n for (of, detail), n in happened.items() if of is kind}
