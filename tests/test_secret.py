"""A secret comes out when it is asked for, and not otherwise."""

import copy
import pickle
import traceback
from dataclasses import dataclass

import msgspec
import pytest

from receiver.secret import Secret, known_values

VALUE = "hunter2-of-the-secret-tests"


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
        lambda secret: "".join([secret]),
        msgspec.json.encode,
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
