"""The mail as a phone shows it, light and dark; and that hostile text is text in a real DOM."""

from collections.abc import Iterator, Mapping

import pytest

from receiver.core.content import Content
from receiver.messages import email, notice, templating
from receiver.messages.excerpt import excerpt
from receiver.messages.wording import one_line
from tests.browser import PHONE, Scheme, Screen, opened
from tests.messages.contents import HOSTILE, LABELS, REFUSED, SAMPLES, content, digest, hostile, line, of_many_groups

pytestmark = pytest.mark.real("chromium")

FIRST_SIGHT = 300
"""Pixels from the top within which a phone has said what it is about."""

CONTRAST = 4.5
"""The least of a text to its background (WCAG 2.2, 1.4.3)."""

TAP = 24
"""The least height of what a finger is to hit, in pixels (WCAG 2.2, 2.5.8)."""

UNBROKEN = LABELS | {"x" * 200: "y" * 500, "alertname": "W" * 300}
WIDE = {
    "long words": content(*[line(labels=UNBROKEN | {"pod": "p" * 500 + n}) for n in "ab"], group=UNBROKEN),
    "a long word": content(line(labels=UNBROKEN, annotations={"summary": "s" * 500, "runbook_url": "r" * 500})),
    "a digest of long words": digest(
        *[line(labels=UNBROKEN | {"pod": "p" * 500 + str(n)}) for n in range(40)],
        also_firing=1,
        also_firing_lines=(line(labels=UNBROKEN),),
    ),
    "a digest of many groups": of_many_groups(),
}

MAILS = {name: email.render(told).html for name, told in (SAMPLES | WIDE).items()}
MAILS["a notice"] = notice.about(REFUSED).html


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    with opened() as screen:
        yield screen


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", MAILS)
def test_a_mail_can_be_read_on_a_phone(screen: Screen, name: str, scheme: Scheme) -> None:
    screen.show(MAILS[name], scheme)
    assert screen.width() <= PHONE
    texts = screen.contrasts()
    assert len(texts) > 5
    assert [text for text, contrast in texts if contrast < CONTRAST] == []
    heights = screen.ask("[...document.links].map(link => link.getBoundingClientRect().height)")
    assert all(height >= TAP for height in heights)
    if name in SAMPLES:
        first = SAMPLES[name].lines[0]
        assert screen.bottom(first.labels["alertname"]) <= FIRST_SIGHT
        assert screen.bottom(first.severity) <= FIRST_SIGHT
    assert screen.requests == []


def test_a_mail_is_dark_where_the_reader_wants_it_dark_and_light_where_styles_are_stripped(screen: Screen) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    html = MAILS["one alert fires"]
    screen.show(html, "dark")
    assert screen.ask(ground) == "rgb(17, 20, 24)"
    bare = html[: html.index("<style>")] + html[html.index("</style>") :]
    screen.show(bare, "dark")
    assert screen.ask(ground) == "rgb(243, 244, 246)"
    assert [text for text, contrast in screen.contrasts() if contrast < CONTRAST] == []
    assert screen.width() <= PHONE


def test_the_preview_line_is_first_in_the_mail_and_not_seen_in_it(screen: Screen) -> None:
    screen.show(MAILS["one alert fires"])
    preview = "Critical, urgent, firing for 8h 37m: High error rate on 10.1.0.7:9100 (checkout-api)"
    assert screen.ask("document.body.textContent.trim()").startswith(preview)
    assert preview not in screen.ask("document.body.innerText")


def html(told: Content) -> str:
    """The mail of a fixed depth, so that a hostile text and a harmless one have as many labels shown."""
    return templating.html(excerpt(told, email.LADDER[3]))


def said_everywhere(text: str) -> Content:
    return content(hostile(text), group={"alertname": text, text: text}, external_url=text, note="A note.")


def elements(screen: Screen) -> tuple[Mapping[str, int], list[str]]:
    """How many elements of each tag there are, and all names of attributes."""
    tags: dict[str, int] = screen.ask(
        "[...document.querySelectorAll('*')].reduce((n, e) => ({...n, [e.tagName]: (n[e.tagName] ?? 0) + 1}), {})"
    )
    names = "[...new Set([...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()))].sort()"
    return tags, screen.ask(names)


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.strip()])
def test_what_an_alert_says_is_text_in_the_browser(screen: Screen, text: str) -> None:
    screen.show(html(said_everywhere("harmless")))
    expected = elements(screen)
    screen.show(html(said_everywhere(text)))
    assert elements(screen) == expected
    shown = screen.ask("document.body.textContent")
    assert shown.count(one_line(text, email.LADDER[3].short)) > email.LADDER[3].labels
    assert screen.ask("[...document.links].length") == 0
    assert screen.ask("window.hit") is None
    assert (screen.requests, screen.dialogs) == ([], [])


@pytest.mark.parametrize("text", HOSTILE)
def test_a_notice_that_quotes_what_is_hostile_is_text(screen: Screen, text: str) -> None:
    screen.show(templating.notice("harmless", "harmless", ["harmless"] * 3, "harmless"))
    expected = elements(screen)
    cleaned = one_line(text, 500)
    screen.show(templating.notice(cleaned, cleaned, [cleaned] * 3, cleaned))
    assert elements(screen) == expected
    assert screen.ask("window.hit") is None
    assert (screen.requests, screen.dialogs) == ([], [])


def test_every_live_link_leads_to_the_web(screen: Screen) -> None:
    odd = [line(annotations={"runbook_url": text}, generator_url=text, links={"panel": text}) for text in HOSTILE]
    screen.show(email.render(content(line(), *odd)).html)
    assert set(screen.ask("[...document.links].map(link => link.protocol)")) == {"http:", "https:"}
    assert screen.ask("document.links.length") == 6 + len(odd), "of the odd ones nothing but the silence"
