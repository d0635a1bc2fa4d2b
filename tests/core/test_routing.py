"""Which channels take an alert."""

import pytest

from receiver.core.matchers import Matcher
from receiver.core.routing import Verdict, addressed, route
from tests.timeline import SCALE, channel, policy

TEAM_OPS = Matcher("team", "=", "ops")
POLICY = policy(
    channel("ops", alias="war-room", matchers=(TEAM_OPS,), min_severity=SCALE.rank("warning")), channel("all")
)
OPS, ALL = POLICY.channels
TAKEN, UNMATCHED, FILTERED, NOT_ADDRESSED = Verdict


@pytest.mark.parametrize(
    ("labels", "verdicts"),
    [
        ({"team": "ops", "severity": "critical"}, (TAKEN, TAKEN)),
        ({"team": "ops", "severity": "CRITICAL"}, (TAKEN, TAKEN)),
        ({"team": "ops", "severity": "page"}, (TAKEN, TAKEN)),
        ({"team": "ops", "severity": "warning"}, (TAKEN, TAKEN)),
        ({"team": "ops", "severity": "info"}, (FILTERED, TAKEN)),
        ({"team": "ops", "severity": "none"}, (FILTERED, FILTERED)),
        ({"team": "ops"}, (TAKEN, TAKEN)),
        ({"team": "ops", "severity": "sev-1"}, (TAKEN, TAKEN)),
        ({"team": "web", "severity": "info"}, (UNMATCHED, TAKEN)),
        ({"severity": "critical"}, (UNMATCHED, TAKEN)),
    ],
)
def test_a_channel_takes_what_matches_and_is_severe_enough(
    labels: dict[str, str], verdicts: tuple[Verdict, ...]
) -> None:
    assert route(labels, SCALE.rank_of(labels), POLICY) == verdicts


def asked(labels: dict[str, str]) -> tuple[Verdict, ...]:
    """The verdicts when the channel ``ops`` alone is asked."""
    return route(labels, SCALE.rank_of(labels), POLICY, OPS)


def test_a_channel_is_addressed_by_name_or_alias_and_its_filters_apply() -> None:
    assert addressed(POLICY, "ops") is OPS
    assert addressed(POLICY, "war-room") is OPS
    assert asked({"team": "ops"}) == (TAKEN, NOT_ADDRESSED)
    assert asked({"team": "web"}) == (UNMATCHED, NOT_ADDRESSED)
    assert asked({"team": "ops", "severity": "info"}) == (FILTERED, NOT_ADDRESSED)


def test_an_unknown_name_addresses_nobody_so_that_the_alert_is_routed_normally() -> None:
    assert addressed(POLICY, "nobody") is None
    assert addressed(POLICY, None) is None
