"""``send-test`` and ``check-config --deep``, against a real mail server and a Slack endpoint on loopback."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from receiver import trial
from receiver.channels.base import Receipt, Refusal
from receiver.config import kinds
from receiver.config.destinations import BroughtDestination, ConsoleDestination
from receiver.config.types import Channel
from receiver.core.content import Rendered
from receiver.demo.slack_endpoint import SlackEndpoint
from receiver.dispatch import Outlet
from receiver.messages import console
from tests.end_to_end.processes import Finished, Program, command
from tests.slack_workspace import TOKEN, Workspace
from tests.smtp_server import DROP, HANG, SmtpServer

PASSWORD = "right-horse-battery-staple"
WRONG = "wrong-horse-battery-staple"
SLACK_TOKEN = "tokenOfTheWebhookThatIsWrong"
FILE = "alert-receiver.yml"
SEND_TEST = ("send-test", "--config.file", FILE)
DEEP = ("check-config", "--deep", FILE)


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    server = SmtpServer(credentials=("alerts", PASSWORD))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def slack() -> AsyncIterator[SlackEndpoint]:
    endpoint = SlackEndpoint()
    await endpoint.start()
    yield endpoint
    await endpoint.stop()


@pytest.fixture
async def nobody() -> int:
    """A port on which somebody listened once."""
    server = SmtpServer()
    await server.start()
    await server.stop()
    return server.port


Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, smtp: SmtpServer, slack: SlackEndpoint) -> Write:
    """Writes a configuration in which all is well, but for what is given."""

    def write(name: str = FILE, webhook_url: str | None = None, storage: str | None = None, **server: Any) -> None:
        sound = {"host": "127.0.0.1", "port": smtp.port, "security": "none", "username": "alerts", "password": PASSWORD}
        config: dict[str, Any] = {
            "smtp": sound | server,
            "channels": [
                {
                    "name": "oncall",
                    "type": "email",
                    "from": "Alerts <alerts@example.com>",
                    "to": ["ann@example.org", "bob@example.org"],
                },
                {"name": "ops", "alias": "war-room", "type": "slack", "webhook_url": webhook_url or slack.url},
            ],
        }
        if storage is not None:
            config["storage"] = {"url": storage}
        (tmp_path / name).write_text(yaml.safe_dump(config))

    return write


Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, slack: SlackEndpoint) -> Run:
    """Runs the real program to its end; whatever it says, it holds no credential and no traceback."""

    async def run(*arguments: str) -> Finished:
        finished = await command(*arguments, cwd=tmp_path)
        for credential in (PASSWORD, WRONG, SLACK_TOKEN, "T00000000", "/services/"):
            assert credential not in finished.stdout + finished.stderr
        assert "Traceback" not in finished.stdout + finished.stderr
        return finished

    return run


def refused_webhook(slack: SlackEndpoint) -> str:
    return slack.url.replace("/demo", f"/{SLACK_TOKEN}")


async def test_a_message_through_each_channel_arrives_and_says_so(
    write: Write, run: Run, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    write()
    finished = await run(*SEND_TEST)

    assert finished == Finished(
        0,
        "Sending a test message through 2 channels of alert-receiver.yml\n"
        "  oncall (email)\n"
        "    the mail server took the message (SMTP 250)\n"
        "  ops (slack)\n"
        "    Slack took the message (HTTP 200)\n"
        "SUCCESS: every channel took it. Now see that the messages have arrived.\n",
        "",
    )
    [mail] = smtp.mails
    assert mail.recipients == ("ann@example.org", "bob@example.org")
    assert b"Subject: [NOTICE] Test message from alert-receiver\r\n" in mail.data
    assert b"If you read this, the channel oncall works" in mail.data
    [message] = slack.messages
    assert "If you read this, the channel ops works" in str(message.payload["text"])


async def test_a_console_channel_prints_the_message_under_its_name(tmp_path: Path, run: Run) -> None:
    (tmp_path / FILE).write_text("channels: [{name: local, type: console}]\n")
    finished = await run(*SEND_TEST)

    assert (finished.code, finished.stderr) == (0, "")
    lines = finished.stdout.splitlines()
    assert lines[1:3] == ["  local (console)", "[NOTICE] Test message from alert-receiver"]
    assert lines[-2] == "    the message is printed above"


async def test_a_wrong_password_and_a_wrong_webhook_are_told_with_what_to_do(
    write: Write, run: Run, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    write(password=WRONG, webhook_url=refused_webhook(slack))
    finished = await run(*SEND_TEST)

    assert (finished.code, finished.stderr) == (1, "")
    assert finished.stdout.splitlines()[1:] == [
        "  oncall (email)",
        "    FAILED: the mail server refused the username or password (SMTP 535); "
        'check "username" and the password (or its _file or _env), with some providers an app password',
        "  ops (slack)",
        "    FAILED: Slack knows no such webhook (HTTP 404); "
        "check the webhook's URL (webhook_url, or its _file or _env), or make a new webhook in Slack if it was removed",
        "FAILED: 2 of 2 channels",
    ]
    assert (smtp.mails, slack.messages) == ([], [])


async def test_one_channel_that_fails_keeps_none_from_being_tried(
    write: Write, run: Run, slack: SlackEndpoint, nobody: int
) -> None:
    write(port=nobody)
    finished = await run(*SEND_TEST)

    assert (finished.code, finished.stderr) == (1, "")
    assert finished.stdout.splitlines()[2:] == [
        "    FAILED: the mail server refused the connection; "
        'check "host" and "port", that the server runs, and that a firewall lets the receiver out',
        "  ops (slack)",
        "    Slack took the message (HTTP 200)",
        "FAILED: 1 of 2 channels",
    ]
    assert len(slack.messages) == 1


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        ("550 5.1.1 <canary> no such user", 'refused bob@example.org (SMTP 550); check this address in "to"'),
        (
            "450 4.2.0 <canary> greylisted",
            "does not take mail for bob@example.org now (SMTP 450, temporary); "
            "try again in some minutes (it may be greylisting, or a full mailbox)",
        ),
    ],
)
async def test_a_recipient_who_is_refused_is_named_and_what_the_server_wrote_is_not_repeated(
    write: Write, run: Run, smtp: SmtpServer, reply: str, line: str
) -> None:
    write()
    smtp.refuse("bob@example.org", reply)
    finished = await run(*SEND_TEST, "--channel=oncall")

    assert finished.code == 1
    assert finished.stdout.splitlines()[2:] == [
        "    the mail server took the message for 1 of 2 recipients (SMTP 250)",
        f"    FAILED: the mail server {line}",
        "FAILED: 1 of 1 channel",
    ]
    assert "canary" not in finished.stdout + finished.stderr
    assert [mail.recipients for mail in smtp.mails] == [("ann@example.org",)]


async def test_channels_are_chosen_by_name_or_alias_and_each_is_sent_to_once(
    write: Write, run: Run, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    write()
    assert (await run(*SEND_TEST, "--channel", "war-room")).code == 0
    assert (smtp.connections, len(slack.messages)) == (0, 1)

    assert (await run(*SEND_TEST, "--channel", "war-room", "--channel", "ops")).code == 0
    assert (smtp.connections, len(slack.messages)) == (0, 2)


async def test_an_unknown_channel_is_wrong_use_and_the_known_ones_are_named(
    write: Write, run: Run, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    write()
    finished = await run(*SEND_TEST, "--channel", "ops", "--channel", "opps")

    assert (finished.code, finished.stdout) == (2, "")
    assert "no channel is called 'opps'; there are: oncall, ops (or war-room)" in finished.stderr
    assert (smtp.connections, slack.requests) == (0, 0)


async def test_a_configuration_that_is_wrong_sends_nothing(write: Write, run: Run, slack: SlackEndpoint) -> None:
    write(security="rot13")
    finished = await run(*SEND_TEST)

    assert (finished.code, finished.stdout) == (1, "")
    assert "smtp.security" in finished.stderr
    assert slack.requests == 0


NOISY = """
import logging
from receiver import cli, trial

