"""One loop per channel: claim → render → send → settle. A dead or slow channel delays no other."""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from receiver.channels.base import Channel, DeliveryError, Receipt
from receiver.core.content import Content, Incidents, Rendered
from receiver.core.policy import Policy
from receiver.core.retrying import Failure, FailureClass
from receiver.logs import unspoken
from receiver.messages import notice, plain
from receiver.metrics import Metrics
from receiver.reporting import facts, report
from receiver.store.connect import StoreUnavailable, Tx
from receiver.store.messages import Answer, State
from receiver.store.writer import StoreFull, Writer
from receiver.transitions.claim import Claimed, ClaimedNotice, Repeat, Rest, claim, fix, hasten
from receiver.transitions.settle import Attempt, Settled, settle

log = logging.getLogger(__name__)

# The wake event is a hint, this poll is the truth.
LONGEST_REST = 30_000
# While nobody answers at all, a look at the provider every so often, in milliseconds: short at first, then a twentieth
# of the time that has passed. It costs no message, and what waits goes out soon after the provider's return.
SHORTEST_LOOK = 3_000
LONGEST_LOOK = 30_000
LOOKS = 20
STORE_RETRY_SECONDS = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outlet:
    """A channel, and how its messages are rendered; ``close`` lets go of what rendering keeps."""

    channel: Channel
    render: Callable[[Content], Rendered]
    close: Callable[[], None] = lambda: None


