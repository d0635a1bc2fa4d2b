"""Slack's text at the top level, which a phone's notification shows: nothing that anybody says is markup there."""

import json
from collections.abc import Iterator

import pytest

from receiver.channels.slack import SlackChannel
from receiver.channels.slack_bot import SlackBotChannel
from receiver.core.content import Incidents, NoticeKind, Rendered
from receiver.messages import notice, plain, slack
from receiver.secret import Secret
from tests.messages.contents import NOW, content, line

WEBHOOK = SlackChannel("hook", webhook_url=Secret("https://hooks.example/"))
BOT = SlackBotChannel("bot", bot_token=Secret("xoxb-1"), channel="#ops", api_url="https://slack.example/")

MARKUP = "<!channel> <http://x|y> &lt;!here&gt;"
ODD = content(line(labels={"alertname": MARKUP}, annotations={"summary": MARKUP}))
REFUSED = Incidents("ops", "u", NOW, NoticeKind.UNKNOWN_CHANNEL, 1, (f"/webhook/{MARKUP}",), NOW, NOW)


def texts(rendered: Rendered) -> Iterator[str]:
    yield json.loads(WEBHOOK.build(rendered, "u", NOW))["text"]
    yield json.loads(BOT.build(rendered, "u", NOW))["news"]["text"]


@pytest.mark.parametrize("rendered", [slack.render(ODD), plain.render(ODD), notice.about(REFUSED)])
def test_what_anybody_says_is_text_in_every_form_of_a_message(rendered: Rendered) -> None:
    for text in texts(rendered):
        assert "&lt;!channel&gt; &lt;http://x|y&gt; &amp;lt;!here&amp;gt;" in text
        assert not set("<>") & set(text)


def test_no_link_makes_slack_fetch_what_is_there() -> None:
    rendered = slack.render(ODD)
    for payload in (json.loads(WEBHOOK.build(rendered, "u", NOW)), json.loads(BOT.build(rendered, "u", NOW))["news"]):
        assert (payload["unfurl_links"], payload["unfurl_media"]) == (False, False)
