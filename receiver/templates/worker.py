"""The process that renders: it reads requests from stdin, answers on stdout, and ends with its stdin.

Whatever a template manages to do, it does here: without environment, files, processes, and with little memory.
"""

import os
import resource
import sys
from contextlib import suppress
from typing import BinaryIO

import msgspec

from receiver.templates.sandbox import render
from receiver.templates.wire import LENGTH, Answer, Request, framed

MEMORY = 256 << 20
CPU_SECONDS = 3
"""Of one request. The receiver loses patience sooner; this is for when it is no more."""


def confine() -> None:
    """Give up all that rendering does not need; what a platform does not have is left out."""
    # Should the machine run out of memory, this process is to go and not the receiver.
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
    for name, limit in (
        ("RLIMIT_CORE", 0),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_NPROC", 0),
        ("RLIMIT_AS", MEMORY),
        ("RLIMIT_NOFILE", 0),
    ):
        with suppress(AttributeError, OSError, ValueError):
            resource.setrlimit(getattr(resource, name), (limit, limit))


def main() -> None:
    """Answer until there is nothing more to read."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    os.environ.clear()
    confine()
    _send(answers, Answer("ready"))
    while body := _frame(requests):
        _allow_cpu()
        request = msgspec.msgpack.decode(body, type=Request)
        for part, source in request.sources.items():
            _send(answers, render(part, source, request.values, request.limits[part]))


def _frame(stream: BinaryIO) -> bytes:
    """The next message; nothing at the end."""
    return stream.read(int.from_bytes(stream.read(LENGTH), "big"))


def _allow_cpu() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + CPU_SECONDS, hard))


def _send(stream: BinaryIO, answer: Answer) -> None:
    stream.write(framed(answer))
    stream.flush()


if __name__ == "__main__":
    main()
