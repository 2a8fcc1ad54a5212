"""Two payloads for one track: what the job shows of them, and what their ends mean for it."""

from __future__ import annotations

import uuid

import pytest
from django.template.loader import render_to_string

from apps.domain.contracts.events import TransferAssembled, TransferEnded, TransferStarted
from apps.domain.jobs.choice_words import CHOICE_SENTENCES
from apps.domain.jobs.lifecycle import TrackState, TransferRole, TransferState
from apps.jobs.models import JobTrack
from apps.jobs.selectors import TrackView, job_tree
from apps.jobs.selectors_list import track_progress
from apps.jobs.services_events import node_events_consume
from apps.jobs.web.lines import track_line
from apps.nodelink.services import event_record
from apps.transfers.models import Transfer
from overlay_node.swarm.choice import TERMS
from tests.apps.jobs.test_services import resolved_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def track(release_mbid: uuid.UUID) -> JobTrack:
    found = resolved_job(release_mbid, tracks=1).tracks.first()
    assert found is not None
    return found


def transfer(track: JobTrack, root: bytes, **changes: object) -> Transfer:
    assert track.want is not None
    given: dict[str, object] = {"state": TransferState.FETCHING, "payload_bytes": 1000, **changes}
    return Transfer.objects.create(
        want=track.want, payload_format="flac", payload_root=root * 32, profile="flac-16-44100-2", leaf_bytes=1, **given
    )


def pair(track: JobTrack, *, primary: int, fallback: int) -> tuple[Transfer, Transfer]:
    """Two live ones with so many verified bytes, and what the node told of them."""
    both = (
        transfer(track, b"p", verified_bytes=primary),
        transfer(track, b"f", verified_bytes=fallback, role=TransferRole.FALLBACK, speed_bps=100),
    )
    assert track.want_id is not None
    for one in both:
        event_record(TransferStarted(transfer_id=one.id, want_id=track.want_id))
    node_events_consume()
    return both


def shown(track: JobTrack) -> TrackView:
    tree = job_tree(track.job_id)
    assert tree is not None
    return tree.tracks[0]


@pytest.mark.parametrize(("bytes_of", "leads"), [((300, 200), "p"), ((200, 300), "f"), ((0, 0), "p")])
def test_the_bytes_shown_are_those_of_the_one_that_is_further(
    track: JobTrack, bytes_of: tuple[int, int], leads: str
) -> None:
    pair(track, primary=bytes_of[0], fallback=bytes_of[1])
    view = shown(track)
    assert view.transfer is not None
    assert view.beside is not None
    assert view.transfer.verified_bytes == max(bytes_of)
    assert view.transfer.payload_root[:2] == f"{ord(leads):x}"
    assert view.beside.payload_root != view.transfer.payload_root
    (progress,) = track_progress([track.job_id])[track.job_id]
    assert progress.verified_bytes == max(bytes_of)


def test_an_assembled_one_leads_and_after_its_acceptance_it_alone_is_shown(track: JobTrack) -> None:
    primary, fallback = pair(track, primary=900, fallback=100)
    Transfer.objects.filter(id=fallback.id).update(state=TransferState.ASSEMBLED)
    view = shown(track)
    assert view.transfer is not None
    assert (view.transfer.id, view.transfer.role) == (fallback.id, TransferRole.FALLBACK)
    Transfer.objects.filter(id=fallback.id).update(state=TransferState.ACCEPTED)
    view = shown(track)
    assert view.transfer is not None
    assert view.transfer.id == fallback.id
    Transfer.objects.filter(id=primary.id).update(state=TransferState.STOPPED)
    assert shown(track).beside is None


def ended(track: JobTrack, one: Transfer) -> JobTrack:
    Transfer.objects.filter(id=one.id).update(state=TransferState.STOPPED)
    assert track.want_id is not None
    event_record(TransferEnded(transfer_id=one.id, want_id=track.want_id, code="gave_way"))
    node_events_consume()
    track.refresh_from_db()
    return track


@pytest.mark.parametrize("which", [0, 1])
def test_a_track_goes_on_arriving_while_one_of_its_payloads_does(track: JobTrack, which: int) -> None:
    both = pair(track, primary=10, fallback=10)
    assert (ended(track, both[which]).state, track.code) == (TrackState.DOWNLOADING, "")
    assert (ended(track, both[1 - which]).state, track.code) == (TrackState.WANTED, "gave_way")


def test_a_loser_that_ends_does_not_touch_the_verification_of_the_winner(track: JobTrack) -> None:
    primary, fallback = pair(track, primary=10, fallback=10)
    Transfer.objects.filter(id=fallback.id).update(state=TransferState.ASSEMBLED)
    assert track.want_id is not None
    event_record(TransferAssembled(transfer_id=fallback.id, want_id=track.want_id))
    node_events_consume()
    assert ended(track, primary).state == TrackState.VERIFYING


def test_an_assembled_file_that_is_lost_leaves_the_track_to_the_other_payload(track: JobTrack) -> None:
    primary, _ = pair(track, primary=10, fallback=10)
    Transfer.objects.filter(id=primary.id).update(state=TransferState.ASSEMBLED)
    assert track.want_id is not None
    event_record(TransferAssembled(transfer_id=primary.id, want_id=track.want_id))
    node_events_consume()
    assert ended(track, primary).state == TrackState.DOWNLOADING


CHOICE = {
    "version": 1,
    "term": "time",
    "ours": "12 s",
    "theirs": "300 s",
    "others": 1,
    "runners_up": [
        {"format": "flac", "root": "ab" * 32, "profile": "flac-16-44100-2", "peers": 2, "term": "time", "ours": "12 s", "theirs": "300 s"}
    ],
}  # fmt: skip


def test_why_a_payload_was_chosen_and_why_another_was_not_is_told_in_words(track: JobTrack) -> None:
    transfer(track, b"p", choice=CHOICE)
    view = shown(track)
    assert view.transfer is not None
    assert view.transfer.choice is not None
    assert view.transfer.choice.sentence == "Chosen because it is expected sooner (in 12 s against 300 s)."
    assert [one.sentence for one in view.transfer.choice.runners_up] == ["expected in 300 s"]
    line = track_line(view)
    assert line.chosen == view.transfer.choice.sentence
    assert [str(one.says) for one in line.passed] == ["expected in 300 s"]


@pytest.mark.parametrize("choice", [{}, {"version": 2, "runners_up": []}, {**CHOICE, "others": 0, "runners_up": []}])
def test_nothing_is_told_where_there_was_nothing_to_choose_or_to_read(
    track: JobTrack, choice: dict[str, object]
) -> None:
    transfer(track, b"p", choice=choice)
    assert track_line(shown(track)).chosen == ""


def test_every_term_of_the_choice_has_words_and_no_words_are_left_over() -> None:
    terms = {*TERMS, "root"}
    assert set(CHOICE_SENTENCES) == {f"chosen_{one}" for one in {*terms, "only"}} | {f"passed_{one}" for one in terms}


def test_the_page_tells_both_payloads_and_the_reason(track: JobTrack) -> None:
    transfer(track, b"p", choice=CHOICE, verified_bytes=300)
    transfer(track, b"f", choice=CHOICE, verified_bytes=100, role=TransferRole.FALLBACK)
    tree = job_tree(track.job_id)
    assert tree is not None
    page = render_to_string("jobs/_track.html", {"line": track_line(tree.tracks[0]), "job": tree})
    assert "Chosen because it is expected sooner (in 12 s against 300 s)." in page
    assert "expected in 300 s" in page
    assert "Beside it another payload (flac-16-44100-2)" in page
    assert "Whichever is whole first is taken." in page
