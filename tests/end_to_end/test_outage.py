"""Sinks that are away for a time, on the real clock: nothing is lost or told twice, and others do not notice.

The test keeps its own books: what each channel must tell of each alert, against the messages that the sinks took and
the rows of the store's file, read by sqlite3 alone.
"""

import asyncio
import re
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import pytest

from receiver.demo.slack_endpoint import Failing, SlackEndpoint
from tests.end_to_end.notifications import Body, alert, counted, mail_text, notification, slack_text
from tests.end_to_end.processes import PATIENCE, ReceiverProcess, Start, configuration, until
from tests.smtp_server import SmtpServer

CHANNELS = ("mail", "chat")
FIRING, RESOLVED, FIRED_AND_RESOLVED = "firing", "resolved", "fired_and_resolved"

# Ten groups of five: two are told before the sinks go away, of the others two are urgent.
GROUPS, SIZE, BEFORE, URGENT = 10, 5, 2, (4, 7)
# One that was told before resolves while they are away, and one that fired meanwhile.
RESOLVING = {5: 0, 8: 3}

MOST_ATTEMPTS = 10
MOST_SECONDS = 5.0
# What a loaded machine may add to what the backoff allows.
LEEWAY = 2.0
LONGEST_STEP = 300

WAITING = 5_000
MOST_DELAY = 2.0

_DIGEST = re.compile(r"\[DIGEST: (\d+) alerts in")
_UID = re.compile(r"\bmessage ([0-9a-f]{32})\b")


def group(number: int) -> list[Body]:
    """The alerts of a group."""
    severity = "critical" if number in URGENT else "warning"
    return [alert(f"Alert{number}", id=f"{number}-{n}", severity=severity) for n in range(SIZE)]


def over(alerts: Sequence[Body]) -> list[Body]:
    """The same alerts, resolved."""
    return [each | {"status": "resolved", "endsAt": "2099-01-01T00:00:00Z"} for each in alerts]


def to_be_told(number: int) -> list[str]:
    """What is to be told of each alert of the group, in turn."""
    if number not in RESOLVING.values():
        return [FIRING]
    return [FIRING, RESOLVED] if number < BEFORE else [FIRED_AND_RESOLVED]


LINES = {f"{number}-{n}": to_be_told(number) for number in range(GROUPS) for n in range(SIZE)}
TOLD = sum(map(len, LINES.values()))
ACCEPTED = SIZE * (GROUPS + len(RESOLVING))


def rows(store: Path, query: str) -> list[tuple[Any, ...]]:
    """What the store's file holds."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def told(store: Path, channel: str) -> dict[str, list[str]]:
    """What the messages that the channel's provider took told of each alert, in turn."""
    found: dict[str, list[str]] = defaultdict(list)
    for id_, line in rows(
        store,
        f"""
        SELECT json_extract(alert.labels, '$.id'), message_item.line
        FROM message JOIN channel ON channel.id = message.channel_id AND channel.name = '{channel}'
        JOIN message_item ON message_item.message_id = message.id
        JOIN episode ON episode.id = message_item.episode_id JOIN alert ON alert.id = episode.alert_id
        WHERE message.state = 'sent' ORDER BY message.id
        """,
    ):
        found[id_].append(line)
    return found


def attempts(store: Path, channel: str) -> Counter[str]:
    """How many attempts each alert was in, those that reached nobody included."""
    query = f"""
        SELECT json_extract(alert.labels, '$.id'), count(*)
        FROM attempt JOIN message ON message.id = attempt.message_id
        JOIN channel ON channel.id = message.channel_id AND channel.name = '{channel}'
        JOIN message_item ON message_item.message_id = message.id
        JOIN episode ON episode.id = message_item.episode_id JOIN alert ON alert.id = episode.alert_id
        GROUP BY 1
        """
    return Counter(dict(rows(store, query)))


def failed(store: Path, channel: str) -> int:
    """How many attempts of the channel have failed."""
    query = f"""
        SELECT count(*) FROM attempt JOIN message ON message.id = attempt.message_id
        JOIN channel ON channel.id = message.channel_id AND channel.name = '{channel}'
        WHERE attempt.failure_class IS NOT NULL
        """
    [(n,)] = rows(store, query)
    return int(n)


