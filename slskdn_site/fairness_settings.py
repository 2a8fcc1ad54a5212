"""The configured fairness rules as the domain's value: for the node, and for pages and commands that tell how they stand."""

from __future__ import annotations

from apps.domain.soulseek.fairness import GIB, FairnessRules
from slskdn_site.config import Config


def fairness_rules(config: Config) -> FairnessRules:
    """Of a configuration, which was validated; 0 is "no such rule"."""
    keys = config.fairness
    return FairnessRules(
        min_overlay_upload_download_ratio=keys.min_overlay_upload_download_ratio or None,
        max_overlay_to_soulseek_upload_ratio=keys.max_overlay_to_soulseek_upload_ratio or None,
        min_soulseek_contribution=keys.min_soulseek_contribution or None,
        overlay_bandwidth_cap=keys.overlay_bandwidth_cap or None,
        overlay_day_bytes=round(keys.overlay_day_gib * GIB) or None,
        grace_bytes=round(keys.grace_gib * GIB),
        enforce_per_job=keys.enforce_per_job,
        generous=keys.generous,
    )
