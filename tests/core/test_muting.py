"""What a mute covers, and when."""

import pytest

from receiver.config.patterns import compile_pattern
from receiver.core.matchers import parse
from receiver.core.muting import Mute, MuteError, check

FROM, UNTIL = 1_000, 2_000


def mute(matchers: str = 'team="a"', channels: tuple[str, ...] | None = None, until: int = UNTIL) -> Mute:
    return Mute(parse(matchers, compile_pattern), FROM, until, channels)


@pytest.mark.parametrize(("now", "active"), [(FROM - 1, False), (FROM, True), (UNTIL - 1, True), (UNTIL, False)])
def test_a_mute_is_active_from_its_begin_until_just_before_its_end(now: int, active: bool) -> None:
    assert mute().is_active("ops", now) is active


@pytest.mark.parametrize(("channels", "active"), [(None, True), (("ops",), True), (("other",), False), ((), False)])
def test_a_mute_holds_on_its_channels_alone(channels: tuple[str, ...] | None, active: bool) -> None:
    assert mute(channels=channels).is_active("ops", FROM) is active


@pytest.mark.parametrize(
    ("matchers", "labels", "covered"),
    [
        ('team="a"', {"team": "a"}, True),
        ('team="a"', {}, False),
        ('team="a",pod!="x"', {"team": "a", "pod": "x"}, False),
        ('team="a",pod!="x"', {"team": "a"}, True),
    ],
)
def test_a_mute_covers_what_all_of_its_matchers_match(matchers: str, labels: dict[str, str], covered: bool) -> None:
    assert mute(matchers).covers(labels) is covered


@pytest.mark.parametrize("matchers", ["", 'team=""', 'team!="a"', 'team=~".*",pod!="x"'])
def test_a_mute_of_everything_is_refused(matchers: str) -> None:
    with pytest.raises(MuteError, match="must not match the empty value"):
        check(mute(matchers))


@pytest.mark.parametrize("until", [FROM, FROM - 1])
def test_a_mute_that_never_begins_is_refused(until: int) -> None:
    with pytest.raises(MuteError, match="must end after it begins"):
        check(mute(until=until))


def test_a_mute_with_one_matcher_that_needs_a_value_is_sound() -> None:
    check(mute('team!="a",pod=~".+"'))
