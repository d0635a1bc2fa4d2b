"""``/api/v1``: what was sent, to whom, and why not; and what was dead, once more."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from receiver.core.policy import Policy
from receiver.store import channels, listing, messages
from receiver.store.connect import Store, StoreUnavailable, Tx
from receiver.store.listing import Listed
from receiver.store.messages import State
from receiver.store.writer import StoreFull, Writer
from receiver.transitions.redeliver import NotRedeliverable, Redelivered, redeliver
from receiver.web.auth import HOLDER

log = logging.getLogger(__name__)

MESSAGES_AT_ONCE = 100
MOST_MESSAGES_AT_ONCE = 1_000
PARAMETERS = ("channel", "state", "limit", "before")


class BadQuery(Exception):
    """The question makes no sense; the text says what is wrong."""


class Api:
    """The handlers of questions about messages."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        policy: Callable[[], Policy],
        wake: Callable[[Mapping[str, int]], None],
        clock: Callable[[], int],
    ) -> None:
        """``wake`` is told when channels have news due; ``clock`` gives UTC milliseconds."""
        self._store = store
        self._writer = writer
        self._policy = policy
        self._wake = wake
        self._clock = clock

    async def messages(self, request: web.Request) -> web.Response:
        """The newest messages; ``?channel=``, ``?state=``, ``?limit=``, and ``?before=`` an id for the next page."""
        try:
            _check_names(request.query)
            limit, state = _limit(request.query.get("limit")), _state(request.query.get("state"))
            channel, before = request.query.get("channel"), request.query.get("before")
            found = await asyncio.to_thread(self._messages, limit, channel, state, before)
        except BadQuery as error:
            return said(400, str(error))
        return _answer(200, {"messages": [_message(listed) for listed in found]})

    def _messages(self, limit: int, channel: str | None, state: str | None, before: str | None) -> list[Listed]:
        with self._store.read() as tx:
            if channel is not None and channel not in (ever := channels.load(tx)):
                raise BadQuery(f"no channel has this name; there are: {', '.join(sorted(ever))}")
            if before is not None and messages.by_uid(tx, before) is None:
                raise BadQuery("before must be the id of a message, and no message has this one")
            return listing.messages(tx, limit, channel=channel, state=state, before=before)

    async def redeliver(self, request: web.Request) -> web.Response:
        """Send the dead alerts of a message again, as new entries."""
        uid = request.match_info["id"]

        waiting, others, after = 0, 0, 0
        while True:
            try:
                done = await self._writer.run(partial(self._redeliver, uid, after))
            except (StoreUnavailable, StoreFull) as error:
                return said(503, f"the store can't commit: {error}")
            if isinstance(done, NotRedeliverable):
                return said(409 if done.known else 404, str(done))
            self._wake(done.due)
            waiting, others = waiting + done.waiting, others + done.others
            if done.after is None:
                break
            after = done.after
        facts = {"uid": uid, "channel": done.channel, "waiting": waiting, "others": others, "peer": request.remote}
        # Not as "token", whose value would be taken for one.
        log.info("redelivered", extra=facts | ({"holder": request[HOLDER]} if HOLDER in request else {}))
        also = f"; {others:,} told or waiting already" if others else ""
        text = f"{waiting:,} {'alert waits' if waiting == 1 else 'alerts wait'} to be told again{also}"
        return _answer(200, {"channel": done.channel, "waiting": waiting, "others": others, "message": text})

    def _redeliver(self, uid: str, after: int, tx: Tx) -> Redelivered | NotRedeliverable:
        try:
            return redeliver(tx, uid, self._policy(), self._clock(), after)
        except NotRedeliverable as error:
            # Raised further, it would roll back what others write in this transaction.
            return error


def _check_names(given: Iterable[str]) -> None:
    if not set(given) <= set(PARAMETERS):
        raise BadQuery(f"no parameter has this name; there are: {', '.join(PARAMETERS)}")


def _limit(text: str | None) -> int:
    if text is None:
        return MESSAGES_AT_ONCE
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= MOST_MESSAGES_AT_ONCE:
        raise BadQuery(f"limit must be a number from 1 to {MOST_MESSAGES_AT_ONCE}")
    return int(text[:9])


def _state(text: str | None) -> str | None:
    if text is not None and text not in list(State):
        raise BadQuery(f"state must be one of {', '.join(State)}")
    return text


def _message(listed: Listed) -> dict[str, Any]:
    facts = listed.facts
    return {
        "id": facts["uid"],
        "channel": facts["channel"],
        "kind": facts["kind"],
        "reason": facts["reason"],
        "state": facts["state"],
        "subject": facts["subject"],
        "alerts": facts["items"],
        "groups": facts["groups"],
        "outcomes": listed.outcomes,
        "redeliverable": listed.redeliverable,
        "createdAt": _time(facts["claimed_at"]),
        "settledAt": _time(facts["settled_at"]),
        "retryAt": _time(facts["retry_at"]) if facts["settled_at"] is None else None,
        "attempts": [
            {
                "at": _time(each["at"]),
                "seconds": each["took"] / 1000,
                "result": each["result"],
                "class": each["failure_class"],
                "reason": each["reason"],
                "code": each["code"],
            }
            for each in listed.attempts
        ],
        "recipients": [
            {"address": each["address"], "answer": each["state"], "code": each["code"], "at": _time(each["at"])}
            for each in listed.recipients
        ],
    }


def _time(at: int | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def said(status: int, error: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer that says what is wrong."""
    return _answer(status, {"error": error}, headers)


def _answer(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> web.Response:
    encoded = msgspec.json.encode(body) + b"\n"
    return web.Response(status=status, body=encoded, content_type="application/json", headers=headers)
