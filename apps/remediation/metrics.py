"""/metrics' numbers of the doctor, of quality and of fixes: the success metrics, from rolled-up rows."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.domain.library.issues import IssueSeverity, IssueState, IssueType
from apps.library.models import IssueCount
from apps.remediation.selectors_success import success_metrics


class LibraryHealthCollector(Collector):
    """Reads when scraped; about a dozen small queries."""

    def collect(self) -> Iterable[Metric]:
        """All families. A figure nobody can know yet is left out."""
        counts = {(row.type, row.severity, row.state): row.count for row in IssueCount.objects.all()}
        issues = GaugeMetricFamily(
            "slskdn_library_issues", "Issues by type, severity and state.", labels=["type", "severity", "state"]
        )
        for kind in IssueType:
            for severity in IssueSeverity:
                for state in IssueState:
                    key = (kind.value, severity.value, state.value)
                    if key in counts or state is IssueState.DETECTED:
                        issues.add_metric(list(key), counts.get(key, 0))
        yield issues
        found = success_metrics()
        yield GaugeMetricFamily("slskdn_library_suspects", "Variants suspected to be transcodes.", value=found.suspects)
        figures = {
            "slskdn_library_issues_per_1000_tracks": ("Open issues per 1000 tracks.", found.issues_per_1000),
            "slskdn_library_suspects_per_1000_tracks": ("Suspects per 1000 judged variants.", found.suspects_per_1000),
            "slskdn_remediation_success_ratio": ("Done of the newest ended fixes, 0 to 1.", found.fix_success),
            "slskdn_remediation_time_to_fix_seconds": ("Median from asked for to done.", found.fix_median_s),
            "slskdn_canonical_picks_ratio": (
                "Newest fetched tracks that are the canonical variant, 0 to 1.",
                found.canonical_picks,
            ),
        }
        for name, (text, value) in figures.items():
            if value is not None:
                yield GaugeMetricFamily(name, text, value=value)
        yield GaugeMetricFamily("slskdn_remediation_done", "Of the newest ended fixes.", value=found.fixes_done)
        yield GaugeMetricFamily("slskdn_remediation_failed", "Of the newest ended fixes.", value=found.fixes_failed)
        yield self._quality(found.quality_buckets, found.quality_sum)

    @staticmethod
    def _quality(buckets: tuple[int, ...], total: float) -> Metric:
        passed, made = 0, []
        for index, count in enumerate(buckets, 1):
            passed += count
            made.append((f"{index / len(buckets):g}", passed))
        made.append(("+Inf", passed))
        return HistogramMetricFamily(
            "slskdn_library_quality", "Quality scores of variants that are here.", buckets=made, sum_value=total
        )
