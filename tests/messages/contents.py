"""Contents to render: plain ones, like a captured webhook body, and hostile ones."""

from dataclasses import replace
from typing import Any

from receiver.core.content import Content, Failover, Incidents, Line, NoticeKind, Told, Totals

SINCE = 1_795_207_926_000  # 2026-11-20 20:52:06 UTC
NOW = 1_795_239_000_000  # 2026-11-21 05:30:00 UTC
MINUTE = 60_000

LABELS = {
    "alertname": "HighErrorRate",
    "cluster": "eu-west-1-prod",
    "instance": "10.1.0.7:9100",
    "namespace": "prod-eu-1",
    "pod": "checkout-api-7d9f8c6b5-00001",
    "service": "checkout-api",
    "severity": "warning",
}
ANNOTATIONS = {
    "dashboard": "https://grafana.example.com/d/3d7aaba91/overview",
    "description": "The service checkout-api has had an error ratio of 5.33% over the last 5 minutes.",
    "runbook_url": "https://runbooks.example.com/checkout-api/HighErrorRate",
    "summary": "High error rate on 10.1.0.7:9100 (checkout-api)",
}

HOSTILE = (
    "CRLF\r\nBcc: victim@example.com\r\n\r\n.\r\nQUIT",
    "NUL\x00 BEL\x07 ESC\x1b[2J\x1b]0;title\x07 CSI\x9b31m DEL\x7f",
    "line\u2028para\u2029rlo\u202eevil\u202c isolate\u2066x\u2069 bom\ufeff zw\u200bsp",
    "lone \ud800 surrogate \udfff and \ufffe \uffff",
    "\x1b[31mred\x1b[0m \x1b]8;;http://x.example\x1b\\link\x1b]8;;\x1b\\ \x9b2J \r\x1b[1A",
    "<script>alert(1)</script><img src=x onerror=alert(1)> \"quoted\" 'single' &amp; {{ 7*7 }} {% raw %}",
    "<!channel> <!here> @here @channel <@U123> <#C1> <http://x|y> *b* _i_ ~s~ `c` :fire: > q",
    "javascript:alert(1)",
    "data:text/html,<script>window.hit=1</script>",
    "\"'--></title></style></td></table><img src=x onerror=window.hit=1><svg onload=window.hit=1><!--[if mso]>",
    "🔥" * 100_000,
    '"' * 1_000_000,
    "=" * 1_000_000,
    "\n" * 1_000_000,
    "温度" * 500_000,
    "",
)


def line(told: Told = Told.FIRING, **changes: Any) -> Line:
    facts: dict[str, Any] = {
        "told": told,
        "severity": "warning",
        "labels": LABELS,
        "annotations": ANNOTATIONS,
        "starts_at": SINCE,
        "ends_at": None if told is Told.FIRING else SINCE + 90 * MINUTE,
        "last_seen": NOW - 30 * MINUTE,
        "generator_url": "http://prometheus.example.com/graph?g0.expr=up&g0.tab=1",
    }
    return Line(**facts | changes)


def content(*lines: Line, **changes: Any) -> Content:
    """A message of one group; it counts the lines it has unless told otherwise."""
    counts = {told.value: sum(line.told is told for line in lines) for told in Told}
    facts: dict[str, Any] = {
        "channel": "oncall",
        "uid": "01ABC",
        "kind": "group",
        "reason": "wait",
        "composed_at": NOW,
        "group": {"alertname": "HighErrorRate", "cluster": "eu-west-1-prod", "service": "checkout-api"},
        "lines": lines,
        "external_url": "http://alertmanager.example.com:9093",
    }
    return Content(**facts | counts | changes)


STORM = ("HighErrorRate", "DiskFull", "PodCrashLooping", "TargetDown")


def digest(*lines: Line, **changes: Any) -> Content:
    """The news of several groups."""
    facts: dict[str, Any] = {
        "kind": "digest",
        "reason": "throttled",
        "group": {},
        "groups": 37,
        "urgent": sum(line.urgent for line in lines),
    }
    return content(*lines, **facts | changes)


def of_many_groups() -> Content:
    """A digest of 1,000 alerts in 37 groups, of which the store hands over the first 500, 25 urgent ones first."""
    urgent = [of_group(number, severity="critical", urgent=True, name="DatabaseDown") for number in range(25)]
    others = [of_group(number, name=STORM[number % 4]) for number in range(25, 440)]
    reminders = [of_group(number, reminder=True, name="CertificateExpires") for number in range(440, 470)]
    resolved = [of_group(number, Told.RESOLVED, name="DiskFull") for number in range(470, 500)]
    severities = (("critical", 25), ("warning", 975))
    names = (("DiskFull", 300), ("PodCrashLooping", 300), ("TargetDown", 300), ("DatabaseDown", 25))
    totals = Totals(severities, names, other_names=2)
    return digest(*urgent, *others, *reminders, *resolved, firing=960, resolved=40, mutes=2, totals=totals)


def of_group(number: int, told: Told = Told.FIRING, name: str = "HighErrorRate", **changes: Any) -> Line:
    """The alert of this number, its labels those of one group of 37."""
    service = f"service-{number % 37}"
    labels = LABELS | {
        "alertname": name,
        "instance": f"10.1.{number % 7}.{number}:9100",
        "namespace": f"prod-{number % 3}",
        "pod": f"{service}-7d9f8c6b5-{number:05}",
        "service": service,
        "severity": changes.get("severity", "warning"),
    }
    facts: dict[str, Any] = {"labels": labels, "severity": labels["severity"], "starts_at": SINCE + number * 1000}
    return line(told, **facts | changes)


