"""Lets what was read happen: the real transitions over a store in memory, on a clock that jumps to what is next.

At one instant: input in order, then timers, then channels in the configuration's order, each until it rests. Then
the clock goes to the next instant at which something is known to happen. Nothing here decides.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from receiver.core.alerts import Notification
from receiver.core.content import Content, Incidents, Told
from receiver.core.muting import Mute
from receiver.core.policy import Policy
from receiver.core.retrying import Failure
from receiver.messages.notice import about
from receiver.messages.wording import subject
from receiver.simulate.input import ClockStep, Input, Outage, Reject, Reload, Restart, What
from receiver.simulate.journal import Journal, Moved, accounts
from receiver.simulate.providers import Providers
from receiver.store import reader, told
from receiver.store.connect import Store
from receiver.transitions.accept import accept
from receiver.transitions.claim import Claimed, Repeat, Rest, claim, fix
from receiver.transitions.install import install
from receiver.transitions.mute import mute
from receiver.transitions.settle import Attempt, settle
from receiver.transitions.sweep import Swept, sweep

LONGEST_RUN_ON = 7 * 86_400_000
# So many attempts in a row at one instant that told nothing are no outage, but a circle.
MOST_IN_VAIN = 10_000
MOST_ROUNDS = 1_000_000


class Stuck(Exception):
    """The decisions go in a circle, or the books don't balance: a defect of ours, never of the input."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An input has taken effect."""

    what: What
    moved: Moved


@dataclass(frozen=True, slots=True)
class TimePassed:
    """What time alone has moved in the books, or a channel when it was about to compose."""

    moved: Moved


@dataclass(frozen=True, slots=True)
class Throttled:
    """A channel has run out of tokens with news waiting."""

    channel: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A provider took a message: ``members`` are all alerts that it tells, by fingerprint."""

    channel: str
    kind: str
    reason: str
    content: Content | Incidents
    groups: Sequence[dict[str, str]]
    members: Sequence[tuple[str, Told]]
    moved: Moved


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt of a channel failed."""

    channel: str
    failure: Failure
    moved: Moved


Event = Happened | TimePassed | Throttled | Sent | Failed


@dataclass(frozen=True, slots=True)
class Step:
    """Something that took place ``at`` an instant of the wall clock, ``passed`` milliseconds after the first line."""

    at: int
    passed: int
    event: Event


