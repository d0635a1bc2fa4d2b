"""``/api/v1``: what was sent and why not, asked over HTTP of a running receiver."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from receiver.access import Scope, Token
from receiver.app import Receiver, Settings, running
from receiver.config.destinations import ConsoleDestination
from receiver.core.retrying import Failure, FailureClass
from receiver.secret import Secret
from receiver.store import listing
from receiver.transitions.claim import Claimed
from tests.timeline import HOUR, MINUTE, SECOND, Timeline, channel, firing, policy, resolved
from tests.web.test_server import Out

REJECTED = Failure(FailureClass.REJECTED, "invalid_blocks", 400)


def with_the_dead(path: Path) -> str:
    """A store in which one alert is dead: the id of its message."""
    timeline = Timeline(path)
    timeline.receive(firing("Bad", text="<b>&amp;"))
    uid = ""
    for _ in range(2):
        timeline.now += 5 * MINUTE
        claimed = timeline.claim()
        assert isinstance(claimed, Claimed)
        uid = claimed.message.uid
        timeline.settle(timeline.fix(claimed, recipients=("a@example.com",)), REJECTED)
        timeline.receive(firing("Good"))
        timeline.now += 10 * SECOND
        timeline.send()
    assert timeline.ledger()["dead"] == 1
    timeline.reload(policy(channel(), channel("former")))
    timeline.store.close()
    return uid


@pytest.fixture
def uid(tmp_path: Path) -> str:
    """The message that died."""
    return with_the_dead(tmp_path / "books.db")


@pytest.fixture
def out() -> Out:
    """What the console channel prints."""
    return Out()


def settings(folder: Path, *tokens: Token) -> Settings:
    ops, url = channel(group_wait=0), f"sqlite:///{folder / 'books.db'}"
    return Settings(url, policy(ops), [ConsoleDestination("ops")], port=0, tokens=tokens)


@pytest.fixture
async def receiver(tmp_path: Path, uid: str, out: Out) -> AsyncIterator[Receiver]:
    """A receiver on that store."""
    async with running(settings(tmp_path), out) as receiver:
        yield receiver


@pytest.fixture
async def client(receiver: Receiver) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(receiver.url) as session:
        yield session


async def got(client: aiohttp.ClientSession, query: str = "", status: int = 200) -> Any:
    async with client.get(f"/api/v1/messages{query}") as response:
        assert (response.status, response.content_type) == (status, "application/json")
        return json.loads(await response.text())


async def posted(client: aiohttp.ClientSession, uid: str, status: int = 200) -> Any:
    async with client.post(f"/api/v1/messages/{uid}/redeliver") as response:
        assert response.status == status
        return json.loads(await response.text())


async def test_messages_are_listed_with_their_attempts_and_answers(client: aiohttp.ClientSession, uid: str) -> None:
    [dead] = (await got(client, "?state=dead&channel=ops"))["messages"]
    assert dead["id"] == uid
    assert (dead["channel"], dead["kind"], dead["state"], dead["alerts"]) == ("ops", "group", "dead", 1)
    assert dead["outcomes"] == {"dead": 1}
    assert dead["redeliverable"]
    [attempt] = dead["attempts"]
    assert attempt == {
        "at": dead["settledAt"],
        "seconds": 0.005,
        "result": "failed",
        "class": "rejected",
        "reason": "invalid_blocks",
        "code": 400,
    }
    assert dead["createdAt"] == "2026-11-20T21:10:10.000Z"
    assert [each["address"] for each in dead["recipients"]] == ["a@example.com"]
    everything = (await got(client))["messages"]
    assert [each["state"] for each in everything] == ["dead", "sent", "dissolved"]
    older = (await got(client, f"?limit=1&before={uid}"))["messages"]
    assert [each["state"] for each in older] == ["sent"]


@pytest.mark.parametrize("query", ["?limit=0", "?limit=x", "?limit=1001", "?limit=²", "?state=lost"])
async def test_a_question_that_makes_no_sense_is_told_what_would(client: aiohttp.ClientSession, query: str) -> None:
    error = (await got(client, query, 400))["error"]
    assert error.startswith(f"{query[1:6]} must be ")


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("?channel=nix", "no channel has this name; there are: former, ops"),
        ("?before=nix", "before must be the id of a message, and no message has this one"),
        ("?limit=1&nix=1", "no parameter has this name; there are: channel, state, limit, before"),
    ],
)
async def test_what_is_not_known_is_no_empty_answer(client: aiohttp.ClientSession, query: str, error: str) -> None:
    assert await got(client, query, 400) == {"error": error}


async def test_a_channel_that_is_no_longer_configured_can_still_be_asked_for(client: aiohttp.ClientSession) -> None:
    assert await got(client, "?channel=former") == {"messages": []}


async def redeliverable(client: aiohttp.ClientSession) -> list[bool]:
    return [each["redeliverable"] for each in (await got(client, "?state=dead"))["messages"]]


async def test_the_dead_that_wait_again_or_are_told_by_now_are_not_redeliverable(
    client: aiohttp.ClientSession, uid: str, out: Out
) -> None:
    assert await redeliverable(client) == [True]
    await posted(client, uid)
    assert await redeliverable(client) == [False]
    async with asyncio.timeout(20):
        await out.written.wait()
        while (await got(client))["messages"][0]["state"] != "sent":
            pass
    assert await redeliverable(client) == [False]


def test_only_what_redelivering_would_tell_is_redeliverable(tmp_path: Path) -> None:
    uid = with_the_dead(tmp_path / "books.db")
    timeline = Timeline(tmp_path / "books.db")
    timeline.now += HOUR

    def is_redeliverable() -> bool:
        with timeline.store.read() as tx:
            [dead] = listing.messages(tx, 10, state="dead")
        return dead.redeliverable

    timeline.receive(resolved("Bad", text="<b>&amp;", ends_at=timeline.now))
    assert is_redeliverable(), "nobody was told of it, so nobody is told its end"
    timeline.now += MINUTE
    timeline.receive(firing("Bad", starts_at=timeline.now, text="<b>&amp;"))
    assert not is_redeliverable(), "its new life waits"
    assert timeline.redeliver(uid).waiting == 0
    assert timeline.ledger()["superseded"] == 1
    timeline.store.close()


async def test_the_log_says_who_has_what_redelivered(
    client: aiohttp.ClientSession, uid: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await posted(client, "nonsense", 404)
    await posted(client, uid)
    [record] = [record for record in caplog.records if record.getMessage() == "redelivered"]
    assert (record.__dict__["uid"], record.__dict__["peer"]) == (uid, "127.0.0.1")
    assert "holder" not in vars(record), "no token is needed"


async def test_the_log_says_whose_token_had_it_redelivered(
    tmp_path: Path, uid: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    token = Token("operator", "default", frozenset({Scope.ADMIN}), (Secret("operator-token-000001"),))
    async with (
        running(settings(tmp_path, token), Out()) as guarded,
        aiohttp.ClientSession(guarded.url, headers={"Authorization": "Bearer operator-token-000001"}) as operator,
    ):
        await posted(operator, uid)
    [record] = [record for record in caplog.records if record.getMessage() == "redelivered"]
    assert record.__dict__["holder"] == "operator"


async def test_dead_alerts_are_redelivered_and_told(client: aiohttp.ClientSession, uid: str, out: Out) -> None:
    done = await posted(client, uid)
    assert done == {
        "channel": "ops",
        "waiting": 1,
        "others": 0,
        "message": "1 alert waits to be told again",
    }
    async with asyncio.timeout(20):
        await out.written.wait()
    assert "[FIRING:1] Bad" in out.getvalue()
    again = await posted(client, uid)
    assert (again["waiting"], again["others"]) == (0, 1)
    assert again["message"] == "0 alerts wait to be told again; 1 told or waiting already"


async def test_what_is_not_there_or_not_dead_is_said_plainly(client: aiohttp.ClientSession, uid: str) -> None:
    assert (await posted(client, "nonsense", 404))["error"] == "there is no message with this id"
    sent = (await got(client, "?state=sent"))["messages"][0]["id"]
    assert (await posted(client, sent, 409))["error"] == "nothing that it tells is dead"
