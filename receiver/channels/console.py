"""The channel that prints: what ``alert-receiver`` does before anyone has configured it."""

from collections.abc import Sequence
from typing import TextIO

from receiver.channels.base import Receipt, transient
from receiver.core.content import Rendered

REASONS = frozenset({"stream_closed"})


class ConsoleChannel:
    """Prints every message to a text stream."""

    reasons = REASONS

    recipients: Sequence[str] = ()

    def __init__(self, name: str, stream: TextIO) -> None:
        """Print to ``stream``, which stays the caller's to close."""
        self.name = name
        self._stream = stream

    def build(self, rendered: Rendered, uid: str, at: int) -> bytes:
        """The subject and the text, UTF-8."""
        return f"{rendered.subject}\n\n{rendered.text.strip()}\n\n".encode()

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        """Write and flush; what the stream's encoding lacks is printed as a backslash escape."""
        encoding = self._stream.encoding or "utf-8"
        try:
            self._stream.write(payload.decode().encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):  # a broken pipe; a closed stream
            raise transient("stream_closed") from None
        return Receipt()

    async def close(self) -> None:
        """Nothing is kept."""
