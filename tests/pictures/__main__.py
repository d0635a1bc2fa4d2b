"""Draw the pictures into ``docs/images``; needs Chromium on the PATH."""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from itertools import count
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, sync_playwright

from receiver.channels.slack import SlackChannel
from receiver.channels.slack_bot import SlackBotChannel
from receiver.core.content import Content
from receiver.messages import email, slack
from receiver.messages.wording import utc
from receiver.secret import Secret
from tests.messages.mail import mail_channel
from tests.pictures import incident, slack_page
from tests.pictures.slack_page import Shown
from tests.slack_workspace import TOKEN, Workspace

IMAGES = Path(__file__).parents[2] / "docs" / "images"

SLACK = SlackChannel("ops", webhook_url=Secret("http://127.0.0.1/never-posted-to"))


def html_of(content: Content) -> str:
    """The HTML of the mail that would be sent."""
    mail = message_from_bytes(
        mail_channel().build(email.render(content), content.uid, content.composed_at), policy=default
    )
    assert isinstance(mail, EmailMessage)
    body = mail.get_body(("html",))
    assert body is not None
    html: str = body.get_content()
    return html


def payload_of(content: Content) -> Mapping[str, Any]:
    """What would be posted to Slack."""
    payload: Mapping[str, Any] = json.loads(SLACK.build(slack.render(content), content.uid, content.composed_at))
    return payload


async def threaded(told: Sequence[Content]) -> tuple[list[Shown], list[Shown]]:
    """The channel and the thread, once a bot has told these: each message as the workspace then has it."""
    workspace = Workspace(clock=count().__next__)
    await workspace.start()
    bot = SlackBotChannel("ops", bot_token=Secret(TOKEN), channel="#ops", api_url=workspace.url)
    thread: str | None = None
    for content in told:
        rendered = slack.render_threaded(replace(content, thread=thread))
        receipt = await bot.send(bot.build(rendered, content.uid, content.composed_at, thread), ())
        thread = receipt.thread or thread
    await bot.close()
    await workspace.stop()
    first, *replies = workspace.messages
    times = [f"{utc(content.composed_at)[11:16].lstrip('0')} AM" for content in told]
    root = Shown(first.content, times[0], edited=first.edits > 0)
    answers = [Shown(reply.content, at) for reply, at in zip(replies, times[1:], strict=True)]
    also_in_channel = [
        replace(answer, broadcast=True) for answer, reply in zip(answers, replies, strict=True) if reply.broadcast
    ]
    return [replace(root, replies=len(replies)), *also_in_channel], [root, *answers]


class Camera:
    """A browser that takes pictures."""

    def __init__(self, browser: Browser) -> None:
        """Use this one."""
        self._browser = browser

    def take(
        self, name: str, html: str, width: int, *, scheme: Literal["light", "dark"] = "light", at_most: int = 1400
    ) -> None:
        """Draw a page as wide as said, and as high as it is, up to ``at_most``; in more pixels, for sharp letters."""
        context = self._browser.new_context(
            viewport={"width": width, "height": 100}, color_scheme=scheme, device_scale_factor=1.5, offline=True
        )
        page = context.new_page()
        page.set_content(html)
        height = min(at_most, page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=IMAGES / f"{name}.png")
        context.close()
        print(f"docs/images/{name}.png, {width} × {height}")  # noqa: T201 - a command tells what it has done


def draw(camera: Camera, moments: Mapping[str, Content], channel: Sequence[Shown], thread: Sequence[Shown]) -> None:
    """All the pictures; ``channel`` and ``thread`` are what people see of a bot's."""
    first, later, digest = (moments[name] for name in incident.MOMENTS)
    camera.take("mail", html_of(first), 720)
    camera.take("mail-phone", html_of(later), 360, at_most=900)
    camera.take("mail-phone-dark", html_of(later), 360, scheme="dark", at_most=900)
    camera.take("mail-digest", html_of(digest), 720, at_most=1200)
    page = slack_page.page(("# ops", [Shown(payload_of(first), "3:04 AM")]))
    camera.take("slack", page, 700)
    camera.take("slack-thread", slack_page.page(("# ops", channel), ("Thread", thread)), 1400, at_most=2400)
    camera.take("slack-digest", slack_page.page(("# ops", [Shown(payload_of(digest), "3:05 AM")])), 700)


def main() -> None:
    """Draw them."""
    IMAGES.mkdir(exist_ok=True)
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not on the PATH: install it (apt-get install chromium)")
    moments = {}
    for name, told in incident.MOMENTS.items():
        with tempfile.TemporaryDirectory() as folder:
            moments[name] = told(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        channel, thread = asyncio.run(threaded(incident.thread(Path(folder))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        draw(Camera(browser), moments, channel, thread)
        browser.close()


if __name__ == "__main__":
    main()
