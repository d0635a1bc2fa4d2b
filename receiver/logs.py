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
from datetime import UTC, datetime
from pathlib import PurePath
from types import TracebackType
from typing import TextIO

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
    # Any other handler's trouble would print the raw record to stderr.
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


def unspoken(error: BaseException) -> dict[str, object]:
    """What may be logged of an exception whose text is not ours: its type, and where it came from.

    The text of a renderer's or a provider's exception may be an alert's label, or what a stranger has answered.
    """
    frames = traceback.extract_tb(error.__traceback__)
    said: dict[str, object] = {"error": type(error).__name__}
    if frames:
        said["at"] = f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}"
    return said | {"stack": "".join(frames.format()).strip()}


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
            line = scrub(self._line(_fields(record)))
        except Exception:
            line = self._constant
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except Exception:  # noqa: S110 -- a log that can't be written can't be told of in the log
            pass


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What the record says, in the order it is told; an extra whose name is taken gets an underscore."""
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    fields: dict[str, object] = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": _level(record.levelno),
        "logger": record.name,
        "msg": _message(record),
    }
    last: dict[str, object] = {}
    if error is not None:
        last = {"err": f"{type(error).__name__}: {_text(error)}", "stack": _stack(error)}
    elif record.stack_info:
        last = {"stack": record.stack_info}
    extras = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    taken = fields.keys() | last.keys()
    return fields | {f"{name}_" if name in taken else name: value for name, value in extras.items()} | last


def _level(number: int) -> str:
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warn"
    return "info" if number >= logging.INFO else "debug"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage().strip()
    except Exception:
        # The arguments don't fit; the text without them is still the line that somebody meant to write.
        return _text(record.msg)


def _stack(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)).strip()
    except Exception:
        return _UNPRINTABLE


def _text(value: object) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    try:
        return str(value)
    except Exception:
        return _UNPRINTABLE


def _logfmt(fields: dict[str, object]) -> str:
    pairs = []
    for name, value in fields.items():
        text = _text(value)
        bare = _BARE.fullmatch(text) and text.isprintable()
        pairs.append(f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}={text if bare else _quoted(text)}")
    return " ".join(pairs)


def _json_object(fields: dict[str, object]) -> str:
    return "{" + ", ".join(f"{_quoted(name)}: {_json_value(value)}" for name, value in fields.items()) + "}"


def _json_value(value: object) -> str:
    text = _text(value)
    number = type(value) in {int, bool} or (type(value) is float and math.isfinite(value))
    # A number that is a secret becomes a text here, for with <secret> in place of a number the line is no JSON.
    return text if value is None or (number and scrub(text) == text) else _quoted(text)


def _quoted(text: str) -> str:
    """A JSON string on one line: whatever is not printable is escaped too, such as U+2028 or a bidi override."""
    quoted = json.dumps(text, ensure_ascii=False)
    if quoted.isprintable():
        return quoted
    return "".join(char if char.isprintable() else _escaped(char) for char in quoted)


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
