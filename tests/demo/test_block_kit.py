"""Of blocks and attachments is refused what Slack refuses, with its words."""

from typing import Any

import pytest

from receiver.demo.block_kit import LIMITS, Refused, check

BAR = "#b3002d"
DIVIDER = {"type": "divider"}
TEXT = {"type": "text", "text": "x"}


def plain(length: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": "x" * length}


def section(length: int) -> dict[str, Any]:
    return {"type": "section", "text": plain(length)}


def attached(*blocks: Any, **fields: Any) -> dict[str, Any]:
    return {"text": "x", "attachments": [{"color": BAR, "blocks": list(blocks)} | fields]}


def of_size(name: str, size: int) -> dict[str, Any]:
    """A payload in which the thing that the limit is about has this size."""
    match name:
        case "attachments":
            return {"attachments": [{"text": "x"}] * size}
        case "attachment's blocks":
            return attached(*[DIVIDER] * size)
        case "blocks":  # wherever they are
            bars = [{"color": BAR, "blocks": [DIVIDER] * 10}] * 4
            return {"text": "x", "blocks": [DIVIDER] * (size - 40), "attachments": bars}
        case "all text":
            return attached(*[section(3000)] * 3) | {"blocks": [section(1000), section(size - 10_000)]}
    blocks: dict[str, dict[str, Any]] = {
        "header text": {"type": "header", "text": plain(size)},
        "section text": section(size),
        "section fields": {"type": "section", "fields": [plain(1)] * size},
        "field text": {"type": "section", "fields": [plain(size)]},
        "context elements": {"type": "context", "elements": [plain(1)] * size},
        "element text": {"type": "context", "elements": [plain(size)]},
        "block_id": {"type": "divider", "block_id": "x" * size},
    }
    return {"text": "x", "blocks": [blocks[name]]}


def refusal(payload: dict[str, Any]) -> str:
    with pytest.raises(Refused) as refused:
        check(payload)
    return str(refused.value)


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_holds_exactly(name: str) -> None:
    limit = LIMITS[name]
    assert limit.source.startswith("https://")
    check(of_size(name, limit.most))
    assert refusal(of_size(name, limit.most + 1)) == limit.word


@pytest.mark.parametrize("text", ["plain_text", "mrkdwn"])
def test_both_kinds_of_text_are_taken_with_their_own_settings(text: str) -> None:
    setting = {"plain_text": "emoji", "mrkdwn": "verbatim"}[text]
    other = {"plain_text": "verbatim", "mrkdwn": "emoji"}[text]
    check({"blocks": [{"type": "section", "text": {"type": text, "text": "x", setting: True}}]})
    wrong = {"type": text, "text": "x", other: True}
    assert refusal({"blocks": [{"type": "section", "text": wrong}]}) == "invalid_blocks"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "nonsense"},
        {"type": "section"},
        section(0),
        {"type": "section", "text": {"type": "text", "text": "x"}},
        {"type": "header", "text": {"type": "mrkdwn", "text": "x"}},
        {"type": "context", "elements": []},
        # An attachment may not hold it, for all that is documented: so nothing here does.
        {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [TEXT]}]},
    ],
)
def test_a_block_that_slack_does_not_know_is_refused_wherever_it_stands(block: dict[str, Any]) -> None:
    assert refusal({"text": "x", "blocks": [block]}) == "invalid_blocks"
    assert refusal(attached(block)) == "invalid_attachments"


@pytest.mark.parametrize(
    ("payload", "word"),
    [
        ({"text": ""}, "no_text"),
        ({"text": "x", "blocks": "y"}, "invalid_blocks_format"),
        ({"text": "x", "attachments": {}}, "invalid_attachments"),
        ({"text": "x", "attachments": [{}]}, "invalid_attachments"),
        (attached(), "invalid_attachments"),
        (attached(DIVIDER, blocks="x"), "invalid_attachments"),
        (attached(DIVIDER, color="danger"), "invalid_attachments"),
        (attached(DIVIDER, color="red"), "invalid_attachments"),
        (attached(DIVIDER, color="#12345"), "invalid_attachments"),
        (attached(DIVIDER, color=7), "invalid_attachments"),
        (attached(DIVIDER, text="a field from before there were blocks"), "invalid_attachments"),
    ],
)
def test_attachments_and_lists_of_the_wrong_form_are_refused(payload: dict[str, Any], word: str) -> None:
    assert refusal(payload) == word
