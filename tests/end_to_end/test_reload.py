"""The real program takes on a new configuration while it runs: by SIGHUP, by POST, by a changed secret file."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import yaml

from receiver.demo.slack_endpoint import SlackEndpoint
from tests.end_to_end.notifications import alert, notification
from tests.end_to_end.processes import PATIENCE, ReceiverProcess, Start, configuration
from tests.smtp_server import SmtpServer

SUCCESSFUL = "config_last_reload_successful"
SUCCEEDED_AT = "config_last_reload_success_timestamp_seconds"
SECRET = "the-secret-teapot"


@pytest.fixture
async def other_slack() -> AsyncIterator[SlackEndpoint]:
    """A second running Slack endpoint."""
    endpoint = SlackEndpoint()
    await endpoint.start()
    yield endpoint
    await endpoint.stop()


def write(receiver: ReceiverProcess, config: Mapping[str, object]) -> None:
    """Give the receiver another configuration file."""
    (receiver.cwd / "alert-receiver.yml").write_text(yaml.safe_dump(dict(config)))


async def hangup(receiver: ReceiverProcess, outcome: str) -> None:
    """SIGHUP, until the log says what came of it."""
    already = len(receiver.stderr)
    receiver.signal(signal.SIGHUP)
    await receiver.wait_until(
        lambda: any(outcome in line and "asked_by=SIGHUP" in line for line in receiver.stderr[already:]), outcome
    )


async def tell(receiver: ReceiverProcess, alertname: str) -> None:
    """Have an alert fire."""
    assert (await receiver.post(notification(alert(alertname)))).status == 200


async def told(slack: SlackEndpoint, count: int, alertname: str) -> None:
    """The endpoint's message of that number is this alert's."""
    async with asyncio.timeout(PATIENCE):
        messages = await slack.wait_for(count)
    assert alertname.encode() in messages[count - 1].body


def chat(url: str, name: str = "chat") -> dict[str, object]:
    """A Slack channel."""
    return {"name": name, "type": "slack", "webhook_url": url}


async def test_a_hangup_adds_removes_and_changes_channels_without_a_restart(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint, other_slack: SlackEndpoint
) -> None:
    before = configuration(smtp.port, slack.url)
    receiver = await start(before)
    await tell(receiver, "First")
    await told(slack, 1, "First")
    await receiver.settled("mail", delivered=1)
    loaded_at = (await receiver.metrics())[SUCCEEDED_AT]

    write(receiver, before | {"channels": [chat(other_slack.url), chat(slack.url, "new")]})
    await hangup(receiver, "configuration reloaded")
    samples = await receiver.metrics()
    assert samples[SUCCESSFUL] == 1
    assert samples[SUCCEEDED_AT] > loaded_at
    # A new channel's series are there before anything happened, a removed one's stay.
    assert samples['delivery_attempts_total{channel="new",result="failed"}'] == 0
    assert samples['ledger_accepted_total{channel="new",origin="webhook"}'] == 0
    assert samples['delivery_attempts_total{channel="mail",result="taken"}'] == 1
    assert samples['ledger_outcomes_total{channel="mail",outcome="delivered"}'] == 1

    await tell(receiver, "Second")
    await told(other_slack, 1, "Second")
    await told(slack, 2, "Second")
    assert len(smtp.mails) == 1
    assert (await receiver.request("POST", "/webhook/new", notification(alert("Third")))).status == 200
    await told(slack, 3, "Third")
    assert await receiver.terminate() == 0


async def test_a_broken_configuration_keeps_the_old_one_and_says_everything_that_is_wrong(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    before = configuration(smtp.port, slack.url)
    receiver = await start(before)
    write(receiver, before | {"smpt": {}, "channels": [chat(f"http://hooks.example.com/{SECRET}")]})
    answer = await receiver.request("POST", "/-/reload")
    assert answer.status == 500
    assert answer.headers["Content-Type"].startswith("text/plain")
    stays, url, unknown = answer.text.splitlines()
    assert stays == "not reloaded, the configuration in force stays:"
    assert "channels[0].webhook_url: is no https URL" in url
    assert 'smpt: unknown key; did you mean "smtp"?' in unknown
    await hangup(receiver, "the old one stays in force")
    assert (await receiver.metrics())[SUCCESSFUL] == 0
    errors = [line for line in receiver.stderr if "level=error" in line]
    assert ["smpt" in line for line in errors].count(True) == 2
    assert SECRET not in answer.text + "".join(receiver.stderr)

    await tell(receiver, "First")
    await told(slack, 1, "First")
    await receiver.settled("mail", delivered=1)

    write(receiver, before)
    answer = await receiver.request("POST", "/-/reload")
    assert (answer.status, answer.text) == (200, "the configuration was reloaded\n")
    assert (await receiver.metrics())[SUCCESSFUL] == 1
    assert await receiver.terminate() == 0


async def test_a_rotated_secret_is_used_without_anybody_asking(
    start: Start, tmp_path: Path, smtp: SmtpServer, slack: SlackEndpoint, other_slack: SlackEndpoint
) -> None:
    secret = tmp_path / "url"
    secret.write_text(slack.url)
    channel = {"name": "chat", "type": "slack", "webhook_url_file": secret.name}
    receiver = await start(configuration(smtp.port, slack.url) | {"channels": [channel]})
    await tell(receiver, "First")
    await told(slack, 1, "First")

    secret.write_text(other_slack.url + "\n")
    await receiver.wait_until(
        lambda: any('asked_by="a changed secret file"' in line for line in receiver.stderr), "it has reloaded"
    )
    await tell(receiver, "Second")
    await told(other_slack, 1, "Second")
    assert len(slack.messages) == 1
    assert await receiver.terminate() == 0


async def test_where_the_books_are_kept_can_not_change_while_it_runs(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    before = configuration(smtp.port, slack.url)
    receiver = await start(before)
    write(receiver, before | {"storage": {"url": "sqlite:///elsewhere.db"}})
    assert (await receiver.request("POST", "/-/reload")).status == 200
    [warning] = [line for line in receiver.stderr if "level=warn" in line]
    assert "storage.url has changed, which needs a restart" in warning
    await tell(receiver, "First")
    assert await receiver.settled("chat", delivered=1) == {"accepted": 1, "delivered": 1}
    assert not (receiver.cwd / "elsewhere.db").exists()
    assert await receiver.terminate() == 0


async def test_a_hangup_without_a_configuration_file_is_answered_and_harms_nobody(start: Start) -> None:
    receiver = await start()
    await hangup(receiver, "nothing to reload")
    assert (await receiver.request("GET", "/-/ready")).status == 200
    assert await receiver.terminate() == 0
