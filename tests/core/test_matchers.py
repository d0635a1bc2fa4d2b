"""Matchers are read as Alertmanager reads them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.core.matchers import Matcher, MatcherError, Pattern, parse


def compiled(source: str) -> Pattern:
    """A stand-in for RE2 whose errors are ValueErrors too."""
    try:
        return re.compile(source)
    except re.error as error:
        raise ValueError(str(error)) from None


def read(text: str) -> list[tuple[str, str, str]]:
    """The parts of the matchers in a text."""
    return [(matcher.name, matcher.operator, matcher.value) for matcher in parse(text, compiled)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ", []),
        ("{}", []),
        ("foo=bar", [("foo", "=", "bar")]),
        ("{foo=bar}", [("foo", "=", "bar")]),
        (" { foo = bar , } ", [("foo", "=", "bar")]),
        ("foo=bar,", [("foo", "=", "bar")]),
        ("foo!=bar", [("foo", "!=", "bar")]),
        ("foo=~[a-z]+", [("foo", "=~", "[a-z]+")]),
        ("foo!~[a-z]+", [("foo", "!~", "[a-z]+")]),
        ('foo="bar",severity=~"a|b"', [("foo", "=", "bar"), ("severity", "=~", "a|b")]),
        ('foo=""', [("foo", "=", "")]),
        ("foo=🙂bar", [("foo", "=", "🙂bar")]),
        ('foo="a,b}={"', [("foo", "=", "a,b}={")]),
        (r'foo="say \"hi\"\n\\"', [("foo", "=", 'say "hi"\n\\')]),
        # After a bare name, other backslashes are themselves; after a quoted one, the escapes are Go's.
        (r'foo=~"\d+\.example"', [("foo", "=~", r"\d+\.example")]),
        (r'foo="C:\temp"', [("foo", "=", r"C:\temp")]),
        (r'"foo"="a\tb"', [("foo", "=", "a\tb")]),
        (r'"foo"="\xf0\x9f\x99\x82"', [("foo", "=", "🙂")]),
        (r'"foo"="\U0001f642\u00e9\101"', [("foo", "=", "🙂éA")]),
        ('"grüße, welt"="x"', [("grüße, welt", "=", "x")]),
        ('"foo"=bar', [("foo", "=", "bar")]),
        ("foo_1:x=~5..", [("foo_1:x", "=~", "5..")]),
    ],
)
def test_a_text_in_alertmanagers_syntax_is_read(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "column", "told"),
    [
        (",", 1, "expected a label name, found ,"),
        ("{,}", 2, 'expected a label name or a closing "}", found ,'),
        ("{", 2, 'expected a label name or a closing "}", found the end'),
        ("}", 1, "expected a label name"),
        ("foo=bar}", 8, "expected a comma"),
        ("{foo=bar", 9, 'expected a comma or a closing "}", found the end'),
        ("{foo=bar} x", 11, 'expected nothing after the closing "}"'),
        ("foo", 4, "expected an operator"),
        ("foo==bar", 5, "expected a value"),
        ("foo=", 5, 'expected a value ("" is the empty one), found the end'),
        ("foo=a b", 7, "double quotes around values with spaces"),
        ("foo=bar,,", 9, "expected a comma"),
        ('foo="bar', 5, "closing quote is missing"),
        ("foo='bar'", 5, "unexpected '"),
        (r"foo=bar\n", 8, "unexpected \\"),
        ('""=x', 1, "can't be empty"),
        ('foo=~"("', 6, "not a regular expression"),
        (r'"foo"="\w"', 7, "escape"),
        (r'"foo"="\xf0\x9f"', 7, "escape"),
        (r'"foo"="\ud800"', 7, "escape"),
        (r'"foo"="\U99999999"', 7, "escape"),
    ],
)
def test_what_is_no_matcher_is_refused_with_the_place_and_the_reason(text: str, column: int, told: str) -> None:
    with pytest.raises(MatcherError) as refused:
        parse(text, compiled)
    assert refused.value.column == column
    assert str(refused.value).startswith(f"column {column}: ")
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("a=b", {"a": "b"}, True),
        ("a=b", {"a": "c"}, False),
        ("a=b", {}, False),
        ("a!=b", {"a": "c"}, True),
        ("a!=b", {}, True),
        ('a=""', {}, True),
        ('a!=""', {"b": "c"}, False),
        ("a=~b|c", {"a": "c"}, True),
        ("a=~b", {"a": "abc"}, False),
        ("a=~b|c", {"a": "bx"}, False),
        ("a=~.*", {}, True),
        ("a=~.+", {}, False),
        ("a!~b.*", {"a": "bc"}, False),
        ("a!~b.*", {"a": "ab"}, True),
        ("a!~.+", {}, True),
    ],
)
def test_a_matcher_judges_a_label_set_where_a_missing_label_is_empty(
    text: str, labels: dict[str, str], matches: bool
) -> None:
    [matcher] = parse(text, compiled)
    assert matcher.matches(labels) is matches


UNICODE = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.sampled_from(["=", "!=", "=~", "!~"]), UNICODE)
def test_a_printed_matcher_reads_back_as_itself(name: str, operator: str, value: str) -> None:
    pattern = re.compile(re.escape(value)) if operator.endswith("~") else None
    value = re.escape(value) if pattern else value
    matcher = Matcher(name, operator, value, pattern)
    assert parse(str(matcher), compiled) == (matcher,)
    assert parse(f"{{{matcher}, {matcher},}}", compiled) == (matcher, matcher)


@given(st.text(st.sampled_from("a{}=!~,\"\\'`x0u \n")))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    try:
        found = parse(text, compiled)
    except MatcherError:
        return
    assert all(matcher.name for matcher in found)
