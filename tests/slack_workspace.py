"""A Slack workspace that keeps state as the real one does, behind its Web API on loopback.

Nothing here is shared with the channel that it checks. Each rule has its source, ``docs`` being https://docs.slack.dev.
"""

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from receiver.demo.block_kit import Refused, check

TOKEN = "xoxb-0000-token-of-the-bot"
BOT, PERSON = "U0BOT", "U0PERSON"

# docs/apis/web-api/rate-limits: "Posting messages: 1 per second" per channel; chat.update is of Tier 3, 50 a minute.
POSTS_PER_SECOND = 1
UPDATES_PER_MINUTE = 50

_PARTS = ("text", "blocks", "attachments")


@dataclass
class Place:
    """A Slack channel; the bot may write there as its member."""

    id: str
    name: str
    archived: bool = False
    member: bool = True


@dataclass
class Message:
    """What was posted; ``author`` is a user's ID, ``at`` is on the workspace's clock, in seconds."""

    ts: str
    place: Place
    content: dict[str, Any]
    at: float
    author: str = BOT
    thread_ts: str | None = None
    broadcast: bool = False
    deleted: bool = False
    locked: bool = False
    edits: int = 0

    @property
    def text(self) -> str:
        """The text; Slack leaves this one in place of a deleted message that has replies."""
        return "This message was deleted." if self.deleted else str(self.content["text"])


@dataclass(frozen=True, slots=True)
class Failing:
    """One scripted answer, instead of the call or, with ``after``, once it was made. A ``word`` makes Slack's JSON.

    ``hang`` never answers, ``drop`` closes the connection.
    """

    word: str = ""
    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    drop: bool = False
    after: bool = False


class No(Exception):
    """Slack's no, one word."""


class TooMany(Exception):
    """A rate limit: how many seconds to wait."""


