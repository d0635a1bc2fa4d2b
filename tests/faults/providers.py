"""The two providers on loopback, each with its real channel: broken as a row says, and whole again."""

import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import trustme

from receiver.channels.base import Channel
from receiver.channels.email import EmailChannel
from receiver.channels.slack import PROBE, SlackChannel
from receiver.core.content import Content, Rendered
from receiver.demo.slack_endpoint import Failing, SlackEndpoint
from receiver.messages import email, slack
from receiver.secret import Secret
from tests.faults.rows import (
    ELSEWHERE,
    EXPIRED,
    REFUSED,
    SELF_SIGNED,
    STRIPPED,
    TARPIT,
    UNRESOLVED,
    WRONG_HOST,
    Row,
)
from tests.smtp_server import DROP, HANG, SmtpServer

HOST = "provider.invalid"
USER, PASSWORD = "alerts", "hunter2hunter2"
RECIPIENTS = ("ann@example.org", "bob@example.org", "eve@example.org")
# Seconds; where the fault is not that an answer fails to come, no slow machine is to make it so.
LONG_PATIENCE, PATIENCE = 5.0, 0.4
PACE = 0.3


class Provider(Protocol):
    """What the matrix needs of a provider."""

    @property
    def recipients(self) -> Sequence[str]:
        """Who is to get a message."""

    @property
    def channel(self) -> Channel:
        """The real channel."""

    @property
    def render(self) -> Callable[[Content], Rendered]:
        """The real rendering."""

    async def start(self) -> None:
        """Listen, and make the channel."""

    async def fail(self, row: Row) -> None:
        """Fail in the row's way from now on."""

    async def recover(self) -> None:
        """Be sound from now on."""

    async def stop(self) -> None:
        """Let go of everything."""

    def arrived(self, row: Row) -> dict[str, list[bytes]]:
        """What the provider may have taken for each recipient, in order."""


@dataclass(slots=True)
class Names:
    """The resolver: ``provider.invalid`` is this machine, unless it is down. No other name exists."""

    down: bool = False

    def getaddrinfo(self, host: Any, port: Any, *options: Any, **more: Any) -> Any:
        """As in ``socket``."""
        if host not in (HOST, "127.0.0.1") or (host == HOST and self.down):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", int(port)))]


class Deaf:
    """Listens on a port with its queue full, so that whoever connects waits for ever."""

    def __init__(self, port: int) -> None:
        self._listening = socket.create_server(("127.0.0.1", port), backlog=0)
        self._filling = [socket.socket() for _ in range(4)]
        for each in self._filling:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))

    def close(self) -> None:
        """Free the port."""
        for each in (*self._filling, self._listening):
            each.close()


