"""Templates become texts: Jinja2's sandbox, without a loader, in which nothing undefined is silent."""

import encodings.unicode_escape
import html
import pprint
import re
import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import jinja2.debug
from jinja2 import Environment, Template, TemplateSyntaxError, meta, nodes, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from receiver.messages.bounds import Bounds
from receiver.messages.links import links
from receiver.messages.wording import duration as spelled
from receiver.templates.lookup import UNENDED, Missing, NotThere, NoValue, Sandbox, named
from receiver.templates.wire import FEWER, Answer

LOADED = (encodings.unicode_escape, html, jinja2.debug, pprint, textwrap, datetime.strptime("", ""))
"""What is loaded no sooner than it is needed; by then no file can be opened any more."""

NAMES = frozenset(
    {
        "alerts",
        "builtin",
        "channel",
        "common_annotations",
        "common_labels",
        "counts",
        "explanation",
        "external_url",
        "group_labels",
        "kind",
        "now",
        "reason",
        "status",
        "still_firing",
    }
)
"""What a template sees."""

# Slack has no way to write a quotation mark but itself; a value's own "&#34;" has become "&amp;#34;" before this.
_QUOTES = (("&#34;", '"'), ("&#39;", "'"))
_ADDRESS = Bounds(alerts=0, also=0, labels=0, short=4096, long=0, url=4096)

LONGEST_LINK = 3000
"""Characters of a link in Slack, as it is written (https://docs.slack.dev/reference/block-kit/blocks/section-block)."""


GO = "this looks like Alertmanager's Go template: docs/templates.md has a table of what to write here"
_GO = re.compile(
    r"""(?x)
    \{\{-?\s* (?:
        (?:end|else) \s*-?\}\}
        | (?:else\s+)? (?:if|range|with|define|template|block|len|since|reReplaceAll) \s+ [("$.\w]
        | [^}]* \|\s* (?:toUpper|toLower|trimSpace|humanize\w*|safeHtml|toJson|len) \b
    )
    | \{[{%] [^}'"]* (?<![\w)\]]) [.$] [A-Za-z_]      # .Status, $labels
    """
)


class _NotAllowed(TemplateSyntaxError):
    """The template asks for what none may have; ``advice`` says what there is instead."""

    def __init__(self, wrong: str, line: int, advice: str) -> None:
        super().__init__(wrong, line)
        self.advice = advice


class _TooLong(Exception):
    """The output exceeds what any message could carry."""


def render(part: str, source: str, values: Mapping[str, Any], limit: int) -> Answer:
    """The part's text of at most ``limit`` characters, or why there is none."""
    try:
        return Answer(part, _rendered(part, source, named(values), limit))
    except TemplateSyntaxError as error:
        advice = GO if _GO.search(source) else error.advice if isinstance(error, _NotAllowed) else ""
        return Answer(part, wrong=(error.message or "is no template").rstrip("."), line=error.lineno, advice=advice)
    except jinja2.UndefinedError as error:
        return _undefined(part, source, error)
    except jinja2.exceptions.SecurityError as error:
        detail = str(error).rstrip(".")
        return Answer(part, wrong="this is not allowed in a template", line=_line(error), detail=detail)
    except NoValue as error:
        return Answer(part, wrong=str(error), line=_line(error), advice=error.advice)
    except _TooLong:
        return Answer(part, wrong=f"has more than {limit:,} characters", advice=FEWER)
    except MemoryError:
        return Answer(part, wrong="needs too much memory")
    except RecursionError:
        return Answer(part, wrong="is nested too deeply, or calls itself without end")
    except Exception as error:
        # Its text may quote a label.
        detail = f"{type(error).__name__}: {error}"
        advice = UNENDED if "NoneType" in detail and "ends_at" in source else ""
        return Answer(part, wrong=type(error).__name__, line=_line(error), advice=advice, detail=detail)


def _rendered(part: str, source: str, values: Mapping[str, Any], limit: int) -> str:
    pieces, length = [], 0
    for piece in _compiled(part, source).generate(values):
        pieces.append(piece)
        length += len(piece)
        if length > limit:
            raise _TooLong
    # A literal of the template's may hold half a character.
    text = "".join(pieces).encode(errors="replace").decode()
    if part == "slack":
        for escaped, mark in _QUOTES:
            text = text.replace(escaped, mark)
    return text


