"""The demo tells the truth: what it prints is held against itself, and it leaves nothing behind."""

import io
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from receiver.cli import main
from receiver.core.entries import Outcome
from receiver.demo import story
from receiver.demo.accounts import Account, Snapshot
from receiver.demo.notifications import CAPTURED
from receiver.demo.screen import BOLD, Screen

LONGEST_SECONDS = 60.0
MOST_LINES = 130


@dataclass(frozen=True)
class Run:
    """A demo that has ended, and what it left in its temporary folder."""

    code: int
    output: str
    errors: str
    seconds: float
    left: list[str]

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()

    @property
    def table(self) -> dict[str, list[int]]:
        """The ledger's rows as printed, a number a channel."""
        rows = re.findall(r"^  (?:[=+] )?([a-z][a-z ]*?)  +([\d,]+)  +([\d,]+)$", self.output, re.MULTILINE)
        return {name: [int(number.replace(",", "")) for number in numbers] for name, *numbers in rows}


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    folder.mkdir()
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-m", "receiver", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=os.environ | {"TMPDIR": str(folder), "PYTHONUTF8": "1"},
    )


def ended(process: "subprocess.Popen[str]", folder: Path, began: float, so_far: str = "") -> Run:
    output, errors = process.communicate(timeout=LONGEST_SECONDS)
    left = [path.name for path in folder.iterdir()]
    return Run(process.returncode, so_far + output, errors, time.monotonic() - began, left)


def read_until(process: "subprocess.Popen[str]", words: str) -> str:
    """What it prints up to the line with the words."""
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if words in line:
            break
    assert words in read, read
    return read


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple["subprocess.Popen[str]", Path, float]]:
    """A demo with ``--keep``, started beside the plain one so that the tests wait for both at once."""
    folder = tmp_path_factory.mktemp("kept") / "tmp"
    process = start(folder, "--keep")
    yield process, folder, time.monotonic()
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, kept: object) -> Run:
    """A demo piped to its end."""
    folder = tmp_path_factory.mktemp("demo") / "tmp"
    began = time.monotonic()
    return ended(start(folder), folder, began)


def test_it_ends_well_within_a_minute_and_leaves_nothing_behind(run: Run) -> None:
    """Exit 0, nothing on stderr (no traceback, no warning), the temporary folder gone."""
    assert (run.code, run.errors, run.left) == (0, "", [])
    assert run.seconds < LONGEST_SECONDS


def test_the_acts_come_in_order(run: Run) -> None:
    """Five acts, then the books."""
    titles = [line[0] for line in run.lines if re.match(r"\d\. ", line) or line == "The books"]
    assert titles == ["1", "2", "3", "4", "5", "T"]


def test_piped_it_is_plain_text_of_readable_size(run: Run) -> None:
    """No escape sequences, at most a hundred columns, and no wall of text."""
    assert "\033" not in run.output
    # The path of the temporary folder is as long as it is.
    assert max(len(line) for line in run.lines if not line.startswith("  storage:")) <= 100
    assert len(run.lines) <= MOST_LINES


def test_the_printed_configuration_is_the_one_in_force(run: Run) -> None:
    """Its intervals and channels, and that they are shortened."""
    for words in ("group_wait: 2s", "built in: 10s", "group_interval: 4s", "built in: 2m", "- name: ops", "shortened"):
        assert words in run.output


def test_few_messages_tell_five_hundred_alerts(run: Run) -> None:
    """Every alert of the storm is in a message, and the messages are a handful."""
    mails, messages = run.output.count("┌─ Mail"), run.output.count("┌─ Slack")
    assert f"People got {mails} mails and {messages} Slack messages." in " ".join(run.output.split())
    assert 4 <= messages <= mails <= 8
    told = [int(n) for n in re.findall(r"\[FIRING:(\d+)\] HighErrorRate \(eu-west-2-prod\)", run.output)]
    assert sum(told) == 2 * 500  # on each of the two channels


def test_the_outage_ends_in_one_message(run: Run) -> None:
    """Slack refuses, and once it is back one line tells that the alert fired and resolved."""
    act = run.output.partition("\n5. ")[2].partition("The books")[0]
    assert act.count("✗ ops: the attempt failed with 503") == 3
    assert act.count("┌─ Slack") == 1
    assert "[FIRED AND RESOLVED:1]" in act
    assert "1 superseded" in act


