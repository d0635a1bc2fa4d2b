"""The Slack channel against an endpoint that behaves like Slack, over real HTTP."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme

from receiver.channels import slack_answers
from receiver.channels.base import DeliveryError
from receiver.channels.slack import SlackChannel
from receiver.core.content import Rendered
from receiver.core.retrying import Failure, FailureClass
from receiver.demo.slack_endpoint import SlackEndpoint
from receiver.secret import Secret

BLOCKS = ({"type": "section", "text": {"type": "plain_text", "text": "Größe 🔥"}},)
RENDERED = Rendered(subject="s", text="[FIRING:1] x", blocks=BLOCKS, attachments=({"fallback": "x"},))
TRANSIENT, MISCONFIGURED, REJECTED = FailureClass.TRANSIENT, FailureClass.MISCONFIGURED, FailureClass.REJECTED


@pytest.fixture
async def endpoint() -> AsyncIterator[SlackEndpoint]:
    running = SlackEndpoint()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def channel(endpoint: SlackEndpoint) -> AsyncIterator[SlackChannel]:
    made = SlackChannel("ops", webhook_url=Secret(endpoint.url), timeout=5.0)
    yield made
    await made.close()


async def failure(channel: SlackChannel) -> Failure:
    """The failure of one attempt that must not succeed; it must not tell the URL."""
    async with asyncio.timeout(10):
        with pytest.raises(DeliveryError) as caught:
            await channel.send(channel.build(RENDERED, "01A", 0), ())
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "http" not in str(caught.value).replace("http_error", "")
    return caught.value.failure


async def failure_at(url: str, *, patience: float = 5.0) -> Failure:
    channel = SlackChannel("ops", webhook_url=Secret(url), timeout=patience)
    try:
        return await failure(channel)
    finally:
        await channel.close()


async def test_a_message_arrives_with_exactly_the_bytes_that_were_built(
    endpoint: SlackEndpoint, channel: SlackChannel
) -> None:
    payload = channel.build(RENDERED, "01A", 0)
    assert json.loads(payload) == {
        "text": RENDERED.text,
        "blocks": list(BLOCKS),
        "attachments": [{"fallback": "x"}],
        "unfurl_links": False,
        "unfurl_media": False,
    }
    for _ in range(2):
        assert (await channel.send(payload, ())).code == 200
    assert [message.body for message in endpoint.messages] == [payload, payload]
    assert list(channel.recipients) == []


def test_a_lone_surrogate_does_not_break_the_payload() -> None:
    channel = SlackChannel("ops", webhook_url=Secret("http://127.0.0.1/x"))
    assert b'"text": "\\ud800"' in channel.build(Rendered(subject="", text="\ud800"), "01A", 0)


@pytest.mark.parametrize(
    ("status", "word", "expected"),
    [
        (400, "invalid_payload", Failure(REJECTED, "invalid_payload", 400)),
        (400, "invalid_blocks", Failure(REJECTED, "invalid_blocks", 400)),
        (400, "no_text", Failure(REJECTED, "no_text", 400)),
        (400, "too_many_attachments", Failure(REJECTED, "too_many_attachments", 400)),
        (400, "user_not_found", Failure(MISCONFIGURED, "user_not_found", 400)),
        (403, "invalid_token", Failure(MISCONFIGURED, "invalid_token", 403)),
        (403, "action_prohibited", Failure(MISCONFIGURED, "action_prohibited", 403)),
        (
            403,
            "posting_to_general_channel_denied",
            Failure(MISCONFIGURED, "posting_to_general_channel_denied", 403),
        ),
        (403, "team_disabled", Failure(MISCONFIGURED, "team_disabled", 403)),
        (404, "no_service\n", Failure(MISCONFIGURED, "no_service", 404)),
        (404, "no_active_hooks", Failure(MISCONFIGURED, "no_active_hooks", 404)),
        (404, "channel_not_found", Failure(MISCONFIGURED, "channel_not_found", 404)),
        (410, "channel_is_archived", Failure(MISCONFIGURED, "channel_is_archived", 410)),
        (400, "something new", Failure(REJECTED, "http_error", 400)),
        (413, "", Failure(REJECTED, "http_error", 413)),
        (401, "", Failure(MISCONFIGURED, "http_error", 401)),
        (404, "<html>", Failure(MISCONFIGURED, "http_error", 404)),
        (500, "rollup_error", Failure(TRANSIENT, "rollup_error", 500)),
        (503, "", Failure(TRANSIENT, "http_error", 503)),
        (502, "", Failure(TRANSIENT, "http_error", 502, may_be_taken=True)),
        (504, "", Failure(TRANSIENT, "http_error", 504, may_be_taken=True)),
        (429, "", Failure(TRANSIENT, "rate_limited", 429)),
        (429, "message_limit_exceeded", Failure(TRANSIENT, "message_limit_exceeded", 429)),
        (200, "<html>log in</html>", Failure(MISCONFIGURED, "unexpected_body", 200, may_be_taken=True)),
        (200, "okay", Failure(MISCONFIGURED, "unexpected_body", 200, may_be_taken=True)),
        (500, "x" * 1_000_000, Failure(TRANSIENT, "http_error", 500)),
    ],
)
async def test_each_no_is_judged_by_its_word_or_its_status(
    endpoint: SlackEndpoint, channel: SlackChannel, status: int, word: str, expected: Failure
) -> None:
    endpoint.fail_next(status, word)
    assert await failure(channel) == expected
    await channel.send(channel.build(RENDERED, "01A", 0), ())


async def test_no_more_of_an_answer_is_read_than_asked_for(endpoint: SlackEndpoint) -> None:
    endpoint.fail_next(500, "x" * 1_000_000)
    requests = slack_answers.Requests(5.0)
    assert (await requests.post(endpoint.url, b"{}", {}, 3)).body == b"xxx"
    await requests.close()


async def test_a_redirect_is_not_followed(endpoint: SlackEndpoint, channel: SlackChannel) -> None:
    endpoint.fail_next(307, "", {"Location": endpoint.url})
    assert await failure(channel) == Failure(MISCONFIGURED, "http_error", 307)
    assert endpoint.requests == 1


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "30"}, 30_000),
        ({"Retry-After": " 0 "}, 0),
        ({"Retry-After": "7200"}, 7_200_000),
        ({"Retry-After": "9" * 4000}, 9_999_999_999_000),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "٣"}, None),
        ({}, None),
        ({"Retry-After": "Sat, 21 Nov 2026 05:31:30 GMT", "Date": "Sat, 21 Nov 2026 05:30:00 GMT"}, 90_000),
        ({"Retry-After": "Sat, 21 Nov 2026 05:29:00 GMT", "Date": "Sat, 21 Nov 2026 05:30:00 GMT"}, 0),
        (
            {"Retry-After": "Sun, 22 Nov 2026 05:30:00 GMT", "Date": "Sat, 21 Nov 2026 05:30:00 GMT"},
            86_400_000,
        ),
        ({"Retry-After": "Sat, 21 Nov 2026 05:31:30 GMT"}, None),
        ({"Retry-After": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, None),
        ({"Retry-After": "Sat, 21 Nov 2026 05:31:30 GMT", "Date": "Sat, 21 Nov 2026 05:30:00"}, None),
    ],
)
def test_the_wait_slack_asks_for(headers: dict[str, str], wait: int | None) -> None:
    assert slack_answers.retry_after(headers) == wait


async def test_a_rate_limited_message_waits_as_asked(endpoint: SlackEndpoint, channel: SlackChannel) -> None:
    endpoint.fail_next(429, "rate_limited", {"Retry-After": "30"})
    assert await failure(channel) == Failure(TRANSIENT, "rate_limited", 429, retry_after=30_000)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_connection_dropped_after_the_request_was_sent_may_have_been_a_yes(
    endpoint: SlackEndpoint, channel: SlackChannel, when: str
) -> None:
    endpoint.drop_next(when)
    assert await failure(channel) == Failure(TRANSIENT, "connection_lost", may_be_taken=True)


async def test_an_answer_that_never_comes_may_have_been_a_yes(endpoint: SlackEndpoint) -> None:
    endpoint.hang_next()
    assert await failure_at(endpoint.url, patience=0.1) == Failure(TRANSIENT, "timeout", may_be_taken=True)
    assert len(endpoint.messages) == 1


async def test_nobody_listening_surely_took_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/x"
        assert await failure_at(url) == Failure(TRANSIENT, "connection_refused", unreachable=True)


async def test_an_unknown_host_surely_took_nothing() -> None:
    assert await failure_at("http://hooks.invalid/x") == Failure(TRANSIENT, "name_not_resolved", unreachable=True)


async def test_an_address_that_is_none_is_misconfigured() -> None:
    assert await failure_at("http://") == Failure(MISCONFIGURED, "url_invalid")


async def answering(reply: bytes, tls: ssl.SSLContext | None = None) -> tuple[asyncio.Server, int]:
    """A server that answers every request with these bytes and closes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    return server, server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"SMTP ready\r\n\r\n", Failure(TRANSIENT, "invalid_reply", may_be_taken=True)),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no",
            Failure(TRANSIENT, "connection_lost", may_be_taken=True),
        ),
    ],
)
async def test_an_answer_cut_short_may_have_been_a_yes(reply: bytes, expected: Failure) -> None:
    server, port = await answering(reply)
    got = await failure_at(f"http://127.0.0.1:{port}/x")
    assert (got.failure_class, got.may_be_taken) == (expected.failure_class, True)
    assert got.reason == expected.reason
    server.close()
    await server.wait_closed()


