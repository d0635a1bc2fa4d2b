"""What Slack is given, checked by an endpoint that refuses what Slack refuses."""

import json
import re
from collections.abc import Callable
from functools import cache
from html import escape
from typing import Any

import pytest

from receiver.core.content import Content, Failover, Rendered, Told
from receiver.messages import slack
from receiver.messages.wording import SUBJECT_LIMIT, Tone
from tests.messages.blocks import every_block, inner, markups, objects, payload, said, taken, words
from tests.messages.contents import (
    ANNOTATIONS,
    HOSTILE,
    LABELS,
    all_urgent,
    content,
    digest,
    hostile,
    line,
    of_many_groups,
    storm,
)

ATTACHMENTS_ADVISED = 20
SUBJECT = "[FIRING:1] HighErrorRate checkout-api (eu-west-1-prod)"


def section(text: str, **settings: bool) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text} | settings}


def bars(rendered: Rendered) -> list[Any]:
    return [attachment["color"] for attachment in rendered.attachments]


def test_a_plain_firing_message() -> None:
    rendered = slack.render(content(line()))
    assert rendered.text == f"{SUBJECT}: {ANNOTATIONS['summary']}"
    assert rendered.blocks == ({"type": "header", "text": {"type": "plain_text", "text": SUBJECT, "emoji": False}},)
    (attachment,) = rendered.attachments
    assert attachment["color"] == slack.BARS[Tone.WARNING]
    heading, alert, links, labels, sent = inner(attachment)
    assert heading == section("*Firing: HighErrorRate (warning)*", verbatim=True)
    assert said(alert) == (
        f"{ANNOTATIONS['summary']}\n{ANNOTATIONS['description']}\nsince 2026-11-20 20:52:06 UTC (for 8h 37m)"
    )
    assert said(links).split("  ·  ")[:3] == [
        f"<{ANNOTATIONS['runbook_url']}|Runbook>",
        f"<{ANNOTATIONS['dashboard']}|Dashboard>",
        "<http://prometheus.example.com/graph?g0.expr=up&amp;g0.tab=1|Graph>",
    ]
    assert links["text"]["verbatim"]
    assert said(labels).splitlines()[:2] == ["Labels", "cluster: eu-west-1-prod"]
    assert [each["type"] for each in sent["elements"]] == ["plain_text", "mrkdwn"]
    assert taken(rendered)


def test_no_link_is_a_button() -> None:
    assert not {block["type"] for block in every_block(slack.render(storm("x")))} & {"actions", "button"}
    assert '"button"' not in payload(slack.render(content(line(), line(Told.RESOLVED))))


def test_each_alert_has_a_bar_of_its_own_in_the_colour_of_its_severity() -> None:
    levels = ("critical", "error", "warning", "info", "none", "page", "Firing")
    rendered = slack.render(content(*[line(severity=level) for level in levels], line(Told.RESOLVED, severity="error")))
    tones = (Tone.CRITICAL, Tone.ERROR, Tone.WARNING, Tone.INFO, *[Tone.OTHER] * 3, Tone.RESOLVED, Tone.OTHER)
    assert bars(rendered) == [slack.BARS[tone] for tone in tones]
    assert len(set(slack.BARS.values())) == len(Tone)
    assert taken(rendered)


def test_what_a_colour_says_words_say_too() -> None:
    told = (line(severity="critical", urgent=True), line(Told.RESOLVED, severity="error"))
    attachments = slack.render(content(*told)).attachments
    headings = [said(inner(attachment)[0]).partition("\n")[0] for attachment in attachments]
    assert headings[:2] == ["*Firing: HighErrorRate (critical, urgent)*", "*Resolved: HighErrorRate (error)*"]


def test_labels_that_differ_are_with_each_alert_and_common_ones_are_fields_once() -> None:
    pods = [line(labels=LABELS | {"pod": f"pod-{n}", "zone": "a b"}) for n in range(2)]
    first, second, others = slack.render(content(*pods)).attachments
    for n, attachment in enumerate((first, second)):
        assert [field["text"] for field in inner(attachment)[1]["fields"]] == [f"pod: pod-{n}"]
    fields = [block["fields"] for block in inner(others) if "fields" in block]
    assert [field["text"] for field in fields[0]] == [
        "cluster: eu-west-1-prod",
        "instance: 10.1.0.7:9100",
        "namespace: prod-eu-1",
        "service: checkout-api",
        "zone: a b",
    ]


