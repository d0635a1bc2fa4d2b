"""A Slack incoming-webhook endpoint of our own: the real one's answers, limits and bad days, on loopback."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from receiver.demo.block_kit import Refused, check

PATH = "/services/T00000000/B00000000/demo"

MESSAGES_PER_SECOND = 1
"""https://docs.slack.dev/apis/web-api/rate-limits: "Posting messages: 1 per second"; a refusal is a 429."""


@dataclass(frozen=True, slots=True)
class Message:
    """An accepted message; ``at`` is on the endpoint's clock, in seconds."""

    payload: Mapping[str, object]
    body: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Failing:
    """One scripted bad answer. ``hang`` never answers, ``drop`` closes the connection before or after reading."""

    status: int = 500
    body: str = "rollup_error"
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    drop: str = ""


class SlackEndpoint:
    """The endpoint. ``messages`` are those it accepted, in order.

    ``requests`` counts all that came, ``bodies`` are theirs as far as they were read. While there is a ``failing``, it
    is the answer to every request that has no scripted one.
    """

    def __init__(self, *, rate_limited: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        """Take one message a second if ``rate_limited``; ``clock`` gives seconds."""
        self.rate_limited = rate_limited
        self.messages: list[Message] = []
        self.requests = 0
        self.bodies: list[bytes] = []
        self.failing: Failing | None = None
        self.url = ""
        self._clock = clock
        self._script: deque[Failing] = deque()
        self._arrived = asyncio.Condition()
        self._released = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; ``url`` is where to post from now on."""
        self._released.clear()
        app = web.Application(client_max_size=2**22)
        app.router.add_post(PATH, self._receive)
        app.router.add_route("*", "/{path:.*}", _no_service)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        address = self._runner.addresses[0]
        self.url = f"http://{address[0]}:{address[1]}{PATH}"

    async def stop(self) -> None:
        """Stop listening and let go of every hanging request."""
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def wait_for(self, count: int) -> list[Message]:
        """Return the messages once there are ``count`` of them; bound the wait with ``asyncio.timeout``."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.messages) >= count)
        return self.messages

    def fail_next(
        self, status: int = 500, body: str = "rollup_error", headers: Mapping[str, str] | None = None, *, times: int = 1
    ) -> None:
        """Answer the next requests like this, whatever they hold."""
        self._script.extend([Failing(status, body, headers or {})] * times)

    def hang_next(self) -> None:
        """Accept the next message and never answer, until ``stop``."""
        self._script.append(Failing(hang=True))

    def drop_next(self, when: str = "after") -> None:
        """Close the connection of the next request ``before`` its body is read, or ``after`` accepting it."""
        self._script.append(Failing(drop=when))

    async def _receive(self, request: web.Request) -> web.Response:
        self.requests += 1
        failing = self._script.popleft() if self._script else self.failing
        if failing and failing.drop == "before":
            return _dropped(request)
        body = await request.read()
        self.bodies.append(body)
        if failing and not (failing.hang or failing.drop):
            return web.Response(status=failing.status, text=failing.body, headers=failing.headers)
        answer = await self._judged(body)
        if failing and failing.hang:
            await self._released.wait()
        return _dropped(request) if failing else answer

    async def _judged(self, body: bytes) -> web.Response:
        if self._too_soon():
            return web.Response(status=429, text="rate_limited", headers={"Retry-After": "1"})
        try:
            payload = accepted(body)
        except Refused as refused:
            return web.Response(status=400, text=str(refused))
        async with self._arrived:
            self.messages.append(Message(payload, body, self._clock()))
            self._arrived.notify_all()
        return web.Response(text="ok")

    def _too_soon(self) -> bool:
        return (
            self.rate_limited and bool(self.messages) and self._clock() - self.messages[-1].at < 1 / MESSAGES_PER_SECOND
        )


async def _no_service(request: web.Request) -> web.Response:
    return web.Response(status=404, text="no_service")


def _dropped(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def accepted(body: bytes) -> Mapping[str, object]:
    """The payload if Slack would take it; raises Refused with Slack's word."""
    try:
        payload = json.loads(body)
    except ValueError:
        raise Refused("invalid_payload") from None
    if not isinstance(payload, dict):
        raise Refused("invalid_payload")
    check(payload)
    return payload
