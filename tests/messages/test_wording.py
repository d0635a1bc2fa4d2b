"""Cleaned texts, times, counts and subjects."""

import re
import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.core.content import Content, Told
from receiver.messages import wording
from receiver.messages.wording import Tone
from tests.messages.contents import HOSTILE, NOW, OPS, SAMPLES, content, digest, line

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=400) | st.sampled_from(HOSTILE)


def harmless(text: str, but: str = "") -> bool:
    """Whether nothing in the text controls anything, ``but`` excepted."""
    return all(
        character in but or unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp") for character in text
    ) and not any(mark in text for mark in "\u202e\u202a\u2066\u200e\u061c\ufeff")


@given(ANY_TEXT, st.integers(1, 200))
def test_a_line_is_short_harmless_and_one_line(text: str, limit: int) -> None:
    cleaned = wording.one_line(text, limit)
    assert len(cleaned) <= limit
    assert harmless(cleaned)
    cleaned.encode()


@given(ANY_TEXT, st.integers(1, 200))
def test_a_paragraph_is_short_and_harmless_but_for_its_line_breaks(text: str, limit: int) -> None:
    cleaned = wording.paragraph(text, limit)
    assert len(cleaned) <= limit
    assert harmless(cleaned, but="\n")


def test_what_is_harmful_is_seen_and_what_is_not_is_kept() -> None:
    assert wording.one_line("\x1b[2J red\x00", 50) == "\ufffd[2J red\ufffd"
    assert wording.one_line("Größe 温度 👩‍💻 שלום", 50) == "Größe 温度 👩‍💻 שלום"
    assert wording.paragraph("one\r\ntwo\u2028three\n\n\n\nfour", 50) == "one\ntwo\nthree\n\nfour"
    assert wording.one_line("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (0, "0s"),
        (-5, "0s"),
        (12_999, "12s"),
        (60_000, "1m 0s"),
        (3_725_000, "1h 2m"),
        (273_600_000, "3d 4h"),
    ],
)
def test_durations_have_their_two_largest_units(length: int, words: str) -> None:
    assert wording.duration(length) == words


def test_an_instant_beyond_the_calendar_is_said_to_be_unreadable() -> None:
    assert wording.utc(NOW) == "2026-11-21 05:30:00 UTC"
    assert wording.utc(10**18) == wording.utc(-(10**18)) == "an unreadable time"


@pytest.mark.parametrize(
    ("counts", "tag"),
    [
        ({"firing": 3}, "[FIRING:3]"),
        ({"firing": 4_800}, "[FIRING:4,800]"),
        ({"firing": 0, "resolved": 1}, "[RESOLVED]"),
        ({"firing": 0, "resolved": 4}, "[RESOLVED:4]"),
        ({"firing": 2, "resolved": 1}, "[FIRING:2, RESOLVED:1]"),
        ({"firing": 0, "fired_and_resolved": 2}, "[FIRED AND RESOLVED:2]"),
        ({"firing": 0, "kind": "notice"}, "[NOTICE]"),
        ({"lines": (line(reminder=True),), "reason": "repeat"}, "[STILL FIRING:1]"),
        ({"lines": (line(reminder=True),), "reason": "repeat", "firing": 600}, "[STILL FIRING:600]"),
        ({"lines": (line(reminder=True), line(after_mute=True)), "firing": 2}, "[STILL FIRING:2]"),
        ({"lines": (line(reminder=True), line(told=Told.RESOLVED)), "resolved": 1}, "[STILL FIRING:1, RESOLVED:1]"),
        ({"lines": (line(reminder=True), line()), "firing": 2}, "[FIRING:2]"),
        ({"lines": (line(again=True),)}, "[FIRING AGAIN:1]"),
        ({"lines": (line(again=True),), "firing": 600}, "[FIRING:600]"),
        ({"reason": "catch_up"}, "[FIRING:1, CATCH-UP]"),
        ({"reason": "failover", "failovers": (OPS,)}, "[FIRING:1, FAILOVER]"),
        ({"reason": "failover", "failovers": (OPS,), "firing": 2}, "[FIRING:2]"),
    ],
)
def test_the_subject_counts_the_news(counts: dict[str, Any], tag: str) -> None:
    subject = wording.subject(content(line(), **{"firing": 1} | counts))
    assert subject == f"{tag} HighErrorRate checkout-api (eu-west-1-prod)"


def test_a_subject_whose_group_has_no_alertname_names_the_alerts_where_it_may_change() -> None:
    lines = [line(labels={"alertname": name}) for name in ("A", "A", "B[1]", "C")]
    group = {"cluster": "eu"}
    assert wording.subject(content(*lines[:2], group=group)) == "[FIRING:2] [A] (eu)"
    assert wording.subject(content(*lines[1:3], group=group)) == "[FIRING:2] [A, B(1)] (eu)"
    assert wording.subject(content(*lines, group=group)) == "[FIRING:4] [A, B(1) and more] (eu)"
    assert wording.subject(content(lines[0], group=group, firing=600)) == "[FIRING:600] [A and more] (eu)"
    assert wording.subject(content(lines[0], group={})) == "[FIRING:1] [A] alerts"
    assert wording.subject(content(line(labels={}), group={})) == "[FIRING:1] alerts"


