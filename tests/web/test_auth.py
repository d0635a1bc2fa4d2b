"""Who is let in with which token, what everybody else is told, and what is counted and logged of it."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from receiver import reload
from receiver.access import Scope, Token
from receiver.app import Receiver, Settings, running
from receiver.config import loading
from receiver.config.resolve import destinations, resolve
from receiver.config.tokens import tokens
from receiver.metrics import AUTH_FAILURES, Metrics
from receiver.redaction import scrub
from receiver.secret import Secret, known_values
from receiver.web import auth
from receiver.web.api import Api
from receiver.web.auth import LOG_EVERY_MS, Authority, Refusal
from receiver.web.management import Management
from receiver.web.server import application
from receiver.web.webhook import Webhook
from tests.web.test_server import CAPTURED, HTTP, asked, scrape

PATIENCE = 20
FIRING = (CAPTURED / "firing.json").read_bytes()

# One token for each scope. The webhook's is that of the captured notification.
SENDER, SCRAPER, OPERATOR = "tok123", "scraper-token-0000001", "operator-token-000001"
GRANTED = {SENDER: {"webhook"}, SCRAPER: {"read"}, OPERATOR: {"admin", "read"}}
CONFIGURATION = """\
storage: {{url: "sqlite:///{folder}/books.db"}}
channels: [{{name: ops, type: console}}]
auth:
  tokens:
    - {{name: alertmanager, token_file: webhook-token, scopes: [webhook], source: prod}}
    - {{name: prometheus, token: {scraper}, scopes: [read]}}
    - {{name: operator, token: {operator}, scopes: [admin]}}