@lru_cache(maxsize=64)
def _compiled(part: str, source: str) -> Template:
    environment = _ENVIRONMENTS[part]
    tree = environment.parse(source)
    for wrong, line, advice in _amiss(tree):
        raise _NotAllowed(wrong, line, advice)
    return environment.from_string(tree)


def _amiss(tree: nodes.Template) -> Iterator[tuple[str, int, str]]:
    """What Jinja2 lets pass until it is reached, or altogether: each with its line, and advice."""
    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        yield "a template can't use other files", node.lineno, ""
    for node in tree.find_all(nodes.ScopedEvalContextModifier):
        yield "autoescape is not to be changed", node.lineno, "values are always escaped"
    unknown = meta.find_undeclared_variables(tree) - NAMES - _ENVIRONMENTS["text"].globals.keys()
    for name in tree.find_all(nodes.Name):
        if name.name in unknown:
            yield f"'{name.name}' is undefined", name.lineno, f"there are: {', '.join(sorted(NAMES))}"


def _undefined(part: str, source: str, error: jinja2.UndefinedError) -> Answer:
    # A name that was not written in the template may be a label's value.
    known = isinstance(error, Missing | NotThere) and isinstance(error.name, str) and error.name in source
    if isinstance(error, NotThere):
        wrong = f"{error.called} has no {error.name}" if known else f"{error.called} has nothing of this name"
        return Answer(part, wrong=wrong, line=_line(error), advice=error.advice, detail="" if known else str(error))
    if isinstance(error, Missing) and known:
        advice = GO if _GO.search(source) else error.advice
        return Answer(part, wrong=f"'{error.name}' is undefined", line=_line(error), advice=advice)
    return Answer(part, wrong="something is undefined", line=_line(error), detail=error.message or "")


def _line(error: BaseException) -> int | None:
    """The last line of the template that the error came through."""
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def utc(value: datetime | None) -> str:
    """``2026-11-20 20:52:06 UTC``; nothing for an end that there is not."""
    return "" if value is None else f"{value:%Y-%m-%d %H:%M:%S} UTC"


def duration(value: timedelta | float) -> str:
    """``1h 5m``, of a difference of two times or of seconds."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    return spelled(int(seconds * 1000))


@pass_context
def since(context: Context, value: datetime) -> str:
    """How long ago it was when the message was made: ``1h 5m``."""
    return duration(context["now"] - value)


def _link_in_text(url: object, name: object = "") -> str:
    return f"{name}: {url}" if name else str(url)


def _link_in_html(url: object, name: object = "") -> Markup:
    if not _is_live(str(url)):
        return escape(_link_in_text(url, name))
    return Markup('<a href="{}">{}</a>').format(url, name or url)


def _link_in_slack(url: object, name: object = "") -> Markup:
    if not _is_live(str(url)):
        return escape(_link_in_text(url, name))
    # A bar would end the address; as %7C it means the same.
    link = Markup("<{}|{}>").format(str(url).replace("|", "%7C"), str(name or url).replace("|", "¦"))
    # One that a section of Slack's does not take would be cut in half.
    return link if len(link) < LONGEST_LINK else escape(_link_in_text(url, name))


def _is_live(url: str) -> bool:
    return any(link.live for link in links([("", url)], _ADDRESS))


def _environment(link: Any, *, autoescape: bool) -> Environment:
    environment = Sandbox(autoescape=autoescape)
    # What says of a value that it is harmless, and what only fills pages.
    del environment.filters["safe"], environment.globals["lipsum"]
    environment.filters |= {"utc": utc, "duration": duration, "since": since, "link": link}
    return environment


_ENVIRONMENTS = {
    "subject": _environment(_link_in_text, autoescape=False),
    "text": _environment(_link_in_text, autoescape=False),
    "html": _environment(_link_in_html, autoescape=True),
    # Not by ``finalize``, which would escape what a macro has escaped already.
    "slack": _environment(_link_in_slack, autoescape=True),
}
