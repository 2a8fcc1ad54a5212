"""Evidence weighed: what is decided, what is asked, what nobody knows, and whose word stays."""

from __future__ import annotations

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.library.identity import (
    MACHINE,
    MOVES,
    PERSON,
    Decision,
    IdentityState,
    decide,
    sources_of,
)
from apps.domain.library.identity_evidence import Candidate, Companions, FileFacts, LocalHit, has_title, plain_title
from apps.domain.library.offers import (
    Offer,
    OfferedGroup,
    OfferedRelease,
    offers_from_json,
    offers_to_json,
)

SONG, OTHER, THIRD = (uuid.UUID(int=one) for one in (1, 2, 3))
ALBUM, HITS = uuid.UUID(int=11), uuid.UUID(int=12)
PRESSING = uuid.UUID(int=21)
FILE = FileFacts(duration_ms=201_000, title="Solitary Sea", artist="Ada Byron", album="Tides", track=3)


def song(mbid: uuid.UUID = SONG, **changes: object) -> Candidate:
    values: dict[str, object] = {
        "recording_mbid": mbid, "title": "Solitary Sea", "artist": "Ada Byron", "length_ms": 201_000, "score": 0.95,
        "groups": (OfferedGroup(group_mbid=ALBUM, title="Tides", kind="Album"),),
    }  # fmt: skip
    return Candidate(**values | changes)  # type: ignore[arg-type]


def decided(
    *candidates: Candidate,
    file: FileFacts = FILE,
    companions: Companions | None = None,
    silent: str = "acoustid_no_result",
) -> Decision:
    return decide(file, candidates, companions=companions or Companions(), silent_code=silent)


def test_a_fingerprint_with_fitting_length_and_tags_decides_and_keeps_each_piece() -> None:
    found = decided(song())
    assert (found.state, found.code, found.recording_mbid, found.proven) == ("decided", "by_fingerprint", SONG, True)
    assert found.confidence > 0.9 and found.params == {}
    assert {piece.name for piece in found.pieces} == {"fingerprint", "length", "title", "artist", "album"}
    assert found.ranked[0].points == pytest.approx(sum(piece.points for piece in found.pieces))
    json.dumps([one.to_json() for one in found.ranked])


def test_nothing_found_is_unknown_with_the_reason_why_nobody_spoke() -> None:
    assert decided(silent="acoustid_disabled") == Decision(
        state=IdentityState.UNKNOWN, code="acoustid_disabled", params={}
    )


def test_two_recordings_alike_in_everything_are_a_question_in_a_stable_order() -> None:
    found = decided(song(OTHER), song(SONG))
    assert (found.state, found.code, found.recording_mbid) == ("ambiguous", "same_song_several_recordings", None)
    assert [one.candidate.recording_mbid for one in found.ranked] == [SONG, OTHER]


def test_companions_in_the_folder_tell_apart_what_tags_cannot() -> None:
    hits = song(OTHER, groups=(OfferedGroup(group_mbid=HITS, title="Tides and Hits"),))
    assert decided(song(), hits, file=FileFacts(duration_ms=201_000, title="Solitary Sea")).state == "ambiguous"
    found = decided(
        song(), hits, file=FileFacts(duration_ms=201_000, title="Solitary Sea"), companions=Companions.of([{ALBUM}] * 8)
    )
    assert (found.state, found.recording_mbid) == ("decided", SONG)


def test_of_a_single_and_its_extended_version_the_length_tells() -> None:
    long = song(OTHER, title="Solitary Sea (extended mix)", length_ms=390_000)
    assert decided(song(), long).recording_mbid == SONG
    assert (
        decided(song(), long, file=FileFacts(duration_ms=390_000, title="Solitary Sea (Extended Mix)")).recording_mbid
        == OTHER
    )


def test_a_recording_whose_length_is_far_off_is_asked_about_though_all_else_fits() -> None:
    found = decided(song(length_ms=231_000), companions=Companions.of([{ALBUM}] * 8))
    assert (found.state, found.code) == ("ambiguous", "length_disagrees")


