"""Durations are read and written as Prometheus does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.config import durations

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("500ms", 500),
        ("30s", 30 * SECOND),
        ("5m", 5 * MINUTE),
        ("1h30m", 90 * MINUTE),
        ("1d", DAY),
        ("2w", 14 * DAY),
        ("1y", 365 * DAY),
        ("1y2w3d4h5m6s7ms", (365 + 14 + 3) * DAY + 4 * HOUR + 5 * MINUTE + 6 * SECOND + 7),
        ("90s", 90 * SECOND),
    ],
)
def test_a_duration_is_read_in_milliseconds(text: str, milliseconds: int) -> None:
    assert durations.parse(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("30", "did you mean 30s?"),
        ("", "not a duration"),
        ("abc", "not a duration"),
        ("1m1h", "largest unit first"),
        ("1.5h", "not a duration"),
        ("-1s", "not a duration"),
        ("1s ", "not a duration"),
        ("1s\n", "not a duration"),
        ("1h 30m", "not a duration"),
        ("٣s", "not a duration"),
        ("300y", "292y is the longest"),
        ("9" * 1000 + "s", "not a duration"),
    ],
)
def test_what_is_no_duration_is_refused_with_what_would_do(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("?", r"\?")):
        durations.parse(text)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0s"), (90 * MINUTE, "1h30m"), (90 * DAY, "90d"), (14 * DAY, "2w"), (730 * DAY, "2y"), (1, "1ms")],
)
def test_a_duration_is_written_as_prometheus_would(milliseconds: int, text: str) -> None:
    assert durations.written(milliseconds) == text


@given(st.integers(0, 2**63 // 1_000_000))
def test_a_written_duration_reads_back_as_itself(milliseconds: int) -> None:
    assert durations.parse(durations.written(milliseconds)) == milliseconds
