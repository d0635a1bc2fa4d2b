"""Wires everything in one straight function, and tears it down in reverse."""

import asyncio
import errno
import gc
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from aiohttp import web

from receiver.access import Token
from receiver.config.credentials import Fingerprint
from receiver.config.destinations import Destination
from receiver.config.loading import Loaded
from receiver.config.tokens import tokens
from receiver.core.content import NoticeKind
from receiver.core.policy import Policy
from receiver.dispatch import Dispatcher
from receiver.metrics import Metrics
from receiver.notifier import Notifier
from receiver.outlets import outlet
from receiver.reload import Dispatchers, PolicyInForce, Reloader
from receiver.store.connect import Store, Tx
from receiver.store.writer import Writer, WriterWatch
from receiver.sweeper import Sweeper
from receiver.transitions.accept import Accepted
from receiver.transitions.install import install, resume
from receiver.transitions.settle import Settled
from receiver.web.admission import is_loopback
from receiver.web.api import Api
from receiver.web.auth import Authority
from receiver.web.management import Management
from receiver.web.server import Complaints, Runner, application
from receiver.web.webhook import Webhook

log = logging.getLogger(__name__)

# An attempt under way may end in peace; what a provider then has not answered is sent again, byte for byte.
SHUTDOWN_SECONDS = 10.0


OPEN_TO_ALL = (
    "listening to the network without tokens: whoever reaches the port may send alerts and ask what was sent; "
    "configure auth.tokens, or listen on 127.0.0.1"
)


def wall_clock() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


