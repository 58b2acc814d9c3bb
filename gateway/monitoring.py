"""What the gateway counts about itself, for Prometheus; no edge or signal names, so that the number of series stays fixed."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MOST_NOTED = 10_000


class Monitoring:
    """Counters of one gateway in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.batches = Counter("chejian_batches_total", "Batches committed, without replays", registry=self.registry)
        self.replays = Counter("chejian_replays_total", "Batches that were committed before", registry=self.registry)
        self.rows = Counter("chejian_rows_total", "Readings committed", registry=self.registry)
        self.refused = Counter("chejian_refused_total", "Batches refused", ["type"], registry=self.registry)
        self.busy = Counter("chejian_busy_total", "Requests answered 429", registry=self.registry)
        self.indexed = Counter("chejian_indexed_rows_total", "Readings written to the engine", registry=self.registry)
        self.gaps = Counter("chejian_gaps_total", "Losses declared in committed headers", registry=self.registry)
        self.alerts = Counter("chejian_alerts_total", "Alerts sent, and attempts that failed", ["outcome"], registry=self.registry)
        self.quarantined = Counter("chejian_quarantined_total", "Quarantine records made", registry=self.registry)
        self.refused_rows = Counter("chejian_engine_refused_rows_total", "Readings that the engine cannot hold", registry=self.registry)
        self.edge_alarms = Gauge("chejian_edge_alarms", "Alarms about edges in the control log: two journals, or two bodies, under one identity",
                                 ["what"], registry=self.registry)
        self._noted: set[tuple[str, str]] = set()
        self.backlog_rows = Gauge("chejian_backlog_rows", "Readings committed and not yet in the engine", registry=self.registry)
        self.lag = Gauge("chejian_engine_lag_seconds", "Age of the oldest batch that is committed and not yet in the engine", ["engine"],
                         registry=self.registry)
        self.engine_seconds = Histogram(
            "chejian_engine_write_seconds", "Time of one write into the engine",
            buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30), registry=self.registry,
        )
        self.backlog_batches = Gauge("chejian_backlog_batches", "Batches committed and not yet in the engine", registry=self.registry)
        self.commit_seconds = Histogram(
            "chejian_commit_seconds", "Time of one group commit",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5), registry=self.registry,
        )
        self.line_rows = Counter("chejian_line_protocol_total", "Field values (stored, unmapped) and lines (malformed, conflict) of line protocol",
                                 ["outcome"], registry=self.registry)
        self.errors = Counter("chejian_errors_total", "Requests that ended in an unexpected error", registry=self.registry)
        self.live = Counter("chejian_live_readings_total", "Live values received", registry=self.registry)

    @property
    def quarantined_total(self) -> int:
        """Quarantine records made since the start."""
        return round(self._total("chejian_quarantined_total"))

    @property
    def gaps_total(self) -> int:
        """Losses declared since the start."""
        return round(self._total("chejian_gaps_total"))

    def _total(self, name: str) -> float:
        return self.registry.get_sample_value(name) or 0.0

    def first_time(self, signal: str, reason: str) -> bool:
        """Whether this refusal is new since the start; of a great many different ones only the first are."""
        if (signal, reason) in self._noted or len(self._noted) >= MOST_NOTED:
            return False
        self._noted.add((signal, reason))
        return True

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
