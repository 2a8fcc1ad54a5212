"""What a trace's findings and errors say to a person. Pure; `apps.common.sentences` translates the templates, the command line prints them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from apps.domain.errors import Param

TRACE_SENTENCES: Final[Mapping[str, str]] = {
    # Findings
    "trace_corrupt": "Corrupt leaves from peer {peer}: {count}; dropped and fetched again.",
    "trace_corrupt_parted": "Corrupt leaves from peer {peer}: {count}; parted thereafter.",
    "trace_corrupt_refetched": "Corrupt leaves from peer {peer}: {count}; parted thereafter, its good leaves fetched elsewhere: {again}.",
    "trace_timeouts": "Peer {peer} timed out {count} ×.",
    "trace_refusals": "Peer {peer} did not serve {count} × ({why}).",
    "trace_left": "Peer {peer} left {count} ×.",
    "trace_rescue": "Rescue began {at} into the track ({why}).",
    "trace_manifest_refused": "The leaf list of peer {peer} was not taken ({why}).",
    "trace_resumed": "The transfer was taken up again {count} ×.",
    "trace_aborted": "The transfer ended early ({why}).",
    "trace_stall": "No verified byte for {seconds} s ({why}).",
    "trace_stall_open": "No verified byte for {seconds} s by now ({why}).",
    "trace_in_vain": "{percent} % of the received bytes were in vain: they came twice, or too late.",
    "trace_gap": "Events that are missing: {count}. The disk was full or slower than the swarm.",
    "trace_unreadable": "Lines of the trace that can't be read: {count}.",
    "trace_rotated": "The oldest events are gone ({count}; swarm.tracing.max_size_mb); sums include them, times don't.",
    # Codes of events
    "sender_corrupt": "Its sender proved corrupt; it is fetched again from somebody else.",
    "write_failed": "The disk refused to write it; it is fetched again.",
    "unasked": "Nobody had asked for it.",
    # Errors
    "trace_off": "This job has no trace, and tracing is off (swarm.tracing.enabled).",
    "trace_none": "This job has no trace: nothing was fetched for it while tracing was on.",
    "trace_expired": "The trace of this job, if there was one, is deleted: {jobs} traces are kept, for {days} days.",
    "trace_newer": "A newer slskdn wrote this trace; update slskdn to read it.",
    "trace_track_unknown": "Nothing was fetched for this track while tracing was on.",
    "trace_filter_invalid": "A filter is action=…, peer=…, track=…, source=… or code=…, several with commas.",
    "trace_io_error": "The trace can't be read: {reason}.",
}
"""Code → English template."""

WHY: Final[Mapping[str, str]] = {
    "": "peers had been asked",
    "no_source": "nobody had it",
    "sources_incomplete": "the peers had only parts of it",
    "only_bad_sources": "only peers that had sent wrong bytes had the rest",
    "user_cancelled": "a person stopped it",
    "policy_change": "the node stopped",
    "swarm_rebalanced": "another payload was taken",
    "rate_limited": "too busy",
    "not_found": "gone there",
}
"""What a code in `{why}` says; others are shown as they are."""


def finding_params(params: Mapping[str, Param]) -> dict[str, object]:
    """Params of a finding as its sentence takes them: the reason in words."""
    shown: dict[str, object] = dict(params)
    if "why" in shown:
        why = str(shown["why"] or "")
        shown["why"] = WHY.get(why, why.replace("_", " "))
    return shown