class CannotListen(Exception):
    """The address can't be listened on; the text says why."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a running receiver is made of: ``address`` and ``port`` to listen on, ``max_body`` in bytes.

    ``load`` reads the configuration anew, None where there is no file; ``secret_files`` as in ``Loaded``.
    """

    store_url: str
    policy: Policy
    destinations: Sequence[Destination]
    address: str = "127.0.0.1"
    port: int = 9095
    max_body: int = 64 << 20
    load: Callable[[], Loaded] | None = None
    secret_files: Mapping[Path, Fingerprint] = field(default_factory=dict)
    tokens: Sequence[Token] = ()


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver that accepts notifications at ``url``. ``ended`` is done only if one of its tasks broke."""

    url: str
    store: Store
    ended: "asyncio.Future[None]"


async def serve(settings: Settings, stdout: TextIO) -> None:
    """Run a receiver until SIGTERM or SIGINT, reloading at SIGHUP; raises what broke, if something did."""
    stop, hangup = asyncio.Event(), asyncio.Event()
    # Before anything says that we are there: whoever reads that may send a signal at once.
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
    async with running(settings, stdout, hangup=hangup) as receiver:
        # What lives as long as the process is not looked through for garbage over and over.
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        receiver.ended.add_done_callback(lambda _: stop.set())
        await stop.wait()
        if receiver.ended.done():
            receiver.ended.result()
        log.info("stopping")


@asynccontextmanager
async def running(
    settings: Settings,
    stdout: TextIO,
    clock: Callable[[], int] = wall_clock,
    hangup: asyncio.Event | None = None,
) -> AsyncIterator[Receiver]:
    """A receiver that runs as long as the context, and reloads whenever ``hangup`` is set.

    Raises StoreUnavailable and CannotListen.
    """
    async with AsyncExitStack() as stack:
        store = Store(settings.store_url, clock)
        stack.callback(store.close)
        metrics = Metrics()
        metrics.config_loaded.set(1)
        metrics.config_loaded_at.set(clock() / 1000)
        policy = PolicyInForce(settings.policy)
        loop = asyncio.get_running_loop()

        def store_trouble() -> None:
            with suppress(RuntimeError):  # a loop that is closed has nobody left who could be told
                loop.call_soon_threadsafe(notifier.transaction_failed)

        writer = Writer(store, _watch(policy, metrics, store_trouble))
        writer.start()
        stack.callback(writer.stop)
        tasks = Tasks()

        def wake_channels(due: Mapping[str, int]) -> None:
            dispatchers.wake(due)

        async def say_directly(kind: NoticeKind, n: int, details: tuple[str, ...]) -> None:
            await dispatchers.say(policy().notices, kind, n, details, clock())

        notifier = Notifier(writer, policy, wake_channels, say_directly, clock)
        await writer.run(lambda tx: _begin(tx, settings.policy, clock()))

        def heed(settled: Settled) -> None:
            dispatchers.wake(settled.due)
            sweeper.wake(settled.sweep_at)

        def dispatcher(destination: Destination) -> Dispatcher:
            failed = metrics.template_failures.labels(destination.name).inc
            made = outlet(destination, stdout, failed)
            metrics.add_channel(destination.name, made.channel.reasons)
            return Dispatcher(made, writer, policy, metrics, clock, heed=heed)

        dispatchers = Dispatchers(dispatcher, tasks.launch)
        stack.push_async_callback(dispatchers.end, SHUTDOWN_SECONDS)
        dispatchers.ensure(settings.destinations)
        authority = Authority(settings.tokens, metrics, clock)
        reloader = Reloader(
            settings.load,
            settings.secret_files,
            settings.store_url,
            policy,
            dispatchers,
            writer,
            metrics,
            clock,
            lambda config: authority.install(tokens(config)),
        )
        sweeper = Sweeper(writer, policy, dispatchers.wake, clock)
        # Whatever else goes on by itself; it ends before the channels and the writer do.
        background = [
            tasks.launch(reloader.attend(hangup or asyncio.Event()), "reload"),
            tasks.launch(sweeper.run(), "sweep"),
            tasks.launch(notifier.run(), "notices"),
        ]
        stack.push_async_callback(tasks.cancel, *background)

        def wake(accepted: Accepted) -> None:
            dispatchers.wake(accepted.due)
            sweeper.wake(accepted.held_until)

        def refused(reason: str) -> None:
            metrics.notifications_rejected.labels(reason).inc()
            notifier.refused(reason)

        webhook = Webhook(writer, policy, metrics, refused, notifier.unknown_channel, wake, clock, settings.max_body)
        management = Management(store, writer, metrics, reloader.reload, clock)
        api = Api(store, writer, policy, dispatchers.wake, clock)
        app = application(webhook, management, api, authority, metrics, refused, settings.max_body)
        site = await stack.enter_async_context(_listening(settings, app, refused))
        yield Receiver(site, store, tasks.ended)


def _begin(tx: Tx, policy: Policy, now: int) -> None:
    resume(tx, policy, now)
    install(tx, policy, now)


class Tasks:
    """Everything that runs on its own, watched: a task that breaks ends the process, it does not go quiet."""

    def __init__(self) -> None:
        """None yet; ``ended`` raises what the first of them broke with."""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def launch(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """Run this."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._note)
        return task

    @staticmethod
    async def cancel(*tasks: "asyncio.Task[None]") -> None:
        """Cancel these, and wait until they have ended."""
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _note(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.ended.done():
            self.ended.set_exception(error)


def _watch(policy: PolicyInForce, metrics: Metrics, trouble: Callable[[], None]) -> WriterWatch:
    """What follows from the writer's commits and failures; all of it happens on its thread."""

    def committed(seconds: float) -> None:
        policy.committed()
        metrics.commit_duration.observe(seconds)

    def failed(reason: str) -> None:
        policy.failed()
        metrics.store_errors.labels(reason).inc()
        if reason == "database":
            trouble()

    return WriterWatch(committed, failed)


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "address already in use: stop the process that listens there, or give another --web.listen-address"
    return os.strerror(error.errno) if error.errno else str(error)


@asynccontextmanager
async def _listening(settings: Settings, app: web.Application, refused: Callable[[str], None]) -> AsyncIterator[str]:
    # Compressed bodies are refused, so they are not unpacked either.
    runner = Runner(
        app,
        refused,
        access_log=None,
        auto_decompress=False,
        logger=Complaints(logging.getLogger("receiver.web")),
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.address or None, settings.port).start()
        except OSError as error:
            raise CannotListen(_why(error)) from None
        host, port = runner.addresses[0][:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        log.info("listening", extra={"address": url})
        if not (settings.tokens or is_loopback(host)):
            log.warning(OPEN_TO_ALL, extra={"address": url})
        yield url
    finally:
        await runner.cleanup()
