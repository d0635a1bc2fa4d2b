"""The objects: valid to the oldest and newest Kubernetes and to the custom resources' schemas, and fitting together."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from tests.helm import crds
from tests.helm.readme import CHART, VALUES
from tests.helm.rendering import CASES, NEWEST, OLDEST, Rendering, case, helm, of, rendering, template, texts, written

pytestmark = pytest.mark.real("helm")

LONG = "a-name-of-fifty-three-characters-as-long-as-helm-lets"
"""Helm allows no longer one."""

every_case = pytest.mark.parametrize("values", CASES, ids=lambda path: path.name.removesuffix("-values.yaml"))
every_version = pytest.mark.parametrize("version", [OLDEST, NEWEST])
every_length = pytest.mark.parametrize("release", ["demo", LONG, "x", "alert-receiver"])

MINIMAL: dict[str, Any] = {"config": {"channels": [{"name": "log", "type": "console"}]}}


def check(it: Mapping[str, Any], version: str) -> None:
    """Raises what is wrong with an object."""
    if it["kind"] in crds.SOURCES:
        jsonschema.Draft202012Validator(crds.strict(it["kind"])).validate(it)
    else:
        kubernetes_validate.validate(dict(it), version, strict=True)


@every_version
@every_case
def test_every_object_is_valid(values: Path, version: str) -> None:
    made = rendering(values, kubernetes=version).objects
    assert made
    for it in made:
        check(it, version)


def test_the_cases_make_every_kind_that_the_chart_can() -> None:
    made = {it["kind"] for values in CASES for it in rendering(values).objects}
    templates = [path.read_text() for path in (CHART / "templates").rglob("*.yaml")]
    assert made == {kind for text in templates for kind in re.findall(r"^kind: (\w+)$", text, re.M)}


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("StatefulSet", ("spec", "template", "spec")),
        ("NetworkPolicy", ("spec",)),
        ("ServiceMonitor", ("spec", "endpoints", 0)),
        ("AlertmanagerConfig", ("spec", "receivers", 0)),
        ("HTTPRoute", ("spec", "rules", 0)),
        ("PrometheusRule", ("spec", "groups", 0)),
    ],
)
def test_an_unknown_key_would_be_found(kind: str, path: tuple[str | int, ...]) -> None:
    it = yaml.safe_load(yaml.safe_dump(rendering(case("everything")).of_kind(kind)[0]))
    check(it, NEWEST)
    place: Any = it
    for key in path:
        place = place[key]
    place["typo"] = 1
    with pytest.raises(jsonschema.ValidationError, match="typo"):
        check(it, NEWEST)


@every_case
@every_length
def test_names_and_labels_are_never_too_long_and_no_object_is_made_twice(values: Path, release: str) -> None:
    made = rendering(values, release).objects
    for it in made:
        name = it["metadata"]["name"]
        assert len(name) <= 63, name
        assert name.strip("-") == name
        for value in it["metadata"].get("labels", {}).values():
            assert len(value) <= 63, value
    places = [(it["kind"], it["metadata"].get("namespace"), it["metadata"]["name"]) for it in made]
    assert len(set(places)) == len(places)
    # Kubernetes labels the pod with this name, a hyphen and a hash of ten characters.
    assert len(rendering(values, release).one("StatefulSet")["metadata"]["name"]) <= 52


@pytest.mark.parametrize("release", ["prod.eu", "a.b-" + "c" * 46 + ".d"])
def test_a_release_with_dots_makes_names_without(release: str) -> None:
    for it in rendering(case("everything"), release).objects:
        check(it, NEWEST)
    made = rendering(case("minimal"), release)
    for it in made.objects:
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", it["metadata"]["name"])
        assert it["metadata"]["labels"]["app.kubernetes.io/instance"] == release


def test_a_release_whose_name_no_service_may_have_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = written(tmp_path, MINIMAL)
    run = helm("template", "123", CHART, "--kube-version", NEWEST, "-f", file)
    assert 'The objects would be called "123-alert-receiver", which a Service can\'t be' in run.stderr
    assert "give fullnameOverride" in run.stderr
    assert (
        helm(
            "template", "123", CHART, "--kube-version", NEWEST, "-f", file, "--set", "fullnameOverride=teller"
        ).returncode
        == 0
    )


@every_case
def test_a_receiver_of_one_family_has_no_service_of_both(values: Path) -> None:
    chosen = yaml.safe_load(values.read_text())
    if chosen.get("listenHost"):
        assert "DualStack" not in chosen.get("service", {}).get("ipFamilyPolicy", "")


@pytest.mark.parametrize("host", ["", "0.0.0.0", "[::]", "192.0.2.1"])
def test_where_it_listens_is_one_argument(host: str, tmp_path: Path) -> None:
    args = pod(of(tmp_path, {**MINIMAL, "listenHost": host}))["containers"][0]["args"]
    assert f"--web.listen-address={host}:9095" in args


def test_large_integers_stay_integers(tmp_path: Path) -> None:
    large = {"terminationGracePeriodSeconds": 1000000, "configCheck": {"timeoutSeconds": 2000000}}
    made = of(tmp_path, {**MINIMAL, **large})
    assert pod(made)["terminationGracePeriodSeconds"] == 1000000
    assert made.one_hook("Job")["spec"]["activeDeadlineSeconds"] == 2000000
    for it in made.objects:
        check(it, NEWEST)


def test_a_release_called_like_the_chart_does_not_say_it_twice() -> None:
    assert rendering(case("minimal"), "alert-receiver").one("Service")["metadata"]["name"] == "alert-receiver"


@every_case
def test_selectors_match_the_receivers_pod_and_no_other(values: Path) -> None:
    made = rendering(values)
    pods = {whose: metadata["labels"] for whose, metadata, _ in made.pods()}
    selectors = {
        "StatefulSet": made.one("StatefulSet")["spec"]["selector"]["matchLabels"],
        "Service": made.one("Service")["spec"]["selector"],
    }
    selectors |= {
        kind: it["spec"]["podSelector" if kind == "NetworkPolicy" else "selector"]["matchLabels"]
        for kind in ("NetworkPolicy", "PodDisruptionBudget")
        for it in made.of_kind(kind)
    }
    for kind, selector in selectors.items():
        matching = [whose for whose, labels in pods.items() if selector.items() <= labels.items()]
        assert matching == ["StatefulSet"], kind
    for it in made.of_kind("ServiceMonitor"):
        service = made.one("Service")["metadata"]
        assert it["spec"]["selector"]["matchLabels"].items() <= service["labels"].items()
        assert it["spec"]["namespaceSelector"]["matchNames"] == [service["namespace"]]


def test_the_network_policy_lets_the_test_in_and_who_sends_and_scrapes() -> None:
    made = rendering(case("kube-prometheus-stack"))
    [rule] = made.one("NetworkPolicy")["spec"]["ingress"]
    tests, others = rule["from"]
    assert tests["podSelector"]["matchLabels"].items() <= made.of_kind("Pod")[0]["metadata"]["labels"].items()
    [expression] = others["podSelector"]["matchExpressions"]
    assert expression["values"] == ["alertmanager", "prometheus"]
    assert made.one("NetworkPolicy")["spec"]["egress"] == [{}]


def test_a_network_policy_without_peers_lets_nobody_in(tmp_path: Path) -> None:
    closed = {**MINIMAL, "networkPolicy": {"enabled": True, "ingress": {"from": []}}}
    [rule] = of(tmp_path, closed).one("NetworkPolicy")["spec"]["ingress"]
    assert [it["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for it in rule["from"]] == ["test"]
    # A rule with an empty `from` would let in everybody.
    assert of(tmp_path, {**closed, "test": {"enabled": False}}).one("NetworkPolicy")["spec"]["ingress"] == []


def test_a_restricted_network_policy_lets_out_dns_and_what_is_said() -> None:
    dns, mail = rendering(case("everything")).one("NetworkPolicy")["spec"]["egress"]
    ports = [(port["port"], port["protocol"]) for port in dns["ports"]]
    assert sorted(ports) == [(53, "TCP"), (53, "UDP"), (5353, "TCP"), (5353, "UDP")]
    assert mail["ports"] == [{"port": 587, "protocol": "TCP"}]


@every_case
def test_ports_agree(values: Path) -> None:
    made = rendering(values)
    [container] = [it for it in pod(made)["containers"] if it["name"] == "alert-receiver"]
    [listening] = container["ports"]
    [serving] = made.one("Service")["spec"]["ports"]
    [address] = [it for it in container["args"] if it.startswith("--web.listen-address=")]
    assert address.rpartition(":")[2] == str(listening["containerPort"]) == "9095"
    assert serving["targetPort"] == listening["name"] == serving["name"] == "http"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == "http"
    service = made.one("Service")["metadata"]
    webhook = f"http://{service['name']}.{service['namespace']}.svc:{serving['port']}/webhook"
    for it in made.of_kind("AlertmanagerConfig"):
        assert it["spec"]["receivers"][0]["webhookConfigs"][0]["url"] == webhook
    for it in made.of_kind("Pod"):
        assert {"name": "WEBHOOK", "value": webhook} in it["spec"]["containers"][0]["env"]
    for it in made.of_kind("HTTPRoute"):
        assert it["spec"]["rules"][0]["backendRefs"] == [{"name": service["name"], "port": serving["port"]}]
    for it in made.of_kind("Ingress"):
        backend = it["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        assert backend == {"name": service["name"], "port": {"name": serving["name"]}}
    assert made.one("StatefulSet")["spec"]["serviceName"] == service["name"]


@every_case
def test_every_volume_that_is_mounted_exists_and_the_other_way_round(values: Path) -> None:
    made = rendering(values)
    claimed = [it["metadata"]["name"] for it in made.one("StatefulSet")["spec"].get("volumeClaimTemplates", [])]
    for whose, _, spec in made.pods():
        there = [it["name"] for it in spec["volumes"]] + (claimed if whose == "StatefulSet" else [])
        assert len(set(there)) == len(there)
        containers = [*spec["containers"], *spec.get("initContainers", [])]
        assert {mount["name"] for it in containers for mount in it.get("volumeMounts", [])} == set(there)
        for it in containers:
            paths = [mount["mountPath"] for mount in it.get("volumeMounts", [])]
            assert len(set(paths)) == len(paths)


@every_case
def test_the_secrets_of_the_chart_that_are_mounted_are_made_and_have_the_keys(values: Path) -> None:
    made = rendering(values)
    own = {it["metadata"]["name"]: texts(it) for it in made.of_kind("Secret")}
    chosen = yaml.safe_load(values.read_text())
    theirs = {it["name"] for it in chosen.get("secrets", [])} | {chosen.get("existingSecret", {}).get("name")}
    for whose, _, spec in made.pods():
        for volume in spec["volumes"]:
            for source in volume.get("projected", {}).get("sources", []):
                name = source["secret"]["name"]
                assert (name in own) != (name in theirs), (whose, name)
                if name in own:
                    assert {item["key"] for item in source["secret"]["items"]} <= own[name].keys()


def test_the_books_are_in_a_claim_that_outlives_the_pod() -> None:
    made = rendering(case("minimal"))
    [claim] = made.one("StatefulSet")["spec"]["volumeClaimTemplates"]
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    # It may never change, so what changes with the chart's version has no place in it.
    assert claim["metadata"] == {"name": "data"}


def test_a_claim_of_ones_own_is_taken() -> None:
    made = rendering(case("existing-secrets"))
    assert "volumeClaimTemplates" not in made.one("StatefulSet")["spec"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "books"}} in pod(made)["volumes"]


def test_a_changed_configuration_restarts_the_receiver_and_a_new_chart_alone_does_not(tmp_path: Path) -> None:
    def template_of(values: Mapping[str, Any]) -> Any:
        return of(tmp_path, values).one("StatefulSet")["spec"]["template"]

    before = template_of(MINIMAL)
    assert template_of({**MINIMAL, "service": {"port": 80}}) == before
    changed = template_of({"config": {**MINIMAL["config"], "expire_after": "12h"}})
    assert changed["spec"] == before["spec"]
    assert changed["metadata"] != before["metadata"]
    assert template_of({**MINIMAL, "files": {"mail.txt": "a"}}) != template_of({**MINIMAL, "files": {"mail.txt": "b"}})
    assert not any(key.startswith("helm.sh/") or key.endswith("/version") for key in before["metadata"]["labels"])


def test_common_labels_are_on_every_object_and_change_no_selector(tmp_path: Path) -> None:
    labels = {"team": "platform", "app.kubernetes.io/name": "other", "app.kubernetes.io/component": "other"}
    values = {**yaml.safe_load(case("kube-prometheus-stack").read_text()), "commonLabels": labels, "podLabels": labels}
    made, before = of(tmp_path, values), rendering(case("kube-prometheus-stack"))
    assert made.one("StatefulSet")["spec"]["selector"] == before.one("StatefulSet")["spec"]["selector"]
    for it in [*(it["metadata"] for it in made.objects), *(metadata for _, metadata, _ in made.pods())]:
        assert it["labels"]["team"] == "platform"
        assert it["labels"]["app.kubernetes.io/name"] == "alert-receiver"
        assert it["labels"]["app.kubernetes.io/component"] != "other"


def test_every_object_is_in_the_namespace_that_is_said(tmp_path: Path) -> None:
    everything = yaml.safe_load(case("everything").read_text())
    everything |= {"namespaceOverride": "elsewhere", "extraManifests": []}
    for it in of(tmp_path, everything).objects:
        operators = it["kind"] in ("AlertmanagerConfig", "ServiceMonitor", "PrometheusRule", "ConfigMap")
        assert it["metadata"]["namespace"] == ("monitoring" if operators else "elsewhere")


def test_extra_manifests_are_templates_as_text_and_as_objects() -> None:
    made = {it["metadata"]["name"]: it for it in rendering(case("everything")).of_kind("ConfigMap")}
    assert made["teller-extra"]["data"] == {"url": "http://teller.alerting.svc:80/webhook"}
    assert "demo-text" in made


def test_the_image_is_the_charts_own_version_or_what_is_said(tmp_path: Path) -> None:
    def image(values: Mapping[str, Any]) -> set[str]:
        made = of(tmp_path, {**MINIMAL, **values})
        return {spec["containers"][0]["image"] for _, _, spec in made.pods()}

    assert image({}) == {"ghcr.io/alert-receiver/alert-receiver:0.1.0"}
    digest = "sha256:" + "0" * 64
    assert image({"image": {"tag": "0.2.0", "digest": digest}}) == {
        f"ghcr.io/alert-receiver/alert-receiver:0.2.0@{digest}"
    }
    assert image({"global": {"imageRegistry": "mirror.example.com"}}) == {
        "mirror.example.com/alert-receiver/alert-receiver:0.1.0"
    }


def test_a_probe_that_is_switched_off_is_not_there(tmp_path: Path) -> None:
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    for probe in probes:
        [container] = pod(of(tmp_path, {**MINIMAL, probe: {"enabled": False}}))["containers"]
        assert container.keys() & set(probes) == set(probes) - {probe}


def test_what_is_set_reaches_the_pod() -> None:
    spec = pod(rendering(case("everything")))
    chosen = yaml.safe_load(case("everything").read_text())
    for key in ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName"):
        assert spec[key] == chosen[key]
    assert [it["name"] for it in spec["imagePullSecrets"]] == ["registry", "global-registry"]
    assert spec["terminationGracePeriodSeconds"] == yaml.safe_load(VALUES.read_text())["terminationGracePeriodSeconds"]
    container = spec["containers"][0]
    assert container["env"] == chosen["extraEnv"]
    assert container["envFrom"] == chosen["extraEnvFrom"]
    assert container["args"][-1] == "--web.max-body=128MiB"
    assert chosen["extraVolumeMounts"][0] in container["volumeMounts"]


def test_as_a_part_of_another_chart_it_takes_what_a_parent_gives(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text(
        "apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies:\n"
        "  - {name: alert-receiver, version: '*', condition: alert-receiver.enabled}\n"
    )
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "alert-receiver").symlink_to(VALUES.parent)
    (tmp_path / "values.yaml").write_text(
        yaml.safe_dump({"alert-receiver": {"enabled": True, **MINIMAL}, "global": {}})
    )
    made = Rendering(template(chart=tmp_path))
    assert made.one("StatefulSet")["metadata"]["name"] == "demo-alert-receiver"


def pod(made: Rendering) -> dict[str, Any]:
    """The receiver's pod."""
    spec = made.one("StatefulSet")["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


def test_files_beside_a_configuration_of_ones_own_are_a_secret_of_their_own(tmp_path: Path) -> None:
    values = {"existingSecret": {"name": "mine"}, "files": {"mail.txt": "hello"}}
    made = of(tmp_path, values)
    assert texts(made.one("Secret")) == {"files-mail.txt": "hello"}
    files = made.files(pod(made), {"mine": {"alert-receiver.yml": "theirs"}})
    assert files == {"alert-receiver.yml": "theirs", "files/mail.txt": "hello"}
    # Without files, there is nothing to make.
    assert not of(tmp_path, {"existingSecret": {"name": "mine"}}).of_kind("Secret")


def test_a_nodes_port_is_for_a_service_that_has_one(tmp_path: Path) -> None:
    for kind, has in (("ClusterIP", False), ("NodePort", True), ("LoadBalancer", True)):
        [port] = of(tmp_path, {**MINIMAL, "service": {"type": kind, "nodePort": 30095}}).one("Service")["spec"]["ports"]
        assert ("nodePort" in port) == has


@pytest.mark.parametrize("name", ["123", "1e3", "0x10"])
def test_a_name_that_looks_like_a_number_stays_text(name: str, tmp_path: Path) -> None:
    values = yaml.safe_load(case("everything").read_text())
    values |= {
        "namespaceOverride": name,
        "nameOverride": name,
        "secrets": [*values["secrets"], {"name": name, "keys": [name]}],
    }
    values["persistence"] = {"existingClaim": name}
    values["serviceAccount"] = {"name": name}
    values["serviceMonitor"]["bearerTokenSecret"] = values["test"]["tokenSecret"] = {"name": name, "key": name}
    for it in of(tmp_path, values, release=name).objects:
        check(it, NEWEST)