class Certificates:
    """An authority that the channel trusts, and certificates of it and of others."""

    def __init__(self, folder: Path) -> None:
        self._ca, self._folder = trustme.CA(), folder
        self.ca_file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)

    def context(self, fault: str = "") -> ssl.SSLContext:
        """A server's context with a certificate that has this fault."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if fault == SELF_SIGNED:
            own = trustme.CA()
            own.private_key_pem.write_to_path(self._folder / "own.pem")
            own.cert_pem.write_to_path(self._folder / "own.pem", append=True)
            context.load_cert_chain(self._folder / "own.pem")
            return context
        ends = datetime.now(UTC) - timedelta(days=1) if fault == EXPIRED else None
        name = "elsewhere.invalid" if fault == WRONG_HOST else HOST
        self._ca.issue_cert(name, not_after=ends).configure_cert(context)
        return context


class Mail:
    """A mail server that wants STARTTLS and a login, and a mail channel to three recipients."""

    recipients = RECIPIENTS
    render = staticmethod(email.render)

    def __init__(self, names: Names, certificates: Certificates, patience: float) -> None:
        self._names = names
        self._patience = patience
        self._certificates = certificates
        self._sound = certificates.context()
        self._deaf: Deaf | None = None
        self._port = 0
        self.server = SmtpServer(starttls=self._sound, credentials=(USER, PASSWORD))

    async def start(self) -> None:
        """Listen."""
        await self.server.start()
        self._port = self.server.port
        self.channel = EmailChannel(
            "ops",
            sender="Alerts <alerts@example.com>",
            recipients=RECIPIENTS,
            host=HOST,
            port=self._port,
            security="starttls",
            username=USER,
            password=Secret(PASSWORD),
            ca_file=self._certificates.ca_file,
            timeout=self._patience,
        )

    async def fail(self, row: Row) -> None:
        """Fail in the row's way from now on."""
        match row.at, row.answer:
            case "connect", fault:
                await self._disappear(fault)
            case "certificate", fault:
                self.server.starttls = self._certificates.context(fault)
            case _, fault if fault == STRIPPED:
                self.server.starttls = None
            case _, fault if fault == TARPIT:
                self.server.pace = PACE
            case "RCPT", answer if row.some:
                for address in RECIPIENTS[-row.some :]:
                    self.server.refuse(address, answer)
            case stage, answer:
                self.server.answer_always(stage, answer)

    async def _disappear(self, fault: str) -> None:
        self._names.down = fault == UNRESOLVED
        if fault in (REFUSED, HANG):
            await self.server.stop()
        if fault == HANG:
            self._deaf = Deaf(self._port)

    async def recover(self) -> None:
        """Be sound from now on."""
        self._names.down = False
        self.server.starttls = self._sound
        self.server.recover()
        self.server.pace = 0.0
        if self._deaf is not None:
            self._deaf.close()
            self._deaf = None
        await self.server.stop()
        await self.server.start(self._port)

    async def stop(self) -> None:
        """Let go of everything."""
        await self.server.stop()

    def arrived(self, row: Row) -> dict[str, list[bytes]]:
        """What the provider may have taken for each recipient, in order."""
        if row.copies:
            return dict.fromkeys(RECIPIENTS, self.server.transmitted)
        taken: dict[str, list[bytes]] = {}
        for mail in self.server.mails:
            for address in mail.recipients:
                taken.setdefault(address, []).append(mail.data)
        return taken


class Slack:
    """An incoming webhook, and a Slack channel."""

    recipients = ("the channel",)
    render = staticmethod(slack.render)

    def __init__(self, names: Names, certificates: Certificates, patience: float) -> None:
        self._names = names
        self._patience = patience
        self._deaf: Deaf | None = None
        self._port = 0
        self.endpoint = SlackEndpoint()
        self.elsewhere = SlackEndpoint()

    async def start(self) -> None:
        """Listen."""
        await self.endpoint.start()
        await self.elsewhere.start()
        url = self.endpoint.url.replace("127.0.0.1", HOST)
        self._port = int(url.split(":")[2].split("/")[0])
        self.channel = SlackChannel("ops", webhook_url=Secret(url), timeout=self._patience)

    async def fail(self, row: Row) -> None:
        """Fail in the row's way from now on."""
        if row.at == "connect":
            self._names.down = row.answer == UNRESOLVED
            if row.answer in (REFUSED, HANG):
                await self.endpoint.stop()
            if row.answer == HANG:
                self._deaf = Deaf(self._port)
        elif row.answer in (HANG, DROP):
            self.endpoint.failing = Failing(hang=row.answer == HANG, drop="after" if row.answer == DROP else "")
        else:
            status, _, word = row.answer.partition(" ")
            headers = {name: value.replace(ELSEWHERE, self.elsewhere.url) for name, value in row.headers.items()}
            self.endpoint.failing = Failing(int(status), word, headers)

    async def recover(self) -> None:
        """Be sound from now on."""
        self._names.down = False
        self.endpoint.failing = None
        if self._deaf is not None:
            self._deaf.close()
            self._deaf = None
        await self.endpoint.stop()
        await self.endpoint.start(port=self._port)

    async def stop(self) -> None:
        """Let go of everything."""
        await self.endpoint.stop()
        await self.elsewhere.stop()

    def arrived(self, row: Row) -> dict[str, list[bytes]]:
        """What the provider may have taken for each recipient, in order."""
        assert self.elsewhere.requests == 0, "a redirect was followed"
        bodies = self.endpoint.bodies if row.copies else [message.body for message in self.endpoint.messages]
        return {"the channel": [body for body in bodies if body != PROBE]}
