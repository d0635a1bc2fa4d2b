"""A message for a terminal: plain text in which nothing can move the cursor."""

from receiver.core.content import Content, Rendered
from receiver.messages import templating
from receiver.messages.email import ladder
from receiver.messages.excerpt import Excerpt, fitting

LIMIT = 40_000
"""Characters of one message."""


def render(content: Content) -> Rendered:
    """The subject and the text."""
    subject, text = fitting(content, ladder(content), _layout, lambda page: len(page[1]), LIMIT)
    return Rendered(subject=subject, text=text)


def _layout(excerpt: Excerpt) -> tuple[str, str]:
    return excerpt.subject, templating.text(excerpt)
