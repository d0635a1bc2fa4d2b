"""``POST /webhook`` and ``/webhook/{channel}``: decode, accept, and only after the commit answer 200.

Alertmanager retries 5xx and connection errors only, so whatever is our fault is a 503 and never a 4xx or a 429.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import PayloadEncodingError

from receiver.core.alerts import Notification
from receiver.core.policy import Policy
from receiver.core.routing import addressed
from receiver.decode import NotANotification, TooManyAlerts, decode
from receiver.metrics import Metrics
from receiver.store.connect import StoreUnavailable
from receiver.store.writer import StoreFull, Writer
from receiver.transitions.accept import Accepted, accept
from receiver.web.auth import SOURCE
from receiver.web.paths import path_of

log = logging.getLogger(__name__)

# How much a log line says of what a sender got wrong.
NAME_SHOWN = 100
DEFECTS_SHOWN = 5

# Alertmanager tries again within its group_interval; a restart or a checkpoint takes less than this.
RETRY_AFTER_SECONDS = 5

# A body up to this size is read in a few milliseconds; a larger one must not keep the others waiting.
SMALL_BODY = 256 << 10
# All bodies that have come in and are not answered yet, together.
LEAST_ROOM = 256 << 20
ROOM_IN_LARGEST_BODIES = 4


class _Refused(Exception):
    """The request is answered with this."""

    def __init__(self, status: int, reason: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason


@dataclass(slots=True)
class _Held:
    """Bytes of one body that are held."""

    size: int = 0


class Webhook:
    """The handler of notifications."""

    def __init__(
        self,
        writer: Writer,
        policy: Callable[[], Policy],
        metrics: Metrics,
        refused: Callable[[str], None],
        unknown_channel: Callable[[str], None],
        wake: Callable[[Accepted], None],
        clock: Callable[[], int],
        max_body: int,
    ) -> None:
        """``policy`` gives the policy in force; ``max_body`` is in bytes.

        ``refused`` is told the reason of each refusal, ``unknown_channel`` each name that no channel has, ``wake`` what
        a commit has brought.
        """
        self._writer = writer
        self._policy = policy
        self._metrics = metrics
        self._refused = refused
        self._unknown_channel = unknown_channel
        self._wake = wake
        self._clock = clock
        self._max_body = max_body
        self._room = max(LEAST_ROOM, ROOM_IN_LARGEST_BODIES * max_body)
        # One object for all requests: consecutive ones merge into one transaction.
        self._accept = lambda tx, notifications: accept(tx, notifications, policy(), clock())

    async def post(self, request: web.Request) -> web.Response:
        """Take one notification on."""
        name = request.match_info.get("channel")
        try:
            with self._holding() as held:
                body = await self._body(request, held)
                notification = await self._decoded(body, request[SOURCE], name)
                if name is not None and addressed(self._policy(), name) is None:
                    self._note_unknown(name, request.remote)
                return await self._take(notification, request.remote)
        except _Refused as refused:
            return self._refuse(request, refused)

    def _note_unknown(self, name: str, peer: str | None) -> None:
        known = " ".join(channel.name for channel in self._policy().channels)
        log.warning(
            "a notification is for a channel that we don't have, it is routed normally; check the webhook's url",
            extra={"given": name[:NAME_SHOWN], "channels": known, "peer": peer},
        )
        self._unknown_channel(name[:NAME_SHOWN])

    @contextmanager
    def _holding(self) -> Iterator[_Held]:
        held = _Held()
        try:
            yield held
        finally:
            self._room += held.size

    async def _body(self, request: web.Request, held: _Held) -> bytes:
        """The body, its bytes counted as they come: a length may be missing."""
        if "Content-Encoding" in request.headers:
            raise _Refused(415, "content_encoding", "send the body without Content-Encoding")
        await _ask_for_body(request)
        body = bytearray()
        try:
            while chunk := await request.content.readany():
                held.size += len(chunk)
                self._room -= len(chunk)
                if held.size > self._max_body:
                    limit = f"the body is larger than {self._max_body} bytes: raise --web.max-body or set max_alerts"
                    raise _Refused(413, "too_large", limit)
                if self._room < 0:
                    raise _Refused(503, "store_full", "too many bytes of other notifications wait for the store")
                body += chunk
        except (ConnectionError, PayloadEncodingError, web.RequestPayloadError):
            raise _Refused(400, "disconnected", "the body broke off before its end") from None
        return bytes(body)

    async def _decoded(self, body: bytes, source: str, name: str | None) -> Notification:
        read = partial(decode, body, source=source, addressed_to=name, received_at=self._clock())
        try:
            return read() if len(body) <= SMALL_BODY else await asyncio.to_thread(read)
        except NotANotification as error:
            raise _Refused(400, "not_a_notification", f"not a notification: {error}") from None
        except TooManyAlerts as error:
            raise _Refused(413, "too_many_alerts", str(error)) from None

    async def _take(self, notification: Notification, peer: str | None) -> web.Response:
        try:
            accepted: Accepted = await self._writer.submit(
                self._accept, notification, weight=max(1, len(notification.alerts))
            )
        except StoreUnavailable as error:
            raise _Refused(503, "store_unavailable", f"the store can't commit: {error}") from None
        except StoreFull as error:
            raise _Refused(503, "store_full", f"too much waits for the store: {error}") from None
        self._metrics.notifications_received.labels(notification.source).inc()
        self._wake(accepted)
        for defect in [alert.defect for alert in notification.alerts if alert.defect][:DEFECTS_SHOWN]:
            facts = {"defect": defect, "peer": peer}
            log.warning("an alert can't be read as sent, it is told in a plain form", extra=facts)
        log.debug("accepted", extra={"events": accepted.events, "unrouted": accepted.unrouted})
        return web.Response(text="accepted\n")

    def _refuse(self, request: web.Request, refused: _Refused) -> web.Response:
        self._refused(refused.reason)
        what = {"code": refused.status, "reason": refused.reason, "detail": str(refused)}
        log.warning("notification refused", extra=what | {"path": path_of(request), "peer": request.remote})
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if refused.status == 503 else None
        return web.Response(status=refused.status, text=f"{refused}\n", headers=headers)


async def _ask_for_body(request: web.Request) -> None:
    """Who sends ``Expect: 100-continue`` keeps the body until it is asked for, RFC 9110, section 10.1.1."""
    if request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # This is no part of the answer.
        request.writer.output_size = 0