def hostile(text: str) -> Line:
    """An alert that says ``text`` wherever an alert can say anything."""
    return line(
        labels={"alertname": text, "severity": text, text: text, **{f"label_{n}": text for n in range(400)}},
        annotations=dict.fromkeys(("summary", "description", "runbook_url", "dashboard", text), text),
        generator_url=text,
        fingerprint=text,
        links={text: text, **{f"link{n}": text for n in range(100)}},
    )


def storm(text: str, **changes: Any) -> Content:
    """Ten thousand alerts that say ``text``, of which the store hands over the first five hundred."""
    lines = (hostile(text), *[hostile(text)] * 498, line(Told.RESOLVED, defect=text, labels={text: text}))
    facts: dict[str, Any] = {
        "firing": 9_990,
        "resolved": 7,
        "fired_and_resolved": 3,
        "group": {"alertname": text, "cluster": text, text: text},
        "also_firing": 700,
        "also_firing_lines": (hostile(text),) * 500,
        "truncated": 5,
        "reason": "repeat",
        "external_url": text,
    }
    return content(*lines, **facts | changes)


def all_urgent(text: str) -> list[Line]:
    """Five hundred urgent alerts, every one with a name of its own."""
    labels = {"severity": text, text: text, "pod": text}
    names = (f"{number}{text[:1000]}" for number in range(500))
    return [line(urgent=True, labels=labels | {"alertname": name}) for name in names]


def of_pod(number: int, told: Told = Told.FIRING, **changes: Any) -> Line:
    """The alert of this pod of checkout-api, which began ``number`` minutes after the first."""
    severity, instance = changes.get("severity", "warning"), f"10.1.0.{number}:9100"
    facts: dict[str, Any] = {
        "severity": severity,
        "labels": LABELS | {"instance": instance, "pod": f"checkout-api-7d9f8c6b5-{number:05}", "severity": severity},
        "annotations": ANNOTATIONS | {"summary": f"High error rate on {instance} (checkout-api)"},
        "starts_at": SINCE + number * MINUTE,
    }
    return line(told, **facts | changes)


CRITICAL: dict[str, Any] = {"severity": "critical", "urgent": True}
OPS = Failover("ops", "slack", 1, "invalid_token", 403, since=NOW - 12 * MINUTE)

SEVERAL = content(
    of_pod(1, **CRITICAL),
    of_pod(2),
    of_pod(3, again=True),
    of_pod(4, Told.RESOLVED),
    also_firing=12,
    also_firing_lines=(of_pod(5), of_pod(6, severity="info")),
    also_confirmed_at=NOW - 40 * MINUTE,
)

DIGEST = digest(
    *(of_group(number, name="DatabaseDown", **CRITICAL) for number in range(2)),
    *(of_group(number, name=STORM[number % 3]) for number in range(2, 12)),
    *(of_group(number, name="CertificateExpires", reminder=True) for number in range(12, 14)),
    of_group(14, Told.RESOLVED, name="DiskFull"),
    firing=4_800,
    resolved=12,
    urgent=2,
    mutes=2,
    also_firing=1,
    also_firing_lines=(of_group(15, name="TargetDown"),),
    also_confirmed_at=NOW - 30 * MINUTE,
    totals=Totals(
        severities=(("critical", 2), ("warning", 4_810)),
        names=(("HighErrorRate", 1_604), ("PodCrashLooping", 1_602), ("DiskFull", 1_600), ("DatabaseDown", 2)),
        other_names=3,
    ),
)

SAMPLES = {
    "one alert fires": content(line(**CRITICAL, labels=LABELS | {"severity": "critical"})),
    "several fire, one has resolved, others still fire": SEVERAL,
    "resolved": content(line(Told.RESOLVED)),
    "fired and resolved": content(line(Told.FIRED_AND_RESOLVED)),
    "firing again": content(line(again=True)),
    "reminder": content(of_pod(1, reminder=True), of_pod(2, reminder=True), reason="repeat"),
    "after a mute": content(line(after_mute=True), reason="cooldown"),
    "catch-up": content(line(), reason="catch_up"),
    "recovered": content(line(), reason="recovered"),
    "failover": content(line(), reason="failover", failovers=(OPS,)),
    "digest of a storm": DIGEST,
    "digest after a downtime": replace(DIGEST, reason="catch_up", mutes=0),
    "cut by Alertmanager": content(of_pod(1), of_pod(2), truncated=1_250),
    "an alert that could not be read": content(
        line(),
        line(
            labels={"alertname": "UnreadableAlert", "raw_sha256": "8f14e45fceea167a"},
            annotations={},
            generator_url="",
            defect="$.alerts[3].labels: expected object, got array",
        ),
    ),
    "no alertname in the group": content(
        of_pod(1), of_pod(2, labels=LABELS | {"alertname": "DiskFull"}), group={"service": "checkout-api"}
    ),
    "a template failed": content(
        line(severity="info"), note="This is the built-in form, because the channel's own template failed."
    ),
}
"""A message of each kind, by what it tells."""

REFUSED = Incidents(
    "ops",
    "01ABC",
    NOW,
    NoticeKind.REFUSED,
    12,
    ("7 × $.alerts: missing; has Alertmanager's `payload:` option replaced the body?", "5 × $: not JSON"),
    NOW - 30 * MINUTE,
    NOW,
)
"""What a notice tells."""
