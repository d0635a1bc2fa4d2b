"""Durations as Prometheus writes them, ``1h30m``; integer milliseconds within."""

import re

_UNITS = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_WRITTEN = re.compile("".join(f"(?:(?P<{unit}>[0-9]+){unit})?" for unit in _UNITS))

# What Prometheus can hold, in its nanoseconds.
_LONGEST = (2**63 - 1) // 1_000_000


class Duration(int):
    """A duration in milliseconds, 0 or more."""


def parse(text: str) -> Duration:
    """The duration a text means: ``500ms``, ``1h30m``, ``2w``, ``0``. Raises ValueError, which says what would do."""
    if text == "0":
        return Duration(0)
    if text.isascii() and text.isdigit():
        # A longer number was meant for something else, which may be a secret.
        example = f"{text}s" if len(text) <= 6 else "30s"
        raise ValueError(f"a duration needs a unit; did you mean {example}?")
    found = _WRITTEN.fullmatch(text)
    # The length keeps a hostile number from costing quadratic time to read.
    if not text or found is None or len(text) > 100:
        raise ValueError("not a duration; write one such as 30s, 5m, 1h30m or 500ms, largest unit first")
    milliseconds = sum(int(number) * _UNITS[unit] for unit, number in found.groupdict(default="0").items())
    if milliseconds > _LONGEST:
        raise ValueError("too long a duration; 292y is the longest")
    return Duration(milliseconds)


def written(milliseconds: int) -> str:
    """The duration as Prometheus would write it; years and weeks only when they come out even (90d, not 12w6d)."""
    if milliseconds == 0:
        return "0s"
    parts = []
    for unit, size in _UNITS.items():
        if unit in ("y", "w") and milliseconds % size:
            continue
        number, milliseconds = divmod(milliseconds, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts)
