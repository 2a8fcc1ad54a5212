from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import requests
import soundfile
from mutagen.flac import FLAC

from slskdn_site.demo.album import album
from slskdn_site.demo.audio_files import write_mp3
from slskdn_site.demo.chromaprint import measure
from slskdn_site.demo.music_folder import MusicFolderError, folder_answers, main, read_music_folder
from slskdn_site.demo.synth import AlbumFile, render
from tests.demo.conftest import Serve

NINE = ("209a4536-97ac-4e8a-aff1-1d39d029044b", "30f3f33e-8d0c-4e69-8539-cbd701d18f28")


@pytest.fixture
def music(tmp_path: Path, small_files: tuple[AlbumFile, ...]) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    for made in small_files[:2]:
        shutil.copy(made.path, folder)
    return folder


def strip_mbids(path: Path) -> None:
    flac = FLAC(path)
    for key in [key for key in flac if key.startswith("musicbrainz_")]:
        del flac[key]
    flac.save()


def test_mbids_in_tags_are_kept(music: Path) -> None:
    facts = album("small")
    read = read_music_folder(music)
    assert read.release.release_mbid == facts.release_mbid
    assert read.release.release_group_mbid == facts.release_group_mbid
    assert [track.recording_mbid for track in read.release.tracks] == [t.recording_mbid for t in facts.tracks[:2]]
    assert [track.title for track in read.release.tracks] == ["First Ferry", "Salt on the Stairs"]
    assert read.release.date == facts.date
    assert read.left_out == ()


def test_without_mbids_the_ids_are_made_from_the_words_and_stay_the_same(music: Path) -> None:
    for path in music.iterdir():
        strip_mbids(path)
    first, second = read_music_folder(music).release, read_music_folder(music).release
    assert first == second
    assert first.release_mbid != album("small").release_mbid
    assert len({track.recording_mbid for track in first.tracks}) == 2


def test_two_codecs_of_one_title_are_two_variants_of_one_track(music: Path) -> None:
    facts = album("small")
    track = facts.track(1)
    write_mp3(music / "same song.mp3", render(track, "small"), album=facts, track=track)
    strip_mbids(next(music.glob("01*.flac")))
    read = read_music_folder(music)
    assert len(read.release.tracks) == 2
    assert [file.codec for file in read.variants(read.release.tracks[0])] == ["flac", "mp3"]
    assert read.release.tracks[0].recording_mbid == track.recording_mbid


def test_a_file_without_a_number_joins_its_namesake(music: Path) -> None:
    copy = music / "unnumbered.flac"
    shutil.copy(next(music.glob("01*.flac")), copy)
    flac = FLAC(copy)
    del flac["tracknumber"]
    flac.save()
    read = read_music_folder(music)
    assert [len(read.variants(track)) for track in read.release.tracks] == [2, 1]


def test_what_is_left_out_is_named_with_its_reason(music: Path, small_files: tuple[AlbumFile, ...]) -> None:
    (music / "cover.jpg").write_bytes(b"\xff\xd8")
    (music / "broken.flac").write_bytes(b"fLaC but not really")
    (music / "empty.mp3").write_bytes(b"")
    untitled = music / "untitled.flac"
    shutil.copy(small_files[2].path, untitled)
    flac = FLAC(untitled)
    del flac["title"]
    flac.save()
    other = music / "other.flac"
    shutil.copy(small_files[3].path, other)
    flac = FLAC(other)
    flac["album"] = "Another Album"
    flac["musicbrainz_albumid"] = "3f0b8f0a-0000-4000-8000-000000000001"
    flac.save()
    truncated = music / "headonly.flac"
    truncated.write_bytes(small_files[4].path.read_bytes()[:9000])
    reasons = {one.path.name: one.reason for one in read_music_folder(music).left_out}
    assert reasons["cover.jpg"] == "neither FLAC nor MP3"
    assert reasons["broken.flac"].startswith("unreadable")
    assert reasons["empty.mp3"].startswith("unreadable")
    assert reasons["untitled.flac"] == "no title tag"
    assert reasons["other.flac"] == "belongs to another album"
    assert len(read_music_folder(music).release.tracks) == 2 + ("headonly.flac" not in reasons)


def test_a_name_that_looks_like_a_protocol_or_an_option_is_only_a_name(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(music)
    Path(next(music.glob("01*.flac"))).rename(music / "concat:a|b.flac")
    Path(next(music.glob("02*.flac"))).rename(music / "-y.flac")
    assert len(read_music_folder(Path()).files) == 2


def test_an_mbid_tag_that_is_none_is_not_taken(music: Path) -> None:
    flac = FLAC(next(music.glob("01*.flac")))
    flac["musicbrainz_trackid"] = "../../etc/passwd"
    flac.save()
    recording = read_music_folder(music).release.tracks[0].recording_mbid
    assert len(recording) == 36
    assert "/" not in recording


def test_two_tracks_that_claim_one_number_get_two(music: Path) -> None:
    flac = FLAC(next(music.glob("02*.flac")))
    flac["tracknumber"] = "1"
    flac.save()
    assert [track.position for track in read_music_folder(music).release.tracks] == [1, 2]


def test_a_folder_without_music_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(MusicFolderError, match="is no folder"):
        read_music_folder(tmp_path / "nowhere")
    soundfile.write(tmp_path / "tone.flac", [0.0] * 44_100, 44_100)
    with pytest.raises(MusicFolderError, match=r"tone\.flac: no title tag"):
        read_music_folder(tmp_path)


def test_the_service_answers_for_the_folder(music: Path, serve: Serve) -> None:
    for path in music.iterdir():
        strip_mbids(path)
    read = read_music_folder(music)
    server = serve([folder_answers(read)])
    url = f"{server.base_url}/ws/2/release/{read.release.release_mbid}?fmt=json&inc=recordings+artist-credits"
    tracks = requests.get(url, timeout=5).json()["media"][0]["tracks"]
    assert [one["recording"]["id"] for one in tracks] == [track.recording_mbid for track in read.release.tracks]
    measured = measure(read.files[0].path)
    form = {
        "client": "k",
        "meta": "recordings",
        "duration": str(int(measured.duration_s)),
        "fingerprint": measured.fingerprint,
    }
    found = requests.post(f"{server.base_url}/v2/lookup", data=form, timeout=5).json()
    assert found["results"][0]["recordings"][0]["id"] == read.files[0].track.recording_mbid


def test_the_command_tells_what_it_would_make(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(music)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["title"] for one in told["files"]] == ["First Ferry", "Salt on the Stairs"]


def test_real_recordings_get_the_ids_of_the_recorded_lookup(recorded: Path) -> None:
    read = read_music_folder(recorded / "audio" / "lidarr", fixtures=recorded)
    assert [(file.path.name, file.codec, file.recorded_ids) for file in read.files] == [
        ("nin.flac", "flac", NINE),
        ("nin.mp3", "mp3", NINE),
    ]
    assert [(track.title, track.recording_mbid) for track in read.release.tracks] == [("999,999", NINE[0])]
    assert [(one.path.name, one.reason) for one in read.left_out] == [("nin.wma", "neither FLAC nor MP3")]


def test_real_recordings_work_without_recorded_lookups_too(recorded: Path) -> None:
    read = read_music_folder(recorded / "audio" / "lidarr")
    assert len(read.files) == 2
    assert len(read.release.tracks) == 1
    assert read.release.tracks[0].recording_mbid not in NINE
