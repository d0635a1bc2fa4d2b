"""What goes into the story, put into words: what happened, what became of entries, when."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from receiver.config import durations
from receiver.core.alerts import Alert, Notification, Status
from receiver.core.entries import Outcome
from receiver.core.muting import Mute
from receiver.core.policy import ChannelPolicy, Policy
from receiver.core.retrying import FailureClass
from receiver.messages.wording import number, one_line
from receiver.simulate.input import ClockStep, Outage, Reject, Restart
from receiver.simulate.journal import Moved, Movement

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = 100
_NAMES = 3

# What becomes of entries, in the order in which it is told.
FATES = {
    Outcome.DUPLICATE: "known already",
    Outcome.SUPERSEDED: "superseded",
    Outcome.UNANNOUNCED: "unannounced",
    Outcome.STALE: "stale",
    Outcome.MUTED: "muted",
    Outcome.FAILED_OVER: "failed over",
    Outcome.WITHDRAWN: "withdrawn",
    Outcome.DEAD: "dead",
}


def notified(notification: Notification) -> str:
    """Who says what of how many alerts."""
    counts = Counter(alert.status for alert in notification.alerts)
    said = ", ".join(f"{counts[status]:,} {status}" for status in Status if counts[status])
    where = f" to /webhook/{one_line(notification.addressed_to, 60)}" if notification.addressed_to else ""
    cut = f", {notification.truncated:,} cut by max_alerts" if notification.truncated else ""
    return f"{_sender(notification)}{where}: {said or 'no alerts'}{_names(notification.alerts)}{cut}"


def _sender(notification: Notification) -> str:
    try:
        host = urlsplit(notification.external_url).netloc
    except ValueError:
        host = ""
    return one_line(host or notification.external_url, 60) or "somebody"


def _names(alerts: Sequence[Alert]) -> str:
    names = Counter(one_line(alert.labels.get("alertname", ""), 60) or "(no alertname)" for alert in alerts)
    return f" · {_listed([name for name, _ in names.most_common()])}" if names else ""


def happened(what: object, at: int) -> tuple[str, str]:
    """The sign and the words for what else can happen."""
    match what:
        case Outage(channel, length, kind):
            word = "is misconfigured" if kind is FailureClass.MISCONFIGURED else "can't be reached"
            return "✗", f"{channel} {word} for {durations.written(length)}, until {moment(at + length, at)}"
        case Reject(channel, n):
            return "✗", f"{channel} will refuse {number(n, 'message', 'messages')} for good"
        case Mute():
            where = f" on {', '.join(what.channels)}" if what.channels else ""
            matchers = one_line(", ".join(map(str, what.matchers)), _TEXT)
            comment = f" ({one_line(what.comment, _TEXT)})" if what.comment else ""
            return "‖", f"mute {matchers}{where} until {moment(what.ends_at, at)}{comment}"
        case ClockStep(by):
            way = "forward" if by > 0 else "back"
            return "↻", f"the clock steps {way} by {durations.written(abs(by))}, to {moment(at, at - by)}"
        case Restart():
            return "↻", "restart"
        case _:
            raise AssertionError(what)


def became(moved: Moved, held: str = "held by a mute") -> list[str]:
    """What became of entries, a line for the channels that have the same to say; ``held`` says why, if they are."""
    same: dict[str, list[str]] = {}
    for movement in moved.channels:
        same.setdefault(_fates(movement, held), []).append(movement.channel)
    told = [f"{_listed(channels)}: {text}" for text, channels in same.items() if text]
    nowhere = [(moved.unrouted, "no channel matches"), (moved.filtered, "less than any channel's min_severity")]
    return told + [f"{n:,} told nowhere: {why}" for n, why in nowhere if n]


def _listed(names: Sequence[str]) -> str:
    """The first of the names, the others counted."""
    rest = len(names) - _NAMES
    return f"{', '.join(names[:_NAMES])} and {rest:,} more" if rest > 0 else ", ".join(names)


def _fates(movement: Movement, held: str) -> str:
    own = (Outcome.DUPLICATE, Outcome.UNANNOUNCED, Outcome.STALE)
    waits = movement.accepted - sum(movement.outcomes.get(outcome, 0) for outcome in own) - max(movement.held, 0)
    said = [f"{waits:,} to tell"] if waits > 0 else []
    if movement.held > 0:
        said.append(f"{movement.held:,} {held}")
    elif movement.held < 0:
        said.append(f"{-movement.held:,} no longer held")
    # What has the same reason shares its words.
    same: dict[str, list[str]] = {}
    for outcome, words in FATES.items():
        if n := movement.outcomes.get(outcome, 0):
            reasons = "; ".join(dict.fromkeys(each.reason for each in movement.left if each.outcome == outcome))
            same.setdefault(reasons, []).append(f"{n:,} {words}")
    said += [f"{', '.join(fates)} ({reason})" if reason else ", ".join(fates) for reason, fates in same.items()]
    return ", ".join(said)


def changed(before: Policy, after: Policy) -> str:
    """What a new configuration has changed of the channels."""
    old = {channel.name: channel for channel in before.channels}
    new = {channel.name: channel for channel in after.channels}
    said = [f"{name} is new" for name in new if name not in old]
    said += [f"{name} is gone" for name in old if name not in new]
    for name, channel in new.items():
        if name in old and old[name] != channel:
            said.append(f"{name} changes ({', '.join(_differences(old[name], channel))})")
    return "; ".join(said) or "the channels stay as they are"


def _differences(before: ChannelPolicy, after: ChannelPolicy) -> list[str]:
    return [each.name for each in fields(before) if getattr(before, each.name) != getattr(after, each.name)]


def moment(at: int, now: int) -> str:
    """The time of the day, with the date where that is another one than now."""
    return clock(at) if day(at) == day(now) else f"{day(at)} {clock(at)}"


def day(at: int) -> str:
    """The date, in UTC."""
    return (_EPOCH + timedelta(milliseconds=at)).strftime("%Y-%m-%d")


def clock(at: int) -> str:
    """The time of the day, in UTC, with milliseconds where there are any."""
    time = (_EPOCH + timedelta(milliseconds=at)).strftime("%H:%M:%S")
    return f"{time}.{at % 1000:03}" if at % 1000 else time