async def test_a_certificate_of_an_unknown_authority_is_refused() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server, port = await answering(b"HTTP/1.1 200 OK\r\n\r\nok", context)
    assert await failure_at(f"https://127.0.0.1:{port}/x") == Failure(MISCONFIGURED, "certificate_invalid")
    server.close()
    await server.wait_closed()


async def test_tls_to_a_server_without_it_is_misconfigured(endpoint: SlackEndpoint) -> None:
    assert await failure_at(endpoint.url.replace("http:", "https:")) == Failure(MISCONFIGURED, "tls_failed")


async def test_proxies_of_the_environment_are_ignored(
    endpoint: SlackEndpoint, channel: SlackChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    await channel.send(channel.build(RENDERED, "01A", 0), ())
    assert len(endpoint.messages) == 1


async def check_failure(channel: SlackChannel) -> Failure:
    async with asyncio.timeout(10):
        with pytest.raises(DeliveryError) as caught:
            await channel.check()
    return caught.value.failure


async def test_a_check_finds_a_webhook_that_works_and_posts_nothing(
    endpoint: SlackEndpoint, channel: SlackChannel
) -> None:
    await channel.check()
    assert (endpoint.requests, endpoint.messages) == (1, [])


@pytest.mark.parametrize(
    ("status", "word"), [(400, "invalid_payload"), (500, "missing_text_or_fallback_or_attachments"), (200, "ok")]
)
async def test_a_check_takes_every_word_of_a_webhook_that_works(
    endpoint: SlackEndpoint, channel: SlackChannel, status: int, word: str
) -> None:
    endpoint.fail_next(status, word)
    await channel.check()


@pytest.mark.parametrize(
    ("status", "word", "expected"),
    [
        (404, "no_service", Failure(MISCONFIGURED, "no_service", 404)),
        (403, "invalid_token", Failure(MISCONFIGURED, "invalid_token", 403)),
        (410, "channel_is_archived", Failure(MISCONFIGURED, "channel_is_archived", 410)),
        (400, "<html>", Failure(REJECTED, "http_error", 400)),
        (302, "", Failure(MISCONFIGURED, "http_error", 302)),
        (503, "", Failure(TRANSIENT, "http_error", 503)),
    ],
)
async def test_a_check_judges_a_webhook_that_does_not_work_like_a_message_to_it(
    endpoint: SlackEndpoint, channel: SlackChannel, status: int, word: str, expected: Failure
) -> None:
    endpoint.fail_next(status, word)
    assert await check_failure(channel) == expected


async def test_a_check_tells_whether_anybody_answered(endpoint: SlackEndpoint) -> None:
    endpoint.hang_next()
    hanging = SlackChannel("ops", webhook_url=Secret(endpoint.url), timeout=0.1)
    assert not (await check_failure(hanging)).unreachable
    await hanging.close()
    absent = SlackChannel("ops", webhook_url=Secret("http://hooks.invalid/x"))
    assert (await check_failure(absent)).unreachable
    await absent.close()


async def test_the_url_is_in_no_log(
    endpoint: SlackEndpoint, channel: SlackChannel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    endpoint.fail_next(500)
    await failure(channel)
    assert "/services/" not in "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("aiohttp.server")
    )
