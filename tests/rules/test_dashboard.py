"""The dashboard for Grafana: what its panels ask is asked right, of what there is, and it reads well in one version."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.samples import Sample

from receiver.core.entries import Origin, Outcome
from receiver.core.throttling import Bucket
from receiver.metrics import Metrics, Scrape
from receiver.store.channels import ChannelState
from receiver.store.reader import Books
from tests.rules.dashboard import DASHBOARD, dashboard, expressions, panels
from tests.rules.promql import selectors
from tests.rules.rule_files import ROOT

DOCS = "https://github.com/alert-receiver/alert-receiver/blob/main/docs/"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Types that Grafana 10 and later draw without migrating them, and without a plugin to install.
TYPES = {"row", "timeseries", "state-timeline", "stat", "table", "heatmap"}
ROWS = [
    "At a glance",
    "What came in",
    "Where it went: the books",
    "Channels",
    "Latency",
    "HTTP",
    "Store",
    "Process",
]
# The books may be wrong in both directions, a date has no zero, and a table has no axis.
WITHOUT_A_ZERO = {"Difference in the books", "Configuration loaded", "The books"}
# What Prometheus itself says of each target.
FROM_PROMETHEUS = {"up"}

EXCEPTIONS = Path(__file__).parent / "dashboard-linter.yml"

RANGE = re.compile(r"\b(?P<function>\w+)\((?P<selector>[\w:]+\{[^}]*\})\[(?P<window>[^\]]*)\]")
ANY_WINDOW = re.compile(r"\[(?P<window>[^\]]*)\]")

every_panel = pytest.mark.parametrize("panel", list(panels()), ids=lambda panel: panel["title"])


def everything(value: Any) -> Iterator[Any]:
    """Each object within, at any depth."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from everything(item)


def scraped() -> Iterator[Sample]:
    """What a receiver exposes that has the channel ops, and had another one."""
    metrics = Metrics()
    metrics.add_channel("ops", {"timeout"})
    metrics.request_duration.labels("/webhook", "POST", "200")
    ops = ChannelState(1, "ops", "slack", Bucket(0, 1, 0), retry_for=0, routing="")
    books = Books({"ops": ops, "removed": replace(ops, id=2, name="removed", retired_at=0)}, {}, {}, {}, {}, [])
    for each in Scrape(metrics, books, now=0).collect():
        yield from each.samples


def exposed() -> dict[str, set[str]]:
    """The labels of every series that a receiver with a channel exposes, by its name."""
    return {sample.name: set(sample.labels) for sample in scraped()}


def channels(name: str) -> set[str]:
    """The channels that a metric has series of."""
    return {sample.labels["channel"] for sample in scraped() if sample.name == name and "channel" in sample.labels}


def family(name: str) -> str:
    """A metric's name without what a histogram adds to it."""
    return re.sub(r"_(bucket|count|sum)$", "", name)


