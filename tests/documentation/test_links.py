"""Every relative link and anchor of every page leads somewhere, and every page is found from the index."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.documentation.pages import DOCS, EVERY, ROOT, Page

BLOB = "https://github.com/alert-receiver/alert-receiver/blob/main/"

every_page = pytest.mark.parametrize("path", EVERY, ids=lambda path: str(path.relative_to(ROOT)))


def target_of(path: Path, link: str) -> tuple[Path, str] | None:
    """The file and the anchor that a link names; None for other sites."""
    if link.startswith(BLOB):
        file, _, anchor = link.removeprefix(BLOB).partition("#")
        return ROOT / file, anchor
    if re.match(r"[a-z]+:", link):
        return None
    file, _, anchor = link.partition("#")
    return (path.parent / unquote(file) if file else path), anchor


@every_page
def test_every_link_leads_to_what_is_there(path: Path) -> None:
    wrong = []
    for link in Page(path).links():
        target = target_of(path, link)
        if target is None:
            continue
        file, anchor = target
        if not file.exists() or (anchor and anchor not in Page(file).anchors):
            wrong.append(link)
    assert wrong == []


def test_the_anchors_are_made_as_github_makes_them(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# A `key`: what, why?\n\n```sh\n# no heading\n```\n\n## [Linked](x.md) & co\n## Twice\n## Twice\n")
    assert Page(path).anchors == {"a-key-what-why", "linked--co", "twice", "twice-1"}


def linked_from_the_index() -> set[Path]:
    """The files that docs/README.md links to."""
    index = DOCS / "README.md"
    found = (target_of(index, link) for link in Page(index).links())
    return {target[0].resolve() for target in found if target}


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_every_page_is_in_the_index(path: Path) -> None:
    assert path.name == "README.md" or path in linked_from_the_index()


@pytest.mark.parametrize(
    "path", sorted(path for path in (DOCS / "examples").iterdir() if path.is_file()), ids=lambda path: path.name
)
def test_every_example_is_in_the_index(path: Path) -> None:
    assert path in linked_from_the_index()
