"""What docs/grouping.md shows is what the command prints. ``python -m tests.test_grouping_docs`` prints it anew."""

import contextlib
import json
import re
import runpy
import shlex
import subprocess
import threading
import urllib.request
from http.server import HTTPServer
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from receiver.cli import main
from receiver.config import loading
from receiver.config.resolve import resolve

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "grouping.md"
EXAMPLES = ROOT / "docs" / "examples"
COMMAND = "$ alert-receiver "
PRINTED = re.compile(rf"(?<=^```console\n)({re.escape(COMMAND)}simulate [^\n]*\n)(.*?)(?=^```$)", re.M | re.S)
KINDS = {"notification", "channel", "outage", "reject", "mute", "reload", "restart", "clock"}


def page() -> str:
    """The page as it stands."""
    return PAGE.read_text(encoding="utf-8")


def block(language: str) -> str:
    """The page's only block in this language."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", page(), re.M | re.S)
    return str(found)


def printed(command: str) -> str:
    """What a command prints in the project's folder."""
    with contextlib.chdir(ROOT):
        result = CliRunner().invoke(main, shlex.split(command.removeprefix(COMMAND)), catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    assert not result.stderr
    return result.stdout


def printed_anew(text: str) -> str:
    """The page with each timeline as it is printed now."""
    return PRINTED.sub(lambda found: found[1] + printed(found[1]), text)


@pytest.mark.parametrize(("command", "shown"), PRINTED.findall(page()))
def test_a_timeline_is_what_the_command_prints(command: str, shown: str) -> None:
    assert shown == printed(command), "python -m tests.test_grouping_docs prints the timelines anew"


def test_every_timeline_among_the_examples_is_shown() -> None:
    commands = "".join(command for command, _ in PRINTED.findall(page()))
    for path in EXAMPLES.glob("*.jsonl"):
        assert f"docs/examples/{path.name}" in commands, path.name


def test_every_default_in_the_table_is_the_built_in_one(tmp_path: Path) -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \|", page(), re.M)
    stated = {key: yaml.safe_load(value) for key, value in rows}
    above = {key: stated.pop(key) for key in ("reorder_window", "expire_after")}
    channels = [{"name": "console", "type": "console"}]
    path = tmp_path / "alert-receiver.yml"
    path.write_text(json.dumps({**above, "defaults": stated, "channels": channels}))
    plain = tmp_path / "plain.yml"
    plain.write_text(json.dumps({"channels": channels}))
    as_stated, built_in = (resolve(loading.load(each, {}).config) for each in (path, plain))
    assert as_stated == built_in
    assert stated.keys() == set(loading.load(plain, {}).config.defaults.__struct_fields__)


def test_every_kind_of_line_is_shown_and_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text(block("jsonl"))
    printed(f"{COMMAND}simulate {path}")
    lines = [json.loads(line) for line in block("jsonl").splitlines() if not line.startswith("#")]
    assert {key for line in lines for key in line} - {"at"} == KINDS


@pytest.mark.real("amtool")
def test_alertmanager_accepts_its_snippet(tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(block("yaml"))
    checked = subprocess.run(["amtool", "check-config", str(path)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_what_capture_writes_down_can_be_simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = (ROOT / "tests" / "captured" / "multi.json").read_bytes()
    with HTTPServer(("127.0.0.1", 0), runpy.run_path(str(EXAMPLES / "capture.py"))["Capture"]) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/", body, timeout=10) as answer:
            assert answer.status == 200
        thread.join()
    path = tmp_path / "mine.jsonl"
    path.write_text(capsys.readouterr().out)
    assert "1 notification (3 alerts) in, 3 messages out" in printed(f"{COMMAND}simulate {path}")


def test_every_link_leads_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)", page(), re.M)
    }
    for target in re.findall(r"\]\(([^):]+)\)", page()):
        file, _, anchor = target.partition("#")
        assert (PAGE.parent / file).exists(), target
        assert not anchor or anchor in headings, target


if __name__ == "__main__":
    PAGE.write_text(printed_anew(page()), encoding="utf-8")
