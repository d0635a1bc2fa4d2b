"""What ``alert-receiver demo`` tells: five acts from an on-call person's day, and the books at the end."""

import asyncio
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

from click import ClickException
from click.exceptions import Exit

from receiver import __version__, logs
from receiver.core.entries import Outcome
from receiver.demo import notifications
from receiver.demo.accounts import Account, Snapshot, changes
from receiver.demo.notifications import CAPTURED, Body
from receiver.demo.screen import BOLD, CYAN, DIM, GREEN, Screen
from receiver.demo.stage import Broken, Stage, staged

STORM_PARTS = 5
STORM_PAUSE = 0.15
OUTAGE_ATTEMPTS = 3
BREATH = 1.0
"""Seconds after an act, so that one can follow."""

_ALWAYS_SHOWN = (Outcome.DELIVERED, Outcome.DUPLICATE, Outcome.SUPERSEDED, Outcome.UNANNOUNCED)


class _Interrupted(Exception):
    """Somebody wants it to end: Ctrl-C, or a signal that means the same."""


async def tell(keep: bool) -> None:
    """Tell the whole story, and with ``keep`` go on with what the user posts. Ends early with click's exceptions."""
    # Expected trouble is part of the show; only what nobody expected may interrupt it.
    logs.configure("error", "logfmt")
    screen = Screen(sys.stdout)
    told = False
    try:
        async with _interruptible(), staged(screen, lambda text: _prologue(screen, text)) as stage:
            await _acts(stage)
            _books(stage, await stage.settled())
            told = True
            if keep:
                # Slack takes a message a second, and urgent news would follow the last one at once.
                await stage.pause(BREATH)
                _invite(stage)
                logs.configure("warn", "logfmt")
                await stage.narrate()
    except _Interrupted:
        screen.line()
        screen.line("Stopped, and the temporary folder is gone.", DIM)
        raise Exit(0 if told else 130) from None
    except Broken as error:
        raise ClickException(str(error)) from None


