"""The plainest form: told whatever else fails."""

import json

import pytest

from receiver.demo import slack_endpoint
from receiver.messages import plain
from tests.messages.contents import HOSTILE, content, digest, line, of_many_groups, storm


def test_it_says_why_it_is_plain_whichever_of_the_two_it_was() -> None:
    first, much, *names = plain.render(content(line(), line(reminder=True))).text.splitlines()
    assert "the usual one could not be made" in first
    assert (much, names) == ("2 alerts:", ["2 × firing HighErrorRate"])


def test_a_digest_names_urgent_alerts_first() -> None:
    urgent = line(labels={"alertname": "DatabaseDown"}, urgent=True)
    many = [line(labels={"alertname": f"A{n}"}) for n in range(30)]
    rendered = plain.render(digest(*many, *many, urgent))
    assert rendered.subject == "[DIGEST: 61 in 37 groups] alerts (plain form)"
    lines = rendered.text.splitlines()
    assert lines[1:3] == ["61 alerts (1 urgent):", "1 × firing DatabaseDown, urgent"]
    assert lines[-1] == "and 22 more"


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_an_alert_says_it_is_short_and_slack_takes_it(text: str) -> None:
    for told in (storm(text), of_many_groups()):
        rendered = plain.render(told)
        assert len(rendered.text) < 4000
        assert all(character.isprintable() or character == "\n" for character in rendered.text)
        assert slack_endpoint.accepted(json.dumps({"text": rendered.text, "blocks": rendered.blocks}).encode())
