"""What is said of an attempt is true."""

from pathlib import Path

import pytest

from receiver.core.retrying import Failure, FailureClass
from receiver.metrics import Metrics
from receiver.reporting import FAILED, WORKS_AGAIN, report
from receiver.store.messages import Answer
from receiver.transitions.claim import Claimed, Repeat
from receiver.transitions.settle import Attempt
from tests.timeline import MINUTE, Timeline, channel, firing, policy


@pytest.mark.parametrize(
    ("kind", "level", "said"),
    [
        (FailureClass.TRANSIENT, "WARNING", "delivery failed"),
        (FailureClass.MISCONFIGURED, "ERROR", "delivery fails until somebody puts it right"),
    ],
)
def test_of_a_mail_that_some_have_already_it_is_said_who_is_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: FailureClass, level: str, said: str
) -> None:
    timeline = Timeline(tmp_path / "books.db", policy(channel(group_wait=0)))
    timeline.receive(firing())
    claimed = timeline.claim()
    assert isinstance(claimed, Claimed)
    sent = timeline.fix(claimed, recipients=("a@x", "b@x"))
    timeline.settle(sent, answers={"a@x": (Answer.ACCEPTED, 250), "b@x": (Answer.AWAITED, 450)})
    timeline.now += 5 * MINUTE
    again = timeline.claim()
    assert isinstance(again, Repeat)
    failure = Failure(kind, "connection_refused")
    settled = timeline.settle(again, failure)
    report("ops", Attempt(again, timeline.now, 5, {}, None, failure), settled, Metrics(), timeline.now)
    [record] = caplog.records
    assert (record.levelname, record.message) == (level, f"{said}, those who have not got it are asked again")
    timeline.store.close()


def test_an_outage_is_said_to_be_over_when_it_is_and_not_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "receiver.reporting")
    timeline = Timeline(tmp_path / "books.db", policy(channel(group_wait=0)))
    timeline.receive(firing())
    refused = Failure(FailureClass.TRANSIENT, "connection_refused")
    for failure in (refused, refused, None):
        claimed = timeline.claim()
        assert isinstance(claimed, Claimed)
        sent = timeline.fix(claimed)
        settled = timeline.settle(sent, failure)
        report("ops", Attempt(sent, timeline.now, 5, {}, None, failure), settled, Metrics(), timeline.now)
        timeline.now += MINUTE
    timeline.store.close()
    facts = [vars(record) for record in caplog.records]
    assert [fact["message"] for fact in facts] == [FAILED, FAILED, "message sent", WORKS_AGAIN]
    assert [fact.get("why") for fact in facts] == ["wait", "retry", "recovered", None]
    assert facts[-1]["failed_for_s"] == 120
