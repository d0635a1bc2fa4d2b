"""What the README and the pages beside it tell people to write works as it stands, and what they name is there."""

import contextlib
import io
import re
import shlex
import subprocess
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from receiver import app, dispatch, reporting, sweeper
from receiver.channels import email
from receiver.cli import main
from receiver.config import loading
from receiver.config.destinations import ConsoleDestination
from receiver.config.resolve import destinations, resolve
from receiver.core import retrying
from receiver.core.content import NoticeKind
from receiver.decode import decode
from receiver.messages.notice import TITLES
from receiver.metrics import AUTH_FAILURES
from receiver.store.messages import State
from receiver.transitions import failover, notify
from receiver.web import management
from tests.timeline import channel, policy
from tests.web.test_auth import NEEDS

ROOT = Path(__file__).parents[1]
README, SECURITY, RELIABILITY = (
    (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "SECURITY.md", "docs/reliability.md")
)
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def block(language: str, holding: str, page: str = README) -> str:
    """The page's block in this language that holds the words."""
    [found] = [text for text in re.findall(rf"```{language}\n(.*?)```", page, re.S) if holding in text]
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


def test_the_tokens_are_accepted_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    for name in ("alertmanager", "prometheus", "operator"):
        (tmp_path / "secrets" / f"{name}-token").write_text(f"token-of-{name}-for-the-page\n")
    path = tmp_path / "alert-receiver.yml"
    path.write_text(f"channels: [{{name: shell, type: console}}]\n{block('yaml', 'tokens:', SECURITY)}")
    assert loading.load(path, {}).warnings == ()


