"""Regular expressions of the configuration: RE2's, whose time grows with the text and never explodes."""

import re2

from receiver.core.matchers import Pattern

_OPTIONS = re2.Options()
# It would log to stderr by itself, past our formatter.
_OPTIONS.log_errors = False


class _Re2Pattern:
    """An RE2 expression for label values."""

    __slots__ = ("_compiled",)

    def __init__(self, source: str) -> None:
        self._compiled = re2.compile(source, _OPTIONS)

    def fullmatch(self, text: str, /) -> object | None:
        # As bytes: RE2's own detour from str raises on what UTF-8 can't hold, and counts characters for groups
        # that nobody asks for.
        match: object | None = self._compiled.fullmatch(text.encode(errors="replace"))
        return match


def compile_pattern(source: str) -> Pattern:
    """Compile an expression, within RE2's limits of size and memory; raises ValueError with RE2's reason."""
    try:
        return _Re2Pattern(source)
    except re2.error as error:
        reason = error.args[0] if error.args else "refused"
        # The reason ends with the offending part of the expression, which may be megabytes, or a stray credential.
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(text.partition(": ")[0][:200]) from None
    except UnicodeEncodeError:
        raise ValueError("not UTF-8") from None
