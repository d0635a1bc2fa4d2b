"""A secret comes out when it is asked for, and not otherwise."""

import ast
import copy
import json
import pickle
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import pytest

from receiver.secret import Secret, known_values

VALUE = "hunter2-of-the-secret-tests"
PACKAGE = Path(__file__).parents[1] / "receiver"

# Where a value may be had: in the channels, for their providers alone. ``passes`` hands it to a condition, for judging
# a configuration and for comparing digests of bearer tokens.
MAY_HAVE = {"reveal": {"channels"}, "passes": {"config", "web"}}


@dataclass(frozen=True)
class Holder:
    """Something that is printed with all it holds."""

    secret: Secret


@pytest.mark.parametrize(
    "printed",
    [
        str,
        repr,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r:>30}",
        lambda secret: f"{secret:>30}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 -- logging formats so
        lambda secret: repr([secret, {"x": secret}]),
        lambda secret: repr(Holder(secret)),
        lambda secret: json.dumps({"x": secret}, default=str),
        lambda secret: str(ValueError("wrong", secret)),
    ],
)
def test_however_it_is_printed_the_value_does_not_show(printed) -> None:  # type: ignore[no-untyped-def]
    text = printed(Secret(VALUE))
    assert "<secret>" in text
    assert VALUE not in text


def test_a_traceback_with_its_locals_does_not_show_the_value() -> None:
    def fail(secret: Secret) -> None:
        raise RuntimeError(f"can't log in with {secret}")

    try:
        fail(Secret(VALUE))
    except RuntimeError as error:
        told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "<secret>" in told
    assert VALUE not in told.replace(f"VALUE = {VALUE!r}", "")


@pytest.mark.parametrize(
    "attempt",
    [
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        lambda secret: pickle.dumps(Holder(secret), protocol=0),
        lambda secret: secret + "x",
        lambda secret: "x" + secret,
        lambda secret: secret * 2,
        lambda secret: "".join([secret]),
        lambda secret: "%d" % secret,  # noqa: UP031 -- logging formats so
        lambda secret: secret[:4],
        lambda secret: "hunter2" in secret,
        lambda secret: sorted([secret, Secret("x")]),
        lambda secret: asdict(Holder(secret)),
        json.dumps,
        msgspec.json.encode,
        msgspec.to_builtins,
        bytes,
        int,
        vars,
        iter,
        len,
    ],
)
def test_it_is_not_pickled_copied_concatenated_or_encoded(attempt) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TypeError) as refused:
        attempt(Secret(VALUE))
    assert VALUE not in str(refused.value)


def test_the_value_comes_out_by_reveal() -> None:
    assert Secret(VALUE).reveal() == VALUE


def test_an_empty_value_is_refused() -> None:
    with pytest.raises(ValueError, match="can't be empty"):
        Secret("")


def test_equal_values_make_equal_secrets_but_no_secret_equals_a_text() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert hash(Secret(VALUE)) == hash(Secret(VALUE))
    assert Secret(VALUE) != Secret("grüße")
    assert Secret(VALUE) != VALUE


def test_a_value_stays_known_when_its_secret_is_gone() -> None:
    secret = Secret("rotated-away-in-a-test")
    del secret
    assert "rotated-away-in-a-test" in known_values()


def reached_for(tree: ast.AST) -> Iterator[str]:
    """The names of attributes that code reads, by a dot or by their name as a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            yield from (str(argument.value) for argument in node.args if isinstance(argument, ast.Constant))


@pytest.mark.parametrize("name", MAY_HAVE)
def test_a_value_is_reached_for_only_where_it_is_used(name: str) -> None:
    places = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if name in reached_for(ast.parse(path.read_text()))
    }
    assert places
    assert places <= MAY_HAVE[name]


def test_channels_reveal_a_value_only_in_the_call_that_hands_it_over() -> None:
    for path in PACKAGE.rglob("channels/*.py"):
        lines = [line for line in path.read_text().splitlines() if ".reveal()" in line]
        assert len(lines) <= 1, f"{path.name} reveals its credential in several places"
        assert not [line for line in lines if "log" in line or "raise" in line or 'f"' in line]