@pytest.mark.real("amtool")
@pytest.mark.parametrize("page", [README, SECURITY], ids=["README", "SECURITY"])
def test_alertmanager_accepts_its_snippet(page: str, tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    snippet = block("yaml", "webhook_configs:", page)
    path.write_text(snippet if "route:" in snippet else f"route: {{receiver: alert-receiver}}\n{snippet}")
    checked = subprocess.run(["amtool", "check-config", str(path)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.real("promtool")
def test_prometheus_accepts_its_snippet(tmp_path: Path) -> None:
    (tmp_path / "alert-receiver-token").write_text("token-for-the-page")
    path = tmp_path / "prometheus.yml"
    path.write_text(block("yaml", "scrape_configs:", SECURITY).replace("/etc/prometheus", str(tmp_path)))
    checked = subprocess.run(["promtool", "check", "config", str(path)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_test_alert_is_a_notification_without_a_defect() -> None:
    [body] = re.findall(r"--data '(.*?)'", README, re.S)
    [alert] = decode(body.encode(), received_at=0).alerts
    assert alert.defect is None
    assert alert.labels["alertname"] == "TestAlert"


def test_every_path_is_in_the_table_of_endpoints_with_its_scope() -> None:
    rows = re.findall(r"^\| (`(?:GET|POST) .*?) \|.*\| `?(\w+)`? \|$", README, re.M)
    stated = {tuple(path.split()): scope for paths, scope in rows for path in re.findall("`(.*?)`", paths)}
    assert stated == {key: str(scope).lower() for key, scope in NEEDS.items() if key[0] != "HEAD"}


def test_every_reason_to_refuse_who_asks_is_in_the_table() -> None:
    assert set(re.findall(r"^\| 40\d \| `(\w+)` \|", SECURITY, re.M)) == set(AUTH_FAILURES)


def test_the_failing_over_is_what_the_command_prints(tmp_path: Path) -> None:
    (tmp_path / "failover.yml").write_text(block("yaml", "fallback:", RELIABILITY))
    (tmp_path / "failover.jsonl").write_text(block("jsonl", "outage", RELIABILITY))
    command, shown = block("console", "simulate", RELIABILITY).split("\n", 1)
    with contextlib.chdir(tmp_path):
        result = CliRunner().invoke(main, shlex.split(command.removeprefix("$ alert-receiver ")))
    assert (result.exit_code, result.stderr) == (0, "")
    assert shown == result.stdout


@pytest.mark.parametrize(
    "said",
    [
        reporting.FAILED,
        reporting.MISCONFIGURED,
        reporting.DEFERRED,
        reporting.DEAD,
        reporting.FAILED_OVER.partition(", ")[2],
        reporting.REFUSED_NOTICE,
        reporting.FAILED_FOR_SOME,
        reporting.MISCONFIGURED_FOR_SOME,
        sweeper.COPIED,
        sweeper.DEAD,
        sweeper.FAILED_OVER,
    ],
)
def test_what_the_log_says_of_a_failure_is_on_the_page(said: str) -> None:
    assert said in " ".join(RELIABILITY.split())


@pytest.mark.parametrize(
    ("what", "figures"),
    [
        ("all that comes before the mail itself", [email.OFFER_PATIENCE]),
        ("the answer to the final dot", [email.FINAL_ANSWER_PATIENCE]),
        ("a kept connection", [email.KEPT_IDLE]),
        ("a transient failure", [retrying.FIRST_RETRY / 1_000, retrying.LONGEST_RETRY / 60_000]),
        ("a provider that asks", [retrying.FIRST_RETRY / 1_000, retrying.LONGEST_WISH / 3_600_000]),
        ("what needs a person", [retrying.LONGEST_RETRY / 60_000]),
        ("a look whether", [dispatch.SHORTEST_LOOK / 1_000, dispatch.LONGEST_LOOK / 1_000]),
        ("an attempt under way counts", [failover.STUCK_AFTER / 1_000]),
        ("urgent news goes to the fallback", [failover.URGENT_AFTER / 60_000]),
        ("between two notices", [notify.INTERVAL / 60_000]),
        ("at the end of the process", [app.SHUTDOWN_SECONDS]),
        ("`/-/ready`", [management.READY_TIMEOUT_SECONDS]),
    ],
)
def test_a_wait_is_as_long_as_the_page_says(what: str, figures: list[float]) -> None:
    [stated] = re.findall(rf"^\| {re.escape(what)}[^|]*\| ([^|]*) \|", RELIABILITY, re.M)
    assert [float(figure) for figure in re.findall(r"\d+", stated)] == figures


def test_every_state_of_a_message_is_on_the_page() -> None:
    [table] = re.findall(r"^\| state \| what it means \|\n((?:\|.*\n)+)", RELIABILITY, re.M)
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == list(State)


@pytest.mark.parametrize("page", [README, SECURITY, RELIABILITY], ids=["README", "SECURITY", "reliability"])
def test_a_command_takes_one_line_of_a_token_that_may_have_two(page: str) -> None:
    assert re.findall(r"\$\(cat \S*-token\)", page) == []


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_notice_is_on_the_page(kind: NoticeKind) -> None:
    said = re.sub(r"^\{n\} | \{n\} times$", "", TITLES[kind][1])
    assert f"\n| {said} |" in RELIABILITY


async def test_every_metric_that_is_named_is_exposed(tmp_path: Path) -> None:
    settings = app.Settings(
        f"sqlite:///{tmp_path / 'books.db'}", policy(channel()), [ConsoleDestination("ops")], port=0
    )
    async with (
        app.running(settings, io.StringIO()) as receiver,
        aiohttp.ClientSession(receiver.url) as client,
        client.get("/metrics") as response,
    ):
        families = list(text_string_to_metric_families(await response.text()))
    there = {name for family in families for name in {family.name, *(sample.name for sample in family.samples)}}
    pattern = r"\b(?:alert_receiver_)?([a-z_]+_(?:total|seconds|successful)|channel_up|ledger_pending)\b"
    named = {name for page in (README, SECURITY, RELIABILITY) for name in re.findall(pattern, page)}
    assert len(named) > 15
    assert {f"alert_receiver_{name}" for name in named} - there == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^):]+)\)", page.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        found = page.parent / file if file else page
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)", found.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, target
