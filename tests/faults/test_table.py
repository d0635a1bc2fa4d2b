"""What the documentation says of the faults is what the matrix tests."""

from pathlib import Path

from tests.faults.rows import ROWS
from tests.faults.table import table

RELIABILITY = Path(__file__).parents[2] / "docs" / "reliability.md"


def test_no_two_rows_are_of_one_fault() -> None:
    assert len({str(row) for row in ROWS}) == len(ROWS)


def test_the_documentation_holds_the_table_as_it_is() -> None:
    assert table() in RELIABILITY.read_text(), "put in what `python -m tests.faults.table` prints"
