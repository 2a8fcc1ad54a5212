"""A trace in a page: shares that add up, times, stalls, and what was out of the ordinary in words."""

from __future__ import annotations

import dataclasses
import re
import uuid
from datetime import timedelta

import pytest

from apps.domain.jobs.sentences import fill
from apps.domain.swarm.trace import TraceEvent, TraceSource
from apps.domain.swarm.trace_lines import Trace
from apps.domain.swarm.trace_sentences import TRACE_SENTENCES, finding_params
from apps.domain.swarm.trace_summary import BINS, Finding, TraceSummary, trace_summary
from tests.domain.swarm.traces import CONTEXT, JOB, LEAF, START, TRACK, chunk, event

OTHER = dataclasses.replace(CONTEXT, track=uuid.UUID(int=9), transfer=uuid.UUID(int=99))


def trace_of(events: list[TraceEvent], **facts: object) -> Trace:
    contexts = {one.context.transfer: one.context for one in events}
    return Trace(job=JOB, events=tuple(events), ids=tuple(range(len(events))), contexts=contexts, **facts)  # type: ignore[arg-type]


def summary_of(events: list[TraceEvent]) -> TraceSummary:
    return trace_summary(trace_of(events))


def says(finding: Finding) -> str:
    return fill(TRACE_SENTENCES[finding.code], finding_params(finding.params))


def test_shares_per_peer_and_plane_add_up_to_what_was_verified() -> None:
    events = [event(0, "transfer_started", length=4 * LEAF)]
    events += chunk(0, "a", 0) + chunk(1, "a", 1) + chunk(2, "b", 2) + chunk(3, "soulseek:c", 3)
    events += [event(4, "transfer_completed", length=4 * LEAF)]
    whole = summary_of(events).whole
    assert [(peer.peer, peer.share) for peer in whole.peers] == [("a", 0.5), ("b", 0.25), ("soulseek:c", 0.25)]
    assert [(plane.source, plane.share) for plane in whole.planes] == [
        (TraceSource.OVERLAY, 0.75),
        (TraceSource.SOULSEEK, 0.25),
    ]
    assert whole.verified == whole.payload == sum(whole.curve.bins)
    assert whole.peers[0].mean_ms == pytest.approx(500.0)
    assert (whole.started_at, whole.first_byte_at) == (START, START + timedelta(seconds=0.5))
    assert whole.seconds == 4
    assert whole.findings == ()


def test_a_curve_has_a_bounded_number_of_bins_and_all_the_bytes() -> None:
    events = [event(0, "transfer_started", length=500 * LEAF)]
    for leaf in range(500):
        events += chunk(leaf * 0.7, "a", leaf)
    curve = summary_of(events).whole.curve
    assert len(curve.bins) == BINS
    assert sum(curve.bins) == 500 * LEAF
    assert curve.start == START


def test_tracks_come_in_the_order_in_which_they_began_and_the_job_is_their_sum() -> None:
    events = [event(5, "transfer_started", length=LEAF), *chunk(5, "a", 0)]
    later = [event(9, "transfer_started", context=OTHER, length=2 * LEAF), *chunk(9, "a", 0, context=OTHER)]
    summary = summary_of(events + later)
    assert [track.track for track in summary.tracks] == [TRACK, OTHER.track]
    assert summary.whole.verified == sum(track.verified for track in summary.tracks) == 2 * LEAF
    assert summary.whole.ended_at is None


def test_stalls_are_told_with_their_length_and_reason() -> None:
    events = [
        event(0, "transfer_started", length=3 * LEAF),
        *chunk(0, "a", 0),
        event(2, "waiting", code="no_source"),
        *chunk(40, "a", 1),
        *chunk(49, "b", 2),
        event(50, "transfer_completed"),
    ]
    (stall,) = summary_of(events).whole.stalls
    assert (stall.start, stall.seconds, stall.code) == (START + timedelta(seconds=0.5), 40.0, "no_source")
    (finding,) = summary_of(events).whole.findings
    assert says(finding) == "No verified byte for 40 s (nobody had it)."


