"""The templates that ship with the package: HTML escapes by itself, an undefined name is an error."""

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from receiver.messages.excerpt import Excerpt

_ENVIRONMENT = Environment(
    loader=PackageLoader("receiver.messages"),
    autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    auto_reload=False,
)
_TEXT = _ENVIRONMENT.get_template("message.txt.j2")
_HTML = _ENVIRONMENT.get_template("message.html.j2")
_NOTICE = _ENVIRONMENT.get_template("notice.html.j2")


def text(excerpt: Excerpt) -> str:
    """The message as plain text, without its subject."""
    return _TEXT.render(m=excerpt)


def html(excerpt: Excerpt) -> str:
    """The message as an HTML document."""
    return _HTML.render(m=excerpt)


def notice(subject: str, title: str, lines: Sequence[str], sent: str) -> str:
    """A notice as an HTML document."""
    return _NOTICE.render(subject=subject, title=title, lines=lines, sent=sent)
