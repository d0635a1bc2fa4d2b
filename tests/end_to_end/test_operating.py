"""What whoever runs the program relies on: exit codes, messages, signals, readiness, and recovery."""

import asyncio
import json
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import jsonschema
import pytest
from aiohttp import web

from receiver import __version__
from receiver.demo.slack_endpoint import SlackEndpoint
from tests.end_to_end.notifications import alert, mail_text, notification
from tests.end_to_end.processes import PATIENCE, Program, ReceiverProcess, Start, command, configuration, until
from tests.smtp_server import SmtpServer

BODY = notification(alert("Disk", id="id-000001"))

BROKEN = """\
storage: {url: "sqlite:///books.db"}
defaults:
  group_wiat: 10s
  group_interval: soon
channels:
  - {name: ops, type: slack, webhook_url: "http://hooks.example.com/services/T0/B0/secret-teapot"}
  - {name: ops, type: console}
"""

SOUND = """\
channels:
  - {name: ops, type: slack, webhook_url: "https://hooks.example.com/services/T0/B0/secret-teapot"}
  - {name: shell, type: console}
"""

# Each problem's place, and a word of what is wrong.
PROBLEMS = (
    ("alert-receiver.yml:3: defaults.group_wiat", 'did you mean "group_wait"?'),
    ("alert-receiver.yml:4: defaults.group_interval", "duration"),
    ("alert-receiver.yml:6: channels[0].webhook_url", "https"),
    ("alert-receiver.yml:7: channels[1].name", "another channel"),
)


