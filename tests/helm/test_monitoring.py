"""The rules, the thresholds, the dashboard, the scrape and the route."""

import json
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from receiver import bundle
from tests.helm.loader import load
from tests.helm.readme import VALUES
from tests.helm.rendering import CASES, ROOT, Rendering, case, notes, of, refusal, rendering

pytestmark = pytest.mark.real("helm")

DOMAINS = {domain.name: domain for domain in bundle.read(ROOT / "rules")}
MINIMAL: dict[str, Any] = {"config": {"channels": [{"name": "log", "type": "console"}]}}
EVERY_DOMAIN = dict.fromkeys(DOMAINS, True)
every_domain = pytest.mark.parametrize("domain", DOMAINS.values(), ids=lambda domain: domain.name)


def with_rules(**rules: Any) -> dict[str, Any]:
    """Values with the rules on."""
    return {**MINIMAL, "prometheusRule": {"enabled": True, **rules}}


def groups(made: Rendering) -> dict[str, Any]:
    """The groups of each object, by the last part of its name."""
    return {it["metadata"]["name"].rpartition("-")[2]: it["spec"]["groups"] for it in made.of_kind("PrometheusRule")}


def rules(made: Rendering) -> list[dict[str, Any]]:
    """All of them."""
    return [rule for those in groups(made).values() for group in those for rule in group["rules"]]


@every_domain
def test_the_rules_are_those_of_the_files(domain: bundle.Domain, tmp_path: Path) -> None:
    made = groups(of(tmp_path, with_rules(domains={"receiver": False, domain.name: True})))
    assert made == {domain.name: yaml.safe_load(domain.text)["groups"]}


def test_only_the_receivers_own_are_on_by_default(tmp_path: Path) -> None:
    assert groups(of(tmp_path, with_rules())).keys() == {"receiver"}
    assert not of(tmp_path, MINIMAL).of_kind("PrometheusRule")


def test_every_domain_has_its_switch() -> None:
    domains = yaml.safe_load(VALUES.read_text())["prometheusRule"]["domains"]
    assert domains.keys() == DOMAINS.keys()


@pytest.mark.real("promtool")
@pytest.mark.parametrize("values", CASES, ids=lambda path: path.name.removesuffix("-values.yaml"))
def test_promtool_has_nothing_against_what_is_rendered(values: Path, tmp_path: Path) -> None:
    for it in rendering(values).of_kind("PrometheusRule"):
        file = tmp_path / f"{it['metadata']['name']}.yml"
        file.write_text(yaml.safe_dump(it["spec"]))
        run = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr


def test_a_disabled_alert_is_left_out_and_no_other(tmp_path: Path) -> None:
    unwanted = ["HostClockSkewed", "Watchdog"]
    before = {rule["alert"] for rule in rules(of(tmp_path, with_rules(domains=EVERY_DOMAIN)))}
    after = {rule["alert"] for rule in rules(of(tmp_path, with_rules(domains=EVERY_DOMAIN, disabled=unwanted)))}
    assert before - after == set(unwanted)
    # The Watchdog is the only one of its group, and Prometheus has no use for an empty one.
    made = groups(of(tmp_path, with_rules(domains={"pipeline": True}, disabled=unwanted)))
    assert "pipeline.watchdog" not in {group["name"] for group in made["pipeline"]}


def test_labels_of_ones_own_are_added_and_override_none(tmp_path: Path) -> None:
    labels = {"team": "platform", "severity": "page"}
    before = {rule["alert"]: rule["labels"] for rule in rules(of(tmp_path, with_rules(domains=EVERY_DOMAIN)))}
    made = rules(of(tmp_path, with_rules(domains=EVERY_DOMAIN, alertLabels=labels)))
    assert {rule["alert"]: rule["labels"] for rule in made} == {
        alert: {"team": "platform", **theirs} for alert, theirs in before.items()
    }


@pytest.mark.parametrize(
    "base", ["https://wiki.example.com/runbooks", "https://wiki.example.com/runbooks/", "http://a"]
)
def test_runbooks_are_where_the_command_line_would_have_them(base: str, tmp_path: Path) -> None:
    made = groups(of(tmp_path, with_rules(domains=EVERY_DOMAIN, runbookBase=base)))
    assert made == {
        name: yaml.safe_load(bundle.rebased(domain.text, bundle.base(base)))["groups"]
        for name, domain in DOMAINS.items()
    }


