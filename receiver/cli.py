"""The command line. Results go to stdout, diagnostics to stderr; exit codes 0, 1 (it failed), 2 (wrong use)."""

import errno
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click
import uvloop

from receiver import __version__, bundle, healthcheck, logs, render, simulate, trial
from receiver.app import CannotListen, Settings, serve, wall_clock
from receiver.config import loading, schema
from receiver.config.loading import Loaded
from receiver.config.problems import ConfigError, Problem
from receiver.config.resolve import destinations, resolve
from receiver.config.tokens import tokens
from receiver.parameters import Address, Instant, Size
from receiver.redaction import scrub
from receiver.reload import report
from receiver.store.connect import StoreUnavailable

log = logging.getLogger(__name__)

# A file that is something else altogether is wrong in every line.
PROBLEMS_SHOWN = 30
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
LEVELS = ("debug", "info", "warn", "error")


class Commands(click.Group):
    """All commands, where any may find that its output has no room."""

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Run the one that is named."""
        try:
            return super().__call__(*args, **kwargs)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            # What is still buffered would fail once more at the exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            click.echo(f"can't write the output: {error.strerror}", err=True)
            sys.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", prog_name="alert-receiver", message="%(prog)s %(version)s")
def main() -> None:
    """Alertmanager's webhook in, readable mail and Slack messages out, every alert accounted for."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Not every terminal has every character of a name or a label.
        sys.stdout.reconfigure(errors="replace")


@main.command("serve")
@click.option(
    "--config.file",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration. Without it, messages are printed to stdout and the books are kept in this folder.",
)
@click.option(
    "--web.listen-address",
    "listen",
    type=Address(),
    default="127.0.0.1:9095",
    show_default=True,
    help="Where to listen.",
)
@click.option("--web.external-url", "external_url", help="Where people reach the receiver. Not in force yet.")
@click.option(
    "--web.max-body", "max_body", type=Size(), default="64MiB", show_default=True, help="Largest request body accepted."
)
@click.option(
    "--log.level",
    "level",
    envvar="LOG_LEVEL",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="info",
    show_default=True,
    help="Also by LOG_LEVEL.",
)
@click.option(
    "--log.format",
    "log_format",
    envvar="LOG_FORMAT",
    type=click.Choice(("logfmt", "json")),
    default="logfmt",
    show_default=True,
    help="Also by LOG_FORMAT.",
)
def serve_command(
    config_file: Path | None,
    listen: tuple[str, int],
    external_url: str | None,
    max_body: int,
    level: str,
    log_format: str,
) -> None:
    """Run the receiver, until SIGTERM or Ctrl-C; SIGHUP reloads the configuration."""
    logs.configure(level.lower(), log_format)
    logs.install_hooks()
    try:
        loaded = loading.embedded() if config_file is None else loading.load(config_file, os.environ)
    except ConfigError as error:
        for problem in error.problems:
            log.error("the configuration can't be used", extra={"problem": str(problem)})
        sys.exit(1)
    report(loaded)
    if external_url is not None:
        log.warning("--web.external-url is accepted, but not in force yet: no message links to the receiver")
    facts: dict[str, object] = {"version": __version__, "store": _shown(loaded.config.storage.url)}
    if config_file is not None:
        facts["config"] = str(config_file.absolute())
    facts |= {"channels": len(loaded.config.channels), "tokens": len(loaded.config.auth.tokens)}
    log.info("starting", extra=facts)
    if config_file is None:
        log.info("no --config.file: messages are printed to stdout")
    try:
        load = None if config_file is None else partial(loading.load, config_file, os.environ)
        uvloop.run(serve(_settings(loaded, load, listen, max_body), sys.stdout))
    except StoreUnavailable as error:
        log.error("the store can't be used", extra={"detail": str(error)})
        sys.exit(1)
    except CannotListen as error:
        log.error("can't listen", extra={"address": ":".join(map(str, listen)), "detail": str(error)})
        sys.exit(1)


def _shown(store_url: str) -> str:
    """The store's file in full: a relative path depends on where the process was started."""
    return str(Path(store_url.removeprefix("sqlite:///")).absolute())


def _settings(loaded: Loaded, load: Callable[[], Loaded] | None, listen: tuple[str, int], max_body: int) -> Settings:
    config, files = loaded.config, loaded.secret_files
    where = config.storage.url, resolve(config), destinations(config)
    return Settings(*where, *listen, max_body, load, files, tokens(config))


