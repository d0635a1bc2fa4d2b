"""Pages of which a program writes the parts between markers, and people the rest."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
END = "<!-- end -->\n"


def begin(module: str, part: str) -> str:
    """The line that a part of the module's begins with."""
    return f"<!-- begin: python -m tests.reference.{module}: {part} -->\n"


def parts(page: str, module: str) -> list[str]:
    """The parts that the page has a place for, in its order."""
    return re.findall(rf"^{re.escape(begin(module, 'PART').strip()).replace('PART', '(.+)')}$", page, re.M)


def renewed(page: str, module: str, texts: Mapping[str, str]) -> str:
    """The page with its parts as they are now. One that the page has no place for is left out."""
    for part, text in texts.items():
        before, marker, rest = page.partition(begin(module, part))
        if marker:
            page = f"{before}{marker}\n{text.strip()}\n\n{END}{rest.partition(END)[2]}"
    return page


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what would end a cell is escaped."""
    lines = [" | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in line) for line in (head, *rows)]
    first, *others = (f"| {line} |" for line in lines)
    return "\n".join((first, f"|{'---|' * len(head)}", *others))


def blocks(page: str, language: str) -> list[str]:
    """What stands in the page's blocks of this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)


def lines_of_prose(page: str) -> list[str]:
    """The lines that are neither in a table nor in a block."""
    text = re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S)
    return [line for line in text.splitlines() if not line.startswith("|")]
