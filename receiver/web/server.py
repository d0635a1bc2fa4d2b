"""Routes, and what every request has in common: its duration is measured, its errors are said plainly."""

import logging
import time
from collections.abc import MutableMapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_protocol import RequestHandler

from receiver.metrics import Metrics
from receiver.web.management import Management
from receiver.web.webhook import RETRY_AFTER_SECONDS, Webhook

log = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST")
UNKNOWN_PATH = "other"
WHERE_TO = "notifications go to POST /webhook or /webhook/{channel}"
PATH_SHOWN = 100
# What carries a body may have carried alerts.
NOTIFYING = ("POST", "PUT")
WEBHOOK_CODES = (200, 400, 413, 415, 503)
STORE_CODES = (200, 503)


class Complaints(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's log of conversations that broke: what went wrong, without the client's bytes and without a stack."""

    def process(self, msg: object, kwargs: MutableMapping[str, object]) -> tuple[object, MutableMapping[str, object]]:
        """Reduce the exception to its type."""
        error = kwargs.pop("exc_info", None)
        if isinstance(error, BaseException):
            kwargs["extra"] = {"error": type(error).__name__}
        return msg, kwargs


def application(webhook: Webhook, management: Management, metrics: Metrics, max_body: int) -> web.Application:
    """The aiohttp application; bodies over ``max_body`` bytes are refused."""
    app = web.Application(client_max_size=max_body, middlewares=[_observed(metrics)])
    routes = (
        (app.router.add_post("/webhook", webhook.post), WEBHOOK_CODES),
        (app.router.add_post("/webhook/{channel}", webhook.post), WEBHOOK_CODES),
        (app.router.add_get("/-/healthy", management.healthy), (200,)),
        (app.router.add_get("/-/ready", management.ready), STORE_CODES),
        (app.router.add_post("/-/reload", management.reload), (200, 403, 500)),
        (app.router.add_get("/metrics", management.metrics), STORE_CODES),
    )
    for route, codes in routes:
        # A GET's resource answers HEAD too.
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            for code in codes:
                metrics.request_duration.labels(_path(route.resource), method, code)
    return app


class _Conversation(RequestHandler):
    """One connection. What is not HTTP is answered without the client's bytes, and counted."""

    def __init__(self, server: web.Server, metrics: Metrics, **options: Any) -> None:
        super().__init__(server, **options)
        self._metrics = metrics

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status == 400:
            self._metrics.notifications_rejected.labels("bad_http").inc()
            message = "not HTTP as it should be\n"
        return super().handle_error(request, status, exc, message)


class _Door(web.Server):
    """aiohttp's server, with conversations of our own."""

    def __init__(self, made: web.Server, metrics: Metrics) -> None:
        # aiohttp has no public way to this; our tests tell if it moves.
        self._made = made._kwargs
        self._metrics = metrics
        super().__init__(made.request_handler, request_factory=made.request_factory, loop=made._loop)

    def __call__(self) -> RequestHandler:
        return _Conversation(self, self._metrics, loop=self._loop, **self._made)


class Runner(web.AppRunner):
    """Runs the application."""

    def __init__(self, app: web.Application, metrics: Metrics, **options: Any) -> None:
        """Take aiohttp's own ``options``."""
        super().__init__(app, **options)
        self._metrics = metrics

    async def _make_server(self) -> web.Server:
        return _Door(await super()._make_server(), self._metrics)


def _observed(metrics: Metrics) -> Middleware:
    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        response = await _answered(request, handler, metrics)
        # Method and path are the sender's words; a label takes them only where they are ours too.
        method = request.method if request.method in METHODS else "other"
        path = _path(request.match_info.route.resource)
        metrics.request_duration.labels(path, method, response.status).observe(time.perf_counter() - began)
        return response

    return observe


async def _answered(request: web.Request, handler: Handler, metrics: Metrics) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        if request.method in NOTIFYING:
            metrics.notifications_rejected.labels("wrong_path").inc()
            log.warning(
                f"what may have been a notification was refused; {WHERE_TO}",
                extra={"code": error.status, "path": request.path[:PATH_SHOWN], "peer": request.remote},
            )
        # Alertmanager logs what it is answered, so that help is read there.
        headers = _allowed(error)
        instead = f" (allowed: {headers['Allow']})" if headers else ""
        text = f"{error.reason.lower()}{instead}; {WHERE_TO}\n"
        return web.Response(status=error.status, text=text, headers=headers)
    except Exception:
        path = _path(request.match_info.route.resource)
        log.exception("request failed", extra={"handler": path})
        if path.startswith("/webhook"):
            metrics.notifications_rejected.labels("internal_error").inc()
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return web.Response(status=503, text="internal error, see the log\n", headers=headers)


def _allowed(error: web.HTTPException) -> dict[str, str] | None:
    return {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None


def _path(resource: web.AbstractResource | None) -> str:
    return UNKNOWN_PATH if resource is None else resource.canonical
