"""The sentences that a message says about all of its alerts: why it comes, how many they are, what is left out.

Of what lies beyond ``content.lines`` only sums are known: by state, and in ``content.totals``. A sentence
with nothing to say is "".
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from receiver.core.content import Content, Line, Told
from receiver.messages import failures
from receiver.messages.wording import (
    SEVERITY_LIMIT,
    alert_name,
    capital,
    duration,
    level,
    name_of,
    number,
    one_line,
    state,
    states,
    utc,
)

REASONS = {
    "catch_up": "This may come late: alert-receiver was down for a while.",
    "recovered": "This may come late: sending to this channel was failing until now.",
    "throttled": "Delayed: more was due than this channel may send at once.",
}
"""Why a group's message is worth a word of explanation, by ``Content.reason``; the everyday reasons need none."""

DIGEST_REASONS = {
    "catch_up": "alert-receiver was down for a while, so what is due comes together, and some of it late.",
    "recovered": "Sending to this channel was failing until now, so what is due comes together, and some of it late.",
    "throttled": "More was due than this channel may send at once, so several groups share this message.",
}
"""The same for a digest, which always has a reason."""

REMINDER = "Reminder: still firing."

_KINDS_NAMED = 5
_CHANNELS_NAMED = 3
_CHANNEL_LIMIT = 100
_TOTALS_NAMED = 8
_PREVIEW = 200


def reason(content: Content) -> str:
    """Why this message comes, or comes like this."""
    if content.kind == "digest":
        why = DIGEST_REASONS.get(content.reason, "Several groups were due at once and share this message.")
    else:
        why = REASONS.get(content.reason, "")
    parts = (REMINDER if _only_reminds(content) else "", *_failovers(content), why)
    return " ".join(part for part in parts if part)


def _failovers(content: Content) -> Iterator[str]:
    """In whose place this is told, and why: first of all, for whoever reads it may not expect such alerts here."""
    told = sum(failover.news for failover in content.failovers)
    for failover in content.failovers[:_CHANNELS_NAMED]:
        what = (
            "Told here"
            if told >= content.news and len(content.failovers) == 1
            else f"{failover.news:,} of these {'is' if failover.news == 1 else 'are'} told here"
        )
        why = failures.said(failover.channel_kind, failover.reason, failover.code) if failover.reason else ""
        since = f", since {utc(failover.since)}" if failover.since is not None else ""
        channel = one_line(failover.channel, _CHANNEL_LIMIT)
        yield f"{what} because {channel} could not deliver{': ' + why if why else ''}{since}."


def _only_reminds(content: Content) -> bool:
    known = content.news <= len(content.lines) or content.reason == "repeat"
    return known and bool(content.lines) and all(line.reminder for line in content.lines)


def summary(content: Content) -> str:
    """How much a digest tells: ``4,812 alerts (25 urgent) in 37 groups: 4,800 firing, 12 resolved.``"""
    if content.kind != "digest":
        return ""
    alerts, groups = number(content.news, "alert", "alerts"), number(content.groups, "group", "groups")
    urgent = f" ({content.urgent:,} urgent)" if content.urgent else ""
    return f"{alerts}{urgent} in {groups}: {states(_news(content))}."


def totals(content: Content) -> tuple[str, ...]:
    """What a digest's alerts are, by severity and by alertname."""
    if content.totals is not None:
        severities = Counter(dict(content.totals.severities))
        names, other_names = Counter(dict(content.totals.names)), content.totals.other_names
    else:
        severities = Counter(line.severity for line in content.lines)
        every = Counter(line.labels.get("alertname", "") for line in content.lines)
        names = Counter(dict(every.most_common(_TOTALS_NAMED)))
        other_names = len(every) - len(names)
    return (
        _totals("By severity", ((one_line(text, SEVERITY_LIMIT), n) for text, n in severities.items())),
        _totals(
            "By alertname",
            ((name_of(text), n) for text, n in names.most_common()),
            f"{content.news - names.total():,} with {number(other_names, 'other name', 'other names')}"
            if other_names
            else "",
        ),
    )


def _totals(heading: str, amounts: Iterable[tuple[str, int]], others: str = "") -> str:
    parts = [f"{n:,} × {text}" for text, n in amounts]
    return f"{heading}: {', '.join(filter(None, (*parts, others)))}."


