"""What a mail says and how large it gets."""

import re
from collections.abc import Callable, Mapping
from email import message_from_bytes
from email.policy import default
from html.parser import HTMLParser

import pytest

from receiver.core.content import Content
from receiver.messages import email
from tests.messages.contents import (
    HOSTILE,
    LABELS,
    NOW,
    SAMPLES,
    all_urgent,
    content,
    digest,
    hostile,
    line,
    of_pod,
    storm,
)
from tests.messages.mail import mail_channel

MAIL_LIMIT = 100_000


def headers(payload: bytes) -> list[str]:
    """The names of the mail's headers, as a mail program finds them."""
    return message_from_bytes(payload, policy=default).keys()


class Document(HTMLParser):
    """The tags, attributes and text of an HTML document."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.targets: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.targets += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.words += f"{data} "


@pytest.mark.parametrize("name", SAMPLES)
def test_the_html_says_what_the_text_says(name: str) -> None:
    rendered = email.render(SAMPLES[name])
    html = Document(rendered.html)
    said = set(re.findall(r"\w+", html.words + " ".join(html.targets)))
    assert set(re.findall(r"\w+", rendered.text)) - said <= {"Labels"}, "a heading where there are several kinds"
    assert rendered.subject in html.words
    assert set(html.targets) == set(re.findall(r"(?m)^(?:  )?[\w ]+: (https?://\S+)$", rendered.text))


def test_a_mail_of_one_alert_is_about_that_alert() -> None:
    html = Document(email.render(content(line())).html)
    words = re.sub(r"\s+", " ", html.words)
    assert words.count("HighErrorRate") == 2, "in the title and in the headline"
    assert words.count("eu-west-1-prod") == 3, "and with the labels"
    assert "Labels common to all" not in words


def test_labels_that_differ_stand_with_their_alert_and_common_ones_once() -> None:
    text = email.render(content(line(), line(labels=LABELS | {"pod": "other"}))).text
    assert text.count("pod = ") == 2
    assert text.count("cluster = eu-west-1-prod") == 1
    assert "Labels common to all\n" in text


def test_other_firing_alerts_are_listed_compactly() -> None:
    also = tuple(line(labels=LABELS | {"pod": f"pod-{n}"}) for n in range(80))
    text = email.render(content(line(), also_firing=1200, also_firing_lines=also)).text
    assert "1200" not in text
    assert "1,200 other alerts of this group are still firing:\n  - HighErrorRate (warning) pod=pod-0\n" in text
    assert "  … and 1,150 more still firing\n" in text


def test_what_still_fires_is_told_with_when_it_was_last_confirmed() -> None:
    confirmed = "since 2026-11-20 20:52:06 UTC (for 8h 37m), last confirmed 2026-11-21 05:00:00 UTC (30m 0s ago)"
    for still, state in (
        (line(reminder=True), "Still firing"),
        (line(after_mute=True), "Still firing after mute"),
    ):
        rendered = email.render(content(still))
        assert f"{state}: HighErrorRate (warning)\n" in rendered.text
        assert confirmed in rendered.text
        assert confirmed in rendered.html


def test_an_urgent_alert_is_marked() -> None:
    text = email.render(content(line(severity="critical", urgent=True), line())).text
    assert "Firing: HighErrorRate (critical, urgent)\n" in text
    assert "Firing: HighErrorRate (warning)\n" in text


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "http://",
        "http://x y",
        'http://x"onmouseover="y',
        "https://x\u202e.example",
        "http://[",
        "ftp://x.example/",
        "http://x.example/" + "y" * 3000,
    ],
)
def test_only_a_sound_web_address_becomes_a_link(url: str) -> None:
    odd = line(annotations={"runbook_url": url}, generator_url=url, links={"panel": url})
    assert Document(email.render(content(odd, external_url=url)).html).targets == []


SIZES: Mapping[str, Callable[[str], Content]] = {
    "one": lambda text: content(hostile(text)),
    "storm": storm,
    "digest": lambda text: storm(text, kind="digest", groups=37, mutes=3),
    "urgent": lambda text: digest(*all_urgent(text), firing=10_000, urgent=600, external_url=text),
}
HARMLESS = [email.render(told("harmless")) for told in SIZES.values()]
MARKUP = [Document(rendered.html) for rendered in HARMLESS]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("size", SIZES)
def test_every_mail_is_small_and_nothing_an_alert_says_becomes_a_header_or_markup(text: str, size: str) -> None:
    rendered = email.render(SIZES[size](text))
    payload = mail_channel().build(rendered, "01ABC", NOW)
    assert len(payload) <= MAIL_LIMIT
    assert headers(payload) == headers(mail_channel().build(HARMLESS[0], "01ABC", NOW))
    html = Document(rendered.html)
    assert html.tags <= set().union(*(harmless.tags for harmless in MARKUP))
    assert html.attributes <= set().union(*(harmless.attributes for harmless in MARKUP))
    assert all(target.startswith("http://alertmanager.example.com:9093") for target in html.targets)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e\ud800-\udfff]", rendered.text + rendered.html)


@pytest.mark.parametrize("text", ["plain", "🔥" * 1000, '"' * 1000])
def test_what_a_mail_leaves_out_is_counted(text: str) -> None:
    rendered = email.render(storm(text))
    shown = len(re.findall(r"(?m)^(?:Firing|Resolved)", rendered.text))
    assert (
        f"… and {10_000 - shown:,} more ({9_990 - shown:,} firing, 7 resolved, 3 fired and resolved)" in rendered.text
    )
    assert "9,500 not listed" in rendered.text
    assert "5 more were cut by max_alerts" in rendered.text


def test_more_fits_of_what_is_smaller() -> None:
    small = line(annotations={"summary": "x"}, generator_url="")
    assert email.render(content(*[small] * 60)).text.count("Firing: ") == 60


@pytest.mark.parametrize(("alerts", "limit"), [(1, 8_000), (4, 18_000), (20, 64_000)])
def test_a_mail_is_no_larger_than_it_needs_to_be(alerts: int, limit: int) -> None:
    assert len(mail_channel().build(email.render(content(*map(of_pod, range(alerts)))), "01ABC", NOW)) < limit


def test_of_many_alerts_the_group_alone_has_a_link_to_silence_it() -> None:
    few, many = (email.render(content(*map(of_pod, range(alerts)))).text for alerts in (20, 21))
    assert (few.count("  Silence: http"), many.count("  Silence: http")) == (20, 0)
    assert few.count("Silence this group: http") == many.count("Silence this group: http") == 1


def test_the_same_content_is_the_same_mail() -> None:
    assert email.render(storm("x")) == email.render(storm("x"))
