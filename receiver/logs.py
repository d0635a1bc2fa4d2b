"""One root log handler, whose every line is one line, finished first and then freed of credentials.

A line is logfmt, as Prometheus' components write it, or one JSON object, with the same keys: ``ts`` (UTC), ``level``,
``logger``, ``msg``, whatever was passed as ``extra``, and for an exception ``err`` and ``stack``. The stack is there
at every level: an exception is logged with its traceback only where nobody expected it, and it won't come again
because the level was raised. A line that can't be finished without risk is replaced by a constant one.
"""

import json
import logging
import math
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, TextIO

from receiver.redaction import scrub

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_OURS = __name__.partition(".")[0]
_UNPRINTABLE = "<unprintable>"
_BARE = re.compile(r"[^\s\"=\\]+")
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_WITHHELD = "a log record was withheld: it could not be rendered safely"
_CONSTANT = {
    "logfmt": f'level=error logger={__name__} msg="{_WITHHELD}"',
    "json": f'{{"level": "error", "logger": "{__name__}", "msg": "{_WITHHELD}"}}',
}

log = logging.getLogger(__name__)


def configure(level: str, format: str, stream: TextIO | None = None) -> None:  # noqa: A002 -- the option's name
    """Make one handler, writing to ``stream`` (default stderr), the only handler of the root logger.

    ``level`` is debug, info, warn (or warning) or error; ``format`` is logfmt or json; ValueError for any other.
    Libraries are never heard below warning: their debug output holds URLs, headers and bodies.
    """
    if level.lower() not in _LEVELS:
        raise ValueError("the log level must be debug, info, warn or error")
    if format not in _CONSTANT:
        raise ValueError("the log format must be logfmt or json")
    # What logging prints of a record it can't handle is the record.
    logging.raiseExceptions = False
    number = _LEVELS[level.lower()]
    root = logging.getLogger()
    root.handlers[:] = [_Handler(sys.stderr if stream is None else stream, format)]
    root.setLevel(max(number, logging.WARNING))
    logging.getLogger(_OURS).setLevel(number)


def install_hooks() -> None:
    """Send to the log what would print itself: uncaught exceptions of any thread, unraisable ones, and warnings.

    An event loop needs no hook: asyncio's own exception handler logs.
    """
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda what: log.error("unraisable exception", exc_info=what.exc_value)
    threading.excepthook = _uncaught_in_thread
    logging.captureWarnings(True)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("uncaught exception", exc_info=(kind, error, trace))


def _uncaught_in_thread(what: threading.ExceptHookArgs) -> None:
    if what.exc_type is not SystemExit:
        name = what.thread.name if what.thread else None
        log.critical("uncaught exception in a thread", exc_info=what.exc_value, extra={"thread_name": name})


class _Handler(logging.Handler):
    """Finishes a line, scrubs it, writes it; never raises, and never prints a raw record."""

    def __init__(self, stream: TextIO, form: str) -> None:
        super().__init__()
        self._stream = stream
        self._line = _logfmt if form == "logfmt" else _json_object
        self._constant = _CONSTANT[form]

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may be told: a library that sets its own level is held to ours all the same."""
        return record.levelno >= logging.WARNING or record.name.partition(".")[0] == _OURS

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as one line without credentials, or the constant line."""
        try:
            line = scrub(self._line(dict(_fields(record))))
        except Exception:
            line = self._constant
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except Exception:  # noqa: S110 -- a log that can't be written can't be told of in the log
            pass

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- logging's name
        """Nothing: the inherited one prints the record."""
