"""What the README tells people to write works as it stands."""

import re
import subprocess
from pathlib import Path

import pytest

from receiver.config import loading
from receiver.config.resolve import destinations, resolve
from receiver.decode import decode

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def block(language: str, holding: str) -> str:
    """The README's block in this language that holds the words."""
    [found] = [text for text in re.findall(rf"```{language}\n(.*?)```", README, re.S) if holding in text]
    return str(found)


def test_the_configuration_is_accepted_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "smtp-password").write_text("s3cret-of-the-readme\n")
    (tmp_path / "slack-webhook-url").write_text("https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXX\n")
    path = tmp_path / "alert-receiver.yml"
    path.write_text(block("yaml", "smtp:").replace("/run/secrets", str(tmp_path)))
    loaded = loading.load(path, {})
    assert loaded.warnings == ()
    assert [channel.name for channel in resolve(loaded.config).channels] == ["oncall", "ops"]
    assert len(destinations(loaded.config)) == 2


@pytest.mark.real("amtool")
def test_alertmanager_accepts_its_snippet(tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(block("yaml", "webhook_configs:"))
    checked = subprocess.run(["amtool", "check-config", str(path)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_test_alert_is_a_notification_without_a_defect() -> None:
    [body] = re.findall(r"--data '(.*?)'", README, re.S)
    [alert] = decode(body.encode(), received_at=0).alerts
    assert alert.defect is None
    assert alert.labels["alertname"] == "TestAlert"


def test_every_link_to_a_file_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (Path(__file__).parents[1] / target).exists(), target
