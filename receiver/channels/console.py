"""The channel that prints: what ``alert-receiver`` does before anyone has configured it."""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO

from receiver.channels.base import COMMON_REASONS, Receipt, transient
from receiver.core.content import Rendered

REASONS = COMMON_REASONS | {"stream_closed"}

# Console channels share one output; their messages must not run into each other.
_turn = threading.Lock()


class ConsoleChannel:
    """Prints every message to a text stream."""

    reasons = REASONS

    recipients: Sequence[str] = ()

    def __init__(self, name: str, stream: TextIO) -> None:
        """Print to ``stream``, which stays the caller's to close."""
        self.name = name
        self._stream = stream

    def build(self, rendered: Rendered, uid: str, at: int, thread: str | None = None) -> bytes:
        """The subject and the text, UTF-8."""
        return f"{rendered.subject}\n\n{rendered.text.strip()}\n\n".encode()

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        """Write and flush; what the stream's encoding lacks is printed as a backslash escape."""
        encoding = self._stream.encoding or "utf-8"
        text = payload.decode().encode(encoding, "backslashreplace")
        try:
            await _on_a_daemon_thread(lambda: _print(self._stream, text, encoding))
        except (OSError, ValueError):  # a broken pipe; a closed stream
            raise transient("stream_closed") from None
        return Receipt()

    async def check(self) -> None:
        """There is nothing to connect to."""

    async def close(self) -> None:
        """Nothing is kept."""


def _print(stream: TextIO, text: bytes, encoding: str) -> None:
    with _turn:
        try:
            output = stream.fileno()
        except (OSError, ValueError):  # a stream in memory, or a closed one
            stream.write(text.decode(encoding))
            stream.flush()
            return
        # Past the stream's buffer: whoever is blocked in there holds a lock that the interpreter's end waits for.
        while text:
            text = text[os.write(output, text) :]


async def _on_a_daemon_thread(work: Callable[[], None]) -> None:
    """Await the work on a thread that may stay blocked for ever, as a pipe that nobody reads: no exit waits for it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: Exception | None) -> None:
        if done.done():  # cancelled meanwhile
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error = None
        try:
            work()
        except Exception as failed:
            error = failed
        # A loop that is closed has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="console", daemon=True).start()
    await done
