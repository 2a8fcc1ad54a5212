from __future__ import annotations

import itertools
import json
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
import requests
import soundfile
from mutagen.flac import FLAC

from apps.domain.audio.fingerprint import decode, same_recording
from apps.domain.catalog.release import read_release
from slskdn_site.demo.album import SAMPLE_RATE_HZ, SIZES, Size, album
from slskdn_site.demo.answer_folder import AnswerFolder, load_answers, release_entries
from slskdn_site.demo.answer_shapes import ReleaseFacts, TrackFacts
from slskdn_site.demo.audio_files import write_retagged_twin
from slskdn_site.demo.chromaprint import measure
from slskdn_site.demo.make_answers import ANSWERS
from slskdn_site.demo.release_music import (
    LONGEST_MS,
    MAX_TRACKS,
    SHORTEST_MS,
    Piece,
    RecordedRelease,
    ReleaseMusic,
    ReleaseMusicError,
    _too_alike,
    derived_score,
    edition_of,
    made_length_ms,
    make_release_music,
    mbid_of,
    recorded_release,
    release_body,
)
from slskdn_site.demo.run import DemoOptions, DemoRefused, _asked
from slskdn_site.demo.scores import frames_of
from slskdn_site.demo.synth import render_score
from tests.demo.conftest import Serve

INCLUDES = "artist-credits+isrcs+labels+media+recordings+release-groups"
TWO_DISCS = "748e3e26-1b4a-4ba9-a2f8-f8bf72ca532d"
PREGAPS = "bdc01183-d1c9-378f-a209-a6145fa596c9"
MANY_TRACKS = "ee99a91b-e1c2-405b-9c83-99378667f09f"


def mbid(number: int) -> str:
    return str(uuid.UUID(int=number + (4 << 76) + (8 << 60)))


def track(disc: int, position: int, recording: int, length_ms: int) -> TrackFacts:
    title = f"Title {recording} / ../\u202e" + "x" * 300
    return TrackFacts(disc, position, title, "Somebody", mbid(1), mbid(recording), mbid(1000 + recording), length_ms)


def facts(*tracks: TrackFacts) -> ReleaseFacts:
    return ReleaseFacts(mbid(2), mbid(3), "Recorded", "Somebody", mbid(1), tracks, date="1999-05-01")


# On two discs: 25 s, an hour, four seconds, and the first recording once more with another length.
RELEASE = facts(track(1, 1, 10, 25_001), track(1, 2, 11, 3_600_000), track(2, 1, 12, 4_000), track(2, 2, 10, 26_500))
FOLDER = AnswerFolder(tuple(release_entries([RELEASE])))


@pytest.fixture(scope="module")
def release() -> RecordedRelease:
    return recorded_release(mbid(2), [FOLDER])


@pytest.fixture(scope="module")
def made(release: RecordedRelease, tmp_path_factory: pytest.TempPathFactory) -> ReleaseMusic:
    folder = tmp_path_factory.mktemp("release")
    return make_release_music(release, folder / "source", answers=folder / "answers", size="small")


def test_each_track_of_the_release_has_a_file_of_its_recording(made: ReleaseMusic) -> None:
    assert made.release_mbid == mbid(2)
    assert [(one.medium, one.position, one.recording_mbid) for one in made.tracks] == [
        (1, 1, mbid(10)),
        (1, 2, mbid(11)),
        (2, 1, mbid(12)),
        (2, 2, mbid(10)),
    ]
    assert made.tracks[0].files == made.tracks[3].files
    assert {path.suffix for one in made.tracks for path in one.files} == {".flac"}


def test_files_last_what_the_release_says_within_limits(made: ReleaseMusic) -> None:
    seconds = [soundfile.info(one.files[0]).duration for one in made.tracks]
    assert seconds == pytest.approx([25.001, 30.0, 20.0, 25.001], abs=0.001)


def test_the_stand_in_lasts_as_long_as_the_track_it_is_offered_for(made: ReleaseMusic) -> None:
    lied_about = made.tracks[3].files[0]
    assert soundfile.info(made.stand_in).frames == soundfile.info(lied_about).frames
    assert made.stand_in not in {path for one in made.tracks for path in one.files}


def test_no_two_pieces_sound_alike(made: ReleaseMusic) -> None:
    paths = {made.stand_in, *(one.files[0] for one in made.tracks)}
    assert len(paths) == 4
    for first, second in itertools.combinations([decode(measure(path).fingerprint)[0] for path in paths], 2):
        comparison = same_recording(first, second)
        assert (comparison.verdict, comparison.ber > 0.3) == ("different", True)


