"""Cleaned texts, times, counts and subjects."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.core.content import Told
from receiver.messages import wording
from tests.messages.contents import HOSTILE, NOW, content, digest, line

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
        ({"firing": 0, "resolved": 1}, "[RESOLVED]"),
        ({"firing": 0, "resolved": 4}, "[RESOLVED:4]"),
        ({"firing": 2, "resolved": 1}, "[FIRING:2, RESOLVED:1]"),
        ({"firing": 0, "fired_and_resolved": 2}, "[FIRED AND RESOLVED:2]"),
        ({"firing": 0, "kind": "notice"}, "[NOTICE]"),
    ],
)
def test_the_subject_counts_the_news(counts: dict[str, object], tag: str) -> None:
    subject = wording.subject(content(line(), **counts))
    assert subject == f"{tag} HighErrorRate checkout-api (eu-west-1-prod)"


def test_a_subject_without_an_alertname_in_the_group_takes_it_from_the_alerts() -> None:
    lines = [line(labels={"alertname": name}) for name in ("A", "A", "B", "C")]
    assert wording.subject(content(*lines[:2], group={})) == "[FIRING:2] A"
    assert wording.subject(content(*lines[1:3], group={})) == "[FIRING:2] A, B"
    assert wording.subject(content(*lines, group={})) == "[FIRING:4] A, B and more"
    assert wording.subject(content(lines[0], group={}, firing=600)) == "[FIRING:600] A and more"
    assert wording.subject(content(group={}, firing=2)) == "[FIRING:2] 2 alerts"
    assert wording.subject(content(line(labels={}), group={})) == "[FIRING:1] (no alertname)"


def test_the_subject_of_a_digest_says_how_much_it_tells() -> None:
    names = [line(labels={"alertname": name}) for name in ("A", "B")]
    assert wording.subject(digest(*names, firing=4_812)) == "[DIGEST: 4,812 alerts in 37 groups] A, B and more"
    assert wording.subject(digest(*names, groups=2)) == "[DIGEST: 2 alerts in 2 groups] A, B"


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
