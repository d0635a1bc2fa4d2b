"""What docs/howto.md tells people to do is done with a real receiver, and shows what the page shows."""

import asyncio
import json
import os
import re
import shlex
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from receiver.core.entries import Outcome, Phase
from receiver.metrics import PENDING_STATES
from tests.documentation.pages import page
from tests.documentation.requests import curl
from tests.documentation.test_commands import timeless
from tests.end_to_end.processes import Program, ReceiverProcess, Start, command, until
from tests.smtp_server import SmtpServer

HOWTO = page("howto")


def config(smtp: SmtpServer, **defaults: object) -> dict[str, object]:
    """A channel for a team's alerts, from warnings on."""
    return {
        "smtp": {"host": "127.0.0.1", "port": smtp.port, "security": "none"},
        "defaults": {"group_wait": "2s", **defaults},
        "channels": [
            {
                "name": "oncall",
                "type": "email",
                "from": "Alerts <alerts@example.com>",
                "to": ["oncall@example.com"],
                "matchers": ['team="shop"'],
                "min_severity": "warning",
            },
            {"name": "shell", "type": "console", "matchers": ['team="nobody"']},
        ],
    }


async def post(receiver: ReceiverProcess, status: str, name: str, **labels: str) -> None:
    """One alert, in a notification of its own."""
    wanted = {"alertname": name, "severity": "warning", "team": "shop"} | labels
    answer = await receiver.post(json.dumps({"alerts": [{"status": status, "labels": wanted}]}).encode())
    assert answer.status == 200, answer


async def said(receiver: ReceiverProcess, words: str, times: int = 1) -> str:
    """The last of so many log lines with these words."""

    def found() -> str | None:
        lines = [line for line in receiver.stderr if words in line]
        return lines[times - 1] if len(lines) >= times else None

    return await receiver.wait_until(found, words)


def line_of(holding: str) -> str:
    """The page's curl line that holds the words."""
    [found] = {it.line for it in HOWTO.commands() if it.line.startswith("curl") and holding in it.line}
    return found


def shown_by(holding: str) -> str:
    """What the page shows a command to print."""
    [found] = [it.shown for it in HOWTO.commands() if holding in it.line and it.shown]
    return found


def piped(text: str, line: str) -> str:
    """The text, as the line's greps let it through."""
    for grep in line.split(" | ")[1:]:
        option, pattern = re.fullmatch(r"grep (-E|-v) '(.*)'", grep).groups()  # type: ignore[union-attr]
        text = "".join(it for it in text.splitlines(True) if bool(re.search(pattern, it)) == (option == "-E"))
    return text


def query() -> str:
    """The page's query, as the file that it makes holds it."""
    [line] = [it.line for it in HOWTO.commands() if it.line.startswith("cat > why.sql")]
    return re.sub(r"^cat > why\.sql <<'SQL'\n(.*)\nSQL$", r"\1", line, flags=re.S)