def test_a_piece_that_sounds_like_an_earlier_one_is_to_be_made_again(made: ReleaseMusic) -> None:
    pieces = [Piece(recording_mbid=str(n), length_ms=1, path=Path(), tags={}) for n in range(3)]
    first, second = measure(made.tracks[0].files[0]), measure(made.tracks[1].files[0])
    assert _too_alike(pieces, {"0": first, "1": first, "2": second}) == [pieces[1]]
    assert _too_alike(pieces[1:], {"1": first, "2": second}) == []


def test_files_carry_the_ids_of_their_first_place(made: ReleaseMusic) -> None:
    tags = FLAC(made.tracks[2].files[0])
    assert (tags["discnumber"], tags["disctotal"], tags["tracknumber"]) == (["2"], ["2"], ["1"])
    assert tags["musicbrainz_trackid"] == [mbid(12)]
    assert tags["musicbrainz_albumid"] == [mbid(2)]
    assert tags["musicbrainz_releasegroupid"] == [mbid(3)]


def test_the_service_states_the_made_lengths_and_the_rest_as_it_was_recorded(made: ReleaseMusic, serve: Serve) -> None:
    server = serve([load_answers(made.answers), FOLDER])
    path = f"/ws/2/release/{mbid(2)}?fmt=json&inc={INCLUDES}"
    served = requests.get(server.base_url + path, timeout=5).json()
    assert [one.length_ms for _disc, one in read_release(served).tracks()] == [25_001, 30_000, 20_000, 25_001]
    assert [one.recording.length_ms for _disc, one in read_release(served).tracks()] == [25_001, 30_000, 20_000, 25_001]
    recorded = requests.get(serve([FOLDER]).base_url + path, timeout=5).json()
    assert served != recorded
    lengths = {mbid(10): 1, mbid(11): 1, mbid(12): 1}
    assert release_body(served, lengths) == release_body(recorded, lengths)


def test_the_service_knows_each_made_file_by_its_sound(made: ReleaseMusic, serve: Serve, tmp_path: Path) -> None:
    server = serve([load_answers(made.answers)])
    for one in made.tracks:
        twin = write_retagged_twin(one.files[0], tmp_path / f"{one.medium}-{one.position}.flac")
        assert named(server.base_url, twin) == [one.recording_mbid]
    (other,) = named(server.base_url, made.stand_in)
    assert other not in {one.recording_mbid for one in made.tracks}
    assert requests.get(f"{server.base_url}/ws/2/recording/{other}?fmt=json", timeout=5).json()["title"]


def named(url: str, path: Path) -> list[str]:
    measured = measure(path)
    form = {
        "client": "test",
        "meta": "recordings releasegroups compress",
        "duration": str(int(measured.duration_s)),
        "fingerprint": measured.fingerprint,
    }
    (result,) = requests.post(f"{url}/v2/lookup", data=form, timeout=5).json()["results"]
    return [recording["id"] for recording in result["recordings"]]


@pytest.mark.parametrize("size", SIZES)
def test_a_derived_score_is_the_same_every_time_and_long_enough(size: Size) -> None:
    for number in range(200):
        for length_ms in (SHORTEST_MS, LONGEST_MS[size]):
            score = derived_score(mbid(number), length_ms=length_ms, size=size)
            assert score == derived_score(mbid(number), length_ms=length_ms, size=size)
            assert frames_of(score, size) * 1000 >= length_ms * SAMPLE_RATE_HZ
    assert derived_score(mbid(1), length_ms=30_000, size=size, take=1) != derived_score(
        mbid(1), length_ms=30_000, size=size
    )


def test_a_piece_ends_in_silence_after_exactly_its_frames() -> None:
    samples = render_score(derived_score(mbid(5), length_ms=20_000, size="small"), "small", frames=20 * SAMPLE_RATE_HZ)
    assert samples.shape == (20 * SAMPLE_RATE_HZ, 2)
    assert abs(int(samples[-1].max())) < 10


def test_lengths_stay_within_limits() -> None:
    assert [made_length_ms(stated, "full") for stated in (None, 1, 187_654, 3_600_000)] == [
        240_000,
        20_000,
        187_654,
        240_000,
    ]
    assert made_length_ms(187_654, "small") == 30_000


def test_both_editions_of_our_own_album_are_known_by_their_ids() -> None:
    assert [edition_of(album(size).release_mbid) for size in SIZES] == list(SIZES)
    assert edition_of(mbid(2)) is None