@pytest.mark.parametrize(
    ("group", "base"),
    [
        ({"alertname": "HighErrorRate", "service": "cart"}, "HighErrorRate cart"),
        ({"service": "cart", "cluster": "eu"}, "cart (eu)"),
        ({}, "alerts"),
    ],
)
def test_all_mails_of_a_group_have_one_base_subject(group: dict[str, str], base: str) -> None:
    told = [replace(one, group=group) for one in SAMPLES.values() if one.kind == "group"]
    subjects = {wording.subject(content) for content in told}
    assert len(subjects) > 8
    assert {re.sub(r"^(\[[^][]*\] *)+", "", subject) for subject in subjects} == {base}  # RFC 5256, 2.1: subj-blob


def test_the_subject_of_a_digest_says_how_much_it_tells() -> None:
    names = [line(labels={"alertname": name}) for name in ("A", "B")]
    assert wording.subject(digest(*names, firing=4_812)) == "[DIGEST: 4,812 alerts in 37 groups] A, B and more"
    assert wording.subject(digest(*names, groups=2)) == "[DIGEST: 2 alerts in 2 groups] A, B"
    late = digest(*names, groups=2, reason="catch_up")
    assert wording.subject(late) == "[CATCH-UP DIGEST: 2 alerts in 2 groups] A, B"


@pytest.mark.parametrize(
    ("told", "headline"),
    [
        (content(line(severity="critical", urgent=True)), "Firing · critical, urgent"),
        (content(line(reminder=True), reason="repeat"), "Still firing · warning"),
        (content(line(), failovers=(OPS,)), "Failover · Firing · warning"),
        (SAMPLES["several fire, one has resolved, others still fire"], "3 firing, 1 resolved · 1 critical, 3 warning"),
        (content(line(), line()), "2 firing · warning"),
        (digest(line(), firing=4_800), "Digest · 4,800 firing · warning"),
        (digest(line(), reason="catch_up"), "Catch-up digest · Firing · warning"),
        (content(*[line(severity=f"p{n}") for n in range(5)]), "5 firing · 1 p0, 1 p1, 1 p2, 1 p3, …"),
    ],
)
def test_the_headline_says_what_comes_and_how_severe_it_is(told: Content, headline: str) -> None:
    assert wording.headline(told) == headline


@pytest.mark.parametrize(
    ("changes", "tone"),
    [
        ({"severity": "error"}, Tone.ERROR),
        ({"severity": "p1"}, Tone.OTHER),
        ({"severity": "p1", "urgent": True}, Tone.CRITICAL),
        ({"severity": "resolved"}, Tone.OTHER),
        ({"told": Told.RESOLVED, "severity": "critical", "urgent": True}, Tone.RESOLVED),
    ],
)
def test_an_alert_is_coloured_by_its_severity_where_that_is_a_usual_one(changes: dict[str, Any], tone: Tone) -> None:
    assert wording.tone(line(**changes)) is tone


def test_a_message_is_coloured_by_the_first_alert_that_fires() -> None:
    resolved = line(Told.RESOLVED, severity="critical")
    assert wording.worst(content(resolved, line(severity="info"), line())) is Tone.INFO
    assert wording.worst(content(resolved)) is Tone.RESOLVED
    assert wording.worst(content()) is Tone.OTHER


def test_what_is_over_does_not_look_as_if_all_were_well_while_others_still_fire() -> None:
    others: dict[str, Any] = {"also_firing": 1_203, "also_firing_lines": (line(severity="critical"),)}
    told = content(line(Told.RESOLVED), **others)
    assert wording.subject(told).startswith("[RESOLVED:1, STILL FIRING:1,203] HighErrorRate")
    assert wording.headline(told) == "Resolved · warning · 1,203 still firing"
    assert wording.worst(told) is Tone.CRITICAL
    assert (
        wording.headline(content(*[line(Told.RESOLVED)] * 2, **others)) == "2 resolved · warning · 1,203 still firing"
    )
    assert "STILL" not in wording.subject(content(line(), line(Told.RESOLVED), **others))
    assert wording.subject(content(line(Told.RESOLVED))).startswith("[RESOLVED] ")


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "Firing"),
        ({"again": True}, "Firing again"),
        ({"reminder": True, "again": True}, "Still firing"),
        ({"after_mute": True}, "Still firing after mute"),
        ({"after_mute": True, "reminder": True}, "Still firing after mute"),
        ({"told": Told.RESOLVED, "again": True}, "Resolved"),
        ({"told": Told.FIRED_AND_RESOLVED}, "Fired and resolved"),
    ],
)
def test_the_state_is_what_the_message_tells(changes: dict[str, Any], state: str) -> None:
    assert wording.state(line(**changes)) == state


@given(ANY_TEXT, ANY_TEXT)
def test_a_subject_is_one_short_harmless_line(name: str, value: str) -> None:
    subject = wording.subject(content(line(labels={"alertname": value}), group={"alertname": name, "x": value}))
    assert len(subject) <= wording.SUBJECT_LIMIT
    assert harmless(subject)
