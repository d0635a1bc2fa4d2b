"""Routes, and what every request has in common: its duration is measured, its errors are said plainly."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_urldispatcher import MatchInfoError, UrlMappingMatchInfo

from receiver.access import Scope
from receiver.logs import unspoken
from receiver.metrics import Metrics
from receiver.web.api import Api, said
from receiver.web.auth import SOURCE, Authority, Refusal
from receiver.web.management import Management
from receiver.web.paths import path_of
from receiver.web.webhook import RETRY_AFTER_SECONDS, Webhook

log = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST")
# What every answer says of who gives it: whoever looks for known holes learns no version.
SERVER = "alert-receiver"
WHERE_TO = "notifications go to POST /webhook or /webhook/{channel}"
PATH_SHOWN = 100
# What carries a body may have carried alerts.
NOTIFYING = ("POST", "PUT")
# Nobody sends notifications there, but whoever takes us for an Alertmanager sends alerts to the latter.
FOR_OPERATORS = ("/api/", "/-/")
OF_ALERTMANAGER = ("/api/v1/alerts", "/api/v2/alerts")
WEBHOOK_CODES = (200, 400, 413, 415, 503)
STORE_CODES = (200, 503)
NOT_ADMITTED_CODES = (400, 401, 403)
# The scope of what everybody may have.
FOR_ALL = None


class Complaints(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's log of conversations that broke: what went wrong, without the client's bytes and without a stack."""

    def process(self, msg: object, kwargs: MutableMapping[str, object]) -> tuple[object, MutableMapping[str, object]]:
        """Reduce the exception to its type."""
        error = kwargs.pop("exc_info", None)
        if isinstance(error, BaseException):
            kwargs["extra"] = {"error": type(error).__name__}
        return msg, kwargs


class _Astray(MatchInfoError):
    """No route of ours. aiohttp would answer what the request expects before our middlewares see it, and quote it."""

    @property
    def expect_handler(self) -> Callable[[web.Request], Awaitable[None]]:
        return _unasked


class _Router(web.UrlDispatcher):
    """aiohttp's router, with what is astray in our own hands."""

    async def resolve(self, request: web.Request) -> UrlMappingMatchInfo:
        found = await super().resolve(request)
        return found if found.http_exception is None else _Astray(found.http_exception)


class Route(NamedTuple):
    """What we answer at a path: the scope that it needs, and the codes that its handler answers."""

    method: str
    path: str
    handler: Handler
    scope: Scope | None
    codes: tuple[int, ...]


def application(
    webhook: Webhook,
    management: Management,
    api: Api,
    authority: Authority,
    metrics: Metrics,
    refused: Callable[[str], None],
    max_body: int,
) -> web.Application:
    """The aiohttp application; ``refused`` is told the reason of each refusal of what may have been an alert.

    Bodies over ``max_body`` bytes are refused.
    """
    routes = (
        Route("POST", "/webhook", webhook.post, Scope.WEBHOOK, WEBHOOK_CODES),
        Route("POST", "/webhook/{channel}", webhook.post, Scope.WEBHOOK, WEBHOOK_CODES),
        Route("GET", "/-/healthy", management.healthy, FOR_ALL, (200,)),
        Route("GET", "/-/ready", management.ready, FOR_ALL, STORE_CODES),
        Route("POST", "/-/reload", management.reload, Scope.ADMIN, (200, 500)),
        Route("GET", "/metrics", management.metrics, Scope.READ, STORE_CODES),
        Route("GET", "/api/v1/messages", api.messages, Scope.READ, (200, 400)),
        Route("POST", "/api/v1/messages/{id}/redeliver", api.redeliver, Scope.ADMIN, (200, 404, 409, 503)),
    )
    scopes: dict[web.AbstractRoute, Scope | None] = {}
    app = web.Application(
        client_max_size=max_body, middlewares=[_observed(metrics, refused), _admitted(authority, scopes, refused)]
    )
    # aiohttp has no public way to this; our tests tell if it moves.
    app._router = _Router()
    app.on_response_prepare.append(_sign)
    for route in routes:
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            added = app.router.add_route(method, route.path, route.handler, expect_handler=_unasked)
            scopes[added] = route.scope
            for code in route.codes + (() if route.scope is FOR_ALL else NOT_ADMITTED_CODES):
                metrics.request_duration.labels(route.path, method, code)
    return app


async def _sign(_request: web.Request, response: web.StreamResponse) -> None:
    _signed(response)