def handed_over(smtp: SmtpServer, slack: SlackEndpoint) -> dict[str, list[str]]:
    """The texts of all messages that reached the sinks in full, copies included."""
    return {
        "mail": [mail_text(data) for data in smtp.transmitted],
        "chat": [slack_text(message.payload) for message in slack.messages],
    }


def size(text: str) -> int:
    """How many alerts the message says that it tells."""
    digest = _DIGEST.match(text)
    return int(digest[1]) if digest else counted(text)


def assert_told_exactly_once(receiver: ReceiverProcess, smtp: SmtpServer, slack: SlackEndpoint) -> None:
    """Each channel told all there was to tell, in as many messages as it made, and none of them twice."""
    for channel, texts in handed_over(smtp, slack).items():
        assert told(receiver.store, channel) == LINES
        assert sum(map(size, texts)) == TOLD
        uids = [uid for text in texts for uid in _UID.findall(text)]
        sent = f"SELECT uid FROM message JOIN channel ON channel.id = channel_id WHERE name = '{channel}'"
        assert sorted(uids) == sorted(uid for (uid,) in rows(receiver.store, f"{sent} AND state = 'sent'"))
        assert len(uids) == len(set(uids)) == len(texts)


async def begin(start: Start, smtp: SmtpServer, slack: SlackEndpoint) -> tuple[ReceiverProcess, list[list[Body]]]:
    """A receiver that has told the first groups, and the alerts of all of them."""
    receiver = await start(configuration(smtp.port, slack.url, group_interval="2s"))
    alerts = [group(number) for number in range(GROUPS)]
    assert (await receiver.post(notification(*(each for first in alerts[:BEFORE] for each in first)))).status == 200
    for channel in CHANNELS:
        await receiver.settled(channel, delivered=BEFORE * SIZE)
    return receiver, alerts