def rest(content: Content, left: Sequence[Line], limit: int) -> str:
    """What the message tells and does not show: the ``left`` lines by kind, in ``limit`` characters each, and more."""
    total = content.news - len(content.lines) + len(left)
    if total <= 0:
        return ""
    amounts = _news(content)
    amounts.subtract(line.told for line in content.lines)
    amounts.update(line.told for line in left)
    kinds = _kinds(left, limit, urgent=content.kind == "digest") if left else []
    parts = [*kinds, *_not_listed(content)] if left else []
    much = f"and {total:,} more" if total < content.news else number(total, "alert", "alerts")
    return f"{much} ({states(amounts)}){': ' if parts else ''}{', '.join(parts)}"


def _kinds(lines: Iterable[Line], limit: int, *, urgent: bool) -> Iterator[str]:
    """``9,000 × HighErrorRate (critical)`` and so on: the most frequent kinds, the others counted.

    With ``urgent``, the urgent ones are all named, and first.
    """
    counted: Counter[tuple[bool, str]] = Counter()
    for line in lines:
        counted[urgent and line.urgent, one_line(f"{alert_name(line)} ({level(line)})", limit)] += 1
    kinds = counted.most_common()
    always = [(kind, amount) for (named, kind), amount in kinds if named]
    others = [(kind, amount) for (named, kind), amount in kinds if not named]
    yield from (f"{amount:,} × {kind}" for kind, amount in [*always, *others[:_KINDS_NAMED]])
    if others[_KINDS_NAMED:]:
        yield f"{sum(amount for _, amount in others[_KINDS_NAMED:]):,} of other kinds"


def _news(content: Content) -> Counter[Told]:
    amounts = Counter({Told.FIRING: content.firing, Told.RESOLVED: content.resolved})
    amounts[Told.FIRED_AND_RESOLVED] = content.fired_and_resolved
    return amounts


def _not_listed(content: Content) -> Iterator[str]:
    amount = content.news - len(content.lines)
    if amount > 0:
        urgent = content.urgent - sum(line.urgent for line in content.lines)
        yield f"{amount:,} not listed" + (f" ({urgent:,} urgent)" if urgent > 0 else "")


def truncated(content: Content) -> str:
    """What Alertmanager has cut off."""
    if content.truncated <= 0:
        return ""
    were = "was" if content.truncated == 1 else "were"
    return f"{content.truncated:,} more {were} cut by max_alerts in Alertmanager and never arrived here."


def also_heading(content: Content) -> str:
    """How many others still fire, and when that was last confirmed."""
    if content.also_firing <= 0:
        return ""
    alerts = number(content.also_firing, "other alert", "other alerts")
    groups = "these groups" if content.kind == "digest" else "this group"
    are, each = ("is", "") if content.also_firing == 1 else ("are", "each ")
    at = content.also_confirmed_at
    later = " or later" if content.also_firing > 1 else ""
    confirmed = "" if at is None else f", {each}last confirmed at {utc(at)}{later}"
    return f"{alerts} of {groups} {are} still firing{confirmed}"


def preview(content: Content) -> str:
    """What a list of mails shows after the subject: how severe, for how long, and what it is."""
    if content.kind == "digest" or not content.lines:
        return summary(content)
    first = content.lines[0]
    annotations = first.annotations if first.defect is None else {}
    what = annotations.get("summary") or annotations.get("message") or annotations.get("description", "")
    said = f"{capital(level(first))}, {_for_how_long(first, content.composed_at)}"
    return one_line(f"{said}: {what[:_PREVIEW]}" if what else said, _PREVIEW)


def _for_how_long(line: Line, now: int) -> str:
    if line.told is Told.FIRING:
        return f"{state(line).lower()} for {duration(now - line.starts_at)}"
    if line.ends_at is None:
        return f"{state(line).lower()}, end unknown"
    return f"{state(line).lower()} after {duration(line.ends_at - line.starts_at)}"


def mutes(content: Content) -> str:
    """A digest shows what is held back on this channel."""
    if content.kind != "digest" or content.mutes <= 0:
        return ""
    return f"{number(content.mutes, 'mute is', 'mutes are')} active on this channel."
