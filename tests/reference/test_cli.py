"""docs/cli.md says of each command what its help says, and what its examples show is what they do."""

import asyncio
import contextlib
import io
import re
import shlex
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from receiver import app
from receiver.cli import main
from receiver.config import loading
from receiver.config.resolve import destinations, resolve
from tests.reference import cli
from tests.reference.pages import blocks, lines_of_prose, parts, renewed

PAGE = cli.PAGE.read_text(encoding="utf-8")
COMMANDS = list(main.commands)
EXAMPLES = [block.removeprefix("$ alert-receiver ").split("\n", 1) for block in blocks(PAGE, "console")]
# One runs until it is stopped, one takes half a minute, one asks a receiver that runs.
NOT_RUN = {"serve", "demo", "healthcheck"}


def files(folder: Path) -> None:
    """Write the files of the page, each under the name before it."""
    found = re.findall(r"^`([\w.-]+)`:\n\n```\w+\n(.*?)^```$", PAGE, re.M | re.S)
    assert len(found) == 4
    for name, text in found:
        (folder / name).write_text(text)


def run(*arguments: str, folder: Path) -> Result:
    """Run a command in a folder."""
    with contextlib.chdir(folder):
        return CliRunner().invoke(main, arguments)


def without_times(text: str) -> str:
    """What is printed, whenever it is."""
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "TIME", text)


def test_the_page_says_what_the_help_says() -> None:
    again = renewed(PAGE, cli.MODULE, cli.texts())
    assert again == PAGE, "write it anew: python -m tests.reference.cli"


def test_the_page_has_a_place_for_each_part() -> None:
    assert sorted(parts(PAGE, cli.MODULE)) == sorted(cli.texts())


def test_each_command_has_a_heading_its_exit_codes_and_an_example() -> None:
    assert re.findall(r"^### (\S+)$", PAGE, re.M) == COMMANDS
    assert list(cli.EXITS) == COMMANDS
    assert [command.split()[0] for command, _ in EXAMPLES] == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_every_argument_is_on_the_page(name: str) -> None:
    [section] = re.findall(rf"^### {name}\n(.*?)(?=^### |\Z)", PAGE, re.M | re.S)
    for param in main.commands[name].params:
        if isinstance(param, click.Option):
            assert f"`{param.opts[0]}" in section
        else:
            assert param.make_metavar(cli.context(name, main.commands[name])) in section


@pytest.mark.parametrize("command", [command for command, _ in EXAMPLES])
def test_an_example_is_one_that_the_command_takes(command: str) -> None:
    name, *arguments = shlex.split(command.partition(" > ")[0])
    main.commands[name].make_context(name, arguments)


@pytest.mark.parametrize(("command", "shown"), [pair for pair in EXAMPLES if pair[0].split()[0] not in NOT_RUN])
def test_what_an_example_shows_is_what_it_prints(command: str, shown: str, tmp_path: Path) -> None:
    files(tmp_path)
    result = run(*shlex.split(command.partition(" > ")[0]), folder=tmp_path)
    assert result.exit_code == (1 if "FAILED" in shown else 0), result.output
    assert result.stdout
    if shown:
        assert without_times(result.stdout) == without_times(shown)
    assert not result.stderr


async def test_a_receiver_that_runs_is_as_well_as_the_page_shows(tmp_path: Path) -> None:
    [(command, shown)] = [pair for pair in EXAMPLES if pair[0].startswith("healthcheck")]
    config = loading.embedded().config
    url = f"sqlite:///{tmp_path / 'books.db'}"
    settings = app.Settings(url, resolve(config), destinations(config), port=0)
    async with app.running(settings, io.StringIO()) as receiver:
        result = await asyncio.to_thread(run, *shlex.split(command), "--url", receiver.url, folder=tmp_path)
    assert (result.exit_code, result.stdout) == (0, shown)


@pytest.mark.parametrize(
    "command",
    [
        "serve --config.file=mistaken.yml",
        "serve --config.file=nowhere.yml",
        "check-config nowhere.yml",
        "send-test --config.file=mistaken.yml",
        "simulate nowhere.jsonl",
        "render --config.file=alert-receiver.yml --channel=ops mistaken.yml",
        "rules alert-receiver.yml",
        "healthcheck --url=http://127.0.0.1:1",
        "demo",
    ],
)
def test_what_fails_ends_with_1(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path)
    monkeypatch.setitem(sys.modules, "receiver.demo.story", None)
    result = run(*shlex.split(command), folder=tmp_path)
    assert (result.exit_code, result.output != "") == (1, True)


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_use_ends_with_2_and_prints_no_result(name: str, tmp_path: Path) -> None:
    result = run(name, "--nonsense", folder=tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("command", ["send-test", "render --part=text notification.json"])
def test_a_channel_that_is_not_in_the_configuration_is_wrong_use(command: str, tmp_path: Path) -> None:
    files(tmp_path)
    arguments = shlex.split(f"{command} --config.file=alert-receiver.yml --channel=nobody")
    assert run(*arguments, folder=tmp_path).exit_code == 2


def test_only_serve_is_told_of_by_variables_and_these_are_on_the_page() -> None:
    variables = {param.envvar for command in main.commands.values() for param in command.params if param.envvar}
    assert set(re.findall(r"^\| `([A-Z_]+)` \| `serve` \|", PAGE, re.M)) == variables


def test_an_attempt_has_as_long_to_end_as_the_page_says() -> None:
    assert app.SHUTDOWN_SECONDS == 10
    assert "an attempt under way has ten seconds to end" in PAGE


def test_lines_of_prose_are_short_enough_to_read_a_difference() -> None:
    assert [line for line in lines_of_prose(PAGE) if len(line) > 120] == []
