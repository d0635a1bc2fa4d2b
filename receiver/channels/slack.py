"""Slack over an incoming webhook.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks: the answer is a status and one word of text,
``ok`` or what was wrong. The webhook's URL is the credential: it is in no payload, no exception and no log.
"""

import json
from collections.abc import Sequence

from receiver.channels.base import COMMON_REASONS, DeliveryError, Receipt
from receiver.channels.slack_answers import REASONS as HTTP_REASONS
from receiver.channels.slack_answers import UNFURLING_NOTHING, Answer, Requests, parts, refusal, unexpected
from receiver.core.content import Rendered
from receiver.core.retrying import FailureClass
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

# No message can be made of this, and a webhook that does not work says so first.
PROBE = b"{}"
PROBE_REFUSED = frozenset({"no_text", "invalid_payload", "missing_text_or_fallback_or_attachments"})

REASONS = COMMON_REASONS | HTTP_REASONS | frozenset(WORDS)


class SlackChannel:
    """Posts each message to an incoming webhook."""

    reasons = REASONS

    recipients: Sequence[str] = ()

    def __init__(self, name: str, *, webhook_url: Secret, timeout: float = 10.0) -> None:
        """Post to ``webhook_url``; ``timeout`` in seconds for the connection, and as long again for the answer."""
        self.name = name
        self._url = webhook_url
        self._requests = Requests(timeout)

    def build(self, rendered: Rendered, uid: str, at: int, thread: str | None = None) -> bytes:
        """The webhook's JSON body, ASCII."""
        return json.dumps({**parts(rendered), **UNFURLING_NOTHING}).encode("ascii")

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        """Post exactly these bytes; raises DeliveryError unless Slack says ``ok``."""
        answer = await self._post(payload)
        if _taken(answer):
            return Receipt(answer.status)
        raise judge(answer)

    async def check(self) -> None:
        """Post what Slack refuses in a word of its own, and only for a webhook that works."""
        answer = await self._post(PROBE)
        # Servers that only speak like Slack may take even this.
        if not _taken(answer) and _word(answer) not in PROBE_REFUSED:
            raise judge(answer)

    async def close(self) -> None:
        """Close the session."""
        await self._requests.close()

    async def _post(self, body: bytes) -> Answer:
        return await self._requests.post(self._url.reveal(), body, {"Content-Type": "application/json"}, BODY_LIMIT)


def _word(answer: Answer) -> str:
    return answer.body.decode("ascii", "replace").strip()


def _taken(answer: Answer) -> bool:
    return answer.status == 200 and _word(answer) == "ok"


def judge(answer: Answer) -> DeliveryError:
    """What an answer other than 200 ``ok`` means: by its word if Slack documents it, else by its status."""
    return unexpected(answer) if answer.status == 200 else refusal(answer, _word(answer), WORDS)
