"""What goes out by templates of one's own stays within the sizes that providers take, however it is encoded."""

import json
from collections.abc import Iterator

import pytest
from jinja2.filters import FILTERS

from receiver.channels.slack import SlackChannel
from receiver.core.content import Rendered
from receiver.demo.block_kit import check
from receiver.messages import email
from receiver.secret import Secret
from receiver.templates.forms import FORMS
from receiver.templates.own import attempt
from receiver.templates.process import Renderer
from receiver.templates.values import values
from tests.messages.contents import NOW, content, line, of_many_groups
from tests.messages.mail import mail_channel

SLACK = SlackChannel("ops", webhook_url=Secret("https://hooks.example/"))


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    renderer = Renderer()
    yield renderer
    renderer.close()


def size(rendered: Rendered) -> int:
    return len(mail_channel().build(rendered, "01ABC", NOW))


@pytest.mark.parametrize(
    "templates",
    [
        {"html": "{% for n in range(88000) %}x{% endfor %}"},  # beside the built-in text
        {"html": "{% for n in range(29000) %}温{% endfor %}", "text": "x"},  # four bytes each in base64
        {"text": "{% for n in range(70000) %}={% endfor %}", "html": "x"},
    ],
)
def test_a_mail_that_would_be_too_large_is_not_sent(renderer: Renderer, templates: dict[str, str]) -> None:
    tried = attempt(FORMS["email"], templates, of_many_groups(), renderer)
    assert tried.rendered is None
    assert "makes a mail of" in str(tried.failures[0])


def test_a_mail_that_is_just_small_enough_is_sent(renderer: Renderer) -> None:
    templates = {"html": "{% for n in range(62000) %}x{% endfor %}", "text": "{% for n in range(18000) %}y{% endfor %}"}
    tried = attempt(FORMS["email"], templates, content(line()), renderer)
    assert tried.rendered is not None
    assert 80_000 < size(tried.rendered) <= 100_000


def test_slack_takes_what_is_long_only_once_it_is_escaped(renderer: Renderer) -> None:
    tried = attempt(FORMS["slack"], {"slack": "{% for n in range(4000) %}< {% endfor %}"}, content(line()), renderer)
    assert tried.rendered is None
    assert "makes a message of" in str(tried.failures[0])
    tried = attempt(FORMS["slack"], {"slack": "{% for n in range(1500) %}< {% endfor %}"}, content(line()), renderer)
    assert tried.rendered is not None
    check(json.loads(SLACK.build(tried.rendered, "01ABC", NOW)))


def test_what_is_cut_anyway_may_grow_with_a_storm(renderer: Renderer) -> None:
    templates = {"text": "{% for n in range(500) %}an alert by name, {% endfor %}", "subject": "{{ 'x' * 2000 }}"}
    tried = attempt(FORMS["slack"], templates, content(line()), renderer)
    assert tried.rendered is not None
    assert (len(tried.rendered.text), len(tried.rendered.subject)) == (500, 150)


def test_a_link_in_slack_is_never_cut_in_half(renderer: Renderer) -> None:
    long = line(generator_url="https://x.example/?" + "&" * 1900)
    tried = attempt(
        FORMS["slack"], {"slack": "x {{ alerts[0].generator_url | link('Graph') }}"}, content(long), renderer
    )
    assert tried.rendered is not None
    texts = [str(block["text"]["text"]) for block in tried.rendered.blocks]  # type: ignore[index]  # a section's text
    assert all(text.count("<") == text.count(">") for text in texts)


@pytest.mark.parametrize("name", sorted(FILTERS.keys() - {"safe"}))
def test_every_filter_works_where_no_file_can_be_opened(renderer: Renderer, name: str) -> None:
    told = content(line(annotations={"summary": "<b>x</b> &amp; y"}))
    seen = values(told, email.render(told))
    for value in ("alerts[0].annotations.summary", "alerts", "3.5", "alerts[0].labels"):
        [answer] = renderer.render({"html": f"{{{{ {value} | {name} }}}}"}, seen, FORMS["email"].limits)
        assert "files" not in answer.detail, answer
        assert answer.wrong not in ("OSError", "ImportError", "ModuleNotFoundError", "LookupError"), answer
