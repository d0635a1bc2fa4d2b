"""Every configuration and every query on the pages is taken by what it is for."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
import yaml
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from receiver.cli import main
from receiver.config import loading, schema
from receiver.config.resolve import destinations, resolve
from tests.documentation.pages import DOCS, ROOT, Block, ours
from tests.end_to_end.processes import Start
from tests.helm.crds import strict
from tests.rules.promql import metrics

YAML = [block for page in ours() for block in page.blocks("yaml")]
QUERIES = [block for page in ours() for block in page.blocks("promql")]

ALERTMANAGER = {"route", "receivers", "inhibit_rules"}
PROMETHEUS = {"scrape_configs", "rule_files", "alerting"}
RECEIVER = set(schema.generate()["properties"])
CHART = {"config", "secrets", "networkPolicy"}
SHELL = {"channels": [{"name": "shell", "type": "console"}]}


def kind(text: str) -> str:
    """What a configuration is for, by its keys; a configuration that nobody tries has none."""
    keys = set(yaml.safe_load(text))
    if keys == {"apiVersion", "kind", "metadata", "spec"}:
        return "custom resource"
    if keys == {"alertmanager"}:
        return "values of kube-prometheus-stack"
    for name, known in [("alertmanager", ALERTMANAGER), ("prometheus", PROMETHEUS), ("receiver", RECEIVER)]:
        if keys <= known:
            return name
    if keys <= CHART:
        return "values"
    raise AssertionError(f"no test knows what this is for: {sorted(keys)}")


def of(wanted: str) -> pytest.MarkDecorator:
    """The blocks of a kind, each a test; one of no kind fails the test of that alone."""

    def known(text: str) -> str | None:
        try:
            return kind(text)
        except AssertionError:
            return None

    return pytest.mark.parametrize("block", [it for it in YAML if known(it.text) == wanted], ids=str)


def passes(*command: str | Path) -> str:
    """What a program says that has nothing against it."""
    ran = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def files_in(value: object) -> Iterator[str]:
    """The files that a configuration names by keys that end in ``file``."""
    if isinstance(value, Mapping):
        for key, under in value.items():
            if isinstance(under, str) and key.endswith("file"):
                yield under
            yield from files_in(under)
    elif isinstance(value, list):
        for under in value:
            yield from files_in(under)


def loads(config: Mapping[str, Any], folder: Path) -> None:
    """The receiver takes the configuration without a warning, all secrets being there."""
    for name in files_in(config):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(
            "https://hooks.slack.com/services/T0/B0/XXXX\n" if "url" in name else f"{name:x>40}\n"
        )
    path = folder / "alert-receiver.yml"
    path.write_text(yaml.safe_dump({**SHELL, **config}))
    loaded = loading.load(path, {})
    assert loaded.warnings == ()
    assert resolve(loaded.config).channels
    assert destinations(loaded.config)


def alertmanager_takes(text: str, folder: Path) -> None:
    """Alertmanager's own check has nothing against it."""
    path = folder / "alertmanager.yml"
    path.write_text(text)
    passes("amtool", "check-config", path)


def prometheus_takes(text: str, folder: Path) -> None:
    """Prometheus' own check has nothing against it; the rules that it names are ours, exported."""
    exported = CliRunner().invoke(main, ["rules", str(folder / "alert-receiver")])
    assert exported.exit_code == 0, exported.output
    path = folder / "prometheus.yml"
    path.write_text(text.replace("/etc/prometheus", str(folder)))
    passes("promtool", "check", "config", path)


@pytest.mark.parametrize("block", YAML, ids=str)
def test_every_configuration_is_for_something_that_tries_it(block: Block) -> None:
    assert kind(block.text)


def test_each_kind_of_configuration_is_on_the_pages() -> None:
    assert {kind(block.text) for block in YAML} == {
        "alertmanager",
        "custom resource",
        "prometheus",
        "receiver",
        "values",
        "values of kube-prometheus-stack",
    }


@of("receiver")
def test_the_receiver_takes_it(block: Block, tmp_path: Path) -> None:
    loads(yaml.safe_load(block.text), tmp_path)