"""
# What each path needs; None: it is for everybody.
NEEDS = {
    ("POST", "/webhook"): "webhook",
    ("POST", "/webhook/{channel}"): "webhook",
    ("GET", "/-/healthy"): None,
    ("HEAD", "/-/healthy"): None,
    ("GET", "/-/ready"): None,
    ("HEAD", "/-/ready"): None,
    ("POST", "/-/reload"): "admin",
    ("GET", "/metrics"): "read",
    ("HEAD", "/metrics"): "read",
    ("GET", "/api/v1/messages"): "read",
    ("HEAD", "/api/v1/messages"): "read",
    ("POST", "/api/v1/messages/{id}/redeliver"): "admin",
}


def settings(folder: Path, text: str) -> Settings:
    """What the command line makes of a configuration file."""
    file = folder / "alert-receiver.yml"
    file.write_text(text)
    load = partial(loading.load, file, {})
    loaded = load()
    config = loaded.config
    where = config.storage.url, resolve(config), destinations(config)
    return Settings(*where, port=0, load=load, secret_files=loaded.secret_files, tokens=tokens(config))


@asynccontextmanager
async def guarded(folder: Path, webhook_token: str = SENDER) -> AsyncIterator[Receiver]:
    """A receiver with a token for each scope."""
    (folder / "webhook-token").write_text(f"{webhook_token}\n")
    text = CONFIGURATION.format(folder=folder, scraper=SCRAPER, operator=OPERATOR)
    async with running(settings(folder, text), io.StringIO()) as receiver:
        yield receiver


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    async with guarded(tmp_path) as receiver:
        yield receiver


@pytest.fixture
async def client(receiver: Receiver) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(receiver.url) as session:
        yield session


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def status(client: aiohttp.ClientSession, method: str, path: str, token: str | None = None) -> int:
    body = FIRING if path.startswith("/webhook") else None
    headers = bearing(token) if token else {}
    async with client.request(method, path, data=body, headers=headers) as response:
        return response.status


async def counted(client: aiohttp.ClientSession) -> dict[str, float]:
    """The samples of a scrape with the token for it."""
    return await scrape(client, bearing(SCRAPER))


def failures(samples: dict[str, float]) -> dict[str, float]:
    """The refusals by reason, those that there were."""
    by_reason = {reason: samples[f"alert_receiver_auth_failures_total reason={reason}"] for reason in AUTH_FAILURES}
    return {reason: n for reason, n in by_reason.items() if n}


@pytest.mark.parametrize(("method", "path"), NEEDS)
@pytest.mark.parametrize("token", [None, "unknown-token-0000001", SENDER, SCRAPER, OPERATOR])
async def test_each_path_needs_its_own_scope(
    client: aiohttp.ClientSession, method: str, path: str, token: str | None
) -> None:
    need = NEEDS[method, path]
    body = FIRING if method == "POST" else None
    headers = bearing(token) if token else {}
    async with client.request(method, path.format(channel="ops", id="none"), data=body, headers=headers) as response:
        text = await response.text()
        if need is None or need in GRANTED.get(token or "", ()):
            assert response.status in (200, 404)
        elif token in GRANTED:
            assert response.status == 403
            assert method == "HEAD" or f"scope {need}" in text
        else:
            assert response.status == 401
            assert response.headers["WWW-Authenticate"].split()[0] == "Bearer"
    assert "token-0" not in text


def whole_application() -> aiohttp.web.Application:
    """The application with nothing behind it."""
    nothing: Any = None
    metrics = Metrics()
    webhook = Webhook(nothing, nothing, metrics, nothing, nothing, nothing, nothing, 1)
    management = Management(nothing, nothing, metrics, nothing, nothing)
    api = Api(nothing, nothing, nothing, nothing, nothing)
    return application(webhook, management, api, Authority((), metrics, lambda: 0), metrics, lambda _reason: None, 1)


def test_every_route_is_in_the_table_of_scopes() -> None:
    routes = {
        (route.method, route.resource.canonical) for route in whole_application().router.routes() if route.resource
    }
    assert routes == set(NEEDS)


async def test_a_route_whose_scope_is_not_stated_lets_nobody_in() -> None:
    reached = []

    async def handler(_request: aiohttp.web.Request) -> aiohttp.web.Response:
        reached.append("handler")
        return aiohttp.web.Response()

    app = whole_application()
    app.router.add_get("/aside", handler)
    async with TestClient(TestServer(app)) as client, client.get("/aside") as response:
        assert response.status == 503
    assert reached == []


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/teapot", "/-/reload/", "/webhook/a/b"])
async def test_who_has_no_token_does_not_learn_which_paths_there_are(
    client: aiohttp.ClientSession, method: str, path: str
) -> None:
    assert await status(client, method, path) == 401
    assert await status(client, method, path, "unknown-token-0000001") == 401
    assert await status(client, method, path, SCRAPER) == 404


async def test_a_wrong_method_is_told_only_to_who_has_a_token(client: aiohttp.ClientSession) -> None:
    for method, path in (("PUT", "/webhook"), ("GET", "/-/reload"), ("POST", "/metrics"), ("POST", "/-/healthy")):
        assert await status(client, method, path) == 401
        assert await status(client, method, path, SCRAPER) == 405


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([], "missing"),
        ([""], "not_bearer"),
        (["Bearer"], "missing"),
        (["Bearer "], "missing"),
        (["Basic YTpi"], "not_bearer"),
        ([SENDER], "not_bearer"),
        ([f"Bearer{SENDER}"], "not_bearer"),
        ([f"Bearer {SENDER}", f"Bearer {SENDER}"], "not_bearer"),
        ([f"Bearer {SENDER[:-1]}"], "unknown_token"),
        ([f"Bearer {SENDER}4"], "unknown_token"),
        ([f"Bearer {SENDER.upper()}"], "unknown_token"),
        ([f"Bearer {SENDER} {SENDER}"], "unknown_token"),
        ([f"Bearer {SENDER},"], "unknown_token"),
        ([f'Bearer "{SENDER}"'], "unknown_token"),
        ([f"Bearer {SENDER}\udcff"], "unknown_token"),
        (["Bearer \u200b"], "unknown_token"),
        ([f"Bearer {'x' * 4000}"], "unknown_token"),
        ([f"Bearer {SCRAPER}"], "missing_scope"),
        ([f"Bearer {SENDER}"], None),
        ([f"bearer {SENDER}"], None),
        ([f"BEARER   {SENDER} "], None),
    ],
)
async def test_only_a_whole_token_in_one_header_is_good(
    receiver: Receiver, client: aiohttp.ClientSession, given: list[str], reason: str | None
) -> None:
    lines = "".join(f"Authorization: {value}\r\n" for value in given)
    head = f"POST /webhook HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}Content-Length: {len(FIRING)}\r\n\r\n"
    answer = await exchange(receiver, head.encode(errors="surrogateescape") + FIRING)
    expected = {None: b"200", "missing_scope": b"403"}.get(reason, b"401")
    assert answer.split(b" ", 2)[1] == expected
    assert SENDER.encode() not in answer
    samples = await counted(client)
    assert failures(samples) == ({reason: 1} if reason else {})
    assert samples["alert_receiver_notifications_rejected_total reason=unauthorized"] == (1 if reason else 0)


async def exchange(receiver: Receiver, sent: bytes) -> bytes:
    """All that the receiver answers to these bytes."""
    reader, writer = await asyncio.open_connection(*asked(receiver))
    writer.write(sent)
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    writer.close()
    return answer


async def test_what_alertmanager_sends_with_its_credentials_file_is_taken(
    receiver: Receiver, client: aiohttp.ClientSession
) -> None:
    # As captured from Alertmanager 0.25, but for the path and the connection's end.
    head = (
        "POST /webhook/auth_bearer HTTP/1.1\r\nHost: 127.0.0.1:18300\r\nUser-Agent: Alertmanager/0.25.0\r\n"
        "Content-Length: 1979\r\nAuthorization: Bearer tok123\r\nContent-Type: application/json\r\n"
        "Connection: close\r\n\r\n"
    )
    answer = await exchange(receiver, head.encode() + (CAPTURED / "auth_bearer.json").read_bytes())
    assert answer.startswith(b"HTTP/1.1 200 ")
    basic = head.replace("Bearer tok123", "Basic dXNlcjpwYXNz")
    refused = await exchange(receiver, basic.encode() + (CAPTURED / "auth_bearer.json").read_bytes())
    assert refused.startswith(b"HTTP/1.1 401 ")
    assert b"credentials_file" in refused
    samples = await counted(client)
    assert samples["alert_receiver_notifications_received_total source=prod"] == 1
    assert failures(samples) == {"not_bearer": 1}


HEAD = "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nAuthorization: Bearer %s\r\n%s\r\n"


async def test_an_answer_of_who_may_not_send_does_not_wait_for_the_body(receiver: Receiver) -> None:
    for expecting in ("", "Expect: 100-continue\r\n"):
        reader, writer = await asyncio.open_connection(*asked(receiver))
        writer.write((HEAD % (len(FIRING), "nobody", expecting)).encode())
        async with asyncio.timeout(PATIENCE):
            answer = await reader.readuntil(b"\r\n")
        assert answer == b"HTTP/1.1 401 Unauthorized\r\n"
        writer.close()


async def test_who_may_send_is_asked_for_the_body(receiver: Receiver) -> None:
    reader, writer = await asyncio.open_connection(*asked(receiver))
    writer.write((HEAD % (len(FIRING), SENDER, "Expect: 100-continue\r\n")).encode())
    async with asyncio.timeout(PATIENCE):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(FIRING)
        assert await reader.readuntil(b"\r\n") == b"HTTP/1.1 200 OK\r\n"
    writer.close()


@pytest.mark.parametrize(
    "name", ["token", "TOKEN", "access_token", "access-token", "api_key", "apikey", "auth", "Authorization", "%74oken"]
)
@pytest.mark.parametrize("path", ["/webhook", "/metrics", "/teapot"])
async def test_a_credential_in_the_query_is_refused_though_the_header_is_good(
    client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture, path: str, name: str
) -> None:
    method = "GET" if path == "/metrics" else "POST"
    query = f"{path}?a=1&{name}=teapot"
    for headers in ({}, bearing(SENDER), bearing(SCRAPER)):
        async with client.request(method, query, data=b"{}" if method == "POST" else None, headers=headers) as response:
            text = await response.text()
            assert response.status == 400
        assert "Authorization" in text
        assert "teapot" not in text
    assert not any("?" in str(vars(record)) for record in caplog.records)
    samples = await counted(client)
    assert failures(samples) == {"token_in_query": 3}
    assert samples["alert_receiver_notifications_rejected_total reason=credential_in_url"] == (
        3 if method == "POST" else 0
    )
    assert samples["alert_receiver_notifications_rejected_total reason=unauthorized"] == 0


async def test_other_queries_are_left_alone(client: aiohttp.ClientSession) -> None:
    assert await status(client, "POST", "/webhook?cluster=a&author=b&tokens=3", SENDER) == 200


async def test_alerts_belong_to_the_source_of_their_token(tmp_path: Path) -> None:
    text = f"""\
