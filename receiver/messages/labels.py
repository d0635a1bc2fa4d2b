"""The labels worth showing: what several alerts share is said once, the rest with each."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from receiver.core.content import Line
from receiver.messages.wording import one_line

Labels = tuple[tuple[str, str], ...]


def shared(lines: Iterable[Line]) -> Mapping[str, str]:
    """The labels that are the same in all lines; a defective line, shown as it came, has no say."""
    sound = [line.labels for line in lines if line.defect is None]
    if not sound:
        return {}
    common = set(sound[0].items()).intersection(*(labels.items() for labels in sound[1:]))
    return {name: value for name, value in sound[0].items() if (name, value) in common}


def own(line: Line, common: Mapping[str, str]) -> Mapping[str, str]:
    """What is left to say of the line's labels; of a defective one also what is ``common`` to the others."""
    left = unsaid(line.labels, line.severity)
    return left if line.defect is not None else {name: value for name, value in left.items() if name not in common}


def unsaid(labels: Mapping[str, str], severity: str | None) -> Mapping[str, str]:
    """The labels without those that an alert's heading says already: its name and its severity."""
    return {
        name: value
        for name, value in labels.items()
        if name != "alertname" and not (name == "severity" and value == severity)
    }


def shown(labels: Mapping[str, str], limit: int, short: int) -> tuple[Labels, int]:
    """The first ``limit`` labels by name, and how many more there are."""
    first = sorted(labels)[:limit]
    return tuple((one_line(name, short), one_line(labels[name], short)) for name in first), len(labels) - len(first)


def telling(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The names of the rows' labels, first those with few values: they say where, the others which one."""
    values: dict[str, set[str]] = {}
    for labels in rows:
        for name, value in labels.items():
            values.setdefault(name, set()).add(value)
    return sorted(values, key=lambda name: (len(values[name]), name))


def pairs(labels: Mapping[str, str], order: Iterable[str], limit: int) -> str:
    """``namespace=shop, pod=cart-1``."""
    return in_a_row((f"{name[:limit]}={labels[name][:limit]}" for name in order if name in labels), limit)


def in_a_row(texts: Iterable[str], limit: int) -> str:
    """The texts one after the other, within ``limit`` characters; only the first may be shown in part."""
    # Each takes at least two characters, its comma included.
    row = ", ".join(one_line(text, limit) for text in islice(texts, limit // 2))
    if len(row) <= limit:
        return row
    end = row.rfind(", ", 0, limit - 2)
    return f"{row[:end]}, …" if end > 0 else one_line(row, limit)