@of("values")
def test_the_chart_takes_it_and_the_receiver_takes_what_is_in_it(block: Block, tmp_path: Path) -> None:
    values = yaml.safe_load(block.text)
    jsonschema.validate(values, json.loads((ROOT / "helm/alert-receiver/values.schema.json").read_text()))
    loads(values["config"], tmp_path)
    mounted = {f"secrets/{secret['name']}/{key}" for secret in values["secrets"] for key in secret["keys"]}
    assert set(files_in(values["config"])) == mounted


@pytest.mark.real("amtool")
@of("alertmanager")
def test_alertmanager_takes_it(block: Block, tmp_path: Path) -> None:
    alertmanager_takes(block.text, tmp_path)


@pytest.mark.real("amtool")
@of("values of kube-prometheus-stack")
def test_alertmanager_takes_what_is_in_the_values(block: Block, tmp_path: Path) -> None:
    inner = yaml.safe_load(block.text)["alertmanager"]
    alertmanager_takes(yaml.safe_dump(inner["config"]), tmp_path)
    # The operator mounts a Secret so named there.
    [mounted] = inner["alertmanagerSpec"]["secrets"]
    assert list(files_in(inner["config"])) == [f"/etc/alertmanager/secrets/{mounted}/token"]


@pytest.mark.real("promtool")
@of("prometheus")
def test_prometheus_takes_it(block: Block, tmp_path: Path) -> None:
    prometheus_takes(block.text, tmp_path)


@of("custom resource")
def test_the_operator_takes_it(block: Block) -> None:
    made = yaml.safe_load(block.text)
    jsonschema.Draft202012Validator(strict(made["kind"])).validate(made)


@pytest.mark.real("promtool")
@pytest.mark.parametrize("block", QUERIES, ids=str)
def test_prometheus_takes_the_query(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "page", "rules": [{"record": "page", "expr": block.text}]}]}))
    passes("promtool", "check", "rules", path)


async def test_every_metric_that_a_page_names_is_exposed(start: Start) -> None:
    receiver = await start()
    async with aiohttp.ClientSession(receiver.url) as client, client.get("/metrics") as answer:
        families = list(text_string_to_metric_families(await answer.text()))
    there = {name for family in families for name in (family.name, *(sample.name for sample in family.samples))}
    named = {name for page in ours() for name in re.findall(r"\balert_receiver_[a-z_]+[a-z]\b", page.text)}
    named |= {name for block in QUERIES for name in metrics(block.text)}
    # Without the prefix, in prose and tables.
    bare = r"`((?:alerts|notifications|ledger|channel|template|auth|delivery|messages|oldest)_[a-z_]+)(?:\{[^`]*\})?`"
    named |= {f"alert_receiver_{name}" for page in ours() for name in re.findall(bare, page.text)}
    assert len(named) >= 10
    assert named - there == set()


@pytest.mark.real("amtool")
def test_alertmanager_takes_the_example_and_lets_critical_alerts_be_alone(tmp_path: Path) -> None:
    example = DOCS / "examples" / "alertmanager.yml"
    alertmanager_takes(example.read_text(), tmp_path)
    # With the token, as it says itself.
    uncommented = re.sub(
        r"^( +)# (http_config:|  authorization:|    credentials_file: .*)$", r"\1\2", example.read_text(), flags=re.M
    )
    assert "\n        http_config:" in uncommented
    alertmanager_takes(uncommented, tmp_path)
    page = yaml.safe_load(
        next(it.text for it in YAML if it.page.stem == "alertmanager" and kind(it.text) == "alertmanager")
    )
    said = yaml.safe_load(example.read_text())
    assert {key: said[key] for key in page} == page


@pytest.mark.parametrize("text", ["sinks: []", "channels: []\nroute: {}"])
def test_a_configuration_that_no_test_knows_is_told(text: str) -> None:
    knows: Callable[[str], str] = kind
    with pytest.raises(AssertionError, match="no test knows"):
        knows(text)