def test_a_transfer_that_still_waits_stalls_until_now_and_one_that_was_stopped_does_not() -> None:
    running = [event(0, "transfer_started", length=LEAF), event(1, "waiting", code="no_source")]
    now = START + timedelta(seconds=100)
    (stall,) = trace_summary(trace_of(running), now=now).whole.stalls
    assert (stall.open, stall.seconds) == (True, 100.0)
    stopped = [*running, event(2, "transfer_aborted", code="policy_change")]
    assert trace_summary(trace_of(stopped), now=now).whole.stalls == ()
    resumed = [*stopped, event(900, "transfer_started", length=LEAF), *chunk(901, "a", 0)]
    assert trace_summary(trace_of(resumed), now=None).whole.stalls == ()


def found_in(events: list[TraceEvent]) -> list[str]:
    return [says(finding) for finding in summary_of(events).whole.findings]


def test_corrupt_leaves_are_called_out_with_what_followed() -> None:
    bad = [event(1, "leaf_bad", "liarliarliar", leaf=leaf, offset=leaf * LEAF, length=LEAF) for leaf in (1, 2)]
    lost = event(2, "leaf_lost", "liarliarliar", leaf=0, offset=0, length=LEAF, code="sender_corrupt")
    assert found_in(bad) == ["Corrupt leaves from peer liarliar: 2; dropped and fetched again."]
    assert found_in([*bad, lost]) == [
        "Corrupt leaves from peer liarliar: 2; parted thereafter, its good leaves fetched elsewhere: 1."
    ]


def test_timeouts_refusals_departures_rescue_and_waste_are_called_out() -> None:
    events = [event(0, "transfer_started", length=9 * LEAF), *chunk(0, "a", 0)]
    events += [event(1, "chunk_cancelled", "slow", leaf=1, offset=LEAF, length=LEAF, code="timeout")] * 2
    events += [event(1, "chunk_error", "slow", leaf=1, offset=LEAF, length=LEAF, code="timed_out")]
    events += [event(2, "chunk_error", "busy", leaf=1, offset=LEAF, length=LEAF, code="rate_limited")]
    events += [event(3, "peer_gone", "fickle", code="disconnected")]
    events += [event(4, "chunk_received", "late", leaf=0, offset=0, length=LEAF, code="duplicate")]
    events += [event(75, "rescue_invoked", code="no_byte_for_120_s")]
    found = found_in(events)
    assert set(found) >= {
        "Peer slow timed out 3 ×.",
        "Peer busy did not serve 1 × (too busy).",
        "Peer fickle left 1 ×.",
        "50 % of the received bytes were in vain: they came twice, or too late.",
        "Rescue began 1:15 into the track (no byte for 120 s).",
    }


def test_what_is_wrong_with_the_trace_itself_is_told() -> None:
    carried = {"events": 7, "transfers": []}
    whole = trace_summary(
        trace_of([event(1, "trace_gap", length=4, code="behind")], carried=carried, unreadable=2)
    ).whole
    assert {finding.code: finding.params["count"] for finding in whole.findings} == {
        "trace_gap": 4,
        "trace_unreadable": 2,
        "trace_rotated": 7,
    }


def test_sums_of_a_rotated_trace_include_what_is_gone() -> None:
    first = [event(0, "transfer_started", length=2 * LEAF), *chunk(0, "a", 0)]
    rest = [*chunk(5, "b", 1), event(6, "transfer_completed")]
    from apps.domain.swarm.trace_tally import Tally

    tally = Tally()
    for one in first:
        tally.add(one)
    whole = trace_summary(trace_of(rest, carried=tally.to_json())).whole
    assert (whole.verified, whole.payload, whole.started_at) == (2 * LEAF, 2 * LEAF, START)
    assert [peer.verified for peer in whole.peers] == [LEAF, LEAF]


def test_an_empty_trace_has_an_empty_summary() -> None:
    summary = summary_of([])
    assert (summary.events, summary.tracks, summary.whole.peers, summary.whole.curve.bins) == (0, (), (), ())


def test_every_finding_has_its_sentence_and_every_field_of_it_a_param() -> None:
    events = [event(0, "transfer_started", length=LEAF), event(1, "transfer_aborted", code="")]
    events += [event(2, "transfer_started", length=LEAF), event(3, "manifest_refused", "p", code="bad_manifest")]
    for finding in summary_of(events).whole.findings:
        fields = set(re.findall(r"{([a-z_]+)}", TRACE_SENTENCES[finding.code]))
        assert fields <= set(finding.params), finding.code
