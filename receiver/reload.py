"""A new configuration while the receiver runs: taken on whole, in one transaction, or not at all.

SIGHUP, ``POST /-/reload`` and a changed secret file all load the file anew. Channels whose destination has changed
are stopped first, so that none claims by a policy that is not its own; the policy changes with the commit; then every
channel that has no loop gets one, which begins once its predecessor has ended the attempt under way.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from receiver.config.credentials import Fingerprint, fingerprint
from receiver.config.destinations import Destination
from receiver.config.loading import Loaded
from receiver.config.problems import ConfigError
from receiver.config.resolve import destinations, resolve
from receiver.config.types import Config
from receiver.core.content import Incidents, NoticeKind
from receiver.core.policy import Policy
from receiver.dispatch import Dispatcher
from receiver.logs import unspoken
from receiver.metrics import Metrics
from receiver.redaction import scrub
from receiver.store.connect import StoreUnavailable, Tx
from receiver.store.writer import BATCH_WEIGHT, StoreFull, Writer
from receiver.transitions.install import install

log = logging.getLogger(__name__)

SECRETS_POLL_SECONDS = 2.0
NOTHING_TO_RELOAD = "nothing to reload: the receiver runs without --config.file"


class PolicyInForce:
    """The policy that decisions are made by: every transaction calls this once.

    A new one comes into force on the writer's thread, with the commit that installs it: no transaction meets rows
    that were made for another policy than its own.
    """

    def __init__(self, policy: Policy) -> None:
        """Begin with ``policy``, which is installed already or before anything else."""
        self._policy = policy
        self._installed: Policy | None = None

    def __call__(self) -> Policy:
        """The policy."""
        return self._policy

    def install(self, tx: Tx, policy: Policy, now: int) -> None:
        """Install a new one within the transaction."""
        install(tx, policy, now)
        self._installed = policy

    def committed(self) -> None:
        """The writer has committed: what was installed is in force."""
        if self._installed is not None:
            self._policy, self._installed = self._installed, None

    def failed(self) -> None:
        """The writer has rolled back."""
        self._installed = None


@dataclass(frozen=True, slots=True)
class _Loop:
    """A channel's loop, for the destination that it was made for."""

    destination: Destination
    dispatcher: Dispatcher
    task: "asyncio.Task[None]"


