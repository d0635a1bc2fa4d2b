"""What a mail's HTML may hold: nothing that runs, and no link that is not one to the web or to a mail address."""

import re
from html.parser import HTMLParser

# What runs, loads, or sends something somewhere else by itself; mail programs drop these.
_ELEMENTS = re.compile(
    "applet|audio|base|embed|form|frame|frameset|iframe|input|link|math|noscript|object|plaintext|portal|script|svg"
    "|template|video|xmp"
)
# All that HTML knows to hold an address (https://html.spec.whatwg.org/multipage/indices.html#attributes-3), the
# old ones with them.
_ADDRESSES = re.compile(
    "action|archive|background|cite|classid|codebase|data|dynsrc|formaction|href|icon|itemid|longdesc|lowsrc|manifest"
    "|ping|poster|profile|src|usemap|xlink:href"
)
_FORBIDDEN = re.compile("on.*|http-equiv|imagesrcset|srcdoc|srcset")
_LIVE = re.compile(r"(?i)\s*(https?://|mailto:|#)")
_STYLE = re.compile(
    r"(?i)(expression|url|image-set|image|src)\s*\(|(java|vb)script:|@import|(behavior|position)\s*:|-moz-binding|\\"
)
_COMMENT = re.compile(r"/\*.*?(\*/|$)", re.DOTALL)

Wrong = tuple[str, str]
"""What is wrong, and what would be right; neither quotes the HTML."""


def unsafe(html: str) -> Wrong | None:
    """What is wrong with it; None if nothing is."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.wrong


class _Reader(HTMLParser):
    """Looks at every element and every attribute, as a mail program would read them."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: Wrong | None = None
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what must not be there."""
        self._in_style = tag == "style"
        if _ELEMENTS.fullmatch(tag):
            self.wrong = f"the element <{tag}> is not allowed in a mail", ""
        for name, value in attrs:
            if _FORBIDDEN.fullmatch(name):
                self.wrong = "an attribute that runs or loads something is not allowed in a mail", ""
            elif _ADDRESSES.fullmatch(name) and not _LIVE.match(value or ""):
                self.wrong = f"{name} holds no http, https or mailto address", "write {{ address | link('Name') }}"
            elif name == "style":
                self._judge(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """HTML knows no element that ends with its beginning: a browser reads ``<style/>`` as a beginning."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """A style ends."""
        self._in_style = False

    def handle_comment(self, data: str) -> None:
        """Outlook reads what is in a conditional comment."""
        if data.lstrip().startswith("[if"):
            self.wrong = self.wrong or unsafe(data.partition("]>")[2])

    def handle_data(self, data: str) -> None:
        """Look at styles; any other text is text."""
        if self._in_style:
            self._judge(data)

    def _judge(self, style: str) -> None:
        # A comment may stand between any two words of a style.
        if _STYLE.search(_COMMENT.sub("", style)):
            self.wrong = "a style may neither run nor load anything, nor place itself (position:)", ""
