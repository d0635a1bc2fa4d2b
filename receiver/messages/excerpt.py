"""The part of a Content that a message shows: texts cut and cleaned, labels sorted out, the rest counted.

Renderers differ in layout, not in what they say: each asks for excerpts within ever smaller bounds until its
own rendering fits.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar
from urllib.parse import urlsplit

from receiver.core.content import Content, Line, Told
from receiver.messages import wording
from receiver.messages.wording import one_line, paragraph, utc

Layout = TypeVar("Layout")
Labels = tuple[tuple[str, str], ...]

LINKS_LIMIT = 6
"""Links of one alert: its runbook, dashboard and graph, and what Grafana adds."""

SEVERITY_LIMIT = 40

_URL_SAFE = re.compile(r"[!-~]+")  # printable ASCII: what RFC 3986 allows, and no space or control character


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be shown.

    ``alerts`` in detail, rows of ``also`` firing ones, ``labels`` each; characters of a ``short`` text (a
    label's value, a summary), of a ``long`` one (a description) and of a ``url``.
    """

    alerts: int
    also: int
    labels: int
    short: int
    long: int
    url: int


@dataclass(frozen=True, slots=True)
class Link:
    """A named address. Only a ``live`` one may become a link; any other is shown as the text it is."""

    name: str
    url: str
    live: bool


@dataclass(frozen=True, slots=True)
class AlertText:
    """One alert in detail, every text ready to show. ``defect`` is empty for a sound alert."""

    resolved: bool
    state: str
    severity: str
    name: str
    summary: str
    description: str
    when: str
    labels: Labels
    more_labels: int
    links: tuple[Link, ...]
    defect: str