class Dispatchers:
    """The loops of all channels, at most one of each at work."""

    def __init__(
        self,
        make: Callable[[Destination], Dispatcher],
        launch: Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"],
    ) -> None:
        """``launch`` runs a loop as a task of that name."""
        self._make = make
        self._launch = launch
        # By name, the newest; those of removed channels stay, for they may be added back before their attempt ends.
        self._loops: dict[str, _Loop] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def ensure(self, wanted: Iterable[Destination]) -> None:
        """Start what does not run; where an earlier loop still ends its attempt, after it."""
        for destination in wanted:
            before = self._loops.get(destination.name)
            if before is None or before.dispatcher.stopping:
                dispatcher = self._make(destination)
                task = self._launch(_following(before, dispatcher), f"dispatch {destination.name}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                self._loops[destination.name] = _Loop(destination, dispatcher, task)

    def retire(self, wanted: Iterable[Destination]) -> list[Destination]:
        """Stop the loops whose destination is not wanted as it is; where they sent to."""
        by_name = {destination.name: destination for destination in wanted}
        outdated = [loop for loop in self._at_work() if by_name.get(loop.destination.name) != loop.destination]
        for loop in outdated:
            loop.dispatcher.stop()
        return [loop.destination for loop in outdated]

    def wake(self, due: Mapping[str, int]) -> None:
        """Tell channels when they have news due; one that is removed by now hears nothing."""
        for name, due_at in due.items():
            if loop := self._loops.get(name):
                loop.dispatcher.wake(due_at)

    async def say(self, names: Iterable[str], kind: NoticeKind, n: int, details: tuple[str, ...], now: int) -> None:
        """Send a notice to these channels at once, without the store."""
        loops = [loop for loop in self._at_work() if loop.destination.name in set(names)]
        told = [
            loop.dispatcher.say(Incidents(loop.destination.name, uuid.uuid4().hex, now, kind, n, details, now, now))
            for loop in loops
        ]
        await asyncio.gather(*told)

    def look_again(self) -> None:
        """Have every channel look what is due by what is true now, however long it meant to rest."""
        for loop in self._at_work():
            loop.dispatcher.look_again()

    async def end(self, seconds: float) -> None:
        """Stop all; an attempt under way has this long to end in peace."""
        self.retire(())
        if not (tasks := list(self._tasks)):
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _at_work(self) -> list[_Loop]:
        return [loop for loop in self._loops.values() if not loop.dispatcher.stopping]


async def _following(before: _Loop | None, dispatcher: Dispatcher) -> None:
    if before is not None:
        # Two loops at once would send a message that is under way a second time.
        await asyncio.wait([before.task])
    await dispatcher.run()


class SecretFiles:
    """Notices that a secret's file holds something new, once it has stopped changing: no half-written one is read."""

    def __init__(self, known: Mapping[Path, Fingerprint]) -> None:
        """``known``: what the files held when the secrets were read from them."""
        self._known = self._seen = dict(known)

    def changed(self) -> bool:
        """Whether a file holds something else than is known, and held the same at the last look."""
        found = {file: fingerprint(file) for file in self._known}
        settled, self._seen = found == self._seen, found
        return settled and found != self._known

    def heed(self) -> None:
        """What was seen last is known now, useful or not."""
        self._known = self._seen


class Reloader:
    """Brings the configuration file into force as it now is."""

    def __init__(
        self,
        load: Callable[[], Loaded] | None,
        secret_files: Mapping[Path, Fingerprint],
        store_url: str,
        policy: PolicyInForce,
        dispatchers: Dispatchers,
        writer: Writer,
        metrics: Metrics,
        clock: Callable[[], int],
        in_force: Callable[[Config], None],
    ) -> None:
        """``load`` reads the file anew, None where there is none; ``secret_files`` as in ``Loaded``.

        ``in_force`` is told what has come into force, for what is in no policy.
        """
        self._load = load
        self._secrets = SecretFiles(secret_files)
        self._store_url = store_url
        self._policy = policy
        self._dispatchers = dispatchers
        self._writer = writer
        self._metrics = metrics
        self._clock = clock
        self._in_force = in_force
        self._turn = asyncio.Lock()

    async def attend(self, hangup: asyncio.Event) -> None:
        """Reload at every hangup, and when a secret's file has changed; for ever."""
        while True:
            try:
                async with asyncio.timeout(SECRETS_POLL_SECONDS):
                    await hangup.wait()
            except TimeoutError:
                await self.heed_secrets()
            else:
                hangup.clear()
                await self.reload("SIGHUP")

    async def heed_secrets(self) -> None:
        """Reload if a secret's file has changed."""
        if await asyncio.to_thread(self._secrets.changed):
            await self.reload("a changed secret file")

    async def reload(self, asked_by: str) -> Sequence[str]:
        """What keeps the file as it is from coming into force, the old configuration then stays; nothing if it has."""
        if self._load is None:
            log.warning(NOTHING_TO_RELOAD, extra={"asked_by": asked_by})
            return (NOTHING_TO_RELOAD,)
        async with self._turn:
            problems = await self._try(self._load, asked_by)
        self._metrics.config_loaded.set(not problems)
        for problem in problems:
            log.error(
                "the configuration can't be reloaded, the old one stays in force",
                extra={"problem": problem, "asked_by": asked_by},
            )
        return problems

    async def _try(self, load: Callable[[], Loaded], asked_by: str) -> Sequence[str]:
        try:
            loaded = await asyncio.to_thread(load)
            await self._bring_into_force(loaded, asked_by)
        except ConfigError as error:
            self._secrets.heed()
            return [scrub(str(problem)) for problem in error.problems]
        except (StoreUnavailable, StoreFull) as error:
            # A new secret is not forgotten over this: it is tried again at the next poll.
            return [f"the store can't take it on: {error}"]
        except Exception as error:
            log.error("the reload broke", extra=unspoken(error))
            self._secrets.heed()
            return ["internal error, see the log"]
        return ()

    async def _bring_into_force(self, loaded: Loaded, asked_by: str) -> None:
        policy, wanted = resolve(loaded.config), destinations(loaded.config)
        stopped = self._dispatchers.retire(wanted)
        try:
            # Of such a weight that it shares its commit with nobody, whose failure would be its own.
            await self._writer.submit(self._install, policy, weight=BATCH_WEIGHT + 1)
        except Exception:
            self._dispatchers.ensure(stopped)
            raise
        self._in_force(loaded.config)
        self._dispatchers.ensure(wanted)
        self._dispatchers.look_again()
        self._secrets = SecretFiles(loaded.secret_files)
        self._metrics.config_loaded_at.set(self._clock() / 1000)
        report(loaded)
        if loaded.config.storage.url != self._store_url:
            log.warning("storage.url has changed, which needs a restart: until then the store stays where it is")
        facts: dict[str, object] = {"asked_by": asked_by, "channels": len(wanted)}
        if removed := {destination.name for destination in stopped} - {destination.name for destination in wanted}:
            facts["removed"] = " ".join(sorted(removed))
        log.info("configuration reloaded", extra=facts)

    def _install(self, tx: Tx, policies: Sequence[Policy]) -> list[None]:
        for policy in policies:
            self._policy.install(tx, policy, self._clock())
        return [None] * len(policies)


def report(loaded: Loaded) -> None:
    """Log what the configuration's author should know."""
    for warning in loaded.warnings:
        log.warning("configuration", extra={"problem": str(warning)})
