"""The metrics. Label values come from configuration or code, never from a payload; all exist at 0 from the start.

What the books say is counted in the store and read at a scrape in one snapshot; the rest is counted here.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Metric,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector

from receiver import __version__
from receiver.core.entries import Origin, Outcome
from receiver.core.retrying import FailureClass
from receiver.store.ledger import House
from receiver.store.reader import Books

PREFIX = "alert_receiver"
PENDING_STATES = ("waiting", "held", "sending", "retired")
MESSAGE_KINDS = ("group", "digest", "notice")
ATTEMPT_RESULTS = ("taken", "failed")
REJECTIONS = (
    "not_a_notification",
    "too_large",
    "content_encoding",
    "store_unavailable",
    "store_full",
    "internal_error",
    "wrong_path",
    "too_many_alerts",
    "disconnected",
    "bad_http",
    "unauthorized",
    "credential_in_url",
)
AUTH_FAILURES = ("missing", "not_bearer", "unknown_token", "missing_scope", "token_in_query", "admission")
STORE_ERRORS = ("database", "work")
# From a local commit to a mail server that takes its ten minutes.
DELIVERY_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)
LATENCY_BUCKETS = (1, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400)
COMMIT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# Prometheus has no use for a creation time beside every series.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's own gap


class Metrics:
    """What this process counts itself."""

    def __init__(self, sources: Sequence[str] = ("default",)) -> None:
        """Make every series at 0, but those of channels."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.notifications_received = self._counter(
            "notifications_received", "Webhook notifications accepted.", "source"
        )
        self.notifications_rejected = self._counter("notifications_rejected", "Webhook requests refused.", "reason")
        self.auth_failures = self._counter("auth_failures", "Requests refused for who sent them.", "reason")
        self.messages_sent = self._counter("messages_sent", "Messages that a provider took.", "channel", "kind")
        self.attempts = self._counter("delivery_attempts", "Delivery attempts by their result.", "channel", "result")
        self.failures = self._counter("delivery_failures", "Failed delivery attempts.", "channel", "reason")
        self.template_failures = self._counter(
            "template_failures", "Messages in the built-in form because the channel's own template failed.", "channel"
        )
        self.throttled = self._counter(
            "messages_throttled", "Times that a message which was due began to wait for a token.", "channel"
        )
        self.recipients_refused = self._counter(
            "recipients_refused", "Recipients finally refused by the mail server.", "channel"
        )
        self.delivery_duration = self._histogram(
            "delivery_duration_seconds", "Duration of delivery attempts.", DELIVERY_BUCKETS, "channel"
        )
        self.alert_latency = self._histogram(
            "alert_latency_seconds",
            "From an alert's arrival to the provider taking the message that tells it.",
            LATENCY_BUCKETS,
            "channel",
        )
        self.commit_duration = self._histogram(
            "store_commit_duration_seconds", "Duration of write transactions, commit included.", COMMIT_BUCKETS
        )
        self.store_errors = self._counter("store_errors", "Write transactions that failed.", "reason")
        self.request_duration = self._histogram(
            "http_request_duration_seconds", "Duration of HTTP requests.", REQUEST_BUCKETS, "handler", "method", "code"
        )
        self.config_loaded = Gauge(
            "config_last_reload_successful",
            "Whether the last attempt to load the configuration succeeded.",
            namespace=PREFIX,
            registry=self.registry,
        )
        self.config_loaded_at = Gauge(
            "config_last_reload_success_timestamp_seconds",
            "When the configuration was last loaded.",
            namespace=PREFIX,
            registry=self.registry,
        )
        Info("build", "The running version.", namespace=PREFIX, registry=self.registry).info({"version": __version__})
        self._start_at_zero(sources)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, text, labels, namespace=PREFIX, registry=self.registry, buckets=buckets)

    def add_channel(self, name: str, reasons: Collection[str]) -> None:
        """Make a channel's series at 0, with the reasons its failures can have; what they count already stays."""
        for reason in reasons:
            self.failures.labels(name, reason)
        for kind in MESSAGE_KINDS:
            self.messages_sent.labels(name, kind)
        for result in ATTEMPT_RESULTS:
            self.attempts.labels(name, result)
        self.template_failures.labels(name)
        self.throttled.labels(name)
        self.recipients_refused.labels(name)
        self.delivery_duration.labels(name)
        self.alert_latency.labels(name)

    def add_source(self, name: str) -> None:
        """Make the series of a source at 0; what they count already stays."""
        self.notifications_received.labels(name)

    def _start_at_zero(self, sources: Iterable[str]) -> None:
        for source in sources:
            self.add_source(source)
        for reason in REJECTIONS:
            self.notifications_rejected.labels(reason)
        for reason in AUTH_FAILURES:
            self.auth_failures.labels(reason)
        for reason in STORE_ERRORS:
            self.store_errors.labels(reason)


