"""The words that all renderings share: cleaned text, times, counts, states, the subject.

Texts are cut before they are cleaned, so that a megabyte costs no more than the few characters it may show.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from receiver.core.content import Content, Line, Told

SUBJECT_LIMIT = 150
"""Characters of a subject; Slack's header block takes no more (docs.slack.dev, header block)."""

NAME_LIMIT = 80
"""Characters of an alertname or a group label's value within a longer sentence."""

PLACE_LABELS = ("cluster", "namespace")
"""Group labels that say where rather than what: the subject puts them in parentheses."""

SEVERITY_LIMIT = 40

SEVERITIES_NAMED = 4

_UNBRACKETED = str.maketrans("[]", "()")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# What Unicode calls a line break (UAX 14: BK, CR, LF, NL); kept apart from other controls to keep paragraphs.
_LINE_BREAK = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")

# C0, DEL and C1; invisible and direction-changing characters (a label must not reorder the words around it);
# lone surrogates and noncharacters, which encoders refuse. Zero-width joiners stay: emoji need them.
_HARMFUL = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)

STATES = {
    Told.FIRING: "firing",
    Told.RESOLVED: "resolved",
    Told.FIRED_AND_RESOLVED: "fired and resolved",
}


class Tone(StrEnum):
    """What a message colours an alert by; whatever the colour says, words say, too."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    RESOLVED = "resolved"
    OTHER = "other"


_TONES = {tone.value: tone for tone in Tone if tone not in (Tone.RESOLVED, Tone.OTHER)}


def paragraph(text: str, limit: int) -> str:
    r"""At most ``limit`` characters of running text, its only control character ``\n``.

    Anything harmful becomes a visible U+FFFD; a cut shows as an ellipsis.
    """
    text = text[: 2 * limit + 2]
    if text.isascii() and text.isprintable():  # as most texts are: there is nothing to replace
        return _cut(text.strip(), limit)
    text = _LINE_BREAK.sub("\n", text).replace("\t", " ")
    text = re.sub(r"\n{3,}", "\n\n", _HARMFUL.sub("\ufffd", text)).strip()
    return _cut(text, limit)


def one_line(text: str, limit: int) -> str:
    """At most ``limit`` characters on one line, whitespace folded to single spaces; else as ``paragraph``."""
    return _cut(" ".join(paragraph(text, 2 * limit).split()), limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def utc(at: int) -> str:
    """An instant in UTC milliseconds as ``2026-11-20 20:52:06 UTC``."""
    try:
        return (_EPOCH + timedelta(milliseconds=at)).strftime("%Y-%m-%d %H:%M:%S UTC")
    except OverflowError:  # Python's calendar ends with the years 1 and 9999, a sender's need not
        return "an unreadable time"


def duration(length: int) -> str:
    """Milliseconds in their two largest units, rounded down: ``3d 4h``, ``5m 0s``; never negative."""
    seconds = max(length, 0) // 1000
    parts = [
        (seconds // 86_400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "m"),
        (seconds % 60, "s"),
    ]
    first = next((index for index, (amount, _) in enumerate(parts) if amount), len(parts) - 1)
    return " ".join(f"{amount:,}{unit}" for amount, unit in parts[first : first + 2])


def number(amount: int, one: str, many: str) -> str:
    """``1 alert``, ``9,476 alerts``."""
    return f"{amount:,} {one if amount == 1 else many}"


def capital(words: str) -> str:
    """The words with a capital at their beginning."""
    return words[:1].upper() + words[1:]


def states(amounts: Mapping[Told, int]) -> str:
    """``4,000 firing, 12 resolved``: of what there is any."""
    return ", ".join(f"{amount:,} {STATES[told]}" for told, amount in amounts.items() if amount > 0)


def state(line: Line) -> str:
    """What the message says of the alert, as a heading."""
    if line.told is Told.FIRING:
        if line.after_mute:
            return "Still firing after mute"
        if line.reminder:
            return "Still firing"
        if line.again:
            return "Firing again"
    return capital(STATES[line.told])


def level(line: Line) -> str:
    """How bad it is: ``critical``, or ``critical, urgent``."""
    return one_line(line.severity, SEVERITY_LIMIT) + (", urgent" if line.urgent else "")


def tone(line: Line) -> Tone:
    """The alert's tone: that of its severity, where the level's name is a usual one."""
    if line.told is not Told.FIRING:
        return Tone.RESOLVED
    return _TONES.get(line.severity) or (Tone.CRITICAL if line.urgent else Tone.OTHER)


def worst(content: Content) -> Tone:
    """The tone of a message: that of the first that fires, for they come in the order they matter."""
    lines = (*content.lines, *content.also_firing_lines)
    first = next((line for line in lines if line.told is Told.FIRING), None)
    return tone(first or lines[0]) if lines else Tone.OTHER


def alert_name(line: Line) -> str:
    """The alert's name on one line, or words that say it has none."""
    return name_of(line.labels.get("alertname", ""))


