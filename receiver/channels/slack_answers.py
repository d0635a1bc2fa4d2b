"""What both ways to Slack share: the parts of a message, one request at a time, what its answer or its error means."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from html import escape

import aiohttp

from receiver.channels.base import DeliveryError, misconfigured, transient
from receiver.core.content import Rendered
from receiver.core.retrying import Failure, FailureClass

TRANSIENT_STATUS = frozenset({408, 425, 429})
REJECTED_STATUS = frozenset({400, 413, 422})

# A gateway that lost its answer does not know whether Slack took the request (RFC 9110, 15.6.3 and 15.6.5).
UNSURE_STATUS = frozenset({502, 504})

REASONS = frozenset(
    {
        "certificate_invalid",
        "connection_failed",
        "connection_lost",
        "connection_refused",
        "http_error",
        "invalid_reply",
        "name_not_resolved",
        "rate_limited",
        "timeout",
        "tls_failed",
        "unexpected_body",
        "url_invalid",
    }
)


# Nobody's link makes Slack fetch a page and show what is there (https://docs.slack.dev/messaging/unfurling-links-in-messages).
UNFURLING_NOTHING = {"unfurl_links": False, "unfurl_media": False}


def parts(rendered: Rendered) -> dict[str, object]:
    """The message as Slack takes it. Beside blocks the text is for a phone's notification; it is text, not markup.

    All parts are there, be they empty: an edit keeps what it does not replace.
    """
    # These three characters are all that means anything (https://docs.slack.dev/messaging/formatting-message-text).
    text = escape(rendered.text, quote=False)
    return {"text": text, "blocks": rendered.blocks, "attachments": rendered.attachments}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; of the body no more than was asked for."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Requests:
    """Posts, each on a connection of its own."""

    def __init__(self, timeout: float) -> None:
        """``timeout`` in seconds for the connection, and as long again for the answer."""
        self._timeout = aiohttp.ClientTimeout(total=2 * timeout, connect=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], limit: int) -> Answer:
        """The answer, with at most ``limit`` bytes of its body; raises DeliveryError where none came."""
        try:
            async with self._open().post(
                url,
                data=body,
                headers={**headers, "Accept-Encoding": "identity"},
                allow_redirects=False,  # a credential goes to the configured place alone
            ) as response:
                return Answer(response.status, await _read(response, limit), response.headers.copy())
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise judge_error(error) from None

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

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


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = b""
    while len(body) < limit and (chunk := await response.content.read(limit - len(body))):
        body += chunk
    return body


def refusal(answer: Answer, word: str, words: Mapping[str, FailureClass]) -> DeliveryError:
    """What a no means: by its ``word``, where that is one of ``words``, else by its status."""
    kind = words.get(word) or _by_status(answer.status)
    passes = kind is FailureClass.TRANSIENT
    return DeliveryError(
        Failure(
            kind,
            word if word in words else "rate_limited" if answer.status == 429 else "http_error",
            answer.status,
            may_be_taken=passes and answer.status in UNSURE_STATUS,
            retry_after=retry_after(answer.headers) if passes else None,
        )
    )


def unexpected(answer: Answer) -> DeliveryError:
    """A 200 that Slack does not say. What did may pass messages on: so nothing but the same bytes again."""
    return DeliveryError(Failure(FailureClass.MISCONFIGURED, "unexpected_body", answer.status, may_be_taken=True))


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
