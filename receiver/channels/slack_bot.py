"""Slack through its Web API: a group is one message and its thread.

https://docs.slack.dev/apis/web-api/using-the-slack-web-api: a no comes with status 200, too, and in one word. The
bot's token is in a header alone: it is in no payload, no exception and no log.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from receiver.channels.base import COMMON_REASONS, DeliveryError, Receipt, misconfigured, rejected
from receiver.channels.slack_answers import REASONS as HTTP_REASONS
from receiver.channels.slack_answers import UNFURLING_NOTHING, Answer, Requests, parts, refusal, unexpected
from receiver.core.content import Rendered
from receiver.core.retrying import FailureClass
from receiver.secret import Secret

EDITS_PATIENCE = 5.0
"""Seconds for what a digest edits after it was posted, so that the end of the process does not leave it in doubt."""

BODY_LIMIT = 1 << 20
"""Bytes read of an answer; Slack's repeat the whole message."""

# The errors of https://docs.slack.dev/reference/methods/chat.postMessage, chat.update and auth.test; those of Block Kit
# and unknown_method from practice. Several words for one thing are one reason, see SAME.
WORDS = {
    "invalid_arguments": FailureClass.REJECTED,
    "invalid_attachments": FailureClass.REJECTED,
    "invalid_blocks": FailureClass.REJECTED,
    "invalid_blocks_format": FailureClass.REJECTED,
    "msg_blocks_too_long": FailureClass.REJECTED,
    "msg_too_long": FailureClass.REJECTED,
    "no_text": FailureClass.REJECTED,
    "too_many_attachments": FailureClass.REJECTED,
    "access_denied": FailureClass.MISCONFIGURED,
    "accesslimited": FailureClass.MISCONFIGURED,
    "account_inactive": FailureClass.MISCONFIGURED,
    "channel_not_found": FailureClass.MISCONFIGURED,
    "ekm_access_denied": FailureClass.MISCONFIGURED,
    "enterprise_is_restricted": FailureClass.MISCONFIGURED,
    "invalid_auth": FailureClass.MISCONFIGURED,
    "is_archived": FailureClass.MISCONFIGURED,
    "messages_tab_disabled": FailureClass.MISCONFIGURED,
    "method_deprecated": FailureClass.MISCONFIGURED,
    "missing_scope": FailureClass.MISCONFIGURED,
    "no_permission": FailureClass.MISCONFIGURED,
    "not_allowed_token_type": FailureClass.MISCONFIGURED,
    "not_authed": FailureClass.MISCONFIGURED,
    "not_in_channel": FailureClass.MISCONFIGURED,
    "org_login_required": FailureClass.MISCONFIGURED,
    "restricted_action": FailureClass.MISCONFIGURED,
    "restricted_action_read_only_channel": FailureClass.MISCONFIGURED,
    "restricted_action_thread_only_channel": FailureClass.MISCONFIGURED,
    "team_access_not_granted": FailureClass.MISCONFIGURED,
    "token_expired": FailureClass.MISCONFIGURED,
    "token_revoked": FailureClass.MISCONFIGURED,
    "two_factor_setup_required": FailureClass.MISCONFIGURED,
    "unknown_method": FailureClass.MISCONFIGURED,
    "external_channel_migrating": FailureClass.TRANSIENT,
    "fatal_error": FailureClass.TRANSIENT,
    "message_limit_exceeded": FailureClass.TRANSIENT,
    "rate_limited": FailureClass.TRANSIENT,
    "request_timeout": FailureClass.TRANSIENT,
    "service_unavailable": FailureClass.TRANSIENT,
    "team_added_to_org": FailureClass.TRANSIENT,
    "update_failed": FailureClass.TRANSIENT,
}

_MALFORMED = (
    "invalid_arg_name invalid_array_arg invalid_charset invalid_form_data invalid_json invalid_post_type "
    "json_not_object missing_post_type"
)
# Here internal_error is a defect of ours.
SAME = {
    "ratelimited": "rate_limited",
    "internal_error": "fatal_error",
    "deprecated_endpoint": "method_deprecated",
} | dict.fromkeys(_MALFORMED.split(), "invalid_arguments")

# "It's possible some aspect of the operation succeeded before the error was raised."
UNSURE = frozenset({"fatal_error"})

