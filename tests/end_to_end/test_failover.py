"""A channel that fails and its fallback, by the real program."""

import json
from typing import Any

from receiver.demo.slack_endpoint import Failing, SlackEndpoint
from tests.end_to_end.notifications import mail_text
from tests.end_to_end.processes import UNTHROTTLED, Start
from tests.smtp_server import SmtpServer

NOBODY = 'team="nobody"'


def notification(alertname: str, status: str = "firing") -> bytes:
    """One alert, as Alertmanager would send it."""
    ends_at = "0001-01-01T00:00:00Z" if status == "firing" else "2026-11-20T21:30:00Z"
    alert = {
        "status": status,
        "labels": {"alertname": alertname, "severity": "warning"},
        "annotations": {},
        "startsAt": "2026-11-20T21:00:00Z",
        "endsAt": ends_at,
    }
    return json.dumps({"version": "4", "alerts": [alert], "externalURL": "http://am-1"}).encode()


def configuration(smtp: SmtpServer, slack: SlackEndpoint, **chat: object) -> dict[str, Any]:
    """A Slack channel, and a mail channel that takes nothing by itself but is told notices."""
    return {
        "notices": ["mail"],
        "smtp": {"host": "127.0.0.1", "port": smtp.port, "security": "none"},
        "defaults": {"group_wait": "50ms", "group_interval": "100ms", "throttle": UNTHROTTLED},
        "channels": [
            {"name": "chat", "type": "slack", "webhook_url": slack.url, **chat},
            {
                "name": "mail",
                "type": "email",
                "to": ["oncall@example.com"],
                "from": "Alerts <alerts@example.com>",
                "matchers": [NOBODY],
            },
        ],
    }


async def test_what_slack_does_not_take_comes_by_mail_with_the_reason_and_so_does_its_end(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    receiver = await start(configuration(smtp, slack, fallback="mail", fallback_after="1s"))
    slack.failing = Failing(403, "invalid_token")
    assert (await receiver.post(notification("Down"))).status == 200
    [mail] = await smtp.wait_for(1)
    text = mail_text(mail.data)
    assert "Told here because chat could not deliver: Slack refused the webhook's token (HTTP 403)" in text
    assert "Firing: Down" in text
    assert (await receiver.post(notification("Down", "resolved"))).status == 200
    _, resolve = await smtp.wait_for(2)
    assert "Resolved: Down" in mail_text(resolve.data)
    await receiver.settled("chat", accepted=2, failed_over=2)
    await receiver.settled("mail", accepted=2, delivered=2)
    assert (await receiver.metrics())['ledger_accepted_total{channel="mail",origin="fallback"}'] == 2


async def test_whoever_runs_the_receiver_is_told_of_refused_notifications_and_of_unknown_channels(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    receiver = await start(configuration(smtp, slack))
    assert (await receiver.post(b"{")).status == 400
    [mail] = await smtp.wait_for(1)
    text = mail_text(mail.data)
    assert "1 × not a notification of Alertmanager or Grafana (400)" in text
    assert b"Subject: [NOTICE] 1 webhook request was refused" in mail.data
    assert (await receiver.post(notification("Down"), "/webhook/caht")).status == 200
    _, other = await smtp.wait_for(2)
    assert "1 × /webhook/caht" in mail_text(other.data)
    await slack.wait_for(1)
    await receiver.settled("chat", accepted=1, delivered=1)
    assert await receiver.terminate() == 0
