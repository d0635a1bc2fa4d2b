"""``make bench``: durable webhooks a second, beside a bare handler that only reads the body, in the same run."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from aiohttp import web

from tests.load import post_all

CAPTURED = Path(__file__).parent / "captured"
CONFIGURATION = """
channels:
  - {name: first, type: console}
  - {name: second, type: console, matchers: ['alertname!=""']}
"""
# Bodies posted per case, by alerts a body: some seconds each.
COUNTS = {1: 12_000, 10: 3_000, 100: 600}
AIMS = {1: 0.30, 10: 0.15, 100: 0.05}


def bodies(alerts: int, count: int, *, first: int = 0, status: str = "firing") -> list[bytes]:
    """``count`` captured notifications of so many alerts each, no two with the same alert."""
    captured = json.loads((CAPTURED / "big100.json").read_bytes())
    captured["alerts"] = captured["alerts"][:alerts]
    for alert in captured["alerts"]:
        alert["status"] = status
        if status == "resolved":
            alert["endsAt"] = "2026-11-20T21:52:06Z"
    template = json.dumps(captured, separators=(",", ":")).encode()
    return [template.replace(b'"case":"big100"', b'"case":"body-%d"' % n) for n in range(first, first + count)]


@contextmanager
def server(
    *command: str, folder: Path, listening: str = r"http://127\.0\.0\.1:(\d+)"
) -> Iterator[tuple[int, subprocess.Popen[bytes], float]]:
    """A server process: its port, the process, and how many seconds it took until it said that it is ``listening``."""
    began = time.perf_counter()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
    try:
        while not (found := re.search(listening, (folder / "server.log").read_text())):
            if process.poll() is not None:
                raise RuntimeError((folder / "server.log").read_text())
            time.sleep(0.005)
        yield int(found[1]), process, time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def receiver(configuration: str = CONFIGURATION) -> Iterator[tuple[int, subprocess.Popen[bytes], float]]:
    """A receiver with a fresh store."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench.yml").write_text(configuration)
        options = ("serve", "--config.file=bench.yml", "--web.listen-address=127.0.0.1:0")
        with server(sys.executable, "-m", "receiver", *options, folder=folder) as running:
            yield running


def measured(port: int, posted: list[bytes]) -> float:
    """Webhooks a second; every one of them must be answered with 200."""
    rate, statuses = uvloop.run(post_all(port, posted))
    assert statuses == {200: len(posted)}, statuses
    return rate


async def bare() -> None:
    """A handler that reads the body and does nothing with it."""

    async def read(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(text="read\n")

    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/webhook", read)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stderr.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stderr.flush()
    await asyncio.Event().wait()


def memory(process: subprocess.Popen[bytes]) -> float:
    """The process's resident memory in MB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def main() -> None:
    """Measure and print a table."""
    say = sys.stdout.write
    with receiver() as (port, process, started):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read()
        say(f"start-up {started:.2f} s (aim ≤ 1)   idle memory {memory(process):.0f} MB (aim ≤ 80)\n\n")
    say("durable webhooks/s, two channels, 64 connections; ratio to a bare aiohttp+uvloop handler\n")
    say(f"{'alerts a body':>13} {'bare':>8} {'fresh':>14} {'HA duplicates':>14} {'resolves':>14} {'aim':>6}\n")
    for alerts, count in COUNTS.items():
        fresh = bodies(alerts, count)
        with tempfile.TemporaryDirectory() as name:
            handler = server(sys.executable, "-m", "tests.bench", "bare", folder=Path(name))
            with handler as (port, _, _):
                bare_rate = measured(port, fresh)
        with receiver() as (port, _, _):
            rates = [measured(port, fresh), measured(port, fresh)]
            rates.append(measured(port, bodies(alerts, count, status="resolved")))
        columns = " ".join(f"{rate:>7.0f} ({rate / bare_rate:.2f})" for rate in rates)
        say(f"{alerts:>13} {bare_rate:>8.0f} {columns} {AIMS[alerts]:>6.2f}\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["bare"]:
        uvloop.run(bare())
    else:
        main()
