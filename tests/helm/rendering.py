"""The chart as the real Helm renders it."""

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from tests.helm.loader import load
from tests.helm.readme import CHART

ROOT = CHART.parents[1]
CASES = sorted((CHART / "ci").glob("*-values.yaml"))
OLDEST, NEWEST = "1.25.0", "1.37.0"
"""Of Kubernetes: what Chart.yaml asks for, and the newest whose schemas kubernetes-validate has."""

NAMESPACE = "alerting"
CONFIG = "/etc/alert-receiver"

NOTES = """
apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data: {text: {{ include "alert-receiver/templates/NOTES.txt" . | toJson }}}
"""


def texts(secret: Mapping[str, Any]) -> dict[str, str]:
    """What a Secret holds."""
    return {key: base64.b64decode(value, validate=True).decode() for key, value in secret["data"].items()}


def case(name: str) -> Path:
    """The values in ci/ of that name."""
    return CHART / "ci" / f"{name}-values.yaml"


@dataclass(frozen=True)
class Rendering:
    """What Helm has made of the values."""

    text: str

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        """All objects, hooks among them."""
        return load(self.text)

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The objects of that kind."""
        return [it for it in self.objects if it["kind"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        """The only object of that kind that is no hook."""
        [found] = [it for it in self.of_kind(kind) if "helm.sh/hook" not in it["metadata"].get("annotations", {})]
        return found

    def one_hook(self, kind: str) -> dict[str, Any]:
        """The only object of that kind that is a hook."""
        [found] = [it for it in self.of_kind(kind) if "helm.sh/hook" in it["metadata"].get("annotations", {})]
        return found

    def pods(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """Each pod, by its own object or a template: whose it is, its metadata and its spec."""
        for it in self.objects:
            if it["kind"] == "Pod":
                yield "Pod", it["metadata"], it["spec"]
            elif "template" in it.get("spec", {}):
                yield it["kind"], it["spec"]["template"]["metadata"], it["spec"]["template"]["spec"]

    def files(self, pod: Mapping[str, Any], secrets: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        """What the pod's configuration folder holds, the chart's own Secrets and these in it."""
        held = {it["metadata"]["name"]: texts(it) for it in self.of_kind("Secret")} | dict(secrets)
        [volume] = [it for it in pod["volumes"] if it["name"] == "config"]
        return {
            item["path"]: held[source["secret"]["name"]][item["key"]]
            for source in volume["projected"]["sources"]
            for item in source["secret"]["items"]
        }


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Helm."""
    return subprocess.run(["helm", *map(str, arguments)], capture_output=True, text=True, check=False)


def template(*arguments: str | Path, chart: Path = CHART, release: str = "demo", kubernetes: str = NEWEST) -> str:
    """Render; raises AssertionError with what Helm says."""
    run = helm("template", release, chart, "--namespace", NAMESPACE, "--kube-version", kubernetes, *arguments)
    assert run.returncode == 0, run.stderr
    return run.stdout


@cache
def rendering(values: Path, release: str = "demo", kubernetes: str = NEWEST, *more: str) -> Rendering:
    """The rendering of a file of values, with more arguments."""
    return Rendering(template("-f", values, *more, release=release, kubernetes=kubernetes))


def of(folder: Path, values: Mapping[str, Any], release: str = "demo") -> Rendering:
    """The rendering of these values."""
    return Rendering(template("-f", written(folder, values), release=release))


def refusal(folder: Path, values: Mapping[str, Any]) -> str:
    """What Helm says of values that it does not take, on one line."""
    run = helm("template", "demo", CHART, "--kube-version", NEWEST, "-f", written(folder, values))
    assert run.returncode != 0, "Helm took it"
    return " ".join(line for line in run.stderr.split("\n") if "symbolic link" not in line)


def notes(folder: Path, values: Path, release: str = "demo") -> str:
    """What an installation prints at its end. As that needs a cluster, an object of the rendering holds it here."""
    taken = folder / "notes.yaml"
    taken.write_text(yaml.safe_dump({"extraManifests": [NOTES]}))
    made = Rendering(template("-f", values, "-f", taken, release=release))
    [text] = [it["data"]["text"] for it in made.of_kind("ConfigMap") if it["metadata"]["name"] == "notes"]
    return str(text)


def written(folder: Path, values: Mapping[str, Any]) -> Path:
    """The values as a file."""
    file = folder / "values.yaml"
    # As JSON, for Go takes 1e3 for a number where PyYAML does not.
    file.write_text(json.dumps(values))
    return file
