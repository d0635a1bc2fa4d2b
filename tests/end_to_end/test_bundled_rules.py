"""The bundled rules at work: Slack is broken, Prometheus sees it in the receiver's metrics, and a mail says so.

The rules are the files as they are shipped, with their own waits; the receiver, Prometheus and Alertmanager are real.
While the alert waits, the same Prometheus is asked whether each series that the rules and the dashboard read exists.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from receiver.demo.slack_endpoint import Failing, SlackEndpoint
from tests.end_to_end.monitoring import Prometheus, run_alertmanager, run_prometheus
from tests.end_to_end.notifications import mail_text, parsed
from tests.end_to_end.processes import Program, Start, configuration, until
from tests.rules.dashboard import expressions
from tests.rules.promql import selectors
from tests.rules.rule_files import RUNBOOK_BASE, alerts, paths
from tests.smtp_server import SmtpServer

# AlertReceiverChannelDown waits a minute; a slow machine must not fail the test.
PATIENCE = 150.0

OURS = "alert_receiver_"


def series_of_rules() -> Iterator[str]:
    """What rules read of the receiver, in whichever file they are."""
    for alert in alerts():
        yield from (selector for selector in selectors(alert.expr) if selector.startswith(OURS))
        if alert.domain == "receiver":
            yield from selectors(alert.expr)


def series_of_panels() -> Iterator[str]:
    """What the dashboard reads, with all of its variables chosen."""
    for expression in expressions():
        yield from selectors(expression)


@pytest.mark.real("prometheus", "prometheus-alertmanager")
async def test_that_slack_is_broken_comes_round_to_the_receivers_mail_by_the_bundled_rules(
    start: Start,
    programs: list[Program],
    tmp_path: Path,
    smtp: SmtpServer,
    slack: SlackEndpoint,
    free_port: Callable[[], int],
) -> None:
    slack.failing = Failing(404, "no_service")
    receiver = await start(configuration(smtp.port, slack.url))
    alertmanager = await run_alertmanager(programs, tmp_path / "alertmanager", free_port(), receiver)
    targets = {"alert-receiver": receiver.url.removeprefix("http://")}
    prometheus = await run_prometheus(
        programs, tmp_path / "prometheus", free_port(), alertmanager, targets, paths(), interval="1s"
    )
    # Some alert that Slack does not take, and mail does.
    body = json.dumps({"alerts": [{"labels": {"alertname": "HighErrorRate"}}]}).encode()
    assert (await receiver.post(body)).status == 200
    async with asyncio.timeout(PATIENCE):
        await smtp.wait_for(1)

    await all_rules_are_healthy(prometheus)
    await every_series_is_there(prometheus)

    async def told() -> str | None:
        texts = [mail_text(mail.data) for mail in smtp.mails if "ChannelDown" in parsed(mail.data)["Subject"]]
        return texts[0] if texts else None

    text = await until(told, "a mail tells that Slack is broken", PATIENCE)
    assert "AlertReceiverChannelDown" in text
    assert "A channel is refused by its provider, and needs a person." in text
    assert f"Nothing gets through the channel chat of {targets['alert-receiver']}" in text
    assert f"{RUNBOOK_BASE}/AlertReceiverChannelDown.md" in text
    firing = {
        alert["labels"]["alertname"]: alert["labels"].get("channel")
        for alert in (await prometheus.get("alerts"))["alerts"]
        if alert["state"] == "firing"
    }
    # Nothing else is wrong, so no other rule may say that anything is.
    assert firing == {"Watchdog": None, "AlertReceiverChannelDown": "chat"}
    assert await receiver.terminate() == 0


async def all_rules_are_healthy(prometheus: Prometheus) -> None:
    """Prometheus has loaded every file as it is, and has evaluated each rule without an error."""

    async def evaluated() -> dict[str, tuple[str, str]] | None:
        groups = (await prometheus.get("rules"))["groups"]
        found = {
            rule["name"]: (rule["health"], rule.get("lastError", "")) for group in groups for rule in group["rules"]
        }
        return None if "unknown" in {health for health, _ in found.values()} else found

    found = await until(evaluated, "every rule was evaluated")
    assert found == {alert.name: ("ok", "") for alert in alerts()}


async def every_series_is_there(prometheus: Prometheus) -> None:
    """No rule and no panel names a metric, a label or a value of a label that the receiver does not have."""
    wanted = {*series_of_rules(), *series_of_panels()} - {f'alert:threshold{{alert="{a.name}"}}' for a in alerts()}
    assert wanted

    async def missing() -> list[str] | None:
        counts = await asyncio.gather(*(prometheus.get("query", query=f"count({selector})") for selector in wanted))
        absent = sorted(s for s, count in zip(wanted, counts, strict=True) if not count["result"])
        return None if absent else ["none"]

    await until(missing, "each series that a rule or a panel reads is there")
