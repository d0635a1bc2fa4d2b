"""The door, in process: what it answers and what it counts."""

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from receiver import decode
from receiver.access import Scope, Token
from receiver.app import Receiver, Settings, running
from receiver.config.destinations import ConsoleDestination
from receiver.core.alerts import Notification
from receiver.core.policy import Throttle
from receiver.secret import Secret
from receiver.web import webhook
from tests.timeline import MINUTE, channel, policy

CAPTURED = Path(__file__).parents[1] / "captured"
# Labels whose values come from requests, so that their combinations can't all be known from the start.
HTTP = "alert_receiver_http_request_duration_seconds"


class Out(io.StringIO):
    """A stream that says when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    def flush(self) -> None:
        self.written.set()


@pytest.fixture
def out() -> Out:
    """What the console channel prints."""
    return Out()


@pytest.fixture
async def receiver(tmp_path: Path, out: Out) -> AsyncIterator[Receiver]:
    """A running receiver with one console channel that waits for nothing."""
    ops = channel(group_wait=0, alias="war-room", throttle=Throttle(60, MINUTE, 60))
    destinations = [ConsoleDestination("ops")]
    settings = Settings(f"sqlite:///{tmp_path / 'books.db'}", policy(ops), destinations, port=0, max_body=200_000)
    async with running(settings, out) as receiver:
        yield receiver


@pytest.fixture
async def client(receiver: Receiver) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the receiver."""
    async with aiohttp.ClientSession(receiver.url) as session:
        yield session


async def scrape(client: aiohttp.ClientSession, headers: Mapping[str, str] | None = None) -> dict[str, float]:
    """Every sample of a scrape, by its name and labels as text."""
    async with client.get("/metrics", headers=headers) as response:
        families = list(prometheus_text(await response.text()))
    return {
        sample.name + ",".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


async def test_an_accepted_notification_is_told_and_counted(client: aiohttp.ClientSession, out: Out) -> None:
    async with client.post("/webhook", data=(CAPTURED / "firing.json").read_bytes()) as response:
        assert (response.status, await response.text()) == (200, "accepted\n")
    await asyncio.wait_for(out.written.wait(), 10)
    assert "HighErrorRate" in out.getvalue()
    samples = await scrape(client)
    assert samples["alert_receiver_notifications_received_total source=default"] == 1
    assert samples["alert_receiver_alerts_received_total status=firing"] == 1
    assert samples["alert_receiver_ledger_accepted_total channel=ops, origin=webhook"] == 1


async def test_the_books_balance_in_every_scrape_while_alerts_pour_in(client: aiohttp.ClientSession) -> None:
    body = (CAPTURED / "big100.json").read_bytes()

    async def post(n: int) -> None:
        async with client.post("/webhook", data=body.replace(b"big100", f"body{n}".encode())) as response:
            assert response.status == 200

    posting = asyncio.gather(*(post(n) for n in range(20)))
    scrapes = 0
    while not posting.done() or scrapes < 3:
        samples = await scrape(client)
        scrapes += 1
        accepted, outcomes, pending = (
            sum(value for name, value in samples.items() if name.startswith(f"alert_receiver_ledger_{family} "))
            for family in ("accepted_total", "outcomes_total", "pending")
        )
        assert accepted == outcomes + pending
    await posting
    assert (await scrape(client))["alert_receiver_alerts_received_total status=firing"] == 2_000


def asked(receiver: Receiver) -> tuple[str, int]:
    host, port = receiver.url.removeprefix("http://").split(":")
    return host, int(port)


UNTOLD = b"POST /webhook HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "beginning",
    [UNTOLD + b"Content-Length: 1000\r\n\r\n{", UNTOLD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"],
)
@pytest.mark.parametrize("abruptly", [True, False])
async def test_a_sender_who_hangs_up_in_the_middle_of_the_body_is_one_warning(
    receiver: Receiver,
    client: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    beginning: bytes,
    abruptly: bool,
) -> None:
    _, writer = await asyncio.open_connection(*asked(receiver))
    writer.write(beginning)
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.transport.abort() if abruptly else writer.close()
    await asyncio.sleep(0.1)
    samples = await scrape(client)
    assert samples["alert_receiver_notifications_rejected_total reason=disconnected"] == 1
    assert samples["alert_receiver_notifications_rejected_total reason=internal_error"] == 0
    [record] = [record for record in caplog.records if record.levelname not in ("DEBUG", "INFO")]
    assert (record.levelname, record.exc_info) == ("WARNING", None)


async def test_more_alerts_than_one_notification_may_hold_are_refused(client: aiohttp.ClientSession) -> None:
    async with client.post("/webhook", data=b'{"alerts":[0' + b",0" * 99_990 + b"]}") as response:
        assert response.status == 200
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "MOST_ALERTS", 10)
        async with client.post("/webhook", data=b'{"alerts":[0' + b",0" * 10 + b"]}") as response:
            assert response.status == 413
            assert "max_alerts" in await response.text()
    assert (await scrape(client))["alert_receiver_notifications_rejected_total reason=too_many_alerts"] == 1