class Workspace:
    """The workspace. ``calls`` are all that came, as (method, arguments)."""

    def __init__(
        self,
        *,
        edit_window: float | None = None,
        rate_limited: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Messages can be edited for ``edit_window`` seconds, or always; ``clock`` gives seconds."""
        self.places = [Place("C0OPS", "ops"), Place("C0DEV", "dev")]
        self.messages: list[Message] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.edit_window = edit_window
        self.rate_limited = rate_limited
        self.revoked = False
        self.scopes = ["chat:write"]
        self.url = ""
        self._clock = clock
        self._script: dict[str, deque[Failing]] = defaultdict(deque)
        self._recent: dict[str, deque[float]] = defaultdict(deque)
        self._changed = asyncio.Condition()
        self._released = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        """Listen; ``url`` is the Web API's from now on."""
        self._released.clear()
        app = web.Application(client_max_size=2**22)
        app.router.add_post("/api/{method}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/api/"

    async def stop(self) -> None:
        """Stop listening and let go of every hanging request."""
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def fail_next(self, method: str, failing: Failing) -> None:
        """Answer the next call of this method like this."""
        self._script[method].append(failing)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once it is so, asked after each call; bound the wait with ``asyncio.timeout``."""
        async with self._changed:
            await self._changed.wait_for(condition)

    def place(self, name: str) -> Place:
        """The channel of this name or ID."""
        return next(place for place in self.places if name.removeprefix("#") in (place.id, place.name))

    def view(self, name: str) -> list[str]:
        """What people see in the channel: the texts, and those of replies that were sent to it as well after "↳"."""
        place = self.place(name)
        shown = (message for message in self.messages if message.place is place and self._shown(message))
        return [f"↳ {message.text}" if message.thread_ts else message.text for message in shown]

    def thread(self, ts: str) -> list[str]:
        """What people see in the thread: its first message, and the replies."""
        return [message.text for message in self.messages if ts in (message.ts, message.thread_ts)]

    def roots(self, name: str) -> list[Message]:
        """The channel's messages that are no replies, deleted ones included."""
        place = self.place(name)
        return [message for message in self.messages if message.place is place and message.thread_ts is None]

    def delete(self, ts: str) -> None:
        """A person deletes the message."""
        self._find(ts).deleted = True

    def say(self, name: str, text: str) -> Message:
        """A person writes something."""
        return self._add(self.place(name), {"text": text}, author=PERSON)

    def _shown(self, message: Message) -> bool:
        if message.thread_ts is not None:
            return message.broadcast and not message.deleted
        # A deleted one that has replies leaves a place (https://github.com/42wim/matterbridge/issues/600).
        return not message.deleted or any(other.thread_ts == message.ts for other in self.messages)

    def _find(self, ts: str) -> Message:
        return next(message for message in self.messages if message.ts == ts)

    def _add(self, place: Place, content: dict[str, Any], **more: Any) -> Message:
        # docs/reference/events/message: a ts is unique within its channel, and a time, so that later ones are greater.
        ts = f"{1_790_000_000 + len(self.messages)}.{len(self.messages):06}"
        self.messages.append(Message(ts, place, content, self._clock(), **more))
        return self.messages[-1]

    async def _receive(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        body = await request.read()
        self.calls.append((method, _read(body)))
        failing = self._script[method].popleft() if self._script[method] else None
        answer = None
        if failing is None or failing.after:
            answer = self._answered(method, request, body)
        async with self._changed:
            self._changed.notify_all()
        return await self._scripted(failing, request) if failing else answer or web.Response()

    async def _scripted(self, failing: Failing, request: web.Request) -> web.Response:
        if failing.hang:
            await self._released.wait()
        if (failing.hang or failing.drop) and request.transport is not None:
            request.transport.abort()
        text = json.dumps({"ok": False, "error": failing.word}) if failing.word else failing.body
        return web.Response(status=failing.status, text=text, headers=failing.headers)

    def _answered(self, method: str, request: web.Request, body: bytes) -> web.Response:
        """docs/apis/web-api/using-the-slack-web-api: JSON, ``ok`` and a word, with status 200 but for rate limits."""
        calls = {"auth.test": self._test, "chat.postMessage": self._post, "chat.update": self._update}
        headers = {"X-OAuth-Scopes": ",".join(self.scopes)}
        try:
            self._authenticate(request)
            if method not in calls:
                raise No("unknown_method")
            if request.content_type != "application/json":
                raise No("invalid_post_type")
            found = calls[method](_read(body))
        except No as no:
            return web.json_response({"ok": False, "error": str(no)}, headers=headers)
        except TooMany as wait:
            # docs/apis/web-api/rate-limits: "a HTTP 429 Too Many Requests error, and a Retry-After HTTP header".
            headers |= {"Retry-After": str(wait)}
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
        return web.json_response({"ok": True, **found}, headers=headers)

    def _authenticate(self, request: web.Request) -> None:
        """docs/reference/methods/auth.test: not_authed, invalid_auth, token_revoked."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer":
            raise No("not_authed")
        if token != TOKEN:
            raise No("invalid_auth")
        if self.revoked:
            raise No("token_revoked")

    def _test(self, arguments: dict[str, Any]) -> dict[str, Any]:
        # No scope is required. What it tells are people's own texts.
        return {"team": "<!channel> Acme", "user": "canary", "team_id": "T0", "user_id": BOT, "bot_id": "B0"}

    def _post(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """docs/reference/methods/chat.postMessage: a channel's ID or name; its errors in the order of the checks."""
        self._require_scope()
        wanted = str(arguments.get("channel", "")).removeprefix("#")
        place = next((place for place in self.places if wanted in (place.id, place.name)), None)
        if place is None:
            raise No("channel_not_found")
        if place.archived:
            raise No("is_archived")
        if not place.member:
            raise No("not_in_channel")
        self._limit(f"post to {place.id}", POSTS_PER_SECOND, 1)
        content = _content(arguments)
        root = self._root(place, arguments.get("thread_ts"))
        if root is not None and root.locked:
            raise No("restricted_action_thread_locked")
        thread_ts = None if root is None else root.ts
        broadcast = root is not None and arguments.get("reply_broadcast") is True
        message = self._add(place, content, thread_ts=thread_ts, broadcast=broadcast)
        said = {"type": "message", "ts": message.ts, "user": BOT, **content}
        said |= {"thread_ts": thread_ts} if thread_ts else {}
        return {"channel": place.id, "ts": message.ts, "message": said}

    def _root(self, place: Place, thread_ts: object) -> Message | None:
        """A reply to what is deleted becomes a message of its own (https://github.com/slack-go/slack/issues/1571)."""
        present = (message for message in self.messages if message.place is place and not message.deleted)
        return next((message for message in present if message.ts == thread_ts), None)

    def _update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """docs/reference/methods/chat.update: a channel's ID alone; its errors."""
        self._require_scope()
        self._limit("update", UPDATES_PER_MINUTE, 60)
        place = next((place for place in self.places if place.id == arguments.get("channel")), None)
        if place is None:
            raise No("channel_not_found")
        if place.archived:
            raise No("is_inactive")
        message = self._root(place, arguments.get("ts"))
        if message is None:
            raise No("message_not_found")
        if message.author != BOT:
            raise No("cant_update_message")
        if self.edit_window is not None and self._clock() - message.at > self.edit_window:
            raise No("edit_window_closed")
        # A text without blocks removes these; attachments stay unless others, or none, are given.
        message.content = {"attachments": message.content.get("attachments")} | _content(arguments)
        message.edits += 1
        return {"channel": place.id, "ts": message.ts, "text": message.text}

    def _require_scope(self) -> None:
        if "chat:write" not in self.scopes:
            raise No("missing_scope")

    def _limit(self, what: str, most: int, seconds: float) -> None:
        recent, now = self._recent[what], self._clock()
        while recent and now - recent[0] >= seconds:
            recent.popleft()
        if self.rate_limited and len(recent) >= most:
            raise TooMany(max(1, round(recent[0] + seconds - now)))
        recent.append(now)


def _read(body: bytes) -> dict[str, Any]:
    arguments: dict[str, Any] = json.loads(body)
    return arguments


def _content(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that people see, within Slack's limits as a webhook has them."""
    content = {name: arguments[name] for name in _PARTS if name in arguments}
    try:
        check(content)
    except Refused as refused:
        raise No(str(refused)) from None
    return content


def posts(calls: Sequence[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """The arguments of each chat.postMessage among them."""
    return [arguments for method, arguments in calls if method == "chat.postMessage"]
