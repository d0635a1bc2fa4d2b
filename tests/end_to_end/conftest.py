"""The sinks that the real program tells: an SMTP server and a Slack endpoint on loopback."""

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from receiver.demo.slack_endpoint import SlackEndpoint
from tests.end_to_end.processes import Program, ReceiverProcess, Start
from tests.smtp_server import SmtpServer


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    """A running SMTP server without TLS."""
    server = SmtpServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def slack() -> AsyncIterator[SlackEndpoint]:
    """A running Slack endpoint."""
    endpoint = SlackEndpoint()
    await endpoint.start()
    yield endpoint
    await endpoint.stop()


@pytest.fixture
async def programs() -> AsyncIterator[list[Program]]:
    """Programs to end after the test, the last one first."""
    started: list[Program] = []
    yield started
    for program in reversed(started):
        await program.close()


@pytest.fixture
def start(programs: list[Program], tmp_path: Path) -> Start:
    """Starts receivers, all in the same folder."""

    async def start(
        config: Mapping[str, object] | None = None, *flags: str, env: Mapping[str, str] | None = None
    ) -> ReceiverProcess:
        receiver = ReceiverProcess(tmp_path, config, flags, env)
        programs.append(receiver)
        await receiver.start()
        return receiver

    return start


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Ports that nobody listens on, for programs that can't be asked which one they took."""

    def port() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            number: int = probe.getsockname()[1]
        return number

    return port
