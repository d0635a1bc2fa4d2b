"""Whatever happens, the books balance, what channels are told is true and in order, and in the end everything is told.

The machine drives the real transitions over a real store; the oracle, which knows nothing of them, looks on.
"""

import json
import sys
import tempfile
from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from receiver.core.alerts import Alert, Status
from receiver.core.content import Incidents, NoticeKind
from receiver.core.policy import Policy
from receiver.core.retrying import Failure, FailureClass
from receiver.transitions.claim import Claimed, ClaimedNotice, Repeat, Rest
from receiver.transitions.redeliver import NotRedeliverable
from receiver.transitions.settle import Attempt, settle
from tests.timeline import HOUR, MINUTE, SECOND, START, Timeline, policy
from tests.transitions.oracle import Oracle
from tests.transitions.rows import Rows
from tests.transitions.three_channels import ALERTS, CHANNELS, RELOADS, as_valid, channel_policy

RESULTS = {
    "taken": None,
    "refused": Failure(FailureClass.TRANSIENT, "connection_refused"),
    "doubt": Failure(FailureClass.TRANSIENT, "timeout", may_be_taken=True),
    "misconfigured": Failure(FailureClass.MISCONFIGURED, "auth_failed"),
    "rejected": Failure(FailureClass.REJECTED, "invalid_blocks"),
}
# repeat_interval - group_interval
REMIND_AFTER = 58 * MINUTE
TOLD_NOTICES = "quiet"
URLS = st.sampled_from(["http://am-1", "http://am-1", "http://am-2"])
STATUSES = st.sampled_from([Status.FIRING, Status.FIRING, Status.RESOLVED])
NAMES = st.sampled_from(list(CHANNELS))
AGO = st.sampled_from([None, None, 0, 0, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, HOUR])
EVENTS = st.tuples(st.integers(0, len(ALERTS) - 1), STATUSES, AGO, st.sampled_from("ab"))


