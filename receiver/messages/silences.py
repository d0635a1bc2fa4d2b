"""The address of Alertmanager's form for a new silence, its matchers filled in.

The form reads its ``filter`` as the interface writes it: names bare, values as JSON strings, all of it percent-encoded
(github.com/prometheus/alertmanager, ui/app/src/Utils/Filter.elm and Views/SilenceForm/Parsing.elm). What it cannot
read leaves it empty. Where a value holds no control character but ``\\n``, JSON's escapes are those of Alertmanager's
own matchers, too (pkg/labels/parse.go), so that the text between the braces may also be given to amtool.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

# Older interfaces read no other names, and amtool reads others in quotes only, which no interface does.
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# Control characters have escapes in JSON that Alertmanager's matchers lack; surrogates have no UTF-8.
_UNSAYABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Of what a fragment may hold as it is (RFC 3986, 3.5), what means nothing to the form; "=" and "&" would.
_PLAIN = "/:,@"
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def url(alertmanager: str, labels: Mapping[str, str], group: Mapping[str, str], limit: int) -> str:
    """The form for a silence of these labels, in at most ``limit`` characters; "" where that can't be.

    A matcher that doesn't fit is left out only if the silence is then no broader than one of the ``group``.
    """
    # A silence needs a matcher that does not match the empty value (pkg/silence of the same).
    if not alertmanager or not any(labels.values()) or "#" in alertmanager or "?" in alertmanager:
        return ""
    form = f"{alertmanager.rstrip('/')}/#/silences/new?filter=%7B"
    matchers = dict(_matchers(labels, limit))
    narrow = bool(group) and all(name in matchers and labels[name] == value for name, value in group.items())
    if not narrow and any(name not in matchers for name in labels):
        return ""
    chosen: list[str] = []
    room = limit - len(form) - len("%7D")
    # The group's come first: without one of them there is no link.
    for name in sorted(matchers, key=lambda name: (name not in group, name)):
        cost = len(matchers[name]) + bool(chosen)
        if cost <= room:
            chosen.append(matchers[name])
            room -= cost
        elif name in group or not narrow:
            return ""
    return f"{form}{','.join(chosen)}%7D" if chosen else ""


def _matchers(labels: Mapping[str, str], limit: int) -> Iterator[tuple[str, str]]:
    """The labels that can be said, as encoded matchers. A label that is not there has the empty value."""
    for name, value in labels.items():
        if len(name) + len(value) <= limit and _NAME.fullmatch(name) and not _UNSAYABLE.search(value):
            yield name, f"{name}%3D%22{quote(value.translate(_ESCAPES), safe=_PLAIN)}%22"
