"""/metrics' numbers that come from rows: the same whoever asks, whichever process answers, also after a restart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from django.db.models import Count, QuerySet, Sum
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.domain.jobs.lifecycle import TRANSFER_LIVE, JobState, TrackState, TransferState
from apps.jobs.metrics_scheduler import scheduler_metrics
from apps.jobs.models import Job, JobTrack
from apps.library.services_measures import files_counted
from apps.mesh.selectors_list import claims_by_verdict
from apps.nodelink.selectors_status import NodeGlance, NodePresence, backlog, node_glance
from apps.peers.models import Peer
from apps.peers.selectors_list import traffic_totals
from apps.soulseek.metrics_rescue import rescue_metrics
from apps.soulseek.metrics_session import session_metrics
from apps.soulseek.metrics_traffic import traffic_metrics
from apps.transfers.models import Transfer, TransferSource, TransferVerdict


class RowCollector(Collector):
    """Reads when scraped; about twenty counting queries. Totals are gauges, because rows can be deleted."""

    def collect(self) -> Iterable[Metric]:
        """All families."""
        yield _by("slskdn_jobs", "Jobs by state.", "state", _counted(Job.objects.all(), "state"), JobState)
        yield _by(
            "slskdn_job_tracks", "Tracks by state.", "state", _counted(JobTrack.objects.all(), "state"), TrackState
        )
        node = node_glance()
        transfers = _counted(Transfer.objects.all(), "state")
        yield _by("slskdn_transfers", "Transfers by state.", "state", transfers, TransferState)
        yield from _bytes()
        yield from traffic_metrics(node)
        yield from rescue_metrics()
        yield _by("slskdn_verdicts", "Verdicts on assembled files.", "code", _verdicts())
        yield _by("slskdn_claims", "Claims of peers by verdict.", "verdict", claims_by_verdict())
        yield _one("slskdn_peers", "Peers met.", Peer.objects.count())
        yield _one("slskdn_library_files", "Files in the library.", files_counted())
        yield from _node(node)
        yield from session_metrics(node)


def _node(status: NodeGlance) -> Iterator[Metric]:
    waiting = backlog()
    yield _one("slskdn_node_alive", "1 when the node's heartbeat is young.", status.presence is NodePresence.ALIVE)
    if status.age_s is not None:
        yield _one("slskdn_node_heartbeat_age_seconds", "Age of the newest heartbeat.", status.age_s)
    yield _one("slskdn_node_links", "Overlay links open.", status.links)
    yield _one("slskdn_dht_nodes", "Good nodes in the DHT routing table.", status.dht_nodes)
    yield _one("slskdn_node_events_open", "Events no worker has taken.", waiting.events)
    yield from scheduler_metrics(status)


def _bytes() -> Iterator[Metric]:
    family = GaugeMetricFamily("slskdn_traffic_bytes", "Bytes passed.", labels=["plane", "direction"])
    for plane, direction, total in traffic_totals():
        family.add_metric([plane, direction], total)
    yield family
    sums = TransferSource.objects.aggregate(
        verified=Sum("verified_bytes"), wasted=Sum("wasted_bytes"), bad=Sum("bad_leaves")
    )
    yield _one("slskdn_verified_bytes", "Bytes that verified and are in files.", sums["verified"] or 0)
    yield _one("slskdn_wasted_bytes", "Bytes that were thrown away.", sums["wasted"] or 0)
    yield _one("slskdn_bad_leaves", "Leaves that did not verify.", sums["bad"] or 0)
    speed = Transfer.objects.filter(state__in=sorted(TRANSFER_LIVE)).aggregate(speed=Sum("speed_bps"))["speed"]
    yield _one("slskdn_download_bytes_per_second", "Speed of all transfers.", speed or 0)


def _verdicts() -> Mapping[str, int]:
    rows = TransferVerdict.objects.order_by().values("accepted", "code").annotate(count=Count("transfer_id"))
    counts: dict[str, int] = {}
    for row in rows:
        code = "accepted" if row["accepted"] else row["code"]
        counts[code] = counts.get(code, 0) + row["count"]
    return counts


def _counted(rows: QuerySet, field: str) -> Mapping[str, int]:  # type: ignore[type-arg]  # any model's rows
    return {row[field]: row["count"] for row in rows.order_by().values(field).annotate(count=Count("pk"))}


def _by(name: str, text: str, label: str, counts: Mapping[str, int], every: Iterable[str] = ()) -> GaugeMetricFamily:
    """A family with one label; values of `every` without rows are 0, so that a series never vanishes."""
    family = GaugeMetricFamily(name, text, labels=[label])
    for value in [*every, *(key for key in counts if key not in set(every))]:
        family.add_metric([str(value)], counts.get(value, 0))
    return family


def _one(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