def slowly() -> tuple[threading.Event, Callable[..., Notification]]:
    """A decoder that waits for the event."""
    going_on = threading.Event()

    def slow(body: bytes, **options: Any) -> Notification:
        going_on.wait(10)
        return decode.decode(body, **options)

    return going_on, slow


async def test_the_door_stays_open_while_a_large_body_is_read(
    client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on, slow = slowly()
    monkeypatch.setattr(webhook, "decode", slow)
    monkeypatch.setattr(webhook, "SMALL_BODY", 100)
    large = asyncio.create_task(client.post("/webhook", data=(CAPTURED / "big100.json").read_bytes()))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(2), client.get("/-/ready") as response:
        assert response.status == 200
    assert not large.done()
    going_on.set()
    assert (await large).status == 200


async def test_bodies_beyond_what_is_held_at_a_time_are_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "SMALL_BODY", 0)
    going_on, slow = slowly()
    monkeypatch.setattr(webhook, "decode", slow)
    monkeypatch.setattr(webhook, "LEAST_ROOM", 0)
    monkeypatch.setattr(webhook, "ROOM_IN_LARGEST_BODIES", 1)
    padding = b" " * 150_000
    body = (CAPTURED / "firing.json").read_bytes() + padding
    ops = channel(group_wait=0, throttle=Throttle(60, MINUTE, 60))
    settings = Settings("sqlite://", policy(ops), [ConsoleDestination("ops")], port=0, max_body=200_000)
    async with running(settings, io.StringIO()) as small, aiohttp.ClientSession(small.url) as sender:
        first = asyncio.create_task(sender.post("/webhook", data=body))
        await asyncio.sleep(0.1)
        async with sender.post("/webhook", data=body) as response:
            assert response.status == 503
            assert response.headers["Retry-After"]
        samples = await scrape(sender)
        assert samples["alert_receiver_notifications_rejected_total reason=store_full"] == 1
        going_on.set()
        assert (await first).status == 200
        async with sender.post("/webhook", data=body) as response:
            assert response.status == 200


async def test_every_answer_that_is_documented_is_counted_from_the_start(client: aiohttp.ClientSession) -> None:
    samples = await scrape(client)
    expected = [
        ("POST", path, code) for path in ("/webhook", "/webhook/{channel}") for code in (200, 400, 413, 415, 503)
    ]
    expected += [("GET", path, code) for path in ("/-/ready", "/metrics") for code in (200, 503)]
    for method, path, code in expected:
        assert samples[f"{HTTP}_count code={code}, handler={path}, method={method}"] == 0


async def test_every_series_of_a_channel_is_there_before_anything_happened(client: aiohttp.ClientSession) -> None:
    before = {name for name in await scrape(client) if not name.startswith(HTTP)}
    async with client.post("/webhook", data=(CAPTURED / "multi.json").read_bytes()) as response:
        assert response.status == 200
    after = {name for name in await scrape(client) if not name.startswith(HTTP)}
    assert after == before


async def test_openmetrics_is_spoken_to_those_who_ask_for_it(client: aiohttp.ClientSession) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with client.get("/metrics", headers=accept) as response:
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
        parsed = openmetrics(await response.text())  # type: ignore[no-untyped-call]  # the library's own gap
        families = {family.name for family in parsed}
    assert "alert_receiver_ledger_pending" in families