def test_the_ledger_balances_when_added_up_again(run: Run) -> None:
    """From the printed table alone."""
    table = run.table
    accepted = table.pop("accepted")
    assert accepted == [505, 505]
    assert [sum(numbers) for numbers in zip(*table.values(), strict=True)] == accepted
    assert table["pending"] == [0, 0]
    assert table["duplicate"] == [1, 1]
    assert table["superseded"] == [1, 0]
    assert "They balance" in run.output


ACCEPTED = "alerts accepted: 3 for ops, 3 for oncall"


def test_kept_running_it_takes_what_the_user_posts(kept: tuple["subprocess.Popen[str]", Path, float]) -> None:
    """The printed command's file and URL work, the mail and the Slack message appear, and Ctrl-C is a clean end."""
    process, folder, began = kept
    output = read_until(process, "Ctrl-C ends it.")
    file, url = re.findall(r"curl --data-binary @(\S+) (\S+)", output)[0]
    assert Path(file) == CAPTURED / "multi.json"
    with urllib.request.urlopen(urllib.request.Request(url, Path(file).read_bytes())) as response:
        assert response.status == 200
    output += read_until(process, "└─")
    output += read_until(process, "└─")
    if ACCEPTED not in output:
        # Urgent news may be told before the screen has said that it came in.
        output += read_until(process, ACCEPTED)
    process.send_signal(signal.SIGINT)
    run = ended(process, folder, began, output)
    assert (run.code, run.errors, run.left) == (0, "", [])
    assert ACCEPTED in run.output
    assert run.output.partition("Your turn")[2].count("[FIRING:3] HighErrorRate") == 2


def test_an_interrupted_show_cleans_up(tmp_path: Path) -> None:
    """Ctrl-C in the middle: exit 130, no traceback, nothing left."""
    folder, began = tmp_path / "tmp", time.monotonic()
    process = start(folder)
    output = read_until(process, "→")
    process.send_signal(signal.SIGINT)
    run = ended(process, folder, began, output)
    assert (run.code, run.errors, run.left) == (130, "", [])


@pytest.mark.parametrize(
    ("delivered", "pending", "posted", "wrong"),
    [
        (3, 0, 3, []),
        (2, 0, 3, ["ops accepted 3: 2 with an outcome, 0 pending"]),
        (2, 1, 3, ["ops accepted 3: 2 with an outcome, 1 pending"]),
        (3, 0, 4, ["ops accepted 3 of 4 alerts"]),
    ],
)
def test_books_that_do_not_balance_are_told(delivered: int, pending: int, posted: int, wrong: list[str]) -> None:
    """An entry without an outcome, one still pending, an alert that never got in."""
    account = Account(3, {Outcome.DELIVERED: delivered}, pending, {}, unreachable=False)
    stage: Any = SimpleNamespace(posted=posted)
    assert list(story._imbalances(stage, Snapshot({"ops": account}, []))) == wrong


class Stream(io.StringIO):
    """A text stream that may say it is a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("terminal", "environ", "coloured"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_colours_are_for_terminals_whose_user_wants_them(
    terminal: bool, environ: dict[str, str], coloured: bool
) -> None:
    """NO_COLOR counts when it is not empty (no-color.org)."""
    stream = Stream(terminal)
    Screen(stream, environ).line("told", BOLD)
    assert ("\033" in stream.getvalue()) is coloured


def test_what_an_alert_says_cannot_move_the_cursor() -> None:
    """Control characters of a posted text show as U+FFFD."""
    stream = Stream(terminal=True)
    Screen(stream, {"NO_COLOR": "1"}).event("→", "a\033[2Jb")
    assert stream.getvalue().endswith("→ a\ufffd[2Jb\n")


def test_without_its_mail_server_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo extra is not installed."""

    class Absent:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "aiosmtpd":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for name in [name for name in sys.modules if name.startswith(("aiosmtpd", "receiver.demo."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    result = CliRunner().invoke(main, ["demo"])
    assert (result.exit_code, result.output) == (
        1,
        "Error: the demo needs aiosmtpd: pip install 'alert-receiver[demo]'\n",
    )
