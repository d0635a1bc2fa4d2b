"""The promise across ``kill -9``: what was accepted is told, copies are byte-identical, and the books balance.

The test keeps its own books: accepted is what it posted (distinct alerts, for each channel), delivered what the sinks
got (the alerts' ids found in mails and Slack messages), pending the rows of the store's file as the dead process left
it, read by sqlite3 alone.
"""

import asyncio
import json
import random
import re
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import aiohttp
import pytest

from receiver.demo.slack_endpoint import PATH, SlackEndpoint
from tests.end_to_end.notifications import alert, mail_text, notification, slack_text
from tests.end_to_end.processes import PATIENCE, ReceiverProcess, Start, configuration, until
from tests.smtp_server import HANG, SmtpServer

CHANNELS = ("mail", "chat")
ROUNDS = 5

_ID = re.compile(r"\bid-(\d{6})\b")
_UID = re.compile(r"\bmessage ([0-9a-f]{32})\b")


def body(first: int, size: int) -> bytes:
    """A notification of alerts with the ids ``first``, ``first + 1``…; they are a group of their own."""
    return notification(*(alert(f"Alert{first}", id=f"id-{id_:06}") for id_ in range(first, first + size)))


def ids(texts: Iterable[str]) -> set[int]:
    """The ids of the alerts that these texts name."""
    return {int(id_) for text in texts for id_ in _ID.findall(text)}


def pending(store: Path, scratch: Path) -> dict[str, list[int]]:
    """Each channel's pending entries by alert id, from the rows of a copy of the file and its log as they lie there."""
    scratch.mkdir()
    for name in (store.name, f"{store.name}-wal"):
        if (store.parent / name).exists():
            shutil.copy(store.parent / name, scratch / name)
    connection = sqlite3.connect(scratch / store.name)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = connection.execute(
            """
            SELECT channel.name, alert.labels
            FROM (
                SELECT channel_id, episode_id FROM delivery WHERE phase IN ('waiting', 'held')
                UNION ALL
                SELECT message.channel_id, message_item.episode_id
                FROM message JOIN message_item ON message_item.message_id = message.id
                WHERE message.state IN ('claimed', 'unknown')
            ) AS entry
            JOIN channel ON channel.id = entry.channel_id
            JOIN episode ON episode.id = entry.episode_id
            JOIN alert ON alert.id = episode.alert_id
            """
        ).fetchall()
    finally:
        connection.close()
    found: dict[str, list[int]] = {channel: [] for channel in CHANNELS}
    for channel, labels in rows:
        found[channel].append(int(json.loads(labels)["id"].removeprefix("id-")))
    return found


class Sinks:
    """What the mail server and the Slack endpoint got, copies included."""

    def __init__(self, smtp: SmtpServer, slack: SlackEndpoint) -> None:
        self.smtp = smtp
        self.slack = slack

    def messages(self, channel: str) -> dict[str, set[bytes]]:
        """The different bytes that were handed over under each message's own id."""
        found: dict[str, set[bytes]] = defaultdict(set)
        for data, text in self._handed_over(channel):
            [uid] = _UID.findall(text)
            found[uid].add(data)
        return found

    def told(self, channel: str) -> set[int]:
        """The ids of all alerts that the channel told."""
        return ids(text for _, text in self._handed_over(channel))

    def assert_copies_are_identical(self) -> None:
        """No message came in two versions, and no alert in two messages."""
        for channel in CHANNELS:
            named: dict[int, set[str]] = defaultdict(set)
            for uid, versions in self.messages(channel).items():
                assert len(versions) == 1, f"{channel}: message {uid} came in {len(versions)} versions"
            for _, text in self._handed_over(channel):
                for id_ in ids([text]):
                    named[id_].add(_UID.findall(text)[0])
            twice = {id_: uids for id_, uids in named.items() if len(uids) > 1}
            assert not twice, f"{channel}: told by several messages: {twice}"

    def _handed_over(self, channel: str) -> list[tuple[bytes, str]]:
        if channel == "mail":
            return [(data, mail_text(data)) for data in self.smtp.transmitted]
        return [(message.body, slack_text(message.payload)) for message in self.slack.messages]