def test_a_weak_score_alone_decides_nothing() -> None:
    assert decided(song(score=0.45), file=FileFacts(duration_ms=201_000)).state == "unknown"
    assert decided(song(score=0.6), file=FileFacts(duration_ms=201_000)).state == "ambiguous"


def test_a_fingerprint_that_names_another_song_than_the_tags_is_asked_about() -> None:
    other = song(OTHER, title="Ten Thousand Gulls", artist="Somebody Else", groups=())
    found = decided(other)
    assert found.state == "ambiguous" and found.recording_mbid is None


def test_tags_with_another_mbid_are_a_contradiction_told_with_the_decision() -> None:
    file = FileFacts(duration_ms=201_000, title="Solitary Sea", artist="Ada Byron", album="Tides", recording_mbid=THIRD)
    wrong = Candidate(recording_mbid=THIRD, title="Harbour Lights", artist="Ada Byron", length_ms=240_000)
    found = decided(song(), wrong, file=file)
    assert (found.state, found.recording_mbid) == ("decided", SONG)
    assert found.params == {"contradiction": "tag_recording", "tag_recording": str(THIRD)}


def test_a_print_confirmed_here_for_the_tags_recording_outweighs_acoustids_other_name() -> None:
    file = FileFacts(duration_ms=201_000, title="Solitary Sea", artist="Ada Byron", recording_mbid=THIRD)
    same = Candidate(
        recording_mbid=THIRD,
        title="Solitary Sea",
        artist="Ada Byron",
        length_ms=201_000,
        local=LocalHit(variant_id=9, ber=0.0, verified=True, source="fingerprint"),
    )
    assert decided(song(), same, file=file).recording_mbid == THIRD
    unsaid = FileFacts(duration_ms=201_000, title="Solitary Sea", artist="Ada Byron")
    assert decided(song(), same, file=unsaid).code == "same_song_several_recordings"


def test_mbids_in_tags_are_no_proof() -> None:
    file = FileFacts(duration_ms=201_000, title="Solitary Sea", recording_mbid=SONG, release_mbid=PRESSING)
    found = decided(
        Candidate(recording_mbid=SONG, title="Solitary Sea", length_ms=201_000), file=file, silent="acoustid_disabled"
    )
    assert (found.state, found.code, found.proven) == ("decided", "by_tags", False)
    assert found.confidence <= 0.5 and found.release_mbid == PRESSING
    against = decided(Candidate(recording_mbid=SONG, title="Solitary Sea", length_ms=290_000), file=file)
    assert (against.state, against.code, against.params["against"]) == (
        "ambiguous",
        "tags_contradict_recording",
        "length",
    )


def test_a_recording_only_a_job_claims_is_not_believed_without_sound() -> None:
    found = decided(Candidate(recording_mbid=SONG), file=FileFacts(duration_ms=1000), silent="fingerprint_missing")
    assert (found.state, found.code) == ("unknown", "fingerprint_missing")


@pytest.mark.parametrize(
    ("verified", "source", "proven"), [(True, "fingerprint", True), (False, "person", False), (False, "tag", False)]
)
def test_what_sounds_the_same_here_decides_and_proves_as_far_as_it_was_proven(
    verified: bool, source: str, proven: bool
) -> None:
    hit = LocalHit(variant_id=7, ber=0.01, verified=verified, source=source)
    found = decided(song(score=None, local=hit), silent="acoustid_disabled")
    assert (found.state, found.code, found.proven) == ("decided", "by_library", proven)


def test_a_live_version_is_not_the_studio_recording() -> None:
    file = FileFacts(duration_ms=201_000, title="Solitary Sea (Live)", artist="Ada Byron")
    assert decided(song(), file=file).state == "ambiguous"
    on_stage = song(groups=(OfferedGroup(group_mbid=ALBUM, title="Live at the Pier"),))
    assert decided(on_stage, file=file).state == "decided"


