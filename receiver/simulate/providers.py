"""What stands in for Slack, mail servers and terminals: they take every message, unless told to fail."""

from collections.abc import Callable, Sequence

from receiver.core.retrying import Failure, FailureClass
from receiver.simulate.input import Outage, Reject


class Providers:
    """The providers of all channels. Instants are milliseconds that have passed, whatever the wall clock says."""

    def __init__(self) -> None:
        """All is well."""
        self._outages: dict[str, list[tuple[int, FailureClass]]] = {}
        self._refusals: dict[str, int] = {}
        self._poison: dict[str, set[str]] = {}

    def fail(self, outage: Outage, passed: int) -> None:
        """A channel's provider is out of reach from now on."""
        self._outages.setdefault(outage.channel, []).append((passed + outage.length, outage.failure_class))

    def refuse(self, reject: Reject) -> None:
        """The next messages of a channel are refused for good: each poisons its first alert."""
        self._refusals[reject.channel] = self._refusals.get(reject.channel, 0) + reject.messages

    def answer(self, channel: str, passed: int, members: Callable[[], Sequence[str]]) -> Failure | None:
        """Why the attempt fails; None when the message is taken. ``members`` tells the message's alerts, in order."""
        standing = [kind for until, kind in self._outages.get(channel, ()) if passed < until]
        if standing:
            return Failure(standing[-1], "outage")
        refusals, poison = self._refusals.get(channel, 0), self._poison.get(channel)
        if not refusals and not poison:
            return None
        alerts = members()
        if poison is None or poison.isdisjoint(alerts):
            if not refusals or not alerts:
                return None
            self._refusals[channel] = refusals - 1
            self._poison.setdefault(channel, set()).add(alerts[0])
        return Failure(FailureClass.REJECTED, "rejected")
