"""Notifications to try templates on, of every shape that reaches people: what works for these works at night."""

from collections.abc import Iterator, Mapping

from receiver.core.content import Content, Line, Told

MINUTE = 60_000
NOW = 1_795_239_000_000  # 2026-11-21 05:30:00 UTC

_LABELS = {
    "alertname": "HighErrorRate",
    "cluster": "prod-eu",
    "instance": "10.1.0.7:9100",
    "job": "checkout",
    "namespace": "shop",
    "severity": "critical",
}
_ANNOTATIONS = {
    "summary": "5.3% of the requests fail",
    "description": "The service checkout answers 5.33% of its requests with an error.",
    "runbook_url": "https://runbooks.example.com/HighErrorRate",
}
_GRAFANA = {
    "alertname": "DatasourceNoData",
    "datasource_uid": "P8E80F9",
    "grafana_folder": "Shop",
    "rulename": "Orders",
}


def samples() -> Iterator[tuple[str, Content]]:
    """Each with its name."""
    firing, resolved = _line(urgent=True), _line(Told.RESOLVED, instance="10.1.0.8:9100")
    brief = _line(Told.FIRED_AND_RESOLVED, instance="10.1.0.9:9100")
    still = {"also_firing": 3, "also_firing_lines": (_line(instance="10.1.0.10:9100"),), "also_confirmed_at": NOW}
    yield "one alert that fires", _content(firing, urgent=1)
    yield "several that fire and have resolved", _content(firing, _line(job="cart"), resolved, brief, **still)
    yield "one that has resolved", _content(resolved)
    yield "a reminder", _content(_line(reminder=True), reason="repeat", truncated=2)
    yield "an alert with no label but alertname", _content(_bare(), group={"alertname": "Watched"}, external_url="")
    yield "an alert without any of the usual labels, grouped by none", _content(_odd(), group={}, external_url="")
    yield "an alert of Grafana's", _content(_of_grafana(), group={"alertname": "DatasourceNoData"})
    yield "a digest", _digest()


def _line(told: Told = Told.FIRING, *, urgent: bool = False, reminder: bool = False, **labels: str) -> Line:
    return Line(
        told=told,
        severity="critical",
        labels=_LABELS | labels,
        annotations=_ANNOTATIONS,
        starts_at=NOW - 95 * MINUTE,
        ends_at=None if told is Told.FIRING else NOW - MINUTE,
        last_seen=NOW - 2 * MINUTE,
        generator_url="http://prometheus.example.com:9090/graph?g0.expr=up&g0.tab=1",
        fingerprint="0c0a6a7f7e2c1d55",
        urgent=urgent,
        reminder=reminder,
    )


def _bare() -> Line:
    return Line(Told.FIRING, "warning", {"alertname": "Watched"}, {}, NOW - MINUTE, None, NOW)


def _odd() -> Line:
    return Line(Told.RESOLVED, "warning", {"check": "disk"}, {}, NOW - MINUTE, NOW, NOW, defect="no alertname")


def _of_grafana() -> Line:
    base = "https://grafana.example.com"
    links = {
        "dashboard": f"{base}/d/shop?orgId=1",
        "panel": f"{base}/d/shop?viewPanel=3",
        "silence": f"{base}/alerting",
    }
    return Line(
        told=Told.FIRING,
        severity="warning",
        labels=_GRAFANA,
        annotations={"summary": "Orders has no data", "__orgId__": "1"},
        starts_at=NOW - 10 * MINUTE,
        ends_at=None,
        last_seen=NOW,
        generator_url=f"{base}/alerting/grafana/abc/view",
        fingerprint="5b1cbb2a3e1b6d10",
        links=links,
    )


def _digest() -> Content:
    lines = [_line(instance=f"10.1.0.{n}:9100", alertname="HighErrorRate" if n % 2 else "DiskFull") for n in range(30)]
    mixed = (*lines, _bare(), _of_grafana(), _line(Told.RESOLVED))
    return _content(*mixed, kind="digest", reason="throttled", group={}, groups=7, firing=4800, resolved=12, mutes=1)


def _content(*lines: Line, **changes: object) -> Content:
    counts: Mapping[str, object] = {told.value: sum(line.told is told for line in lines) for told in Told}
    facts: dict[str, object] = {
        "channel": "sample",
        "uid": "0" * 32,
        "kind": "group",
        "reason": "wait",
        "composed_at": NOW,
        "group": {name: _LABELS[name] for name in ("alertname", "cluster", "namespace")},
        "lines": lines,
        "external_url": "http://alertmanager.example.com:9093",
    }
    return Content(**(facts | dict(counts) | changes))  # type: ignore[arg-type]