def name_of(alertname: str) -> str:
    """An alertname as it came, on one line; words where there is none."""
    return one_line(alertname, NAME_LIMIT) or "(no alertname)"


def subject(content: Content) -> str:
    """At most SUBJECT_LIMIT characters: ``[FIRING:2, RESOLVED:1] HighErrorRate checkout (prod-eu)``.

    What changes from one message of a group to the next stands in brackets, the alertnames too where the group has
    none: mail programs leave these out of account when they compare subjects (RFC 5256, section 2.1, base subject).
    """
    names = ""
    if content.kind != "digest" and "alertname" not in content.group and any(_named(content)):
        names = f"[{one_line(_names(content).translate(_UNBRACKETED), NAME_LIMIT)}] "
    return one_line(f"[{_tag(content)}] {names}{title(content)}", SUBJECT_LIMIT)


def title(content: Content) -> str:
    """What a message is about: the same for all messages of one group."""
    values = {name: one_line(value, NAME_LIMIT) for name, value in sorted(content.group.items())}
    what = values.pop("alertname", "") or (_names(content) if content.kind == "digest" else "")
    where = " ".join(values.pop(name) for name in PLACE_LABELS if name in values)
    parts = [what, *values.values(), f"({where})" if where else ""]
    return one_line(" ".join(filter(None, parts)), SUBJECT_LIMIT) or "alerts"


def _tag(content: Content) -> str:
    """What the first brackets hold."""
    circumstance = _circumstance(content)
    if content.kind == "digest":
        much = f"{number(content.news, 'alert', 'alerts')} in {number(content.groups, 'group', 'groups')}"
        return f"{circumstance} DIGEST: {much}".strip()
    return ", ".join(filter(None, (_counts(content), circumstance)))


def _circumstance(content: Content) -> str:
    """Of a message that comes where it is not expected, or late after a downtime."""
    if content.failovers and sum(failover.news for failover in content.failovers) >= content.news:
        return "FAILOVER"
    return "CATCH-UP" if content.reason == "catch_up" else ""


def _counts(content: Content) -> str:
    others = _others(content)
    if content.resolved == content.news == 1 and not others:
        return "RESOLVED"
    counts = (
        (_firing(content).upper(), content.firing),
        ("RESOLVED", content.resolved),
        ("FIRED AND RESOLVED", content.fired_and_resolved),
        ("STILL FIRING", others),
    )
    return ", ".join(f"{word}:{count:,}" for word, count in counts if count) or content.kind.upper()


def _others(content: Content) -> int:
    """How many others still fire where nothing of the news does: or it would look as if all were well."""
    return content.also_firing if content.kind != "digest" and not content.firing else 0


def _named(content: Content) -> Iterator[str]:
    return (line.labels.get("alertname", "") for line in content.lines)


def _firing(content: Content) -> str:
    """``still firing`` or ``firing again`` where that is true of every alert that fires, as far as they are known."""
    firing = [line for line in content.lines if line.told is Told.FIRING]
    if len(firing) < content.firing and content.reason != "repeat":
        return "firing"
    if firing and all(line.reminder or line.after_mute for line in firing):
        return "still firing"
    return "firing again" if firing and all(line.again for line in firing) else "firing"


def headline(content: Content) -> str:
    """What comes in one line: ``Firing · critical, urgent``, ``3 firing, 1 resolved · 2 critical, 2 warning``."""
    kind = f"{_circumstance(content)} {content.kind if content.kind == 'digest' else ''}".strip().lower()
    others = f"{_others(content):,} still firing" if _others(content) else ""
    if content.news == 1 == len(content.lines):
        said = [state(content.lines[0]), level(content.lines[0]), others]
    else:
        amounts = {
            _firing(content): content.firing,
            STATES[Told.RESOLVED]: content.resolved,
            STATES[Told.FIRED_AND_RESOLVED]: content.fired_and_resolved,
        }
        much = ", ".join(f"{amount:,} {state}" for state, amount in amounts.items() if amount > 0)
        said = [much, _severities(content), others]
    return " · ".join(filter(None, (capital(kind), *said)))


def _severities(content: Content) -> str:
    counted = Counter(one_line(line.severity, SEVERITY_LIMIT) for line in content.lines)
    known = content.news <= len(content.lines) and len(counted) > 1
    said = [f"{amount:,} {severity}" if known else severity for severity, amount in counted.items()]
    return ", ".join(said[:SEVERITIES_NAMED]) + (", …" if said[SEVERITIES_NAMED:] else "")


def _names(content: Content) -> str:
    """The alertnames of a message whose group does not name one."""
    names = list(dict.fromkeys(alert_name(line) for line in content.lines))
    if len(names) > 2 or content.news > len(content.lines):
        return ", ".join(names[:2]) + " and more" if names else number(content.news, "alert", "alerts")
    return ", ".join(names)
