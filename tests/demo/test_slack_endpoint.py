"""The Slack endpoint refuses what Slack refuses, with Slack's words."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from receiver.demo.slack_endpoint import Failing, SlackEndpoint


class Clock:
    """A clock that stands until it is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def endpoint() -> AsyncIterator[SlackEndpoint]:
    running = SlackEndpoint()
    await running.start()
    yield running
    await running.stop()


async def post(endpoint: SlackEndpoint, payload: Any) -> tuple[int, str]:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    async with aiohttp.ClientSession() as session, session.post(endpoint.url, data=body) as response:
        return response.status, await response.text()


@pytest.mark.parametrize(
    ("payload", "word"),
    [
        (b"{", "invalid_payload"),
        (b"\xff", "invalid_payload"),
        ([], "invalid_payload"),
        ({}, "no_text"),
        ({"blocks": ["x"]}, "invalid_blocks"),
        ({"attachments": ["x"]}, "invalid_attachments"),
        ({"attachments": [{"text": "x"}] * 101}, "too_many_attachments"),
    ],
)
async def test_what_slack_refuses_is_refused_with_its_word(endpoint: SlackEndpoint, payload: Any, word: str) -> None:
    assert await post(endpoint, payload) == (400, word)
    assert endpoint.messages == []


async def test_an_unknown_hook_is_no_service(endpoint: SlackEndpoint) -> None:
    async with aiohttp.ClientSession() as session, session.post(endpoint.url + "x") as response:
        assert (response.status, await response.text()) == (404, "no_service")


async def test_more_than_a_message_a_second_is_too_many() -> None:
    clock = Clock()
    endpoint = SlackEndpoint(rate_limited=True, clock=clock)
    await endpoint.start()
    assert await post(endpoint, {"text": "one"}) == (200, "ok")
    clock.now += 0.999
    assert await post(endpoint, {"text": "two"}) == (429, "rate_limited")
    clock.now += 0.001
    assert await post(endpoint, {"text": "three"}) == (200, "ok")
    assert [message.at for message in endpoint.messages] == [100.0, 101.0]
    await endpoint.stop()


async def test_a_scripted_failure_comes_once_for_each_time(endpoint: SlackEndpoint) -> None:
    endpoint.fail_next(503, "down", {"Retry-After": "7"}, times=2)
    assert await post(endpoint, {"text": "x"}) == (503, "down")
    assert await post(endpoint, {"text": "x"}) == (503, "down")
    assert await post(endpoint, {"text": "x"}) == (200, "ok")
    assert endpoint.requests == 3


@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 1)])
async def test_a_dropped_connection(endpoint: SlackEndpoint, when: str, accepted: int) -> None:
    endpoint.drop_next(when)
    with pytest.raises(aiohttp.ClientError):
        await post(endpoint, {"text": "x"})
    assert len(endpoint.messages) == accepted


async def test_who_hangs_answers_not_even_what_it_would_refuse(endpoint: SlackEndpoint) -> None:
    endpoint.hang_next()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(post(endpoint, {}), 0.2)
    assert (endpoint.bodies, endpoint.messages) == ([b"{}"], [])


async def test_a_standing_failure_lasts_until_it_is_taken_away(endpoint: SlackEndpoint) -> None:
    endpoint.failing = Failing(404, "no_service")
    for _ in range(3):
        assert await post(endpoint, {"text": "x"}) == (404, "no_service")
    endpoint.failing = None
    assert await post(endpoint, {"text": "x"}) == (200, "ok")


async def test_waiting_for_a_message_ends_with_it(endpoint: SlackEndpoint) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(endpoint.wait_for(1))
        tasks.create_task(post(endpoint, {"text": "x"}))
    assert waiting.result()[0].payload == {"text": "x"}