def test_an_id_without_any_name_loses_to_a_named_one_and_alone_is_asked_about_at_most() -> None:
    bare = Candidate(recording_mbid=OTHER, score=0.95)
    assert decided(song(), bare).recording_mbid == SONG
    assert decided(bare).state in {"ambiguous", "unknown"}


def test_the_edition_is_named_only_where_it_is_plain() -> None:
    two = (OfferedRelease(release_mbid=PRESSING), OfferedRelease(release_mbid=HITS))
    assert decided(song(releases=two)).release_mbid is None
    assert decided(song(releases=two), companions=Companions.of([{PRESSING}] * 4)).release_mbid == PRESSING
    assert decided(song(releases=two), companions=Companions.of([{PRESSING, HITS}] * 4)).release_mbid is None


def test_titles_that_say_nothing_and_titles_with_guests() -> None:
    assert not any(has_title(one) for one in ("Track 07", "", "track07", "Unknown", "03", "Audio Track 1"))
    assert has_title("Trackside") and has_title("7 Seconds")
    assert plain_title("Song (Live) feat. Somebody") == "Song"
    assert plain_title("(Intro)") == "(Intro)"


def test_the_table_of_states_lets_the_machine_never_touch_a_persons_word() -> None:
    assert set(MOVES) == set(IdentityState)
    for state in PERSON:
        assert MOVES[state]["machine"] == frozenset()
        assert sources_of(state, by="machine") == ()
        assert set(sources_of(state, by="person")) == set(IdentityState)
    for state in MACHINE:
        assert sources_of(state, by="machine") == (IdentityState.PENDING,)
        assert sources_of(state, by="person") == ()


mbids = st.integers(1, 8).map(lambda one: uuid.UUID(int=one))
candidates = st.builds(
    Candidate,
    recording_mbid=mbids,
    title=st.sampled_from(["", "Solitary Sea", "Solitary Sea (live)", "Gulls"]),
    artist=st.sampled_from(["", "Ada Byron"]),
    length_ms=st.none() | st.integers(0, 10**9),
    score=st.none() | st.floats(0, 1),
    sources=st.integers(0, 10**6),
    local=st.none()
    | st.builds(
        LocalHit, variant_id=st.integers(1, 9), ber=st.floats(0, 0.15), verified=st.booleans(), source=st.just("tag")
    ),
)


@given(st.lists(candidates, max_size=8, unique_by=lambda one: one.recording_mbid), st.integers(0, 10**9))
def test_whatever_is_offered_a_decision_has_a_heard_recording_and_order_does_not_matter(
    some: list[Candidate], duration_ms: int
) -> None:
    file = FileFacts(duration_ms=duration_ms, title="Solitary Sea", artist="Ada Byron")
    found = decided(*some, file=file)
    assert found == decided(*reversed(some), file=file)
    assert 0.0 <= found.confidence <= 1.0 and len(found.ranked) <= 12
    if found.state == "decided":
        chosen = found.ranked[0].candidate
        assert found.recording_mbid == chosen.recording_mbid
        assert (chosen.score or 0) >= 0.5 or chosen.local is not None
        assert chosen.length_ms is None or abs(chosen.length_ms - duration_ms) <= 7000
    else:
        assert found.recording_mbid is None and not found.proven


def test_offers_survive_a_json_column_and_another_form_is_asked_for_anew() -> None:
    offer = Offer(
        recording_mbid=SONG, score=0.5, acoustid="a", title="T", artist="A", length_s=3, sources=4,
        groups=(OfferedGroup(group_mbid=ALBUM, title="G", kind="Album", compilation=True),),
        releases=(OfferedRelease(release_mbid=PRESSING, group_mbid=ALBUM, medium=1, track=2, tracks=3), OfferedRelease(release_mbid=HITS)),
    )  # fmt: skip
    assert offers_from_json(json.loads(json.dumps(offers_to_json([offer])))) == (offer,)
    for other in (None, {}, [3], [{}], [{"r": "x"}], [{**offers_to_json([offer])[0], "g": 1}]):
        assert offers_from_json(other) is None
