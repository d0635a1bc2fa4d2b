"""The incident that the pictures show: a release of a shop goes wrong at three in the morning."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from receiver.core.alerts import Alert, Status
from receiver.core.content import Content
from receiver.core.policy import Policy, Throttle
from receiver.transitions.claim import Claimed
from tests.timeline import MINUTE, SECOND, Timeline, channel, policy

# 2026-11-21T03:04:05Z
NIGHT = 1_795_230_245_000
ALERTMANAGER = "https://alertmanager.example.com"

GRAPH = "https://prometheus.example.com/graph?g0.expr=job%3Ahttp_errors%3Aratio5m+%3E+0.05&g0.tab=0"
MENTIONS = {"critical": "<!here>"}


def checkout(number: int, since: int, *, until: int | None = None, severity: str = "critical") -> Alert:
    """A pod of the checkout service that answers with errors."""
    pod = f"checkout-5c7d9f4b86-{['x7k2p', 'q94ms', 'zz8dw', '2fhvn'][number]}"
    labels = {
        "alertname": "HighErrorRate",
        "cluster": "prod-eu",
        "namespace": "shop",
        "pod": pod,
        "service": "checkout",
        "severity": severity,
        "team": "payments",
    }
    ratio = ("38.2", "41.7", "12.9", "36.4")[number]
    annotations = {
        "summary": "Checkout answers too many requests with errors",
        "description": f"{ratio} % of the requests to {pod} have failed for 5 minutes; the objective is 1 %.",
        "runbook_url": "https://runbooks.example.com/checkout/high-error-rate",
        "dashboard": "https://grafana.example.com/d/checkout/overview?var-pod=" + pod,
    }
    status = Status.FIRING if until is None else Status.RESOLVED
    return Alert(status, labels, annotations, since, until, GRAPH)


SYMPTOMS = (
    ("PodCrashLooping", "warning", "shop", 14, "The pod restarts over and over"),
    ("QueueBacklog", "warning", "shop", 3, "Orders wait longer than five minutes"),
    ("DatabaseConnectionsExhausted", "critical", "data", 2, "PostgreSQL has no connection left"),
    ("HighLatencyP99", "warning", "shop", 21, "One request in a hundred takes more than two seconds"),
    ("TargetDown", "warning", "monitoring", 9, "Prometheus can't scrape the target"),
    ("NodeFilesystemAlmostFull", "info", "kube-system", 4, "The file system fills up within a day"),
)


def outage(since: int) -> Iterator[Alert]:
    """What a whole cluster has to say when its database is gone."""
    for name, severity, namespace, amount, summary in SYMPTOMS:
        for number in range(amount):
            labels = {
                "alertname": name,
                "cluster": "prod-eu",
                "namespace": f"{namespace}-{number % 3}" if amount > 5 else namespace,
                "instance": f"10.12.{number % 4}.{17 + number}:9100",
                "severity": severity,
            }
            yield Alert(Status.FIRING, labels, {"summary": summary}, since + number * SECOND, None, GRAPH)


def told(timeline: Timeline, *alerts: Alert, after: int) -> Content:
    """The content of the message that tells these, ``after`` milliseconds; it counts as sent."""
    timeline.receive(*alerts, url=ALERTMANAGER)
    timeline.now += after
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.settle(timeline.fix(claimed))
    # As real ones look.
    return replace(claimed.content, uid=uuid5(NAMESPACE_URL, f"{claimed.content.uid} {timeline.now}").hex)


def began(folder: Path, kept_by: Policy | None = None) -> Timeline:
    """The night begins."""
    return Timeline(folder / "books.db", kept_by or policy(channel(name="ops", mentions=MENTIONS)), NIGHT)


def first(folder: Path) -> Content:
    """Three pods fail."""
    timeline = began(folder)
    return told(timeline, *(checkout(number, NIGHT - 5 * MINUTE) for number in range(3)), after=SECOND)


def later(folder: Path) -> Content:
    """One has recovered, another one fails."""
    timeline = began(folder)
    told(timeline, *(checkout(number, NIGHT - 5 * MINUTE) for number in range(3)), after=SECOND)
    over = checkout(1, NIGHT - 5 * MINUTE, until=NIGHT + 3 * MINUTE)
    return told(timeline, over, checkout(3, NIGHT + 2 * MINUTE), after=4 * MINUTE)


def digest(folder: Path) -> Content:
    """Everything at once."""
    timeline = began(folder, policy(channel(name="ops", mentions=MENTIONS, throttle=Throttle(1, MINUTE, 1))))
    return told(timeline, *outage(NIGHT - MINUTE), after=30 * SECOND)


def thread(folder: Path) -> list[Content]:
    """A pod fails, another one joins it, and all is well again."""
    timeline, since, later, end = began(folder), NIGHT - 5 * MINUTE, NIGHT + MINUTE, NIGHT + 4 * MINUTE
    return [
        told(timeline, checkout(0, since), after=SECOND),
        told(timeline, checkout(3, later), after=2 * MINUTE),
        told(timeline, checkout(0, since, until=end), checkout(3, later, until=end), after=4 * MINUTE),
    ]


MOMENTS: dict[str, Callable[[Path], Content]] = {"first": first, "later": later, "digest": digest}
