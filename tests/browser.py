"""A real browser for what people see: headless Chromium, which loads nothing from anywhere.

A module of tests opens it once, and closes it before the next module, for Playwright's event loop bears no other one
beside it.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.sync_api import Dialog, Page, Route, sync_playwright

PHONE = 360
"""The width of a small phone in CSS pixels."""

Scheme = Literal["light", "dark"]

# Every visible text with the contrast to what lies behind it, as WCAG 2.2 defines it (relative luminance, 1.4.3).
_CONTRASTS = """() => {
  const rgba = colour => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const behind = element => {
    if (!element) return matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0, 1] : [255, 255, 255, 1];
    const colour = rgba(getComputedStyle(element).backgroundColor);
    return colour[3] === 1 ? colour : over(colour, behind(element.parentElement));
  };
  const luminance = colour => {
    const [r, g, b] = colour.slice(0, 3).map(part => part / 255)
      .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.data.trim(), element = texts.currentNode.parentElement;
    if (!text || !element.checkVisibility({visibilityProperty: true})) continue;
    const ground = behind(element);
    const [lighter, darker] = [luminance(over(rgba(getComputedStyle(element).color), ground)), luminance(ground)]
      .sort((a, b) => b - a);
    found.push([text.slice(0, 60), (lighter + 0.05) / (darker + 0.05)]);
  }
  return found;
}"""

# How far down the first occurrence of a text ends that can be seen.
_BOTTOM = """text => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode, at = node.data.indexOf(text);
    if (at < 0 || !node.parentElement.checkVisibility({visibilityProperty: true})) continue;
    const range = document.createRange();
    range.setStart(node, at);
    range.setEnd(node, at + text.length);
    return range.getBoundingClientRect().bottom;
  }
  return Infinity;
}"""


@dataclass
class Screen:
    """A page in the browser, and what it asked for or ran that it must not."""

    page: Page
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def show(self, html: str, scheme: Scheme = "light", width: int = PHONE) -> None:
        """Show this document."""
        self.requests.clear()
        self.dialogs.clear()
        self.page.set_viewport_size({"width": width, "height": 700})
        self.page.emulate_media(color_scheme=scheme)
        self.page.set_content(html, wait_until="load")

    def ask(self, script: str, about: object = None) -> Any:
        """What this JavaScript answers."""
        return self.page.evaluate(script, about)

    def width(self) -> int:
        """How wide the document is; one that is wider than the window scrolls sideways."""
        return int(self.ask("document.documentElement.scrollWidth"))

    def contrasts(self) -> Sequence[tuple[str, float]]:
        """Each visible text, and its contrast."""
        return [(text, ratio) for text, ratio in self.ask(_CONTRASTS)]

    def bottom(self, text: str) -> float:
        """How many pixels from the top the text ends where it is first seen; infinitely far if nowhere."""
        return float(self.ask(_BOTTOM, text))


@contextmanager
def opened() -> Iterator[Screen]:
    """A page in a new browser."""
    # Chromium's sandbox refuses to serve root, which is whom containers run as.
    rootly = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=rootly)
        screen = Screen(browser.new_page())

        def refuse(route: Route) -> None:
            screen.requests.append(route.request.url)
            route.abort()

        def dismiss(dialog: Dialog) -> None:
            screen.dialogs.append(dialog.message)
            dialog.dismiss()

        screen.page.route("**/*", refuse)
        screen.page.on("dialog", dismiss)
        yield screen
        browser.close()
