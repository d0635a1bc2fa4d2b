"""How the message that began a group's thread in Slack is to look, once there is news in the thread."""

import re
from dataclasses import replace
from typing import Any

import pytest

from receiver.core.content import Content, Ended, Rendered, Told
from receiver.messages import slack
from receiver.messages.wording import Tone
from tests.messages.blocks import markups, payload, taken, words
from tests.messages.contents import HOSTILE, LABELS, NOW, content, digest, hostile, line

BEGUN = {"thread": "ops/C1/1.2"}
TITLE = "HighErrorRate checkout-api (eu-west-1-prod)"


def pod(name: str, told: Told = Told.FIRING, **changes: Any) -> Any:
    return line(told, labels=LABELS | {"pod": name}, **changes)


def first(told: Content) -> Rendered:
    now = slack.render_threaded(told).first
    assert now is not None
    return now


def tones(rendered: Rendered) -> list[str]:
    of = {colour: tone.value for tone, colour in slack.BARS.items()}
    return [of[str(attachment["color"])] for attachment in rendered.attachments]


def test_a_message_that_begins_a_thread_has_no_first_message_to_change() -> None:
    begins = content(pod("a"))
    assert slack.render_threaded(begins).first is None
    assert slack.render_threaded(begins) == slack.render(begins)


def test_news_in_a_thread_is_rendered_as_ever() -> None:
    news = content(pod("a"), mentions=("<!here>",), **BEGUN)
    assert replace(slack.render_threaded(news), first=None) == slack.render(news)


def test_the_first_message_tells_all_that_fires_now_and_then_what_has_just_resolved() -> None:
    told = (pod("over", Told.RESOLVED), pod("new", severity="critical"), pod("short", Told.FIRED_AND_RESOLVED))
    also = (pod("old"), pod("older"))
    now = first(content(*told, also_firing=2, also_firing_lines=also, also_confirmed_at=NOW, **BEGUN))
    assert now.subject == f"[FIRING:3] {TITLE}"
    said = words(now)
    places = [
        said.index(phrase)
        for phrase in (
            f"[FIRING:3] {TITLE}\n",
            "Firing: HighErrorRate (critical)",
            "pod: new",
            "Still firing: HighErrorRate (warning)",
            "last confirmed 2026-11-21 05:00:00 UTC (30m 0s ago)\npod: old",
            "pod: older",
            "Resolved: HighErrorRate (warning)",
            "pod: over",
            "Fired and resolved: HighErrorRate (warning)",
            "pod: short",
            "Updated at 2026-11-21 05:30:00 UTC; the news is in the thread",
        )
    ]
    assert places == sorted(places)
    assert tones(now) == ["critical", "warning", "warning", "resolved", "resolved", "other"]
    assert taken(now)


def test_once_nothing_fires_any_more_the_first_message_says_resolved() -> None:
    now = first(content(pod("a", Told.RESOLVED), pod("b", Told.RESOLVED), **BEGUN))
    assert now.subject == f"[RESOLVED] {TITLE}"
    assert set(tones(now)[:-1]) == {Tone.RESOLVED.value}
    assert "Firing" not in words(now)


def test_while_others_still_fire_a_resolve_does_not_make_the_first_message_green() -> None:
    now = first(content(pod("a", Told.RESOLVED), also_firing=1, also_firing_lines=(pod("b"),), **BEGUN))
    assert now.subject == f"[FIRING:1] {TITLE}"
    assert tones(now) == ["warning", "resolved", "other"]


def test_the_first_message_counts_what_it_does_not_show() -> None:
    told = [pod(f"new-{n}") for n in range(12)]
    also = tuple(pod(f"old-{n}") for n in range(30))
    now = first(content(*told, pod("over", Told.RESOLVED), also_firing=700, also_firing_lines=also, **BEGUN))
    assert now.subject == f"[FIRING:712] {TITLE}"
    assert "… and 703 more (702 firing, 1 resolved)" in words(now)
    assert taken(now)


@pytest.mark.parametrize("reason", ["repeat", "catch_up", "failover"])
def test_a_state_is_no_reminder_and_does_not_come_late(reason: str) -> None:
    now = first(content(pod("a", reminder=True), reason=reason, **BEGUN))
    assert now.subject == f"[FIRING:1] {TITLE}"
    assert "Reminder" not in words(now)
    assert "late" not in words(now)


def test_an_edit_mentions_nobody() -> None:
    news = content(pod("a", urgent=True), mentions=("<!here>",), **BEGUN)
    assert "<!here>" in payload(slack.render_threaded(news))
    assert "<!here>" not in payload(first(news))


def test_what_the_receiver_says_of_the_rendering_stands_in_both() -> None:
    news = slack.render_threaded(content(pod("a"), note="The template failed.", **BEGUN))
    assert news.first is not None
    assert all(words(each).splitlines()[1] == "The template failed." for each in (news, news.first))


@pytest.mark.parametrize(
    ("told", "quiet"),
    [
        ((Told.RESOLVED,), True),
        ((Told.RESOLVED, Told.FIRING), False),
        ((Told.FIRED_AND_RESOLVED,), False),
        ((Told.FIRING,), False),
    ],
)
def test_only_news_of_what_is_over_is_quiet(told: tuple[Told, ...], quiet: bool) -> None:
    assert slack.render_threaded(content(*map(line, told), **BEGUN)).quiet is quiet


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_alerts_say_slack_takes_the_first_message(text: str) -> None:
    also = (hostile(text),) * 12
    over = line(Told.RESOLVED, defect=text, labels={text: text})
    group = {"alertname": text, text: text}
    facts: dict[str, Any] = {
        "also_firing": 700,
        "also_firing_lines": also,
        "external_url": text,
        "group": group,
        **BEGUN,
    }
    now = first(content(*also, over, **facts))
    assert taken(now)
    # Headings in which nothing is markup, and no mention.
    assert all(re.fullmatch(r"\*[^*<>&~`@#|\n]+\*", markup) for markup in markups(now))


@pytest.mark.parametrize("text", [*HOSTILE, "HighErrorRate"])
def test_a_digest_says_of_the_threads_that_it_ends_that_all_of_it_is_over(text: str) -> None:
    ended = (Ended("#ops/C1/1.2", {"alertname": text, "cluster": "prod"}),)
    [(thread, over)] = slack.render_threaded(digest(line(), ended=ended)).edits
    assert thread == "#ops/C1/1.2"
    assert over.subject.startswith("[RESOLVED")
    assert "All of it is over, as a digest tells at 2026-11-21 05:30:00 UTC" in words(over)
    assert taken(over)
    assert markups(over) == []