async def pass_the_outage(receiver: ReceiverProcess, alerts: Sequence[Sequence[Body]], seconds: float) -> None:
    """The other groups arrive, evenly over so many seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(BEFORE, GROUPS):
        said = [*alerts[number], *(over(alerts[RESOLVING[number]]) if number in RESOLVING else ())]
        assert (await receiver.post(notification(*said))).status == 200
        # Not a wait for something to have happened: an outage takes its time.
        await asyncio.sleep(began + seconds * (number - BEFORE + 1) / (GROUPS - BEFORE) - loop.time())


async def recover(receiver: ReceiverProcess) -> dict[str, float]:
    """The sinks are back: in how many seconds from now each channel has told everything."""
    back = time.monotonic()

    async def drained(channel: str) -> float:
        told_all = {"accepted": ACCEPTED, "delivered": TOLD, "superseded": ACCEPTED - TOLD}

        async def settled() -> bool:
            return await receiver.ledger(channel) == told_all

        await until(settled, f"{channel} has told everything", LONGEST_STEP)
        return time.monotonic() - back

    return dict(zip(CHANNELS, await asyncio.gather(*map(drained, CHANNELS)), strict=True))


def assert_tried_seldom(receiver: ReceiverProcess, seconds: float, channel: str, drain: float) -> None:
    """No alert was in more attempts than promised; figures for docs/proofs.md."""
    each = attempts(receiver.store, channel)
    assert set(each) == set(LINES)
    most, half = max(each.values()), median(each.values())
    print(f"away for {seconds} s: {channel} drained after {drain:.2f} s,", end="")  # noqa: T201
    print(f" at most {most} attempts an alert, half of them in {half:g} or fewer")  # noqa: T201
    assert most <= MOST_ATTEMPTS


@pytest.mark.parametrize("seconds", [12, pytest.param(60, marks=pytest.mark.prove)])
async def test_what_comes_while_nobody_answers_is_told_once_within_seconds_of_the_return(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint, seconds: int
) -> None:
    receiver, alerts = await begin(start, smtp, slack)
    slack_port = urlsplit(slack.url).port
    assert slack_port
    await smtp.stop()
    await slack.stop()
    await pass_the_outage(receiver, alerts, seconds)
    await smtp.start(smtp.port)
    await slack.start(port=slack_port)
    for channel, drain in (await recover(receiver)).items():
        assert_tried_seldom(receiver, seconds, channel, drain)
        assert drain <= MOST_SECONDS
    assert_told_exactly_once(receiver, smtp, slack)
    assert await receiver.terminate() == 0


@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=pytest.mark.prove)])
async def test_what_comes_while_the_sinks_say_later_is_told_once_by_the_next_retry(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint, seconds: int
) -> None:
    receiver, alerts = await begin(start, smtp, slack)
    smtp.answer_always("MAIL", "421 4.3.2 Service not available, closing transmission channel")
    slack.failing = Failing(503, "service_unavailable")
    await pass_the_outage(receiver, alerts, seconds)
    smtp.recover()
    slack.failing = None
    for channel, drain in (await recover(receiver)).items():
        assert_tried_seldom(receiver, seconds, channel, drain)
        failures = failed(receiver.store, channel)
        step = 2 ** (failures - 1)
        print(f"{channel} had failed {failures} times in a row, so it rested for {step} s at most")  # noqa: T201
        assert failures >= 3
        assert drain <= step + LEEWAY
    assert_told_exactly_once(receiver, smtp, slack)
    assert await receiver.terminate() == 0


async def delays(receiver: ReceiverProcess, smtp: SmtpServer, name: str, pause: float = 0) -> list[float]:
    """How long each of forty alerts, one after the other, takes from its posting until the mail server has it."""
    found = []
    for number in range(40):
        # Urgent news makes a channel that fails try at once.
        each = alert(f"{name}{number}", severity="critical" if number % 4 == 0 else "warning")
        mails, began = len(smtp.mails), time.monotonic()
        assert (await receiver.post(notification(each))).status == 200
        async with asyncio.timeout(PATIENCE):
            await smtp.wait_for(mails + 1)
        found.append(time.monotonic() - began)
        assert f"{name}{number}" in mail_text(smtp.mails[-1].data)
        await asyncio.sleep(pause)
    return sorted(found)


async def test_a_dead_and_a_hanging_channel_delay_no_other(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    hanging = SlackEndpoint()
    await hanging.start()
    config = configuration(smtp.port, slack.url, group_wait="10ms", group_interval="1s")
    channels = config["channels"]
    assert isinstance(channels, list)
    channels.append({"name": "hanging", "type": "slack", "webhook_url": hanging.url})
    try:
        receiver = await start(config)
        well = await delays(receiver, smtp, "Well")
        await slack.stop()
        hanging.failing = Failing(hang=True)
        sick = await delays(receiver, smtp, "Sick")
        failures = failed(receiver.store, "chat")
        body = notification(*(alert(f"Waiting{n % 500}", id=f"{n}") for n in range(WAITING)))
        assert (await receiver.post(body, "/webhook/chat")).status == 200
        # In so much time that the dead one tries again and again with all of them.
        full = await delays(receiver, smtp, "Full", pause=0.1)
        failures_when_full = failed(receiver.store, "chat") - failures
        hangs = (await receiver.metrics())['ledger_pending{channel="hanging",state="sending"}']
    finally:
        await hanging.stop()
    for when, found in (("all well", well), ("one dead, one hanging", sick), (f"{WAITING:,} wait on the dead", full)):
        print(f"{when}: half of the mails within {1000 * median(found):.0f} ms,", end="")  # noqa: T201
        print(f" 39 of 40 within {1000 * found[-2]:.0f} ms, all within {1000 * found[-1]:.0f} ms")  # noqa: T201
    print(f"the dead one tried {failures} times, then {failures_when_full} times")  # noqa: T201
    assert failures
    assert failures_when_full >= 2
    assert hangs
    for found in (sick, full):
        assert median(found) <= 2 * median(well) + 0.1
        assert found[-1] <= MOST_DELAY
