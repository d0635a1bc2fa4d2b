"""What an expression reads is found, and nothing else is taken for it."""

import pytest

from tests.rules.promql import metrics, selectors


@pytest.mark.parametrize(
    ("expression", "read"),
    [
        ("up == 0", {"up"}),
        ("vector(1)", set()),
        ('rate(a_total{code=~"5..", x!="}"}[5m])', {'a_total{code=~"5..", x!="}"}'}),
        ("sum by (job, le) (rate(b_bucket[$__rate_interval] offset 1h))", {"b_bucket"}),
        ("sum without (le) (c) / on (job) group_left (name) d{}", {"c", "d{}"}),
        ("1e9 * x:y:z > bool 2.5e-3 unless on () (e or Inf)", {"x:y:z", "e"}),
        ('label_replace(f, "a", "$1", "b (c", "(.*)")', {"f"}),
        ("time() - max_over_time(g[1h:5m] @ end()) and h{a='b'}", {"g", "h{a='b'}"}),
        ('absent(i{job="rate(x[5m])"})', {'i{job="rate(x[5m])"}'}),
    ],
)
def test_selectors_are_read_and_words_labels_strings_and_durations_are_not(expression: str, read: set[str]) -> None:
    assert selectors(expression) == read


def test_metrics_are_the_names_of_the_selectors() -> None:
    assert metrics('a{b="c"} + a + d') == {"a", "d"}
