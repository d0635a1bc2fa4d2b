"""The notifications that the demo posts: bodies that a real Alertmanager 0.25.0 sent, moved to the present.

The files in ``captured/`` are byte for byte as they came. Changed at run time are the times; the annotations'
mentions of the alert's name, which the rule that made the captures took at random; and what each function says.
"""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

CAPTURED = Path(__file__).parent / "captured"

Body = dict[str, Any]

STORM_CLUSTER = "eu-west-2-prod"
_NEVER = "0001-01-01T00:00:00Z"


def fires(name: str, at: datetime) -> Body:
    """The captured notification, its alerts firing since ``at``."""
    body: Body = json.loads((CAPTURED / f"{name}.json").read_bytes())
    for alert in body["alerts"]:
        alert["startsAt"], alert["endsAt"] = _written(at), _NEVER
        _name_itself(alert["annotations"], body["groupLabels"]["alertname"])
    _name_itself(body["commonAnnotations"], body["groupLabels"]["alertname"])
    return body


def resolves(name: str, since: datetime, at: datetime) -> Body:
    """The captured notification, its alerts resolved; one that was captured firing is made a resolve by its status."""
    body = fires(name, since)
    body["status"] = "resolved"
    for alert in body["alerts"]:
        alert["status"], alert["endsAt"] = "resolved", _written(at)
    return body


def from_the_peer(body: Body) -> Body:
    """The same notification as the other Alertmanager of an HA pair sends it: from its own address.

    Its own Prometheus saw the alert a little later.
    """
    said = deepcopy(body)
    said["externalURL"] = "http://alertmanager-b.example.com:9093"
    for alert in said["alerts"]:
        alert["startsAt"] = _written(datetime.fromisoformat(alert["startsAt"]) + timedelta(milliseconds=700))
    return said


def storm(part: int, at: datetime) -> Body:
    """One part of a storm: the captured hundred, with labels that make these a hundred alerts of their own.

    Changed are id, instance and pod, in the labels and wherever the annotations repeat them; and the cluster, so that
    the storm is another group's than the single alerts.
    """
    body = fires("big100", at)
    for alert in body["alerts"]:
        labels, annotations = alert["labels"], alert["annotations"]
        number = int(labels["id"].removeprefix("id-")) + 100 * part
        instance = f"10.{number // 250}.{part}.{number % 250}:9100"
        pod = f"{labels['pod'].rpartition('-')[0]}-{number:05x}"
        for name, text in annotations.items():
            annotations[name] = text.replace(labels["instance"], instance).replace(labels["pod"], pod)
        labels |= {"id": f"id-{number:06}", "instance": instance, "pod": pod, "cluster": STORM_CLUSTER}
        alert["fingerprint"] = f"{number:016x}"
    body["commonLabels"]["cluster"] = STORM_CLUSTER
    return body


def _name_itself(annotations: dict[str, str], name: str) -> None:
    """A summary begins with an alert's name: make it, everywhere, this one's."""
    other = annotations.get("summary", "").partition(" ")[0]
    for key, text in annotations.items() if other else ():
        annotations[key] = text.replace(other, name)


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
