"""The search for canaries finds what it is meant to find: a test that looks for nothing is always green."""

import json
from base64 import b64encode, urlsafe_b64encode

import pytest

from tests.canaries.canary import PART, SPELLINGS, Canaries, leaks


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_any_part_is_found_in_any_spelling(spelling: str, canaries: Canaries) -> None:
    for canary in canaries.all:
        for at in range(len(canary.value) - PART + 1):
            part = SPELLINGS[spelling](canary.value[at : at + PART])
            assert leaks({"log": f"a {part} b".encode()}, (canary,)), part


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("before", [b"", b"u", b"us", b"user:"])
def test_it_is_found_in_base64_whatever_is_before_it(before: bytes, encode: object, canaries: Canaries) -> None:
    assert callable(encode)
    for canary in canaries.all:
        assert leaks({"log": encode(before + canary.value.encode() + b" and more")}, (canary,))


def test_it_is_found_in_a_line_of_json(canaries: Canaries) -> None:
    assert leaks({"log": json.dumps({"msg": repr([canaries.password.value])}).encode()}, canaries.all)


def test_less_than_a_part_is_not_taken_for_it(canaries: Canaries) -> None:
    # What stands between must be a sign that no canary has: a space may well be a secret's next one.
    for canary in canaries.all:
        assert not leaks({"log": f"|{canary.value[: PART - 1]}|{canary.value[1 - PART :]}|".encode()}, (canary,))
