"""Every alert fires when it should and not just before it, proved by Prometheus' own test runner.

The cases are in ``promtool/``, a file for each domain (and one for what takes a week). Their names say of each alert
when it fires, when it is just not yet time, and that without its metrics it is quiet; the mutations below see to it
that these say the truth.
"""

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.rules.rule_files import CASES, Alert, Threshold, alerts, paths

pytestmark = pytest.mark.real("promtool")

every_file = pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
every_alert = pytest.mark.parametrize("alert", alerts(), ids=str)

ALWAYS = {"Watchdog"}
"""Fires by design, whatever there is."""

OF_ANYTHING = {"up", "process_start_time_seconds"}
"""Metrics that whatever is scraped has."""

WANTED = ("fires", "is quiet just below", "is quiet without its metrics")


every_promtool = pytest.mark.parametrize(
    "promtool", ["promtool", pytest.param("promtool-current", marks=pytest.mark.real("promtool-current"))]
)
"""Debian's, which is of Prometheus 2, and a current one."""


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a promtool."""
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Case:
    """One test group of promtool's."""

    group: dict[str, object]

    @property
    def name(self) -> str:
        """``<Alert> <what it does>: <sentence>``."""
        return str(self.group["name"])

    @property
    def questions(self) -> list[dict[str, object]]:
        """Which alerts are asked for, and when."""
        asked = self.group["alert_rule_test"]
        assert isinstance(asked, list)
        return asked


@cache
def cases(domain: str) -> tuple[Case, ...]:
    """The domain's test groups."""
    return tuple(Case(group) for group in yaml.safe_load((CASES / f"{domain}.yml").read_text())["tests"])


def of(alert: Alert, does: str) -> list[Case]:
    """The alert's cases that are called so."""
    return [case for case in cases(alert.domain) if case.name.startswith(f"{alert.name} {does}: ")]


@every_file
@every_promtool
def test_prometheus_finds_nothing_wrong_with(path: Path, promtool: str) -> None:
    checked = run(promtool, "check", "rules", path)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("path", sorted(CASES.glob("*.yml")), ids=lambda path: path.stem)
@every_promtool
def test_every_case_holds_of(path: Path, promtool: str) -> None:
    tested = run(promtool, "test", "rules", path)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@every_file
def test_each_case_is_about_an_alert_of_its_domain_and_asks_for_that(path: Path) -> None:
    names = {alert.name for alert in alerts() if alert.path == path}
    for case in cases(path.stem):
        subject = case.name.split(" ")[0]
        assert subject in names, case.name
        assert subject in {question["alertname"] for question in case.questions}, case.name


@every_file
def test_no_series_of_zeros_is_taken_for_a_hexadecimal_number(path: Path) -> None:
    for case in cases(path.stem):
        series = case.group["input_series"]
        assert isinstance(series, list)
        assert not [entry for entry in series if re.search(r"(?<![\w.+-])0x", str(entry["values"]))], "write 0+0x10"


@every_file
def test_a_missed_scrape_is_a_stale_marker_as_prometheus_writes_it(path: Path) -> None:
    # A mere gap is bridged for five minutes by every instant selector, so it would show nothing.
    for case in cases(path.stem):
        if "missed scrape" in case.name:
            series = case.group["input_series"]
            assert isinstance(series, list)
            assert any("stale" in str(entry["values"]) for entry in series), case.name


@every_alert
def test_an_alert_has_a_case_that_fires_with_its_exact_labels_and_annotations(alert: Alert) -> None:
    firing = [
        expected
        for case in of(alert, "fires")
        for question in case.questions
        for expected in _expected(question)
        if question["alertname"] == alert.name
    ]
    assert firing
    for expected in firing:
        assert expected["exp_labels"]["severity"] == alert.severity
        assert expected["exp_annotations"].keys() == {"summary", "description", "runbook_url"}
        assert not re.search(r"<no value>|\{\{", expected["exp_annotations"]["description"])


