"""A real SMTP server on loopback, in the running loop, whose answers can be scripted stage by stage."""

import asyncio
import ssl
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, TLSSetupException

DROP = "<drop>"
"""A scripted answer: close the connection instead."""

HANG = "<hang>"
"""A scripted answer: never answer."""

SLOW = "<slow>"
"""A scripted answer after the final dot: take the mail, and never come round to saying so."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that the server took: its envelope, and its bytes as they were before dot-stuffing."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    encrypted: bool
    user: str | None


class SmtpServer:
    """Takes mail on ``127.0.0.1:port``.

    ``mails`` are those it took, ``transmitted`` all that came up to the final dot, ``connections`` and ``logins`` how
    many of them were tried. Stages to script: ``greeting``, ``EHLO``, ``STARTTLS``, ``AUTH``, ``MAIL``, ``RCPT``,
    ``DATA`` (the command), ``.`` (after the final dot).
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        credentials: tuple[str, str] | None = None,
    ) -> None:
        """Speak TLS from the start, or offer STARTTLS; require these credentials, if any."""
        self.tls = tls
        self.starttls = starttls
        self.credentials = credentials
        self.port = 0
        self.mails: list[Mail] = []
        self.transmitted: list[bytes] = []
        self.connections = 0
        self.logins = 0
        self.pace = 0.0
        self.open: set[_Conversation] = set()
        self._script: dict[str, deque[str]] = defaultdict(deque)
        self._standing: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on ``port``, or on any free one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Conversation(self), "127.0.0.1", port, ssl=self.tls, ssl_handshake_timeout=5 if self.tls else None
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the listening socket and every connection."""
        if self._server is not None:
            self._server.close()
            await self.drop_connections()
            await self._server.wait_closed()
            self._server = None

    async def drop_connections(self) -> None:
        """Close every connection, as a restarting server does, and wait until they are gone."""
        for conversation in list(self.open):
            conversation.abort()
        await self.wait_until(lambda: not self.open)

    def answer_next(self, stage: str, *answers: str) -> None:
        """Give these answers at the next times the stage is reached: a reply, DROP, HANG or SLOW."""
        self._script[stage].extend(answers)

    def answer_always(self, stage: str, answer: str) -> None:
        """Give this answer every time the stage is reached, where no other one comes next."""
        self._standing[stage] = answer

    def recover(self) -> None:
        """Answer everything as a sound server does."""
        self._script.clear()
        self._standing.clear()
        self._refused.clear()

    def refuse(self, recipient: str, reply: str) -> None:
        """Answer this recipient so, every time; DROP and HANG too."""
        self._refused[recipient] = reply

    async def wait_for(self, count: int) -> list[Mail]:
        """Return the mails once there are ``count`` of them; bound the wait with ``asyncio.timeout``."""
        await self.wait_until(lambda: len(self.mails) >= count)
        return self.mails

    async def wait_until(self, condition: Any) -> None:
        """Wait until something happened that makes the condition true."""
        async with self._changed:
            await self._changed.wait_for(condition)

    async def changed(self) -> None:
        """Wake up who waits."""
        async with self._changed:
            self._changed.notify_all()

    def recipient_reply(self, address: str) -> str | None:
        """The standing refusal of this recipient."""
        return self._refused.get(address)

    def next_answer(self, stage: str) -> str | None:
        """The scripted answer for this stage, used up by asking."""
        return self._script[stage].popleft() if self._script[stage] else self._standing.get(stage)


class _Conversation(SMTP):
    def __init__(self, server: SmtpServer) -> None:
        self.smtp_server = server
        super().__init__(
            self,
            hostname="mail.example.com",
            tls_context=server.starttls,
            require_starttls=server.starttls is not None,
            auth_required=server.credentials is not None,
            auth_require_tls=server.starttls is not None,
            auth_exclude_mechanism=() if server.credentials else ("LOGIN", "PLAIN"),
            authenticator=self._authenticate_with,
            loop=asyncio.get_running_loop(),
            timeout=60,
        )
        self._greeted = False
        self._wire: asyncio.WriteTransport | None = None

    def abort(self) -> None:
        if self._wire is not None:
            self._wire.abort()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self._wire is None:  # STARTTLS makes the connection a second time
            self._wire = transport
            self.smtp_server.open.add(self)
            self.smtp_server.connections += 1

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._gone()

    def _gone(self) -> None:
        self.smtp_server.open.discard(self)
        asyncio.get_running_loop().create_task(self.smtp_server.changed())

    async def push(self, status: Any) -> None:
        if not self._greeted:
            self._greeted = True
            status = await self._scripted("greeting") or status
        await super().push(status)

    async def _scripted(self, stage: str) -> str | None:
        return await self._acted(self.smtp_server.next_answer(stage))

    async def _acted(self, answer: str | None) -> str | None:
        if answer == DROP:
            self.abort()
        if answer in (DROP, HANG, SLOW):
            await asyncio.Event().wait()  # until the lost connection cancels this conversation
        return answer

    def _authenticate_with(self, server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> Any:
        wanted = self.smtp_server.credentials
        right = wanted is not None and (given.login.decode(), given.password.decode()) == wanted
        return AuthResult(success=right, handled=False, auth_data=given)

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802  # aiosmtpd names its methods so
        reply = await self._scripted("STARTTLS")
        if reply is not None:
            await self.push(reply)
            return
        with suppress(TLSSetupException):
            await super().smtp_STARTTLS(arg)
        if self._wire is None or self._wire.is_closing():
            # The client refused our certificate and left; aiosmtpd has lost its transport and would not notice.
            self._gone()
            raise asyncio.CancelledError

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        reply = await self._scripted("DATA")
        if reply is not None:
            await self.push(reply)
        else:
            await super().smtp_DATA(arg)

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        reply = await self._scripted("EHLO")
        session.host_name = hostname
        return [reply] if reply is not None else [line for line in responses if "AUTH" not in line or self._offers_auth]

    @property
    def _offers_auth(self) -> bool:
        return self.smtp_server.credentials is not None

    async def handle_AUTH(self, server: Any, session: Any, envelope: Any, args: Any) -> Any:  # noqa: N802
        self.smtp_server.logins += 1
        return await self._scripted("AUTH") or MISSING

    async def handle_MAIL(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> Any:
        return await self._scripted("MAIL") or MISSING

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> Any:
        await asyncio.sleep(self.smtp_server.pace)
        reply = await self._scripted("RCPT") or await self._acted(self.smtp_server.recipient_reply(address))
        return reply or MISSING

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.smtp_server.transmitted.append(envelope.original_content)
        await self.smtp_server.changed()
        answer = self.smtp_server.next_answer(".")
        if answer is None or answer == SLOW or answer.startswith("2"):
            user = session.auth_data.login.decode() if session.auth_data else None
            encrypted = session.ssl is not None or self.smtp_server.tls is not None
            mail = Mail(envelope.mail_from, tuple(envelope.rcpt_tos), envelope.original_content, encrypted, user)
            self.smtp_server.mails.append(mail)
            await self.smtp_server.changed()
        return await self._acted(answer) or "250 OK"