storage: {{url: "sqlite:///{tmp_path}/books.db"}}
channels: [{{name: ops, type: console}}]
auth:
  tokens:
    - {{name: am-1, token: first-of-a-pair-00001, scopes: [webhook], source: prod}}
    - {{name: am-2, token: second-of-a-pair-0001, scopes: [webhook, read], source: prod}}
    - {{name: staging, token: token-of-staging-0001, scopes: [webhook]}}
"""
    async with (
        running(settings(tmp_path, text), io.StringIO()) as receiver,
        aiohttp.ClientSession(receiver.url) as client,
    ):
        scraper = bearing("second-of-a-pair-0001")
        before = await scrape(client, scraper)
        assert before["alert_receiver_notifications_received_total source=prod"] == 0
        assert before["alert_receiver_notifications_received_total source=default"] == 0
        for token in ("first-of-a-pair-00001", "second-of-a-pair-0001", "token-of-staging-0001"):
            assert await status(client, "POST", "/webhook", token) == 200
        samples = await scrape(client, scraper)
    assert samples["alert_receiver_notifications_received_total source=prod"] == 2
    assert samples["alert_receiver_notifications_received_total source=default"] == 1
    # To the peers of one source it is one alert; to another source it is another.
    assert samples["alert_receiver_ledger_outcomes_total channel=ops, outcome=duplicate"] == 1


async def test_both_lines_of_a_file_are_good_until_the_old_one_is_taken_out(tmp_path: Path) -> None:
    old, new = "old-webhook-token-001", "new-webhook-token-001"
    async with guarded(tmp_path, old) as receiver, aiohttp.ClientSession(receiver.url) as client:

        async def reloaded(content: str) -> tuple[int, int]:
            (tmp_path / "webhook-token").write_text(content)
            assert await status(client, "POST", "/-/reload", OPERATOR) == 200
            return await status(client, "POST", "/webhook", old), await status(client, "POST", "/webhook", new)

        assert await status(client, "POST", "/webhook", new) == 401
        assert await reloaded(f"{new}\n{old}\n") == (200, 200)
        assert await reloaded(f"{new}\n") == (401, 200)


async def test_a_broken_configuration_leaves_the_tokens_as_they_were(tmp_path: Path) -> None:
    async with guarded(tmp_path) as receiver, aiohttp.ClientSession(receiver.url) as client:
        (tmp_path / "webhook-token").write_text("one-webhook-token-001\ntwo-webhook-token-001\nthree-webhook-token-1\n")
        assert await status(client, "POST", "/-/reload", OPERATOR) == 500
        assert await status(client, "POST", "/webhook", SENDER) == 200
        assert await status(client, "POST", "/webhook", "one-webhook-token-001") == 401


async def test_a_changed_token_file_comes_into_force_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "SECRETS_POLL_SECONDS", 0.05)
    async with guarded(tmp_path) as receiver, aiohttp.ClientSession(receiver.url) as client:
        (tmp_path / "webhook-token").write_text("new-webhook-token-001\n")
        async with asyncio.timeout(PATIENCE):
            while await status(client, "POST", "/webhook", "new-webhook-token-001") != 200:
                pass
        assert await status(client, "POST", "/webhook", SENDER) == 401


async def test_a_source_that_a_reload_brings_has_its_series_at_once(tmp_path: Path) -> None:
    async with guarded(tmp_path) as receiver, aiohttp.ClientSession(receiver.url) as client:
        file = tmp_path / "alert-receiver.yml"
        file.write_text(file.read_text().replace("source: prod", "source: edge"))
        assert await status(client, "POST", "/-/reload", OPERATOR) == 200
        assert (await counted(client))["alert_receiver_notifications_received_total source=edge"] == 0


async def test_every_reason_and_answer_is_at_0_from_the_start(client: aiohttp.ClientSession) -> None:
    samples = await counted(client)
    assert failures(samples) == {}
    assert samples["alert_receiver_notifications_rejected_total reason=unauthorized"] == 0
    for (method, path), need in NEEDS.items():
        for code in (400, 401, 403) if need else ():
            assert samples[f"{HTTP}_count code={code}, handler={path}, method={method}"] == 0


async def test_the_log_names_the_tokens_holder_and_nothing_that_was_sent(
    client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    assert await status(client, "POST", "/webhook/teapot", SCRAPER) == 403
    assert await status(client, "POST", "/webhook/teapot", "unknown-teapot") == 401
    assert await status(client, "POST", "/teapot") == 401
    told = [vars(record) for record in caplog.records if record.name == auth.__name__]
    assert [(line["levelname"], line["reason"], line["path"], line.get("holder")) for line in told] == [
        ("WARNING", "missing_scope", "/webhook/{channel}", "prometheus"),
        ("WARNING", "unknown_token", "/webhook/{channel}", None),
        ("WARNING", "missing", "other", None),
    ]
    assert all(line["peer"] == "127.0.0.1" for line in told)
    assert "teapot" not in str(told)
    # Whoever guesses must not fill our memory, nor have words taken out of our log.
    assert "unknown-teapot" not in known_values()
    # What helps is not taken for a credential.
    assert all(scrub(line["detail"]) == line["detail"] for line in told)


async def test_only_what_may_have_been_an_alert_is_a_refused_notification(client: aiohttp.ClientSession) -> None:
    others = (
        ("GET", "/metrics"),
        ("POST", "/-/reload"),
        ("GET", "/teapot"),
        ("GET", "/webhook"),
        ("POST", "/api/v1/x"),
    )
    for method, path in others:
        assert await status(client, method, path) == 401
    refused = "alert_receiver_notifications_rejected_total reason=unauthorized"
    assert (await counted(client))[refused] == 0
    for method, path in (("POST", "/webhook"), ("POST", "/webhook/ops"), ("PUT", "/webhook"), ("POST", "/teapot")):
        assert await status(client, method, path) == 401
    samples = await counted(client)
    assert samples[refused] == 4
    assert failures(samples) == {"missing": 9}


class Door:
    """An authority with a clock that moves when told."""

    def __init__(self, *accepted: Token) -> None:
        self.now = 1_000_000
        self.authority = Authority(accepted, Metrics(), lambda: self.now)

    def refuse(self, authorization: str | None = None) -> str:
        """The reason why a scrape is refused."""
        headers = {} if authorization is None else {"Authorization": authorization}
        request = make_mocked_request("GET", "/metrics", headers=headers)
        with pytest.raises(Refusal) as refused:
            self.authority.admit(request, Scope.READ)
        self.authority.note(refused.value, request, "/metrics")
        return refused.value.reason


def accepted(name: str, *values: str) -> Token:
    return Token(name, "default", frozenset({Scope.READ}), tuple(map(Secret, values)))


def test_who_is_refused_again_and_again_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    door = Door(accepted("prometheus", SCRAPER))

    def counts() -> list[tuple[str, int]]:
        return [(record.__dict__["reason"], record.__dict__["count"]) for record in caplog.records]

    for _ in range(1_000):
        assert door.refuse() == "missing"
    assert door.refuse("Basic YTpi") == "not_bearer"
    assert counts() == [("missing", 1), ("not_bearer", 1)]
    door.now += LOG_EVERY_MS - 1
    door.refuse()
    assert len(counts()) == 2
    door.now += 1
    door.refuse()
    assert counts()[2:] == [("missing", 1_001)]
    # The clock is set back.
    door.now -= 3_600_000
    door.refuse()
    assert counts()[3:] == [("missing", 1)]


def test_every_value_is_compared_whichever_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append(len(a))
        assert len(a) == len(b)
        return a == b

    monkeypatch.setattr(auth, "compare_digest", compare)
    values = ["first-token-00000001", "second-token-0000001", "old-token", "a-token-that-is-longer-than-the-others"]
    door = Door(accepted("a", values[0]), accepted("b", *values[1:3]), accepted("c", values[3]))
    for value in values:
        door.authority.admit(make_mocked_request("GET", "/metrics", headers=bearing(value)), Scope.READ)
    assert door.refuse("Bearer nobody") == "unknown_token"
    assert compared == [32] * len(values) * (len(values) + 1)


def test_nothing_but_the_comparison_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "compare_digest", lambda _a, _b: False)
    assert Door(accepted("a", SCRAPER)).refuse(f"Bearer {SCRAPER}") == "unknown_token"
