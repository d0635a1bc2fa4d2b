"""Bearer tokens (RFC 6750): whether who asks may have what the path gives.

They come in the Authorization header alone. In a URL they would end up in logs, histories and referrers (RFC 6750,
section 2.3), so that a request with one there is refused even if the header is good: its sender must learn of it.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from hmac import compare_digest

from aiohttp import web

from receiver.access import Scope, Token
from receiver.metrics import Metrics
from receiver.web.admission import objection

log = logging.getLogger(__name__)

# Whose alerts the request brings.
SOURCE = web.RequestKey("source", str)
DEFAULT_SOURCE = "default"
# The name of the token that the request has; absent where none is needed.
HOLDER = web.RequestKey("holder", str)
# Names of query parameters that carry credentials, in lower case, without hyphens and underscores.
CREDENTIAL = re.compile("(access|api|auth|bearer|id)?(token|key)|auth(orization)?|bearer|credentials?|password|secret")
# Who sends without a token may send without end, and must not fill the disk by it.
LOG_EVERY_MS = 10_000

ELSEWHERE = "to allow it from elsewhere, configure a token with the scope admin (auth.tokens)"
USE_HEADER = (
    "a bearer token goes in the Authorization header (authorization.credentials_file; Alertmanager: in http_config)"
)


class Refusal(Exception):
    """The request is answered with this; ``text`` has nothing of the request. ``holder``: whose token it is."""

    def __init__(self, status: int, reason: str, text: str, holder: str | None = None) -> None:
        """``reason`` is one of the metrics'."""
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.holder = holder

    @property
    def rejection(self) -> str:
        """The reason why a notification was not taken, if it was one."""
        return "credential_in_url" if self.reason == "token_in_query" else "unauthorized"

    def response(self) -> web.Response:
        """What is answered."""
        # RFC 6750, section 3: the scheme must be followed by at least one parameter.
        headers = {"WWW-Authenticate": 'Bearer realm="alert-receiver"'} if self.status == 401 else None
        return web.Response(status=self.status, text=f"{self}\n", headers=headers)


class Authority:
    """Knows the tokens in force. Without any, all is open but what changes state: that is for this machine alone."""

    def __init__(self, tokens: Sequence[Token], metrics: Metrics, clock: Callable[[], int]) -> None:
        """Begin with ``tokens``; ``clock`` gives UTC milliseconds."""
        self._metrics = metrics
        self._clock = clock
        self._unsaid = Counter[str]()
        self._said_at: dict[str, int] = {}
        self.install(tokens)

    def install(self, tokens: Sequence[Token]) -> None:
        """From now on these are in force, and no others."""
        self._tokens = tuple(tokens)
        for token in tokens:
            self._metrics.add_source(token.source)

    def admit(self, request: web.Request, scope: Scope) -> str:
        """The source of who may have what needs the scope; notes the token's HOLDER; raises Refusal."""
        _refuse_credentials_in_query(request)
        if not self._tokens:
            if scope is Scope.ADMIN and (wrong := objection(request)):
                raise Refusal(403, "admission", f"{wrong}; {ELSEWHERE}")
            return DEFAULT_SOURCE
        token = self._token(request)
        if scope not in token.scopes:
            text = f"the token is known, but lacks the scope {scope}, which this needs"
            raise Refusal(403, "missing_scope", text, token.name)
        request[HOLDER] = token.name
        return token.source

    def admit_astray(self, request: web.Request) -> None:
        """Who has any token may learn that a path doesn't exist; raises Refusal."""
        _refuse_credentials_in_query(request)
        if self._tokens:
            self._token(request)

    def note(self, refusal: Refusal, request: web.Request, path: str) -> None:
        """Count the refusal; log it, unless one for the same reason was logged just now. ``path`` is ours."""
        reason = refusal.reason
        self._metrics.auth_failures.labels(reason).inc()
        self._unsaid[reason] += 1
        now, said_at = self._clock(), self._said_at.get(reason)
        # A clock that was set back must not silence the log.
        if said_at is not None and 0 <= now - said_at < LOG_EVERY_MS:
            return
        facts: dict[str, object] = {"code": refusal.status, "reason": reason, "path": path, "peer": request.remote}
        # Not as "token", whose value would be taken for one.
        facts |= {"holder": refusal.holder} if refusal.holder else {}
        log.warning("requests were refused", extra=facts | {"count": self._unsaid.pop(reason), "detail": str(refusal)})
        self._said_at[reason] = now

    def _token(self, request: web.Request) -> Token:
        """The token that the request has."""
        given = request.headers.getall("Authorization", [])
        if not given:
            raise Refusal(401, "missing", f"no token; {USE_HEADER}")
        # RFC 9110, section 11.1: the scheme in whatever case.
        scheme, _, presented = given[0].partition(" ")
        if len(given) > 1 or scheme.lower() != "bearer":
            raise Refusal(401, "not_bearer", f"not one bearer token; {USE_HEADER}")
        if not presented.strip():
            raise Refusal(401, "missing", "an empty token: look at what your credentials_file holds")
        if (token := self._accepted(presented.strip())) is None:
            raise Refusal(401, "unknown_token", "not a token that is accepted here")
        return token

    def _accepted(self, presented: str) -> Token | None:
        """Whose token it is. All are compared, as digests: the time that it takes tells nothing of any."""
        # aiohttp's way to keep header bytes that are not UTF-8.
        matches = partial(_is_digest_of, sha256(presented.encode(errors="surrogateescape")).digest())
        found = None
        for token in self._tokens:
            for value in token.values:
                if value.passes(matches):
                    found = token
        return found


def _is_digest_of(digest: bytes, value: str) -> bool:
    return compare_digest(digest, sha256(value.encode()).digest())


def _refuse_credentials_in_query(request: web.Request) -> None:
    for name in request.query:
        if CREDENTIAL.fullmatch(re.sub("[-_]", "", name.lower())):
            text = f"a credential in a URL ends up in logs, so change it; {USE_HEADER}"
            raise Refusal(400, "token_in_query", text)