async def test_labels_of_a_payload_never_become_labels_of_a_metric(client: aiohttp.ClientSession) -> None:
    async with client.post("/webhook/no-such-channel", data=(CAPTURED / "unicode.json").read_bytes()) as response:
        assert response.status == 200
    async with client.request("PUT", "/teapot") as response:
        assert response.status == 404
    text = "\n".join(await scrape(client))
    for hostile in ("no-such-channel", "PUT", "teapot", "HighErrorRate", "checkout-api"):
        assert hostile not in text


async def test_a_channel_is_addressed_by_its_name_and_by_its_alias(client: aiohttp.ClientSession) -> None:
    for path in ("/webhook/ops", "/webhook/war-room", "/webhook/unknown"):
        async with client.post(path, data=(CAPTURED / "firing.json").read_bytes()) as response:
            assert response.status == 200
    samples = await scrape(client)
    assert samples["alert_receiver_ledger_accepted_total channel=ops, origin=webhook"] == 3
    assert samples["alert_receiver_ledger_outcomes_total channel=ops, outcome=duplicate"] == 2


@pytest.mark.parametrize(
    ("size", "status"),
    [(200_000, 400), (200_001, 413)],
)
async def test_a_body_is_read_up_to_the_limit(client: aiohttp.ClientSession, size: int, status: int) -> None:
    async with client.post("/webhook", data=b" " * size) as response:
        assert response.status == status
        assert "\n" not in (await response.text()).removesuffix("\n")


async def test_healthy_and_ready_answer_as_prometheus_does(client: aiohttp.ClientSession) -> None:
    for path, text in (("/-/healthy", "alert-receiver is healthy.\n"), ("/-/ready", "alert-receiver is ready.\n")):
        async with client.get(path) as response:
            assert (response.status, await response.text()) == (200, text)


