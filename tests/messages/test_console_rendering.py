"""What a terminal is given."""

import re

import pytest

from receiver.messages import console
from tests.messages.contents import HOSTILE, content, hostile, line, storm


def test_a_plain_message_reads_like_the_mail() -> None:
    rendered = console.render(content(line()))
    assert rendered.subject == "[FIRING:1] HighErrorRate checkout-api (eu-west-1-prod)"
    assert rendered.text.startswith("Firing: HighErrorRate (warning)\n")
    assert (rendered.html, rendered.blocks) == ("", ())


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_moves_the_cursor(text: str) -> None:
    for told in (content(hostile(text)), storm(text), storm(text, kind="digest")):
        rendered = console.render(told)
        assert len(rendered.text) <= console.LIMIT
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", rendered.subject + rendered.text)


def test_an_escape_sequence_is_seen() -> None:
    assert "\ufffd[2J" in console.render(content(line(annotations={"summary": "\x1b[2J"}))).text