@dataclass(frozen=True, slots=True)
class AlsoText:
    """One alert that still fires, in a row of a list."""

    severity: str
    name: str
    labels: Labels
    when: str


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What a message shows; a sentence (``reason``, ``rest``, ``also_heading``…) with nothing to say is "".

    ``common`` are the labels that all alerts share; they are not repeated with each.
    """

    subject: str
    reason: str
    alerts: tuple[AlertText, ...]
    rest: str
    truncated: str
    common: Labels
    more_common: int
    also_heading: str
    also: tuple[AlsoText, ...]
    also_rest: str
    source: Link | None
    sent: str

    @property
    def sole(self) -> bool:
        """Whether one alert is all there is, so that its labels are just its labels."""
        return len(self.alerts) == 1 and not (self.rest or self.also)


def fitting(
    content: Content,
    ladder: Iterable[Bounds],
    layout: Callable[[Excerpt], Layout],
    size: Callable[[Layout], int],
    limit: int,
) -> Layout:
    """The first layout, going down the ladder, whose size is within the limit; the last one if none is.

    The last rung must be so small that it fits whatever the texts are.
    """
    rungs = iter(ladder)
    chosen = layout(excerpt(content, next(rungs)))
    for bounds in rungs:
        if size(chosen) <= limit:
            break
        chosen = layout(excerpt(content, bounds))
    return chosen


def excerpt(content: Content, bounds: Bounds) -> Excerpt:
    """The Content within the bounds."""
    shown, also = content.lines[: bounds.alerts], content.also_firing_lines[: bounds.also]
    common = _shared((*content.lines, *content.also_firing_lines))
    severity = next((line.severity for line in shown), None)
    common_labels, more_common = _labels(common, {}, bounds, severity)
    left = content.also_firing - len(also)
    return Excerpt(
        subject=wording.subject(content),
        reason=wording.REASONS.get(content.reason, ""),
        alerts=tuple(_alert(line, content.composed_at, common, bounds) for line in shown),
        rest=wording.rest(content, len(shown)),
        truncated=_truncated(content),
        common=common_labels,
        more_common=more_common,
        also_heading=_also_heading(content),
        also=tuple(_also(line, content.composed_at, common, bounds) for line in also),
        also_rest=f"and {left:,} more still firing" if also and left > 0 else "",
        source=next(_links([("Alertmanager", content.external_url)], bounds), None),
        sent=f"Sent to {one_line(content.channel, 80)} at {utc(content.composed_at)}"
        f" · message {one_line(content.uid, 80)}",
    )


def _shared(lines: Iterable[Line]) -> Mapping[str, str]:
    """The labels that are the same in all lines; a defective line, shown as it came, has no say."""
    sound = [line.labels for line in lines if line.defect is None]
    if not sound:
        return {}
    return {name: value for name, value in sound[0].items() if all(labels.get(name) == value for labels in sound)}


def _alert(line: Line, now: int, common: Mapping[str, str], bounds: Bounds) -> AlertText:
    sound = line.defect is None
    labels, more = _labels(line.labels, common if sound else {}, bounds, line.severity)
    annotations = line.annotations if sound else {}
    return AlertText(
        resolved=line.told is not Told.FIRING,
        state="Firing again" if line.again and line.told is Told.FIRING else _capital(wording.STATES[line.told]),
        severity=one_line(line.severity, SEVERITY_LIMIT),
        name=wording.alert_name(line),
        summary=one_line(annotations.get("summary") or annotations.get("message", ""), bounds.short),
        description=paragraph(annotations.get("description", ""), bounds.long),
        when=_when(line, now),
        labels=labels,
        more_labels=more,
        links=tuple(_links(_addresses(line), bounds)) if sound else (),
        defect=one_line(line.defect or "no reason given", bounds.short) if not sound else "",
    )


def _also(line: Line, now: int, common: Mapping[str, str], bounds: Bounds) -> AlsoText:
    labels, _ = _labels(line.labels, common, bounds, line.severity)
    confirmed = f"last confirmed {utc(line.last_seen)} ({wording.duration(now - line.last_seen)} ago)"
    return AlsoText(
        severity=one_line(line.severity, SEVERITY_LIMIT),
        name=wording.alert_name(line),
        labels=labels,
        when=f"since {utc(line.starts_at)}, {confirmed}",
    )


def _labels(
    labels: Mapping[str, str], common: Mapping[str, str], bounds: Bounds, severity: str | None
) -> tuple[Labels, int]:
    """The labels worth showing, by name, and how many more there are.

    Not shown: what is common to all, and what the alert's heading says already.
    """
    kept = sorted(
        name
        for name, value in labels.items()
        if name != "alertname" and name not in common and not (name == "severity" and value == severity)
    )
    shown = kept[: bounds.labels]
    return (
        tuple((one_line(name, bounds.short), one_line(labels[name], bounds.short)) for name in shown),
        len(kept) - len(shown),
    )


def _when(line: Line, now: int) -> str:
    if line.told is Told.FIRING:
        return f"since {utc(line.starts_at)} (for {wording.duration(now - line.starts_at)})"
    if line.ends_at is None:
        return f"from {utc(line.starts_at)}, end unknown"
    return (
        f"from {utc(line.starts_at)} to {utc(line.ends_at)} (lasted {wording.duration(line.ends_at - line.starts_at)})"
    )


def _addresses(line: Line) -> Iterator[tuple[str, str]]:
    yield "Runbook", line.annotations.get("runbook_url", "")
    yield "Dashboard", line.annotations.get("dashboard") or line.annotations.get("dashboard_url", "")
    yield "Graph", line.generator_url
    for name, url in sorted(line.links.items()):
        yield _capital(name[:40]), url


def _links(addresses: Iterable[tuple[str, str]], bounds: Bounds) -> Iterator[Link]:
    """The addresses that are there. An address is never cut and still live: it would lead elsewhere."""
    for name, url in islice(((name, url) for name, url in addresses if url), LINKS_LIMIT):
        live = len(url) <= bounds.url and _live(url)
        yield Link(one_line(name, 40), url if live else one_line(url, bounds.short), live)


def _live(url: str) -> bool:
    if not _URL_SAFE.fullmatch(url) or any(mark in url for mark in '<>"'):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _truncated(content: Content) -> str:
    if content.truncated <= 0:
        return ""
    were = "was" if content.truncated == 1 else "were"
    return f"{content.truncated:,} more {were} cut by max_alerts in Alertmanager and never arrived here."


def _also_heading(content: Content) -> str:
    if content.also_firing <= 0:
        return ""
    alerts = wording.number(content.also_firing, "other alert", "other alerts")
    groups = "these groups" if content.kind == "digest" else "this group"
    return f"{alerts} of {groups} {'is' if content.also_firing == 1 else 'are'} still firing"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
