"""The channel that prints."""

import io

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
