"""What Slack takes of a message's blocks and attachments, and the word with which it refuses anything else.

Nothing here is shared with the renderer that it checks: the limits are Slack's, each with its source.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

_DOCS = "https://docs.slack.dev"
_BLOCKS = f"{_DOCS}/reference/block-kit/blocks"
_ATTACHMENTS = "https://api.slack.com/reference/messaging/attachments"


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that Slack takes of something, the word it refuses more with (status 400), and who says so."""

    most: int
    word: str
    source: str


LIMITS = {
    "blocks": Limit(50, "invalid_blocks", _BLOCKS),
    "header text": Limit(150, "invalid_blocks", f"{_BLOCKS}/header-block"),
    "section text": Limit(3000, "invalid_blocks", f"{_BLOCKS}/section-block"),
    "section fields": Limit(10, "invalid_blocks", f"{_BLOCKS}/section-block"),
    "field text": Limit(2000, "invalid_blocks", f"{_BLOCKS}/section-block"),
    "context elements": Limit(10, "invalid_blocks", f"{_BLOCKS}/context-block"),
    "element text": Limit(3000, "invalid_blocks", f"{_DOCS}/reference/block-kit/composition-objects/text-object"),
    "block_id": Limit(255, "invalid_blocks", _BLOCKS),
    # Not documented: "12,000 text characters with a buffer for block containers", says a maintainer. Whether
    # attachments count with the rest isn't documented either.
    "all text": Limit(12_000, "msg_blocks_too_long", "https://github.com/slackapi/bolt-js/issues/2509"),
    "attachments": Limit(100, "too_many_attachments", f"{_DOCS}/messaging/sending-messages-using-incoming-webhooks"),
    # Not documented: seen by those who ran into it.
    "attachment's blocks": Limit(20, "invalid_attachments", "https://github.com/slackapi/bolt-python/issues/914"),
}

# Beside blocks "good", "warning" and "danger" show no colour (github.com/slackapi/python-slack-sdk/issues/1330).
_COLOUR = re.compile("#[0-9a-fA-F]{6}")

# The other fields of an attachment are "legacy", and refused beside blocks (github.com/slackapi/bolt-js/issues/717).
_BESIDE_BLOCKS = {"blocks", "color", "fallback"}


class Refused(Exception):
    """Slack's no, in one word."""


def check(payload: Mapping[str, object]) -> None:
    """Raise Refused with Slack's word unless it would take a message of this text, blocks and attachments."""
    if not any(payload.get(name) for name in ("text", "blocks", "attachments")):
        raise Refused("no_text")
    blocks, attachments = payload.get("blocks", []), payload.get("attachments", [])
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    if not isinstance(attachments, list):
        raise Refused("invalid_attachments")
    _within("attachments", attachments)
    inner = list(chain.from_iterable(map(_attached, attachments)))
    _within("blocks", [*blocks, *inner])
    texts = [*_of_all(blocks, "invalid_blocks"), *_of_all(inner, "invalid_attachments")]
    if sum(map(len, texts)) > LIMITS["all text"].most:
        raise Refused(LIMITS["all text"].word)


def _attached(attachment: object) -> Sequence[object]:
    """The blocks of an attachment, which is checked."""
    if not isinstance(attachment, dict):
        raise Refused("invalid_attachments")
    if "blocks" not in attachment:
        if not any(attachment.get(name) for name in ("text", "fallback", "title", "pretext")):
            raise Refused("invalid_attachments")
        return ()
    blocks, colour = attachment["blocks"], attachment.get("color", "#000000")
    if not attachment.keys() <= _BESIDE_BLOCKS or not isinstance(colour, str) or not _COLOUR.fullmatch(colour):
        raise Refused("invalid_attachments")
    if not isinstance(blocks, list) or not blocks:
        raise Refused("invalid_attachments")
    _within("attachment's blocks", blocks)
    return blocks


def _of_all(blocks: Sequence[object], word: str) -> list[str]:
    """Every text of the blocks; what is wrong with one in an attachment is said of the attachment."""
    try:
        return [text for block in blocks for text in _texts(block)]
    except Refused:
        raise Refused(word) from None


def _within(name: str, value: object) -> None:
    limit = LIMITS[name]
    if not isinstance(value, (str, list)) or len(value) > limit.most:
        raise Refused(limit.word)


def _texts(block: object) -> Iterator[str]:
    """Every text of one block, each checked."""
    if not isinstance(block, dict):
        raise Refused("invalid_blocks")
    _within("block_id", block.get("block_id", ""))
    match block.get("type"):
        case "header":
            yield _text(block.get("text"), "header text", ("plain_text",))
        case "section":
            fields = block.get("fields", [])
            _within("section fields", fields)
            if "text" not in block and not fields:
                raise Refused("invalid_blocks")
            if "text" in block:
                yield _text(block["text"], "section text")
            yield from [_text(value, "field text") for value in fields]
        case "context":
            elements = block.get("elements")
            _within("context elements", elements)
            if not elements:
                raise Refused("invalid_blocks")
            yield from [_text(value, "element text") for value in elements]
        case "divider":
            return
        case _:
            raise Refused("invalid_blocks")


def _text(value: object, limit: str, types: tuple[str, ...] = ("plain_text", "mrkdwn")) -> str:
    text = value.get("text") if isinstance(value, dict) and value.get("type") in types else None
    if not isinstance(value, dict) or not isinstance(text, str) or not text:  # the text object's minimum is 1
        raise Refused("invalid_blocks")
    # https://docs.slack.dev/reference/block-kit/composition-objects/text-object: each is for the other type alone.
    if ("emoji" if value["type"] == "mrkdwn" else "verbatim") in value:
        raise Refused("invalid_blocks")
    _within(limit, text)
    return text
