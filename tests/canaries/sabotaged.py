"""The real program with something broken in it on purpose, run as a script: ``sabotaged.py WHAT… -- serve …``.

``scrubber``: nothing is taken out of logs and answers. ``channels``: sending breaks with exceptions that hold the
credential. ``task``: a channel's loop breaks so, which ends the process. ``stray``: what prints itself unasked (a
callback of the loop, a thread, a destructor, a warning) holds the credential.
"""

import asyncio
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, Never

from receiver import cli, logs, reload
from receiver.channels.email import EmailChannel
from receiver.channels.slack import SlackChannel
from receiver.secret import Secret


def told(channel: Any) -> str:
    """What a library would say with the credential in it."""
    secret: Secret = channel._password if isinstance(channel, EmailChannel) else channel._url  # type: ignore[assignment]
    return f"could not reach {secret.reveal()} as {secret.reveal()[:40]!r}"


def broken(text: str) -> Exception:
    """An exception that holds the text wherever an exception can hold one."""
    try:
        try:
            raise KeyError(text)
        except KeyError as cause:
            raise OSError(5, text, text) from cause
    except OSError as cause:
        group = ExceptionGroup(text, [ValueError(text), cause])
    group.add_note(text)
    error = RuntimeError(text, {"url": text}, text.encode())
    error.__cause__ = group
    error.add_note(text)
    return error


async def _break_sending(channel: Any, *_arguments: object) -> Never:
    raise broken(told(channel))


class Crash(BaseException):
    """What no loop expects."""


async def _break_the_loop(channel: Any, *_arguments: object) -> Never:
    raise Crash(told(channel)) from broken(told(channel))


async def _stray(channel: Any, *_arguments: object) -> Never:
    text = told(channel)

    def fail() -> Never:
        raise broken(text)

    class Fails:
        def __del__(self) -> None:
            fail()

    async def forgotten() -> None:
        fail()

    asyncio.get_running_loop().call_soon(fail)
    thread = threading.Thread(target=fail, name=text)
    thread.start()
    await asyncio.to_thread(thread.join)
    Fails()
    warnings.warn(text, UserWarning, stacklevel=1)
    task = asyncio.create_task(forgotten(), name=text)
    await asyncio.wait([task])
    del task
    raise broken(text)


def _scrubber() -> None:
    for module in (logs, reload):
        assert callable(vars(module)["scrub"])
        vars(module)["scrub"] = str


def _in_channels(name: str, method: Callable[..., Any]) -> None:
    for channel in (EmailChannel, SlackChannel):
        assert callable(getattr(channel, name))
        setattr(channel, name, method)


SABOTAGE: dict[str, Callable[[], None]] = {
    "scrubber": _scrubber,
    "channels": lambda: _in_channels("send", _break_sending),
    "stray": lambda: _in_channels("send", _stray),
    "task": lambda: _in_channels("send", _break_the_loop),
}

if __name__ == "__main__":
    at = sys.argv.index("--")
    for what in sys.argv[1:at]:
        SABOTAGE[what]()
    sys.argv[1:] = sys.argv[at + 1 :]
    cli.main(prog_name="alert-receiver")
