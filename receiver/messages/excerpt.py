"""The part of a Content that a message shows: texts cut and cleaned, labels sorted out, the rest counted.

Renderers differ in layout, not in what they say: each asks for excerpts within ever smaller bounds until its
own rendering fits.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from receiver.core.content import Content, Line, Told
from receiver.messages import kinds, labels, links, sentences, wording
from receiver.messages.bounds import Bounds
from receiver.messages.kinds import Kind
from receiver.messages.labels import Labels
from receiver.messages.links import Link
from receiver.messages.wording import Tone, one_line, paragraph, utc

Layout = TypeVar("Layout")


@dataclass(frozen=True, slots=True)
class AlertText:
    """One alert in detail, every text ready to show. ``level`` is its severity, and whether it is urgent.

    ``severity`` is its level alone; ``tone`` is what to colour it by. ``defect`` is empty for a sound alert.
    """

    state: str
    tone: Tone
    severity: str
    level: str
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

    level: str
    name: str
    labels: Labels
    when: str


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What a message shows; a sentence (``reason``, ``rest``, ``also_heading``…) with nothing to say is "".

    ``alerts`` are told in detail, those of ``kinds`` in rows. ``common`` are the labels that all alerts share; they
    are not repeated with each. ``subject`` is ``title`` with counts in brackets before it, ``headline`` says
    these counts in words, ``preview`` is the line that a list of messages shows. ``note`` comes first of all.
    ``silence`` is where to silence the whole group.
    """

    subject: str
    title: str
    headline: str
    preview: str
    tone: Tone
    note: str
    reason: str
    summary: str
    totals: tuple[str, ...]
    mutes: str
    alerts: tuple[AlertText, ...]
    kinds: tuple[Kind, ...]
    rest: str
    truncated: str
    common: Labels
    more_common: int
    also_heading: str
    also: tuple[AlsoText, ...]
    also_rest: str
    source: Link | None
    silence: Link | None
    sent: str

    @property
    def single(self) -> bool:
        """Whether one alert is all the news, so that the headline is about it."""
        return len(self.alerts) == 1 and not (self.kinds or self.rest)

    @property
    def sole(self) -> bool:
        """Whether one alert is all there is, so that its labels are just its labels."""
        return self.single and not self.also_heading


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
    now, also = content.composed_at, content.also_firing_lines[: bounds.also]
    detailed = content.lines[: _detailed(content, bounds)]
    common = labels.shared((*content.lines, *content.also_firing_lines))
    severity = next((line.severity for line in content.lines), None)
    common_labels, more_common = labels.shown(labels.unsaid(common, severity), bounds.labels, bounds.short)
    in_rows, left = kinds.listed(content.lines[len(detailed) :], common, now, bounds)
    also_left = content.also_firing - len(also)
    return Excerpt(
        subject=wording.subject(content),
        title=wording.title(content),
        headline=wording.headline(content),
        preview=sentences.preview(content),
        tone=wording.worst(content),
        note=content.note,
        reason=sentences.reason(content),
        summary=sentences.summary(content),
        totals=sentences.totals(content) if in_rows or left else (),
        mutes=sentences.mutes(content),
        alerts=tuple(_alert(line, content, common, bounds) for line in detailed),
        kinds=in_rows,
        rest=sentences.rest(content, left, bounds.kind),
        truncated=sentences.truncated(content),
        common=common_labels,
        more_common=more_common,
        also_heading=sentences.also_heading(content),
        also=tuple(_also(line, now, common, bounds) for line in also),
        also_rest=f"and {also_left:,} more still firing" if also and also_left > 0 else "",
        source=next(links.links([("Alertmanager", content.external_url)], bounds), None),
        silence=links.of_silence(content, bounds),
        sent=f"Sent to {one_line(content.channel, 80)} at {utc(now)} · message {one_line(content.uid, 80)}",
    )


def _detailed(content: Content, bounds: Bounds) -> int:
    """How many of the lines are told in detail: of a digest all if they are few, or the urgent ones if these are."""
    if content.kind != "digest" or content.news <= bounds.alerts:
        return bounds.alerts
    urgent = sum(line.urgent for line in content.lines)
    return urgent if urgent <= bounds.alerts else 0


def _alert(line: Line, content: Content, common: Mapping[str, str], bounds: Bounds) -> AlertText:
    first, more = labels.shown(labels.own(line, common), bounds.labels, bounds.short)
    sound = line.defect is None
    annotations = line.annotations if sound else {}
    return AlertText(
        state=wording.state(line),
        tone=wording.tone(line),
        severity=one_line(line.severity, wording.SEVERITY_LIMIT),
        level=wording.level(line),
        name=wording.alert_name(line),
        summary=one_line(annotations.get("summary") or annotations.get("message", ""), bounds.short),
        description=paragraph(annotations.get("description", ""), bounds.long),
        when=_when(line, content.composed_at),
        labels=first,
        more_labels=more,
        links=links.of_alert(line, content, bounds),
        defect=one_line(line.defect or "no reason given", bounds.short) if not sound else "",
    )


def _also(line: Line, now: int, common: Mapping[str, str], bounds: Bounds) -> AlsoText:
    first, _ = labels.shown(labels.own(line, common), bounds.labels, bounds.short)
    return AlsoText(
        level=wording.level(line),
        name=wording.alert_name(line),
        labels=first,
        when=f"since {utc(line.starts_at)}, {_confirmed(line, now)}",
    )


def _when(line: Line, now: int) -> str:
    if line.told is Told.FIRING:
        since = f"since {utc(line.starts_at)} (for {wording.duration(now - line.starts_at)})"
        return f"{since}, {_confirmed(line, now)}" if line.reminder or line.after_mute else since
    if line.ends_at is None:
        return f"from {utc(line.starts_at)}, end unknown"
    return (
        f"from {utc(line.starts_at)} to {utc(line.ends_at)} (lasted {wording.duration(line.ends_at - line.starts_at)})"
    )


def _confirmed(line: Line, now: int) -> str:
    """What belongs to every "still firing"."""
    return f"last confirmed {utc(line.last_seen)} ({wording.duration(now - line.last_seen)} ago)"
