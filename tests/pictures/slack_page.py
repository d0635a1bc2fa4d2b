"""Slack's messages drawn as Slack would draw them: a page made from the JSON that Slack gets.

Not pixel for pixel, but what is bold there is bold here, what is a link is one, and what Slack would show literally
stands there literally.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape, unescape
from typing import Any

Object = Mapping[str, Any]

STYLE = """
body{margin:0;background:#fff;color:#1d1c1d;font:15px/1.46 Lato,'Helvetica Neue',Helvetica,Arial,sans-serif}
.channel{padding:6px 20px 14px;max-width:680px}
.name{font-weight:900;font-size:18px;padding:10px 0;border-bottom:1px solid #e8e8e8;margin-bottom:4px}
.message{display:flex;padding:10px 0}
.avatar{flex:none;width:36px;height:36px;border-radius:6px;background:#c62828;color:#fff;font:700 19px/36px Arial;
text-align:center;margin-right:10px}
.body{min-width:0;flex:1;overflow-wrap:anywhere}
.who{font-weight:900}.app{background:#e8e8e8;color:#616061;font-size:10px;font-weight:700;border-radius:2px;
padding:1px 3px;margin:0 5px;vertical-align:1px}.at,.context{color:#616061;font-size:12px}
.header{font-weight:900;font-size:18px;line-height:1.33;margin:4px 0}
.section{margin:4px 0;white-space:pre-wrap}.fields{display:grid;grid-template-columns:1fr 1fr;gap:2px 12px;margin:4px 0}
.context{margin:4px 0;white-space:pre-wrap}.context>span+span{margin-left:8px}
.attachment{display:flex;margin:6px 0}.bar{flex:none;width:4px;border-radius:8px;margin-right:12px}
a{color:#1264a3;text-decoration:none}.mention{background:#fdf2c8;color:#1264a3;border-radius:3px;padding:0 2px}
.replies{color:#1264a3;font-size:13px;font-weight:700;margin-top:4px}.also{color:#616061;font-size:13px}
.thread{border-left:1px solid #e8e8e8;padding-left:20px}.edited{color:#616061;font-size:12px}
hr{border:0;border-top:1px solid #e8e8e8;margin:6px 0}ul{margin:2px 0 2px 4px;padding-left:20px}
code{font:12px/1.5 Menlo,Consolas,monospace;color:#c01343;background:#f6f6f6;border:1px solid #ddd;border-radius:3px;
padding:1px 3px}
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as a channel or a thread shows it."""

    payload: Object
    at: str
    replies: int = 0
    edited: bool = False
    broadcast: bool = False
    more: Sequence["Shown"] = field(default=())


def page(*columns: tuple[str, Sequence[Shown]]) -> str:
    """A page with a channel, or with a channel and a thread beside it, each with its heading."""
    drawn = "".join(
        f'<div class="channel{" thread" if place else ""}"><div class="name">{escape(name)}</div>'
        f"{''.join(map(_message, messages))}</div>"
        for place, (name, messages) in enumerate(columns)
    )
    width = 700 * len(columns)
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><style>{STYLE}</style></head>'
        f'<body style="width:{width}px"><div style="display:grid;grid-template-columns:{"700px " * len(columns)}">'
        f"{drawn}</div></body></html>"
    )


def _message(shown: Shown) -> str:
    payload = shown.payload
    also = '<div class="also">replied to a thread</div>' if shown.broadcast else ""
    edited = '<span class="edited"> (edited)</span>' if shown.edited else ""
    replies = f'<div class="replies">{shown.replies} repl{"y" if shown.replies == 1 else "ies"}</div>'
    # With blocks at the top level, ``text`` is for the phone's notification alone.
    text = "" if payload.get("blocks") else f'<div class="section">{_mrkdwn(payload.get("text", ""))}</div>'
    blocks = _blocks(payload.get("blocks", ()))
    attachments = "".join(map(_attachment, payload.get("attachments", ())))
    return (
        f'<div class="message"><div class="avatar">!</div><div class="body">{also}'
        '<span class="who">alert-receiver</span>'
        f'<span class="app">APP</span><span class="at">{escape(shown.at)}</span>{text}{blocks}{edited}{attachments}'
        f"{replies if shown.replies else ''}</div></div>"
    )


def _attachment(attachment: Object) -> str:
    color = attachment.get("color", "#dddddd")
    blocks = _blocks(attachment.get("blocks", ()))
    return (
        f'<div class="attachment"><div class="bar" style="background:{escape(color)}"></div><div>{blocks}</div></div>'
    )


def _blocks(blocks: Iterable[Object]) -> str:
    return "".join(map(_block, blocks))


def _block(block: Object) -> str:
    match block["type"]:
        case "header":
            return f'<div class="header">{_text(block["text"])}</div>'
        case "section":
            text = f'<div class="section">{_text(block["text"])}</div>' if "text" in block else ""
            fields = "".join(f"<div>{_text(one)}</div>" for one in block.get("fields", ()))
            return text + (f'<div class="fields">{fields}</div>' if fields else "")
        case "context":
            spans = "".join(f"<span>{_text(one)}</span>" for one in block["elements"])
            return f'<div class="context">{spans}</div>'
        case "divider":
            return "<hr>"
    raise ValueError(f"nobody has drawn a {block['type']} yet")


def _text(text: Object) -> str:
    return _mrkdwn(text["text"]) if text["type"] == "mrkdwn" else escape(text["text"])


_MARKUP = re.compile(r"<([^<>]*)>|(?<!\w)\*([^*\n]+)\*(?!\w)")


def _mrkdwn(text: str) -> str:
    """https://docs.slack.dev/messaging/formatting-message-text, as much of it as we send."""
    drawn, end = [], 0
    for found in _MARKUP.finditer(text):
        drawn.append(escape(unescape(text[end : found.start()])))
        end = found.end()
        drawn.append(f"<b>{escape(unescape(found[2]))}</b>" if found[2] else _angle(found[1]))
    drawn.append(escape(unescape(text[end:])))
    return "".join(drawn)


def _angle(inner: str) -> str:
    target, _, label = inner.partition("|")
    if target.startswith(("!", "@", "#")):
        return f'<span class="mention">@{escape(label or target.lstrip("!@#").partition("^")[0])}</span>'
    return f'<a href="{escape(unescape(target))}">{escape(unescape(label or target))}</a>'
