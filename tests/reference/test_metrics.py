"""docs/metrics.md has every family of a scrape with what it tells, and its PromQL holds on real books."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest

from receiver.channels import console, email, slack, slack_bot
from receiver.config.patterns import compile_pattern
from receiver.core.entries import Origin, Outcome
from receiver.core.matchers import parse
from receiver.messages import failures
from receiver.metrics import Metrics, Scrape
from receiver.transitions.claim import Claimed
from tests.reference import metrics
from tests.reference.pages import blocks, lines_of_prose, parts, renewed
from tests.rules.promql import selectors
from tests.timeline import MINUTE, SECOND, Timeline, channel, firing, policy, resolved

PAGE = metrics.PAGE.read_text(encoding="utf-8")
QUERIES = blocks(PAGE, "promql")
FAMILIES = [name for meanings in metrics.MEANINGS.values() for name in meanings]
ALWAYS_0 = [query for query in QUERIES if query.startswith("sum without")]


def test_the_tables_are_what_a_receiver_exposes() -> None:
    again = renewed(PAGE, metrics.MODULE, metrics.texts())
    assert again == PAGE, "write them anew: python -m tests.reference.metrics"


def test_the_page_has_a_place_for_each_part() -> None:
    assert sorted(parts(PAGE, metrics.MODULE)) == sorted(metrics.texts())


def test_each_family_of_a_scrape_has_a_line_that_says_what_it_tells() -> None:
    assert len(metrics.exposed()) > 30
    assert {metrics.full(name) for name in FAMILIES} == set(metrics.exposed())
    assert len(FAMILIES) == len(set(FAMILIES))
    for meanings in metrics.MEANINGS.values():
        assert [meaning for meaning in meanings.values() if not meaning.endswith(".")] == []


def test_each_label_but_the_channel_is_explained_and_so_is_each_value() -> None:
    there = {(name, label) for name in FAMILIES for label in metrics.values(name) if label != "channel"}
    assert there == set(metrics.LABELS)
    for (name, label), listed in metrics.LABELS.items():
        if not isinstance(listed, str):
            assert set(listed) == set(metrics.values(name)[label]), name


def test_every_outcome_and_every_origin_is_explained() -> None:
    assert set(metrics.LABELS["ledger_outcomes_total", "outcome"]) == set(Outcome)
    assert set(metrics.LABELS["ledger_accepted_total", "origin"]) == set(Origin)


@pytest.mark.parametrize(
    ("kind", "module"), [("email", email), ("slack", slack), ("slack_bot", slack_bot), ("console", console)]
)
def test_every_reason_of_a_kind_of_channel_is_on_the_page(kind: str, module: object) -> None:
    assert metrics.reasons(kind) == set(vars(module)["REASONS"])
    assert set(metrics.KINDS) == set(failures.SAID)
    [section] = re.findall(rf"^### {metrics.KINDS[kind]}\n(.*?)(?=^###|^<!--)", PAGE, re.M | re.S)
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.M)) == metrics.reasons(kind)


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_a_query_reads_what_there_is(query: str) -> None:
    there = {sample.name: sample.labels.keys() for family in metrics.exposed().values() for sample in family.samples}
    read = [selector.partition("{")[0] for selector in selectors(query)]
    assert read
    assert set(read) <= set(there)
    wanted = {label for listed in re.findall(r"(?:by|without) \(([\w, ]+)\)", query) for label in listed.split(", ")}
    wanted |= set(re.findall(r"(\w+)=~?\"", query))
    assert wanted <= {label for name in read for label in there[name]}


@pytest.mark.real("promtool")
def test_every_query_is_one_for_prometheus(tmp_path: Path) -> None:
    rules = [{"record": f"page:{number}", "expr": query} for number, query in enumerate(QUERIES)]
    file = tmp_path / "page.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "page", "rules": rules}]}))
    done = promtool("check", "rules", file)
    assert f"SUCCESS: {len(QUERIES)} rules found" in done


@pytest.mark.real("promtool")
def test_what_is_always_0_is_0_on_books_that_have_seen_something(tmp_path: Path) -> None:
    assert len(ALWAYS_0) == 2
    timeline = seen_something(tmp_path)
    scrape = generate_latest(Scrape(Metrics(), timeline.books(), timeline.now)).decode()
    timeline.store.close()
    values = dict(line.rsplit(" ", 1) for line in scrape.splitlines() if line.startswith("alert_receiver_"))
    assert values['alert_receiver_ledger_outcomes_total{channel="ops",outcome="delivered"}'] == "1.0"
    assert values['alert_receiver_ledger_pending{channel="ops",state="waiting"}'] == "2.0"
    assert values["alert_receiver_alerts_unrouted_total"] == "1.0"
    assert values["alert_receiver_alerts_filtered_total"] == "1.0"
    expected = [[{"labels": "{}", "value": 0}], [{"labels": '{channel="ops"}', "value": 0}]]
    test = {
        "interval": "1m",
        "input_series": [{"series": series, "values": value} for series, value in values.items()],
        "promql_expr_test": [
            {"expr": query, "eval_time": "0m", "exp_samples": samples}
            for query, samples in zip(ALWAYS_0, expected, strict=True)
        ],
    }
    file = tmp_path / "books.yml"
    file.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    assert "SUCCESS" in promtool("test", "rules", file)


def seen_something(folder: Path) -> Timeline:
    """A timeline on which an alert was told, its end and another one wait, and two found no channel."""
    matchers = parse('team!="nobody"', compile_pattern)
    timeline = Timeline(folder / "books.db", policy(channel(matchers=matchers)))
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.settle(timeline.fix(claimed))
    timeline.now += MINUTE
    timeline.receive(resolved(), firing("Other"), firing("Unrouted", team="nobody"), firing("Low", severity="none"))
    return timeline


def promtool(*arguments: str | Path) -> str:
    """What it prints; it must be content."""
    program = shutil.which("promtool")
    assert program is not None
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_lines_of_prose_are_short_enough_to_read_a_difference() -> None:
    assert [line for line in lines_of_prose(PAGE) if len(line) > 120] == []
