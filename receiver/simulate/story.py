"""What came of it, for people: a timeline with notifications in, messages out, and the books at the end.

What is the same many times over is told once: attempts in an outage, notifications that say what is known.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from receiver.core.alerts import Notification
from receiver.core.content import Content, Told
from receiver.core.entries import Outcome
from receiver.core.policy import Policy
from receiver.core.retrying import FailureClass
from receiver.messages.wording import duration, number, states, subject
from receiver.simulate.engine import Failed, Happened, Sent, Simulation, Step, Throttled, TimePassed, title
from receiver.simulate.input import Reload
from receiver.simulate.phrases import became, changed, clock, day, happened, moment, notified

_WIDTH = 90

# Why a message goes out when it does.
WHY = {
    "wait": "group_wait is over",
    "threshold": "many at once",
    "urgent": "urgent",
    "cooldown": "the cooldown is over",
    "repeat": "reminder",
    "throttled": "throttled",
    "catch_up": "catching up after a downtime",
    "recovered": "the channel is back",
    "failover": "its own channel could not deliver",
}


@dataclass(slots=True)
class Entry:
    """One entry of the timeline: a line with its sign, and lines below it.

    ``times`` counts the entries that said the same, the last of them at ``last_at``.
    """

    at: int
    passed: int
    sign: str
    text: str
    below: tuple[str, ...] = ()
    times: int = 1
    last_at: int = 0

    def same(self, other: "Entry") -> bool:
        """Whether both say the same."""
        return (self.sign, self.text, self.below) == (other.sign, other.text, other.below)


@dataclass(slots=True)
class Story:
    """Gathers a run's steps into a timeline."""

    policy: Policy
    entries: list[Entry] = field(default_factory=list)
    messages: int = 0
    notifications: int = 0
    alerts: int = 0
    _failing: dict[str, Entry] = field(default_factory=dict)
    _throttled: set[str] = field(default_factory=set)

    def tell(self, step: Step) -> None:
        """Add what a step has to say."""
        match step.event:
            case Happened(Notification() as notification, moved):
                self.notifications += 1
                self.alerts += len(notification.alerts)
                self._add(step, "→", notified(notification), became(moved, held="held, another peer says it is over"))
            case Happened(Reload(policy), moved):
                self._add(step, "↻", f"reload: {changed(self.policy, policy)}", became(moved))
                self.policy = policy
            case Happened(what, moved):
                self._add(step, *happened(what, step.at), became(moved))
            case TimePassed(moved):
                for line in became(moved):
                    self._add(step, "·", line)
            case Throttled(channel) if channel not in self._throttled:
                self._throttled.add(channel)
                self._add(step, "·", f"{channel}: more is due than may be sent, it waits")
            case Sent() as sent:
                self._sent(step, sent)
            case Failed() as failed:
                self._failed(step, failed)

    def _add(self, step: Step, sign: str, text: str, below: Sequence[str] = ()) -> None:
        entry = Entry(step.at, step.passed, sign, text, tuple(below), last_at=step.at)
        last = self.entries[-1] if self.entries else None
        if last is not None and last.same(entry):
            last.times, last.last_at = last.times + 1, step.at
        else:
            self.entries.append(entry)

    def _sent(self, step: Step, sent: Sent) -> None:
        self.messages += 1
        self._failing.pop(sent.channel, None)
        if sent.reason != "throttled":
            self._throttled.discard(sent.channel)
        content = sent.content
        if not isinstance(content, Content):
            self._add(step, "←", f"{sent.channel}  {title(content)}", became(sent.moved))
            return
        unmuted = content.lines and all(line.after_mute for line in content.lines)
        words = ["the mute is over" if unmuted else WHY.get(sent.reason, sent.reason)]
        if content.kind == "digest":
            # Its subject counts alerts, whatever became of them.
            amounts = (content.firing, content.resolved, content.fired_and_resolved)
            words.append(states(dict(zip(Told, amounts, strict=True))))
        if content.also_firing:
            words.append(f"{content.also_firing:,} more still firing")
        if content.truncated:
            words.append(f"{content.truncated:,} cut by max_alerts")
        text, why = f"{sent.channel}  {subject(content)}", f"({', '.join(words)})"
        below = became(sent.moved)
        if len(text) + len(why) <= _WIDTH:
            self._add(step, "←", f"{text}  {why}", below)
        else:
            self._add(step, "←", text, [why, *below])

    def _failed(self, step: Step, failed: Failed) -> None:
        """Attempts that fail one after the other are one entry."""
        below = became(failed.moved)
        if failed.failure.failure_class is FailureClass.REJECTED:
            self._add(step, "✗", f"{failed.channel}: the provider refuses the message", below)
            return
        entry = self._failing.get(failed.channel)
        if entry is None or below:
            self._add(step, "✗", f"{failed.channel}: delivery fails ({failed.failure.reason})", below)
            self._failing[failed.channel] = self.entries[-1]
        else:
            entry.times, entry.last_at = entry.times + 1, step.at


