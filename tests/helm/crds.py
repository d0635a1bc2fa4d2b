"""The schemas of the custom resources that the chart makes, as their projects publish them, without what no test needs.

``python -m tests.helm.crds`` fetches the Go modules below (it needs Go) and writes ``crds/*.json`` anew.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.helm.loader import load

FOLDER = Path(__file__).parent / "crds"

OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.94.0"
GATEWAY = "sigs.k8s.io/gateway-api@v1.6.3"
IN_OPERATOR = "example/prometheus-operator-crd/monitoring.coreos.com_"


@dataclass(frozen=True)
class Source:
    """Where a schema is from."""

    module: str
    path: str
    version: str


SOURCES = {
    "AlertmanagerConfig": Source(OPERATOR, f"{IN_OPERATOR}alertmanagerconfigs.yaml", "v1alpha1"),
    "HTTPRoute": Source(GATEWAY, "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml", "v1"),
    "PrometheusRule": Source(OPERATOR, f"{IN_OPERATOR}prometheusrules.yaml", "v1"),
    "ServiceMonitor": Source(OPERATOR, f"{IN_OPERATOR}servicemonitors.yaml", "v1"),
}

LEFT_OUT = {"description", "x-kubernetes-validations", "x-kubernetes-map-type", "x-kubernetes-list-type"}
LEFT_OUT |= {"x-kubernetes-list-map-keys", "default", "title"}

RECEIVERS_KEPT = {"name", "webhookConfigs"}
"""Of Alertmanager's receivers; the others are four fifths of the schema."""


@cache
def strict(kind: str) -> dict[str, Any]:
    """The schema of a kind, with every unknown key refused: Kubernetes would drop it without a word."""
    kept = json.loads((FOLDER / f"{kind}.json").read_text())
    schema = _closed(kept["schema"])
    assert isinstance(schema, dict)
    # Their contents are the API server's own affair, and checked there.
    schema["properties"] |= {"apiVersion": {"const": kept["apiVersion"]}, "kind": {"const": kind}, "metadata": {}}
    return schema


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(it) for key, it in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed["additionalProperties"] = False
    return closed


def _trimmed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_trimmed(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        # Under "properties" stand names, and one of them may be "description".
        key: {name: _trimmed(it) for name, it in value.items()} if key == "properties" else _trimmed(value)
        for key, value in schema.items()
        if key not in LEFT_OUT or key == "properties"
    }


def _fetched() -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, source in SOURCES.items():
        answer = subprocess.run(["go", "mod", "download", "-json", source.module], check=True, capture_output=True)
        [definition] = load((Path(json.loads(answer.stdout)["Dir"]) / source.path).read_text())
        [version] = [it for it in definition["spec"]["versions"] if it["name"] == source.version]
        schema = _trimmed(version["schema"]["openAPIV3Schema"])
        schema["properties"].pop("status", None)
        if kind == "AlertmanagerConfig":
            receiver = schema["properties"]["spec"]["properties"]["receivers"]["items"]["properties"]
            for other in receiver.keys() - RECEIVERS_KEPT:
                del receiver[other]
        group = definition["spec"]["group"]
        source_of = f"{source.module}: {source.path} (Apache-2.0), trimmed by python -m tests.helm.crds"
        yield kind, {"source": source_of, "apiVersion": f"{group}/{source.version}", "schema": schema}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for kind, found in _fetched():
        (FOLDER / f"{kind}.json").write_text(json.dumps(found, indent=1) + "\n")
