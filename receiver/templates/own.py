"""A channel's own rendering: its templates where they work, else the built-in one, which says so."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from receiver.core.content import Content, Rendered
from receiver.logs import unspoken
from receiver.messages.slack import standing
from receiver.messages.wording import one_line
from receiver.templates.forms import Form, Refused
from receiver.templates.process import Renderer
from receiver.templates.values import values

log = logging.getLogger(__name__)

_SAID = 400


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a part did not come out; ``line`` counts within its template.

    ``wrong`` and ``advice`` repeat none of the values that the template was given, ``detail`` may.
    """

    part: str
    wrong: str
    line: int | None = None
    advice: str = ""
    detail: str = ""

    def __str__(self) -> str:
        """``line 3: 'foo' is undefined``."""
        return self.wrong if self.line is None else f"line {self.line}: {self.wrong}"

    @property
    def explained(self) -> str:
        """All that is known of it, for who has written the template."""
        if self.detail.startswith(self.wrong):
            return self.detail
        return f"{self.wrong}: {self.detail}" if self.detail else self.wrong


@dataclass(frozen=True, slots=True)
class Tried:
    """The message that the templates make; None where any of them failed."""

    rendered: Rendered | None
    failures: tuple[Failure, ...] = ()


def said(words: str) -> str:
    """The words on one line; they may be those of a template, or of a process that answers nonsense."""
    return one_line(words, _SAID)


def attempt(form: Form, sources: Mapping[str, str], content: Content, renderer: Renderer) -> Tried:
    """Render the templates: the whole message is theirs, as far as they go, or none of it."""
    usual = form.builtin(content)
    tried = _try(form, sources, content, usual, renderer)
    if tried.rendered is None or usual.first is None:
        return tried
    # Nothing is told by it, so that its failure is no failure of this message.
    first = _try(form, sources, standing(content), usual.first, renderer).rendered
    return Tried(replace(tried.rendered, first=first or usual.first))


def _try(form: Form, sources: Mapping[str, str], content: Content, usual: Rendered, renderer: Renderer) -> Tried:
    answers = renderer.render(sources, values(content, usual), form.limits)
    failures = [
        Failure(answer.part, said(answer.wrong), answer.line, said(answer.advice), said(answer.detail))
        for answer in answers
        if answer.wrong
    ]
    texts = {answer.part: answer.text for answer in answers if not answer.wrong}
    failures += [Failure(part, "comes out empty") for part, text in texts.items() if not text.strip()]
    if failures:
        return Tried(None, tuple(failures))
    try:
        return Tried(form.assemble(usual, texts, content))
    except Refused as refused:
        return Tried(None, (Failure(refused.part, str(refused), advice=refused.advice),))


class OwnRendering:
    """Renders a channel's messages by its own templates. Blocks as long as they take."""

    def __init__(
        self,
        channel: str,
        form: Form,
        sources: Mapping[str, str],
        failed: Callable[[], None] = lambda: None,
        renderer: Renderer | None = None,
    ) -> None:
        """``sources`` are the templates by their parts; ``failed`` is called for each message that they fail for."""
        self._channel = channel
        self._form = form
        self._sources = sources
        self._failed = failed
        self._renderer = renderer or Renderer()

    def __call__(self, content: Content) -> Rendered:
        """The message, in the built-in form where a template failed."""
        try:
            tried = attempt(self._form, self._sources, content, self._renderer)
        except Exception as error:
            log.error(
                "the channel's own templates could not be tried", extra={"channel": self._channel} | unspoken(error)
            )
            tried = Tried(None, (Failure(next(iter(self._sources)), "internal error, see the receiver's log"),))
        if tried.rendered is not None:
            return tried.rendered
        self._failed()
        failure = tried.failures[0]
        facts = {"channel": self._channel, "part": failure.part, "problem": str(failure)}
        log.error("the channel's own template failed, the built-in form goes out", extra=facts)
        log.debug("the template's error", extra=facts | {"detail": failure.detail})
        return builtin(self._form, content, failure)

    def close(self) -> None:
        """End what renders."""
        self._renderer.close()


def builtin(form: Form, content: Content, failure: Failure) -> Rendered:
    """The built-in form, which says that it stands in for the channel's own."""
    note = f"The channel's own template for {failure.part} failed ({failure}), so this is the built-in form."
    return form.builtin(replace(content, note=note))