def lines(simulation: Simulation) -> Iterator[str]:
    """Run it, and tell it line by line."""
    story = Story(simulation.policy)
    for step in simulation.run():
        story.tell(step)
    yield from _timeline(story.entries)
    yield ""
    books = simulation.ledger()
    took = duration(simulation.passed)
    yield (
        f"{number(story.notifications, 'notification', 'notifications')} "
        f"({number(story.alerts, 'alert', 'alerts')}) in, "
        f"{number(story.messages, 'message', 'messages')} out, in {took}."
    )
    pending = sum(accounts["pending"] for accounts in books.values())
    if pending:
        ended = moment(simulation.now, 0)
        further = "" if simulation.until is not None else " Nothing more happens within 7d; --until goes further."
        yield f"It ends at {ended}, when {number(pending, 'is', 'are')} still pending.{further}"
    yield ""
    yield from _table(books)


def _timeline(entries: Iterable[Entry]) -> Iterator[str]:
    date, last = "", None
    for entry in entries:
        if day(entry.at) != date:
            date, last = day(entry.at), None
            yield f"{date} UTC"
        when = (entry.at, entry.passed)
        stamp = "" if when == last else f"{clock(entry.at):<8} {'+' + duration(entry.passed):>8}"
        last = when
        text, *below = _folded(f"{entry.text}{_again(entry)}", entry.below)
        yield f"{stamp:<17}  {entry.sign} {text}"
        yield from (f"{'':<21}{line}" for line in below)


def _folded(text: str, below: Sequence[str]) -> list[str]:
    """A single short line below joins the one above it."""
    if len(below) == 1 and len(text) + len(below[0]) <= _WIDTH:
        return [f"{text} — {below[0]}"]
    return [text, *below]


def _again(entry: Entry) -> str:
    if entry.times == 1:
        return ""
    until = f" until {moment(entry.last_at, entry.at)}" if entry.last_at != entry.at else ""
    return f", {entry.times:,} times{until}"


def _table(books: dict[str, dict[str, int]]) -> Iterator[str]:
    """The books: what was accepted is the sum of what follows. Outcomes that no channel has are left out."""
    shown = [
        account
        for account in ("accepted", *Outcome, "pending")
        if account in ("accepted", Outcome.DELIVERED, "pending") or any(books[name][account] for name in books)
    ]
    heads = [account.replace("_", " ") for account in shown]
    rows = [[name, *(f"{books[name][account]:,}" for account in shown)] for name in books]
    first = max(len(row[0]) for row in [["channel"], *rows])
    widths = [max(len(row[i]) for row in [["", *heads], *rows]) for i in range(1, len(shown) + 1)]
    signs = ["", " =", *([" +"] * (len(shown) - 2))]
    for name, *cells in [["channel", *heads], *rows]:
        padded = [f"{sign}  {cell:>{width}}" for sign, cell, width in zip(signs, cells, widths, strict=True)]
        yield f"{name:<{first}}{''.join(padded)}"
