"""Prints the fault matrix as the table of ``docs/reliability.md``: ``python -m tests.faults.table``."""

import sys

from tests.faults.rows import ROWS, SENDING, Row

HEADINGS = ("Fault", "Class", "Reason", "What stays pending", "After recovery", "Copies")


def cells(row: Row) -> tuple[str, ...]:
    """A row as people read it."""
    if row.pending is None:
        pending = "nothing: the other recipients have it"
    elif row.pending == SENDING and row.kind is None:
        pending = "the message, for the recipients who said no for now"
    elif row.pending == SENDING:
        pending = "the message, byte for byte"
    else:
        pending = "the alert, to be told anew" + (
            ", not before the time asked for" if row.headers.get("Retry-After") else ""
        )
    if row.dead:
        after = "dead, with its reason"
    elif row.refused_for_good:
        after = "delivered at once; the refusal is recorded"
    else:
        after = "delivered"
    copies = "one at most, identical" if row.copies else "none"
    return (
        str(row),
        row.kind or "none",
        f"`{row.reason}`" if row.reason else "none",
        pending,
        after,
        copies,
    )


def table() -> str:
    """The Markdown table."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(cells(row) for row in ROWS)]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(table())
