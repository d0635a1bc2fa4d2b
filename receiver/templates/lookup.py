"""How a template's names are looked up: what has fixed names tells them, and a method is no value to be shown."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any

import jinja2
from jinja2 import StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

UNENDED = "ends_at is none while an alert fires: {% if alert.ends_at %}"

_METHODS = BuiltinMethodType, FunctionType, MethodType


class Texts(dict[str, str]):
    """Texts by names that senders choose, such as labels."""


class Fixed(dict[str, Any]):
    """Values by names that are always the same; ``called`` as in "an alert has no startsAt"."""

    def __init__(self, values: Mapping[str, Any], called: str) -> None:
        """Take the values."""
        super().__init__(values)
        self._called = called

    def find(self, name: object) -> Any:
        """The value; raises NotThere."""
        if name in self:
            return self[str(name)]
        raise NotThere(self._called, name, list(self))


def named(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a message, each as what it is."""
    told: dict[str, Any] = {}
    for name, value in values.items():
        if name in ("counts", "builtin"):
            told[name] = Fixed(value, name)
        elif name in ("alerts", "still_firing"):
            told[name] = [Fixed({key: _texts(each) for key, each in alert.items()}, "an alert") for alert in value]
        else:
            told[name] = _texts(value)
    return told


def _texts(value: Any) -> Any:
    return Texts(value) if isinstance(value, dict) else value


class NotThere(jinja2.UndefinedError):
    """What has fixed names has none like this."""

    def __init__(self, called: str, name: object, known: list[str]) -> None:
        """Keep what was looked for, and where."""
        close = get_close_matches(name[:100].lower(), known, n=1, cutoff=0.75) if isinstance(name, str) else []
        meant = f"did you mean {close[0]}? " if close else ""
        super().__init__(f"{called} has no {name}")
        self.called, self.name = called, name
        self.advice = f"{meant}there are: {', '.join(sorted(known))}"


class NoValue(Exception):
    """A method or a function was to be shown; the text says which, ``advice`` what to write."""

    def __init__(self, name: str, advice: str) -> None:
        """Name it as the template does."""
        super().__init__(f"{name} is a method")
        self.advice = advice


class Missing(jinja2.UndefinedError):
    """Something undefined was used, called ``name`` where it was asked for; ``advice`` where there is any."""

    def __init__(self, name: object, advice: str, message: str) -> None:
        """Keep what was looked for."""
        super().__init__(message)
        self.name, self.advice = name, advice


class Unknown(StrictUndefined):
    """What is not there: every use of it is an error that knows its name."""

    __slots__ = ()

    def __init__(
        self, hint: str | None = None, obj: Any = jinja2.utils.missing, name: str | None = None, exc: Any = None
    ) -> None:
        """As Jinja2 makes it."""
        # Jinja2 only calls it, with the message.
        error: Any = partial(Missing, name, _advice(obj, name)) if exc is None else exc
        super().__init__(hint, obj, name, error)

    # Within a list it would be shown as "Undefined".
    __repr__ = StrictUndefined.__str__


def _advice(obj: object, name: object) -> str:
    if isinstance(obj, Texts):
        return f"where it may be missing, write .get('{name}', '')"
    return UNENDED if obj is None else ""


class _Method:
    """Can be called, and nothing else: Python would show its address in memory."""

    __slots__ = ("_call", "_name", "_owner")

    def __init__(self, call: Callable[..., Any], owner: object, name: str) -> None:
        self._call, self._owner, self._name = call, owner, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __str__(self) -> str:
        if isinstance(self._owner, Texts):
            advice = f"write ['{self._name}'] for a label of this name, .{self._name}() to call it"
        else:
            advice = f"write .{self._name}() to call it"
        raise NoValue(self._name, advice)

    __repr__ = __html__ = __str__


def _bare(found: Any, owner: object, name: str) -> Any:
    return _Method(found, owner, name) if isinstance(found, _METHODS) else found


def _shown(value: Any) -> Any:
    if callable(value) and not isinstance(value, Undefined | _Method):
        raise NoValue(str(getattr(value, "name", None) or getattr(value, "__name__", "this")), "write () to call it")
    return value


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's, with names looked up like this."""

    def __init__(self, *, autoescape: bool) -> None:
        """Let nothing undefined be silent."""
        super().__init__(
            undefined=Unknown, autoescape=autoescape, trim_blocks=True, lstrip_blocks=True, finalize=_shown
        )

    def getattr(self, obj: Any, attribute: str) -> Any:
        """``obj.attribute``."""
        if isinstance(obj, Fixed):
            return obj.find(attribute)
        return _bare(super().getattr(obj, attribute), obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """``obj[argument]``."""
        if isinstance(obj, Fixed):
            return obj.find(argument)
        if isinstance(obj, Texts):
            # Brackets mean a label, also where a method is called so.
            return obj[argument] if argument in obj else self.undefined(obj=obj, name=argument)
        return _bare(super().getitem(obj, argument), obj, argument)