class History(RuleBasedStateMachine):
    """Anything that can happen to a receiver, in any order."""

    completed = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.settings: dict[str, dict[str, Any] | None] = dict(CHANNELS)
        self.channels: dict[str, dict[str, Any]] = dict(CHANNELS)
        path = Path(self.folder.name) / "books.db"
        self.timeline = Timeline(path, self._policy())
        # An attempt that is under way while its channel is removed ends by the last policy that had it.
        self.policies: dict[str, Policy] = dict.fromkeys(CHANNELS, self.timeline.policy)
        self.rows = Rows(path)
        self.oracle = Oracle(CHANNELS, START, self.timeline.policy.reorder_window)
        self.weather = dict.fromkeys(CHANNELS, cycle(["taken"]))
        self.flights: dict[str, tuple[Repeat, int]] = {}
        self.starts: dict[int, int] = {}
        self.last: list[dict[str, Any]] = []
        self.mutes: list[int] = []
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.dead: list[str] = []

    def _policy(self) -> Policy:
        notices = tuple(name for name in self.channels if name == TOLD_NOTICES)
        return policy(*(channel_policy(name, given) for name, given in self.channels.items()), notices=notices)

    @rule(events=st.lists(EVENTS, min_size=1, max_size=4), url=URLS)
    def receive(self, events: list[tuple[int, Status, int | None, str]], url: str) -> None:
        """A notification, of fired and resolved alerts, some of them by two replicas of Prometheus."""
        self._receive([self._event(*event) for event in events], url)

    @rule(which=st.sets(st.integers(0, len(ALERTS) - 1), min_size=1), status=STATUSES, ago=AGO, url=URLS)
    def receive_several(self, which: set[int], status: Status, ago: int | None, url: str) -> None:
        """A notification of alerts that fare alike."""
        self._receive([self._event(i, status, ago, "a") for i in sorted(which)], url)

    @rule(url=URLS)
    def receive_the_last_again(self, url: str) -> None:
        """The same once more, from the same peer or another."""
        self._receive(self.last, url)

    def _event(self, i: int, status: Status, ago: int | None, replica: str) -> dict[str, Any]:
        now = self.timeline.now
        end = None if ago is None or status is Status.FIRING else now - ago
        start = self.starts.get(i, now) if ago is None or status is Status.RESOLVED else now - ago
        self.starts[i] = start
        labels = ALERTS[i] | {"prometheus_replica": replica}
        return {"labels": labels, "status": str(status), "start": start, "end": end}

    def _receive(self, body: list[dict[str, Any]], url: str) -> None:
        self.last = body
        alerts = [Alert(Status(event["status"]), event["labels"], {}, event["start"], event["end"]) for event in body]
        self.timeline.receive(*alerts, url=url)
        self.oracle.receive(body, url)
        self._note("receive")

    @rule(lasting=st.sampled_from([1, 10 * SECOND, MINUTE, MINUTE, 2 * MINUTE, 10 * MINUTE]))
    def live(self, lasting: int) -> None:
        """All channels and the sweeper are at work for a while, and leave what is due at its last instant."""
        end = self.timeline.now + lasting
        while self.timeline.now < end:
            upcoming = self._work()
            self._pass_time(min(end, upcoming or end) - self.timeline.now)

    @rule(lasting=st.sampled_from([1, 10 * SECOND, 30 * SECOND, 2 * MINUTE, 40 * MINUTE, REMIND_AFTER, 3 * HOUR]))
    def pass_time(self, lasting: int) -> None:
        """Nothing is done meanwhile, as where the process is stopped or slow."""
        if lasting > MINUTE:
            self._land_all()
        self._pass_time(lasting)

    @rule(off=st.sampled_from([-1, 0, 1]))
    def pass_time_to_the_brink(self, off: int) -> None:
        """Up to the next instant that matters, or just before or after it."""
        instants = [at + off for at in self.rows.instants() if at + off > self.timeline.now]
        if instants:
            self._land_all()
            self._pass_time(min(instants) - self.timeline.now)

    @rule(by=st.sampled_from([2 * 24 * HOUR, HOUR, -1, -MINUTE, -HOUR]))
    def step_the_clock(self, by: int) -> None:
        """The wall clock jumps."""
        self._land_all()
        self._pass_time(by)

    @rule(name=NAMES, results=st.lists(st.sampled_from(["taken", *RESULTS]), min_size=1, max_size=3))
    def change_the_weather(self, name: str, results: list[str]) -> None:
        """From now on what the channel sends ends so, in turn."""
        self.weather[name] = cycle(results)

    @rule(name=NAMES)
    def begin(self, name: str) -> None:
        """An attempt begins, and is under way."""
        if name in self.channels and name not in self.flights:
            self._begin(name)

    @rule(name=NAMES, result=st.sampled_from(["taken", *RESULTS]))
    def attempt(self, name: str, result: str) -> None:
        """An attempt ends, begun before or now."""
        self.begin(name)
        if name in self.flights:
            self._land(name, result)

    @rule(name=NAMES, composed=st.booleans())
    def die(self, name: str, composed: bool) -> None:
        """The process dies, where it has ``composed`` a message for the channel before its bytes are fixed."""
        if composed and name in self.channels and name not in self.flights:
            self._compose(name)
        for repeat, began in self.flights.values():
            self.oracle.attempted(repeat.message.uid, began, "doubt")
        self.flights.clear()
        self.timeline.restart()

    @rule(change=st.sampled_from(list(RELOADS)))
    def reload(self, change: str) -> None:
        """A channel gets other settings, is removed or is added back."""
        name, settings = RELOADS[change]
        self.settings[name] = settings
        self.channels = as_valid({name: given for name in CHANNELS if (given := self.settings[name])})
        self.timeline.reload(self._policy())
        self.policies |= dict.fromkeys(self.channels, self.timeline.policy)
        self.oracle.reload(self.channels)
        self._note("reload")

    @rule(alertname=st.sampled_from("AB"), name=st.none() | NAMES, lasting=st.sampled_from([MINUTE, 10 * MINUTE, HOUR]))
    def mute(self, alertname: str, name: str | None, lasting: int) -> None:
        """A mute begins, on all channels or on one."""
        now, on = self.timeline.now, None if name is None else (name,)
        id_ = self.timeline.mute(f'alertname="{alertname}"', lasting=lasting, channels=on)
        self.oracle.mutes[id_] = {"alertname": alertname, "channel": name, "from": now, "until": now + lasting}
        self.mutes.append(id_)

    @precondition(lambda self: self.mutes)
    @rule()
    def unmute(self) -> None:
        """The oldest mute is ended, if it has not ended by itself."""
        id_ = self.mutes.pop(0)
        self.timeline.unmute(id_)
        self.oracle.unmute(id_)

    @precondition(lambda self: self.dead)
    @rule(which=st.integers(0, 3))
    def redeliver(self, which: int) -> None:
        """Somebody wants what died with a message to be told after all."""
        uid = self.dead[which % len(self.dead)]
        died = self.rows.dead()[uid]
        if died[0][0] not in self.channels:
            with pytest.raises(NotRedeliverable):
                self.timeline.redeliver(uid)
            return
        redelivered = self.timeline.redeliver(uid)
        assert redelivered.waiting + redelivered.others == len(died)
        self.oracle.redeliver(died)
        self._note("redeliver")

    @rule()
    def have_something_to_say(self) -> None:
        """A notice is raised."""
        self.timeline.notify(NoticeKind.UNKNOWN_CHANNEL, "there is no channel pager")
        self.oracle.raise_notice(NoticeKind.UNKNOWN_CHANNEL, int(TOLD_NOTICES in self.channels))
        self._note("notify")

    def _pass_time(self, milliseconds: int) -> None:
        self.timeline.now += milliseconds
        self.oracle.pass_time(milliseconds)

    def _work(self) -> int | None:
        """Do all that is due; when there is more to do, if nothing arrives."""
        swept = self.timeline.sweep()
        self.oracle.sweep()
        self._note("sweep")
        instants = [swept.next_at, *(self._run(name) for name in self.channels if name not in self.flights)]
        return min((at for at in instants if at is not None), default=None)

    def _run(self, name: str) -> int | None:
        for _ in range(100):
            rest = self._begin(name)
            if rest is not None:
                return rest.until
            self._land(name, next(self.weather[name]))
        raise AssertionError(f"{name} sends and sends")

    def _begin(self, name: str) -> Rest | None:
        found = self._compose(name)
        if isinstance(found, Rest):
            assert found.until is None or found.until > self.timeline.now, "a rest lasts"
            return found
        if not isinstance(found, Repeat):
            said = found.content.lines if isinstance(found, Claimed) else ()
            lines = sorted([json.dumps(line.labels, sort_keys=True), line.told] for line in said)
            found = self.timeline.fix(found, json.dumps([found.message.uid, lines]).encode())
        self.oracle.fix(found.message.uid, found.payload)
        self.flights[name] = found, self.oracle.time
        return None

    def _compose(self, name: str) -> Claimed | ClaimedNotice | Repeat | Rest:
        found = self.timeline.claim(name)
        if isinstance(found, ClaimedNotice):
            self._judge_notice(name, found.incidents)
        elif isinstance(found, Claimed):
            content = found.content
            assert len(content.lines) == content.news == found.message.items
            self.oracle.compose(name, content.uid, [(line.labels, str(line.told)) for line in content.lines])
        return found

    def _judge_notice(self, name: str, content: Incidents) -> None:
        assert name == TOLD_NOTICES
        if content.kind is NoticeKind.DEAD_LETTERS:
            assert {detail.rsplit(" ", 1)[1] for detail in content.details} <= self.rows.dead().keys()
        self.oracle.compose_notice(name, content.uid, content.kind)

    def _land(self, name: str, result: str) -> None:
        repeat, began = self.flights.pop(name)
        now, by = self.timeline.now, self.policies[name]
        with self.timeline.store.write() as tx:
            settle(tx, Attempt(repeat, now, 5, {}, 250, RESULTS[result]), by, now)
        self.oracle.attempted(repeat.message.uid, began, result)
        self._note(result, told_of=TOLD_NOTICES in {channel.name for channel in by.channels})

    def _land_all(self) -> None:
        for name in list(self.flights):
            self._land(name, next(self.weather[name]))

    def _note(self, cause: str, *, told_of: bool | None = None) -> None:
        """Something was done: what has moved had this cause."""
        moved = self.rows.moved()
        self.oracle.note(moved, cause, TOLD_NOTICES in self.channels if told_of is None else told_of)
        if any(outcome == "dead" for *_, outcome in moved.given_up):
            self.dead = list(self.rows.dead())

    @invariant()
    def all_is_well(self) -> None:
        """After every step."""
        self._note("nothing")
        self._the_books_balance()
        self._the_rows_agree()
        self.oracle.step += 1

    def _the_books_balance(self) -> None:
        """What came in, what left and what the rows still hold are one account."""
        oracle, rows, outcomes = self.oracle, self.rows, self.rows.outcomes()
        balance = rows.pending()
        for (name, _), n in outcomes.items():
            balance[name] += n
        assert oracle.accepted == rows.accepted()
        assert balance == Counter(name for name, _ in oracle.accepted.elements())
        assert oracle.events == rows.house()
        assert rows.left() == outcomes
        assert oracle.delivered == Counter({name: outcomes[name, "delivered"] for name in CHANNELS})
        assert self.outcomes <= outcomes, "an outcome never changes"
        self.outcomes = outcomes
        dead = Counter(name for died in rows.dead().values() for name, _, _ in died) if self.dead else Counter[str]()
        assert dead == Counter({name: outcomes[name, "dead"] for name in CHANNELS}), "each can be found by its message"
        assert +oracle.notices == rows.notices()

    def _the_rows_agree(self) -> None:
        """A group counts what waits in it and knows when it is due; what may have been taken keeps its bytes."""
        assert self.rows.groups_agree()
        assert self.rows.nothing_is_stranded()
        kept, fixed = self.rows.fixed(), self.oracle.fixed
        # What a removed channel still had to send is given up in the end.
        for uid in fixed.keys() - kept.keys():
            assert self.oracle.messages[uid]["channel"] not in self.channels
            del fixed[uid]
        assert kept == fixed

    def teardown(self) -> None:
        """Where all went well, faults clear, mutes end and time passes."""
        try:
            if sys.exception() is None:
                self._let_all_clear()
                type(self).completed += 1
        finally:
            self.rows.close()
            self.timeline.store.close()
            self.folder.cleanup()

    def _let_all_clear(self) -> None:
        self.weather = dict.fromkeys(CHANNELS, cycle(["taken"]))
        self._land_all()
        for _ in range(300):
            upcoming = self._work()
            if not self._is_owed():
                break
            assert upcoming is not None, "what is pending has its time"
            self._pass_time(upcoming - self.timeline.now)
        assert not self._is_owed()
        self.all_is_well()
        self.oracle.judge_the_end()

    def _is_owed(self) -> bool:
        untold = self.rows.untold_notices()
        return bool(self.rows.pending()) or any(untold[name] for name in self.channels)


def prove(sequences: int, steps: int) -> None:
    """Live through so many histories."""
    History.completed = 0
    unhurried = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=sequences, stateful_step_count=steps, deadline=None, suppress_health_check=unhurried
        ),
    )
    assert History.completed >= sequences


def test_whatever_happens_the_books_balance_people_hear_what_is_true_and_in_the_end_all_of_it() -> None:
    prove(sequences=300, steps=30)


@pytest.mark.prove
def test_five_thousand_histories_hold() -> None:
    prove(sequences=5_000, steps=30)