def test_labels_of_the_objects_are_those_that_the_operator_asks_for(tmp_path: Path) -> None:
    for it in of(tmp_path, with_rules(labels={"release": "prometheus"})).of_kind("PrometheusRule"):
        assert it["metadata"]["labels"]["release"] == "prometheus"


@pytest.mark.real("promtool")
def test_a_threshold_is_what_the_alert_looks_up(tmp_path: Path) -> None:
    thresholds = {"AlertReceiverCrashLooping": 5, "HostDiskAlmostFull": 0.05, "DatabaseSlow": 86400000}
    [made] = groups(of(tmp_path, with_rules(domains={"receiver": False}, thresholds=thresholds))).values()
    recorded = {rule["labels"]["alert"]: rule["expr"] for rule in made[0]["rules"]}
    assert {alert: float(expr) for alert, expr in recorded.items()} == thresholds
    # With it, four starts are too few; by default three are too many.
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump({"groups": [*made, *yaml.safe_load(DOMAINS["receiver"].text)["groups"]]})
    )
    labels = '{job="receiver", instance="one"}'
    (tmp_path / "test.yml").write_text(
        yaml.safe_dump(
            {
                "rule_files": ["rules.yml"],
                "evaluation_interval": "1m",
                "tests": [
                    {
                        "interval": "1m",
                        "input_series": [
                            {"series": f"process_start_time_seconds{labels}", "values": "1 1 2 2 3 3 4 4 5 5"},
                            {"series": f"alert_receiver_build_info{labels}", "values": "1x9"},
                        ],
                        "alert_rule_test": [
                            {"eval_time": "9m", "alertname": "AlertReceiverCrashLooping", "exp_alerts": []},
                        ],
                        "promql_expr_test": [
                            {
                                "expr": 'alert:threshold{alert="AlertReceiverCrashLooping"}',
                                "eval_time": "9m",
                                "exp_samples": [
                                    {"labels": 'alert:threshold{alert="AlertReceiverCrashLooping"}', "value": 5}
                                ],
                            },
                            # So it is the threshold that keeps it quiet.
                            {
                                "expr": "max(changes(process_start_time_seconds[30m]))",
                                "eval_time": "9m",
                                "exp_samples": [{"labels": "{}", "value": 4}],
                            },
                        ],
                    }
                ],
            }
        )
    )
    run = subprocess.run(
        ["promtool", "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@every_domain
def test_every_alert_that_looks_up_a_threshold_may_be_given_one_and_no_other(
    domain: bundle.Domain, tmp_path: Path
) -> None:
    found = [rule for group in yaml.safe_load(domain.text)["groups"] for rule in group["rules"]]
    adjustable = {rule["alert"] for rule in found if f'alert:threshold{{alert="{rule["alert"]}"}}' in rule["expr"]}
    made = groups(of(tmp_path, with_rules(thresholds=dict.fromkeys(adjustable, 1))))
    assert {rule["labels"]["alert"] for rule in made["thresholds"][0]["rules"]} == adjustable
    for rule in found:
        if rule["alert"] not in adjustable:
            said = refusal(tmp_path, with_rules(thresholds={rule["alert"]: 1}))
            assert f'prometheusRule.thresholds names "{rule["alert"]}", which has no threshold' in said


def test_the_dashboard_is_the_very_file() -> None:
    [it] = rendering(case("kube-prometheus-stack")).of_kind("ConfigMap")
    assert it["metadata"]["labels"]["grafana_dashboard"] == "1"
    held = json.loads(it["data"]["alert-receiver.json"])
    assert held == json.loads((ROOT / "rules" / "dashboards" / "alert-receiver.json").read_text())
    assert len(json.dumps(it)) < 1 << 20, "a ConfigMap may have 1 MiB"


def test_prometheus_scrapes_with_its_token() -> None:
    [endpoint] = rendering(case("everything")).one("ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["authorization"] == {
        "type": "Bearer",
        "credentials": {"name": "alert-receiver-read-token", "key": "token"},
    }
    assert (endpoint["path"], endpoint["interval"], endpoint["scrapeTimeout"]) == ("/metrics", "30s", "10s")
    [endpoint] = rendering(case("kube-prometheus-stack")).one("ServiceMonitor")["spec"]["endpoints"]
    assert endpoint == {"port": "http", "path": "/metrics"}


def test_the_operators_alertmanager_sends_all_of_them_with_its_token() -> None:
    spec = rendering(case("everything")).one("AlertmanagerConfig")["spec"]
    [webhook] = spec["receivers"][0]["webhookConfigs"]
    assert webhook["sendResolved"] is True
    assert webhook["maxAlerts"] == 0
    credentials = {"name": "alert-receiver-token", "key": "token"}
    assert webhook["httpConfig"]["authorization"] == {"type": "Bearer", "credentials": credentials}
    assert spec["route"]["receiver"] == spec["route"]["routes"][0]["receiver"] == spec["receivers"][0]["name"]


def test_the_operators_alertmanager_repeats_in_time_to_remind(tmp_path: Path) -> None:
    made = of(tmp_path, {**MINIMAL, "alertmanagerConfig": {"enabled": True}})
    assert made.one("AlertmanagerConfig")["spec"]["route"]["repeatInterval"] == "4h"


@pytest.mark.real("amtool")
@pytest.mark.parametrize("values", CASES, ids=lambda path: path.name.removesuffix("-values.yaml"))
def test_alertmanager_takes_the_route_of_the_notes(values: Path, tmp_path: Path) -> None:
    said = notes(tmp_path, values)
    config = textwrap.dedent(said[said.index("     route:") :].partition("\n\n")[0])
    (tmp_path / "alertmanager.yml").write_text(config)
    run = subprocess.run(
        ["amtool", "check-config", tmp_path / "alertmanager.yml"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, config + run.stdout + run.stderr
    [read] = load(config)
    assert read["route"]["routes"][0]["group_by"] == ["..."]
    # Helm would merge another one into it, such as the 12h of kube-prometheus-stack.
    assert read["route"]["repeat_interval"] == "4h"
    with_token = "authorization" in json.dumps(read)
    assert with_token == ("everything" in values.name)


def url_of(made: Rendering) -> str:
    """Where the Service is."""
    service: Mapping[str, Any] = made.one("Service")
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    return f"http://{name}.{namespace}.svc:{service['spec']['ports'][0]['port']}"


@pytest.mark.parametrize("release", ["demo", "a-name-of-fifty-three-characters-as-long-as-helm-lets"])
@pytest.mark.parametrize("values", CASES, ids=lambda path: path.name.removesuffix("-values.yaml"))
def test_the_notes_name_what_there_is(values: Path, release: str, tmp_path: Path) -> None:
    said, made = notes(tmp_path, values, release), rendering(values, release)
    name = made.one("StatefulSet")["metadata"]["name"]
    assert f"statefulset/{name}\n" in said
    assert f"exec {name}-0 -c alert-receiver" in said
    assert f"- url: {url_of(made)}/webhook\n" in said
    for it in made.of_kind("Pod"):
        assert f"helm -n alerting test {release} " in said
        assert f"logs {it['metadata']['name']}\n" in said
    assert ("helm -n" in said) == bool(made.of_kind("Pod"))
    assert ("serviceMonitor.enabled=true" in said) == (not made.of_kind("ServiceMonitor"))
    assert ("prometheusRule.enabled=true" in said) == (not made.of_kind("PrometheusRule"))
    for way in ("OnNamespaceExceptForAlertmanagerNamespace", "{type: None}", "alertmanagerConfiguration:"):
        assert (way in said) == bool(made.of_kind("AlertmanagerConfig"))
    assert ("there are no tokens" in said) == (not values.name.startswith(("everything", "existing")))
    assert ("persistence.enabled=false" in said) == values.name.startswith("openshift")
    assert "<no value>" not in said
    assert "\n\n\n" not in said


def test_the_notes_warn_of_an_open_receiver_that_can_be_reached_from_outside(tmp_path: Path) -> None:
    values = tmp_path / "open.yaml"
    hosts = [{"host": "alerts.example.com", "paths": [{"path": "/", "pathType": "Prefix"}]}]
    values.write_text(yaml.safe_dump({**MINIMAL, "ingress": {"enabled": True, "hosts": hosts}}))
    assert "it can be reached from outside of the cluster" in notes(tmp_path, values)
    assert "it can be reached from outside" not in notes(tmp_path, case("minimal"))
