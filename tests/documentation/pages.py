"""The pages, taken apart: headings and links, blocks, the command lines in them and what they are shown to print."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

OURS = [DOCS / f"{name}.md" for name in ("README", "alertmanager", "comparison", "faq", "howto", "quickstart")]
"""The pages whose blocks are tried here; those of others have tests of their own."""

EVERY = sorted(
    {
        *ROOT.glob("*.md"),
        *DOCS.rglob("*.md"),
        *(ROOT / "helm").rglob("*.md"),
    }
)

_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.M | re.S)
_LINK = re.compile(r"\]\(([^()\s]*)\)|<(?:img|a)\b[^>]*?\b(?:src|href)=\"([^\"]+)\"")


@dataclass(frozen=True)
class Block:
    """A fenced block, as it is without its indentation."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        """Where it stands."""
        return f"{self.page.stem}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command line, and what the page shows it to print; None where the page shows commands alone."""

    block: Block
    line: str
    shown: str | None

    def __str__(self) -> str:
        """For the test's name."""
        return f"{self.block}: {self.line}"


@dataclass(frozen=True)
class Page:
    """A page of Markdown."""

    path: Path

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """The text without its blocks, which hold neither headings nor links."""
        return _FENCED.sub("", self.text)

    @cached_property
    def anchors(self) -> set[str]:
        """Its headings, as GitHub makes anchors of them; the second of the same name has a number."""
        found: dict[str, int] = {}
        for heading in re.findall(r"^#+ +(.*?)(?: +#+)?$", self.prose, re.M):
            said = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
            anchor = re.sub(r"[^\w -]", "", said.lower()).replace(" ", "-")
            found[anchor] = found.get(anchor, -1) + 1
        return {name if n == 0 else f"{name}-{n}" for name, last in found.items() for n in range(last + 1)}

    def links(self) -> Iterator[str]:
        """Every target, of whatever kind."""
        for markdown, html in _LINK.findall(re.sub(r"`[^`\n]*`", "", self.prose)):
            yield markdown or html

    def blocks(self, *languages: str) -> Iterator[Block]:
        """Its blocks in one of these languages."""
        for match in _FENCED.finditer(self.text):
            if match[2] in languages:
                line = self.text.count("\n", 0, match.start()) + 1
                yield Block(self.path, line, match[2], re.sub(rf"^{match[1]}", "", match[3], flags=re.M))

    def block(self, language: str, holding: str) -> str:
        """The one block in this language that holds the words."""
        [found] = [block.text for block in self.blocks(language) if holding in block.text]
        return found

    def commands(self) -> Iterator[Command]:
        """The command lines of its console and shell blocks; a here-document belongs to its line."""
        for block in self.blocks("console", "sh"):
            yield from _commands(block)


def _commands(block: Block) -> Iterator[Command]:
    prompted = any(line.startswith("$ ") for line in block.text.splitlines())
    lines = iter(block.text.replace("\\\n", " ").splitlines())
    command, shown = "", list[str]()
    for line in lines:
        if prompted and not line.startswith("$ "):
            shown.append(line)
            continue
        if command:
            yield Command(block, command, _output(shown) if prompted else None)
        command, shown = line.removeprefix("$ "), []
        if heredoc := re.search(r"<<'(\w+)'", line):
            for more in lines:
                command += f"\n{more}"
                if more == heredoc[1]:
                    break
    if command:
        yield Command(block, command, _output(shown) if prompted else None)


def _output(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def page(name: str) -> Page:
    """The page of that name in docs/."""
    return Page(DOCS / f"{name}.md")


def ours() -> list[Page]:
    """The pages that are tried here."""
    return [Page(path) for path in OURS]