# Of chat.update: the thread's first message is not ours to edit, not any more, or not like this. In a channel that is
# gone there may be another of its name.
UNEDITABLE = frozenset(
    {
        "block_mismatch",
        "cant_update_message",
        "channel_not_found",
        "edit_window_closed",
        "is_inactive",
        "message_not_found",
        "streaming_state_conflict",
        "team_not_found",
    }
)

# Of chat.postMessage: it takes no reply. The last one is from practice.
UNANSWERABLE = frozenset(
    {
        "cannot_reply_to_message",
        "restricted_action_non_threadable_channel",
        "restricted_action_thread_locked",
        "thread_not_found",
    }
)

REASONS = COMMON_REASONS | HTTP_REASONS | frozenset(WORDS) | {"foreign_payload", "token_malformed", "unknown_error"}

_ID = re.compile(r"[A-Z0-9]{1,40}")
_TS = re.compile(r"[0-9]{1,20}\.[0-9]{1,20}")
_TOKEN = re.compile(r"[!-~]+")

# Any one of these is leave to write; all but the first are of legacy apps
# (https://docs.slack.dev/legacy/legacy-authentication/legacy-oauth-scopes).
_WRITING = frozenset({"chat:write", "chat:write:bot", "chat:write:user", "bot", "bot:basic"})

# Nothing in a text becomes a mention or a link by itself: what is meant as one is in Slack's own notation.
_LITERAL = {"parse": "none", "link_names": False}


class SlackBotChannel:
    """Posts as a bot: what begins a group's thread to the channel, what follows as replies that edit the beginning."""

    reasons = REASONS

    recipients: Sequence[str] = ()

    def __init__(self, name: str, *, bot_token: Secret, channel: str, api_url: str, timeout: float = 10.0) -> None:
        """Post to ``channel``, a name or an ID, through the Web API at ``api_url``, which ends with a slash.

        ``timeout`` in seconds for a connection, and as long again for the answer.
        """
        self.name = name
        self._token = bot_token
        self._channel = channel
        self._api_url = api_url
        self._requests = Requests(timeout)

    def build(self, rendered: Rendered, uid: str, at: int, thread: str | None = None) -> bytes:
        """What to post, as JSON in ASCII; in a thread of this Slack channel also how, and what to edit first."""
        payload: dict[str, object] = {"news": {**_message(rendered), **UNFURLING_NOTHING}}
        if found := self._find(thread):
            payload["thread"] = found
            payload["broadcast"] = not rendered.quiet
            if rendered.first is not None:
                payload["first"] = _message(rendered.first)
        edits = [{**_message(edited), **place} for of, edited in rendered.edits if (place := self._find(of))]
        if edits:
            payload["edits"] = edits
        return json.dumps(payload).encode("ascii")

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        """Edit the thread's first message, then reply to it; or post anew, where there is none that one can.

        The edit comes first because it can be repeated: after an error nothing has been posted, for sure. The reply
        may be, and then the same bytes make at worst a second one like it.
        """
        parts = _parts(payload)
        news, thread = {**parts["news"], "channel": self._channel}, parts.get("thread")
        if thread and ("first" not in parts or await self._edit(thread, parts["first"])):
            reply = {"thread_ts": thread["ts"], "reply_broadcast": parts["broadcast"]}
            answer = await self._call("chat.postMessage", news | reply)
            if _word(answer) not in UNANSWERABLE:
                return self._receipt(answer, thread["ts"])
        receipt = self._receipt(await self._call("chat.postMessage", news))
        await self._edit_others(parts.get("edits", ()))
        return receipt

    async def check(self) -> None:
        """Ask Slack whether it knows the bot, and whether it was given leave to write at all.

        Whether it may write to this Slack channel can't be seen without writing there: what tells a channel's members
        asks for more leave than ``chat:write``.
        """
        answer = await self._call("auth.test", {})
        if not _ok(answer):
            raise judge(answer)
        # https://docs.slack.dev/tools/node-slack-sdk/reference/web-api/interfaces/WebAPICallResult: "scopes"
        granted = {scope.strip() for scope in answer.headers.get("X-OAuth-Scopes", "").split(",")} - {""}
        if granted and not granted & _WRITING:
            raise misconfigured("missing_scope")

    async def close(self) -> None:
        """Close the session."""
        await self._requests.close()

    def _find(self, thread: str | None) -> dict[str, str] | None:
        """Where a thread's first message is; None for what is not of this form, or of another Slack channel."""
        match (thread or "").split("/"):
            case [self._channel, id_, ts] if _ID.fullmatch(id_) and _TS.fullmatch(ts):
                return {"channel": id_, "ts": ts}
        return None

    async def _edit(self, thread: Mapping[str, str], first: Mapping[str, object]) -> bool:
        """Whether the thread's first message looks like this now; False where one has to post anew.

        A word that we don't know counts as the latter, too: should it be about more than this message, the answer to
        the new one says so.
        """
        try:
            answer = await self._call("chat.update", {**first, **thread})
            if _ok(answer):
                return True
            word = _word(answer)
            if word in UNEDITABLE or (word and word not in WORDS and answer.status == 200):
                return False
            raise judge(answer)
        except DeliveryError as error:
            raise DeliveryError(replace(error.failure, may_be_taken=False)) from None

    async def _edit_others(self, edits: Sequence[Mapping[str, object]]) -> None:
        """Edit the first messages of threads that are over. The news has been posted: nothing of this may undo that."""
        with suppress(DeliveryError, TimeoutError):
            async with asyncio.timeout(EDITS_PATIENCE):
                for edit in edits:
                    # One that is gone is no reason not to try the next; trouble with Slack is.
                    if (await self._call("chat.update", edit)).status != 200:
                        return

    async def _call(self, method: str, arguments: Mapping[str, object]) -> Answer:
        token = self._token.reveal()
        if not _TOKEN.fullmatch(token):
            raise misconfigured("token_malformed")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=utf-8"}
        body = json.dumps(arguments).encode("ascii")
        return await self._requests.post(self._api_url + method, body, headers, BODY_LIMIT)

    def _receipt(self, answer: Answer, thread_ts: str | None = None) -> Receipt:
        """The thread that a message began; one that was meant as a reply may have.

        When a message is deleted, Slack takes the replies to it as messages of their own, and does not say so
        otherwise (https://github.com/slack-go/slack/issues/1571).
        """
        if not _ok(answer):
            raise judge(answer)
        said = _object(answer)
        message = said.get("message")
        begins = thread_ts is None or (isinstance(message, dict) and message.get("thread_ts") != thread_ts)
        match said:
            case {"channel": str(id_), "ts": str(ts)} if begins and _ID.fullmatch(id_) and _TS.fullmatch(ts):
                return Receipt(answer.status, thread=f"{self._channel}/{id_}/{ts}")
        return Receipt(answer.status)


