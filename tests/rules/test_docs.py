"""Alert, runbook and table agree, and what docs/rules.md and the runbooks tell people to write works as it stands."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from receiver.cli import main
from tests.rules.promql import metrics
from tests.rules.rule_files import RUNBOOKS, Alert, alerts
from tests.rules.table import INDEX, PAGE, index, renewed

every_alert = pytest.mark.parametrize("alert", alerts(), ids=str)
every_page = pytest.mark.parametrize("page", [PAGE, *sorted(RUNBOOKS.glob("*.md"))], ids=lambda page: page.stem)

OPERATORS = {">": "more than", "<": "less than", ">=": "at least", "<=": "at most"}
"""How a runbook says them."""

SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def blocks(page: Path, language: str) -> list[str]:
    """The page's blocks in this language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", page.read_text(), re.M | re.S)


def block(language: str, holding: str) -> str:
    """The one block of docs/rules.md in this language that holds the words."""
    [found] = [text for text in blocks(PAGE, language) if holding in text]
    return found


def runbook(alert: Alert) -> str:
    """Its text."""
    return (RUNBOOKS / f"{alert.name}.md").read_text()


def row(alert: Alert) -> tuple[str, str, str, str]:
    """The runbook's table: severity, default threshold, for, needs."""
    line = r"\| severity \| default threshold \| for \| needs \|\n\|[-|]+\|\n\| (.*?) \| (.*?) \| (.*?) \| (.*?) \|\n"
    [found] = re.findall(line, runbook(alert))
    severity, threshold, waits, needs = found
    return severity, threshold, waits, needs


def test_the_tables_are_those_of_the_rules() -> None:
    assert PAGE.read_text() == renewed(PAGE.read_text()), "python -m tests.rules.table writes them anew"


def test_the_index_of_the_runbooks_is_that_of_the_rules() -> None:
    assert INDEX.read_text() == index(), "python -m tests.rules.table writes it anew"


def test_there_is_a_runbook_for_each_alert_and_for_nothing_else() -> None:
    pages = sorted(path.name for path in RUNBOOKS.iterdir() if path != INDEX)
    assert pages == sorted(f"{alert.name}.md" for alert in alerts())


@every_alert
def test_a_runbook_begins_with_the_alert_and_its_summary(alert: Alert) -> None:
    assert runbook(alert).startswith(f"# {alert.name}\n\n{alert.annotations['summary']}\n\n")


@every_alert
def test_a_runbook_says_how_severe_it_is_how_long_it_waits_and_what_it_needs(alert: Alert) -> None:
    severity, threshold, waits, needs = row(alert)
    assert severity == alert.severity
    assert (threshold in "–—-") == (not alert.thresholds), threshold
    assert waits == (alert.waits or "—")
    assert {exporter for exporter in alert.needs if exporter not in needs} == set()


@every_alert
def test_a_threshold_says_on_which_side_of_which_number_it_fires(alert: Alert) -> None:
    """People override the number, so a share is said as the rule has it, too."""
    _, said, _, _ = row(alert)
    for threshold in alert.thresholds:
        assert said.startswith(f"{OPERATORS[threshold.operator]} "), said
        assert threshold.text in re.findall(r"[\d.]+", said), said


@every_alert
def test_a_runbook_has_its_four_sections_and_each_says_something(alert: Alert) -> None:
    found = re.findall(r"^## (.*)\n((?:(?!## ).*\n?)*)", runbook(alert), re.M)
    assert [title for title, _ in found] == SECTIONS
    assert all(len(text.split()) >= 12 for _, text in found)


@every_alert
def test_a_diagnosis_asks_prometheus_something(alert: Alert) -> None:
    assert blocks(RUNBOOKS / f"{alert.name}.md", "promql")


