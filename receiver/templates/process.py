"""The leash of the process that renders: it is started when needed, and killed when it takes too long."""

import os
import selectors
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from subprocess import DEVNULL, PIPE, Popen
from threading import Lock
from typing import Any

import msgspec

from receiver.templates.wire import LENGTH, LONGEST_ANSWER, Answer, Request, framed

RENDER_SECONDS = 2.0
"""For all parts of a message together."""

START_SECONDS = 20.0
"""Until Python has loaded what it needs, on a machine that is busy with something else."""

COMMAND = (sys.executable, "-P", "-m", "receiver.templates.worker")

# Where Python finds itself and its packages; the receiver's environment may hold credentials.
KEPT = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class _Ended(Exception):
    """The process can't go on; the text says why, in words for people."""


class Renderer:
    """Renders templates in a process of its own, one message after the other. Blocks; any thread may call it."""

    def __init__(self, seconds: float = RENDER_SECONDS) -> None:
        """Give each message so many ``seconds``."""
        self._seconds = seconds
        self._turn = Lock()
        self._process: Popen[bytes] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process, where there is one."""
        return None if self._process is None else self._process.pid

    def render(self, sources: Mapping[str, str], values: Mapping[str, Any], limits: Mapping[str, int]) -> list[Answer]:
        """An answer for each part, in order, up to and including the one that the process did not survive.

        ``limits`` are the characters that a part may have.
        """
        answers: list[Answer] = []
        with self._turn:
            try:
                process = self._running()
                deadline = time.monotonic() + self._seconds
                _write(process, framed(Request(dict(sources), dict(values), dict(limits))), deadline)
                for part in sources:
                    answers.append(_answer(process, part, deadline))
            except (_Ended, OSError) as error:
                self._kill()
                part = list(sources)[len(answers)]
                why = str(error) if isinstance(error, _Ended) else "the process that renders broke off"
                answers.append(Answer(part, wrong=self._told(why)))
        return answers

    def close(self) -> None:
        """End the process, even in the middle of a message."""
        self._closed = True
        # Before its turn: whoever renders is then told that it is over, and lets go of the pipes.
        if (process := self._process) is not None:
            process.kill()
        with self._turn:
            self._kill()

    def _told(self, why: str) -> str:
        return f"takes longer than {self._seconds:g} seconds" if why == "late" else why

    def _running(self) -> Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._kill()
        self._process = process = _started()
        if self._closed:
            raise _Ended("the receiver is stopping")
        try:
            _answer(process, "ready", time.monotonic() + START_SECONDS)
        except _Ended:
            raise _Ended("the process that renders did not start") from None
        return process

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _started() -> Popen[bytes]:
    # In a process group of its own, Ctrl-C does not end it while the receiver still tells something.
    process = Popen(  # noqa: S603 -- a command of ours, of which nothing is configurable
        COMMAND,
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        bufsize=0,
        env={name: os.environ[name] for name in KEPT if name in os.environ},
        process_group=0,
    )
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None, "both are pipes"
        os.set_blocking(pipe.fileno(), False)
    return process


def _write(process: Popen[bytes], data: bytes, deadline: float) -> None:
    assert process.stdin is not None, "it is a pipe"
    stream, left = process.stdin.fileno(), memoryview(data)
    for _ in _ready(stream, selectors.EVENT_WRITE, deadline):
        left = left[os.write(stream, left) :]
        if not left:
            return


def _answer(process: Popen[bytes], part: str, deadline: float) -> Answer:
    length = int.from_bytes(_read(process, LENGTH, deadline), "big")
    if length > LONGEST_ANSWER:
        raise _Ended("the process that renders gave no answer that makes sense")
    try:
        answer = msgspec.msgpack.decode(_read(process, length, deadline), type=Answer)
    except msgspec.MsgspecError:
        raise _Ended("the process that renders gave no answer that makes sense") from None
    if answer.part != part:
        raise _Ended("the process that renders gave no answer that makes sense")
    return answer


def _read(process: Popen[bytes], size: int, deadline: float) -> bytes:
    assert process.stdout is not None, "it is a pipe"
    stream, data = process.stdout.fileno(), bytearray()
    for _ in _ready(stream, selectors.EVENT_READ, deadline):
        chunk = os.read(stream, size - len(data))
        if not chunk:
            raise _Ended("the process that renders was killed, or crashed")
        data += chunk
        if len(data) >= size:
            break
    return bytes(data)


def _ready(stream: int, event: int, deadline: float) -> Iterator[None]:
    """Once whenever the stream can be used, until the deadline."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, event)
        while (left := deadline - time.monotonic()) > 0:
            if selector.select(left):
                yield
    raise _Ended("late")
