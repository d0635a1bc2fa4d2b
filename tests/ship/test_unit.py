"""The example of a systemd unit: systemd takes it, it gives away little, and it says what the program understands."""

import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import click
import pytest

from receiver.cli import main
from tests.ship.dockerfile import ROOT

UNIT = ROOT / "docs" / "examples" / "alert-receiver.service"
PROGRAM = "/opt/alert-receiver/bin/alert-receiver"
# In tenths: of 10, which is what a unit without any of this has. What is left is mostly that it uses the network.
MOST_EXPOSURE = 12


@cache
def settings() -> Mapping[str, str]:
    """The unit's settings; those that come more than once are joined."""
    found: dict[str, str] = {}
    for line in UNIT.read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found[key] = f"{found[key]} {value}" if key in found else value
    return found


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What systemd says."""
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def installed(folder: Path, text: str) -> Path:
    """The unit as it were where the program is installed."""
    program = folder / "alert-receiver"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = folder / UNIT.name
    unit.write_text(text.replace(f"ExecStart={PROGRAM} ", f"ExecStart={program} "))
    return unit


def complaints(unit: Path) -> list[str]:
    """What systemd says of the unit; what else is wrong on this machine does not matter."""
    done = analyze("verify", "--recursive-errors=no", unit)
    said = [line for line in done.stderr.splitlines() if unit.name in line]
    assert said or done.returncode == 0, done.stderr
    return said


@pytest.mark.real("systemd-analyze")
def test_systemd_takes_it(tmp_path: Path) -> None:
    assert complaints(installed(tmp_path, UNIT.read_text())) == []


@pytest.mark.real("systemd-analyze")
@pytest.mark.parametrize(
    ("setting", "wrong", "said"),
    [("ProtectClock=yes", "ProtectClok=yes", "ProtectClok"), ("Restart=always", "Restart=sometimes", "sometimes")],
)
def test_systemd_would_name_what_it_does_not_know(setting: str, wrong: str, said: str, tmp_path: Path) -> None:
    text = UNIT.read_text()
    assert setting in text
    [complaint] = complaints(installed(tmp_path, text.replace(setting, wrong)))
    assert said in complaint


@pytest.mark.real("systemd-analyze")
def test_it_may_do_little(tmp_path: Path) -> None:
    def exposed(unit: Path) -> tuple[int, str]:
        done = analyze("security", "--no-pager", "--offline=true", f"--threshold={MOST_EXPOSURE}", unit)
        return done.returncode, done.stdout + done.stderr

    code, said = exposed(UNIT)
    assert code == 0, said
    looser = tmp_path / UNIT.name
    looser.write_text(UNIT.read_text().replace("CapabilityBoundingSet=\n", ""))
    assert exposed(looser)[0] != 0, "the limit is no limit"


def test_it_starts_what_the_command_line_understands() -> None:
    program, command, *arguments = settings()["ExecStart"].split()
    assert program == PROGRAM
    known = main.commands[command]
    assert isinstance(known, click.Command)
    with known.make_context(command, arguments) as context:
        assert str(context.params["config_file"]) == "/etc/alert-receiver/alert-receiver.yml"
        # As long as there are no tokens, only this machine gets at it.
        assert context.params["listen"] == ("127.0.0.1", 9095)


def test_the_books_are_where_the_program_starts() -> None:
    assert settings()["StateDirectory"] == "alert-receiver"
    assert settings()["WorkingDirectory"] == "%S/alert-receiver"
    assert settings()["StateDirectoryMode"] == "0700"
    assert settings()["UMask"] == "0077"


def test_a_reload_is_a_hangup_and_it_never_gives_up() -> None:
    assert settings()["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert settings()["Restart"] == "always"
    assert settings()["StartLimitIntervalSec"] == "0"


def test_the_secrets_are_where_the_comment_has_the_configuration_look() -> None:
    [named] = re.findall(r"^#\s+password_file: (\S+)$", UNIT.read_text(), re.MULTILINE)
    name = settings()["LoadCredential"].partition(":")[0]
    assert named == f"/run/credentials/{UNIT.name}/{name}"
    assert "Environment" not in settings()
