"""What a mail says and how large it gets."""

import re
from html.parser import HTMLParser

import pytest

from receiver.channels.email import EmailChannel
from receiver.core.content import Content, Failover, Told
from receiver.messages import email
from tests.messages.contents import (
    ANNOTATIONS,
    HOSTILE,
    LABELS,
    NOW,
    all_urgent,
    content,
    digest,
    hostile,
    line,
    storm,
)

MAIL_LIMIT = 100_000


def channel() -> EmailChannel:
    return EmailChannel(
        "oncall",
        sender="Alerts <alerts@example.com>",
        recipients=("a@example.com",),
        host="127.0.0.1",
        port=25,
        security="none",
        username=None,
        password=None,
        ca_file=None,
        timeout=1.0,
    )


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
        self.words += data


def test_a_plain_firing_mail_reads_like_this() -> None:
    rendered = email.render(content(line()))
    assert rendered.subject == "[FIRING:1] HighErrorRate checkout-api (eu-west-1-prod)"
    assert rendered.text == (
        "Firing: HighErrorRate (warning)\n"
        "  High error rate on 10.1.0.7:9100 (checkout-api)\n"
        "  since 2026-11-20 20:52:06 UTC (for 8h 37m)\n"
        "\n"
        "  The service checkout-api has had an error ratio of 5.33% over the last 5 minutes.\n"
        "\n"
        "  Runbook: https://runbooks.example.com/checkout-api/HighErrorRate\n"
        "  Dashboard: https://grafana.example.com/d/3d7aaba91/overview\n"
        "  Graph: http://prometheus.example.com/graph?g0.expr=up&g0.tab=1\n"
        "\n"
        "Labels\n"
        "  cluster = eu-west-1-prod\n"
        "  instance = 10.1.0.7:9100\n"
        "  namespace = prod-eu-1\n"
        "  pod = checkout-api-7d9f8c6b5-00001\n"
        "  service = checkout-api\n"
        "\n"
        "-- \n"
        "Sent to oncall at 2026-11-21 05:30:00 UTC · message 01ABC\n"
        "Alertmanager: http://alertmanager.example.com:9093\n"
    )


def test_the_html_says_what_the_text_says() -> None:
    rendered = email.render(content(line(), also_firing=1, also_firing_lines=(line(),), truncated=2))
    document = Document(rendered.html)
    words = re.sub(r"\s+", " ", document.words)
    for phrase in (
        rendered.subject,
        "High error rate on 10.1.0.7:9100 (checkout-api)",
        ANNOTATIONS["description"],
        "since 2026-11-20 20:52:06 UTC (for 8h 37m)",
        "1 other alert of this group is still firing",
        "last confirmed 2026-11-21 05:00:00 UTC (30m 0s ago)",
        "2 more were cut by max_alerts",
        "checkout-api-7d9f8c6b5-00001",
    ):
        assert phrase in words
    assert document.targets == [
        ANNOTATIONS["runbook_url"],
        ANNOTATIONS["dashboard"],
        "http://prometheus.example.com/graph?g0.expr=up&g0.tab=1",
        "http://alertmanager.example.com:9093",
    ]


def test_labels_that_differ_stand_with_their_alert_and_common_ones_once() -> None:
    text = email.render(content(line(), line(labels=LABELS | {"pod": "other"}))).text
    assert text.count("pod = ") == 2
    assert text.count("cluster = eu-west-1-prod") == 1
    assert "Labels common to all\n" in text


def test_a_resolved_alert_is_told_with_its_duration() -> None:
    rendered = email.render(content(line(Told.RESOLVED)))
    assert rendered.subject.startswith("[RESOLVED] ")
    assert "Resolved: HighErrorRate (warning)\n" in rendered.text
    assert "from 2026-11-20 20:52:06 UTC to 2026-11-20 22:22:06 UTC (lasted 1h 30m)" in rendered.text


def test_fired_and_resolved_and_firing_again_are_told_as_such() -> None:
    text = email.render(content(line(Told.FIRED_AND_RESOLVED), line(again=True))).text
    assert "Fired and resolved: HighErrorRate" in text
    assert "Firing again: HighErrorRate" in text


def test_other_firing_alerts_are_listed_compactly() -> None:
    also = tuple(line(labels=LABELS | {"pod": f"pod-{n}"}) for n in range(80))
    text = email.render(content(line(), also_firing=1200, also_firing_lines=also)).text
    assert "1200" not in text
    assert "1,200 other alerts of this group are still firing:\n  - HighErrorRate (warning) pod=pod-0\n" in text
    assert "  … and 1,150 more still firing\n" in text


def test_an_alert_that_could_not_be_read_is_told_plainly() -> None:
    odd = line(defect="labels.pod: expected text", labels={"alertname": "Odd", "pod": "7"})
    text = email.render(content(line(), odd)).text
    assert "Firing: Odd (warning)\n" in text
    assert "This alert could not be read as it was sent: labels.pod: expected text\n" in text
    assert "  pod = 7\n" in text


def test_a_reminder_and_a_failover_say_so() -> None:
    reminder = email.render(content(line(reminder=True), reason="repeat"))
    assert reminder.subject == "[FIRING:1] HighErrorRate checkout-api (eu-west-1-prod)"
    assert reminder.text.startswith("Reminder: still firing.\n\nStill firing: HighErrorRate (warning)\n")
    failover = Failover("ops", "slack", 1, "invalid_token", 403, since=0)
    told = email.render(content(line(), reason="failover", failovers=(failover,))).text
    assert told.startswith(
        "Told here because ops could not deliver: Slack refused the webhook's token (HTTP 403), "
        "since 1970-01-01 00:00:00 UTC.\n"
    )


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


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_an_alert_says_becomes_markup(text: str) -> None:
    plain = Document(email.render(content(line())).html)
    for told in (storm(text), storm(text, kind="digest")):
        odd = Document(email.render(told).html)
        assert odd.tags <= plain.tags | {"ul", "li", "br", "span", "p", "h2"}
        assert odd.attributes <= plain.attributes | {"colspan"}
        assert odd.targets == []


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("size", ["one", "storm", "digest", "urgent"])
def test_every_mail_is_small_and_has_only_its_own_headers(text: str, size: str) -> None:
    told: Content = {
        "one": lambda: content(hostile(text)),
        "storm": lambda: storm(text),
        "digest": lambda: storm(text, kind="digest", groups=37, mutes=3),
        "urgent": lambda: digest(*all_urgent(text), firing=10_000, urgent=600, external_url=text),
    }[size]()
    rendered = email.render(told)
    payload = channel().build(rendered, "01ABC", NOW)
    assert len(payload) <= MAIL_LIMIT
    head = payload.partition(b"\r\n\r\n")[0]
    names = re.findall(rb"(?m)^([^\s:]+):", head)
    assert names == [
        b"From",
        b"To",
        b"Subject",
        b"Date",
        b"Message-ID",
        b"Auto-Submitted",
        b"MIME-Version",
        b"Content-Type",
    ]
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


def test_the_same_content_is_the_same_mail() -> None:
    assert email.render(storm("x")) == email.render(storm("x"))
