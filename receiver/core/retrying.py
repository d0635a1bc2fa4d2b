"""What a failed delivery means for the next attempt."""

from dataclasses import dataclass
from enum import StrEnum


class FailureClass(StrEnum):
    """How a provider said no.

    ``TRANSIENT`` passes by itself, ``MISCONFIGURED`` needs a person, ``REJECTED`` is about this one message.
    """

    TRANSIENT = "transient"
    MISCONFIGURED = "misconfigured"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed delivery attempt.

    ``reason`` is a short snake_case word from code (``timeout``, ``connection_refused``, ``auth_failed``…), never
    the provider's text. ``code`` is the SMTP or HTTP status if there was one. ``may_be_taken``: the provider may
    have accepted the message all the same, so exactly its bytes go again. ``retry_after`` is the wait in
    milliseconds that the provider asked for. ``unreachable``: nobody answered at all, so that it can be found out
    without a message when somebody does.
    """

    failure_class: FailureClass
    reason: str
    code: int | None = None
    may_be_taken: bool = False
    retry_after: int | None = None
    unreachable: bool = False


FIRST_RETRY = 1_000
LONGEST_RETRY = 300_000
# So many messages refused in a row, and none taken: then it is the channel.
REFUSALS_OF_A_CHANNEL = 3
# A provider may ask for more patience than our own, but not for a day.
LONGEST_WISH = 3_600_000


def after(failure: Failure, failures_in_a_row: int, jitter: float) -> int:
    """How long the channel rests after its n-th failure in a row (n ≥ 1), in milliseconds.

    What needs a person is tried rarely; what passes by itself with exponential backoff. The provider's own word
    comes first. ``jitter`` in [0, 1) shortens the wait by up to half, so that many receivers don't return at once.
    """
    if failure.retry_after is not None:
        return min(max(failure.retry_after, FIRST_RETRY), LONGEST_WISH)
    if failure.failure_class is not FailureClass.TRANSIENT:
        return LONGEST_RETRY
    longest: int = min(LONGEST_RETRY, FIRST_RETRY << min(failures_in_a_row - 1, 20))
    return longest - int(longest * jitter / 2)


class Refused(StrEnum):
    """What becomes of a message that its provider refuses for itself.

    ``HALVE``: a digest dissolves, and the next ones are at most half as large. ``PLAIN``: a group's message rests, and
    goes once more in its plainest form. ``DEAD``: nobody will ever take it.
    """

    HALVE = "halve"
    PLAIN = "plain"
    DEAD = "dead"


def after_refusal(groups: int, refused_at: int | None, accepted_at: int | None) -> Refused:
    """What a refusal means for a message of so many groups.

    ``refused_at`` is when a message with this news was first refused (None: now, for the first time), ``accepted_at``
    when the channel's provider last took any. While it takes nothing, the fault is hardly this message's.
    """
    if groups > 1:
        return Refused.HALVE
    if refused_at is not None and accepted_at is not None and accepted_at >= refused_at:
        return Refused.DEAD
    return Refused.PLAIN