def _message(rendered: Rendered) -> dict[str, object]:
    return {**parts(rendered), **_LITERAL}


def _parts(payload: bytes) -> dict[str, Any]:
    """What ``build`` put together: the news, perhaps a thread with its first message's new look, and other edits.

    Bytes that a channel of this name built before it was a bot's are refused, so that their alerts are told anew.
    """
    try:
        parts = json.loads(payload)
    except ValueError:
        parts = None
    match parts:
        case {"news": dict()}:
            return dict(parts)
    raise rejected("foreign_payload")


def _object(answer: Answer) -> Mapping[str, Any]:
    """The answer's JSON if it is of Slack's form (``ok`` and, if not, ``error``), else empty."""
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    match said:
        case {"ok": True} | {"ok": False, "error": str()}:
            return dict(said)
    return {}


def _ok(answer: Answer) -> bool:
    return answer.status == 200 and _object(answer).get("ok") is True


def _word(answer: Answer) -> str:
    """Slack's word for its no, empty where it is no such answer."""
    word = str(_object(answer).get("error", ""))
    return SAME.get(word, word)


def judge(answer: Answer) -> DeliveryError:
    """What a no means: by its word if Slack documents it, else by its status, which with Slack's own noes is 200.

    An unknown word counts as a no to this one message. Such a message goes once more in its plainest form and is given
    up only when others were taken since: should the word be about more, all of them stay pending.
    """
    word = _word(answer)
    if answer.status != 200:
        failure = refusal(answer, word, WORDS).failure
    elif not word:
        return unexpected(answer)
    elif word not in WORDS:
        return rejected("unknown_error")
    else:
        # To people, "HTTP 200" does not look like a failure.
        failure = replace(refusal(answer, word, WORDS).failure, code=None)
    return DeliveryError(replace(failure, may_be_taken=failure.may_be_taken or word in UNSURE))
