"""The synopses and tables of docs/cli.md, from click's help; ``python -m tests.reference.cli`` writes them."""

import inspect
import re
from collections.abc import Iterator, Mapping

import click

from receiver.cli import main
from tests.reference.pages import DOCS, renewed, table

PAGE = DOCS / "cli.md"
MODULE = "cli"
PROGRAM = "alert-receiver"

# When each command ends with 0, and when with 1; 2 is wrong use, for all of them.
EXITS: Mapping[str, tuple[str, str]] = {
    "serve": (
        "it was stopped by SIGTERM or Ctrl-C",
        "the configuration, the store or the address can't be used, or a defect ended it; the log says why",
    ),
    "check-config": ("every file can be used", "a file can't; with `--deep` also if something that it names fails"),
    "send-test": ("every channel took the message", "the configuration can't be used, or a channel failed"),
    "schema": ("it is printed", "the output has no room, as with any command"),
    "demo": ("the demo came to its end", "the mail server that it brings is not installed"),
    "simulate": ("the simulation came to its end", "the configuration or the events can't be used"),
    "render": (
        "the message is shown",
        "the configuration or the notification can't be used, the channel tells nothing of it, or a template failed",
    ),
    "rules": ("they are listed or exported", "they can't be read, or not be written there"),
    "healthcheck": ("the receiver is well", "it is not, or nobody answers within three seconds"),
}


def texts() -> dict[str, str]:
    """What the page has between its markers, by part."""
    found = {name: "\n\n".join(_command(name, command)) for name, command in main.commands.items()}
    found["commands"] = table(("command", "what it does"), map(_short, main.commands.items()))
    exits = ((f"`{name}`", *EXITS[name]) for name in main.commands)
    found["exit codes"] = table(("command", "0", "1"), exits)
    found["variables"] = table(("variable", "of", "instead of"), _variables())
    return found


def context(name: str, command: click.Command) -> click.Context:
    """As it is called."""
    # Wide, for lines end where the page's do.
    return click.Context(command, click.Context(main, info_name=PROGRAM), name, terminal_width=200)


def _short(named: tuple[str, click.Command]) -> tuple[str, str]:
    name, command = named
    return f"[`{name}`](#{name})", command.get_short_help_str(limit=200)


def _command(name: str, command: click.Command) -> Iterator[str]:
    ctx = context(name, command)
    yield f"```text\n{PROGRAM} {name} {' '.join(command.collect_usage_pieces(ctx))}\n```"
    yield _marked(click.formatting.wrap_text(inspect.cleandoc(command.help or ""), 118, preserve_paragraphs=True))
    options = [param for param in command.params if isinstance(param, click.Option)]
    if options:
        yield table(("option", "default", "what it does"), (_option(option, ctx) for option in options))


def _option(option: click.Option, ctx: click.Context) -> tuple[str, str, str]:
    shown = option.get_help_record(ctx)
    assert shown is not None
    default = f"`{value}`" if (value := option.get_help_extra(ctx).get("default")) else "–"
    return f"`{shown[0]}`", "**required**" if option.required else default, _marked(option.help or "")


def _variables() -> Iterator[tuple[str, str, str]]:
    for name, command in main.commands.items():
        for param in command.params:
            if isinstance(param.envvar, str):
                yield f"`{param.envvar}`", f"`{name}`", f"`{param.opts[0]}`"


def _marked(text: str) -> str:
    """With options, paths and variables as code."""
    return re.sub(r"(?<![\w`/])(--[a-z][\w.-]*\w|/-/\w+|/webhook/CHANNEL|LOG_[A-Z]+)(?!`)", r"`\1`", text)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), MODULE, texts()), encoding="utf-8")