async def send(*_):
    logging.getLogger("aiohttp.client").warning("noise")
    logging.getLogger("asyncio").error("broken, password=canary")
    return [trial.Finding("taken")]

trial.send = send
cli.main()
"""


async def test_no_library_is_heard_but_with_an_error_that_holds_no_credential(write: Write, tmp_path: Path) -> None:
    write()
    program = Program(sys.executable, "-c", NOISY, *SEND_TEST, "--channel=ops", cwd=tmp_path)
    try:
        await program.start()
        assert await program.ended() == 0
    finally:
        await program.close()
    [line] = program.stderr
    assert line.endswith('level=error logger=asyncio msg="broken, password=<secret>"\n')


async def test_ctrl_c_ends_it_at_once_and_without_noise(
    write: Write, run: Run, tmp_path: Path, smtp: SmtpServer
) -> None:
    write()
    smtp.answer_next(".", HANG)
    program = Program(sys.executable, "-m", "receiver", *SEND_TEST, cwd=tmp_path)
    try:
        await program.start()
        async with asyncio.timeout(30):
            await smtp.wait_until(lambda: smtp.transmitted)
            await program.wait_until(lambda: "  oncall (email)\n" in program.stdout, "it says what it is doing")
        program.signal(signal.SIGINT)
        assert await program.ended() == 1
    finally:
        await program.close()
    assert "".join(program.stderr).strip() == "Aborted!"


async def test_deep_connects_and_logs_in_and_sends_nothing(
    write: Write, run: Run, tmp_path: Path, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    write()
    before = sorted(os.listdir(tmp_path))
    finished = await run(*DEEP)

    assert finished == Finished(
        0,
        "Checking alert-receiver.yml\n"
        "  SUCCESS: 2 channels found\n"
        "    oncall (email)\n"
        "    ops (slack)\n"
        "  Trying all of it, without sending a message\n"
        f"    storage: can be kept in {tmp_path / 'alert-receiver.db'}\n"
        f"    oncall (email): connected to 127.0.0.1, port {smtp.port}, not encrypted, logged in\n"
        "    ops (slack): Slack knows the webhook\n"
        "  SUCCESS: all of it works\n",
        "",
    )
    assert (smtp.connections, smtp.mails, slack.requests, slack.messages) == (1, [], 1, [])
    assert sorted(os.listdir(tmp_path)) == before


@pytest.fixture
async def workspace(tmp_path: Path) -> AsyncIterator[Workspace]:
    """A Slack workspace, and a configuration with its bot as the only channel."""
    running = Workspace()
    await running.start()
    bot = {"name": "ops", "type": "slack", "bot_token": TOKEN, "channel": "#ops", "api_url": running.url}
    (tmp_path / FILE).write_text(yaml.safe_dump({"channels": [bot]}))
    yield running
    await running.stop()


async def test_a_bot_is_tried_without_a_message_and_with_one(workspace: Workspace, run: Run) -> None:
    deep = await run(*DEEP)
    assert (deep.code, deep.stderr) == (0, "")
    assert (
        "    ops (slack, a bot): Slack knows the bot (whether it may write to #ops, only send-test shows)\n"
        in deep.stdout
    )
    assert "slack_bot" not in deep.stdout
    assert workspace.messages == []

    sent = await run(*SEND_TEST)
    assert (sent.code, sent.stderr) == (0, "")
    assert "  ops (slack, a bot)\n    Slack took the message (HTTP 200)\n" in sent.stdout
    [text] = workspace.view("ops")
    assert "If you read this, the channel ops works" in text
    for words in (TOKEN, "Acme", "canary"):
        assert words not in deep.stdout + sent.stdout


async def test_what_is_wrong_with_a_bot_is_told_with_what_to_do(workspace: Workspace, run: Run) -> None:
    workspace.place("ops").member = False
    assert (
        "FAILED: the bot is not a member of the Slack channel; invite the bot to it in Slack (/invite)\n"
        in (await run(*SEND_TEST)).stdout
    )

    workspace.revoked = True
    failed = await run(*DEEP)
    assert failed.code == 1
    assert (
        "    ops (slack, a bot): FAILED: the bot's token was revoked; check the bot's token (bot_token, "
        in failed.stdout
    )


async def test_deep_tells_every_fault_of_every_file(
    write: Write, run: Run, tmp_path: Path, slack: SlackEndpoint, nobody: int
) -> None:
    write(password=WRONG, webhook_url=refused_webhook(slack), storage=f"sqlite:///{tmp_path}/missing/books.db")
    write("sound.yml")
    write("refused.yml", port=nobody, webhook_url=f"http://127.0.0.1:{nobody}/services/T00000000/B0/{SLACK_TOKEN}")
    finished = await run(*DEEP, "sound.yml", "refused.yml")

    assert (finished.code, finished.stderr) == (1, "")
    first, second, third = finished.stdout.split("Checking ")[1:]
    assert first.splitlines()[4:] == [
        "  Trying all of it, without sending a message",
        f"    storage: FAILED: there is no folder {tmp_path}/missing; "
        'create it for the receiver\'s user, or change "storage.url"',
        "    oncall (email): FAILED: the mail server refused the username or password (SMTP 535); "
        'check "username" and the password (or its _file or _env), with some providers an app password',
        "    ops (slack): FAILED: Slack knows no such webhook (HTTP 404); "
        "check the webhook's URL (webhook_url, or its _file or _env), or make a new webhook in Slack if it was removed",
        "  FAILED: 3 problems",
    ]
    assert second.endswith("  SUCCESS: all of it works\n")
    assert "oncall (email): FAILED: the mail server refused the connection; check " in third
    assert "ops (slack): FAILED: Slack's address refused the connection; check " in third
    assert third.endswith("  FAILED: 2 problems\n")


async def test_without_deep_nobody_is_connected_to(
    write: Write, run: Run, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    write(storage="sqlite:////nowhere/at/all/books.db")
    finished = await run("check-config", FILE)

    assert finished.code == 0
    assert (smtp.connections, slack.requests) == (0, 0)


class Stub:
    """A channel that does as it is told."""

    name = "stub"
    recipients: Sequence[str] = ()
    reasons = frozenset[str]()

    def __init__(self, does: Callable[[], Any], receipt: Receipt = Receipt()) -> None:  # noqa: B008 - immutable
        self._does = does
        self._receipt = receipt
        self.closed = False

    def build(self, rendered: Rendered, uid: str, at: int, thread: str | None = None) -> bytes:
        return b""

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        await self._does()
        return self._receipt

    async def check(self) -> None:
        await self._does()

    async def close(self) -> None:
        self.closed = True


def target(name: str = "stub") -> trial.Target:
    return trial.Target(name, None, "console", ConsoleDestination(name))


class Settings(Channel, kw_only=True, frozen=True, tag="horn"):
    """What a package's channel is configured with."""


