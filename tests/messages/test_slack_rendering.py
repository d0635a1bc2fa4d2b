"""What Slack is given, checked by an endpoint that refuses what Slack refuses."""

import pytest

from receiver.core.content import Content, Failover, Told
from receiver.messages import slack
from tests.messages.blocks import objects, taken, words
from tests.messages.contents import ANNOTATIONS, HOSTILE, LABELS, all_urgent, content, digest, hostile, line, storm


def test_a_plain_firing_message() -> None:
    rendered = slack.render(content(line()))
    subject = "[FIRING:1] HighErrorRate checkout-api (eu-west-1-prod)"
    assert rendered.text == f"{subject}: {ANNOTATIONS['summary']}"
    header, alert, when, labels, sent = rendered.blocks
    assert header == {"type": "header", "text": {"type": "plain_text", "text": subject, "emoji": False}}
    assert [found["text"] for found in objects(alert)] == [
        f"Firing: HighErrorRate (warning)\n{ANNOTATIONS['summary']}\n{ANNOTATIONS['description']}"
    ]
    assert [found["text"] for found in objects(when)] == [
        "since 2026-11-20 20:52:06 UTC (for 8h 37m)",
        f"<{ANNOTATIONS['runbook_url']}|Runbook>",
        f"<{ANNOTATIONS['dashboard']}|Dashboard>",
        "<http://prometheus.example.com/graph?g0.expr=up&amp;g0.tab=1|Graph>",
    ]
    assert [found["text"] for found in objects(labels)][:2] == ["Labels", "cluster: eu-west-1-prod"]
    assert sent["type"] == "context"
    assert taken(rendered)


def test_ten_alerts_in_detail_and_the_rest_counted() -> None:
    rendered = slack.render(content(*[line()] * 25, firing=9_486))
    said = words(rendered)
    assert said.count("Firing: HighErrorRate") == 10
    assert "… and 9,476 more (9,476 firing): 15 × HighErrorRate (warning), 9,461 not listed" in said
    assert taken(rendered)


def test_resolved_again_defect_truncated_and_also_firing_are_told() -> None:
    also = tuple(line(labels=LABELS | {"pod": f"pod-{n}"}) for n in range(20))
    told = (line(Told.RESOLVED), line(again=True), line(Told.FIRED_AND_RESOLVED), line(defect="no labels"))
    ops = Failover("<!channel>", "console", 4, "stream_closed")
    rendered = slack.render(
        content(*told, also_firing=700, also_firing_lines=also, truncated=1, reason="failover", failovers=(ops,))
    )
    said = words(rendered)
    for phrase in (
        "Told here because <!channel> could not deliver: the receiver's output is closed.",
        "Resolved: HighErrorRate",
        "(lasted 1h 30m)",
        "Firing again: HighErrorRate",
        "Fired and resolved: HighErrorRate",
        "This alert could not be read as it was sent: no labels",
        "700 other alerts of this group are still firing:\n• HighErrorRate (warning) pod=pod-0, since ",
        "… and 692 more still firing",
        "1 more was cut by max_alerts",
    ):
        assert phrase in said
    assert taken(rendered)


def test_what_still_fires_is_told_with_when_it_was_last_confirmed() -> None:
    said = words(slack.render(content(line(reminder=True), line(after_mute=True), reason="cooldown")))
    assert "Still firing: HighErrorRate (warning)" in said
    assert "Still firing after mute: HighErrorRate (warning)" in said
    assert said.count("(for 8h 37m), last confirmed 2026-11-21 05:00:00 UTC (30m 0s ago)") == 2


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("size", ["one", "storm", "many", "digest", "urgent"])
def test_whatever_an_alert_says_slack_takes_it_and_reads_no_markup_in_it(text: str, size: str) -> None:
    told: Content = {
        "one": lambda: content(hostile(text), external_url=text),
        "storm": lambda: storm(text),
        "digest": lambda: storm(text, kind="digest", groups=37, mutes=3),
        "urgent": lambda: digest(*all_urgent(text), firing=10_000, urgent=600, external_url=text),
        "many": lambda: content(*[hostile(text)] * 10, external_url=text),
    }[size]()
    rendered = slack.render(told)
    assert taken(rendered)
    assert "<" not in rendered.text
    assert ">" not in rendered.text
    assert all(found["type"] == "plain_text" and not found["emoji"] for found in objects(rendered.blocks))
    assert "5 more were cut" in words(rendered) or size != "storm"


@pytest.mark.parametrize("text", ["<!channel>", "@here", "<http://x|y>", "*bold* :fire:"])
def test_mentions_and_links_of_labels_appear_literally(text: str) -> None:
    odd = line(annotations={"summary": text}, labels={"alertname": "A", "pod": text})
    rendered = slack.render(content(odd, group={}))
    assert words(rendered).count(text) == 2
    assert rendered.text == f"[FIRING:1] A: {slack.escape(text)}"


@pytest.mark.parametrize(
    ("url", "markup"),
    [
        ("https://x.example/a?b=1&c=2", "<https://x.example/a?b=1&amp;c=2|Runbook>"),
        ("https://x.example/a|b", "<https://x.example/a%7Cb|Runbook>"),
    ],
)
def test_a_link_is_escaped(url: str, markup: str) -> None:
    rendered = slack.render(content(line(annotations={"runbook_url": url})))
    assert markup in words(rendered)


def test_a_link_that_grows_too_long_by_escaping_is_text() -> None:
    url = "https://x.example/?" + "&" * 1000
    rendered = slack.render(content(line(annotations={"runbook_url": url}, generator_url="")))
    live = [found["text"] for found in objects(rendered.blocks) if found["type"] == "mrkdwn"]
    assert live == ["<http://alertmanager.example.com:9093|Alertmanager>"]
    assert taken(rendered)


def test_the_same_content_is_the_same_message() -> None:
    assert slack.render(storm("x")) == slack.render(storm("x"))
