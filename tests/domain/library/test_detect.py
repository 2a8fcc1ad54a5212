"""Rules of the Collection Doctor about one file."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from apps.domain.library.detect import (
    DAMAGE_CODES,
    FILE_RULES,
    ORIGIN_SEVERITY,
    PASSING_CODES,
    SETTING_CODES,
    Better,
    FileFacts,
    Guess,
    Known,
    ReleaseTrack,
    ReleaseTracks,
    SoundFacts,
    TagFacts,
    Thresholds,
    file_findings,
    similarity,
)
from apps.domain.library.issue_words import ISSUE_SENTENCES
from apps.domain.library.issues import Finding, IssueSeverity, IssueType

SONG, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
ALBUM, COMPILATION = uuid.UUID(int=11), uuid.UUID(int=12)
TRACKS = ReleaseTracks(
    mbid=ALBUM,
    title="Album",
    artist="Ada",
    tracks=(
        ReleaseTrack(medium=1, position=1, recording_mbid=SONG, title="Song", length_ms=200_000),
        ReleaseTrack(medium=1, position=2, recording_mbid=uuid.UUID(int=3), title="Second", length_ms=300_000),
    ),
)
GOOD = FileFacts(
    file_id=5,
    path="Ada/Album/01 Song.flac",
    tags=TagFacts(
        title="Song", artist="Ada", album="Album", recording_mbid=SONG, release_mbid=ALBUM, medium=1, track=1
    ),
    sound=SoundFacts(
        variant_id=9, profile="flac-44100-2-16", lossless=True, duration_ms=200_500, suspect=False, quality=0.9
    ),
    known=Known(recording_mbid=SONG, title="Song", artist="Ada", length_ms=200_000, settled=True),
    tagged_release=TRACKS,
)
T = Thresholds()


def only(file: FileFacts, thresholds: Thresholds = T) -> Finding:
    (found,) = file_findings(file, thresholds)
    return found


def sound(**facts: object) -> FileFacts:
    assert GOOD.sound is not None
    return replace(GOOD, sound=replace(GOOD.sound, **facts))


def tagged(**facts: object) -> FileFacts:
    return replace(GOOD, tags=replace(GOOD.tags, **facts))


def test_nothing_is_wrong_with_a_good_file() -> None:
    assert file_findings(GOOD, T) == ()


def test_a_file_that_nobody_knows_anything_about_is_not_accused() -> None:
    bare = FileFacts(
        file_id=1, path="x.mp3", sound=SoundFacts(variant_id=1, profile="mp3", lossless=False, duration_ms=1000)
    )
    assert file_findings(bare, T) == ()


def test_what_does_not_decode_is_corrupted_with_its_reason_and_not_judged_further() -> None:
    broken = replace(sound(suspect=True), unreadable_code="decode_failed", unreadable_params={"reason": "lost sync"})
    found = only(broken)
    assert (found.type, found.severity, found.code) == (
        IssueType.CORRUPTED_FILE,
        IssueSeverity.CRITICAL,
        "decode_failed",
    )
    assert found.params == {"reason": "lost sync"}
    assert only(sound(decode_code="decode_failed", suspect=True)).type is IssueType.CORRUPTED_FILE


@pytest.mark.parametrize("code", sorted(DAMAGE_CODES))
def test_a_header_that_contradicts_the_sound_is_damage_here_and_has_words_of_its_own(code: str) -> None:
    found = only(replace(GOOD, sound=None, unreadable_code=code))
    assert found.severity is IssueSeverity.CRITICAL
    assert "elsewhere" not in ISSUE_SENTENCES[found.code]


@pytest.mark.parametrize("code", sorted(PASSING_CODES))
def test_what_passes_by_itself_is_no_issue(code: str) -> None:
    assert file_findings(replace(GOOD, sound=None, unreadable_code=code), T) == ()


@pytest.mark.parametrize("code", sorted(SETTING_CODES))
def test_a_file_that_only_this_daemon_can_not_read_is_less_bad(code: str) -> None:
    assert only(replace(GOOD, sound=None, unreadable_code=code)).severity is IssueSeverity.MEDIUM


@pytest.mark.parametrize(("verdict", "severity"), sorted(ORIGIN_SEVERITY.items()))
def test_a_suspect_is_as_bad_as_what_was_lost(verdict: str, severity: IssueSeverity) -> None:
    found = only(sound(suspect=True, verdict=verdict, evidence={"score": 1.4}))
    assert (found.type, found.severity, found.code) == (
        IssueType.SUSPECTED_TRANSCODE,
        severity,
        f"transcode_{verdict}",
    )
    assert found.params == {"profile": "flac-44100-2-16", "score": 1.4}


def test_a_lossy_file_of_lossy_origin_claims_less_than_a_lossless_one() -> None:
    assert only(sound(suspect=True, verdict="aac_origin", lossless=False)).severity is IssueSeverity.MEDIUM


@pytest.mark.parametrize("suspect", [None, False])
def test_no_verdict_is_no_suspicion(suspect: bool | None) -> None:
    assert file_findings(sound(suspect=suspect, verdict="mp3_origin"), T) == ()


def test_another_payload_under_the_same_name_is_another_issue_but_its_tags_are_the_same_one() -> None:
    first, second = (sound(suspect=True, verdict="mp3_origin", variant_id=number) for number in (1, 2))
    assert only(first).key != only(second).key
    wrong = [tagged(title="Nothing alike"), replace(tagged(title="Nothing alike"), sound=sound(variant_id=3).sound)]
    assert only(wrong[0]).key == only(wrong[1]).key


@pytest.mark.parametrize(
    ("own", "best", "gap", "found"),
    [
        (0.5, 0.7, 0.2, True),
        (0.5, 0.69, 0.2, False),
        (0.5, 0.55, 0.05, True),
        (0.85, 1.0, 0.05, False),
        (0.84, 1.0, 0.05, True),
        (0.5, 0.4, 0.0, False),
        (0.5, 0.5, 0.0, False),
        (None, 1.0, 0.2, False),
    ],
)
def test_a_variant_is_not_canonical_from_the_configured_gap_on(
    own: float | None, best: float, gap: float, found: bool
) -> None:
    file = replace(sound(quality=own), better=Better(score=best, profile="flac-44100-2-16", where="peers"))
    made = file_findings(file, replace(T, quality_gap_for_upgrade=gap))
    assert [one.type for one in made] == [IssueType.NON_CANONICAL_VARIANT] * found
    if found:
        assert (made[0].code, made[0].params["better_score"]) == ("better_in_peers", best)


def test_how_good_is_good_enough_is_configured() -> None:
    file = replace(sound(quality=0.5), better=Better(score=1.0, profile="x", where="library"))
    assert only(file).code == "better_in_library"
    assert file_findings(file, replace(T, good_enough=0.5)) == ()
    assert file_findings(file, replace(T, canonical=False)) == ()


def test_a_better_copy_of_the_same_track_is_a_duplicate_and_not_also_this() -> None:
    better = Better(score=1.0, profile="x", where="library", same_place=True)
    assert file_findings(replace(sound(quality=0.5), better=better), T) == ()


def test_a_suspect_that_peers_have_better_is_one_issue_and_not_two_with_the_same_fix() -> None:
    suspect = sound(suspect=True, verdict="mp3_origin", quality=0.3)
    told = replace(suspect, better=Better(score=0.9, profile="x", where="peers"))
    assert [one.type for one in file_findings(told, T)] == [IssueType.SUSPECTED_TRANSCODE]
    held = replace(suspect, better=Better(score=0.9, profile="x", where="library", variant_id=7))
    assert {one.type for one in file_findings(held, T)} == {
        IssueType.SUSPECTED_TRANSCODE,
        IssueType.NON_CANONICAL_VARIANT,
    }


LIVE = replace(
    GOOD,
    known=Known(recording_mbid=OTHER, title="Quite another", artist="Ada", length_ms=200_000, settled=True),
    tags=replace(GOOD.tags, recording_mbid=OTHER, title="Quite another"),
)


def test_a_recording_that_its_tagged_release_lacks_is_not_in_it_and_the_folder_says_where_it_is_from() -> None:
    found = only(LIVE)
    assert (found.type, found.code, found.severity) == (
        IssueType.TRACK_NOT_IN_RELEASE,
        "not_in_tagged_release",
        IssueSeverity.MEDIUM,
    )
    guessed = only(replace(LIVE, guess=Guess(release_mbid=COMPILATION, title="Hits")))
    assert (guessed.code, guessed.params["guess"], guessed.params["guess_mbid"]) == (
        "not_in_tagged_release_guess",
        "Hits",
        str(COMPILATION),
    )
    assert guessed.key == found.key


def test_a_guess_that_is_the_tagged_release_is_none() -> None:
    assert only(replace(LIVE, guess=Guess(release_mbid=ALBUM))).code == "not_in_tagged_release"


def test_a_merged_recording_is_the_track_of_its_place_title_and_length() -> None:
    merged = replace(
        GOOD, known=replace(GOOD.known, recording_mbid=OTHER), tags=replace(GOOD.tags, recording_mbid=OTHER)
    )
    assert file_findings(merged, T) == ()
    elsewhere = replace(merged, tags=replace(merged.tags, track=2))
    assert only(elsewhere).type is IssueType.TRACK_NOT_IN_RELEASE
    part_two = replace(merged, tags=replace(merged.tags, title="Song part 2"))
    assert IssueType.TRACK_NOT_IN_RELEASE in {one.type for one in file_findings(part_two, T)}
    much_longer = replace(merged, known=replace(merged.known, length_ms=None), sound=sound(duration_ms=240_000).sound)
    assert IssueType.TRACK_NOT_IN_RELEASE in {one.type for one in file_findings(much_longer, T)}


def test_a_release_without_a_known_tracklist_accuses_nobody() -> None:
    assert file_findings(replace(LIVE, tagged_release=None), T) == ()
    assert file_findings(replace(LIVE, tagged_release=replace(TRACKS, tracks=())), T) == ()


def test_identified_files_without_ids_in_their_tags_lack_them() -> None:
    found = only(tagged(recording_mbid=None))
    assert (found.type, found.severity, found.code) == (IssueType.TAGS_WRONG, IssueSeverity.LOW, "tags_missing_mbids")


@pytest.mark.parametrize("name", ["title", "artist", "album"])
def test_an_identified_file_without_a_text_lacks_it(name: str) -> None:
    found = only(tagged(**{name: ""}))
    assert (found.severity, found.code, found.params["fields"]) == (IssueSeverity.MEDIUM, "tags_missing", [name])


def test_tags_that_name_another_recording_than_the_sound_is_contradict_it() -> None:
    found = only(tagged(recording_mbid=OTHER))
    assert (found.code, found.params["tag_recording"]) == ("tags_contradict_recording", str(OTHER))


@pytest.mark.parametrize(
    ("title", "artist", "fields"),
    [
        ("Song", "Ada", None),
        ("SONG (Remastered 2011)", "Ada feat. Bob", None),
        ("Söng", "ADA", None),
        ("Another matter", "Ada", ["title"]),
        ("Song", "Zacharias", ["artist"]),
        ("Another matter", "Zacharias", ["title", "artist"]),
        ("うた", "アダ", None),
    ],
)
def test_texts_contradict_only_what_they_can_not_mean(title: str, artist: str, fields: list[str] | None) -> None:
    found = file_findings(tagged(title=title, artist=artist), T)
    assert [one.params.get("fields") for one in found] == ([fields] if fields else [])


def test_the_title_that_the_release_prints_is_as_good_as_the_recordings() -> None:
    file = replace(tagged(title="Song"), known=replace(GOOD.known, title="Chanson"))
    assert file_findings(file, T) == ()


def test_tags_of_a_file_that_only_they_identify_are_not_wrong() -> None:
    guessing = replace(
        GOOD, known=replace(GOOD.known, settled=False), tags=replace(GOOD.tags, title="Whatever", album="")
    )
    assert file_findings(guessing, T) == ()


def test_another_edition_than_the_folder_is_contradicts_the_folder() -> None:
    found = only(replace(GOOD, guess=Guess(release_mbid=COMPILATION, title="Album (Deluxe)")))
    assert (found.code, found.severity) == ("tags_contradict_release", IssueSeverity.LOW)


@pytest.mark.parametrize(
    ("duration", "tolerance", "code", "severity"),
    [
        (203_000, 3000, None, None),
        (203_001, 3000, "duration_long", IssueSeverity.LOW),
        (197_000, 3000, None, None),
        (196_999, 3000, "duration_short", IssueSeverity.LOW),
        (100_000, 3000, "duration_short", IssueSeverity.HIGH),
        (200_001, 0, "duration_long", IssueSeverity.LOW),
        (230_000, 30_000, None, None),
    ],
)
def test_a_duration_is_wrong_beyond_the_configured_tolerance(
    duration: int, tolerance: int, code: str | None, severity: IssueSeverity | None
) -> None:
    found = file_findings(sound(duration_ms=duration), replace(T, duration_tolerance_ms=tolerance))
    assert [(one.type, one.code, one.severity) for one in found] == (
        [(IssueType.WRONG_DURATION, code, severity)] if code else []
    )


def test_what_fits_the_pressing_is_not_wrong_though_the_recordings_mean_length_is_another() -> None:
    assert file_findings(replace(GOOD, known=replace(GOOD.known, length_ms=220_000)), T) == ()


def test_a_length_nobody_knows_is_not_wrong() -> None:
    lengthless = replace(GOOD, known=replace(GOOD.known, length_ms=None), tagged_release=None)
    assert file_findings(lengthless, T) == ()


def test_everything_wrong_with_one_file_is_found_at_once_and_each_type_once() -> None:
    awful = replace(
        LIVE,
        sound=replace(sound().sound, suspect=True, verdict="mp3_origin", quality=0.2, duration_ms=90_000),  # type: ignore[type-var]
        tags=replace(LIVE.tags, title="Nothing alike"),
        better=Better(score=1.0, profile="x", where="library"),
    )
    types = [one.type for one in file_findings(awful, T)]
    assert len(types) == len(set(types))
    assert set(types) == FILE_RULES - {IssueType.CORRUPTED_FILE}


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Für Elise", "Fur Elise (remastered)", True),
        ("Fur Elise", "Moonlight Sonata", False),
        ("???", "???", True),
        ("???", "!!!", False),
        ("", "Song", False),
        ("(Intro)", "Intro", True),
    ],
)
def test_titles_are_compared_by_their_words(first: str, second: str, same: bool) -> None:
    assert (similarity(first, second) >= 0.6) is same
    assert similarity(first, second) == pytest.approx(similarity(second, first), abs=0.2)