async def assert_balanced(receiver: ReceiverProcess, sinks: Sinks, posted: set[int]) -> None:
    """All that was posted is told, and the receiver's own books say the same as the test's."""
    for channel in CHANNELS:
        ledger = await receiver.settled(channel, delivered=len(posted))
        assert sinks.told(channel) == posted
        # A notification that got no answer is posted again, as Alertmanager does.
        assert ledger["accepted"] - ledger.get("duplicate", 0) == len(posted)
        assert set(ledger) <= {"accepted", "delivered", "duplicate"}
    sinks.assert_copies_are_identical()


async def both_have_failed(receiver: ReceiverProcess) -> None:
    """Wait until both channels have tried, and settled that they failed."""

    async def failed() -> bool:
        samples = await receiver.metrics()
        failures = [
            sum(n for name, n in samples.items() if name.startswith(f'delivery_failures_total{{channel="{channel}"'))
            for channel in CHANNELS
        ]
        return all(failures)

    await until(failed, "both channels have tried and failed")


async def test_what_waits_while_the_sinks_are_down_is_told_after_a_kill_and_a_restart(
    start: Start, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    smtp_port, slack_port = free_port(), free_port()
    smtp, slack = SmtpServer(), SlackEndpoint()
    receiver = await start(configuration(smtp_port, f"http://127.0.0.1:{slack_port}{PATH}"))
    posted = set(range(40))
    for first in range(0, 40, 4):
        assert (await receiver.post(body(first, 4))).status == 200

    await both_have_failed(receiver)
    await receiver.kill()
    for waiting in pending(receiver.store, tmp_path / "copy").values():
        assert sorted(waiting) == sorted(posted)

    await receiver.restart()
    for channel in CHANNELS:
        assert await receiver.ledger(channel) == {"accepted": len(posted), "pending": len(posted)}
    await smtp.start(smtp_port)
    await slack.start(port=slack_port)
    try:
        sinks = Sinks(smtp, slack)
        await assert_balanced(receiver, sinks, posted)
        # The sinks were surely not reached before: nobody got a copy.
        assert len(smtp.transmitted) == len(sinks.messages("mail"))
        assert len(slack.messages) == len(sinks.messages("chat"))
        assert await receiver.terminate() == 0
        assert pending(receiver.store, tmp_path / "after") == {"mail": [], "chat": []}
    finally:
        await smtp.stop()
        await slack.stop()


async def test_what_fired_and_resolved_while_the_sinks_were_down_is_told_in_one_line_after_a_kill(
    start: Start, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    smtp_port, slack_port = free_port(), free_port()
    smtp, slack = SmtpServer(), SlackEndpoint()
    receiver = await start(configuration(smtp_port, f"http://127.0.0.1:{slack_port}{PATH}"))
    fired = alert("Disk", id="id-000001")
    assert (await receiver.post(notification(fired))).status == 200
    await both_have_failed(receiver)
    ended = fired | {"status": "resolved", "endsAt": "2099-01-01T00:00:00Z"}
    assert (await receiver.post(notification(ended))).status == 200
    await receiver.kill()
    assert pending(receiver.store, tmp_path / "copy") == {"mail": [1], "chat": [1]}
    await receiver.restart()
    await smtp.start(smtp_port)
    await slack.start(port=slack_port)
    try:
        for channel in CHANNELS:
            ledger = await receiver.settled(channel, accepted=2)
            assert ledger == {"accepted": 2, "delivered": 1, "superseded": 1}
        [mail], [message] = smtp.transmitted, slack.messages
        for text in (mail_text(mail), slack_text(message.payload)):
            assert text.startswith("[FIRED AND RESOLVED:1] Disk")
        assert await receiver.terminate() == 0
    finally:
        await smtp.stop()
        await slack.stop()


async def test_a_message_cut_short_by_a_kill_is_repeated_byte_for_byte(
    start: Start, tmp_path: Path, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    receiver = await start(configuration(smtp.port, slack.url))
    smtp.answer_next(".", HANG)
    slack.hang_next()
    posted = set(range(3))
    assert (await receiver.post(body(0, 3))).status == 200
    async with asyncio.timeout(PATIENCE):
        await smtp.wait_until(lambda: len(smtp.transmitted) == 1)
        await slack.wait_for(1)
    await receiver.kill()
    for waiting in pending(receiver.store, tmp_path / "copy").values():
        assert sorted(waiting) == sorted(posted)

    await receiver.restart()
    await assert_balanced(receiver, Sinks(smtp, slack), posted)
    assert len(smtp.transmitted) == 2
    assert smtp.transmitted[0] == smtp.transmitted[1] == smtp.mails[0].data
    assert len(slack.messages) == 2
    assert slack.messages[0].body == slack.messages[1].body


async def test_news_that_came_after_a_doubtful_message_is_told_after_it_not_instead_of_it(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    receiver = await start(configuration(smtp.port, slack.url, group_by=["alertname"]))
    smtp.answer_next(".", HANG)
    fired = alert("Disk", id="id-000001")
    assert (await receiver.post(notification(fired))).status == 200
    async with asyncio.timeout(PATIENCE):
        await smtp.wait_until(lambda: len(smtp.transmitted) == 1)
    ended = fired | {"status": "resolved", "endsAt": "2099-01-01T00:00:00Z"}
    assert (await receiver.post(notification(ended))).status == 200
    await receiver.kill()
    await receiver.restart()
    await receiver.settled("mail", accepted=2, delivered=2)
    subjects = [mail_text(data).partition("\n")[0] for data in smtp.transmitted]
    assert [subject.partition(" ")[0] for subject in subjects] == ["[FIRING:1]", "[FIRING:1]", "[RESOLVED]"]
    assert smtp.transmitted[0] == smtp.transmitted[1]


@pytest.mark.parametrize("seed", [20261121])
async def test_no_moment_of_a_kill_loses_an_alert_or_tells_it_in_two_ways(
    start: Start, tmp_path: Path, smtp: SmtpServer, slack: SlackEndpoint, seed: int
) -> None:
    moments = random.Random(seed)
    sinks = Sinks(smtp, slack)
    # No outage is longer than this: each group gets a message of its own, in which every alert is named.
    receiver = await start(configuration(smtp.port, slack.url, group_interval="1h"))
    posted: set[int] = set()
    unanswered: list[int] = []

    async def post(first: int) -> None:
        try:
            answer = await receiver.post(body(first, 4))
        except aiohttp.ClientError:
            unanswered.append(first)
        else:
            assert answer.status == 200

    async def pour(starts: Iterable[int]) -> None:
        for first in starts:
            await post(first)

    for number in range(ROUNDS):
        again, starts = list(unanswered), range(1000 * number, 1000 * number + 160, 4)
        unanswered.clear()
        posted |= {id_ for first in starts for id_ in range(first, first + 4)}
        pouring = asyncio.gather(pour(again), *(pour(starts[part::4]) for part in range(4)))
        # Not a wait for something to have happened: the moment of the kill is what is drawn here.
        await asyncio.sleep(moments.uniform(0.005, 0.25))
        await receiver.kill()
        await pouring
        answered = posted - {id_ for first in unanswered for id_ in range(first, first + 4)}
        left = pending(receiver.store, tmp_path / f"copy{number}")
        print(f"round {number}: {len(answered)} of {len(posted)} alerts answered,", end="")  # noqa: T201 - to be seen
        for channel in CHANNELS:
            told = sinks.told(channel)
            print(f" {channel}: {len(told)} told, {len(left[channel])} pending,", end="")  # noqa: T201
            assert answered <= told | set(left[channel]), f"round {number}: {channel} lost an alert"
            assert told | set(left[channel]) <= posted
        print(f" {len(unanswered)} posts unanswered")  # noqa: T201
        await receiver.restart()
    await pour(list(unanswered))
    await assert_balanced(receiver, sinks, posted)
    assert await receiver.terminate() == 0