def asked(panel: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The metric and the matchers of each selector in a panel."""
    for target in panel["targets"]:
        for selector in selectors(target["expr"]):
            name, _, matchers = selector.partition("{")
            yield name, matchers.removesuffix("}")


def test_it_is_what_grafana_10_and_later_read_as_it_is() -> None:
    assert dashboard()["schemaVersion"] in range(39, 42)
    assert (dashboard()["uid"], dashboard()["title"]) == ("alert-receiver", "alert-receiver")
    assert dashboard()["id"] is None
    assert dashboard()["refresh"] == "30s"
    assert dashboard()["time"] == {"from": "now-6h", "to": "now"}
    assert (dashboard()["timezone"], dashboard()["graphTooltip"], dashboard()["editable"]) == ("", 1, True)


def test_the_file_is_written_as_grafana_exports_it_so_that_a_change_is_a_short_difference() -> None:
    assert DASHBOARD.read_text() == json.dumps(dashboard(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def test_the_rows_are_there_in_the_order_in_which_one_looks() -> None:
    rows = [panel for panel in dashboard()["panels"] if panel["type"] == "row"]
    assert [row["title"] for row in rows] == ROWS
    assert sorted(rows, key=lambda row: row["gridPos"]["y"]) == rows


@every_panel
def test_a_panel_says_what_it_shows_in_a_sentence_or_two(panel: Any) -> None:
    assert panel["title"]
    assert re.fullmatch(r"[A-Z].{20,}[.]", panel["description"])
    assert len(panel["description"]) <= 250


def test_no_two_panels_have_the_same_title() -> None:
    assert [title for title, times in Counter(panel["title"] for panel in panels()).items() if times > 1] == []


@every_panel
def test_a_panel_has_a_unit_and_starts_at_zero(panel: Any) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert ("min" not in panel["fieldConfig"]["defaults"]) == (panel["title"] in WITHOUT_A_ZERO)
    assert panel["fieldConfig"]["defaults"].get("min", 0) == 0


@every_panel
def test_every_line_has_a_name(panel: Any) -> None:
    if panel["type"] in {"timeseries", "state-timeline", "heatmap"}:
        assert all(target["legendFormat"] for target in panel["targets"])
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_every_type_of_panel_is_one_that_is_not_deprecated() -> None:
    assert {panel["type"] for panel in everything(dashboard()["panels"]) if "gridPos" in panel} <= TYPES


def test_the_data_source_is_the_variable_wherever_there_is_one() -> None:
    assert all(found["datasource"] == DATASOURCE for found in everything(dashboard()) if "datasource" in found)
    assert all("datasource" in panel for panel in panels())
    assert all("datasource" in target for panel in panels() for target in panel["targets"])
    uids = [found["uid"] for found in everything(dashboard()) if "uid" in found]
    assert set(uids) == {"alert-receiver", "${datasource}"}


@every_panel
def test_the_windows_are_grafanas_and_increase_is_for_stats(panel: Any) -> None:
    for target in panel["targets"]:
        found = [*RANGE.finditer(target["expr"])]
        # None is written in a way that the above does not see.
        assert len(found) == len(ANY_WINDOW.findall(target["expr"]))
        for match in found:
            window = {"rate": "$__rate_interval", "increase": "$__range", "last_over_time": "$__range"}
            assert match["window"] == window[match["function"]]
            assert match["function"] == "rate" or panel["type"] == "stat"


@every_panel
def test_what_is_counted_is_shown_as_a_rate_but_in_the_books(panel: Any) -> None:
    for target in panel["targets"]:
        plain = re.sub(RANGE, "", target["expr"])
        assert {name for name, _ in asked({"targets": [{"expr": plain}]}) if name.endswith(("_total", "_bucket"))} <= {
            "alert_receiver_ledger_accepted_total",
            "alert_receiver_ledger_outcomes_total",
        }


@every_panel
def test_every_selector_keeps_to_what_was_chosen_above(panel: Any) -> None:
    labels = exposed()
    assert [*asked(panel)]
    for name, matchers in asked(panel):
        chosen = ["job", "instance", *(["channel"] if "channel" in labels.get(name, ()) else [])]
        for label in chosen:
            assert f'{label}=~"${label}"' in matchers.split(", "), f"{name} is not narrowed by {label}"
        assert ("$channel" in matchers) == ("channel" in chosen)


@every_panel
def test_what_every_process_exposes_is_asked_of_receivers_alone(panel: Any) -> None:
    """All jobs are just any job: without this, the panel would show every process that Prometheus knows."""
    for target in panel["targets"]:
        if not all(selector.startswith("alert_receiver_") for selector in selectors(target["expr"])):
            assert re.search(
                r" and on \(job, instance\) (last_over_time\()?alert_receiver_build_info\{", target["expr"]
            )


@every_panel
def test_every_metric_and_every_label_that_is_asked_for_exists(panel: Any) -> None:
    labels = exposed()
    for name, matchers in asked(panel):
        assert name in labels or name in FROM_PROMETHEUS
        named = set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", matchers))
        assert named <= {"job", "instance", *labels.get(name, ())}
    of_the_panel = {label for name, _ in asked(panel) for label in labels.get(name, ())}
    for target in panel["targets"]:
        grouped = re.findall(r"\bby \(([^)]*)\)", target["expr"])
        used = {label for group in grouped for label in group.split(", ")}
        used |= set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
        assert used <= {"job", "instance", *of_the_panel}
        # What the legend names must have survived the last aggregation.
        if grouped:
            assert set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))) <= used & set(
                grouped[0].split(", ")
            )


def test_every_metric_of_the_receiver_is_shown_somewhere() -> None:
    shown = {family(name) for panel in panels() for name, _ in asked(panel)}
    ours = {family(name) for name in exposed() if name.startswith("alert_receiver_")}
    assert sorted(ours - shown) == []


def test_the_table_has_a_column_for_every_outcome_and_asks_for_it() -> None:
    table = next(panel for panel in panels() if panel["title"] == "The books")
    asked_for = {
        target["refId"]: re.findall(r'outcome="(\w+)"', target["expr"])
        for target in table["targets"]
        if "outcome=" in target["expr"]
    }
    assert sorted(name for names in asked_for.values() for name in names) == sorted(Outcome)
    organized = next(step["options"] for step in table["transformations"] if step["id"] == "organize")
    for ref, (name,) in asked_for.items():
        assert organized["renameByName"][f"Value #{ref}"] == name.replace("_", " ").capitalize()
    values = {f"Value #{target['refId']}" for target in table["targets"]}
    assert set(organized["renameByName"]) == {"channel", "instance", *values}
    assert set(organized["indexByName"]) == {"Time", "channel", "instance", *values}
    assert all(target["format"] == "table" and target["instant"] for target in table["targets"])


def test_every_value_that_an_expression_or_a_colour_names_is_one_that_there_is() -> None:
    outcomes = {name for panel in panels() for _, m in asked(panel) for name in re.findall(r'outcome="(\w+)"', m)}
    assert outcomes <= set(Outcome)
    for panel in panels():
        if panel["title"] == "Outcomes of $channel":
            colored = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
            assert colored <= set(Outcome)
        if panel["title"] == "Entries accepted by origin":
            assert all(origin in panel["description"] for origin in Origin)


def test_panels_lie_beside_each_other_and_within_the_24_columns() -> None:
    places = [panel["gridPos"] for panel in everything(dashboard()["panels"]) if "gridPos" in panel]
    for place in places:
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
        assert place["h"] > 0
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"], (a, b)


def test_every_panel_has_an_id_of_its_own() -> None:
    ids = [panel["id"] for panel in everything(dashboard()["panels"]) if "gridPos" in panel]
    assert len(set(ids)) == len(ids)
    assert all(isinstance(number, int) and number > 0 for number in ids)


def test_the_variables_choose_data_source_job_instance_and_channel() -> None:
    source, *others = dashboard()["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    assert [(variable["name"], variable.get("allValue"), variable["query"]["query"]) for variable in others] == [
        ("job", ".+", "label_values(alert_receiver_build_info, job)"),
        ("instance", ".+", 'label_values(alert_receiver_build_info{job=~"$job"}, instance)'),
        # Grafana repeats a panel for each channel all the same.
        (
            "channel",
            ".+",
            'label_values(alert_receiver_ledger_accepted_total{job=~"$job", instance=~"$instance"}, channel)',
        ),
    ]
    for variable in others:
        assert variable["definition"] == variable["query"]["query"]
        assert (variable["type"], variable["multi"], variable["includeAll"]) == ("query", True, True)
        # When the time range changes: there may have been other channels then.
        assert variable["refresh"] == 2


def test_a_channel_that_was_removed_can_be_chosen_for_its_entries_are_still_in_the_books() -> None:
    variable = next(each for each in dashboard()["templating"]["list"] if each["name"] == "channel")
    [selector] = selectors(variable["query"]["query"].removeprefix("label_values").replace(", channel)", ")"))
    offered = channels(selector.partition("{")[0])
    shown = {channel for panel in panels() for name, _ in asked(panel) for channel in channels(name)}
    assert shown == {"ops", "removed"}
    assert offered == shown


def test_nothing_uses_a_variable_that_there_is_none_of() -> None:
    names = {variable["name"] for variable in dashboard()["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", DASHBOARD.read_text()))
    assert used == names | {"__rate_interval", "__range", "__all"}


def test_its_links_lead_to_our_pages() -> None:
    urls = [link["url"] for link in dashboard()["links"]]
    assert urls
    for url in urls:
        assert url.startswith(DOCS)
        assert (ROOT / "docs" / url.removeprefix(DOCS)).is_file()


@pytest.mark.real("promtool")
def test_every_expression_is_one_for_prometheus(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions())]
    assert not any("$" in rule["expr"] for rule in rules)
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool = shutil.which("promtool")
    assert promtool is not None
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(rules)} rules found" in done.stdout


@pytest.mark.real("dashboard-linter")
def test_grafanas_own_linter_has_nothing_to_say() -> None:
    linter = shutil.which("dashboard-linter")
    assert linter is not None
    done = subprocess.run(
        [linter, "lint", "--strict", "--config", EXCEPTIONS, DASHBOARD], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_exception_from_the_linter_bears_its_reason() -> None:
    exceptions = yaml.safe_load(EXCEPTIONS.read_text())
    assert set(exceptions) == {"exclusions"}
    assert all(len(entry["reason"]) > 20 for entry in exceptions["exclusions"].values())
