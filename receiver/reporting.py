"""What is said of a delivery attempt that has ended: in the metrics, and in one line of the log."""

import logging

from receiver.core.grouping import Reason
from receiver.core.retrying import Failure, FailureClass
from receiver.metrics import Metrics
from receiver.store.messages import Answer, State
from receiver.transitions.claim import Repeat
from receiver.transitions.settle import Attempt, Settled

log = logging.getLogger(__name__)

REFUSED_BY_SOME = "some recipients refused a mail for good, the others have it"
DEAD = "a message was refused twice while others were taken, its alerts are dead"
FAILED_OVER = "a message was refused twice while others were taken, the fallback channel gets its alerts"
REFUSED_NOTICE = "a notice was refused, it is not sent again"
MISCONFIGURED = "delivery fails until somebody puts it right, everything stays pending"
DEFERRED = "some recipients said later, they are asked again and the others have it"
FAILED = "delivery failed, everything in it stays pending"
# Where others have the mail already.
MISCONFIGURED_FOR_SOME = "delivery fails until somebody puts it right, those who have not got it are asked again"
GIVEN_UP = "an attempt failed whose message was given up meanwhile"
WORKS_AGAIN = "the channel works again"
FAILED_FOR_SOME = "delivery failed, those who have not got it are asked again"


def report(channel: str, attempt: Attempt, settled: Settled, metrics: Metrics, now: int) -> None:
    """Tell how the attempt ended and what became of the message; ``now`` in UTC milliseconds."""
    refused = sum(state is Answer.REFUSED for state, _code in attempt.answers.values())
    if attempt.failure is not None and settled.sent:
        # Told to those who took it before; those asked this time have all said no for good.
        refused = len(attempt.sent.recipients)
    metrics.recipients_refused.labels(channel).inc(refused)
    if attempt.failure is not None:
        metrics.failures.labels(channel, attempt.failure.reason).inc()
        _report_failure(attempt.failure, settled, attempt.sent, facts(channel, attempt.sent))
    if settled.sent:
        metrics.messages_sent.labels(channel, attempt.sent.message.kind).inc()
        for since, n in settled.arrivals:
            for _ in range(n):
                metrics.alert_latency.labels(channel).observe(max(0, now - since) / 1000)
        said: dict[str, object] = {"alerts": settled.told, "took_ms": attempt.took}
        log.info("message sent", extra=facts(channel, attempt.sent) | said)
    if settled.failed_since is not None:
        failed_for = max(0, now - settled.failed_since) // 1000
        log.info(WORKS_AGAIN, extra={"channel": channel, "failed_for_s": failed_for})
    if attempt.failure is None and settled.rest is not None:
        later = sum(state is Answer.AWAITED for state, _code in attempt.answers.values())
        said = {"recipients": later, "retry_in_s": round(settled.rest / 1000)}
        log.warning(DEFERRED, extra=facts(channel, attempt.sent) | said)


def facts(channel: str, sent: Repeat) -> dict[str, object]:
    """What a line of the log says of a message."""
    return {"channel": channel, "uid": sent.message.uid, "kind": sent.message.kind, "why": sent.message.reason}


def _report_failure(failure: Failure, settled: Settled, sent: Repeat, said: dict[str, object]) -> None:
    said = said | {"class": failure.failure_class, "reason": failure.reason}
    if said["why"] == Reason.RECOVERED:
        # That is what it would have been.
        said["why"] = "retry"
    if failure.code is not None:
        said["code"] = failure.code
    if settled.sent:
        log.warning(REFUSED_BY_SOME, extra=said)
    elif settled.failed_over:
        log.error(FAILED_OVER, extra=said | {"alerts": settled.failed_over})
    elif settled.dead:
        log.error(DEAD, extra=said | {"alerts": settled.dead})
    elif settled.refused:
        log.error(REFUSED_NOTICE, extra=said)
    elif settled.rest is None:
        log.info(GIVEN_UP, extra=said)
    else:
        said |= {"may_be_taken": failure.may_be_taken, "retry_in_s": round(settled.rest / 1000)}
        some_have_it = sent.message.state is State.PARTIAL
        if failure.failure_class is FailureClass.MISCONFIGURED:
            log.error(MISCONFIGURED_FOR_SOME if some_have_it else MISCONFIGURED, extra=said)
        else:
            log.warning(FAILED_FOR_SOME if some_have_it else FAILED, extra=said)
