"""The bundled rules as they lie in ``rules/``, with the comments that tell what each needs and why it waits."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from tests.rules.promql import metrics

ROOT = Path(__file__).parents[2]
RULES = ROOT / "rules"
RUNBOOKS = ROOT / "docs" / "runbooks"
CASES = Path(__file__).parent / "promtool"

FIRST_PARTS = {
    "receiver": "AlertReceiver",
    "pipeline": "Pipeline",
    "mail": "Mail",
    "http": "Http",
    "host": "Host",
    "database": "Database",
    "probes": "Probe",
    "kubernetes": "Kubernetes",
    "business": "Business",
}
"""What the names of a domain's alerts begin with; the Watchdog is called so everywhere."""

RUNBOOK_BASE = "https://github.com/alert-receiver/alert-receiver/blob/main/docs/runbooks"

_NEEDS = re.compile(r"Needs (?P<exporter>.+?): (?P<metrics>[^.]+)\.")
_WAITS = re.compile(r"(For (?P<duration>[0-9a-z]+)|At once): \S")
_THRESHOLD = re.compile(
    r"(?P<operator>[<>]=?)\s*(?:bool\s+)?"
    r'scalar\(max\(last_over_time\(alert:threshold\{alert="(?P<alert>\w+)"\}\[1h\]\)\) or '
    r"vector\((?P<value>[0-9.e+-]+)\)\)"
)


@dataclass(frozen=True)
class Threshold:
    """A number that a team may override, and on which side of it all is well."""

    alert: str
    operator: str
    text: str
    span: tuple[int, int]

    @property
    def value(self) -> float:
        """The default."""
        return float(self.text)


@dataclass(frozen=True)
class Alert:
    """One alerting rule."""

    domain: str
    path: Path
    rule: dict[str, object]
    comment: str

    def __str__(self) -> str:
        """Its name, for pytest's ids."""
        return self.name

    @property
    def name(self) -> str:
        """The alert's name."""
        return str(self.rule["alert"])

    @property
    def expr(self) -> str:
        """The expression."""
        return str(self.rule["expr"])

    @property
    def waits(self) -> str | None:
        """Its ``for``."""
        return None if "for" not in self.rule else str(self.rule["for"])

    @property
    def severity(self) -> str:
        """The label."""
        return str(self.labels["severity"])

    @property
    def labels(self) -> dict[str, str]:
        """What the rule adds to the labels."""
        labels = self.rule["labels"]
        assert isinstance(labels, dict)
        return labels

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations, templates as they are written."""
        annotations = self.rule["annotations"]
        assert isinstance(annotations, dict)
        return annotations

    @property
    def needs(self) -> dict[str, set[str]]:
        """The metrics that the comment names, by exporter."""
        return {
            found["exporter"]: set(re.findall(r"[a-zA-Z_:][\w:]*", found["metrics"]))
            for found in _NEEDS.finditer(self.comment)
        }

    @property
    def says_why_it_waits(self) -> tuple[str | None] | None:
        """The duration for which the comment gives the reason (None for "At once"), or nothing without a reason."""
        found = _WAITS.search(self.comment)
        return None if found is None else (found["duration"],)

    @property
    def metrics(self) -> set[str]:
        """The metrics that the expression reads, the threshold's own excepted."""
        return metrics(self.expr) - {"alert:threshold"}

    @property
    def thresholds(self) -> list[Threshold]:
        """What the expression compares with."""
        return [
            Threshold(found["alert"], found["operator"], found["value"], found.span("value"))
            for found in _THRESHOLD.finditer(self.expr)
        ]


def paths() -> list[Path]:
    """The files, those that are on by default first."""
    return [*sorted(RULES.glob("*.yml")), *sorted(RULES.glob("optional/*.yml"))]


@cache
def groups(path: Path) -> list[dict[str, object]]:
    """A file's groups."""
    loaded: dict[str, list[dict[str, object]]] = yaml.safe_load(path.read_text())
    return loaded["groups"]


@cache
def alerts() -> tuple[Alert, ...]:
    """Every bundled alert, in the order of the files."""
    return tuple(alert for path in paths() for alert in _alerts_of(path))


def _alerts_of(path: Path) -> list[Alert]:
    comments = _comments(path.read_text())
    return [
        Alert(path.stem, path, rule, comments.get(str(rule.get("alert")), ""))
        for group in groups(path)
        for rule in _rules(group)
    ]


def _rules(group: dict[str, object]) -> list[dict[str, object]]:
    rules = group["rules"]
    assert isinstance(rules, list)
    return rules


def _comments(text: str) -> dict[str, str]:
    """What stands right above each rule, as one line, by the alert's name."""
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in text.splitlines():
        if (stripped := line.strip()).startswith("#"):
            comment.append(stripped.removeprefix("#").strip())
            continue
        if stripped.startswith("- alert:"):
            found[stripped.removeprefix("- alert:").strip()] = " ".join(comment)
        comment = []
    return found
