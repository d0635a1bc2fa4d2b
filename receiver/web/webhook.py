"""``POST /webhook`` and ``/webhook/{channel}``: decode, accept, and only after the commit answer 200.

Alertmanager retries 5xx and connection errors only, so whatever is our fault is a 503 and never a 4xx or a 429.
"""

import logging
from collections.abc import Callable, Mapping

from aiohttp import web

from receiver.core.alerts import Notification
from receiver.core.policy import Policy
from receiver.core.routing import addressed
from receiver.decode import NotANotification, decode
from receiver.metrics import Metrics
from receiver.store.connect import StoreUnavailable, Tx
from receiver.store.writer import StoreFull, Writer
from receiver.transitions.accept import Accepted, accept

log = logging.getLogger(__name__)

# Alertmanager tries again within its group_interval; a restart or a checkpoint takes less than this.
RETRY_AFTER_SECONDS = 5


class Webhook:
    """The handler of notifications."""

    def __init__(
        self,
        writer: Writer,
        policy: Policy,
        metrics: Metrics,
        wake: Callable[[Mapping[str, int]], None],
        clock: Callable[[], int],
        max_body: int,
    ) -> None:
        """``wake`` is told when each channel next has news due; ``max_body`` in bytes."""
        self._writer = writer
        self._policy = policy
        self._metrics = metrics
        self._wake = wake
        self._clock = clock
        self._max_body = max_body
        # One object for all requests: consecutive ones merge into one transaction.
        self._accept = lambda tx, notifications: _accept_all(tx, notifications, policy, clock)

    async def post(self, request: web.Request) -> web.Response:
        """Take one notification on."""
        if "Content-Encoding" in request.headers:
            return self._refuse(415, "content_encoding", "send the body without Content-Encoding")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            limit = f"the body is larger than {self._max_body} bytes: raise --web.max-body or set max_alerts"
            return self._refuse(413, "too_large", limit)
        name = request.match_info.get("channel")
        try:
            notification = decode(body, addressed_to=name, received_at=self._clock())
        except NotANotification as error:
            return self._refuse(400, "not_a_notification", f"not a notification: {error}")
        if name is not None and addressed(self._policy, name) is None:
            log.warning("a notification names no channel of ours, it is routed normally; check the webhook's url")
        return await self._take(notification)

    async def _take(self, notification: Notification) -> web.Response:
        try:
            accepted: Accepted = await self._writer.submit(
                self._accept, notification, weight=max(1, len(notification.alerts))
            )
        except StoreUnavailable as error:
            return self._refuse(503, "store_unavailable", f"the store can't commit: {error}")
        except StoreFull as error:
            return self._refuse(503, "store_full", f"too much waits for the store: {error}")
        self._metrics.notifications_received.labels(notification.source).inc()
        self._wake(accepted.due)
        log.debug("accepted", extra={"events": accepted.events, "unrouted": accepted.unrouted})
        return web.Response(text="accepted\n")

    def _refuse(self, status: int, reason: str, text: str) -> web.Response:
        self._metrics.notifications_rejected.labels(reason).inc()
        log.warning("notification refused", extra={"code": status, "reason": reason, "detail": text})
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else None
        return web.Response(status=status, text=f"{text}\n", headers=headers)


def _accept_all(tx: Tx, notifications: list[Notification], policy: Policy, clock: Callable[[], int]) -> list[Accepted]:
    return accept(tx, notifications, policy, clock())