@pytest.mark.parametrize(
    ("amount", "last"), [(10, "label_9: x"), (11, "… and 2 more labels"), (12, "… and 3 more labels")]
)
def test_ten_labels_have_a_field_each_and_of_more_the_last_field_counts_the_rest(amount: int, last: str) -> None:
    told = line(labels={"alertname": "A", **{f"label_{n}": "x" for n in range(amount)}})
    rendered = slack.render(content(told))
    [fields] = [block["fields"] for block in every_block(rendered) if "fields" in block]
    assert len(fields) == 10
    assert fields[-1]["text"] == last


def test_the_rest_is_counted_with_a_link_to_all_of_it() -> None:
    blocks = inner(slack.render(content(*[line()] * 25, firing=9_486)).attachments[-1])
    assert said(blocks[0]).startswith("… and 9,476 more")
    assert said(blocks[1]).startswith("<http://alertmanager.example.com:9093|Alertmanager>")


def test_a_group_of_several_alerts_has_a_link_to_silence_it() -> None:
    assert any(markup.endswith("|Silence this group>") for markup in markups(slack.render(content(line(), line()))))


def test_what_the_receiver_says_of_the_rendering_stands_first() -> None:
    rendered = slack.render(content(line(), note="The template failed.", reason="catch_up"))
    assert said(rendered.blocks[1]).startswith("The template failed.\nThis may come late")


def test_a_mention_comes_from_the_configuration_and_stands_first() -> None:
    mentions = ("<!here>", "<!subteam^S0123>")
    rendered = slack.render(content(line(urgent=True), mentions=mentions))
    assert rendered.blocks[0] == section("<!here> <!subteam^S0123>")
    assert rendered.blocks[1]["type"] == "header"
    assert "here" not in rendered.text
    assert taken(rendered)


def test_of_more_mentions_than_fit_none_is_cut_in_two() -> None:
    mentions = tuple(f"<@U{n:08}>" for n in range(500))
    rendered = slack.render(content(line(urgent=True), mentions=mentions))
    assert [block["type"] for block in rendered.blocks] == ["section", "header"]
    assert set(said(rendered.blocks[0]).split()) <= set(mentions)
    assert taken(rendered)


def test_ten_alerts_in_detail_and_the_rest_counted() -> None:
    rendered = slack.render(content(*[line()] * 25, firing=9_486))
    all_words = words(rendered)
    assert all_words.count("Firing: HighErrorRate") == 10
    assert "… and 9,476 more (9,476 firing): 15 × HighErrorRate (warning), 9,461 not listed" in all_words
    assert taken(rendered)


def test_resolved_again_defect_truncated_and_also_firing_are_told() -> None:
    also = tuple(line(labels=LABELS | {"pod": f"pod-{n}"}) for n in range(20))
    told = (line(Told.RESOLVED), line(again=True), line(Told.FIRED_AND_RESOLVED), line(defect="no labels"))
    ops = Failover("<!channel>", "console", 4, "stream_closed")
    rendered = slack.render(
        content(*told, also_firing=700, also_firing_lines=also, truncated=1, reason="failover", failovers=(ops,))
    )
    all_words = words(rendered)
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
        assert phrase in all_words
    assert taken(rendered)


def test_what_still_fires_is_told_with_when_it_was_last_confirmed() -> None:
    all_words = words(slack.render(content(line(reminder=True), line(after_mute=True), reason="cooldown")))
    assert "Still firing: HighErrorRate (warning)" in all_words
    assert "Still firing after mute: HighErrorRate (warning)" in all_words
    assert all_words.count("(for 8h 37m), last confirmed 2026-11-21 05:00:00 UTC (30m 0s ago)") == 2


SIZES: dict[str, Callable[..., Content]] = {
    "one": lambda text, **changes: content(hostile(text), external_url=text, **changes),
    "storm": storm,
    "digest": lambda text, **changes: storm(text, kind="digest", groups=37, mutes=3, **changes),
    "urgent": lambda text, **changes: digest(
        *all_urgent(text), firing=10_000, urgent=600, external_url=text, **changes
    ),
    "many": lambda text, **changes: content(*[hostile(text)] * 10, external_url=text, **changes),
}


@cache
def rendered_of(size: str, text: str) -> Rendered:
    return slack.render(SIZES[size](text, mentions=("<!here>",)))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("size", SIZES)
