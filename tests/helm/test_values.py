"""The values: what is wrong is refused with what to do; the schema is strict and complete; README.md tells them all."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.helm.readme import CHART, PAGE, SCHEMA, VALUES, Value, described, renewed, values, written
from tests.helm.rendering import CASES, NEWEST, helm, of, refusal

OPEN = {"name": "log", "type": "console"}
TOKEN = {"name": "alertmanager", "token": "inline", "scopes": ["webhook"]}
SMTP = [{"name": "smtp", "keys": ["password"]}]
MISTYPED = {"channels": [OPEN], "smtp": {"host": "h", "password_file": "secrets/smtp/pasword"}}
NOT_MOUNTED = (
    'config.smtp.password_file is "secrets/smtp/pasword", in the container /etc/alert-receiver/secrets/smtp/pasword, '
    "and nothing mounts that: add the Secret and its key to secrets"
)
DISKS = (
    'names "HostDiskFull", and no bundled alert is called so. There are: HostClockNotSynchronised, HostClockSkewed, '
)

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no config": ({"config": {}}, "config is empty: the receiver needs channels. Give config"),
    "no channels": ({"config": {"notices": []}}, "config.channels is empty: name at least one channel, such as"),
    "two configurations": ({"existingSecret": {"name": "a"}}, "exactly one of them says what the configuration is"),
    "two replicas": ({"replicas": 2}, "at '/replicas': value must be 1"),
    "no replica": ({"replicas": 0}, "at '/replicas': value must be 1"),
    "an unknown key": ({"replicaCount": 1}, "additional properties 'replicaCount' not allowed"),
    "an unknown key below": ({"service": {"prot": 1}}, "at '/service': additional properties 'prot' not allowed"),
    "an unknown key of a secret": (
        {"secrets": [{"name": "a", "keys": ["b"], "path": "c"}]},
        "at '/secrets/0': additional properties 'path' not allowed",
    ),
    "an unknown domain": (
        {"prometheusRule": {"enabled": True, "domains": {"hots": True}}},
        "at '/prometheusRule/domains': additional properties 'hots' not allowed",
    ),
    "an unknown alert disabled": (
        {"prometheusRule": {"enabled": True, "disabled": ["HostDiskFull"]}},
        f"prometheusRule.disabled {DISKS}",
    ),
    "an unknown alert's threshold": (
        {"prometheusRule": {"enabled": True, "thresholds": {"HostDiskFull": 1}}},
        f"prometheusRule.thresholds {DISKS}",
    ),
    "the threshold of an alert without one": (
        {"prometheusRule": {"enabled": True, "thresholds": {"DatabaseDown": 1}}},
        'prometheusRule.thresholds names "DatabaseDown", which has no threshold',
    ),
    "a threshold that is no number": (
        {"prometheusRule": {"enabled": True, "thresholds": {"HostDiskAlmostFull": "5%"}}},
        "at '/prometheusRule/thresholds/HostDiskAlmostFull': got string, want number",
    ),
    "runbooks at no address": ({"prometheusRule": {"runbookBase": "wiki"}}, "at '/prometheusRule/runbookBase': 'wiki'"),
    "books outside of the volume": (
        {"config": {"channels": [OPEN], "storage": {"url": "sqlite:///books.db"}}},
        "leave it out, or name a file under /data, such as sqlite:////data/alert-receiver.db",
    ),
    "a secret that is not mounted": ({"config": MISTYPED}, f"{NOT_MOUNTED}"),
    "a mistyped key of a secret": (
        {"config": MISTYPED, "secrets": SMTP},
        "Mounted there: /etc/alert-receiver/secrets/smtp/password.",
    ),
    "a file of a channel that is not mounted": (
        {"config": {"channels": [{**OPEN, "templates": {"text_file": "/etc/alert-receiver/files/../a"}}]}},
        "config.channels[0].templates.text_file is",
    ),
    "a secret without its keys": ({"secrets": [{"name": "smtp"}]}, "at '/secrets/0': missing property 'keys'"),
    "a secret twice": ({"secrets": [*SMTP, {"name": "smtp", "keys": ["b"]}]}, 'secrets names "smtp" twice'),
    "tokens, and none for helm test": (
        {"config": {"channels": [OPEN], "auth": {"tokens": [TOKEN]}}},
        "so `helm test` needs a token, and finds none",
    ),
    "tokens, and none for Prometheus": (
        {
            "config": {"channels": [OPEN], "auth": {"tokens": [TOKEN]}},
            "test": {"enabled": False},
            "serviceMonitor": {"enabled": True},
        },
        "name the Secret that holds it in serviceMonitor.bearerTokenSecret.name",
    ),
    "tokens, and none for Alertmanager": (
        {
            "config": {"channels": [OPEN], "auth": {"tokens": [TOKEN]}},
            "test": {"enabled": False},
            "alertmanagerConfig": {"enabled": True},
        },
        "name the Secret that holds it in alertmanagerConfig.tokenSecret.name",
    ),
    "an ingress without hosts": ({"ingress": {"enabled": True}}, "ingress.enabled without ingress.hosts: name one"),
    "a route without a gateway": ({"httpRoute": {"enabled": True}}, "httpRoute.parentRefs: name the Gateway, such as"),
    "a size that is none": ({"persistence": {"size": "big"}}, "at '/persistence/size': 'big' does not match"),
    "a budget that means nothing": (
        {"podDisruptionBudget": {"maxUnavailable": 2}},
        "at '/podDisruptionBudget/maxUnavailable': maximum: got 2, want 1",
    ),
    "a log level that is none": ({"log": {"level": "trace"}}, "value must be one of 'debug', 'info', 'warn', 'error'"),
    "listening where nobody else can send": (
        {"listenHost": "127.0.0.1"},
        'listenHost is "127.0.0.1", where only the pod itself would reach the receiver',
    ),
    "listening at the loopback of IPv6": ({"listenHost": "[::1]"}, "leave it empty for every address, IPv4 and IPv6"),
    "an IPv6 address without brackets": ({"listenHost": "::"}, "at '/listenHost': '::' does not match pattern"),
    "listening at a name": ({"listenHost": "localhost"}, "at '/listenHost': 'localhost' does not match pattern"),
    "a file's name that Kubernetes keeps for itself": (
        {"files": {"..a": ""}},
        "at '/files': additional properties '..a' not allowed",
    ),
    "a key that Kubernetes keeps for itself": (
        {"secrets": [{"name": "a", "keys": ["..a"]}]},
        "at '/secrets/0/keys/0': '..a' does not match pattern",
    ),
    "a file's name that can't be a key": (
        {"files": {"a/b": ""}},
        "at '/files': additional properties 'a/b' not allowed",
    ),
}


@pytest.mark.real("helm")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_with_what_would_be_right(name: str, tmp_path: Path) -> None:
    mistake, says = REFUSED[name]
    assert says in refusal(tmp_path, {"config": {"channels": [OPEN]}, **mistake})


@pytest.mark.real("helm")
def test_a_file_that_a_volume_of_ones_own_brings_is_no_concern_of_the_charts(tmp_path: Path) -> None:
    for path in ("/run/secrets/password", "../secrets/password"):
        of(tmp_path, {"config": {"channels": [OPEN], "smtp": {"host": "h", "password_file": path}}})


@pytest.mark.real("helm")
@pytest.mark.parametrize(
    "wrong",
    [
        {"storage": "x"},
        {"storage": {"url": 5}},
        {"auth": []},
        {"auth": {"tokens": "x"}},
        {"auth": {"tokens": ["x"]}},
        {"auth": {"tokens": [{"name": "a", "token_file": 5, "scopes": "webhook"}]}},
        {"auth": {"tokens": [{"name": "a", "token_file": "secrets/a/b", "scopes": "webhook"}]}},
    ],
    ids=str,
)
def test_what_is_of_the_wrong_kind_is_left_to_the_check_or_refused_in_words(
    wrong: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps({"config": {"channels": [OPEN], **wrong}}))
    run = helm("template", "demo", CHART, "--kube-version", NEWEST, "-f", file)
    said = ("config.auth.tokens is given", "config.storage.url is", "and nothing mounts that")
    assert run.returncode == 0 or any(text in run.stderr for text in said), run.stderr
    for trace in (
        "can't evaluate",
        "wrong type",
        "error calling has",
        "error calling include: template",
        "nil pointer",
    ):
        assert trace not in run.stderr


@pytest.mark.real("helm")
@pytest.mark.parametrize("name", [".hidden", "a..b", "_", "a"])
def test_names_that_kubernetes_takes_for_keys_are_taken(name: str, tmp_path: Path) -> None:
    of(tmp_path, {"config": {"channels": [OPEN]}, "files": {name: ""}, "secrets": [{"name": "a", "keys": [name]}]})


def schema() -> dict[str, Any]:
    """The schema."""
    read = json.loads(SCHEMA.read_text())
    assert isinstance(read, dict)
    return read


def below(it: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each schema for a value in the schema, by its path."""
    for name, inner in {**it.get("properties", {}), **it.get("patternProperties", {})}.items():
        yield f"{path}.{name}", inner
        yield from below(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(it.get(key), dict):
            yield f"{path}[]", it[key]
            yield from below(it[key], f"{path}[]")


# What someone else describes: the receiver, Kubernetes, a parent chart.
OTHERS = re.compile(
    r"\.config|\.global|.*([rR]esources|ecurityContext)|\.affinity"
    r"|\.(extra(Env|EnvFrom|Volumes|VolumeMounts|Containers|Manifests)|initContainers|tolerations|topologySpreadConstraints)\[\]"
    r"|.*\.(from|rules|tls|parentRefs|matches|filters|matchers|routes|relabelings|metricRelabelings)\[\]"
)


def test_the_schema_is_one_of_draft_07() -> None:
    assert schema()["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema())


def test_every_key_is_described() -> None:
    # Values that are but text under names that anyone chooses need no words of their own.
    for path, it in below(schema()):
        assert it.get("description") or (path.endswith("[]") and it == {"type": "string"}), path


def test_no_key_is_taken_that_is_not_known() -> None:
    assert schema()["additionalProperties"] is False
    for path, it in below(schema()):
        if it.get("type") == "object" and not OTHERS.fullmatch(path):
            named = it.get("additionalProperties")
            assert named is False or isinstance(named, dict), path
        # A value may have more than one type, but has some.
        assert {"type", "enum", "const"} & it.keys(), path


def test_the_schema_knows_the_values_and_no_others() -> None:
    def keys(it: Mapping[str, Any], chosen: Any, path: str) -> None:
        if "properties" not in it or not chosen:
            return
        optional = (
            {"initialDelaySeconds", "successThreshold", "terminationGracePeriodSeconds"} if "Probe" in path else set()
        )
        assert it["properties"].keys() - optional == chosen.keys(), path
        for name in chosen:
            keys(it["properties"][name], chosen[name], f"{path}.{name}")

    top = schema()
    for name in ("global", "enabled"):
        del top["properties"][name]
    keys(top, yaml.safe_load(VALUES.read_text()), "")


def test_the_defaults_and_the_cases_fit_the_schema() -> None:
    validator = jsonschema.Draft7Validator(schema())
    validator.validate(yaml.safe_load(VALUES.read_text()))
    for path in CASES:
        if "openshift" not in path.name:  # null takes a default away before Helm looks at the schema
            validator.validate(yaml.safe_load(path.read_text()))


def test_every_value_is_described_by_a_comment_of_its_own() -> None:
    told = [value for value in values() if isinstance(value, Value)]
    assert len(told) > 150
    for value in told:
        assert value.description.endswith((".", ")", "`")), value.name
        assert len(value.description) > 8, value.name


def test_readme_and_schema_are_up_to_date() -> None:
    assert PAGE.read_text() == renewed(PAGE.read_text()), "python -m tests.helm.readme writes it anew"
    assert SCHEMA.read_text() == written(described(schema())), "python -m tests.helm.readme writes it anew"


@pytest.mark.real("helm")
def test_the_examples_of_the_readme_render(tmp_path: Path) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)
    assert len(examples) == 3
    whole = yaml.safe_load(examples[0])
    of(tmp_path, whole)
    for example in examples[1:]:
        more = yaml.safe_load(example)
        config = {**whole["config"], **more.pop("config", {})}
        secrets = [*whole["secrets"], *more.pop("secrets", [])]
        of(tmp_path, {**whole, **more, "config": config, "secrets": secrets})
