"""The real program as users run it: ``python -m receiver`` in a process of its own."""

import asyncio
import io
import os
import re
import signal
import sys
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families

T = TypeVar("T")

# Generous: a slow machine must not fail a test, a test that passes never waits for it.
PATIENCE = 30.0
POLL = 0.02

# So often that no test waits for a token; what waits for one has its own tests.
UNTHROTTLED = {"messages": 1000, "per": "1s", "burst": 1000}

_LISTENING = re.compile(r"\blistening\b.*(http://[0-9.]+:[0-9]+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP request was answered."""

    status: int
    text: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str


async def until(probe: Callable[[], Awaitable[T | None]], what: str, patience: float = PATIENCE) -> T:
    """The first true answer of the probe; fails with ``what`` was awaited, when it does not come in time."""
    deadline = asyncio.get_running_loop().time() + patience
    while not (found := await probe()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {patience:g} s: {what}")
        await asyncio.sleep(POLL)
    return found


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This environment without what would change the receiver's ways, and with ``extra``."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LOG_")}
    return inherited | dict(extra)


async def command(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Finished:
    """Run ``alert-receiver`` with these arguments to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "receiver",
        *arguments,
        cwd=cwd,
        env=environment(env or {}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            stdout, stderr = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Finished(process.returncode, stdout.decode(), stderr.decode())


class Program:
    """A process whose output is collected line by line, and can be awaited."""

    def __init__(self, *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        """Run these arguments in the folder ``cwd``, once started."""
        self.arguments = arguments
        self.cwd = cwd
        self.env = environment(env or {})
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._changed = asyncio.Condition()

    @property
    def pid(self) -> int:
        """The running process's id."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process."""
        assert not self.running
        self._process = process = await asyncio.create_subprocess_exec(
            *self.arguments,
            cwd=self.cwd,
            env=self.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=2**22,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            asyncio.create_task(self._collect(process.stdout, self.stdout)),
            asyncio.create_task(self._collect(process.stderr, self.stderr)),
        ]

    async def _collect(self, stream: asyncio.StreamReader, lines: list[str]) -> None:
        while line := await stream.readline():
            lines.append(line.decode())
            async with self._changed:
                self._changed.notify_all()
        async with self._changed:
            self._changed.notify_all()

    async def wait_until(self, condition: Callable[[], T | None], what: str) -> T:
        """The condition's first true answer, asked whenever the process has said something."""
        try:
            async with asyncio.timeout(PATIENCE), self._changed:
                while not (found := condition()):
                    if all(reader.done() for reader in self._readers):
                        raise AssertionError(f"the process has ended, and not: {what}\n{''.join(self.stderr)}")
                    await self._changed.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE:g} s: {what}\n{''.join(self.stderr)}") from None

    async def ended(self) -> int:
        """The exit code, once the process has ended and all it said was read."""
        assert self._process is not None, "not started"
        try:
            async with asyncio.timeout(PATIENCE):
                code = await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise AssertionError(f"did not end within {PATIENCE:g} s\n{''.join(self.stderr)}") from None
        await asyncio.gather(*self._readers)
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    async def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """SIGKILL."""
        self.signal(signal.SIGKILL)
        assert await self.ended() == -signal.SIGKILL

    async def close(self) -> None:
        """See that nothing is left running, however it went."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.kill()
        await self.ended()


class ReceiverProcess(Program):
    """``alert-receiver serve`` on a free port; ``url`` once it listens. A restart finds the same store."""

    def __init__(
        self,
        cwd: Path,
        config: Mapping[str, object] | None = None,
        flags: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Write the configuration, if any, to ``cwd``; the store's default path is there, too."""
        self.url = ""
        if config is not None:
            path = cwd / "alert-receiver.yml"
            path.write_text(yaml.safe_dump(dict(config), allow_unicode=True))
            flags = (f"--config.file={path.name}", *flags)
        listen = "--web.listen-address=127.0.0.1:0"
        super().__init__(sys.executable, "-m", "receiver", "serve", listen, *flags, cwd=cwd, env=env)

    @property
    def store(self) -> Path:
        """The default store."""
        return self.cwd / "alert-receiver.db"

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        already = len(self.stderr)
        await super().start()

        def listening() -> str | None:
            matches = (_LISTENING.search(line) for line in self.stderr[already:])
            return next((match[1] for match in matches if match), None)

        self.url = await self.wait_until(listening, "it listens")

    async def restart(self) -> None:
        """Start it again on the same store and configuration; it must have ended."""
        await self.start()

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Any request."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        # Only a file may be large without a warning.
        data = io.BytesIO(body) if isinstance(body, bytes) else body
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, self.url + path, data=data, headers=headers) as response,
        ):
            return Answer(response.status, await response.text(), dict(response.headers))

    async def post(
        self,
        body: bytes | AsyncIterable[bytes],
        path: str = "/webhook",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Post a notification."""
        return await self.request("POST", path, body, {"Content-Type": "application/json"} | dict(headers or {}))

    async def metrics(self) -> dict[str, float]:
        """Every sample of a scrape, by ``name{label="value",…}`` without the prefix; labels in alphabetic order."""
        answer = await self.request("GET", "/metrics")
        assert answer.status == 200, answer
        return {
            spelled(sample.name, sample.labels): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    async def ledger(self, channel: str) -> dict[str, int]:
        """The channel's accounts that are not zero; fails where the books do not balance."""
        return balanced(await self.metrics(), channel)

    async def settled(self, channel: str, **accounts: int) -> dict[str, int]:
        """The ledger, once its accounts have these values and nothing is pending."""

        async def probe() -> dict[str, int] | None:
            ledger = await self.ledger(channel)
            wanted = all(ledger.get(account, 0) == n for account, n in accounts.items())
            return ledger if wanted and "pending" not in ledger else None

        return await until(probe, f"{channel} is settled with {accounts}")


class Start(Protocol):
    """Starts a receiver with this configuration, and ends it after the test."""

    async def __call__(
        self,
        config: Mapping[str, object] | None = None,
        *flags: str,
        env: Mapping[str, str] | None = None,
    ) -> ReceiverProcess:
        """Start it in the test's own folder."""


def configuration(smtp_port: int, slack_url: str, **defaults: object) -> dict[str, object]:
    """An email channel ``mail`` and a Slack channel ``chat``, which take everything and tell it at once."""
    return {
        "smtp": {"host": "127.0.0.1", "port": smtp_port, "security": "none"},
        "defaults": {"group_wait": "50ms", "group_interval": "100ms", "throttle": UNTHROTTLED} | defaults,
        "channels": [
            {
                "name": "mail",
                "type": "email",
                "to": ["oncall@example.com"],
                "from": "Alerts <alerts@example.com>",
            },
            {"name": "chat", "type": "slack", "webhook_url": slack_url},
        ],
    }


def spelled(name: str, labels: Mapping[str, str]) -> str:
    """A sample's name as PromQL would have it, without our prefix."""
    inner = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return name.removeprefix("alert_receiver_") + (f"{{{inner}}}" if inner else "")


def balanced(samples: Mapping[str, float], channel: str) -> dict[str, int]:
    """A channel's accounts that are not zero, from one scrape; fails where the books do not balance."""

    def accounts(family: str, label: str) -> dict[str, int]:
        pattern = re.compile(rf'{family}\{{channel="{channel}",{label}="([^"]*)"\}}')
        return {match[1]: int(value) for name, value in samples.items() if (match := pattern.fullmatch(name))}

    accepted = sum(accounts("ledger_accepted_total", "origin").values())
    outcomes = accounts("ledger_outcomes_total", "outcome")
    pending = sum(accounts("ledger_pending", "state").values())
    assert accepted == sum(outcomes.values()) + pending, f"the books of {channel} do not balance"
    found = {"accepted": accepted, "pending": pending} | outcomes
    return {account: n for account, n in found.items() if n}
