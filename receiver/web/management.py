"""``/-/healthy``, ``/-/ready``, ``/-/reload`` and ``/metrics``, as Prometheus' own components have them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from prometheus_client.exposition import choose_encoder
from sqlalchemy.exc import SQLAlchemyError

from receiver.metrics import Metrics, Scrape
from receiver.store.connect import Store, StoreUnavailable, Tx
from receiver.store.probe import probe
from receiver.store.reader import books
from receiver.store.writer import StoreFull, Writer

READY_TIMEOUT_SECONDS = 5.0


class Management:
    """The handlers for those who run us."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        metrics: Metrics,
        reload: Callable[[str], Awaitable[Sequence[str]]],
        clock: Callable[[], int],
    ) -> None:
        """``reload`` is told who asks for it, and tells what is in its way; ``clock`` gives UTC milliseconds."""
        self._store = store
        self._writer = writer
        self._metrics = metrics
        self._reload = reload
        self._clock = clock

    async def healthy(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return web.Response(text="alert-receiver is healthy.\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """The store can commit, tried."""
        try:
            async with asyncio.timeout(READY_TIMEOUT_SECONDS):
                await self._writer.run(self._probe)
        except (StoreUnavailable, StoreFull) as error:
            return web.Response(status=503, text=f"alert-receiver is not ready: the store can't commit: {error}\n")
        except TimeoutError:
            return web.Response(status=503, text="alert-receiver is not ready: the store is too slow.\n")
        return web.Response(text="alert-receiver is ready.\n")

    def _probe(self, tx: Tx) -> None:
        probe(tx, self._clock())

    async def reload(self, _request: web.Request) -> web.Response:
        """The configuration as its file now has it, or why it stays as it was."""
        if problems := await self._reload("POST /-/reload"):
            said = "".join(f"  {problem}\n" for problem in problems)
            return web.Response(status=500, text=f"not reloaded, the configuration in force stays:\n{said}")
        return web.Response(text="the configuration was reloaded\n")

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus text, or OpenMetrics for those who ask for it."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        try:
            body = await asyncio.to_thread(self._scrape, encode)
        except SQLAlchemyError:
            return web.Response(status=503, text="the store can't be read\n")
        return web.Response(body=body, headers={"Content-Type": content_type})

    def _scrape(self, encode: Callable[[Scrape], bytes]) -> bytes:
        with self._store.read() as tx:
            snapshot = books(tx)
        return encode(Scrape(self._metrics, snapshot, self._clock()))
