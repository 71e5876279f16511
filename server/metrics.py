"""What the server tells Prometheus of itself; one registry per application."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from server.store import fleet, judgements
from server.store.database import Database
from server.store.leak_counts import open_leaks
from server.web import guard


class Metrics:
    """The registry, and the counters that routes advance."""

    def __init__(self, database: Database) -> None:
        self.registry = CollectorRegistry()
        self.snapshots = Counter(
            "handlewatch_snapshots", "Snapshots taken in, by outcome", ["outcome"], registry=self.registry
        )
        self.refusals = Counter(
            "handlewatch_refused_pushes", "Pushes refused, by HTTP status", ["status"], registry=self.registry
        )
        ProcessCollector(registry=self.registry)
        self.registry.register(_Fleet(database))


class _Fleet(Collector):
    """Gauges that are read from the database when they are asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        try:
            with self._database.read() as connection:
                now_us = guard.now_us()
                counts = fleet.fleet_counts(connection, now_us)
                leaking = open_leaks(connection, now_us)
                pending = judgements.count_unjudged(connection)
        except SQLAlchemyError:
            return
        yield GaugeMetricFamily("handlewatch_hosts", "Hosts known", value=counts.hosts)
        yield GaugeMetricFamily(
            "handlewatch_hosts_reporting", "Hosts that report as they should", value=counts.reporting
        )
        yield GaugeMetricFamily("handlewatch_hosts_leaking", "Hosts with a program that leaks", value=leaking.hosts)
        yield GaugeMetricFamily(
            "handlewatch_leaking_programs", "Programs that leak, on any host", value=leaking.programs
        )
        yield GaugeMetricFamily("handlewatch_leaks_at_limit", "Leaks that stand at their limit", value=leaking.at_limit)
        yield GaugeMetricFamily("handlewatch_hosts_pending", "Hosts with snapshots not yet judged", value=pending)
        showing = GaugeMetricFamily(
            "handlewatch_signature_hosts", "Hosts that show a signature, present or leaking", labels=["signature"]
        )
        for signature, hosts in counts.showing.items():
            showing.add_metric([signature], hosts)
        yield showing