@dataclass(slots=True)
class Simulation:
    """One run. ``until`` is an instant of the wall clock after which nothing more happens; None: when all is quiet.

    All is quiet when nothing is pending, or seven days after the last input.
    """

    policy: Policy
    inputs: Iterable[Input]
    until: int | None = None
    now: int = 0
    passed: int = 0
    _store: Store = field(init=False)
    _left: deque[Input] = field(init=False)
    _channels: list[str] = field(init=False)
    _providers: Providers = field(default_factory=Providers)
    _journal: Journal = field(default_factory=Journal)
    # Of each channel's last message: at most one of a channel is open.
    _contents: dict[str, Content | Incidents] = field(default_factory=dict)
    _rests: dict[str, Rest] = field(default_factory=dict)
    _sweep_at: int | None = None
    _made: int = 0

    def __post_init__(self) -> None:
        """Open the store at the first line's instant."""
        self._left = deque(self.inputs)
        self.now = self._left[0].at if self._left else 0
        self._channels = [channel.name for channel in self.policy.channels]
        self._store = Store("sqlite://", lambda: self.now)
        self._install(self.policy)

    def run(self) -> Iterator[Step]:
        """Everything that takes place, in order, until nothing is pending."""
        ends = LONGEST_RUN_ON
        while (at := self._next()) is not None:
            passed = self.passed + at - self.now
            if self.until is not None and at > self.until:
                at = max(self.now, self.until)
                self.now, self.passed = at, self.passed + at - self.now
                break
            if self.until is None and not self._left and passed > ends:
                break
            self.now, self.passed = at, passed
            while self._left and self._left[0].at == self.now:
                yield self._step(self._happen(self._left.popleft().what))
                ends = self.passed + LONGEST_RUN_ON
            for event in self._settle_down():
                yield self._step(event)
        self._check()

    def ledger(self) -> dict[str, dict[str, int]]:
        """Every channel's books as they stand, those that were ever configured in the order of their configuration."""
        with self._store.read() as tx:
            return accounts(tx, self._channels)

    def _step(self, event: Event) -> Step:
        return Step(self.now, self.passed, event)

    def _next(self) -> int | None:
        """The next instant at which something is known to happen; None when nothing more can."""
        timers = [rest.until for rest in self._rests.values()] + [self._sweep_at]
        at = min((timer for timer in timers if timer is not None), default=None)
        if at is not None and at <= self.now:
            raise Stuck(f"something waits until {at}, which is not after {self.now}")
        if self._left:
            return min(self._left[0].at, at or self._left[0].at)
        return at if self._journal.pending else None

    def _happen(self, what: What) -> Happened:
        match what:
            case Outage():
                self._providers.fail(what, self.passed)
            case Reject():
                self._providers.refuse(what)
            case Reload(policy):
                self._install(policy)
            case Restart():
                # What is in the process is gone; the store in memory stands for the file that stays.
                self._rests.clear()
                self._install(self.policy)
            case ClockStep(by):
                self.now += by
            case _:
                self._write(what)
        return Happened(what, self._moved())

    def _write(self, what: Notification | Mute) -> None:
        with self._store.write() as tx:
            if isinstance(what, Mute):
                mute(tx, what, self.now)
            else:
                accept(tx, [what], self.policy, self.now)

    def _install(self, policy: Policy) -> None:
        self.policy = policy
        names = [channel.name for channel in policy.channels]
        self._channels = names + [name for name in self._channels if name not in names]
        self._rests = {name: rest for name, rest in self._rests.items() if name in names}
        with self._store.write() as tx:
            install(tx, policy, self.now)

    def _moved(self) -> Moved:
        with self._store.read() as tx:
            return self._journal.moved(tx)

    def _settle_down(self) -> Iterator[Event]:
        """Timers, then channels, until no channel has anything left to do at this instant."""
        for _ in range(MOST_ROUNDS):
            self._sweep_at = self._sweep().next_at
            yield from _of_note(TimePassed(self._moved()))
            sent = False
            for channel in self.policy.channels:
                for event in self._drain(channel.name):
                    sent = sent or isinstance(event, Sent | Failed)
                    yield event
            if not sent:
                return
        raise Stuck(f"no end of messages at {self.now}")

    def _sweep(self) -> Swept:
        while True:
            with self._store.write() as tx:
                swept = sweep(tx, self.policy, self.now)
            if not swept.again:
                return swept

    def _drain(self, channel: str) -> Iterator[Event]:
        """A channel's attempts until it rests."""
        in_vain = 0
        while in_vain < MOST_IN_VAIN:
            claimed = self._claim(channel)
            if isinstance(claimed, Rest):
                self._rests[channel] = claimed
                yield from _of_note(TimePassed(self._moved()))
                if claimed.throttled:
                    yield Throttled(channel)
                return
            event = self._attempt(channel, claimed)
            in_vain = 0 if isinstance(event, Sent) and event.members else in_vain + 1
            yield event
        raise Stuck(f"{channel} makes attempts without end at {self.now}")

    def _claim(self, channel: str) -> Repeat | Rest:
        self._made += 1
        with self._store.write() as tx:
            claimed = claim(tx, channel, f"{self._made:032x}", self.policy, self.now)
            if isinstance(claimed, Repeat | Rest):
                return claimed
            said = claimed.content if isinstance(claimed, Claimed) else claimed.incidents
            self._contents[channel] = said
            fixed = fix(tx, claimed, title(said), b"", ())
            assert fixed is not None, "nothing has happened since the claim"
            return fixed

    def _attempt(self, channel: str, sent: Repeat) -> Sent | Failed:
        message = sent.message
        with self._store.write() as tx:
            failure = self._providers.answer(
                channel, self.passed, lambda: [fingerprint for fingerprint, _ in told.members(tx, message.id)]
            )
            settle(tx, Attempt(sent, self.now, 0, {}, None, failure), self.policy, self.now)
        if failure is not None:
            return Failed(channel, failure, self._moved())
        with self._store.read() as tx:
            members, groups = told.members(tx, message.id), told.groups(tx, message.id)
        return Sent(channel, message.kind, message.reason, self._contents[channel], groups, members, self._moved())

    def _check(self) -> None:
        """What the ledger counts as pending must be there."""
        with self._store.read() as tx:
            counted = reader.books(tx).pending
        for name, books in self.ledger().items():
            rows = sum(n for (channel, _), n in counted.items() if channel == name)
            if rows != books["pending"]:
                raise Stuck(f"the books of {name} say that {books['pending']} are pending, but {rows} are")


def title(content: Content | Incidents) -> str:
    """The subject of a message."""
    return subject(content) if isinstance(content, Content) else about(content).subject


def _of_note(event: TimePassed) -> Iterator[TimePassed]:
    if event.moved.channels:
        yield event
