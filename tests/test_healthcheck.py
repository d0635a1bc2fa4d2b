"""``alert-receiver healthcheck``: what it asks, what it says, how long it takes at most, and how little it loads."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from receiver import healthcheck
from receiver.app import Receiver, Settings, running
from receiver.cli import main
from receiver.config.destinations import ConsoleDestination
from receiver.core.policy import Throttle
from tests.end_to_end.processes import PATIENCE, Finished, command
from tests.timeline import MINUTE, channel, policy

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[Answering], Awaitable[str]]

WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\nalert-receiver is healthy.\n"
PROMETHEUS = b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nPrometheus Server is Healthy.\r\n"
ILL = b"HTTP/1.1 503 Service Unavailable\r\n\r\nalert-receiver is not ready: \x1b[31mthe disk\xff is full\nmore\n"


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    """A running receiver."""
    ops = channel(throttle=Throttle(60, MINUTE, 60))
    settings = Settings(f"sqlite:///{tmp_path / 'books.db'}", policy(ops), [ConsoleDestination("ops")], port=0)
    async with running(settings, sys.stdout) as receiver:
        yield receiver


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Servers on loopback that answer as the test says; what they got is not looked at."""
    servers: list[asyncio.Server] = []
    conversations: set[asyncio.Task[None]] = set()

    async def serve(answering: Answering) -> str:
        async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            conversations.add(task)
            with suppress(OSError, asyncio.CancelledError):
                await answering(reader, writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

        server = await asyncio.start_server(met, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield serve
    for server in servers:
        server.close()
    for conversation in conversations:
        conversation.cancel()
    # A cancellation that got out of here would be no Exception to pytest, and leave other fixtures undone.
    await asyncio.gather(*conversations, return_exceptions=True)


@pytest.fixture
def unused() -> Iterator[str]:
    """An address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{probe.getsockname()[1]}"


def answer(text: bytes) -> Answering:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        await writer.drain()

    return answering


async def check(*arguments: str, env: dict[str, str] | None = None) -> Finished:
    """Run it as containers do, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "receiver.healthcheck",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | (env or {}),
    )
    async with asyncio.timeout(PATIENCE):
        stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return Finished(process.returncode, stdout.decode(), stderr.decode())


@pytest.mark.parametrize(
    ("flags", "line"),
    [((), "SUCCESS: alert-receiver is healthy.\n"), (("--ready",), "SUCCESS: alert-receiver is ready.\n")],
)
async def test_a_receiver_that_is_well_says_so_itself(receiver: Receiver, flags: tuple[str, ...], line: str) -> None:
    assert await check(f"--url={receiver.url}", *flags) == Finished(0, line, "")


async def test_it_is_a_command_of_alert_receiver_too(unused: str, tmp_path: Path) -> None:
    finished = await command("healthcheck", f"--url={unused}", cwd=tmp_path)
    assert finished == Finished(1, f"FAILED: {unused}/-/healthy can't be reached: Connection refused\n", "")


async def test_a_receiver_that_is_not_ready_fails_with_its_own_reason(serve: Serve) -> None:
    url = await serve(answer(ILL))
    finished = await check(f"--url={url}", "--ready")
    line = "FAILED: alert-receiver is not ready: ?[31mthe disk? is full (HTTP 503)\n"
    assert finished == Finished(1, line, ""), "one line, and nothing that a terminal obeys"


async def test_something_else_on_the_port_is_not_taken_for_the_receiver(serve: Serve) -> None:
    url = await serve(answer(PROMETHEUS))
    line = f"FAILED: {url}/-/healthy is answered by something else (HTTP 200): check the port\n"
    assert await check(f"--url={url}") == Finished(1, line, "")


async def test_a_redirect_is_not_followed(serve: Serve) -> None:
    well = await serve(answer(WELL))
    url = await serve(answer(b"HTTP/1.1 302 Found\r\nLocation: " + well.encode() + b"/-/healthy\r\n\r\n"))
    finished = await check(f"--url={url}")
    assert finished.code == 1
    assert "something else (HTTP 302)" in finished.stdout


async def test_what_is_not_http_is_named_as_such(serve: Serve) -> None:
    url = await serve(answer(b"220 mail.example.com ESMTP\r\n"))
    assert await check(f"--url={url}") == Finished(1, f"FAILED: {url}/-/healthy does not speak HTTP\n", "")


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing until the other side is gone."""
    await reader.read()


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never let a socket's own time limit pass."""
    writer.write(WELL[:20])
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("answering", [hang, trickle])
async def test_who_does_not_come_to_an_end_is_given_up_in_time(serve: Serve, answering: Answering) -> None:
    url = await serve(answering)
    async with asyncio.timeout(PATIENCE):
        finding = await asyncio.to_thread(healthcheck.examine, urlsplit(url), "/-/healthy", 0.3)
    assert finding == healthcheck.Finding(False, f"{url}/-/healthy has not answered within 0.3 s")


def test_the_time_limit_is_three_seconds_unless_a_test_changes_it() -> None:
    assert healthcheck.TIME_LIMIT_SECONDS == 3


async def test_proxies_of_the_environment_are_not_asked(receiver: Receiver, unused: str) -> None:
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"), unused)
    proxies |= {"no_proxy": "", "NO_PROXY": ""}
    assert (await check(f"--url={receiver.url}", env=proxies)).code == 0


async def test_a_path_before_ours_is_kept(serve: Serve) -> None:
    asked: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(WELL)

    url = await serve(note)
    assert (await check(f"--url={url}/alerts/", "--ready")).code == 0
    assert asked == [b"GET /alerts/-/ready HTTP/1.1"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:9095", "write it like http://127.0.0.1:9095"),
        ("https://localhost:9095", "write it like http://127.0.0.1:9095"),
        ("http://", "write it like http://127.0.0.1:9095"),
        ("http://[::1", "write it like http://127.0.0.1:9095"),
        ("http://localhost:port", "write it like http://127.0.0.1:9095"),
        ("http://localhost:99999", "write it like http://127.0.0.1:9095"),
        ("http://localhost/a b", "write it like http://127.0.0.1:9095"),
        ("http://localhost/\x1b[31m", "write it like http://127.0.0.1:9095"),
        ("http://admin:hunter2@localhost", "neither login nor token"),
        ("http://localhost/?token=hunter2", "neither login nor token"),
    ],
)
def test_an_address_that_is_none_is_wrong_use_and_not_repeated(url: str, said: str) -> None:
    result = CliRunner().invoke(main, ["healthcheck", f"--url={url}"])
    assert result.exit_code == 2
    assert said in result.stderr
    assert "hunter2" not in result.output
    assert "\x1b" not in result.output


def test_an_impossible_host_is_a_failure_and_no_stack() -> None:
    result = CliRunner().invoke(main, ["healthcheck", "--url=http://a..b:9095"])
    assert result.exit_code == 1
    assert result.stdout == "FAILED: http://a..b:9095/-/healthy can't be reached: 'a..b' is no host's name\n"


def test_the_module_loads_nothing_of_the_receiver_and_click_alone_of_others() -> None:
    loaded = modules("import receiver.healthcheck") - modules("pass")
    assert {name for name in loaded if name.startswith("receiver")} == {"receiver", "receiver.healthcheck"}
    assert {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names == {"receiver", "click"}


def modules(statement: str) -> set[str]:
    """What a new interpreter has loaded after this statement."""
    script = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
