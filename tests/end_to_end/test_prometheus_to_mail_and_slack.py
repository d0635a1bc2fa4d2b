"""The main job with the real programs: a rule fires in Prometheus, Alertmanager posts, a mail and a message arrive.

Then the condition ends, and the resolve arrives on both. The mail goes over STARTTLS with AUTH, to a server whose
certificate an authority of the test's own has signed. The same Prometheus scrapes the receiver's books.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from receiver.demo.slack_endpoint import SlackEndpoint
from tests.end_to_end.monitoring import run_alertmanager, run_prometheus, write
from tests.end_to_end.notifications import mail_text, parsed, slack_text
from tests.end_to_end.processes import (
    PATIENCE,
    Program,
    Start,
    balanced,
    configuration,
    until,
)
from tests.smtp_server import SmtpServer

USER, PASSWORD = "alerts", "the-smtp-password"
CHANNELS = ("mail", "chat")

RULE = {
    "alert": "HighErrorRate",
    "expr": "checkout_error_ratio > 0.05",
    "labels": {"severity": "critical", "cluster": "prod-eu", "team": "payments"},
    "annotations": {
        "summary": "{{ $labels.service }} fails {{ $value | humanizePercentage }} of its requests",
        "runbook_url": "https://runbooks.example.com/HighErrorRate",
    },
}


class Exporter:
    """A service with one metric, ``checkout_error_ratio``, that the test sets."""

    def __init__(self) -> None:
        self.ratio = 0.0
        self.address = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"{host}:{port}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(text=f'checkout_error_ratio{{service="checkout"}} {self.ratio}\n')


@pytest.fixture
async def exporter() -> AsyncIterator[Exporter]:
    """A service that is well."""
    running = Exporter()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def secure_smtp(tmp_path: Path) -> AsyncIterator[SmtpServer]:
    """An SMTP server that wants STARTTLS and credentials; beside it ``ca.pem`` and ``smtp-password``."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "smtp-password").write_text(PASSWORD + "\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = SmtpServer(starttls=context, credentials=(USER, PASSWORD))
    await server.start()
    yield server
    await server.stop()


def starttls(port: int) -> dict[str, object]:
    """How mail goes to the secure server."""
    return {
        "host": "127.0.0.1",
        "port": port,
        "security": "starttls",
        "username": USER,
        "password_file": "smtp-password",
    }