def brought() -> trial.Target:
    """A channel that the package horns-ltd brings."""
    kind = kinds.Kind(config=Settings)
    of_package = kinds.Brought("horn", "horns-ltd", kind, Settings, (), (), {})
    return trial.Target("stub", None, "horn", BroughtDestination("stub", of_package, Settings(name="stub")))


async def test_a_packages_channel_that_does_not_answer_is_given_up_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stub = Stub(asyncio.Event().wait)
    monkeypatch.setattr(trial, "outlet", lambda *_: Outlet(stub, console.render))
    advice = "see whether its provider can be reached from here; if so, tell the authors of horns-ltd"

    async with asyncio.timeout(10):
        [checked] = await trial.reach([brought()], io.StringIO(), patience=0)
        [sent] = await trial.send(brought(), io.StringIO(), patience=0)

    assert str(checked) == f"FAILED: no answer within 0 s; {advice}"
    assert str(sent) == f"FAILED: no answer within 0 s, though the message may have arrived all the same; {advice}"
    assert stub.closed
    assert caplog.records == []


async def test_a_channel_of_the_house_has_limits_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    stub = Stub(partial(asyncio.sleep, 0.01))
    monkeypatch.setattr(trial, "outlet", lambda *_: Outlet(stub, console.render))
    [checked] = await trial.reach([target()], io.StringIO(), patience=0)
    assert not checked.failed