@asynccontextmanager
async def _interruptible() -> AsyncIterator[None]:
    """Turns the first signal to end into _Interrupted; further ones don't disturb the clearing up."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    interrupted = asyncio.Event()

    def stop() -> None:
        if not interrupted.is_set():
            interrupted.set()
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        if not interrupted.is_set():
            raise
        task.uncancel()
        raise _Interrupted from None


def _prologue(screen: Screen, configuration: str) -> None:
    screen.line(f"alert-receiver {__version__}, the demo", BOLD)
    screen.paragraph(
        "A receiver, a mail server and a Slack endpoint, all in this process and on loopback; the notifications are "
        "such as a real Alertmanager sent. This is the whole configuration, its intervals shortened to seconds so "
        "that you need not wait:"
    )
    screen.line()
    screen.verbatim(configuration)


async def _acts(stage: Stage) -> None:
    first = await _fires(stage)
    await stage.pause(BREATH)
    await _repeats(stage, first)
    await stage.pause(BREATH)
    await _storms(stage)
    await stage.pause(BREATH)
    await _resolves(stage, first)
    await stage.pause(BREATH)
    await _outlasts(stage)


async def _fires(stage: Stage) -> datetime:
    """Act 1; returns since when its alert fires."""
    stage.screen.title(
        "1. One alert fires",
        "It waits group_wait for others to join, then each channel tells it once: whoever is on call reads what is "
        "wrong, where, and since when.",
    )
    stage.screen.mail_lines, stage.screen.slack_lines = 4, 4
    since = datetime.now(UTC)
    await _post(stage, notifications.fires("resolved-1-firing", since))
    await stage.settled()
    return since


async def _repeats(stage: Stage, since: datetime) -> None:
    """Act 2."""
    stage.screen.title(
        "2. The other Alertmanager of the HA pair says the same",
        "Both peers send when they can't agree in time. Nobody should be woken twice for one alert.",
    )
    await _post(stage, notifications.from_the_peer(notifications.fires("resolved-1-firing", since)))
    if not (await stage.look()).pending:
        stage.screen.event("=", "nothing is pending, so no message follows", CYAN)


async def _storms(stage: Stage) -> None:
    """Act 3."""
    stage.screen.title(
        f"3. A storm: {STORM_PARTS} notifications of a hundred alerts each, one right after the other",
        "A cluster goes down. The first message must come at once, and the rest must not be hundreds of messages: "
        "what comes during the group's cooldown goes together into its next one.",
    )
    stage.screen.mail_lines = stage.screen.slack_lines = 0
    before, since = await stage.look(), datetime.now(UTC)
    for part in range(STORM_PARTS):
        await _post(stage, notifications.storm(part, since), explain=False)
        await stage.pause(STORM_PAUSE)
    stage.screen.slack_lines = 2
    stage.screen.event("=", changes(before, await stage.look()), CYAN)
    await stage.settled()


async def _resolves(stage: Stage, since: datetime) -> None:
    """Act 4."""
    stage.screen.title(
        "4. The first alert resolves",
        "Everyone who was told that it fires is told that it is over, and how long it lasted.",
    )
    stage.screen.mail_lines, stage.screen.slack_lines = 3, 0
    await _post(stage, notifications.resolves("resolved-2-resolved", since, datetime.now(UTC)))
    await stage.settled()


async def _outlasts(stage: Stage) -> None:
    """Act 5."""
    stage.screen.title(
        "5. Slack is down while an alert fires and resolves",
        "Mail must not be held up by it, the alert must not be lost, and when Slack is back nobody needs two stale "
        "messages about something that is over: one tells that it fired and resolved.",
    )
    stage.screen.mail_lines, stage.screen.slack_lines = 0, 2
    stage.slack.fail_next(503, "no healthy upstream", times=OUTAGE_ATTEMPTS)
    since = datetime.now(UTC)
    await _post(stage, notifications.fires("firing", since))
    await stage.until(
        lambda seen: not seen.accounts["oncall"].pending and len(seen.refusals) >= OUTAGE_ATTEMPTS - 1,
        "the mail is sent and Slack refuses",
    )
    await _post(stage, notifications.resolves("firing", since, datetime.now(UTC)))
    await stage.settled()


async def _post(stage: Stage, body: Body, *, explain: bool = True) -> None:
    """Post a notification; say what came in and, from the books, what became of it."""
    before = await stage.look()
    answer = await stage.post(body)
    after = await stage.look()
    alerts, sender = body["alerts"], str(urlsplit(body["externalURL"]).hostname).partition(".")[0]
    labels = alerts[0]["labels"]
    if len(alerts) == 1:
        what = f"1 alert {body['status']}: {labels['alertname']} on {labels['instance']}"
    else:
        what = f"{len(alerts)} alerts {body['status']}: {labels['alertname']} in {labels['cluster']}"
    stage.screen.event("→", f"{what}, from {sender}: {answer.status} in {answer.took:.0f} ms", CYAN)
    if explain:
        stage.screen.event("=", changes(before, after), CYAN)


def _books(stage: Stage, seen: Snapshot) -> None:
    """The ledger, and whether it balances; raises Broken if not."""
    screen = stage.screen
    screen.title(
        "The books",
        "On each channel, every alert that came in has exactly one outcome, or is still pending. Duplicate: said "
        "before. Superseded: newer news said it all before it was told. Unannounced: nobody had been told that it "
        "fired.",
    )
    screen.line()
    kinds = {"ops": "Slack", "oncall": "email"}
    screen.table([f"{name} ({kinds[name]})" for name in seen.accounts], _rows(list(seen.accounts.values())))
    screen.line()
    wrong = list(_imbalances(stage, seen))
    if wrong:
        raise Broken(f"the books do not balance: {'; '.join(wrong)}")
    screen.paragraph(
        f"They balance: {stage.posted:,} alerts were posted, each channel accounts for all {stage.posted:,}, and "
        f"nothing is pending. People got {len(stage.mail.mails)} mails and {len(stage.slack.messages)} Slack messages.",
        GREEN,
    )


def _rows(accounts: list[Account]) -> Iterator[tuple[str, list[int]]]:
    yield "accepted", [account.accepted for account in accounts]
    for i, outcome in enumerate(_ALWAYS_SHOWN):
        yield f"{'+' if i else '='} {outcome}", [account.outcomes[outcome] for account in accounts]
    shown = [sum(account.outcomes[outcome] for outcome in _ALWAYS_SHOWN) for account in accounts]
    yield "+ other outcomes", [account.settled - n for account, n in zip(accounts, shown, strict=True)]
    yield "+ pending", [account.pending for account in accounts]


def _imbalances(stage: Stage, seen: Snapshot) -> Iterator[str]:
    for name, account in seen.accounts.items():
        if account.accepted != stage.posted:
            yield f"{name} accepted {account.accepted} of {stage.posted} alerts"
        if not account.balances or account.pending:
            yield f"{name} accepted {account.accepted}: {account.settled} with an outcome, {account.pending} pending"


def _invite(stage: Stage) -> None:
    screen, url = stage.screen, stage.receiver.url
    screen.title(
        "Your turn",
        "It goes on running, with the same short intervals. This posts a captured notification of three alerts; a "
        "second time they are duplicates:",
    )
    screen.line()
    file = shlex.quote(str(CAPTURED / "multi.json"))
    screen.verbatim(f"curl --data-binary @{file} {url}/webhook")
    screen.line()
    screen.line(f"Alertmanager can post to {url}/webhook, too; the metrics are at /metrics.")
    screen.line("Ctrl-C ends it.")
    screen.line()
    screen.mail_lines, screen.slack_lines = 4, 4