@pytest.mark.real("prometheus", "prometheus-alertmanager")
async def test_a_rule_that_fires_in_prometheus_arrives_by_mail_and_in_slack_and_so_does_its_resolve(
    start: Start,
    programs: list[Program],
    tmp_path: Path,
    exporter: Exporter,
    secure_smtp: SmtpServer,
    slack: SlackEndpoint,
    free_port: Callable[[], int],
) -> None:
    config = configuration(secure_smtp.port, slack.url)
    receiver = await start(config | {"smtp": starttls(secure_smtp.port) | {"ca_file": "ca.pem"}})
    alertmanager = await run_alertmanager(programs, tmp_path / "alertmanager", free_port(), receiver)
    targets = {"checkout": exporter.address, "alert-receiver": receiver.url.removeprefix("http://")}
    write(tmp_path / "prometheus", "rules.yml", {"groups": [{"name": "checkout", "rules": [RULE]}]})
    rules = [tmp_path / "prometheus" / "rules.yml"]
    prometheus = await run_prometheus(programs, tmp_path / "prometheus", free_port(), alertmanager, targets, rules)

    exporter.ratio = 0.25
    async with asyncio.timeout(PATIENCE):
        [mail] = await secure_smtp.wait_for(1)
        [message] = await slack.wait_for(1)
    assert mail.encrypted
    assert mail.user == USER
    assert mail.sender == "alerts@example.com"
    assert mail.recipients == ("oncall@example.com",)
    headers = parsed(mail.data)
    assert headers["Subject"] == "[FIRING:1] HighErrorRate (prod-eu)"
    assert headers["To"] == "oncall@example.com"
    assert headers["From"] == "Alerts <alerts@example.com>"
    html = headers.get_body(("html",))
    assert html is not None
    for text in (mail_text(mail.data), html.get_content(), slack_text(message.payload)):
        assert "Firing" in text
        assert "HighErrorRate" in text
        assert "checkout fails 25% of its requests" in text
        for said in (exporter.address, "payments", "critical", "https://runbooks.example.com/HighErrorRate"):
            assert said in text, said
    assert slack_text(message.payload).startswith("[FIRING:1] HighErrorRate (prod-eu)\n")
    for channel in CHANNELS:
        assert await receiver.settled(channel, delivered=1) == {"accepted": 1, "delivered": 1}

    exporter.ratio = 0.01
    async with asyncio.timeout(PATIENCE):
        await secure_smtp.wait_for(2)
        await slack.wait_for(2)
    ended = secure_smtp.mails[1]
    assert (ended.encrypted, ended.user) == (True, USER)
    assert parsed(ended.data)["Subject"] == "[RESOLVED] HighErrorRate (prod-eu)"
    for text in (mail_text(ended.data), slack_text(slack.messages[1].payload)):
        assert text.startswith("[RESOLVED] HighErrorRate (prod-eu)\n")
        assert "Resolved: HighErrorRate (critical)" in text
        assert exporter.address in text
    for channel in CHANNELS:
        assert await receiver.settled(channel, delivered=2) == {"accepted": 2, "delivered": 2}

    # The books as whoever runs us sees them: scraped by this Prometheus.
    async def scraped() -> dict[str, float] | None:
        samples = await prometheus.query('{__name__=~"alert_receiver_ledger_.*"}')
        told = [samples.get(f'ledger_outcomes_total{{channel="{name}",outcome="delivered"}}') for name in CHANNELS]
        return samples if told == [2, 2] else None

    samples = await until(scraped, "Prometheus has scraped the books")
    for channel in CHANNELS:
        assert balanced(samples, channel) == {"accepted": 2, "delivered": 2}
    assert await receiver.terminate() == 0
    assert PASSWORD not in "".join(receiver.stderr)


async def test_a_mail_server_whose_certificate_nobody_vouches_for_gets_neither_mail_nor_password(
    start: Start, secure_smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    config = configuration(secure_smtp.port, slack.url)
    receiver = await start(config | {"smtp": starttls(secure_smtp.port)})
    body = json.dumps({"alerts": [{"labels": {"alertname": "A"}}]}).encode()
    assert (await receiver.post(body)).status == 200
    await receiver.settled("chat", delivered=1)

    async def down() -> bool:
        return (await receiver.metrics())['channel_up{channel="mail"}'] == 0

    await until(down, "the mail channel needs a person")
    assert (await receiver.metrics())['delivery_failures_total{channel="mail",reason="certificate_invalid"}'] == 1
    assert await receiver.ledger("mail") == {"accepted": 1, "pending": 1}
    assert secure_smtp.transmitted == []
    assert await receiver.terminate() == 0
    assert PASSWORD not in "".join(receiver.stderr)


@pytest.mark.real("promtool")
async def test_promtool_finds_nothing_to_say_about_the_metrics(
    start: Start, slack: SlackEndpoint, secure_smtp: SmtpServer
) -> None:
    receiver = await start(configuration(secure_smtp.port, slack.url))
    # What is refused is in the metrics too: here the STARTTLS that the mail server insists on.
    body = json.dumps({"alerts": [{"labels": {"alertname": "A"}}]}).encode()
    assert (await receiver.post(body)).status == 200
    assert (await receiver.post(b"")).status == 400
    await receiver.settled("chat", delivered=1)

    async def failed() -> bool:
        return any(name.startswith("delivery_failures_total{") for name in await receiver.metrics())

    await until(failed, "the mail server has refused")
    metrics = await receiver.request("GET", "/metrics")
    promtool = await asyncio.create_subprocess_exec(
        "promtool",
        "check",
        "metrics",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said = await promtool.communicate(metrics.text.encode())
    assert (promtool.returncode, *said) == (0, b"", b"")
