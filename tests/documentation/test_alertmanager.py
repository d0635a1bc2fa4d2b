"""What docs/alertmanager.md says of senders is so: of Grafana, of pairs, of tokens and of what is refused."""

import json
from pathlib import Path

import pytest

from tests.documentation.pages import page
from tests.end_to_end.processes import ReceiverProcess, Start

TOKEN = "token-of-the-page-about-senders"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}

# As the documentation of Grafana 13 shows it.
GRAFANA = {
    "receiver": "My Super Webhook",
    "status": "firing",
    "orgId": 1,
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "High memory usage", "team": "blue", "grafana_folder": "shop"},
            "annotations": {"summary": "the disk fills", "runbook_url": "https://wiki.example.com/runbook/1234"},
            "startsAt": "2026-11-20T09:51:03.157076+02:00",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://play.grafana.org/alerting/1afz29v7z/edit",
            "fingerprint": "c6eadffa33fcdf37",
            "silenceURL": "https://play.grafana.org/alerting/silence/new",
            "dashboardURL": "https://play.grafana.org/d/abc",
            "panelURL": "",
            "values": {"B": 44.23943737541908, "C": 1},
        }
    ],
    "groupLabels": {},
    "commonLabels": {"team": "blue"},
    "commonAnnotations": {},
    "externalURL": "https://play.grafana.org/",
    "version": "1",
    "groupKey": "{}:{}",
    "truncatedAlerts": 0,
    "title": "[FIRING:1]  (blue)",
    "state": "alerting",
    "message": "**Firing**",
}

FIRING = {"status": "firing", "startsAt": "2026-11-20T20:00:00Z"}


def config(**more: object) -> dict[str, object]:
    """A console channel that tells at once."""
    return {
        "defaults": {"group_wait": "0s"},
        "channels": [{"name": "shell", "alias": "terminal", "type": "console"}],
        **more,
    }


async def guarded(start: Start, folder: Path) -> ReceiverProcess:
    """A receiver with a token for a sender named grafana."""
    (folder / "token").write_text(TOKEN)
    tokens = [{"name": "grafana", "token_file": "token", "scopes": ["webhook"], "source": "grafana"}]
    return await start(config(auth={"tokens": tokens}))


async def test_what_grafana_sends_is_told_with_its_links_and_counts_as_its_own_source(
    start: Start, tmp_path: Path
) -> None:
    receiver = await guarded(start, tmp_path)
    assert (await receiver.post(json.dumps(GRAFANA).encode(), headers=AUTHORIZED)).status == 200
    await receiver.wait_until(lambda: any("Silence" in line for line in receiver.stdout), "the message is told")
    told = "".join(receiver.stdout)
    assert "https://play.grafana.org/alerting/silence/new" in told
    assert "https://play.grafana.org/d/abc" in told
    assert "44.2" not in told
    assert "(warning)" in told


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("PUT", "/webhook", json.dumps(GRAFANA), AUTHORIZED, 405),
        ("POST", "/webhook", json.dumps({"text": "a custom payload"}), AUTHORIZED, 400),
        ("POST", f"/webhook?token={TOKEN}", json.dumps(GRAFANA), {}, 400),
        ("POST", "/webhook", json.dumps(GRAFANA), {"Authorization": "Basic YTpi"}, 401),
        ("POST", "/webhook", json.dumps(GRAFANA), {}, 401),
        ("POST", "/webhook/terminal", json.dumps(GRAFANA), AUTHORIZED, 200),
        ("POST", "/webhook/nobody", json.dumps(GRAFANA), AUTHORIZED, 200),
    ],
)
async def test_a_request_is_answered_as_the_page_says(
    method: str, path: str, body: str, headers: dict[str, str], status: int, start: Start, tmp_path: Path
) -> None:
    receiver = await guarded(start, tmp_path)
    assert (await receiver.request(method, path, body.encode(), headers)).status == status


@pytest.mark.parametrize(("label", "alerts"), [("prometheus_replica", 1), ("replica", 1), ("instance", 2)])
async def test_a_pair_of_prometheus_is_one_alert(label: str, alerts: int, start: Start) -> None:
    [block] = [text for text in page("alertmanager").blocks("yaml") if "ignore_labels" in text.text]
    assert "ignore_labels: [prometheus_replica, replica]" in block.text
    receiver = await start(config(ignore_labels=["prometheus_replica", "replica"]))
    for replica in ("a", "b"):
        body = {"alerts": [FIRING | {"labels": {"alertname": "Up", label: replica}}]}
        assert (await receiver.post(json.dumps(body).encode())).status == 200
    ledger = await receiver.ledger("shell")
    assert ledger["accepted"] == 2
    assert ledger.get("duplicate", 0) == 2 - alerts
