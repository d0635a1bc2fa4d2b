"""A mail server of our own, on loopback, that keeps what it is sent."""

import asyncio
import email
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP


class MailServer:
    """The server. ``mails`` are those it took, in order; ``port`` is where it listens."""

    def __init__(self) -> None:
        """Make it; ``start`` lets it listen."""
        self.mails: list[EmailMessage] = []
        self.port = 0
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="mail.example.com", loop=loop, enable_SMTPUTF8=True), "127.0.0.1", 0
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening; who is connected hangs up by itself."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def wait_for(self, count: int) -> list[EmailMessage]:
        """Return the mails once there are ``count`` of them; bound the wait with ``asyncio.timeout``."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.mails) >= count)
        return self.mails

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Take a mail; aiosmtpd calls this after the final dot, and answers what it returns."""
        async with self._arrived:
            self.mails.append(email.message_from_bytes(envelope.content, policy=default))
            self._arrived.notify_all()
        return "250 OK"
