"""Slack over an incoming webhook.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks: the answer is a status and one word of text,
``ok`` or what was wrong. The webhook's URL is the credential: it is in no payload, no exception and no log.
"""

import json
import ssl
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

import aiohttp

from receiver.channels.base import COMMON_REASONS, DeliveryError, Receipt, misconfigured, transient
from receiver.core.content import Rendered
from receiver.core.retrying import Failure, FailureClass
from receiver.secret import Secret

BODY_LIMIT = 4096
"""Bytes read of an answer; Slack's are one word."""

# From the page above, "Handling errors"; the invalid_blocks kin and the lengths from practice (Block Kit validation).
WORDS = {
    "invalid_payload": FailureClass.REJECTED,
    "invalid_blocks": FailureClass.REJECTED,
    "invalid_blocks_format": FailureClass.REJECTED,
    "invalid_attachments": FailureClass.REJECTED,
    "too_many_attachments": FailureClass.REJECTED,
    "msg_too_long": FailureClass.REJECTED,
    "msg_blocks_too_long": FailureClass.REJECTED,
    "no_text": FailureClass.REJECTED,
    "missing_text_or_fallback_or_attachments": FailureClass.REJECTED,
    "no_service": FailureClass.MISCONFIGURED,
    "no_service_id": FailureClass.MISCONFIGURED,
    "no_active_hooks": FailureClass.MISCONFIGURED,
    "no_team": FailureClass.MISCONFIGURED,
    "team_disabled": FailureClass.MISCONFIGURED,
    "invalid_token": FailureClass.MISCONFIGURED,
    "channel_not_found": FailureClass.MISCONFIGURED,
    "channel_is_archived": FailureClass.MISCONFIGURED,
    "action_prohibited": FailureClass.MISCONFIGURED,
    "posting_to_general_channel_denied": FailureClass.MISCONFIGURED,
    "user_not_found": FailureClass.MISCONFIGURED,
    "rate_limited": FailureClass.TRANSIENT,
    "message_limit_exceeded": FailureClass.TRANSIENT,
    "rollup_error": FailureClass.TRANSIENT,
}

TRANSIENT_STATUS = frozenset({408, 425, 429})
REJECTED_STATUS = frozenset({400, 413, 422})

# A gateway that lost its answer does not know whether Slack took the request (RFC 9110, 15.6.3 and 15.6.5).
UNSURE_STATUS = frozenset({502, 504})

# No message can be made of this, and a webhook that does not work says so first.
PROBE = b"{}"
PROBE_REFUSED = frozenset({"no_text", "invalid_payload", "missing_text_or_fallback_or_attachments"})

REASONS = (
    COMMON_REASONS
    | frozenset(WORDS)
    | {
        "certificate_invalid",
        "connection_failed",
        "connection_lost",
        "connection_refused",
        "http_error",
        "invalid_reply",
        "name_not_resolved",
        "timeout",
        "tls_failed",
        "unexpected_body",
        "url_invalid",
    }
)


class SlackChannel:
    """Posts each message to an incoming webhook."""

    reasons = REASONS

    recipients: Sequence[str] = ()

    def __init__(self, name: str, *, webhook_url: Secret, timeout: float = 10.0) -> None:
        """Post to ``webhook_url``; ``timeout`` in seconds for the connection, and as long again for the answer."""
        self.name = name
        self._url = webhook_url
        self._timeout = aiohttp.ClientTimeout(total=2 * timeout, connect=timeout)
        self._session: aiohttp.ClientSession | None = None

    def build(self, rendered: Rendered, uid: str, at: int) -> bytes:
        """The webhook's JSON body, ASCII."""
        return json.dumps({"text": rendered.text, "blocks": rendered.blocks}).encode("ascii")

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        """Post exactly these bytes; raises DeliveryError unless Slack says ``ok``."""
        status, word, headers = await self._post(payload)
        if status == 200 and word == "ok":
            return Receipt(status)
        raise judge(status, word, headers)

    async def check(self) -> None:
        """Post what Slack refuses in a word of its own, and only for a webhook that works."""
        status, word, headers = await self._post(PROBE)
        taken = status == 200 and word == "ok"  # servers that only speak like Slack may take even this
        if not taken and word not in PROBE_REFUSED:
            raise judge(status, word, headers)

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, body: bytes) -> tuple[int, str, Mapping[str, str]]:
        try:
            async with self._open().post(
                self._url.reveal(),
                data=body,
                headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
                allow_redirects=False,  # a credential goes to the configured place alone
            ) as response:
                return response.status, await _word(response), response.headers.copy()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise judge_error(error) from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # On a kept connection that Slack had just closed, nobody could tell whether it took the message.
                connector=aiohttp.TCPConnector(force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                trust_env=False,
                auto_decompress=False,
            )
        return self._session


async def _word(response: aiohttp.ClientResponse) -> str:
    body = b""
    while len(body) < BODY_LIMIT and (chunk := await response.content.read(BODY_LIMIT - len(body))):
        body += chunk
    return body.decode("ascii", "replace").strip()


def judge(status: int, word: str, headers: Mapping[str, str]) -> DeliveryError:
    """What an answer other than 200 ``ok`` means: by its word if Slack documents it, else by its status."""
    if status == 200:
        # Whatever answered is not Slack, but it may pass messages on: so nothing but the same bytes again.
        return DeliveryError(Failure(FailureClass.MISCONFIGURED, "unexpected_body", status, may_be_taken=True))
    kind = WORDS.get(word) or _by_status(status)
    passes = kind is FailureClass.TRANSIENT
    return DeliveryError(
        Failure(
            kind,
            word if word in WORDS else "rate_limited" if status == 429 else "http_error",
            status,
            may_be_taken=passes and status in UNSURE_STATUS,
            retry_after=retry_after(headers) if passes else None,
        )
    )


def _by_status(status: int) -> FailureClass:
    if status in TRANSIENT_STATUS or status >= 500:
        return FailureClass.TRANSIENT
    return FailureClass.REJECTED if status in REJECTED_STATUS else FailureClass.MISCONFIGURED


def judge_error(error: Exception) -> DeliveryError:
    """What an error of the connection means; whatever happens once it stands may have come after Slack's yes."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return misconfigured("certificate_invalid")
        case aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return misconfigured("tls_failed")
        case aiohttp.ClientConnectorDNSError():
            return transient("name_not_resolved", unreachable=True)
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return transient("connection_refused", unreachable=True)
        case aiohttp.ClientConnectorError():
            return transient("connection_failed", unreachable=True)
        case aiohttp.ConnectionTimeoutError():
            return transient("timeout", unreachable=True)
        case aiohttp.InvalidURL():
            return misconfigured("url_invalid")
        case TimeoutError():
            return transient("timeout", may_be_taken=True)
        case aiohttp.ClientResponseError():
            return transient("invalid_reply", may_be_taken=True)
    return transient("connection_lost", may_be_taken=True)


def retry_after(headers: Mapping[str, str]) -> int | None:
    """``Retry-After`` in milliseconds, however long; None where it is missing or makes no sense.

    A date (RFC 9110, 10.2.3) counts from the answer's own ``Date``, so that nobody's clock needs to be right.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return int(value[:10]) * 1000
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError, OverflowError):
        return None
    return max(int(wait.total_seconds() * 1000), 0)
