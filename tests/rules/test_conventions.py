"""What all bundled rules have in common, so that whoever knows one knows them all."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.rules.rule_files import FIRST_PARTS, RUNBOOK_BASE, Alert, alerts, groups, paths

every_file = pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
every_alert = pytest.mark.parametrize("alert", alerts(), ids=str)

SEVERITIES = {"critical", "warning", "info"}


def test_every_domain_has_its_file_and_business_alone_is_off_by_default() -> None:
    assert {path.stem for path in paths()} == set(FIRST_PARTS)
    assert [path.stem for path in paths() if path.parent.name == "optional"] == ["business"]


def test_no_two_alerts_and_no_two_groups_have_the_same_name() -> None:
    names = Counter(alert.name for alert in alerts()) + Counter(
        str(group["name"]) for path in paths() for group in groups(path)
    )
    assert [name for name, times in names.items() if times > 1] == []


@every_file
def test_groups_are_named_after_their_domain(path: Path) -> None:
    for group in groups(path):
        assert re.fullmatch(rf"{path.stem}(\.[a-z]+)?", str(group["name"]))


@every_alert
def test_a_name_is_camel_case_and_begins_as_all_of_its_domain_do(alert: Alert) -> None:
    assert re.fullmatch(r"([A-Z][a-z0-9]+)+", alert.name)
    assert alert.name.startswith(FIRST_PARTS[alert.domain]) or alert.name == "Watchdog"


@every_alert
def test_a_rule_has_these_keys_in_this_order_and_no_others(alert: Alert) -> None:
    waits = ["for"] if alert.waits else []
    assert list(alert.rule) == ["alert", "expr", *waits, "labels", "annotations"]
    assert list(alert.labels) == ["severity"]
    assert list(alert.annotations) == ["summary", "description", "runbook_url"]


@every_alert
def test_the_severity_is_one_of_three_and_the_watchdogs_none(alert: Alert) -> None:
    assert alert.severity in ({"none"} if alert.name == "Watchdog" else SEVERITIES)


@every_alert
def test_the_summary_is_one_short_static_sentence(alert: Alert) -> None:
    summary = alert.annotations["summary"]
    assert re.fullmatch(r"([A-Z0-9]|alert-receiver )[^{}\n]{10,}\.", summary), summary
    assert len(summary) <= 80


@every_alert
def test_the_description_says_what_it_is_about(alert: Alert) -> None:
    description = alert.annotations["description"]
    assert "\n" not in description
    assert description.endswith(".")
    # An alert about what is not there has nothing to name.
    if "absent(" not in alert.expr and alert.name != "Watchdog":
        assert "$labels" in description or "$value" in description


@every_alert
def test_the_description_says_no_threshold_for_that_can_be_another(alert: Alert) -> None:
    for threshold in alert.thresholds:
        if threshold.value not in (0, 1):
            assert not re.search(rf"(?<![\w.]){re.escape(threshold.text)}(?![\w.])", alert.annotations["description"])


@every_alert
def test_the_runbook_is_called_like_the_alert(alert: Alert) -> None:
    assert alert.annotations["runbook_url"] == f"{RUNBOOK_BASE}/{alert.name}.md"


@every_alert
def test_a_rule_names_each_metric_that_it_needs_and_no_other(alert: Alert) -> None:
    assert set().union(*alert.needs.values()) == alert.metrics


@every_alert
def test_a_rule_gives_the_reason_for_its_wait(alert: Alert) -> None:
    assert alert.says_why_it_waits == (alert.waits,)


@every_alert
def test_a_threshold_is_overridden_by_the_alerts_own_name(alert: Alert) -> None:
    assert alert.expr.count("alert:threshold") == len(alert.thresholds) <= 1
    assert {threshold.alert for threshold in alert.thresholds} <= {alert.name}


@every_alert
def test_no_rule_needs_a_newer_prometheus_than_230(alert: Alert) -> None:
    assert not re.search(
        r"\b(limitk|limit_ratio|info|sort_by_label|histogram_(sum|count|avg|fraction)|double_exp\w+)\s*\(", alert.expr
    )


@every_alert
def test_no_counter_is_looked_at_through_a_window_that_one_missed_scrape_empties(alert: Alert) -> None:
    for length, unit in re.findall(r"\b(?:rate|increase)\([^\[]*\[(\d+)([smhdw])", alert.expr):
        assert int(length) * {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit] >= 300


@every_file
def test_a_file_begins_by_saying_what_it_is_about(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# ")
    assert len(text.partition("groups:")[0]) > 100
    assert yaml.safe_load(text).keys() == {"groups"}


def test_what_silences_a_probe_begins_with_it() -> None:
    """ProbeEndpointDown leaves mail servers to MailProbeFailing, which must therefore be true as soon as it is."""
    found = {alert.name: alert.expr for alert in alerts()}
    mail = found["MailProbeFailing"].replace('{job=~"(.*[-_/.])?(smtp|mail)([-_/.].*)?"}', "")
    endpoint = found["ProbeEndpointDown"].partition("unless")[0]
    assert f"({''.join(mail.split())})" == "".join(endpoint.split())