async def test_what_is_no_http_is_refused_in_one_log_line_without_its_bytes(
    receiver: Receiver, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection(*asked(receiver))
    writer.write(b"POST /webhook HTTP/1.1\r\nHost: x\r\nno-header secret-teapot\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.0 400")
    assert answer.endswith(b"\r\n\r\nnot HTTP as it should be\n")
    [record] = [record for record in caplog.records if record.levelname not in ("DEBUG", "INFO")]
    assert (record.levelname, record.getMessage()) == ("WARNING", "a request is not HTTP as it should be")
    assert record.__dict__["peer"] == "127.0.0.1"
    assert "secret-teapot" not in str(vars(record))
    assert record.exc_info is None
    assert record.__dict__["error"] == "BadHttpMessage"
    assert (await scrape(client))["alert_receiver_notifications_rejected_total reason=bad_http"] == 1


async def test_tls_where_none_is_spoken_is_said_in_the_log(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection(*asked(receiver))
    writer.write(bytes.fromhex("16030100c8010000c40303") + b"\r\n\r\n")
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.0 400")
    writer.close()
    [record] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.getMessage() == "a request is not HTTP as it should be"


@pytest.mark.parametrize(
    "request_line", ["GET /-/healthy", "GET /nowhere", "PUT /webhook", "POST /webhook", "GET /api/v1/nowhere", "teapot"]
)
async def test_no_answer_tells_a_version(receiver: Receiver, request_line: str) -> None:
    head = (await asked_once(receiver, f"{request_line} HTTP/1.1\r\nHost: x\r\n")).partition(b"\r\n\r\n")[0]
    told = [line for line in head.split(b"\r\n") if line.startswith(b"Server:")]
    assert told == [b"Server: alert-receiver"]
    assert b"aiohttp" not in head


async def test_the_log_says_who_has_sent_what_was_refused_and_where_to(
    client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    async with client.post("/webhook/teapot", data=b"teapot") as response:
        assert response.status == 400
    [record] = [record for record in caplog.records if record.getMessage() == "notification refused"]
    assert (record.__dict__["path"], record.__dict__["peer"]) == ("/webhook/{channel}", "127.0.0.1")


async def test_the_log_says_who_has_sent_an_alert_that_is_not_readable(
    client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    async with client.post("/webhook", data=b'{"alerts":[0]}') as response:
        assert response.status == 200
    [record] = [record for record in caplog.records if "can't be read as sent" in record.getMessage()]
    assert record.__dict__["peer"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("POST", "/api/v1/teapot", 404, '{"error":"not found"}\n'),
        ("PUT", "/api/v1/messages", 405, '{"error":"method not allowed (allowed: GET,HEAD)"}\n'),
        ("POST", "/-/teapot", 404, "not found\n"),
        ("PUT", "/-/reload", 405, "method not allowed (allowed: POST)\n"),
    ],
)
async def test_an_operators_slip_is_no_refused_notification(
    client: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    status: int,
    said: str,
) -> None:
    async with client.request(method, path, data=b"{}") as response:
        assert (response.status, await response.text()) == (status, said)
        assert response.content_type == ("application/json" if path.startswith("/api/") else "text/plain")
        assert ("Allow" in response.headers) == (status == 405)
    assert (await scrape(client))["alert_receiver_notifications_rejected_total reason=wrong_path"] == 0
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("path", ["/api/v1/alerts", "/api/v2/alerts"])
async def test_a_prometheus_that_takes_us_for_an_alertmanager_is_not_lost_in_silence(
    client: aiohttp.ClientSession, path: str
) -> None:
    async with client.post(path, data=b"[]") as response:
        assert response.status == 404
        assert "POST /webhook" in await response.text()
    assert (await scrape(client))["alert_receiver_notifications_rejected_total reason=wrong_path"] == 1


async def test_a_notification_to_a_wrong_path_is_not_lost_in_silence(
    client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    async with client.post("/alerts", data=(CAPTURED / "firing.json").read_bytes()) as response:
        assert response.status == 404
    async with client.put("/webhook", data=(CAPTURED / "firing.json").read_bytes()) as response:
        assert response.status == 405
    async with client.get("/favicon.ico") as response:
        assert response.status == 404
    samples = await scrape(client)
    assert samples["alert_receiver_notifications_rejected_total reason=wrong_path"] == 2
    warnings = [record for record in caplog.records if "go to POST /webhook" in record.getMessage()]
    assert [record.__dict__["code"] for record in warnings] == [404, 405]


@pytest.mark.parametrize("expected", ["100-continue", "<script>teapot"])
@pytest.mark.parametrize(
    ("request_line", "status"), [("POST /nowhere", b"404"), ("PUT /webhook", b"405"), ("OPTIONS *", b"404")]
)
async def test_whatever_is_expected_of_a_path_that_does_not_exist_it_is_refused_like_any_other_there(
    receiver: Receiver, client: aiohttp.ClientSession, request_line: str, status: bytes, expected: str
) -> None:
    answer = await asked_once(receiver, f"{request_line} HTTP/1.1\r\nHost: x\r\nExpect: {expected}\r\n")
    assert answer.split(b" ", 2)[:2] == [b"HTTP/1.1", status]
    assert b"teapot" not in answer
    refused = 0 if request_line.startswith("OPTIONS") else 1
    samples = await scrape(client)
    assert samples["alert_receiver_notifications_rejected_total reason=wrong_path"] == refused
    method = "POST" if request_line.startswith("POST") else "other"
    assert samples[f"{HTTP}_count code={status.decode()}, handler=other, method={method}"] == 1


@pytest.mark.parametrize("expected", ["100-continue", "<script>teapot"])
async def test_whatever_is_expected_of_a_path_that_does_not_exist_a_token_is_needed_to_learn_that(
    tmp_path: Path, expected: str
) -> None:
    token = Token("sender", "prod", frozenset({Scope.WEBHOOK}), (Secret("a-token-of-some-length"),))
    url = f"sqlite:///{tmp_path / 'books.db'}"
    settings = Settings(url, policy(channel()), [ConsoleDestination("ops")], port=0, tokens=(token,))
    async with running(settings, io.StringIO()) as closed:
        answer = await asked_once(closed, f"POST /nowhere HTTP/1.1\r\nHost: x\r\nExpect: {expected}\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"teapot" not in answer


async def asked_once(receiver: Receiver, head: str) -> bytes:
    """All that is answered to a request without a body."""
    reader, writer = await asyncio.open_connection(*asked(receiver))
    writer.write(f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer
