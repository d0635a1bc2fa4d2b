"""The plainest form: told whatever else fails."""

import pytest

from receiver.messages import plain
from tests.messages.blocks import objects, taken
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
        assert taken(rendered)


def test_whom_urgent_news_mentions_the_plain_form_mentions_too() -> None:
    rendered = plain.render(content(line(urgent=True, labels={"alertname": "<!channel>"}), mentions=("<!here>",)))
    mention, section = rendered.blocks
    assert mention == {"type": "section", "text": {"type": "mrkdwn", "text": "<!here>"}}
    assert [found["type"] for found in objects(section)] == ["plain_text"]
    assert taken(rendered)
