"""Wires everything in one straight function, and tears it down in reverse."""

import asyncio
import gc
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TextIO

from aiohttp import web

from receiver.channels.console import ConsoleChannel
from receiver.channels.email import EmailChannel
from receiver.channels.slack import SlackChannel
from receiver.config.destinations import ConsoleDestination, Destination, EmailDestination, SlackDestination
from receiver.core.policy import Policy
from receiver.dispatch import Dispatcher, Outlet
from receiver.messages import console, email, slack
from receiver.metrics import Metrics
from receiver.store.connect import Store
from receiver.store.writer import Writer, WriterWatch
from receiver.transitions.install import install
from receiver.web.management import Management
from receiver.web.server import Complaints, Runner, application
from receiver.web.webhook import Webhook

log = logging.getLogger(__name__)

# An attempt under way may end in peace; what a provider then has not answered is sent again, byte for byte.
SHUTDOWN_SECONDS = 10.0


def wall_clock() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


class CannotListen(Exception):
    """The address can't be listened on; the text says why."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a running receiver is made of: ``address`` and ``port`` to listen on, ``max_body`` in bytes."""

    store_url: str
    policy: Policy
    destinations: Sequence[Destination]
    address: str = "127.0.0.1"
    port: int = 9095
    max_body: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver that accepts notifications at ``url``. ``ended`` is done only if one of its tasks broke."""

    url: str
    store: Store
    ended: "asyncio.Future[None]"


async def serve(settings: Settings, stdout: TextIO) -> None:
    """Run a receiver until SIGTERM or SIGINT; raises what broke, if something did."""
    stop = asyncio.Event()
    # Before anything says that we are there: whoever reads that may send a signal at once.
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(settings, stdout) as receiver:
        # What lives as long as the process is not looked through for garbage over and over.
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        receiver.ended.add_done_callback(lambda _: stop.set())
        await stop.wait()
        if receiver.ended.done():
            receiver.ended.result()
        log.info("stopping")


@asynccontextmanager
async def running(settings: Settings, stdout: TextIO, clock: Callable[[], int] = wall_clock) -> AsyncIterator[Receiver]:
    """A receiver that runs as long as the context; raises StoreUnavailable and CannotListen."""
    async with AsyncExitStack() as stack:
        policy = settings.policy
        store = Store(settings.store_url, clock)
        stack.callback(store.close)
        outlets = [outlet(destination, stdout) for destination in settings.destinations]
        for each in outlets:
            stack.push_async_callback(each.channel.close)
        metrics = Metrics({each.channel.name: each.channel.reasons for each in outlets})
        metrics.config_loaded.set(1)
        metrics.config_loaded_at.set(clock() / 1000)
        watch = WriterWatch(metrics.commit_duration.observe, lambda reason: metrics.store_errors.labels(reason).inc())
        writer = Writer(store, watch)
        writer.start()
        stack.callback(writer.stop)
        await writer.run(lambda tx: install(tx, policy, clock()))
        dispatchers = [Dispatcher(each, writer, policy, metrics, clock) for each in outlets]
        ended = await stack.enter_async_context(_dispatching(dispatchers))
        webhook = Webhook(writer, policy, metrics, _waker(dispatchers), clock, settings.max_body)
        management = Management(store, writer, metrics, clock)
        site = await stack.enter_async_context(_listening(settings, webhook, management, metrics))
        yield Receiver(site, store, ended)


def outlet(destination: Destination, stdout: TextIO) -> Outlet:
    """The channel of a destination, with the rendering that it carries."""
    match destination:
        case SlackDestination():
            return Outlet(SlackChannel(destination.name, webhook_url=destination.webhook_url), slack.render)
        case EmailDestination():
            channel = EmailChannel(
                destination.name,
                sender=destination.sender,
                recipients=destination.recipients,
                host=destination.host,
                port=destination.port,
                security=destination.security,
                username=destination.username,
                password=destination.password,
                ca_file=destination.ca_file,
                timeout=destination.timeout,
            )
            return Outlet(channel, email.render)
        case ConsoleDestination():
            return Outlet(ConsoleChannel(destination.name, stdout), console.render)


def _waker(dispatchers: Sequence[Dispatcher]) -> Callable[[Mapping[str, int]], None]:
    by_name = {dispatcher.name: dispatcher for dispatcher in dispatchers}

    def wake(due: Mapping[str, int]) -> None:
        for name, due_at in due.items():
            by_name[name].wake(due_at)

    return wake


@asynccontextmanager
async def _dispatching(dispatchers: Sequence[Dispatcher]) -> AsyncIterator["asyncio.Future[None]"]:
    """Every dispatcher's loop, watched: a loop that breaks ends the process, it does not go quiet."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def watch(task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not ended.done():
            ended.set_exception(error)

    tasks = [asyncio.create_task(each.run(), name=f"dispatch {each.name}") for each in dispatchers]
    for task in tasks:
        task.add_done_callback(watch)
    try:
        yield ended
    finally:
        for dispatcher in dispatchers:
            dispatcher.stop()
        _, late = await asyncio.wait(tasks, timeout=SHUTDOWN_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _listening(
    settings: Settings, webhook: Webhook, management: Management, metrics: Metrics
) -> AsyncIterator[str]:
    app = application(webhook, management, metrics, settings.max_body)
    # Compressed bodies are refused, so they are not unpacked either.
    runner = Runner(
        app,
        metrics,
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
            raise CannotListen(error.strerror or str(error)) from None
        host, port = runner.addresses[0][:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        log.info("listening", extra={"address": url})
        yield url
    finally:
        await runner.cleanup()
