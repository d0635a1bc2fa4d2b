"""Every body that a real Alertmanager was seen to send is accepted, and every alert in it is told."""

import asyncio
import re

import pytest

from receiver.demo.slack_endpoint import SlackEndpoint
from tests.end_to_end.notifications import CAPTURED, captured, counted, encoded, mail_text, slack_text
from tests.end_to_end.processes import PATIENCE, ReceiverProcess, Start, configuration
from tests.smtp_server import SmtpServer

NAMES = sorted(path.stem for path in CAPTURED.glob("*.json"))
CHANNELS = ("mail", "chat")

_MORE = re.compile(r"and ([\d,]+) more \(")


async def told(receiver: ReceiverProcess, smtp: SmtpServer, slack: SlackEndpoint, name: str) -> dict[str, str]:
    """Post the body; what each channel then told, in one message for a body is one group here."""
    before = {channel: (await receiver.ledger(channel)).get("delivered", 0) for channel in CHANNELS}
    mails, messages = len(smtp.mails), len(slack.messages)
    body = (CAPTURED / f"{name}.json").read_bytes()
    assert (await receiver.post(body)).status == 200
    n = len(captured(name)["alerts"])
    for channel in CHANNELS:
        await receiver.settled(channel, delivered=before[channel] + n)
    assert (len(smtp.mails), len(slack.messages)) == (mails + 1, messages + 1)
    return {"mail": mail_text(smtp.mails[-1].data), "chat": slack_text(slack.messages[-1].payload)}


def by_case() -> dict[str, object]:
    """Group by what makes a body's alerts one group, whatever the other bodies were."""
    return {"group_by": ["case"]}


async def test_every_captured_body_is_accepted_and_every_alert_in_it_told_or_counted(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    receiver = await start(configuration(smtp.port, slack.url, **by_case()))
    assert len(NAMES) >= 10
    for name in NAMES:
        alerts = captured(name)["alerts"]
        for channel, text in (await told(receiver, smtp, slack, name)).items():
            assert counted(text) == len(alerts), (name, channel)
            more = sum(int(n.replace(",", "")) for n in _MORE.findall(text))
            shown = [alert for alert in alerts if alert["labels"]["id"] in text]
            assert len(shown) + more == len(alerts), (name, channel)
            assert len(shown) >= min(len(alerts), 5), (name, channel)
            for alert in shown:
                assert alert["labels"]["alertname"] in text
                assert alert["labels"]["instance"] in text
    total = sum(len(captured(name)["alerts"]) for name in NAMES)
    samples = await receiver.metrics()
    assert samples['notifications_received_total{source="default"}'] == len(NAMES)
    assert samples['alerts_received_total{status="firing"}'] == total - 1
    assert samples['alerts_received_total{status="resolved"}'] == 1
    assert samples["alerts_unreadable_total"] == 0
    for channel in CHANNELS:
        assert await receiver.ledger(channel) == {"accepted": total, "delivered": total}
    assert await receiver.terminate() == 0


async def test_what_max_alerts_cut_is_said_in_the_message_and_counted(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    receiver = await start(configuration(smtp.port, slack.url, **by_case()))
    for channel, text in (await told(receiver, smtp, slack, "truncated")).items():
        assert "3 more were cut by max_alerts" in text, channel
    assert (await receiver.metrics())["alerts_truncated_total"] == 3


async def test_a_resolve_is_told_as_one(start: Start, smtp: SmtpServer, slack: SlackEndpoint) -> None:
    receiver = await start(configuration(smtp.port, slack.url, **by_case()))
    for channel, text in (await told(receiver, smtp, slack, "resolved-1-firing")).items():
        assert text.startswith("[FIRING:1] "), channel
    for channel, text in (await told(receiver, smtp, slack, "resolved-2-resolved")).items():
        assert text.startswith("[RESOLVED] "), channel
        assert "id-000002" in text, channel


@pytest.mark.parametrize("version", ["1", "4", "5"])
async def test_bodies_of_any_version_are_notifications(start: Start, smtp: SmtpServer, version: str) -> None:
    receiver = await start(configuration(smtp.port, "http://127.0.0.1:1/"))
    body = captured("firing") | {"version": version, "routeLabels": {"a": "b"}, "orgId": 1, "state": "alerting"}
    assert (await receiver.post(encoded(body))).status == 200
    async with asyncio.timeout(PATIENCE):
        [mail] = await smtp.wait_for(1)
    assert "id-000001" in mail_text(mail.data)
