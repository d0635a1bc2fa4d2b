"""The tables of docs/rules.md and the index of the runbooks, from the rules themselves.

``python -m tests.rules.table`` writes them anew.
"""

from collections.abc import Iterator

from tests.rules.rule_files import ROOT, RUNBOOKS, Alert, alerts, paths

PAGE = ROOT / "docs" / "rules.md"
INDEX = RUNBOOKS / "README.md"
BEGIN, END = "<!-- begin: python -m tests.rules.table -->\n", "<!-- end -->\n"


def tables() -> str:
    """A section for each domain: what it needs, and its alerts."""
    return "\n".join(line for path in paths() for line in _section(path.stem)) + "\n"


def renewed(page: str) -> str:
    """The page with its tables as they are now."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{tables()}{END}{rest.partition(END)[2]}"


def index() -> str:
    """The runbooks' index, all of the page."""
    head = (
        "<!-- python -m tests.rules.table writes this page. -->\n"
        "# Runbooks\n\n"
        "What to do about each alert of [the bundled rules](../rules.md). Thresholds, waits and what each file needs\n"
        "are in [its tables](../rules.md#all-alerts).\n"
    )
    return head + "".join(f"{line}\n" for path in paths() for line in _indexed(path.stem))


def _indexed(domain: str) -> Iterator[str]:
    yield from ("", f"## {domain}", "", "| alert | severity | says |", "|---|---|---|")
    for alert in alerts():
        if alert.domain == domain:
            yield f"| [{alert.name}]({alert.name}.md) | {alert.severity} | {alert.annotations['summary']} |"


def _section(domain: str) -> Iterator[str]:
    found = [alert for alert in alerts() if alert.domain == domain]
    needs = dict.fromkeys(exporter for alert in found for exporter in alert.needs)
    yield f"### {domain}"
    yield ""
    path = found[0].path.relative_to(ROOT)
    optional = "; off by default" if path.parent.name == "optional" else ""
    yield f"[`{path}`](../{path}){optional}. Needs {', '.join(needs) or 'nothing'}."
    yield ""
    yield "| alert | severity | says | default threshold | for |"
    yield "|---|---|---|---|---|"
    yield from map(_row, found)
    yield ""


def _row(alert: Alert) -> str:
    threshold = ", ".join(f"`{threshold.operator} {threshold.text}`" for threshold in alert.thresholds) or "–"
    link = f"[{alert.name}](runbooks/{alert.name}.md)"
    return f"| {link} | {alert.severity} | {alert.annotations['summary']} | {threshold} | {alert.waits or '–'} |"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
    INDEX.write_text(index())
