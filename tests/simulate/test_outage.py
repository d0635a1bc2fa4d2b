"""A channel's provider is away for two hours while some 500 alerts fire, resolve and fire again.

What must be told is worked out here from what went in, alert by alert. The attempts are counted at the providers.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from receiver.core.retrying import Failure
from receiver.simulate.providers import Providers
from tests.simulate.scenario import (
    FIRED_AND_RESOLVED,
    FIRING,
    RESOLVED,
    Message,
    Run,
    Said,
    Scenario,
    config,
    firing,
    length,
    resolved,
)

MINUTE = 60
BEGINS, ENDS = 10 * MINUTE, 130 * MINUTE
# Backoff doubles from one second: the tenth attempt is 511 s after the first, then there is one in five minutes.
FIRST_ATTEMPTS, THEY_TAKE, LONGEST_REST = 10, 511, 5 * MINUTE
# The built-in defaults.
GROUP_WAIT, GROUP_INTERVAL, DIGEST_INTERVAL = 10, 2 * MINUTE, MINUTE
FALLBACK_AFTER, URGENT_FALLBACK_AFTER = 10 * MINUTE, 2 * MINUTE


@dataclass(frozen=True, slots=True)
class Life:
    """One alert: when it fires, in seconds from the beginning, resolves, and fires again; and what is to be told of it.

    ``news`` is what its channel tells when all is over, ``meanwhile`` what a fallback tells in turn.
    """

    name: str
    severity: str
    fires: int
    resolves: int | None = None
    refires: int | None = None
    news: str | None = FIRING
    meanwhile: Sequence[str] = (FIRING,)
    failed_over: int = 0

    @property
    def urgent(self) -> bool:
        """Whether it is told at once."""
        return self.severity == "critical"


def life(n: int) -> Life:
    """The n-th alert: one of twenty groups has six alerts a minute. One in ten comes before, four in ten resolve."""
    name, severity = f"Kind{chr(ord('A') + n // 6 % 20)}{n}", "critical" if n % 50 == 3 else "warning"
    minute = n // 6 * MINUTE
    fires = BEGINS + MINUTE + minute
    match n % 10:
        case 6:  # before the fallback is asked
            return Life(name, severity, fires, fires + 5 * MINUTE, None, FIRED_AND_RESOLVED, (FIRED_AND_RESOLVED,), 1)
        case 7:  # after the fallback has told it
            return Life(name, severity, fires, fires + 20 * MINUTE, None, FIRED_AND_RESOLVED, (FIRING, RESOLVED), 2)
        case 8:
            refires = fires + 25 * MINUTE
            return Life(name, severity, fires, fires + 20 * MINUTE, refires, FIRING, (FIRING, RESOLVED, FIRING), 2)
        case 9:  # told before the outage
            match n // 10 % 3:
                case 0:
                    return Life(name, severity, minute // 20, None, None, None, ())
                case 1:
                    return Life(name, severity, minute // 20, fires, None, RESOLVED, (FIRED_AND_RESOLVED,))
                case _:
                    return Life(name, severity, minute // 20, fires, fires + 5 * MINUTE)
    return Life(name, severity, fires)


LIVES = {each.name: each for each in map(life, range(500))}
URGENT = sum(each.urgent for each in LIVES.values())
EVENTS = sum(at is not None for each in LIVES.values() for at in (each.fires, each.resolves, each.refires))

# By its own matchers it takes nothing.
FALLBACK = ({"fallback": "oncall"}, {"name": "oncall", "matchers": ['team="nobody"']})


@dataclass(slots=True)
class Attempts:
    """The attempts of the channel while its provider was away: when, in seconds, and with which alerts."""

    made: list[tuple[float, Sequence[str]]] = field(default_factory=list)

    def of_each_alert(self) -> Counter[str]:
        """How many attempts each alert was in."""
        return Counter(name for _, alerts in self.made for name in alerts)

    def most(self, kind: str) -> int:
        """How many there may be: by the backoff, and one for each urgent arrival where a try may help."""
        if kind == "misconfigured":
            return 1 + (ENDS - BEGINS) // LONGEST_REST
        return FIRST_ATTEMPTS + (ENDS - BEGINS - THEY_TAKE) // LONGEST_REST + 1 + URGENT


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    """Counts at the provider."""
    seen, answer = Attempts(), Providers.answer

    def counted(
        providers: Providers, channel: str, passed: int, members: Callable[[], Sequence[str]]
    ) -> Failure | None:
        if channel == "ops" and BEGINS <= passed / 1000 < ENDS:
            seen.made.append((passed / 1000, members()))
        return answer(providers, channel, passed, members)

    monkeypatch.setattr(Providers, "answer", counted)
    return seen


def lived(folder: Path, kind: str, *channels: Mapping[str, Any]) -> Run:
    """The two hours with these channels, and what came before and after."""
    happens: dict[int, list[Said]] = defaultdict(list)
    for each in LIVES.values():
        happens[each.fires].append(firing(each.name, severity=each.severity))
        if each.resolves is not None:
            happens[each.resolves].append(resolved(each.name, severity=each.severity))
        if each.refires is not None:
            happens[each.refires].append(firing(each.name, severity=each.severity))
    scenario = Scenario(folder, config(*channels))
    for at in sorted({BEGINS, *happens}):
        assert at < ENDS
        scenario.at(f"{at}s")
        if at == BEGINS:
            scenario.outage("2h", kind=kind)
        if at in happens:
            scenario.notify(*happens[at])
    return scenario.run()


def instant(message: Message) -> float:
    """When it was sent, in seconds from the beginning."""
    return length(message.at).total_seconds()


def told(ran: Run, channel: str) -> dict[str, list[str]]:
    """What the channel told of each alert since the outage began, in turn."""
    found: dict[str, list[str]] = {name: [] for name in LIVES}
    for message in ran.messages:
        if message.channel == channel and instant(message) >= BEGINS:
            for name, status in message.tells.items():
                found[name].append(status)
    return found


def recovered(ran: Run) -> Message:
    """The one message that the channel sent since the outage began."""
    [message] = [each for each in ran.messages if each.channel == "ops" and instant(each) >= BEGINS]
    assert (message.kind, message.reason) == ("digest", "recovered")
    assert ENDS <= instant(message) <= ENDS + LONGEST_REST
    return message


def assert_told_in_time_instead(ran: Run) -> None:
    """The fallback told each opening when it was due for long enough, and then as soon as its own rules let it."""
    first: dict[str, float] = {}
    for message in ran.messages:
        for name in message.tells if message.channel == "oncall" else ():
            first.setdefault(name, instant(message))
    opened = [each for each in LIVES.values() if each.fires >= BEGINS]
    for urgent, patience in ((True, URGENT_FALLBACK_AFTER), (False, FALLBACK_AFTER)):
        waits = [first[each.name] - each.fires for each in opened if each.urgent == urgent]
        print(f"the fallback told {len(waits)} openings, {urgent=}, after at most {max(waits):g} s")  # noqa: T201
        assert min(waits) >= patience
        assert max(waits) <= patience + GROUP_WAIT + GROUP_INTERVAL + DIGEST_INTERVAL


def report(title: str, attempts: Attempts, message: Message) -> None:
    """Figures for docs/proofs.md."""
    each = attempts.of_each_alert().values()
    print(  # noqa: T201
        f"two hours, {title}: {EVENTS} events of {len(LIVES)} alerts; {len(attempts.made)} attempts, an alert in at"
        f" most {max(each)}, half of them in {median(each):g} or fewer; one digest of {len(message.tells)}"
        f" {(instant(message) - ENDS) / MINUTE:.1f} minutes after the end"
    )


@pytest.mark.parametrize("kind", ["transient", "misconfigured"])
def test_after_two_hours_of_five_hundred_alerts_one_digest_tells_each_once(
    tmp_path: Path, attempts: Attempts, kind: str
) -> None:
    ran = lived(tmp_path, kind)
    assert told(ran, "ops") == {name: [each.news] if each.news else [] for name, each in LIVES.items()}
    message = recovered(ran)
    report(kind, attempts, message)
    assert len(attempts.made) <= attempts.most(kind)
    # Told, or overtaken by what was: a firing by its resolve, a resolve by its refiring.
    books = ran.books()
    assert books == {"accepted": EVENTS, "delivered": books["delivered"], "superseded": EVENTS - books["delivered"]}


@pytest.mark.parametrize("kind", ["transient", "misconfigured"])
def test_with_a_fallback_the_digest_leaves_out_what_was_told_in_full_instead(
    tmp_path: Path, attempts: Attempts, kind: str
) -> None:
    ran = lived(tmp_path, kind, *FALLBACK)
    assert told(ran, "oncall") == {name: list(each.meanwhile) for name, each in LIVES.items()}
    owed = {name: each.news for name, each in LIVES.items() if each.news and not each.failed_over}
    owed |= {name: FIRING for name, each in LIVES.items() if each.refires}
    message = recovered(ran)
    assert message.tells == owed
    report(f"{kind}, with a fallback", attempts, message)
    assert len(attempts.made) <= attempts.most(kind)
    assert_told_in_time_instead(ran)
    assert ran.books()["failed_over"] == sum(each.failed_over for each in LIVES.values())
    assert set(ran.books()) == {"accepted", "delivered", "superseded", "failed_over"}
    copies = ran.books("oncall")
    assert copies == {"accepted": copies["delivered"], "delivered": copies["delivered"]}
