"""``make bench``: messages a second and CPU a message, next to Alertmanager, with the same alerts and the same sinks.

Every alert is a group of its own, so that each program sends one message an alert. Neither encrypts.
"""

import asyncio
import itertools
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from receiver.channels.email import EmailChannel
from receiver.core.content import Rendered
from receiver.messages import email
from tests.bench import bodies, receiver, server
from tests.messages.contents import content, line, of_many_groups

ALERTS = 1_000
BATCH = 50
ROUNDS = 5
PATIENCE = 300.0
TICK = os.sysconf("SC_CLK_TCK")
AT = 1_795_239_000_000


class Sinks(NamedTuple):
    """The ports of a mail server and of a Slack endpoint."""

    smtp: int
    slack: int


class Measured(NamedTuple):
    """Messages a second from the first to the last, seconds from the first post on, CPU and bytes a message."""

    rate: float
    took: float
    cpu: float
    size: float


Program = Callable[[str, Sinks], AbstractContextManager[tuple[str, int]]]


@contextmanager
def sinks() -> Iterator[Sinks]:
    """Fresh ones."""
    with tempfile.TemporaryDirectory() as name:
        command = (sys.executable, "-m", "tests.bench_sinks")
        with server(*command, folder=Path(name), listening=r"http://127\.0\.0\.1:(\d+)\n") as (slack, _, _):
            said = (Path(name) / "server.log").read_text()
            yield Sinks(int(said.split()[0].rpartition(":")[2]), slack)


@contextmanager
def ours(kind: str, to: Sinks) -> Iterator[tuple[str, int]]:
    """A receiver: the address that takes notifications, and its process."""
    channels: Mapping[str, dict[str, Any]] = {
        "mail": {"type": "email", "to": ["oncall@example.com"], "from": "alerts@example.com"},
        "Slack": {"type": "slack", "webhook_url": f"http://127.0.0.1:{to.slack}/"},
    }
    config = {
        "smtp": {"host": "127.0.0.1", "port": to.smtp, "security": "none"},
        "defaults": {
            "group_by": ["..."],
            "group_wait": "0s",
            "throttle": {"messages": 1_000_000, "per": "1s", "burst": 1_000_000},
        },
        "channels": [{"name": "channel"} | channels[kind]],
    }
    with receiver(yaml.safe_dump(config)) as (port, process, _):
        yield f"http://127.0.0.1:{port}/webhook", process.pid


@contextmanager
def alertmanager(kind: str, to: Sinks) -> Iterator[tuple[str, int]]:
    """An Alertmanager: the address that takes alerts, and its process."""
    receivers: Mapping[str, dict[str, Any]] = {
        "mail": {"email_configs": [{"to": "oncall@example.com", "send_resolved": True}]},
        "Slack": {"slack_configs": [{"channel": "#alerts", "send_resolved": True}]},
    }
    config = {
        "global": {
            "smtp_smarthost": f"127.0.0.1:{to.smtp}",
            "smtp_from": "alerts@example.com",
            "smtp_require_tls": False,
            "slack_api_url": f"http://127.0.0.1:{to.slack}/",
        },
        "route": {"receiver": "channel", "group_by": ["..."], "group_wait": "0s"},
        "receivers": [{"name": "channel"} | receivers[kind]],
    }
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "alertmanager.yml").write_text(yaml.safe_dump(config))
        command = (
            "prometheus-alertmanager",
            "--config.file=alertmanager.yml",
            "--storage.path=data",
            "--web.listen-address=127.0.0.1:0",
            "--cluster.listen-address=",
        )
        with server(*command, folder=Path(name), listening=r"address=127\.0\.0\.1:(\d+)") as (port, process, _):
            yield f"http://127.0.0.1:{port}/api/v2/alerts", process.pid


def cpu(pid: int) -> float:
    """Seconds of CPU that the process has used, the kernel's for it included (proc(5), utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def post(url: str, body: bytes) -> None:
    """Post it; it must be taken."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def run(program: Program, kind: str) -> Measured:
    """Every alert posted and its message taken, once."""
    notifications = bodies(BATCH, ALERTS // BATCH)
    if program is alertmanager:
        notifications = [json.dumps(json.loads(body)["alerts"]).encode() for body in notifications]
    with sinks() as to, program(kind, to) as (url, pid):
        began, used = time.monotonic(), cpu(pid)
        for body in notifications:
            post(url, body)
        while (taken := counted(to))["messages"] < ALERTS:
            assert time.monotonic() < began + PATIENCE, taken
            time.sleep(0.05)
        used = cpu(pid) - used
        taken = counted(to)
    assert taken["messages"] == ALERTS, "each alert is told once"
    took = taken["last"] - taken["first"]
    return Measured((ALERTS - 1) / took, taken["last"] - began, used / ALERTS, taken["size"] / ALERTS)


def counted(to: Sinks) -> dict[str, float]:
    """What the sinks have taken."""
    with urllib.request.urlopen(f"http://127.0.0.1:{to.slack}/") as answer:
        found: dict[str, float] = json.load(answer)
    return found


async def building(rendered: Rendered, times: int = 200) -> tuple[float, float, int]:
    """Median seconds to build a mail and to send it on a kept connection, and its bytes."""
    with sinks() as to:
        channel = EmailChannel(
            "channel",
            sender="Alerts <alerts@example.com>",
            recipients=("oncall@example.com",),
            host="127.0.0.1",
            port=to.smtp,
            security="none",
            username=None,
            password=None,
            ca_file=None,
            timeout=10.0,
        )
        built, sent = [], []
        for n in range(times):
            began = time.perf_counter()
            payload = channel.build(rendered, f"{n:032x}", AT)
            built.append(time.perf_counter() - began)
            began = time.perf_counter()
            await channel.send(payload, channel.recipients)
            sent.append(time.perf_counter() - began)
        await channel.close()
    return statistics.median(built), statistics.median(sent), len(payload)


def main() -> None:
    """Measure and print tables."""
    say = sys.stdout.write
    say("\nto build a mail, and to send it on a kept connection\n")
    for name, told in (("one alert", content(line())), ("digest", of_many_groups())):
        built, sent, size = asyncio.run(building(email.render(told)))
        say(f"{name:>13} {size / 1000:>5.0f} kB: {built * 1e6:>6.0f} µs, {sent * 1e6:>6.0f} µs\n")
    programs: list[Program] = [ours]
    if shutil.which("prometheus-alertmanager"):
        programs.insert(0, alertmanager)
    else:
        say("\nprometheus-alertmanager is not on the PATH: nothing to compare with\n")
    say(f"\n{ALERTS:,} alerts, each a message; medians of {ROUNDS} runs, by turns; loopback, no TLS\n")
    say(f"{'':>21} {'messages/s':>11} {'slowest-fastest':>17} {'post to last':>13} {'CPU a message':>14} {'size':>9}\n")
    for kind in ("mail", "Slack"):
        runs: dict[Program, list[Measured]] = {program: [] for program in programs}
        for program in itertools.chain.from_iterable([runs] * ROUNDS):
            runs[program].append(run(program, kind))
        for program, found in runs.items():
            rate, took, used, size = (statistics.median(column) for column in zip(*found, strict=True))
            spread = f"{min(found).rate:.0f}-{max(found).rate:.0f}"
            name = f"{kind}, {'Alertmanager' if program is alertmanager else 'receiver'}"
            say(f"{name:>21} {rate:>11.0f} {spread:>17} {took:>11.2f} s {used * 1e3:>11.2f} ms {size:>7.0f} B\n")


if __name__ == "__main__":
    main()