class Dispatcher:
    """The loop of one channel."""

    def __init__(
        self,
        outlet: Outlet,
        writer: Writer,
        policy: Callable[[], Policy],
        metrics: Metrics,
        clock: Callable[[], int],
        jitter: Callable[[], float] = random.random,
        heed: Callable[[Settled], None] = lambda _settled: None,
    ) -> None:
        """``policy`` gives the policy in force, ``clock`` UTC milliseconds, ``jitter`` a number in [0, 1).

        ``heed`` is told what became of each attempt: other channels may have news due because of it.
        """
        self._outlet = outlet
        self._writer = writer
        self._policy = policy
        self._last_policy = policy()
        self._metrics = metrics
        self._clock = clock
        self._jitter = jitter
        self._heed = heed
        # On the loop's clock, which does not step back.
        self._unreachable_since: float | None = None
        self._looking_out: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._rest: Rest | None = None
        self.stopping = False

    @property
    def name(self) -> str:
        """The channel's name."""
        return self._outlet.channel.name

    def wake(self, due_at: int) -> None:
        """News becomes due at this instant: a hint not to sleep past it."""
        rest = self._rest
        if rest is None or (rest.heeds_news and (rest.until is None or due_at < rest.until)):
            self._news.set()

    def look_again(self) -> None:
        """End a rest, whatever it was for: what is due is another question now."""
        self._news.set()

    def stop(self) -> None:
        """Let the loop end after the attempt that is under way."""
        self.stopping = True
        self._news.set()

    async def run(self) -> None:
        """Send what is due until told to stop, and let go of the channel."""
        try:
            await self._run()
        finally:
            self._outlet.close()
            try:
                await self._end_look_out()
            finally:
                await self._outlet.channel.close()

    async def say(self, incidents: Incidents) -> None:
        """Send a notice past the store, once; what became of it is in the log alone."""
        channel = self._outlet.channel
        rendered = notice.about(incidents)
        said = {"channel": self.name, "kind": incidents.kind}
        try:
            await channel.send(channel.build(rendered, incidents.uid, incidents.composed_at), channel.recipients)
        except DeliveryError as error:
            log.error("a notice could not be sent", extra=said | {"reason": error.failure.reason})
        except Exception as error:
            log.error("sending a notice broke", extra=said | unspoken(error))
        else:
            log.info("a notice was sent without the store", extra=said)

    async def _run(self) -> None:
        while not self.stopping:
            self._news.clear()
            match await self._write(self._claim):
                case Rest() as rest:
                    await self._sleep(rest)
                case Claimed() | ClaimedNotice() as claimed:
                    if fixed := await self._fix(claimed):
                        await self._attempt(fixed)
                case Repeat() as repeat:
                    log.info("sending the same bytes again", extra=facts(self.name, repeat))
                    await self._attempt(repeat)

    def _claim(self, tx: Tx) -> Claimed | ClaimedNotice | Repeat | Rest:
        # It may have waited for the store since then, past the end of the policy that had this channel.
        if self.stopping:
            return Rest(None)
        return claim(tx, self.name, uuid.uuid4().hex, self._current_policy(), self._clock())

    def _current_policy(self) -> Policy:
        """The policy in force; the last one with this channel, where the channel is removed and an attempt ends."""
        policy = self._policy()
        if any(channel.name == self.name for channel in policy.channels):
            self._last_policy = policy
        return self._last_policy

    async def _fix(self, claimed: Claimed | ClaimedNotice) -> Repeat | None:
        """The message with its bytes; None where even the plainest form can't be built, to be tried again later."""
        channel = self._outlet.channel
        try:
            rendered, payload = await asyncio.to_thread(self._build, claimed)
        except Exception as error:
            said = {"channel": self.name} | unspoken(error)
            log.error("no message could be built, its alerts stay pending", extra=said)
            await self._sleep(Rest(self._clock() + LONGEST_REST, heeds_news=False))
            return None
        recipients = channel.recipients
        return await self._write(lambda tx: fix(tx, claimed, rendered.subject, payload, recipients))

    def _build(self, claimed: Claimed | ClaimedNotice) -> tuple[Rendered, bytes]:
        channel, at = self._outlet.channel, claimed.message.claimed_at
        if isinstance(claimed, ClaimedNotice):
            rendered = notice.about(claimed.incidents)
            return rendered, channel.build(rendered, claimed.incidents.uid, at)
        content = claimed.content
        if not claimed.plain:
            try:
                rendered = self._outlet.render(content)
                return rendered, channel.build(rendered, content.uid, at, content.thread)
            except Exception as error:
                # Whatever is wrong with one rendering, its alerts are told.
                said = {"channel": self.name} | unspoken(error)
                log.error("rendering failed, sending the plainest form", extra=said)
        rendered = plain.render(content, plain.REFUSED if claimed.plain else plain.BROKEN)
        return rendered, channel.build(rendered, content.uid, at, content.thread)

    async def _attempt(self, repeat: Repeat) -> None:
        # An attempt is a look as well.
        await self._end_look_out()
        channel, metrics = self._outlet.channel, self._metrics
        began_at, began = self._clock(), time.perf_counter()
        failure: Failure | None = None
        receipt = Receipt()
        try:
            receipt = await channel.send(repeat.payload, repeat.recipients)
        except DeliveryError as error:
            failure = error.failure
        except Exception as error:
            # A defect of ours or of a library must not end the loop; nobody knows how far the bytes got.
            log.error("sending broke", extra=facts(self.name, repeat) | unspoken(error))
            failure = Failure(FailureClass.TRANSIENT, "internal_error", may_be_taken=True)
        took = time.perf_counter() - began
        metrics.delivery_duration.labels(self.name).observe(took)
        metrics.attempts.labels(self.name, "failed" if failure else "taken").inc()
        attempt = Attempt(
            sent=repeat,
            began_at=began_at,
            took=int(took * 1000),
            answers={} if failure else _answers(repeat, receipt),
            code=receipt.code,
            thread=receipt.thread,
            failure=failure,
            jitter=self._jitter(),
        )
        settled = await self._write(lambda tx: settle(tx, attempt, self._current_policy(), self._clock()))
        self._note_reach(attempt)
        report(self.name, attempt, settled, metrics, self._clock())
        self._heed(settled)

    def _note_reach(self, attempt: Attempt) -> None:
        """Where nobody could be reached, look out, from when the attempt is in the books."""
        if attempt.failure is None or not attempt.failure.unreachable:
            self._unreachable_since = None
        # Recipients who said "later" are asked in their own time: there is nothing to hasten for them.
        elif attempt.sent.message.state is not State.PARTIAL:
            # Only an attempt ends this: where looks alone get through, they must not become frequent again.
            if self._unreachable_since is None:
                self._unreachable_since = asyncio.get_running_loop().time()
            looking = self._look_out(self._unreachable_since)
            self._looking_out = asyncio.create_task(looking, name=f"look out {self.name}")

    async def _sleep(self, rest: Rest) -> None:
        if rest.throttled:
            self._metrics.throttled.labels(self.name).inc()
            log.info("throttled, what is due waits for the next token", extra={"channel": self.name})
        wait = LONGEST_REST if rest.until is None else min(LONGEST_REST, rest.until - self._clock())
        if wait <= 0 or self.stopping:
            return
        self._rest = rest
        try:
            async with asyncio.timeout(wait / 1000):
                await self._news.wait()
        except TimeoutError:
            pass
        finally:
            self._rest = None

    async def _look_out(self, since: float) -> None:
        """See now and then whether anybody answers again: then what rests is tried at once, and that is all."""
        loop, answered = asyncio.get_running_loop(), False
        while not answered:
            away = 1_000 * (loop.time() - since)
            await asyncio.sleep(min(LONGEST_LOOK, max(SHORTEST_LOOK, away / LOOKS)) / 1000)
            answered = await self._check()
        log.info("the provider answers again", extra={"channel": self.name})
        await self._write(lambda tx: hasten(tx, self.name, self._clock()))
        self.look_again()

    async def _end_look_out(self) -> None:
        task, self._looking_out = self._looking_out, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                # Should it have broken, it does not do so in silence.
                task.result()

    async def _check(self) -> bool:
        try:
            await self._outlet.channel.check()
        except DeliveryError as error:
            return not error.failure.unreachable
        except Exception as error:
            log.error("checking broke", extra={"channel": self.name} | unspoken(error))
            return False
        return True

    async def _write(self, work: Callable[[Tx], T]) -> T:
        """Insist: what a provider has taken must reach the books, or it would be sent again."""
        while True:
            try:
                return await self._writer.run(work)
            except (StoreUnavailable, StoreFull) as error:
                log.error("the store refuses, trying again", extra={"channel": self.name, "error": str(error)})
                await asyncio.sleep(STORE_RETRY_SECONDS)


def _answers(repeat: Repeat, receipt: Receipt) -> dict[str, tuple[Answer, int | None]]:
    """Each recipient's answer; who was refused for now is asked again."""
    refusals = {refusal.address: refusal for refusal in receipt.refusals}
    answers: dict[str, tuple[Answer, int | None]] = {}
    for address in repeat.recipients:
        refusal = refusals.get(address)
        if refusal is None:
            answers[address] = (Answer.ACCEPTED, receipt.code)
        else:
            answers[address] = (Answer.REFUSED if refusal.final else Answer.AWAITED, refusal.code)
    return answers