def _signed(response: web.StreamResponse) -> web.StreamResponse:
    response.headers["Server"] = SERVER
    return response


async def _unasked(_request: web.Request) -> None:
    """Ask for no body yet: nobody is admitted so far."""


def _admitted(
    authority: Authority, scopes: Mapping[web.AbstractRoute, Scope | None], refused: Callable[[str], None]
) -> Middleware:
    """Lets those through who have the route's scope; a route without an entry in ``scopes`` lets nobody through."""

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        astray = request.match_info.http_exception is not None
        scope = None if astray else scopes[request.match_info.route]
        try:
            if astray:
                authority.admit_astray(request)
            elif scope is not FOR_ALL:
                request[SOURCE] = authority.admit(request, scope)
        except Refusal as refusal:
            authority.note(refusal, request, path_of(request))
            if scope is Scope.WEBHOOK or (astray and _may_notify(request)):
                refused(refusal.rejection)
            return refusal.response()
        return await handler(request)

    return admit


class _Conversation(RequestHandler):
    """One connection. What is not HTTP is answered without the client's bytes, and counted."""

    def __init__(self, server: web.Server, refused: Callable[[str], None], **options: Any) -> None:
        super().__init__(server, **options)
        self._refused = refused

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status != 400:
            return _signed(super().handle_error(request, status, exc, message))
        self._refused("bad_http")
        # aiohttp's own line would be an error that says nothing, or of TLS where none is spoken, not even that.
        log.warning(
            "a request is not HTTP as it should be", extra={"error": type(exc).__name__, "peer": request.remote}
        )
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        answer = web.Response(status=400, text="not HTTP as it should be\n")
        answer.force_close()
        return _signed(answer)


class _Door(web.Server):
    """aiohttp's server, with conversations of our own."""

    def __init__(self, made: web.Server, refused: Callable[[str], None]) -> None:
        # aiohttp has no public way to this; our tests tell if it moves.
        self._made = made._kwargs
        self._refused = refused
        super().__init__(made.request_handler, request_factory=made.request_factory, loop=made._loop)

    def __call__(self) -> RequestHandler:
        return _Conversation(self, self._refused, loop=self._loop, **self._made)


class Runner(web.AppRunner):
    """Runs the application."""

    def __init__(self, app: web.Application, refused: Callable[[str], None], **options: Any) -> None:
        """Take aiohttp's own ``options``; ``refused`` as ``application`` has it."""
        super().__init__(app, **options)
        self._refused = refused

    async def _make_server(self) -> web.Server:
        return _Door(await super()._make_server(), self._refused)


def _observed(metrics: Metrics, refused: Callable[[str], None]) -> Middleware:
    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        response = await _answered(request, handler, refused)
        # Method and path are the sender's words; a label takes them only where they are ours too.
        method = request.method if request.method in METHODS else "other"
        path = path_of(request)
        metrics.request_duration.labels(path, method, response.status).observe(time.perf_counter() - began)
        return response

    return observe


async def _answered(request: web.Request, handler: Handler, refused: Callable[[str], None]) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        headers = _allowed(error)
        instead = f" (allowed: {headers['Allow']})" if headers else ""
        text = f"{error.reason.lower()}{instead}"
        if request.path.startswith("/api/") and _is_for_operators(request):
            return said(error.status, text, headers)
        if _may_notify(request):
            refused("wrong_path")
            log.warning(
                f"what may have been a notification was refused; {WHERE_TO}",
                extra={"code": error.status, "path": request.path[:PATH_SHOWN], "peer": request.remote},
            )
        # Alertmanager logs what it is answered, so that help is read there.
        hint = "" if _is_for_operators(request) else f"; {WHERE_TO}"
        return web.Response(status=error.status, text=f"{text}{hint}\n", headers=headers)
    except Exception as error:
        path = path_of(request)
        log.error("request failed", extra={"handler": path} | unspoken(error))
        if path.startswith("/webhook"):
            refused("internal_error")
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return web.Response(status=503, text="internal error, see the log\n", headers=headers)


def _may_notify(request: web.Request) -> bool:
    """Whether what has gone astray may have carried alerts."""
    return request.method in NOTIFYING and not _is_for_operators(request)


def _is_for_operators(request: web.Request) -> bool:
    return request.path.startswith(FOR_OPERATORS) and request.path not in OF_ALERTMANAGER


def _allowed(error: web.HTTPException) -> dict[str, str] | None:
    return {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