class Scrape:
    """One scrape: this process's metrics and one snapshot of the books, for prometheus_client's encoders."""

    def __init__(self, metrics: Metrics, books: Books, now: int) -> None:
        """Join the two; ``now`` in UTC milliseconds."""
        self._metrics = metrics
        self._books = books
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Every metric family."""
        yield from self._metrics.registry.collect()
        yield from self._intake()
        yield from self._ledger()
        yield from self._channels()

    def _intake(self) -> Iterator[Metric]:
        house = self._books.house
        received = _counter("alerts_received", "Distinct alerts of accepted notifications.", "status")
        for status in (House.FIRING, House.RESOLVED):
            received.add_metric([status], house.get(status, 0))
        yield received
        for account, name, text in (
            (House.UNROUTED, "alerts_unrouted", "Alerts that no channel's matchers match."),
            (House.FILTERED, "alerts_filtered", "Alerts that only min_severity kept from every channel."),
            (House.TAKEN, "alerts_routed", "Alerts taken by at least one channel."),
            (House.TRUNCATED, "alerts_truncated", "Alerts cut off by Alertmanager's max_alerts before they came here."),
            (
                House.UNREADABLE,
                "alerts_unreadable",
                "Alerts that could not be read as sent; told in a plain form.",
            ),
            (House.SEVERITY_UNKNOWN, "alerts_severity_unknown", "Alerts whose severity is missing or unknown."),
        ):
            family = _counter(name, text)
            family.add_metric([], house.get(account, 0))
            yield family

    def _ledger(self) -> Iterator[Metric]:
        books = self._books
        accepted = _counter("ledger_accepted", "Entries accepted: one for each channel and alert.", "channel", "origin")
        outcomes = _counter("ledger_outcomes", "Entries that left the pending, by outcome.", "channel", "outcome")
        pending = _gauge("ledger_pending", "Pending entries, counted from the rows.", "channel", "state")
        for channel in books.channels:
            for origin in Origin:
                accepted.add_metric([channel, origin], books.ledger.get((channel, "accepted", origin), 0))
            for outcome in Outcome:
                outcomes.add_metric([channel, outcome], books.ledger.get((channel, "outcome", outcome), 0))
            for state in PENDING_STATES:
                pending.add_metric([channel, state], books.pending.get((channel, state), 0))
        yield from (accepted, outcomes, pending)

    def _channels(self) -> Iterator[Metric]:
        books = self._books
        oldest = _gauge("oldest_pending_seconds", "Age of the oldest news not told yet, held ones excepted.", "channel")
        up = _gauge("channel_up", "0 while deliveries fail in a way that needs a person.", "channel")
        for channel, state in books.channels.items():
            # Nothing is tried on a channel that was removed, so neither would ever change.
            if state.retired_at is not None:
                continue
            since = books.oldest.get(channel)
            oldest.add_metric([channel], 0 if since is None else max(0, self._now - since) / 1000)
            up.add_metric([channel], state.failure_class in (None, FailureClass.TRANSIENT))
        mutes = _gauge("mutes_active", "Mutes that hold something back now, or would.")
        mutes.add_metric([], sum(begin <= self._now < end for begin, end in books.mutes))
        yield from (oldest, up, mutes)


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}_{name}", text, labels=labels)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=labels)
