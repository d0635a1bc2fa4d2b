"""The compact part of a digest: its alerts by kind, which is state, name and severity, each alert in a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from receiver.core.content import Line, Told
from receiver.messages import labels, wording
from receiver.messages.bounds import Bounds
from receiver.messages.wording import Tone


@dataclass(frozen=True, slots=True)
class Kind:
    """Alerts of one kind. ``rest`` counts those without a row.

    ``common`` are the labels they share. ``columns`` names the labels whose values the rows show; where it is empty,
    the rows name them.
    """

    tone: Tone
    heading: str
    common: str
    columns: str
    rows: tuple[str, ...]
    rest: str


@dataclass(frozen=True, slots=True)
class _Columns:
    """The names of the labels in a kind's rows; ``named_once`` where all its alerts have the same ones."""

    names: Sequence[str]
    named_once: bool


def listed(
    lines: Sequence[Line], common: Mapping[str, str], now: int, bounds: Bounds
) -> tuple[tuple[Kind, ...], list[Line]]:
    """The kinds of these lines with their rows, and the lines of those kinds for which there is no room.

    Kinds come in the order of the lines, urgent ones first. Each gets a row before any gets a second one, so that
    a storm of one kind hides no other.
    """
    kinds: dict[tuple[str, str, str], list[Line]] = {}
    for line in lines:
        kinds.setdefault((wording.state(line), wording.alert_name(line), wording.level(line)), []).append(line)
    several = list(kinds.values())
    several_shown = several[: min(bounds.kinds, bounds.rows)]
    rows = _allotted([(len(kind), kind[0].urgent) for kind in several_shown], bounds.rows)
    shown = tuple(_kind(kind, amount, common, now, bounds) for kind, amount in zip(several, rows, strict=False))
    return shown, [line for kind in several[len(rows) :] for line in kind]


def _allotted(kinds: Sequence[tuple[int, bool]], rows: int) -> list[int]:
    """How many of the rows each kind gets, by its size and whether it is urgent.

    One each. Of the others urgent ones get all they need as far as there are any; then small ones all they need, and
    large ones equal shares.
    """
    allotted = [1] * len(kinds)
    rows -= len(kinds)
    for whether in (True, False):
        by_size = sorted((size - 1, index) for index, (size, urgent) in enumerate(kinds) if urgent is whether)
        for place, (more, index) in enumerate(by_size):
            extra = min(more, rows // (len(by_size) - place))
            allotted[index] += extra
            rows -= extra
    return allotted


def _kind(lines: Sequence[Line], rows: int, common: Mapping[str, str], now: int, bounds: Bounds) -> Kind:
    first, amount = lines[0], len(lines)
    alike = labels.unsaid(labels.shared(lines) if amount > 1 else {}, first.severity)
    own = [labels.own(line, {**common, **alike}) for line in lines]
    columns = _columns(own)
    places = [_place(said, columns, bounds.row) for said in own[:rows]]
    alerts = f", {amount:,} alerts" if amount > 1 else ""
    return Kind(
        tone=wording.tone(first),
        heading=f"{wording.state(first)}: {wording.alert_name(first)} ({wording.level(first)}){alerts}",
        common=labels.pairs(alike, sorted(alike.keys() - common.keys()), 2 * bounds.row),
        columns=labels.in_a_row(columns.names, 2 * bounds.row) if columns.named_once else "",
        rows=tuple(_row(place, line, now) for place, line in zip(places, lines, strict=False)),
        rest=f"and {amount - rows:,} more" if amount > rows else "",
    )


def _columns(own: Sequence[Mapping[str, str]]) -> _Columns:
    names = labels.telling(own)
    return _Columns(names, named_once=len(own) > 1 and all(len(said) == len(names) for said in own))


def _place(own: Mapping[str, str], columns: _Columns, limit: int) -> str:
    if columns.named_once:
        return labels.in_a_row((own[name][:limit] or '""' for name in columns.names), limit)
    return labels.pairs(own, columns.names, limit)


def _row(place: str, line: Line, now: int) -> str:
    unread = "could not be read as it was sent" if line.defect is not None else ""
    return ", ".join(filter(None, (place, _when(line, now), unread)))


def _when(line: Line, now: int) -> str:
    """As short as it can be said: the message shows the time at which it is said."""
    if line.told is not Told.FIRING:
        if line.ends_at is None:
            return "end unknown"
        lasted, ago = wording.duration(line.ends_at - line.starts_at), wording.duration(now - line.ends_at)
        return f"lasted {lasted}, ended {ago} ago"
    firing = f"for {wording.duration(now - line.starts_at)}"
    if not (line.reminder or line.after_mute):
        return firing
    return f"{firing}, last confirmed {wording.duration(now - line.last_seen)} ago"
