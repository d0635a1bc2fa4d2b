"""A store, the real transitions and a clock that moves when told: what a test says happens, happens, at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from receiver.config.patterns import compile_pattern
from receiver.core.alerts import Alert, Notification, Status
from receiver.core.content import Content, Incidents, NoticeKind
from receiver.core.matchers import parse
from receiver.core.muting import Mute
from receiver.core.policy import ChannelPolicy, Policy, SeverityScale, Throttle
from receiver.core.retrying import Failure
from receiver.store.connect import Store
from receiver.store.messages import Answer
from receiver.store.reader import Books, books
from receiver.transitions.accept import Accepted, accept
from receiver.transitions.claim import Claimed, ClaimedNotice, Repeat, Rest, claim, fix
from receiver.transitions.install import install, resume
from receiver.transitions.mute import mute, unmute
from receiver.transitions.notify import notify
from receiver.transitions.redeliver import Redelivered, redeliver
from receiver.transitions.settle import Attempt, Settled, settle
from receiver.transitions.sweep import Swept, sweep

SECOND = 1_000
MINUTE = 60_000
HOUR = 60 * MINUTE
# 2026-11-20T21:00:00Z
START = 1_795_208_400_000

SCALE = SeverityScale("severity", ("none", "info", "warning", "error", "critical"), "warning", {"page": "critical"})


def channel(name: str = "ops", **changes: object) -> ChannelPolicy:
    """A channel with the built-in defaults."""
    values: dict[str, object] = {
        "name": name,
        "kind": "console",
        "alias": None,
        "matchers": (),
        "min_severity": SCALE.rank("info"),
        "group_by": ("alertname", "cluster", "namespace"),
        "group_wait": 10 * SECOND,
        "group_threshold": 5,
        "group_interval": 2 * MINUTE,
        "repeat_interval": 4 * HOUR,
        "urgent": (parse('severity="critical"', compile_pattern),),
        "urgent_interval": MINUTE,
        "digest_interval": MINUTE,
        "throttle": Throttle(6, MINUTE, 6),
        "send_resolved": True,
        "retry_for": 24 * HOUR,
    }
    return ChannelPolicy(**(values | changes))  # type: ignore[arg-type]  # test data, checked by running it


def policy(
    *channels: ChannelPolicy,
    expire_after: int = 24 * HOUR,
    reorder_window: int = 2 * MINUTE,
    notices: tuple[str, ...] = (),
) -> Policy:
    """A policy of these channels, or of one with the defaults."""
    ignored = frozenset({"prometheus_replica"})
    return Policy(channels or (channel(),), SCALE, ignored, expire_after, reorder_window, compile_pattern, notices)


def firing(alertname: str = "HighErrorRate", starts_at: int = START, **labels: str) -> Alert:
    """A firing alert."""
    return Alert(Status.FIRING, {"alertname": alertname, **labels}, {"summary": "it fires"}, starts_at, None)


def resolved(
    alertname: str = "HighErrorRate", starts_at: int = START, ends_at: int = START + MINUTE, **labels: str
) -> Alert:
    """A resolved alert."""
    return Alert(Status.RESOLVED, {"alertname": alertname, **labels}, {"summary": "it fired"}, starts_at, ends_at)


@dataclass(slots=True)
class Timeline:
    """The books on a virtual clock. ``in_doubt`` is the test's own note of messages that a provider may have."""

    path: Path
    policy: Policy = field(default_factory=policy)
    now: int = START
    store: Store = field(init=False)
    made: int = 0
    in_doubt: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Open the store, as a process does that starts."""
        self.store = Store(f"sqlite:///{self.path}", lambda: self.now)
        with self.store.write() as tx:
            resume(tx, self.policy, self.now)
            install(tx, self.policy, self.now)

    def restart(self) -> None:
        """Close the store and open it again: what was in the process is gone."""
        self.store.close()
        self.open()

    def receive(self, *alerts: Alert, url: str = "http://am-1", to: str | None = None, truncated: int = 0) -> Accepted:
        """A notification arrives."""
        with self.store.write() as tx:
            notification = Notification(alerts, url, truncated, addressed_to=to)
            [accepted] = accept(tx, [notification], self.policy, self.now)
        return accepted

    def sweep(self) -> Swept:
        """What time alone brings about, happens."""
        while True:
            with self.store.write() as tx:
                swept = sweep(tx, self.policy, self.now)
            if not swept.again:
                return swept

    def mute(self, *matchers: str, lasting: int = HOUR, channels: tuple[str, ...] | None = None) -> int:
        """A mute begins."""
        parsed = tuple(matcher for text in matchers for matcher in parse(text, compile_pattern))
        with self.store.write() as tx:
            return mute(tx, Mute(parsed, self.now, self.now + lasting, channels), self.now)

    def unmute(self, id_: int) -> None:
        """A mute is ended."""
        with self.store.write() as tx:
            unmute(tx, id_, self.policy, self.now)

    def reload(self, new: Policy) -> None:
        """Another policy takes effect."""
        self.policy = new
        with self.store.write() as tx:
            install(tx, new, self.now)

    def claim(self, name: str = "ops") -> Claimed | ClaimedNotice | Repeat | Rest:
        """The channel asks what to send."""
        self.made += 1
        with self.store.write() as tx:
            return claim(tx, name, f"message{self.made}", self.policy, self.now)

    def fix(
        self, claimed: Claimed | ClaimedNotice, payload: bytes = b"bytes", recipients: tuple[str, ...] = ()
    ) -> Repeat:
        """The claimed message gets its bytes."""
        with self.store.write() as tx:
            fixed = fix(tx, claimed, "subject", payload, recipients)
        assert fixed is not None, "nobody has given it up meanwhile"
        return fixed

    def settle(
        self,
        sent: Repeat,
        failure: Failure | None = None,
        answers: Mapping[str, tuple[Answer, int | None]] | None = None,
        thread: str | None = None,
    ) -> Settled:
        """An attempt has ended."""
        attempt = Attempt(sent, self.now, 5, dict(answers or {}), 250, failure, thread=thread)
        with self.store.write() as tx:
            return settle(tx, attempt, self.policy, self.now)

    def redeliver(self, uid: str) -> Redelivered:
        """Somebody wants what died with the message to be told after all."""
        with self.store.write() as tx:
            return redeliver(tx, uid, self.policy, self.now)

    def notify(self, kind: NoticeKind, *details: str) -> None:
        """The receiver has something to say of itself."""
        with self.store.write() as tx:
            notify(tx, kind, 1, details, self.policy, self.now)

    def send_notice(self, name: str = "ops") -> Incidents | Rest:
        """Claim, and where there is a notice, deliver it: what it says, or how long the channel rests."""
        claimed = self.claim(name)
        if isinstance(claimed, Rest):
            return claimed
        assert isinstance(claimed, ClaimedNotice)
        self.settle(self.fix(claimed))
        return claimed.incidents

    def send(self, name: str = "ops", thread: str | None = None) -> Content | Rest:
        """Claim, and where there is a message, deliver it: its content, or how long the channel rests.

        ``thread`` is what the channel says for later messages of the group to belong to this one.
        """
        claimed = self.claim(name)
        if isinstance(claimed, Rest):
            return claimed
        assert isinstance(claimed, Claimed)
        self.settle(self.fix(claimed), thread=thread)
        return claimed.content

    def books(self) -> Books:
        """The books as they stand."""
        with self.store.read() as tx:
            return books(tx)

    def ledger(self, name: str = "ops") -> dict[str, int]:
        """A channel's accounts that are not zero: accepted, each outcome, pending."""
        found = self.books()
        counts = {"accepted": sum(n for (c, side, _), n in found.ledger.items() if c == name and side == "accepted")}
        counts |= {account: n for (c, side, account), n in found.ledger.items() if c == name and side == "outcome"}
        counts["pending"] = sum(n for (c, _), n in found.pending.items() if c == name)
        assert counts["accepted"] == sum(n for account, n in counts.items() if account != "accepted")
        return {account: n for account, n in counts.items() if n}
