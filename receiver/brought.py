"""Channels that other packages bring: what they get wrong stays theirs, and harms no other channel."""

import asyncio
import logging
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace

import msgspec

from receiver.channels.base import COMMON_REASONS, Channel, DeliveryError, Receipt, misconfigured
from receiver.config.destinations import BroughtDestination
from receiver.core.content import Content, Rendered
from receiver.core.retrying import Failure
from receiver.dispatch import Outlet
from receiver.extension import ChannelKind
from receiver.logs import unspoken
from receiver.messages import console, failures

log = logging.getLogger(__name__)


LARGEST_CODE = 99_999
LONGEST_THREAD = 500
"""What a channel may leave with the books: a provider's code, and how it finds a message again, in characters."""

CLOSING = 10.0
"""Seconds for a channel to let go of what it keeps: nobody who ends or reloads waits longer for a goodbye."""

# A reason may be made of what the provider wrote.
_REASON = re.compile(r"[a-z0-9_]{1,60}")


class Defect(Exception):
    """A package did what no channel may do; the text, which is ours, says what."""


def outlet(destination: BroughtDestination) -> Outlet:
    """The channel of a destination, guarded, with its rendering; one that always fails, where none could be made."""
    name, package, kind = destination.name, destination.brought.package, destination.brought.kind
    words = {"internal_error": (f"a defect in the package {package} got in the way", f"tell the authors of {package}")}
    try:
        assert isinstance(kind, ChannelKind)
        words |= msgspec.convert(dict(kind.failures), dict[str, tuple[str, str]])
        with _within_bounds():
            made, render = Guarded(name, kind.channel(destination.settings), words), kind.render
    except Exception as error:
        log.error("no channel could be made", extra={"channel": name, "package": package} | unspoken(error))
        return Outlet(Unmade(name), console.render)
    finally:
        failures.learn(destination.brought.name, words)
    return Outlet(made, lambda content: _rendered(render, content))


def _rendered(render: Callable[[Content], Rendered], content: Content) -> Rendered:
    with _within_bounds():
        rendered = render(content)
    if not isinstance(rendered, Rendered):
        raise Defect("its rendering is no Rendered")
    # Labels may hold lone surrogates, which no database takes.
    return replace(rendered, subject=rendered.subject.encode(errors="replace").decode())


class Guarded:
    """A channel of another package: what comes from it is looked at before anybody relies on it."""

    def __init__(self, name: str, channel: Channel, reasons: Collection[str]) -> None:
        """Guard ``channel``, whose failures may have these ``reasons``; any other counts as a defect."""
        self.name = name
        self.reasons: Collection[str] = COMMON_REASONS | frozenset(reasons)
        self.recipients: Sequence[str] = msgspec.convert(tuple(channel.recipients), tuple[str, ...])
        "".join(self.recipients).encode()  # no lone surrogate, which no database takes
        self._channel = channel

    def build(self, rendered: Rendered, uid: str, at: int, thread: str | None = None) -> bytes:
        """The channel's bytes."""
        with _within_bounds():
            payload = self._channel.build(rendered, uid, at, thread)
        if not isinstance(payload, bytes):
            raise Defect("what it has built is no bytes")
        return payload

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        """Have the channel send."""
        with self._judging():
            receipt = await self._channel.send(payload, recipients)
        return _kept(msgspec.convert(asdict(receipt), Receipt))

    async def check(self) -> None:
        """Have the channel look whether it could send."""
        with self._judging():
            await self._channel.check()

    async def close(self) -> None:
        """Let go of the channel, however it takes it."""
        try:
            async with asyncio.timeout(CLOSING):
                with _within_bounds():
                    await self._channel.close()
        except Exception as error:
            log.error("closing a channel broke", extra={"channel": self.name} | unspoken(error))

    @contextmanager
    def _judging(self) -> Iterator[None]:
        try:
            with _within_bounds():
                yield
        except DeliveryError as error:
            failure = msgspec.convert(asdict(error.failure), Failure)
            if failure.reason not in self.reasons:
                reason = failure.reason if _REASON.fullmatch(failure.reason) else "malformed"
                said = {"channel": self.name, "reason": reason}
                log.error("a failure has a reason that its package has not named", extra=said)
                failure = replace(failure, reason="internal_error")
            raise DeliveryError(replace(failure, code=_code(failure.code))) from None


def _kept(receipt: Receipt) -> Receipt:
    """The receipt as the store can keep it."""
    thread = receipt.thread
    if thread is not None and not (thread.isascii() and len(thread) <= LONGEST_THREAD):
        thread = None
    refusals = tuple(replace(refusal, code=_code(refusal.code) or 0) for refusal in receipt.refusals)
    return Receipt(_code(receipt.code), refusals, thread)


def _code(code: int | None) -> int | None:
    return code if code is not None and 0 <= code <= LARGEST_CODE else None


class Unmade:
    """Stands where a package could make no channel of a configuration: everything stays pending, and people see it."""

    reasons = COMMON_REASONS
    recipients: Sequence[str] = ()

    def __init__(self, name: str) -> None:
        """Fail under this name."""
        self.name = name

    def build(self, rendered: Rendered, uid: str, at: int, thread: str | None = None) -> bytes:
        """Something, which is never sent."""
        return rendered.text.encode(errors="replace")

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        """Fail."""
        raise misconfigured("internal_error")

    async def check(self) -> None:
        """Fail."""
        raise misconfigured("internal_error")

    async def close(self) -> None:
        """Nothing is kept."""


@contextmanager
def _within_bounds() -> Iterator[None]:
    """A package may neither end the process, nor cancel a task that nobody wants to end."""
    try:
        yield
    except SystemExit:
        raise Defect("it tried to end the process") from None
    except asyncio.CancelledError:
        if _is_being_cancelled():
            raise
        raise Defect("it was cancelled by itself") from None


def _is_being_cancelled() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # messages are built on a thread
        return False
    return task is not None and task.cancelling() > 0