@main.command("check-config", short_help="Check configuration files.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--deep", is_flag=True, help="Also try what they name: the books' folder, hosts, certificates, logins.")
def check_config(files: tuple[Path, ...], deep: bool) -> None:
    """Check configuration files: every problem at once, with file, line, and what would be right.

    No message is ever sent. With --deep, each channel's provider is connected to and logged in to.
    """
    failed = False
    for file in files:
        click.echo(f"Checking {file}")
        try:
            loaded = loading.load(file, os.environ)
        except ConfigError as error:
            failed = True
            click.echo(f"  FAILED: {_count(len(error.problems), 'problem')}")
            for problem in error.problems:
                click.echo(scrub(f"    {problem}"))
            continue
        channels = trial.targets(loaded.config)
        click.echo(f"  SUCCESS: {_count(len(channels), 'channel')} found")
        for channel in channels:
            click.echo(f"    {channel}")
        for warning in loaded.warnings:
            click.echo(f"  warning: {warning}")
        if deep and not _works(loaded, channels):
            failed = True
    sys.exit(1 if failed else 0)


def _works(loaded: Loaded, channels: Sequence[trial.Target]) -> bool:
    """Whether everything does that the configuration names, told line by line."""
    _only_results()
    click.echo("  Trying all of it, without sending a message")
    found = [trial.storage(loaded.config.storage.url), *uvloop.run(trial.reach(channels, sys.stdout))]
    for subject, finding in zip(("storage", *channels), found, strict=True):
        click.echo(f"    {subject}: {finding}")
    failed = sum(finding.failed for finding in found)
    click.echo(f"  FAILED: {_count(failed, 'problem')}" if failed else "  SUCCESS: all of it works")
    return not failed


@main.command("send-test", short_help="Send a real message through each channel.")
@click.option("--config.file", "config_file", type=click.Path(path_type=Path), required=True, help="The configuration.")
@click.option("--channel", "names", multiple=True, help="Only this channel, by name or alias; may be repeated.")
def send_test(config_file: Path, names: tuple[str, ...]) -> None:
    """Send a real message through each channel, and show what the provider answered and what to do about it."""
    _only_results()
    try:
        loaded = loading.load(config_file, os.environ)
        channels = trial.chosen(trial.targets(loaded.config), names)
    except ConfigError as error:
        _complain(error.problems)
        sys.exit(1)
    except trial.UnknownChannel as error:
        raise click.BadParameter(str(error), param_hint="--channel") from None
    click.echo(f"Sending a test message through {_count(len(channels), 'channel')} of {config_file}")
    failed = uvloop.run(_send(channels))
    if failed:
        click.echo(f"FAILED: {failed} of {_count(len(channels), 'channel')}")
        sys.exit(1)
    click.echo("SUCCESS: every channel took it. Now see that the messages have arrived.")


async def _send(channels: Sequence[trial.Target]) -> int:
    """How many of the channels failed."""
    failed = 0
    for channel in channels:
        click.echo(f"  {channel}")
        found = await trial.send(channel, sys.stdout)
        for finding in found:
            click.echo(f"    {finding}")
        failed += any(finding.failed for finding in found)
    return failed


def _only_results() -> None:
    """No library's warnings among the results; a defect is still told, in one line without credentials."""
    logs.configure("error", "logfmt")
    logs.install_hooks()


def _complain(problems: Sequence[Problem]) -> None:
    for problem in problems[:PROBLEMS_SHOWN]:
        click.echo(scrub(str(problem)), err=True)
    if (more := len(problems) - PROBLEMS_SHOWN) > 0:
        click.echo(f"… and {_count(more, 'more problem')}", err=True)


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


@main.command("schema")
def schema_command() -> None:
    """Print the configuration's JSON Schema (draft 2020-12)."""
    click.echo(json.dumps(schema.generate(), indent=2, ensure_ascii=False))


@main.command("demo", short_help="See it work, half a minute.")
@click.option("--keep", is_flag=True, help="Leave it running afterwards, to try your own notifications on it.")
def demo_command(keep: bool) -> None:
    """See it work in half a minute: no configuration, nothing leaves this machine."""
    try:
        from receiver.demo.story import tell  # noqa: PLC0415 - its mail server comes with the demo extra
    except ModuleNotFoundError as error:
        raise click.ClickException(f"the demo needs {error.name}: pip install 'alert-receiver[demo]'") from None
    uvloop.run(tell(keep=keep))