def test_whatever_an_alert_says_slack_takes_it_and_reads_no_markup_in_it(text: str, size: str) -> None:
    rendered = rendered_of(size, text)
    assert taken(rendered)
    assert len(rendered.attachments) <= ATTACHMENTS_ADVISED
    assert rendered.blocks[0] == section("<!here>")
    assert markups(rendered)[0] == "<!here>"
    # What else is markup is a heading in which nothing is: bold from its first to its last character.
    assert all(re.fullmatch(r"\*[^*<>&~`@#|\n]+\*", markup) for markup in markups(rendered)[1:])
    assert not any(found.get("emoji") for found in objects(every_block(rendered)))
    assert "5 more were cut" in words(rendered) or size != "storm"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_phone_shows_one_escaped_line_of_few_characters(text: str) -> None:
    said_to_phone = json.loads(payload(rendered_of("storm", text)))["text"]
    assert not set("<>\n\r") & set(said_to_phone)
    assert len(said_to_phone) < 5 * (slack.FALLBACK_LIMIT + SUBJECT_LIMIT)


@pytest.mark.parametrize("text", ["<!channel>", "<@U123>", "<#C1>", "@here", "<http://x|y>", "*bold* :fire:"])
def test_mentions_and_links_of_labels_appear_literally(text: str) -> None:
    odd = line(annotations={"summary": text}, labels={"alertname": "A", "pod": text, text: "x"})
    rendered = slack.render(content(odd, group={"alertname": "A"}))
    literal = [found["text"] for found in objects(every_block(rendered)) if found["type"] != "mrkdwn"]
    assert "\n".join(literal).count(text) == 3
    assert rendered.text == f"[FIRING:1] A: {text}"
    assert json.loads(payload(rendered))["text"] == f"[FIRING:1] A: {escape(text, quote=False)}"
    heading, *rest = markups(rendered)
    assert heading == "*Firing: A (warning)*"
    assert all(re.fullmatch(r"<http[^<>|]*\|\w+>", link) for markup in rest for link in _rows(markup))


@pytest.mark.parametrize(
    ("name", "bold"),
    [
        ("HighErrorRate", True),
        ("node_filesystem_full", True),
        ("Проверка 温度", True),
        ("a:b", False),
        (":fire:", False),
        ("*b*", False),
        ("_i_", False),
        ("x _i_", False),
        ("~s~", False),
        ("`c`", False),
        ("<!channel>", False),
        ("@here", False),
        ("#general", False),
        ("http://x", False),
        ("&lt;", False),
    ],
)
def test_a_heading_is_bold_where_nothing_in_it_can_be_markup(name: str, bold: bool) -> None:
    rendered = slack.render(content(line(labels={"alertname": name})))
    heading = inner(rendered.attachments[0])[0]["text"]
    words = f"Firing: {name} (warning)"
    assert (heading["type"], heading["text"]) == (("mrkdwn", f"*{words}*") if bold else ("plain_text", words))


def _rows(markup: str) -> list[str]:
    return markup.split("  ·  ")


def test_of_many_alerts_rather_fewer_are_shown_than_links_that_are_none() -> None:
    long = {f"label_{n}": "a value of some length" for n in range(15)}
    told = [line(labels=LABELS | long | {"pod": f"pod-{n}"}) for n in range(12)]
    rendered = slack.render(content(*told))
    alerts = rendered.attachments[:-1]
    assert 5 <= len(alerts) < 10
    for attachment in alerts:
        names = [link.rpartition("|")[2] for link in _rows(said(inner(attachment)[-1]))]
        assert names == ["Runbook>", "Dashboard>", "Graph>", "Silence>"]


def test_each_kind_of_a_digest_has_a_bar_of_its_own_in_its_colour() -> None:
    rendered = slack.render(of_many_groups())
    tones = (Tone.CRITICAL, *[Tone.WARNING] * 5, Tone.RESOLVED, Tone.OTHER)
    assert bars(rendered) == [slack.BARS[tone] for tone in tones]
    assert taken(rendered)


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
    assert not any(url in markup for markup in markups(rendered))
    assert "Runbook: https://x.example/?&&&" in words(rendered)
    assert taken(rendered)


def test_links_too_long_for_one_row_are_in_several() -> None:
    urls = [f"https://{name}.example/{'x' * 1400}" for name in ("runbook", "dashboard", "graph")]
    annotations = {"runbook_url": urls[0], "dashboard": urls[1]}
    rendered = slack.render(content(line(annotations=annotations, generator_url=urls[2])))
    assert all(f"<{url}|" in "".join(markups(rendered)) for url in urls)
    assert taken(rendered)


def test_the_same_content_is_the_same_message() -> None:
    assert slack.render(storm("x")) == slack.render(storm("x"))
