"""Where Celery finds the tasks: importing this module registers every one of them."""

from __future__ import annotations

from workers.analyse_variants import analyse_variants
from workers.capture import capture
from workers.consume_node_events import consume_node_events
from workers.deliver_webhooks import deliver_webhooks
from workers.discogs_fetch import discogs_fetch
from workers.discogs_look import discogs_look
from workers.doctor_scan import doctor_due, doctor_look
from workers.expand import expand_job
from workers.find import find
from workers.hunt import hunt_step, hunts_due
from workers.identify_variants import identify_variants
from workers.manifests import write_manifests
from workers.match_folders import match_folders
from workers.read_files import read_files
from workers.recheck import recheck_unconfirmed
from workers.recount_canonical import recount_canonical
from workers.remediate import remediate
from workers.rename_step import rename_step
from workers.reread_tags import reread_tags
from workers.resolve_job import resolve_job
from workers.retention import retention
from workers.sample_download import sample_download
from workers.scan_library import library_scans, scan_library
from workers.sweep import sweep
from workers.take_stream_ends import take_stream_ends
from workers.targets_count import targets_count
from workers.trash_step import trash_step
from workers.verify_download import verify_download
from workers.walk_step import walk_ended, walk_step

__all__ = [
    "analyse_variants",
    "capture",
    "consume_node_events",
    "deliver_webhooks",
    "discogs_fetch",
    "discogs_look",
    "doctor_due",
    "doctor_look",
    "expand_job",
    "find",
    "hunt_step",
    "hunts_due",
    "identify_variants",
    "library_scans",
    "match_folders",
    "read_files",
    "recheck_unconfirmed",
    "recount_canonical",
    "remediate",
    "rename_step",
    "reread_tags",
    "resolve_job",
    "retention",
    "sample_download",
    "scan_library",
    "sweep",
    "take_stream_ends",
    "targets_count",
    "trash_step",
    "verify_download",
    "walk_ended",
    "walk_step",
    "write_manifests",
]