class SlowSlack:
    """Takes messages at once, and says so only when ``answering`` is set."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.taken = asyncio.Event()
        self.answering = asyncio.Event()
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_post("/", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.taken.set()
        await self.answering.wait()
        return web.Response(text="ok")


@pytest.fixture
async def slow_slack() -> AsyncIterator[SlowSlack]:
    """A running endpoint that answers only when told to."""
    endpoint = SlowSlack()
    await endpoint.start()
    yield endpoint
    await endpoint.stop()


async def test_a_broken_configuration_ends_with_1_and_all_its_problems(tmp_path: Path) -> None:
    (tmp_path / "alert-receiver.yml").write_text(BROKEN)
    finished = await command("serve", "--config.file=alert-receiver.yml", cwd=tmp_path)
    assert finished.code == 1
    assert finished.stdout == ""
    lines = finished.stderr.splitlines()
    assert all("level=error" in line for line in lines)
    for place, word in PROBLEMS:
        assert [line for line in lines if place in line and word.replace('"', r"\"") in line], place
    assert "secret-teapot" not in finished.stderr
    assert not (tmp_path / "books.db").exists()


async def test_a_configuration_that_is_not_there_ends_with_1_and_its_name(tmp_path: Path) -> None:
    finished = await command("serve", "--config.file=nowhere.yml", cwd=tmp_path)
    assert finished.code == 1
    assert "nowhere.yml" in finished.stderr
    assert "No such file" in finished.stderr


async def test_wrong_use_ends_with_2_and_a_usage_line(tmp_path: Path) -> None:
    uses = (
        ("serve", "--no-such-flag"),
        ("serve", "--web.listen-address=nowhere"),
        ("serve", "--web.max-body=many"),
        ("serve", "--log.level=loud"),
        ("no-such-command",),
        ("check-config",),
    )
    for arguments, finished in zip(
        uses, await asyncio.gather(*(command(*arguments, cwd=tmp_path) for arguments in uses)), strict=True
    ):
        assert (finished.code, finished.stdout) == (2, ""), arguments
        assert finished.stderr.startswith("Usage: "), arguments
        assert "Error: " in finished.stderr, arguments


async def test_check_config_names_all_problems_of_a_broken_file_and_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "alert-receiver.yml").write_text(BROKEN)
    finished = await command("check-config", "alert-receiver.yml", cwd=tmp_path)
    assert finished.code == 1
    assert finished.stdout.startswith("Checking alert-receiver.yml\n  FAILED: ")
    for place, word in PROBLEMS:
        assert re.search(f"^    {re.escape(place)}.*{re.escape(word)}", finished.stdout, re.MULTILINE), place
    assert "secret-teapot" not in finished.stdout + finished.stderr


async def test_check_config_says_what_it_found_in_a_sound_file_and_ends_with_0(tmp_path: Path) -> None:
    (tmp_path / "alert-receiver.yml").write_text(SOUND)
    finished = await command("check-config", "alert-receiver.yml", cwd=tmp_path)
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.stdout == (
        "Checking alert-receiver.yml\n  SUCCESS: 2 channels found\n    ops (slack)\n    shell (console)\n"
    )


async def test_one_broken_file_among_several_fails_the_check_and_all_are_checked(tmp_path: Path) -> None:
    (tmp_path / "alert-receiver.yml").write_text(BROKEN)
    (tmp_path / "sound.yml").write_text(SOUND)
    finished = await command("check-config", "alert-receiver.yml", "sound.yml", cwd=tmp_path)
    assert finished.code == 1
    assert re.findall(r"SUCCESS|FAILED", finished.stdout) == ["FAILED", "SUCCESS"]


async def test_the_printed_schema_is_a_valid_one_and_tells_sound_from_broken(tmp_path: Path) -> None:
    finished = await command("schema", cwd=tmp_path)
    assert (finished.code, finished.stderr) == (0, "")
    schema = json.loads(finished.stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"channels": [{"name": "shell", "type": "console"}]})
    assert not validator.is_valid({"channels": [{"name": "shell", "type": "pigeon"}]})


async def test_the_version_is_printed(tmp_path: Path) -> None:
    finished = await command("--version", cwd=tmp_path)
    assert (finished.code, finished.stdout, finished.stderr) == (0, f"alert-receiver {__version__}\n", "")


async def test_without_any_configuration_messages_go_to_stdout_and_the_books_to_the_working_folder(
    start: Start,
) -> None:
    receiver = await start()
    assert receiver.store.exists()
    assert (await receiver.post(BODY)).status == 200
    # The built-in group_wait is 10 s; five alerts are enough to be told at once.
    five = notification(*(alert("Disk", id=f"id-{number:06}") for number in range(2, 7)))
    assert (await receiver.post(five)).status == 200
    await receiver.wait_until(lambda: any("message " in line for line in receiver.stdout), "a message on stdout")
    text = "".join(receiver.stdout)
    assert text.startswith("[FIRING:6] Disk")
    for number in range(1, 7):
        assert f"id-{number:06}" in text
    assert await receiver.settled("console", delivered=6) == {"accepted": 6, "delivered": 6}
    assert await receiver.terminate() == 0
    # stdout holds messages, stderr the log, and neither the other's.
    assert "level=" not in "".join(receiver.stdout)
    assert "id-000001" not in "".join(receiver.stderr)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_an_idle_receiver_with_0(start: Start, number: signal.Signals) -> None:
    receiver = await start()
    receiver.signal(number)
    assert await receiver.ended() == 0
    assert "msg=stopping" in receiver.stderr[-1]


async def test_what_waits_at_a_sigterm_waits_on_after_the_next_start(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    receiver = await start(configuration(smtp.port, slack.url, group_wait="1h", group_threshold=2))
    assert (await receiver.post(BODY)).status == 200
    assert await receiver.terminate() == 0
    assert (smtp.mails, slack.messages) == ([], [])
    await receiver.restart()
    assert await receiver.ledger("mail") == {"accepted": 1, "pending": 1}
    assert (await receiver.post(notification(alert("Disk", id="id-000002")))).status == 200
    await receiver.settled("mail", delivered=2)
    assert "[FIRING:2]" in mail_text(smtp.mails[0].data)
    assert await receiver.terminate() == 0


async def test_a_message_under_way_at_a_sigterm_arrives_and_is_not_sent_again(
    start: Start, smtp: SmtpServer, slow_slack: SlowSlack
) -> None:
    receiver = await start(configuration(smtp.port, slow_slack.url))
    assert (await receiver.post(BODY)).status == 200
    async with asyncio.timeout(PATIENCE):
        await slow_slack.taken.wait()
        await smtp.wait_for(1)
    receiver.signal(signal.SIGTERM)
    await receiver.wait_until(lambda: "msg=stopping" in receiver.stderr[-1], "it is stopping")
    slow_slack.answering.set()
    assert await receiver.ended() == 0
    await receiver.restart()
    for channel in ("mail", "chat"):
        assert await receiver.ledger(channel) == {"accepted": 1, "delivered": 1}
    assert await receiver.terminate() == 0
    assert (len(smtp.mails), len(slow_slack.bodies)) == (1, 1)


async def test_a_second_process_on_the_same_store_is_refused_and_the_first_goes_on(start: Start) -> None:
    receiver = await start()
    finished = await command("serve", "--web.listen-address=127.0.0.1:0", cwd=receiver.cwd)
    assert finished.code == 1
    [line] = [line for line in finished.stderr.splitlines() if "level=error" in line]
    assert "another process uses the store alert-receiver.db" in line
    assert "Traceback" not in finished.stderr
    assert (await receiver.post(BODY)).status == 200


async def test_a_port_in_use_is_said_and_ends_with_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        finished = await command("serve", f"--web.listen-address={address}", cwd=tmp_path)
    assert finished.code == 1
    [line] = [line for line in finished.stderr.splitlines() if "level=error" in line]
    assert 'msg="can\'t listen"' in line
    assert address in line
    assert "address already in use" in line.lower()
    assert "Traceback" not in finished.stderr


async def test_a_store_that_can_not_be_opened_is_said_and_ends_with_1(tmp_path: Path) -> None:
    for name, content in (("no database", "sqlite:///books.db"), ("no folder", "sqlite:///nowhere/books.db")):
        (tmp_path / "books.db").write_bytes(b"this is no database, " * 500)
        config = f"storage: {{url: '{content}'}}\nchannels: [{{name: shell, type: console}}]\n"
        (tmp_path / "alert-receiver.yml").write_text(config)
        finished = await command("serve", "--config.file=alert-receiver.yml", cwd=tmp_path)
        assert finished.code == 1, name
        [line] = [line for line in finished.stderr.splitlines() if "level=error" in line]
        assert "can't open the store" in line, name
        assert "Traceback" not in finished.stderr


async def test_level_and_format_of_the_log_are_taken_from_the_environment_too(start: Start) -> None:
    receiver = await start(env={"LOG_FORMAT": "json", "LOG_LEVEL": "debug"})
    assert (await receiver.post(BODY)).status == 200
    assert await receiver.terminate() == 0
    records = [json.loads(line) for line in receiver.stderr]
    assert {"info", "debug"} <= {record["level"] for record in records}


async def test_a_flag_goes_before_the_environment(start: Start) -> None:
    receiver = await start(None, "--log.format=logfmt", env={"LOG_FORMAT": "json"})
    assert await receiver.terminate() == 0
    assert receiver.stderr[0].startswith("ts=")


async def test_at_level_error_a_peaceful_run_says_nothing(tmp_path: Path, programs: list[Program]) -> None:
    receiver = ReceiverProcess(tmp_path, flags=["--log.level=error"])
    programs.append(receiver)
    # It does not say where it listens, so only the store's appearance tells that it runs.
    await Program.start(receiver)

    async def opened() -> bool:
        return receiver.store.exists() and receiver.running

    await until(opened, "the store is there")
    await receiver.close()
    assert receiver.stderr == []


async def assert_turned_away(receiver: ReceiverProcess) -> None:
    """The webhook says 503 and when to come again."""
    answer = await receiver.post(BODY)
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.text.count("\n") == 1
    assert "id-000001" not in answer.text + "".join(receiver.stderr)


async def test_while_the_store_can_not_commit_it_is_not_ready_and_notifications_are_to_come_again(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    receiver = await start(configuration(smtp.port, slack.url))
    assert (await receiver.request("GET", "/-/ready")).status == 200
    # From now on no file of the process may grow: to SQLite this is a disk that fails.
    limits = resource.prlimit(receiver.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(receiver.pid, resource.RLIMIT_FSIZE, (1, limits[1]))

    ready = await receiver.request("GET", "/-/ready")
    assert ready.status == 503
    assert "can't commit" in ready.text
    assert (await receiver.request("GET", "/-/healthy")).status == 200
    await assert_turned_away(receiver)
    samples = await receiver.metrics()
    assert samples['notifications_rejected_total{reason="store_unavailable"}'] == 1
    assert samples['store_errors_total{reason="database"}'] >= 2
    assert await receiver.ledger("mail") == {}

    resource.prlimit(receiver.pid, resource.RLIMIT_FSIZE, limits)
    assert (await receiver.request("GET", "/-/ready")).status == 200
    assert (await receiver.post(BODY)).status == 200
    for channel in ("mail", "chat"):
        assert await receiver.settled(channel, delivered=1) == {"accepted": 1, "delivered": 1}
    assert await receiver.terminate() == 0


async def test_what_a_provider_took_while_the_store_failed_reaches_the_books_and_is_not_sent_again(
    start: Start, smtp: SmtpServer, slow_slack: SlowSlack
) -> None:
    receiver = await start(configuration(smtp.port, slow_slack.url))
    assert (await receiver.post(BODY)).status == 200
    async with asyncio.timeout(PATIENCE):
        await slow_slack.taken.wait()
    limits = resource.prlimit(receiver.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(receiver.pid, resource.RLIMIT_FSIZE, (1, limits[1]))
    slow_slack.answering.set()
    refuses = re.compile("the store refuses, trying again.* channel=chat")
    await receiver.wait_until(lambda: any(map(refuses.search, receiver.stderr)), "it insists")
    resource.prlimit(receiver.pid, resource.RLIMIT_FSIZE, limits)
    assert await receiver.settled("chat", delivered=1) == {"accepted": 1, "delivered": 1}
    assert len(slow_slack.bodies) == 1
    assert await receiver.terminate() == 0


async def test_a_store_locked_by_somebody_else_turns_notifications_away_until_it_is_free(
    start: Start, smtp: SmtpServer, slack: SlackEndpoint
) -> None:
    receiver = await start(configuration(smtp.port, slack.url))
    backup = sqlite3.connect(receiver.store, isolation_level=None)
    try:
        backup.execute("BEGIN IMMEDIATE")
        # Waits for the store's busy_timeout, which is what this test takes.
        await assert_turned_away(receiver)
        backup.execute("ROLLBACK")
    finally:
        backup.close()
    assert (await receiver.post(BODY)).status == 200
    await receiver.settled("mail", delivered=1)
    assert await receiver.terminate() == 0


def test_the_installed_command_is_the_same_program(tmp_path: Path) -> None:
    installed = shutil.which("alert-receiver", path=Path(sys.executable).parent)
    assert installed is not None
    finished = subprocess.run([installed, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert finished.stdout == f"alert-receiver {__version__}\n"
