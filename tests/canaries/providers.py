"""Providers that misbehave: they say back whatever credential they were given, in every answer and every encoding."""

import asyncio
import json
import re
from abc import ABC, abstractmethod
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.canaries.canary import Canary

SMTP_STAGES = ("banner", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", ".")
SMTP_WAYS = ("4xx", "5xx", "drop", "nonsense", "hang")
SLACK_WAYS = ("400", "403", "404", "410", "429", "500", "503", "200", "302", "drop", "nonsense", "hang")

_SMTP_YES = {"banner": 220, "EHLO": 250, "AUTH": 235, "MAIL": 250, "RCPT": 250, "DATA": 354, ".": 250, "QUIT": 221}
_SMTP_NO = {"4xx": 451, "5xx": 554}


@dataclass
class Provider(ABC):
    """Fails in this ``way``, or not at all if there is none; ``own`` is the credential that it is given.

    ``heard_secret`` is what came where that credential belongs, ``heard`` all else. ``reached`` is set once somebody
    has met the failure.
    """

    own: Canary
    way: str = ""
    heard: bytearray = field(default_factory=bytearray)
    heard_secret: bytearray = field(default_factory=bytearray)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    conversations: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._welcome, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Let go of every conversation, hanging ones too."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        self.conversations += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self.converse(reader, writer)
        self._open.discard(writer)
        writer.close()

    @abstractmethod
    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes."""

    async def fail(self, reader: asyncio.StreamReader) -> None:
        """Drop or hang, if that is the way to fail."""
        self.reached.set()
        if self.way == "drop":
            raise ConnectionError
        if self.way == "hang":
            while await reader.read(1024):
                pass
            raise ConnectionError


@dataclass
class EchoingMailServer(Provider):
    """Fails at one ``stage``. The AUTH exchange is where the password belongs."""

    stage: str = ""

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """SMTP, as far as a client needs it."""
        await self._answer("banner", reader, writer)
        while line := await reader.readline():
            verb = line.split()[0].decode().upper()
            heard = self.heard_secret if verb == "AUTH" else self.heard
            heard += line
            await self._answer(verb, reader, writer)
            if verb == "DATA" and self.stage != "DATA":
                self.heard += await reader.readuntil(b"\r\n.\r\n")
                await self._answer(".", reader, writer)

    async def _answer(self, stage: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        code = _SMTP_YES.get(stage, 502)
        if stage == self.stage:
            await self.fail(reader)
            code = _SMTP_NO.get(self.way, 0)
        writer.write(_reply(code, self.own.value, extension="AUTH PLAIN LOGIN" if stage == "EHLO" else "bye"))
        await writer.drain()


def _reply(code: int, password: str, extension: str) -> bytes:
    """The password raw, percent-encoded, in base64 alone and as AUTH PLAIN has it (RFC 4616); code 0 is no reply."""
    if not code:
        return f"{password}\r\n".encode()
    plain = b64encode(b"\0alerts\0" + password.encode()).decode()
    lines = [f"no {password}", quote(password, safe=""), b64encode(password.encode()).decode(), plain]
    return "".join([*(f"{code}-{line}\r\n" for line in lines), f"{code} {extension}\r\n"]).encode()


@dataclass
class EchoingSlack(Provider):
    """Answers every post with its URL in the body, the reason and the headers; a redirect goes ``elsewhere``.

    The URL belongs to the request's first line.
    """

    elsewhere: int = 0

    @property
    def url(self) -> str:
        """Where to post."""
        return f"http://127.0.0.1:{self.port}/services/{self.own.value}"

    def keys(self, folder: Path) -> dict[str, str]:
        """What a channel's configuration says of it; the credential is in a file in the folder."""
        (folder / f"webhook-{self.port}").write_text(self.url)
        return {"webhook_url_file": f"webhook-{self.port}"}

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        head = await self._head(reader)
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        self.heard += await reader.readexactly(int(length[1]) if length else 0)
        await self.fail(reader)
        writer.write(self._said())
        await writer.drain()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        self.heard_secret += await reader.readline()
        head = await reader.readuntil(b"\r\n\r\n")
        self.heard += head
        return head

    def _secret(self) -> str:
        return self.url

    def _yes(self) -> bytes:
        return b"ok"

    def _no(self) -> bytes:
        said = self._secret()
        return f"no_service {said} {quote(said, safe='')} {b64encode(said.encode()).decode()}".encode()

    def _said(self) -> bytes:
        said = self._secret()
        if self.way == "nonsense":
            return f"HTTP/9 {said}\r\n\r\n".encode()
        if not self.way:
            yes = self._yes()
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(yes), yes)
        body = self._no()
        head = (
            f"HTTP/1.1 {self.way} {said}\r\n"
            f"Location: http://127.0.0.1:{self.elsewhere}/services/{self.own.value}\r\n"
            f"Retry-After: {said}\r\nX-Debug: {said}\r\nSet-Cookie: hook={quote(said, safe='')}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


@dataclass
class EchoingBot(EchoingSlack):
    """Slack's Web API, which says the bot's token in every answer; that belongs to a header of the request."""

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self.port}/api/"

    def keys(self, folder: Path) -> dict[str, str]:
        """As for a webhook."""
        return {"bot_token_file": "bot", "channel": "#ops", "api_url": self.url}

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        for line in head.splitlines(keepends=True):
            place = self.heard_secret if line.lower().startswith(b"authorization:") else self.heard
            place += line
        return head

    def _secret(self) -> str:
        return self.own.value

    def _yes(self) -> bytes:
        return json.dumps({"ok": True, "channel": "C1", "ts": "17.4", "token": self.own.value}).encode()

    def _no(self) -> bytes:
        # A word that nobody knows.
        return json.dumps({"ok": False, "error": self.own.value, "needed": quote(self.own.value, safe="")}).encode()
