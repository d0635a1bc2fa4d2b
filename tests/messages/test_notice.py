"""What the receiver says of itself, as people read it."""

import pytest

from receiver.core.content import Incidents, NoticeKind
from receiver.messages.notice import ADVICE, about
from receiver.store.notices import DETAILS_KEPT, lines
from tests.messages.blocks import objects, taken
from tests.timeline import START

HOSTILE = "</p><script>alert(1)</script> <!channel> @here\r\nBcc: all@example.org \u202e\u0000"


def notice(kind: NoticeKind, n: int, counts: dict[str, int]) -> Incidents:
    return Incidents("ops", "message1", START, kind, n, lines(kind, counts), START - 60_000, START)


@pytest.mark.parametrize("kind", NoticeKind)
def test_the_subject_says_what_has_happened_and_how_often(kind: NoticeKind) -> None:
    once, often = (about(notice(kind, n, {"a detail": n})).subject for n in (1, 1_203))
    assert once.startswith("[NOTICE] ")
    assert "1,203" in often
    assert once.replace("1 ", "") != often.replace("1,203 ", ""), "one is no plural"


@pytest.mark.parametrize("kind", NoticeKind)
def test_the_fullest_notice_ends_with_what_is_not_listed_and_what_to_do(kind: NoticeKind) -> None:
    counts = {f"thing {n}": 2 for n in range(DETAILS_KEPT + 480)}
    rendered = about(notice(kind, 1_000, counts))
    said = rendered.text.splitlines()
    assert said[:2] == ["2 × thing 0", "2 × thing 1"]
    when = "This happened between 2026-11-20 20:59:00 UTC and 2026-11-20 21:00:00 UTC."
    assert said[DETAILS_KEPT : DETAILS_KEPT + 4] == ["… and 960 more", when, ADVICE[kind], ""]
    assert taken(rendered)
    assert "… and 960 more" in rendered.html


def test_where_nothing_is_named_there_is_nothing_more() -> None:
    rendered = about(notice(NoticeKind.REFUSED, 9, {"": 9}))
    assert rendered.text.splitlines()[1] == ADVICE[NoticeKind.REFUSED]


def test_no_detail_begins_a_line_a_tag_or_a_mention() -> None:
    rendered = about(notice(NoticeKind.UNKNOWN_CHANNEL, 1, {HOSTILE: 1}))
    assert not any(line.startswith("Bcc") for line in rendered.text.splitlines())
    assert "<script" not in rendered.html
    assert "\u202e" not in rendered.text + rendered.html
    assert {text["type"] for text in objects(rendered.blocks)} == {"plain_text"}
