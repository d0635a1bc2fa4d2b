"""Who may have the configuration reloaded, and what everybody else is told."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from receiver.app import Receiver, Settings, running
from receiver.config.destinations import ConsoleDestination
from receiver.reload import NOTHING_TO_RELOAD
from receiver.web.admission import objection
from tests.timeline import channel, policy

HOST = "127.0.0.1:9095"


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    """A receiver without a configuration file: whoever is let in is told that there is nothing to reload."""
    settings = Settings(f"sqlite:///{tmp_path / 'books.db'}", policy(channel()), [ConsoleDestination("ops")], port=0)
    async with running(settings, io.StringIO()) as receiver:
        yield receiver


@pytest.mark.parametrize(
    ("remote", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_only_loopback_is_this_machine(remote: str, allowed: bool) -> None:
    request = make_mocked_request("POST", "/-/reload").clone(remote=remote)
    assert (objection(request) is None) == allowed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Forwarded", "for=10.0.0.1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("X-Forwarded-Host", "localhost"),
        ("X-Forwarded-Proto", "https"),
        ("X-Real-IP", "127.0.0.1"),
        ("Via", "1.1 proxy"),
        ("CF-Connecting-IP", ""),
    ],
)
async def test_a_forwarding_header_is_named_in_the_refusal(receiver: Receiver, name: str, value: str) -> None:
    async with (
        aiohttp.ClientSession(receiver.url) as client,
        client.post("/-/reload", headers={name: value}) as answer,
    ):
        assert answer.status == 403
        text = await answer.text()
        async with client.get("/metrics") as scraped:
            assert 'alert_receiver_auth_failures_total{reason="admission"} 1.0' in await scraped.text()
    assert "proxy" in text
    assert text.endswith("; to allow it from elsewhere, configure a token with the scope admin (auth.tokens)\n")
    assert name.lower() in text.lower()
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": f"http://{HOST}"}, True),
        ({"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Host": "localhost:9095", "Origin": "http://localhost:9095"}, True),
        ({"Host": "[::1]:9095", "Origin": "http://[::1]:9095"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": f"http://{HOST}", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://127.0.0.1:3000"}, False),
        ({"Origin": f"http://{HOST}.evil.example"}, False),
        ({"Origin": f"http://evil.example@{HOST}"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://[teapot"}, False),
        # A page's own name that now points at us: the browser takes it for the same origin.
        ({"Host": "evil.example", "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, False),
    ],
)
def test_a_page_of_another_site_is_refused(headers: dict[str, str], allowed: bool) -> None:
    request = make_mocked_request("POST", "/-/reload", headers={"Host": HOST} | headers).clone(remote="127.0.0.1")
    wrong = objection(request)
    assert (wrong is None) == allowed
    assert "evil" not in (wrong or "")


async def test_a_reload_is_a_post_and_says_so(receiver: Receiver) -> None:
    async with aiohttp.ClientSession(receiver.url) as client:
        async with client.get("/-/reload") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        async with client.post("/-/reload") as answer:
            said = f"not reloaded, the configuration in force stays:\n  {NOTHING_TO_RELOAD}\n"
            assert (answer.status, await answer.text()) == (500, said)
        async with client.get("/metrics") as answer:
            samples = await answer.text()
    handler = 'alert_receiver_http_request_duration_seconds_count{code="%s",handler="/-/reload",method="POST"} %s'
    assert handler % (500, "1.0") in samples
    assert handler % (200, "0.0") in samples
    assert handler % (403, "0.0") in samples
    assert "alert_receiver_config_last_reload_successful 1.0" in samples
