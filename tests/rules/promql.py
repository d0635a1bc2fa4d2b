"""As much of PromQL as it takes to tell which metrics and series an expression reads; promtool says if it is valid."""

import re

_STRING = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`')
# Labels after a grouping word, ranges and offsets: names there are none of metrics.
_ASIDE = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)|\[[^\]]*\]|\boffset\s+-?[0-9a-z]+")
_SELECTOR = re.compile(r"(?<![\w.])([a-zA-Z_:][\w:]*)(?![\w:])(?!\s*\()(?:\s*\{[^}]*\})?")
_WORDS = {"and", "or", "unless", "bool", "by", "without", "on", "ignoring", "group_left", "group_right", "inf", "nan"}


def selectors(expression: str) -> set[str]:
    """Every instant selector that is read, ``name{matchers}`` or ``name``, as it is written."""
    # Blanked at their places, so that what is found can be cut out of the expression itself.
    quiet = _STRING.sub(lambda match: '"' + " " * (len(match[0]) - 2) + '"', expression)
    quiet = _ASIDE.sub(lambda match: " " * len(match[0]), quiet)
    return {
        expression[match.start() : match.end()].strip()
        for match in _SELECTOR.finditer(quiet)
        if match[1].lower() not in _WORDS
    }


def metrics(expression: str) -> set[str]:
    """The names of the metrics that are read."""
    return {selector.partition("{")[0].strip() for selector in selectors(expression)}
