"""``/api/v1``: what was sent and why not, asked over HTTP of a running receiver."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from receiver.app import Receiver, Settings, running
from receiver.config.destinations import ConsoleDestination
from receiver.core.retrying import Failure, FailureClass
from receiver.transitions.claim import Claimed
from tests.timeline import MINUTE, SECOND, Timeline, channel, firing, policy
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


@pytest.fixture
async def receiver(tmp_path: Path, uid: str, out: Out) -> AsyncIterator[Receiver]:
    """A receiver on that store."""
    ops = channel(group_wait=0)
    settings = Settings(f"sqlite:///{tmp_path / 'books.db'}", policy(ops), [ConsoleDestination("ops")], port=0)
    async with running(settings, out) as receiver:
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