def test_the_edition_that_is_asked_for_decides_the_size() -> None:
    for size in SIZES:
        options = DemoOptions(folder=Path("unused"), size="full", release=album(size).release_mbid.upper())
        assert _asked(options) == (size, None)


def test_a_release_that_no_answer_knows_is_refused_with_a_sentence() -> None:
    with pytest.raises(DemoRefused, match=f"No recorded answer knows a release {mbid(99)}"):
        _asked(DemoOptions(folder=Path("unused"), release=mbid(99)))
    with pytest.raises(DemoRefused, match="is no MusicBrainz id"):
        _asked(DemoOptions(folder=Path("unused"), release="OK Computer"))
    with pytest.raises(DemoRefused, match=r"index\.json"):
        _asked(DemoOptions(folder=Path("unused"), release=mbid(99), fixtures=Path("nowhere")))
    with pytest.raises(DemoRefused, match="leave out --mb-release"):
        _asked(DemoOptions(folder=Path("unused"), release=mbid(99), music=Path("nowhere")))


def test_a_release_with_too_many_tracks_is_refused_with_their_number() -> None:
    many = facts(*(track(1, number, 10 + number, 1000) for number in range(1, MAX_TRACKS + 2)))
    with pytest.raises(ReleaseMusicError, match=r"has 31 tracks; .* at most 30"):
        recorded_release(mbid(2), [AnswerFolder(tuple(release_entries([many])))])


def test_an_answer_without_tracks_is_refused() -> None:
    with pytest.raises(ReleaseMusicError, match="no list of tracks"):
        recorded_release(mbid(2), [AnswerFolder(tuple(release_entries([facts()])))])


def test_the_fullest_answer_is_taken_and_a_broken_one_passed_over() -> None:
    (whole, *_others) = release_entries([RELEASE])
    bare = replace(whole, query={"fmt": "json", "inc": "recordings"}, inc_available=None)
    broken = replace(whole, body=b"<html>")
    failed = replace(whole, status=503)
    found = recorded_release(mbid(2), [AnswerFolder((bare, broken, failed)), AnswerFolder((whole,))])
    assert found.includes == whole.incs


def test_a_release_that_was_merged_is_served_under_both_ids(tmp_path: Path, serve: Serve) -> None:
    (whole, *_others) = release_entries([facts(track(1, 1, 10, 20_000))])
    merged = replace(whole, path=f"/ws/2/release/{mbid(77)}")
    release = recorded_release(mbid(77), [AnswerFolder((merged,))])
    music = make_release_music(release, tmp_path / "source", answers=tmp_path / "answers", size="small")
    server = serve([load_answers(music.answers)])
    for one in (mbid(77), mbid(2)):
        body = requests.get(f"{server.base_url}/ws/2/release/{one}?fmt=json&inc={INCLUDES}", timeout=5).json()
        assert body["id"] == music.release_mbid == mbid(2)


def test_an_id_is_read_as_a_person_types_it() -> None:
    assert mbid_of(f"  {mbid(10).upper()} ") == mbid(10)


@pytest.mark.parametrize(
    ("asked", "places"),
    [
        (TWO_DISCS, [(1, 1), (1, 2), (2, 1), (2, 2)]),
        (PREGAPS, [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3)]),
    ],
)
def test_a_really_recorded_release_is_made_and_served(
    recorded: Path, serve: Serve, tmp_path: Path, asked: str, places: list[tuple[int, int]]
) -> None:
    folders = [load_answers(ANSWERS), load_answers(recorded)]
    release = recorded_release(asked, folders)
    made = make_release_music(release, tmp_path / "source", answers=tmp_path / "answers", size="small", processes=2)
    assert [(one.medium, one.position) for one in made.tracks] == places
    server = serve([load_answers(made.answers), *folders])
    answer = requests.get(f"{server.base_url}/ws/2/release/{asked}?fmt=json&inc={INCLUDES}", timeout=5)
    for (medium, one), offered in zip(read_release(json.loads(answer.content)).tracks(), made.tracks, strict=True):
        assert (medium.position, one.position) == (offered.medium, offered.position)
        assert str(one.recording.mbid) == offered.recording_mbid
        assert one.length_ms == pytest.approx(soundfile.info(offered.files[0]).duration * 1000, abs=1)
        assert named(server.base_url, offered.files[0]) == [offered.recording_mbid]


def test_a_really_recorded_release_of_many_tracks_is_refused(recorded: Path) -> None:
    with pytest.raises(ReleaseMusicError, match="has 39 tracks"):
        recorded_release(MANY_TRACKS, [load_answers(recorded)])
