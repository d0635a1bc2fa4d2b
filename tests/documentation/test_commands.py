"""Every command line of the pages that calls alert-receiver runs, and prints what the page shows."""

import re
import shlex
from pathlib import Path

import pytest

from tests.documentation.pages import ROOT, Command, ours, page
from tests.documentation.requests import curl
from tests.end_to_end.processes import Finished, Program, ReceiverProcess, Start, command, until
from tests.smtp_server import SmtpServer

COMMANDS = [command for page in ours() for command in page.commands()]

CALLS = r"\balert-receiver (?:--version|check-config|send-test|serve|simulate|rules|render|schema|demo|healthcheck)\b"
"""A command of ours; elsewhere the name is that of a service, a release or a folder."""

NOT_RUN = {
    "docker compose -f docs/examples/compose.yml exec alert-receiver alert-receiver send-test "
    "--config.file=/etc/alert-receiver/alert-receiver.yml": "within a container; what it runs there is run on its own",
}

TRIED = [it for it in COMMANDS if re.search(CALLS, it.line) and it.line not in NOT_RUN]

FOLDER = "/home/you/alerting"


def as_shown(printed: str, desk: Path) -> str:
    """What was printed here, as the pages show it: their folder, server and times."""
    text = printed.replace(str(desk), FOLDER)
    text = re.sub(r"127\.0\.0\.1, port \d+", "smtp.example.com, port 587", text)
    return timeless(text)


def timeless(text: str) -> str:
    """Without what is another one each time."""
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{3}Z)?", "<time>", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+", "<address>", text)
    text = re.sub(r"\b[0-9a-f]{32}\b", "<uid>", text)
    return re.sub(r"\b(took_ms|failed_for_s)=\d+", r"\1=<n>", text)


async def run(line: str, desk: Path, receiver: ReceiverProcess | None) -> Finished:
    """Run a line's first command to its end."""
    words = shlex.split(re.split(r" \| | && ", line)[0], comments=True)
    assert words[0] == "alert-receiver", line
    arguments = [word.replace("/etc/prometheus", str(desk / "prometheus")) for word in words[1:]]
    if receiver is not None:
        arguments.append(f"--url={receiver.url}")
    return await command(*arguments, cwd=desk)


@pytest.mark.parametrize("tried", [it for it in TRIED if " serve " not in it.line], ids=str)
async def test_the_command_runs_and_prints_what_is_shown(tried: Command, desk: Path, start: Start) -> None:
    receiver = await start() if "healthcheck" in tried.line else None
    ran = await run(tried.line, desk, receiver)
    assert (ran.code, ran.stderr) == (0, "")
    if tried.shown is not None:
        # The times in a timeline are those of its events.
        printed = ran.stdout if "simulate" in tried.line else as_shown(ran.stdout, desk)
        shown = tried.shown if "simulate" in tried.line else timeless(tried.shown)
        assert printed == shown


@pytest.mark.parametrize("tried", [it for it in TRIED if " serve " in it.line], ids=str)
async def test_the_receiver_starts_as_shown(tried: Command, desk: Path, programs: list[Program]) -> None:
    flags = shlex.split(tried.line)[2:]
    receiver = ReceiverProcess(desk, None, flags)
    programs.append(receiver)
    await receiver.start()
    assert as_shown("".join(receiver.stderr), desk) == timeless(tried.shown or "")


def test_what_is_not_run_is_still_on_a_page() -> None:
    assert NOT_RUN.keys() - {it.line for it in COMMANDS} == set()


@pytest.mark.parametrize("tried", [it for it in COMMANDS if it.line in NOT_RUN], ids=str)
def test_what_is_not_run_itself_ends_in_a_command_that_is(tried: Command) -> None:
    within = tried.line.rpartition(" alert-receiver ")[2].replace("/etc/alert-receiver/", "")
    assert f"alert-receiver {within}" in {it.line for it in TRIED}


def test_the_pages_call_the_receiver_and_nothing_is_overlooked() -> None:
    assert len(TRIED) >= 10
    overlooked = [
        it.line
        for it in COMMANDS
        if it not in TRIED and it.line not in NOT_RUN and it.line.startswith("alert-receiver")
    ]
    assert overlooked == []


@pytest.mark.real("amtool")
@pytest.mark.parametrize(
    "tried", [it for it in COMMANDS if it.line.startswith(("amtool check-config", "amtool config"))], ids=str
)
async def test_amtool_prints_what_is_shown(tried: Command, programs: list[Program]) -> None:
    amtool = Program(*shlex.split(tried.line), cwd=ROOT)
    programs.append(amtool)
    await amtool.start()
    assert await amtool.ended() == 0, amtool.stderr
    assert "".join(amtool.stdout).rstrip("\n") == (tried.shown or "").rstrip("\n")


async def test_a_wrong_password_is_said_as_the_quick_start_shows(desk: Path) -> None:
    (desk / "secrets" / "smtp-password").write_text("another-password-altogether\n")
    ran = await command("check-config", "--deep", "alert-receiver.yml", cwd=desk)
    assert ran.code == 1
    assert page("quickstart").block("text", "FAILED").rstrip("\n") in as_shown(ran.stdout, desk).splitlines()


async def test_the_test_message_is_in_the_mailbox(desk: Path, mail: SmtpServer) -> None:
    [sends] = {it.line for it in TRIED if "send-test" in it.line}
    await run(sends, desk, None)
    [sent] = await mail.wait_for(1)
    subject = "Test message from alert-receiver"
    assert f"Subject: [NOTICE] {subject}".encode() in sent.data
    assert f"`[NOTICE] {subject}`" in page("quickstart").text


async def test_a_mail_of_the_quick_start_arrives_as_shown(
    desk: Path, mail: SmtpServer, programs: list[Program]
) -> None:
    """From the curl of the page to the mail that it shows, and the log's line; it waits less than ten seconds."""
    with (desk / "alert-receiver.yml").open("a") as file:
        file.write("defaults: {group_wait: 500ms}\n")
    fires, ends = (it for it in page("quickstart").commands() if it.line.startswith("curl"))
    receiver = ReceiverProcess(desk, None, ["--config.file=alert-receiver.yml"])
    programs.append(receiver)
    await receiver.start()
    answer = await curl(fires.line, receiver, desk)
    assert (answer.status, answer.text) == (200, fires.shown)
    [sent] = await mail.wait_for(1)
    body = sent.data.decode().replace("=\r\n", "").replace("\r\n", "\n")
    subject, _, text = page("quickstart").block("text", "Subject: [FIRING:1] TestAlert").partition("\n\n")
    assert f"\n{subject}\n" in body
    assert re.sub(r"for \d+s", "for <n>", timeless(text)) in re.sub(r"for \d+s", "for <n>", timeless(body))

    async def logged() -> str | None:
        return next((line for line in receiver.stderr if "message sent" in line), None)

    line = await until(logged, "the log tells of the message")
    assert timeless(line) == timeless(page("quickstart").block("text", "message sent"))
    assert (await curl(ends.line, receiver, desk)).text == ends.shown
