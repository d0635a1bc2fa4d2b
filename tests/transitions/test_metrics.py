"""What a scrape tells of the books, on a timeline that moves by itself."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from receiver.core.retrying import Failure, FailureClass
from receiver.metrics import Metrics, Scrape
from receiver.transitions.claim import Claimed
from tests.timeline import MINUTE, SECOND, Timeline, channel, firing, policy


def scrape(timeline: Timeline, name: str) -> dict[str, float]:
    """A metric's values by channel."""
    text = generate_latest(Scrape(Metrics(), timeline.books(), timeline.now)).decode()
    return {
        sample.labels["channel"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"alert_receiver_{name}"
    }


def test_a_channel_that_was_removed_is_neither_down_nor_late(timeline: Timeline) -> None:
    timeline.receive(firing())
    timeline.now += 10 * SECOND
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    timeline.settle(timeline.fix(claimed), Failure(FailureClass.MISCONFIGURED, "no_service", 404))
    timeline.now += MINUTE
    assert scrape(timeline, "channel_up") == {"ops": 0}
    assert scrape(timeline, "oldest_pending_seconds") == {"ops": 70}

    timeline.reload(policy(channel("other")))
    assert scrape(timeline, "channel_up") == {"other": 1}
    assert scrape(timeline, "oldest_pending_seconds") == {"other": 0}
    assert timeline.books().pending == {("ops", "retired"): 1}
