"""What a template sees of a message: plain values, every text cut and cleaned as in the built-in renderings.

Their names are documented in ``docs/templates.md``; a template that people have written must go on working.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from receiver.core.content import Content, Line, Rendered, Told
from receiver.messages import sentences, wording
from receiver.messages.wording import one_line, paragraph

ALERTS = 500
"""Alerts at most; ``counts`` has them all."""

PAIRS = 100
"""Labels of an alert at most, the first by name; as many annotations, and links."""

MOST_PAIRS = 30_000
CHARACTERS = 2_000_000
"""Of all alerts together, which are far from it but in a hostile storm: then each has less."""

# Characters of one text: the first at which all texts are within the bound.
LENGTHS = (4_096, 1_000, 250, 50)
NAME = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS = {Told.FIRING: "firing"}


class _Room(NamedTuple):
    """How much there is for each alert: so many ``pairs`` of each sort, so many characters of each text."""

    pairs: int
    length: int


def values(content: Content, builtin: Rendered) -> dict[str, Any]:
    """The values for a message; ``builtin`` is what the built-in rendering makes of it, its text plain."""
    lines, still = content.lines[:ALERTS], content.also_firing_lines[:ALERTS]
    every = (*lines, *still)
    room = _room(every)
    return {
        "status": "firing" if content.firing else "resolved",
        "kind": content.kind,
        "reason": content.reason,
        "explanation": sentences.reason(content),
        "channel": one_line(content.channel, NAME),
        "counts": _counts(content),
        "group_labels": _texts(content.group, room),
        "common_labels": _texts(_shared([line.labels for line in every if line.defect is None]), room),
        "common_annotations": _texts(_shared([line.annotations for line in lines if line.defect is None]), room),
        "alerts": [_alert(line, room) for line in lines],
        "still_firing": [_alert(line, room) for line in still],
        "external_url": one_line(content.external_url, room.length),
        "now": _time(content.composed_at),
        "builtin": {"subject": builtin.subject, "text": builtin.text},
    }


def _counts(content: Content) -> dict[str, int]:
    return {
        "firing": content.firing,
        "resolved": content.resolved,
        "fired_and_resolved": content.fired_and_resolved,
        "also_firing": content.also_firing,
        "total": content.news,
        "groups": content.groups,
        "urgent": content.urgent,
        "truncated": content.truncated,
        "not_listed": max(content.news - min(len(content.lines), ALERTS), 0),
    }


def _alert(line: Line, room: _Room) -> dict[str, Any]:
    return {
        "name": wording.alert_name(line),
        "status": _STATUS.get(line.told, "resolved"),
        "state": wording.state(line),
        "severity": one_line(line.severity, wording.SEVERITY_LIMIT),
        "urgent": line.urgent,
        "labels": _texts(line.labels, room),
        "annotations": _texts(line.annotations, room),
        "starts_at": _time(line.starts_at),
        "ends_at": None if line.ends_at is None else _time(line.ends_at),
        "last_seen": _time(line.last_seen),
        "generator_url": one_line(line.generator_url, room.length),
        "fingerprint": one_line(line.fingerprint, NAME),
        "links": _texts(line.links, room),
        "defect": one_line(line.defect or "", room.length),
    }


def _texts(texts: Mapping[str, str], room: _Room) -> dict[str, str]:
    return {one_line(name, NAME): paragraph(texts[name], room.length) for name in islice(sorted(texts), room.pairs)}


def _shared(all_texts: Sequence[Mapping[str, str]]) -> dict[str, str]:
    if not all_texts:
        return {}
    return {name: text for name, text in all_texts[0].items() if all(each.get(name) == text for each in all_texts)}


def _room(lines: Sequence[Line]) -> _Room:
    """The most that keeps all alerts together within the bounds."""
    every = [each for line in lines for each in (line.labels, line.annotations, line.links)]
    pairs = PAIRS
    if sum(min(len(each), PAIRS) for each in every) > MOST_PAIRS:
        pairs = MOST_PAIRS // len(every)
    lengths = [len(text) for each in every for text in islice(each.values(), pairs)]
    lengths += [len(line.generator_url) for line in lines]
    fitting = (limit for limit in LENGTHS if sum(min(length, limit) for length in lengths) <= CHARACTERS)
    return _Room(pairs, next(fitting, LENGTHS[-1]))


def _time(at: int) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=at)
    except OverflowError:  # Python's calendar ends with the years 1 and 9999, a sender's need not
        return datetime.max.replace(tzinfo=UTC) if at > 0 else datetime.min.replace(tzinfo=UTC)
