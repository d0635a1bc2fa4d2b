"""The channel that prints."""

import asyncio
import io
import os
import subprocess
import sys
import time

import pytest

from receiver.channels.base import DeliveryError
from receiver.channels.console import ConsoleChannel
from receiver.core.content import Rendered
from receiver.core.retrying import Failure, FailureClass

RENDERED = Rendered(subject="[FIRING:1] x", text="Größe\n")


async def test_a_message_is_printed_and_flushed() -> None:
    raw = io.BytesIO()
    channel = ConsoleChannel("shell", io.TextIOWrapper(raw, encoding="utf-8"))
    await channel.send(channel.build(RENDERED, "01A", 0), channel.recipients)
    assert raw.getvalue().decode() == "[FIRING:1] x\n\nGröße\n\n"
    await channel.close()


async def test_a_terminal_without_the_characters_gets_escapes() -> None:
    raw = io.BytesIO()
    channel = ConsoleChannel("shell", io.TextIOWrapper(raw, encoding="ascii"))
    await channel.send(channel.build(RENDERED, "01A", 0), ())
    assert b"Gr\\xf6\\xdfe" in raw.getvalue()


async def test_a_stream_without_an_encoding_takes_text() -> None:
    stream = io.StringIO()
    channel = ConsoleChannel("shell", stream)
    await channel.send(channel.build(RENDERED, "01A", 0), ())
    assert "Größe" in stream.getvalue()


async def test_a_closed_stream_is_a_failure() -> None:
    stream = io.StringIO()
    stream.close()
    channel = ConsoleChannel("shell", stream)
    with pytest.raises(DeliveryError) as caught:
        await channel.send(channel.build(RENDERED, "01A", 0), ())
    assert caught.value.failure == Failure(FailureClass.TRANSIENT, "stream_closed")


async def test_an_output_that_nobody_reads_stops_nothing_else() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb") as reader:
        channel = ConsoleChannel("shell", stream)
        long = Rendered(subject="[FIRING:1] x", text="x" * 200_000)
        sending = asyncio.create_task(channel.send(channel.build(long, "01A", 0), ()))
        await asyncio.sleep(0.1)
        assert not sending.done()
        read = await asyncio.to_thread(reader.read, 200_000)
        assert read.startswith(b"[FIRING:1] x\n\nxxx")
        await asyncio.wait_for(sending, 10)


STUCK = """
import asyncio, sys
from receiver.channels.console import ConsoleChannel
async def main():
    sending = asyncio.create_task(ConsoleChannel("shell", sys.stdout).send(b"x" * 200_000, ()))
    await asyncio.sleep(0.2)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    sys.exit(7)
asyncio.run(main())
"""


def test_a_process_ends_in_peace_though_nobody_reads_its_output() -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        began = time.monotonic()
        try:
            process.wait(10)
        finally:
            process.kill()
        assert (process.returncode, process.stderr and process.stderr.read()) == (7, b"")
        assert time.monotonic() - began < 10
