"""Pages people through Acme's HTTP API."""

import json
from collections.abc import Sequence
from typing import Annotated

import aiohttp
from msgspec import Meta

from receiver.extension import ChannelConfig, ChannelKind, Receipt, Rendered, Secret, misconfigured, rejected, transient

FAILURES = {
    "unreachable": ("Acme can't be reached", 'check "url", and that a firewall lets the receiver out'),
    "unanswered": ("Acme did not answer", "look at Acme's status page"),
    "unwell": ("Acme has trouble of its own", "look at Acme's status page"),
    "unknown_key": ("Acme does not know the API key", 'check "api_key" (or its _file or _env)'),
    "refused": ("Acme refused the page", "report it to acme-pager"),
}


class PagerConfig(ChannelConfig, kw_only=True, frozen=True, tag="pager"):
    """A pager of Acme."""

    api_key: Annotated[Secret, Meta(description="The API key. Better given by a file or variable.")]
    service: Annotated[str, Meta(min_length=1, description="Whose people are paged.", examples=["checkout"])]
    url: Annotated[
        str, Meta(pattern=r"^(https://|http://127\.0\.0\.1:)", description="Where Acme takes pages, over https.")
    ] = "https://api.acme.example/pages"


class Pager:
    recipients: Sequence[str] = ()
    reasons = frozenset(FAILURES)

    def __init__(self, config: PagerConfig) -> None:
        self.name = config.name
        self._config = config

    def build(self, rendered: Rendered, uid: str, at: int, thread: str | None = None) -> bytes:
        page = {"id": uid, "service": self._config.service, "title": rendered.subject, "text": rendered.text}
        return json.dumps(page).encode()

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        return Receipt(await self._ask("POST", payload))

    async def check(self) -> None:
        await self._ask("GET")

    async def close(self) -> None:
        pass

    async def _ask(self, method: str, body: bytes | None = None) -> int:
        headers = {"Authorization": f"Bearer {self._config.api_key.reveal()}"}
        try:
            async with (
                aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=10)) as session,
                session.request(method, self._config.url, data=body, allow_redirects=False) as answer,
            ):
                status = answer.status
        except aiohttp.ClientConnectorError:
            raise transient("unreachable", unreachable=True) from None
        except (aiohttp.ClientError, TimeoutError):
            raise transient("unanswered", may_be_taken=True) from None
        if status in (401, 403):
            raise misconfigured("unknown_key", status)
        if status == 429 or status >= 500:
            raise transient("unwell", status)
        if status >= 300:
            raise rejected("refused", status)
        return status


kind = ChannelKind(config=PagerConfig, channel=Pager, failures=FAILURES)