@pytest.mark.real("promtool")
def test_every_query_of_the_runbooks_is_valid(tmp_path: Path) -> None:
    queries = [query for alert in alerts() for query in _queries(RUNBOOKS / f"{alert.name}.md")]
    assert len(queries) >= len(alerts())
    rules = [{"record": f"q{n}", "expr": query} for n, query in enumerate(queries)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    _passes("promtool", "check", "rules", tmp_path / "queries.yml")


def test_the_runbooks_ask_for_no_metric_of_ours_that_is_not_in_the_rules_or_on_the_dashboard() -> None:
    """Those, a real Prometheus has seen (tests/end_to_end/test_bundled_rules.py)."""
    from tests.rules.dashboard import expressions  # noqa: PLC0415 - only this test needs the dashboard

    seen = set().union(*(alert.metrics for alert in alerts()), *map(metrics, expressions()))
    asked = {
        (alert.name, metric)
        for alert in alerts()
        for query in _queries(RUNBOOKS / f"{alert.name}.md")
        for metric in metrics(query)
        if metric.startswith("alert_receiver_")
    }
    assert {(name, metric) for name, metric in asked if metric not in seen} == set()


@every_page
def test_each_relative_link_leads_somewhere(page: Path) -> None:
    for target, _, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#([\w-]+))?\)", page.read_text()):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", linked.read_text(), re.M)
            anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in anchors, (target, anchor)


@pytest.mark.real("promtool")
@every_page
def test_every_threshold_shown_is_a_rule_that_prometheus_takes(page: Path, tmp_path: Path) -> None:
    names = {alert.name for alert in alerts() if alert.thresholds}
    for text in blocks(page, "yaml"):
        if "record: alert:threshold" not in text:
            continue
        shown = yaml.safe_load(text)
        groups = [{"name": "shown", "rules": shown}] if isinstance(shown, list) else shown["groups"]
        assert {rule["labels"]["alert"] for group in groups for rule in group["rules"]} <= names
        (tmp_path / "thresholds.yml").write_text(yaml.safe_dump({"groups": groups}))
        _passes("promtool", "check", "rules", tmp_path / "thresholds.yml")


def test_the_alerts_compared_with_other_collections_exist() -> None:
    compared = PAGE.read_text().partition("| ours | ")[2].partition("\n\n")[0]
    names = re.findall(r"^\| (\w+) \|", compared, re.M)
    domains = {"host", "kubernetes", "pipeline"}
    assert set(names) == {alert.name for alert in alerts() if alert.domain in domains}


@pytest.mark.real("promtool")
@pytest.mark.parametrize("holding", ["scrape_configs:", "alert_relabel_configs:"])
def test_prometheus_takes_its_snippets(holding: str, tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text(block("yaml", holding).replace("/etc/prometheus", str(tmp_path)))
    (tmp_path / "thresholds.yml").write_text(block("yaml", "name: thresholds"))
    exported = CliRunner().invoke(main, ["rules", str(tmp_path / "alert-receiver")])
    assert exported.exit_code == 0, exported.output
    _passes("promtool", "check", "config", tmp_path / "prometheus.yml")


@pytest.mark.real("amtool")
def test_alertmanager_takes_what_inhibits_and_the_alerts_in_it_exist(tmp_path: Path) -> None:
    rules = block("yaml", "inhibit_rules:")
    config = tmp_path / "alertmanager.yml"
    config.write_text(f"route: {{receiver: none}}\nreceivers: [{{name: none}}]\n{rules}")
    _passes("amtool", "check-config", config)
    assert set(re.findall(r'alertname="(\w+)"', rules)) <= {alert.name for alert in alerts()}


def test_alerts_that_are_dropped_exist() -> None:
    [relabelled] = yaml.safe_load(block("yaml", "alert_relabel_configs:"))["alerting"]["alert_relabel_configs"]
    assert set(relabelled["regex"].split("|")) <= {alert.name for alert in alerts()}


@pytest.mark.real("amtool")
def test_alertmanager_takes_its_snippet_and_routes_the_alerts_as_the_page_says(tmp_path: Path) -> None:
    config = tmp_path / "alertmanager.yml"
    config.write_text(block("yaml", "past-the-receiver"))
    _passes("amtool", "check-config", config)

    def receivers(*labels: str) -> list[str]:
        routed = subprocess.run(
            ["amtool", "config", "routes", "test", f"--config.file={config}", *labels],
            capture_output=True,
            text=True,
            check=True,
        )
        return routed.stdout.strip().split(",")

    assert receivers("alertname=AlertReceiverDown", "severity=critical") == ["past-the-receiver", "alert-receiver"]
    assert receivers("alertname=Watchdog", "severity=none") == ["heartbeat", "alert-receiver"]
    assert receivers("alertname=HostCpuBusy", "severity=warning") == ["alert-receiver"]


@pytest.mark.parametrize(
    "line", [line for text in blocks(PAGE, "console") for line in text.replace("\\\n", "").splitlines()]
)
def test_a_command_of_ours_on_the_page_runs(line: str, tmp_path: Path) -> None:
    words = shlex.split(line.removeprefix("$ ").partition(" | ")[0], comments=True)
    if words[0] != "alert-receiver":
        assert words[0] in {"promtool", "kubectl"}
        return
    ran = CliRunner().invoke(main, [word.replace("/etc/prometheus", str(tmp_path)) for word in words[1:]])
    assert ran.exit_code == 0, ran.output


def _queries(page: Path) -> list[str]:
    """The queries of a page: those in one block are separated by empty lines."""
    return [
        query
        for text in blocks(page, "promql")
        for query in re.split(r"\n\s*\n", text)
        if re.sub(r"#.*", "", query).strip()
    ]


def _passes(*command: str | Path) -> None:
    checked = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
