"""Where the bench's mails and Slack messages end: servers that only count, in a process of their own."""

import asyncio
import json
import re
import sys
import time
from typing import cast

import uvloop

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class Taken:
    """How many messages were taken, of how many bytes, and when the first and the last was."""

    def __init__(self) -> None:
        self.messages = self.size = 0
        self.first = self.last = 0.0

    def add(self, size: int) -> None:
        """Another message."""
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.messages += 1
        self.size += size


class Mail(asyncio.Protocol):
    """Says yes to every SMTP command and every mail."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._received = bytearray()
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = b"\r\n.\r\n" if self._in_data else b"\r\n"
        while (at := self._received.find(end)) >= 0:
            line = bytes(self._received[:at])
            del self._received[: at + len(end)]
            self._answer(line)
            end = b"\r\n.\r\n" if self._in_data else b"\r\n"

    def _answer(self, line: bytes) -> None:
        if self._in_data:
            self._in_data = False
            self._taken.add(len(line))
            self._transport.write(b"250 taken\r\n")
        elif (verb := line[:4].upper()) == b"DATA":
            self._in_data = True
            self._transport.write(b"354 go on\r\n")
        elif verb == b"QUIT":
            self._transport.write(b"221 bye\r\n")
            self._transport.close()
        else:
            self._transport.write(b"250 sink\r\n")


class Slack(asyncio.Protocol):
    """Answers ``ok`` to every POST, and to a GET with what was taken; connections are kept as the client wants."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = _LENGTH.search(head)
        if len(rest) < (size := int(length[1]) if length else 0):
            return
        self._received = rest[size:]
        if head.startswith(b"GET"):
            answer = json.dumps(vars(self._taken)).encode()
        else:
            self._taken.add(size)
            answer = b"ok"
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))
        if re.search(rb"(?i)\r\nconnection: *close", head):
            self._transport.close()


async def serve() -> None:
    """Listen, and say where: the mail server first, then the Slack endpoint, which also tells what was taken."""
    loop, taken = asyncio.get_running_loop(), Taken()
    mail = await loop.create_server(lambda: Mail(taken), "127.0.0.1", 0, backlog=4096)
    slack = await loop.create_server(lambda: Slack(taken), "127.0.0.1", 0, backlog=4096)
    ports = [one.sockets[0].getsockname()[1] for one in (mail, slack)]
    sys.stderr.write(f"smtp://127.0.0.1:{ports[0]} http://127.0.0.1:{ports[1]}\n")
    sys.stderr.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
