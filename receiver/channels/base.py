"""What every channel is: it fixes a message's bytes, sends them, and judges the answer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from receiver.core.content import Rendered
from receiver.core.retrying import Failure, FailureClass

# What the dispatcher says of a channel that broke in a way of its own.
COMMON_REASONS = frozenset({"internal_error"})


class DeliveryError(Exception):
    """A delivery attempt that did not succeed.

    Raised ``from None``: the exceptions of libraries hold URLs, credentials and bodies, and stop here.
    """

    def __init__(self, failure: Failure) -> None:
        """Wrap the judged ``failure``; its reason and code are all that is ever printed."""
        super().__init__(failure.reason if failure.code is None else f"{failure.reason} ({failure.code})")
        self.failure = failure


def transient(
    reason: str, code: int | None = None, *, may_be_taken: bool = False, unreachable: bool = False
) -> DeliveryError:
    """A failure that passes by itself."""
    return DeliveryError(Failure(FailureClass.TRANSIENT, reason, code, may_be_taken, unreachable=unreachable))


def misconfigured(reason: str, code: int | None = None) -> DeliveryError:
    """A failure that stays until a person mends it."""
    return DeliveryError(Failure(FailureClass.MISCONFIGURED, reason, code))


def rejected(reason: str, code: int | None = None) -> DeliveryError:
    """The provider's no to this one message."""
    return DeliveryError(Failure(FailureClass.REJECTED, reason, code))


@dataclass(frozen=True, slots=True)
class Refusal:
    """One recipient's own no: ``final`` for a 5xx, else it is worth another attempt."""

    address: str
    code: int
    final: bool


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider took the message, for every recipient not in ``refusals``.

    ``thread`` is how the channel finds the message again that later ones of its groups belong to; None where the
    message's own ``uid`` is enough, or it belongs to an earlier one itself.
    """

    code: int | None = None
    refusals: tuple[Refusal, ...] = field(default=())
    thread: str | None = None


class Channel(Protocol):
    """One configured destination."""

    @property
    def name(self) -> str:
        """The channel's name in the configuration."""

    @property
    def recipients(self) -> Sequence[str]:
        """Addresses that each answer for themselves; empty for a channel that answers as one."""

    @property
    def reasons(self) -> Collection[str]:
        """Every reason that its failures can have: the values of a metric's label."""

    def build(self, rendered: Rendered, uid: str, at: int, thread: str | None = None) -> bytes:
        """The exact bytes that go to the provider, now and in every repetition.

        ``uid`` is the message's own id (letters and digits), ``at`` its time in UTC milliseconds. ``thread`` is a
        Receipt's, or the ``uid`` of the message that began the group's thread; another channel of this name, before a
        change of the configuration, may have said it. Holds no credential: the bytes are stored.
        """

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        """Hand the bytes to the provider for these recipients; raises DeliveryError when it did not take them."""

    async def check(self) -> None:
        """Go as far as one can without sending: resolve, connect, encrypt, authenticate. Raises DeliveryError."""

    async def close(self) -> None:
        """Let go of kept connections."""