def story(store: Path) -> str:
    """What the query says of the books, as the program sqlite3 prints it."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as books:
        return "".join("|".join("" if it is None else str(it) for it in row) + "\n" for row in books.execute(query()))


async def in_the_image(holding: str, folder: Path, stdin: str = "") -> str:
    """What the page's Python prints, which is to run in a container."""
    [line] = [it.line for it in HOWTO.commands() if " python -c " in it.line and holding in it.line]
    code = shlex.split(line)[shlex.split(line).index("-c", line.split().index("python")) + 1]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code.replace("/data", str(folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate(stdin.encode())
    assert process.returncode == 0
    return printed.decode()


async def scene(receiver: ReceiverProcess, smtp: SmtpServer) -> None:
    """Alerts that end in most states; those of DiskFull are the page's example."""
    await post(receiver, "firing", "DiskFull", instance="web-1")
    await post(receiver, "firing", "Chatty", severity="info")
    await post(receiver, "firing", "Elsewhere", team="platform")
    await post(receiver, "firing", "Blip")
    await post(receiver, "resolved", "Blip")
    await smtp.wait_for(1)
    await said(receiver, "message sent")
    await post(receiver, "firing", "DiskFull", instance="web-1")
    await post(receiver, "firing", "DiskFull", instance="web-2")


async def test_the_metrics_say_what_became_of_the_alerts_as_shown(smtp: SmtpServer, start: Start) -> None:
    receiver = await start(config(smtp))
    await scene(receiver, smtp)
    line = line_of("grep -E")
    answer = await curl(line, receiver, receiver.cwd)
    assert piped(answer.text, line) == shown_by("grep -E")


async def test_the_books_tell_the_story_of_an_alert_as_shown(smtp: SmtpServer, start: Start) -> None:
    receiver = await start(config(smtp))
    await scene(receiver, smtp)
    shown = timeless(shown_by("why.sql"))
    assert timeless(story(receiver.store)) == shown
    assert timeless(await in_the_image("stdin", receiver.cwd, query())) == shown


async def test_the_books_say_why_nobody_heard_of_an_alert(smtp: SmtpServer, start: Start) -> None:
    receiver = await start(config(smtp))
    for labels in ({"severity": "info"}, {"team": "platform"}):
        await post(receiver, "firing", "DiskFull", **labels)
    await post(receiver, "firing", "DiskFull", instance="blip")
    await post(receiver, "resolved", "DiskFull", instance="blip")
    told = [line.split("|", 2)[2] for line in story(receiver.store).splitlines()]
    assert 'fires; {"oncall":"filtered","shell":"unmatched"}' in told
    assert 'fires; {"oncall":"unmatched","shell":"unmatched"}' in told
    assert "oncall: firing, superseded (resolved within group_wait)" in told
    assert "oncall: resolved, unannounced (resolved within group_wait)" in told


async def test_the_message_is_asked_for_as_shown(smtp: SmtpServer, start: Start) -> None:
    receiver = await start(config(smtp))
    await scene(receiver, smtp)
    line = line_of("jq")
    [message] = json.loads((await curl(line, receiver, receiver.cwd)).text)["messages"]
    keys = re.search(r"\{(.*)\}", line)
    assert keys is not None
    shown = json.loads(timeless(shown_by("jq")))
    printed = json.loads(timeless(json.dumps({key: message[key] for key in keys[1].split(", ")})))
    assert [shown["attempts"][0].pop("seconds"), printed["attempts"][0].pop("seconds")]
    assert printed == shown
    assert f"message {message['id']}".encode() in smtp.mails[0].data.replace(b"=\r\n", b"")


@pytest.mark.parametrize("state", [*Outcome, *PENDING_STATES])
def test_every_state_is_in_the_table(state: str) -> None:
    [table] = re.findall(r"^\| you find \|.*\n((?:\|.*\n)+)", HOWTO.text, re.M)
    found = {name for cell in re.findall(r"^\| (.*?) \|", table, re.M) for name in re.findall(r"`([a-z_]+)`", cell)}
    assert state in found


def test_every_phase_that_the_query_calls_pending_is_in_the_table() -> None:
    assert {str(phase) for phase in Phase} - {"idle"} <= set(PENDING_STATES)


async def test_a_reload_and_what_a_proxy_may_not_are_answered_as_shown(desk: Path, programs: list[Program]) -> None:
    receiver = ReceiverProcess(desk, None, ["--config.file=alert-receiver.yml"])
    programs.append(receiver)
    await receiver.start()
    reloads = [it for it in HOWTO.commands() if "/-/reload" in it.line]
    assert len(reloads) == 2
    for reload in reloads:
        answer = await curl(reload.line, receiver, desk)
        assert answer.text.rstrip("\n") == (reload.shown or "").rstrip("\n")
        assert answer.status == (403 if "X-Forwarded-For" in reload.line else 200)


def test_every_curl_on_the_page_is_one_of_these() -> None:
    lines = {it.line for it in HOWTO.commands() if it.line.startswith("curl")}
    tried = {line_of("grep -E"), line_of("jq"), *(line for line in lines if "/-/reload" in line)}
    assert lines == tried


async def test_a_changed_password_loses_nothing_and_the_log_says_so_as_shown(
    desk: Path, mail: SmtpServer, programs: list[Program]
) -> None:
    wrong, taken = HOWTO.block("text", "reason=auth_failed"), HOWTO.block("text", "why=recovered")
    secret = desk / "secrets" / "smtp-password"
    right = secret.read_text()
    receiver = ReceiverProcess(desk, None, ["--config.file=alert-receiver.yml"])
    programs.append(receiver)
    await receiver.start()

    def replaced(text: str) -> None:
        (desk / "secrets" / "new").write_text(text)
        (desk / "secrets" / "new").replace(secret)

    replaced("the-wrong-password-altogether\n")
    reloaded = await said(receiver, "a changed secret file")
    assert timeless(reloaded) == timeless(reloaded_as_shown())
    await post(receiver, "firing", "DiskFull", severity="critical")
    assert timeless(await said(receiver, "auth_failed")) == timeless(wrong)
    replaced(right)
    await said(receiver, "the channel works again")
    assert len(mail.mails) == 1
    assert timeless("".join(receiver.stderr[-3:])) == timeless(taken)


def reloaded_as_shown() -> str:
    """The log's line after a changed file, the first of those on the page."""
    return next(
        it.text for it in HOWTO.blocks("text") if "a changed secret file" in it.text and it.text.count("\n") == 1
    )


async def test_a_restored_backup_tells_what_the_table_says(smtp: SmtpServer, start: Start, tmp_path: Path) -> None:
    receiver = await start(config(smtp, urgent_interval="0s", throttle={"messages": 100, "per": "1s"}))
    critical = {"severity": "critical"}
    await post(receiver, "firing", "ToldAndFires", **critical)
    await smtp.wait_for(1)
    await said(receiver, "message sent")
    smtp.answer_always("MAIL", "451 4.3.0 Try again later")
    await post(receiver, "firing", "WaitedAtTheBackup", **critical)
    await said(receiver, "delivery failed")
    # The program sqlite3 copies in the same way.
    await in_the_image("backup", tmp_path)
    with closing(sqlite3.connect(tmp_path / "backup.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == (shown_by("integrity_check").strip(),)
    smtp.recover()
    await post(receiver, "firing", "BeganAfterwards", **critical)
    await post(receiver, "firing", "BeganAfterwardsAndEnds", **critical)
    await until(lambda: _settled(receiver, delivered=4), "all four are told")
    assert await receiver.terminate() == 0
    # All is in the one file now, as the page says of a move.
    assert {name for name in os.listdir(tmp_path) if ".db-" in name} == set()
    (tmp_path / "backup.db").replace(receiver.store)
    before = len(smtp.mails)
    await receiver.restart()
    await post(receiver, "firing", "ToldAndFires", **critical)
    await post(receiver, "firing", "BeganAfterwards", **critical)
    await post(receiver, "resolved", "BeganAfterwardsAndEnds", **critical)
    ledger = await until(lambda: _settled(receiver, delivered=3, duplicate=1, unannounced=1), "the books are settled")
    assert ledger["accepted"] == 5
    told = b"".join(mail.data for mail in smtp.mails[before:])
    heard = {
        name for name in ("ToldAndFires", "WaitedAtTheBackup", "BeganAfterwards") if b"Firing: " + name.encode() in told
    }
    assert heard == {"WaitedAtTheBackup", "BeganAfterwards"}


async def _settled(receiver: ReceiverProcess, **accounts: int) -> Mapping[str, int] | None:
    ledger = await receiver.ledger("oncall")
    wanted = all(ledger.get(account) == n for account, n in accounts.items())
    return ledger if wanted and "pending" not in ledger else None


async def test_the_books_move_to_another_folder_and_nothing_is_told_twice(
    smtp: SmtpServer, start: Start, tmp_path: Path
) -> None:
    old = await start(config(smtp))
    await post(old, "firing", "Told")
    await said(old, "message sent")
    await post(old, "firing", "Waits")
    assert await old.terminate() == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "alert-receiver.db").write_bytes(old.store.read_bytes())
    new = ReceiverProcess(elsewhere, config(smtp))
    try:
        await new.start()
        await post(new, "firing", "Told")
        await said(new, "message sent")
        ledger = await new.settled("oncall", delivered=2, duplicate=1)
        assert ledger["accepted"] == 3
        assert len(smtp.mails) == 2
        # As the page has it, but for what is this test's own.
        shown = HOWTO.block("text", "why=wait").splitlines()
        assert [timeless(line) for line in shown] == [
            timeless(line.rstrip("\n")) for line in new.stderr if "listening" in line or "message sent" in line
        ]
    finally:
        await new.close()


async def test_a_second_receiver_and_a_newer_store_are_refused_as_shown(smtp: SmtpServer, start: Start) -> None:
    receiver = await start(config(smtp))
    serve = ("serve", "--web.listen-address=127.0.0.1:0", "--config.file=alert-receiver.yml")

    async def refusal() -> str:
        ran = await command(*serve, cwd=receiver.cwd)
        assert ran.code == 1
        return re.sub(r"^ts=\S+ ", "", ran.stderr.splitlines(True)[-1])

    assert await refusal() == HOWTO.block("text", "another process")
    assert await receiver.terminate() == 0
    shown = HOWTO.block("text", "schema version")
    with closing(sqlite3.connect(receiver.store)) as books, books:
        [(version,)] = books.execute("SELECT version FROM schema_version")
        books.execute("UPDATE schema_version SET version = version + 1")
    numbers = iter((version + 1, version))
    expected = re.sub(r"(schema version|versions up to) \d+", lambda said: f"{said[1]} {next(numbers)}", shown)
    assert await refusal() == expected