@every_alert
@pytest.mark.parametrize("does", WANTED[1:])
def test_an_alert_has_a_case_in_which_it(alert: Alert, does: str) -> None:
    if alert.name in ALWAYS:
        assert "vector(1)" in alert.expr
        return
    found = of(alert, does)
    assert found
    if "absent(" in alert.expr and "without" in does:
        return  # The absence is what it fires for.
    for case in found:
        quiet = [question for question in case.questions if question["alertname"] == alert.name]
        assert quiet
        assert not any(_expected(question) for question in quiet)


@every_alert
def test_the_case_without_its_metrics_has_other_ones(alert: Alert) -> None:
    if "absent(" in alert.expr:
        return
    for case in of(alert, "is quiet without its metrics"):
        series = case.group["input_series"]
        assert isinstance(series, list)
        assert series
        named = {str(entry["series"]).partition("{")[0].strip() for entry in series}
        assert not named & (alert.metrics - OF_ANYTHING)


@every_alert
def test_a_shorter_wait_turns_its_cases_red(alert: Alert, tmp_path: Path) -> None:
    if alert.waits is not None:
        # By one evaluation: the cases know the very first at which it fires.
        shorter = {**alert.rule, "for": f"{_minutes(alert.waits) - 1}m"}
        assert not _hold(of(alert, "fires"), [shorter], tmp_path)


@every_alert
def test_a_slightly_more_sensitive_threshold_turns_its_cases_red(alert: Alert, tmp_path: Path) -> None:
    for threshold in alert.thresholds:
        begin, end = threshold.span
        expr = f"{alert.expr[:begin]}{_more_sensitive(threshold)!r}{alert.expr[end:]}"
        assert not _hold(of(alert, "is quiet just below"), [{**alert.rule, "expr": expr}], tmp_path)


@every_alert
def test_a_team_overrides_the_threshold_by_a_recording_rule_of_its_own(alert: Alert, tmp_path: Path) -> None:
    for threshold in alert.thresholds:
        never = -1e18 if threshold.operator.startswith("<") else 1e18
        own: dict[str, object] = {"record": "alert:threshold", "labels": {"alert": alert.name}, "expr": f"{never!r}"}
        firing = of(alert, "fires")
        assert _hold(firing, [alert.rule], tmp_path)
        assert _hold([_quiet(case) for case in firing], [own, alert.rule], tmp_path)


def _hold(chosen: list[Case], rules: list[dict[str, object]], folder: Path) -> bool:
    """Whether the cases hold of these rules."""
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "tried", "rules": rules}]}))
    # What Prometheus can't even read would prove nothing.
    assert run("promtool", "check", "rules", folder / "rules.yml").returncode == 0
    names = {rule.get("alert") for rule in rules}
    groups = [
        {**case.group, "alert_rule_test": [asked for asked in case.questions if asked["alertname"] in names]}
        for case in chosen
    ]
    tests = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": groups}
    (folder / "tests.yml").write_text(yaml.safe_dump(tests, allow_unicode=True))
    return run("promtool", "test", "rules", folder / "tests.yml").returncode == 0


def _quiet(case: Case) -> Case:
    """The case as it is when nothing fires."""
    return Case({**case.group, "alert_rule_test": [{**asked, "exp_alerts": []} for asked in case.questions]})


def _more_sensitive(threshold: Threshold) -> float:
    """A tenth more, of a threshold on its sensitive side; half a unit where a count must be exceeded or reached."""
    toward = -1 if threshold.operator.startswith(">") else 1
    return threshold.value + toward * (abs(threshold.value) / 10 or 0.5)


def _expected(question: dict[str, object]) -> list[dict[str, dict[str, str]]]:
    expected = question.get("exp_alerts") or []
    assert isinstance(expected, list)
    return expected


def _minutes(duration: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([mhd])", duration).groups()  # type: ignore[union-attr]  # promtool has read it
    return int(number) * {"m": 1, "h": 60, "d": 1440}[unit]
