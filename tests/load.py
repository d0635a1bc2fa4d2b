"""Posts prepared bodies over kept connections, as fast as one process can: the measuring side of the bench."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import cast


class _Connection(asyncio.Protocol):
    """Posts the next request when the answer to the last one is complete."""

    def __init__(self, requests: Iterator[bytes], done: "asyncio.Future[None]", statuses: dict[int, int]) -> None:
        self._requests = requests
        self._done = done
        self._statuses = statuses
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, separator, body = self._answer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        if len(body) < length:
            return
        status = int(head.split(b" ", 2)[1])
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._answer = b""
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is not None:
            self._transport.write(request)
            return
        self._transport.close()
        if not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server closed the connection"))


def request(path: str, body: bytes) -> bytes:
    """A whole HTTP request that posts the body."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


async def post_all(port: int, bodies: Iterable[bytes], connections: int = 64) -> tuple[float, dict[int, int]]:
    """Post every body to ``/webhook`` on loopback; how many a second, and how often each status came."""
    loop = asyncio.get_running_loop()
    requests = iter([request("/webhook", body) for body in bodies])
    statuses: dict[int, int] = {}
    done = [loop.create_future() for _ in range(connections)]
    began = time.perf_counter()
    for future in done:
        await loop.create_connection(
            lambda future=future: _Connection(requests, future, statuses),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
    await asyncio.gather(*done)
    took = time.perf_counter() - began
    return sum(statuses.values()) / took, statuses
