"""Reading what happens: one JSON object a line, each with its instant. All that is wrong is told at once."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from receiver.config import durations, loading
from receiver.config.patterns import compile_pattern
from receiver.config.problems import Problem, spelled, suggestion
from receiver.config.resolve import resolve
from receiver.config.types import Config
from receiver.core import matchers
from receiver.core.alerts import Notification
from receiver.core.matchers import Matcher, MatcherError
from receiver.core.muting import Mute, MuteError, check
from receiver.core.policy import Policy
from receiver.core.retrying import FailureClass
from receiver.decode import NotANotification, TooManyAlerts, decode
from receiver.simulate.input import BadInput, ClockStep, Input, Outage, Reject, Reload, Restart, What

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# Python's calendar ends with the year 9999, and a simulation runs on past its last line.
LATEST = (datetime(9990, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
MOST_MESSAGES = 1_000_000

Time = Annotated[datetime, Meta(tz=True)]


class _Wrong(Exception):
    """Something amiss at a place within a line; ``right`` says what would be right."""

    def __init__(self, path: str, wrong: str, right: str = "") -> None:
        super().__init__(wrong)
        self.path, self.wrong, self.right = path, wrong, right


def instant(text: str) -> int:
    """The UTC milliseconds of an RFC 3339 time; raises ValueError."""
    time: datetime = msgspec.convert(text, Time)
    at = (time - _EPOCH) // _MILLISECOND
    if not 0 <= at <= LATEST:
        raise ValueError("out of range")
    return at


def read(content: bytes, name: str, policy: Policy) -> list[Input]:
    """Everything that the lines of the file ``name`` say, in order; raises BadInput with all that is wrong.

    ``policy`` is the one to begin with; a reload changes it for the lines that follow.
    """
    reader = _Reader(name, policy)
    inputs = [reader.line(n, line) for n, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)]
    if reader.problems:
        raise BadInput(reader.problems)
    return [each for each in inputs if each is not None]


class _Reader:
    """Reads line by line, and knows what the lines before have changed."""

    def __init__(self, name: str, policy: Policy) -> None:
        self.problems: list[Problem] = []
        self._name = name
        self._channels = [channel.name for channel in policy.channels]
        self._line = 0
        # The wall clock after the last line whose time could be read, and that line.
        self._now, self._last = 0, 0
        self._kinds: dict[str, Callable[[int, Raw, dict[str, Raw]], What]] = {
            "notification": self._notification,
            "outage": self._outage,
            "reject": self._reject,
            "mute": self._mute,
            "reload": self._reload,
            "restart": self._restart,
            "clock": self._clock,
        }

    def line(self, n: int, text: bytes) -> Input | None:
        """What the line says; None for one that is empty, a comment, or wrong."""
        self._line = n
        text = text.strip()
        if not text or text.startswith(b"#"):
            return None
        try:
            return self._input(text)
        except _Wrong as error:
            self._complain(error.path, error.wrong, error.right)
        return None

    def _complain(self, path: str, wrong: str, right: str = "") -> None:
        self.problems.append(Problem(self._name, self._line, path, wrong, right))

    def _input(self, text: bytes) -> Input:
        fields = _object(text, "", 'one line, one object: {"at": "2026-11-20T21:00:00Z", "notification": {…}}')
        at = self._at(fields)
        kinds = [kind for kind in self._kinds if kind in fields]
        known = ("at", *kinds, *(["channel"] if "notification" in kinds else []))
        for key in fields:
            if key not in known:
                others = [kind for kind in self._kinds if kind not in known]
                self._complain(_shown(key), "unknown key", suggestion(key, (*known, *others)))
        if len(kinds) != 1:
            wrong = f"says several things: {', '.join(kinds)}" if kinds else "does not say what happens"
            raise _Wrong("", wrong, f"exactly one of {', '.join(self._kinds)}")
        # What can be wrong beside the time is told too, as if it happened when the line before did.
        what = self._kinds[kinds[0]](self._now if at is None else at, fields[kinds[0]], fields)
        return Input(self._now if at is None else at, what)

    def _at(self, fields: dict[str, Raw]) -> int | None:
        try:
            at = instant(_text(fields, "at", ""))
        except _Wrong as error:
            self._complain(error.path, error.wrong, "when it happens, such as 2026-11-20T21:00:00Z")
            return None
        except ValueError:
            self._complain("at", "not a time that can be used", "write it as 2026-11-20T21:00:00Z, with its Z")
            return None
        if at < self._now:
            right = "sort the lines by at; after a clock line, at is what the stepped clock says"
            self._complain("at", f"earlier than line {self._last}", right)
        self._now, self._last = at, self._line
        return at

    def _notification(self, at: int, raw: Raw, fields: dict[str, Raw]) -> Notification:
        addressed_to = _text(fields, "channel", "") if "channel" in fields else None
        try:
            return decode(bytes(raw), addressed_to=addressed_to, received_at=at)
        except NotANotification as error:
            raise _Wrong("notification", str(error), "the body that Alertmanager posts") from None
        except TooManyAlerts as error:
            raise _Wrong("notification", str(error)) from None

    def _outage(self, _at: int, raw: Raw, _fields: dict[str, Raw]) -> Outage:
        said = self._members(raw, "outage", ("channel", "for"), ("class",))
        channel, length = self._channel(said, "outage"), _duration(said, "outage.for")
        kind = said.get("class", FailureClass.TRANSIENT)
        kinds = (FailureClass.TRANSIENT, FailureClass.MISCONFIGURED)
        if kind not in kinds:
            raise _Wrong("outage.class", "is no class of an outage", suggestion(kind, kinds))
        return Outage(channel, length, FailureClass(kind))

    def _reject(self, _at: int, raw: Raw, _fields: dict[str, Raw]) -> Reject:
        said = self._members(raw, "reject", ("channel", "messages"))
        messages = said["messages"]
        if not isinstance(messages, int) or isinstance(messages, bool) or not 1 <= messages <= MOST_MESSAGES:
            raise _Wrong("reject.messages", "is no number of messages", "a whole number, 1 or more")
        return Reject(self._channel(said, "reject"), messages)

    def _mute(self, at: int, raw: Raw, _fields: dict[str, Raw]) -> Mute:
        said = self._members(raw, "mute", ("matchers", "for"), ("channels", "comment"))
        names = said.get("channels")
        for i, name in enumerate(
            _texts(names, "mute.channels", "a list of channels' names") if names is not None else ()
        ):
            self._known(name, f"mute.channels[{i}]")
        mute = Mute(
            matchers=tuple(_matchers(said["matchers"])),
            starts_at=at,
            ends_at=at + _duration(said, "mute.for"),
            channels=None if names is None else tuple(names),
            comment=_is_text(said.get("comment", ""), "mute.comment"),
        )
        try:
            check(mute)
        except MuteError as error:
            raise _Wrong("mute.matchers", str(error)) from None
        return mute

    def _reload(self, _at: int, raw: Raw, _fields: dict[str, Raw]) -> Reload:
        data = _plain(raw, "reload")
        if not isinstance(data, dict):
            raise _Wrong("reload", "must be a mapping", "the configuration as in its file")
        config = loading.judge(data)
        if not isinstance(config, Config):
            *others, last = config
            for finding in others:
                self._complain(spelled(("reload", *finding.path)), finding.wrong, finding.right)
            raise _Wrong(spelled(("reload", *last.path)), last.wrong, last.right)
        policy = resolve(config)
        self._channels = [channel.name for channel in policy.channels]
        return Reload(policy)

    def _restart(self, _at: int, raw: Raw, _fields: dict[str, Raw]) -> Restart:
        if _plain(raw, "restart") is not True:
            raise _Wrong("restart", "must be true")
        return Restart()

    def _clock(self, at: int, raw: Raw, _fields: dict[str, Raw]) -> ClockStep:
        text = _is_text(_plain(raw, "clock"), "clock")
        right = 'write it as "+2d" or "-1h"'
        if text[:1] not in ("+", "-"):
            raise _Wrong("clock", "must say which way the clock steps", right)
        try:
            by = int(durations.parse(text[1:])) * (-1 if text[0] == "-" else 1)
        except ValueError as error:
            raise _Wrong("clock", str(error), right) from None
        if not 0 <= at + by <= LATEST:
            raise _Wrong("clock", "steps out of the calendar", right)
        self._now = at + by
        return ClockStep(by)

    def _members(
        self, raw: Raw, path: str, required: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        said = _plain(raw, path)
        known = (*required, *optional)
        if not isinstance(said, dict):
            raise _Wrong(path, "must be an object", f"with {', '.join(known)}")
        for key in said:
            if key not in known:
                self._complain(f"{path}.{_shown(key)}", "unknown key", suggestion(key, known))
        for key in required:
            if key not in said:
                raise _Wrong(f"{path}.{key}", "is missing")
        return said

    def _channel(self, said: dict[str, Any], path: str) -> str:
        return self._known(said["channel"], f"{path}.channel")

    def _known(self, name: Any, path: str) -> str:
        if name not in self._channels:
            raise _Wrong(path, "no channel has this name", suggestion(name, self._channels))
        return str(name)


def _object(text: bytes, path: str, right: str) -> dict[str, Raw]:
    try:
        # What stays raw is skipped over without a look at its encoding.
        text.decode()
        return msgspec.json.decode(text, type=dict[str, Raw])
    except (ValueError, RecursionError):
        raise _Wrong(path, "not a JSON object", right) from None


def _plain(raw: Raw, path: str) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        raise _Wrong(path, "not JSON that can be read") from None


def _text(fields: dict[str, Raw], key: str, path: str) -> str:
    if key not in fields:
        raise _Wrong(f"{path}{key}", "is missing")
    return _is_text(_plain(fields[key], key), f"{path}{key}")


def _is_text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _Wrong(path, "must be a text")
    return value


def _texts(values: Any, path: str, right: str) -> list[str]:
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise _Wrong(path, "must be a list of texts", right)
    return values


def _duration(said: dict[str, Any], path: str) -> int:
    length = 0
    with suppress(ValueError):
        length = int(durations.parse(_is_text(said["for"], path)))
    if not length:
        raise _Wrong(path, "is no length of time", "write one such as 30s, 5m or 1h30m, largest unit first")
    return length


def _matchers(values: Any) -> Iterable[Matcher]:
    for i, text in enumerate(_texts(values, "mute.matchers", """such as ['alertname="DiskFull"']""")):
        try:
            yield from matchers.parse(text, compile_pattern)
        except MatcherError as error:
            raise _Wrong(f"mute.matchers[{i}]", str(error)) from None


def _shown(key: str) -> str:
    return key if len(key) <= 100 else f"{key[:100]}…"