async def test_a_channels_own_timeout_is_a_defect_and_no_limit_of_ours(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def breaks() -> None:
        raise TimeoutError("canary")

    monkeypatch.setattr(trial, "outlet", lambda *_: Outlet(Stub(breaks), console.render))
    [checked] = await trial.reach([brought()], io.StringIO())
    assert checked.failed
    assert "no answer" not in str(checked)
    assert [record.__dict__["error"] for record in caplog.records] == ["TimeoutError"]


async def test_a_recipient_whom_a_packages_channel_refuses_is_no_mail_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing() -> None:
        pass

    refusals = (Refusal("ann", 550, True), Refusal("bob", 0, True), Refusal("eve", 429, False))
    stub = Stub(nothing, Receipt(202, refusals))
    monkeypatch.setattr(trial, "outlet", lambda *_: Outlet(stub, console.render))
    assert [str(finding) for finding in await trial.send(brought(), io.StringIO())] == [
        "the provider took the message (code 202)",
        "FAILED: the provider refused ann (code 550); check this recipient",
        "FAILED: the provider refused bob; check this recipient",
        "FAILED: the provider takes nothing for eve now (code 429); try again in some minutes",
    ]


async def test_deep_tries_all_channels_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    together = asyncio.Barrier(3)
    monkeypatch.setattr(trial, "outlet", lambda *_: Outlet(Stub(together.wait), console.render))

    async with asyncio.timeout(10):
        found = await trial.reach([target("a"), target("b"), target("c")], io.StringIO())

    assert [finding.failed for finding in found] == [False, False, False]


async def test_a_defect_is_a_failure_like_others_and_what_it_says_is_not_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def breaks() -> None:
        raise RuntimeError("canary")

    stub = Stub(breaks)
    monkeypatch.setattr(trial, "outlet", lambda *_: Outlet(stub, console.render))

    wanted = "FAILED: a defect in the receiver got in the way; look in the receiver's log, and report it"
    assert [str(finding) for finding in await trial.send(target(), io.StringIO())] == [wanted]
    assert stub.closed
    assert [str(finding) for finding in await trial.reach([target()], io.StringIO())] == [wanted]
    place = f"test_trial.py:{breaks.__code__.co_firstlineno + 1}"
    said = [(record.__dict__["error"], record.__dict__["at"]) for record in caplog.records]
    assert said == [("RuntimeError", place)] * 2
    assert "canary" not in caplog.text


async def test_what_the_provider_may_have_taken_and_how_long_it_asks_to_wait_are_told(
    write: Write, run: Run, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    write()
    smtp.answer_next(".", DROP)
    slack.fail_next(429, "rate_limited", {"Retry-After": "90"})
    finished = await run(*SEND_TEST)

    assert (
        "FAILED: the connection to the mail server broke off, though the message may have arrived all the same; "
        in finished.stdout
    )
    assert "FAILED: Slack asks for fewer messages (HTTP 429), asking to wait 1m 30s; " in finished.stdout


def test_books_can_be_kept_in_a_folder_that_is_there_and_nothing_is_created(tmp_path: Path) -> None:
    assert not trial.storage(f"sqlite:///{tmp_path}/books.db").failed
    assert list(tmp_path.iterdir()) == []


def test_books_need_a_folder_and_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert trial.storage(f"sqlite:///{tmp_path}/missing/books.db").text == f"there is no folder {tmp_path}/missing"
    assert trial.storage(f"sqlite:///{tmp_path}/file/books.db").failed
    assert trial.storage(f"sqlite:///{tmp_path}").failed


@pytest.mark.parametrize("name", ["", "books.db", "books.db-wal", "books.db.lock"])
def test_books_that_this_user_may_not_write_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    place = tmp_path / name
    if name:
        place.touch()
    # The tests may run as root, who may write anywhere.
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != place)

    assert trial.storage(f"sqlite:///{tmp_path}/books.db?timeout=5").text == f"this user may not write to {place}"
