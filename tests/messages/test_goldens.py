"""The plain text of a message of each kind, as it stands in ``goldens``: to be read aloud when it changes.

``python -m tests.messages.test_goldens`` writes the files anew.
"""

import re
from pathlib import Path

import pytest

from receiver.core.content import Rendered
from receiver.messages import email, notice, plain
from tests.messages.contents import REFUSED, SAMPLES, SEVERAL

GOLDENS = Path(__file__).parent / "goldens"

RENDERED = {
    **{name: email.render(content) for name, content in SAMPLES.items()},
    "notice": notice.about(REFUSED),
    "plain form": plain.render(SEVERAL, plain.REFUSED),
}


def golden(name: str) -> Path:
    return GOLDENS / f"{re.sub(r'[^a-z]+', '-', name.lower())}.txt"


def said(rendered: Rendered) -> str:
    return f"Subject: {rendered.subject}\n\n{rendered.text}"


@pytest.mark.parametrize("name", RENDERED)
def test_the_plain_text_reads_as_it_did(name: str) -> None:
    assert said(RENDERED[name]) == golden(name).read_text()


def test_every_golden_is_of_a_message() -> None:
    assert set(GOLDENS.iterdir()) == {golden(name) for name in RENDERED}


if __name__ == "__main__":
    for path in GOLDENS.glob("*.txt"):
        path.unlink()
    for name, rendered in RENDERED.items():
        golden(name).write_text(said(rendered))
