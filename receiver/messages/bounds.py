"""How much of a Content a message may show."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """One rung of a renderer's ladder.

    ``alerts`` in detail, rows of ``also`` firing ones, ``labels`` each; characters of a ``short`` text (a
    label's value, a summary), of a ``long`` one (a description) and of a ``url``.

    Of a digest what isn't told in detail is listed: up to ``kinds`` kinds of alerts with, together, up to ``rows``
    rows, each with up to ``row`` characters of labels. A kind that has no rows is named in ``kind`` characters.
    """

    alerts: int
    also: int
    labels: int
    short: int
    long: int
    url: int
    rows: int = 0
    kinds: int = 0
    row: int = 0
    kind: int = 120