@main.command("simulate", short_help="Show what would be sent, and when.")
@click.argument("events", type=click.Path(allow_dash=True, path_type=Path))
@click.option(
    "--config.file",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration; its secrets are not read. Without it, one console channel.",
)
@click.option(
    "--output",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="For people; or for programs: a JSON object a line for each message, and last the books.",
)
@click.option(
    "--until",
    type=Instant(),
    help="Stop after this instant, such as 2026-11-20T21:00:00Z. Without it: when nothing is pending, or after 7d.",
)
def simulate_command(events: Path, config_file: Path | None, output: str, until: int | None) -> None:
    """Show what would be sent, and when: the real decisions on a virtual clock. Nothing is sent.

    EVENTS is a file of JSON lines (- for stdin), each with its time: notifications, outages, mutes, reloads, restarts.
    """
    try:
        loaded = loading.embedded() if config_file is None else loading.load(config_file, None)
        for warning in loaded.warnings:
            click.echo(f"warning: {warning}", err=True)
        simulation = simulate.prepare(resolve(loaded.config), events, until)
    except (ConfigError, simulate.BadInput) as error:
        _complain(error.problems)
        sys.exit(1)
    for line in simulate.WRITERS[output](simulation):
        click.echo(line)


@main.command("render", short_help="Show what a channel would say of a notification.")
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path))
@click.option("--config.file", "config_file", type=click.Path(path_type=Path), required=True, help="The configuration.")
@click.option("--channel", "name", required=True, help="The channel, by name or alias.")
@click.option(
    "--part",
    type=click.Choice((*render.PARTS, "all")),
    default="all",
    show_default=True,
    help="Only this part, just as it is; all: for people to read.",
)
def render_command(file: Path, config_file: Path, name: str, part: str) -> None:
    """Show what a channel would say of a notification, by its own templates or the built-in rendering.

    FILE (- for stdin) is the body of a webhook request, taken as if it came to /webhook/CHANNEL now; what has resolved
    counts as told before. Nothing waits, nothing is sent, no secret is read.
    """
    _only_results()
    try:
        channel = render.find(loading.load(config_file, None).config, name)
        shown = render.show(channel, render.body(file), wall_clock(), part)
    except ConfigError as error:
        _complain(error.problems)
        sys.exit(1)
    except render.UnknownChannel as error:
        raise click.BadParameter(str(error), param_hint="--channel") from None
    except render.NoSuchPart as error:
        raise click.BadParameter(str(error), param_hint="--part") from None
    except render.Nothing as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    for text in shown.texts:
        click.echo(text)
    for problem in shown.problems:
        click.echo(f"{problem}; the built-in form goes out instead", err=True)
    sys.exit(1 if shown.problems else 0)


@main.command("rules", short_help="List or export the bundled alerting rules.")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path())
@click.option("--only", multiple=True, metavar="DOMAIN,...", help="Only these domains; may be repeated.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(bundle.FORMATS),
    help="Files for rule_files, the default; or objects for the Prometheus operator. Without DIR, to stdout: "
    "the objects of all domains, or the file of one.",
)
@click.option("--runbook-base", metavar="URL", help="Where your copies of the runbooks are, such as a wiki.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="KEY=VALUE",
    help="A label of the objects, such as the operator's ruleSelector wants it; may be repeated.",
)
def rules_command(
    folder: str | None, only: tuple[str, ...], format_: str | None, runbook_base: str | None, labels: tuple[str, ...]
) -> None:
    """List the bundled alerting rules; with DIR, export them there, a file for each domain.

    Files of the same name are replaced, others left alone. Domains that are off by default are exported only if --only
    names them. Thresholds are overridden in a file of your own, so that a later export keeps them.
    """
    try:
        if folder == "":
            # As a Path it would be the current folder.
            raise bundle.Misused("DIR", "it is empty, as an unset variable is; the current folder is written .")
        form = bundle.form_of(format_ or bundle.PROMETHEUS, runbook_base, labels)
        domains = bundle.chosen(bundle.read(bundle.home()), only)
        if folder is None and format_ is None:
            if runbook_base is not None:
                raise bundle.Misused("--runbook-base", "it changes what is exported: say to which DIR, or --format")
            for line in bundle.listing(domains):
                click.echo(line)
            return
        domains = tuple(domain for domain in domains if only or not domain.optional)
        if folder is None:
            # As bytes: a terminal's encoding changes nothing that goes to a file.
            click.echo(bundle.printed(domains, form).encode(), nl=False)
            return
        texts = bundle.files(domains, form)
        for path in bundle.write(Path(folder), texts):
            click.echo(f"Wrote {path}")
        for line in bundle.usage(Path(folder), form, texts):
            click.echo(line)
    except bundle.Misused as error:
        raise click.BadParameter(str(error), param_hint=error.option) from None
    except bundle.Failed as error:
        click.echo(str(error), err=True)
        sys.exit(1)


main.add_command(healthcheck.command)
