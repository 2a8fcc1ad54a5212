"""The committed folder of answers agrees with the album that the synthesiser makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps.domain.audio.fingerprint import decode, same_recording
from slskdn_site.demo.album import album
from slskdn_site.demo.answer_folder import AnswerFolderError, canonical_query, load_answers, write_answers
from slskdn_site.demo.chromaprint import measure
from slskdn_site.demo.make_answers import ANSWERS, musicbrainz_entries
from slskdn_site.demo.synth import AlbumFile


def test_the_committed_musicbrainz_answers_are_what_the_facts_say() -> None:
    committed = {
        (entry.path, tuple(entry.query.items())): json.loads(entry.read())
        for entry in load_answers(ANSWERS).entries
        if entry.service == "musicbrainz"
    }
    made = {(entry.path, tuple(entry.query.items())): json.loads(entry.read()) for entry in musicbrainz_entries()}
    assert committed == made


def test_the_committed_fingerprints_are_those_of_the_rendered_files(small_files: tuple[AlbumFile, ...]) -> None:
    known = [entry for entry in load_answers(ANSWERS).entries if entry.fingerprint]
    assert len(known) == 18
    for made in small_files:
        measured = measure(made.path)
        same = [
            entry
            for entry in known
            if same_recording(decode(entry.fingerprint)[0], decode(measured.fingerprint)[0]).verdict == "same"
        ]
        assert [json.loads(e.read())["results"][0]["recordings"][0]["id"] for e in same] == [made.track.recording_mbid]
        assert abs(same[0].duration_s - measured.duration_s) < 1


def test_a_release_answer_names_every_recording_with_its_length() -> None:
    facts = album("full")
    entry = next(e for e in load_answers(ANSWERS).entries if e.path == f"/ws/2/release/{facts.release_mbid}")
    body = json.loads(entry.read())
    tracks = body["media"][0]["tracks"]
    assert [t["recording"]["id"] for t in tracks] == [t.recording_mbid for t in facts.tracks]
    assert [t["length"] for t in tracks] == [t.length_ms for t in facts.tracks]
    assert [t["recording"]["isrcs"] for t in tracks] == [[t.isrc] for t in facts.tracks]
    assert body["release-group"]["id"] == facts.release_group_mbid
    assert body["label-info"][0]["catalog-number"] == "PIER 004"


def test_a_written_folder_reads_back_the_same(tmp_path: Path) -> None:
    before = load_answers(ANSWERS).entries
    write_answers(tmp_path, before, provenance="test")
    after = load_answers(tmp_path).entries
    assert [(e.path, e.query, e.incs, e.fingerprint, e.duration_s) for e in after] == [
        (e.path, e.query, e.incs, e.fingerprint, e.duration_s) for e in before
    ]
    assert [json.loads(e.read()) for e in after] == [json.loads(e.read()) for e in before]


def test_a_folder_without_index_says_so(tmp_path: Path) -> None:
    with pytest.raises(AnswerFolderError, match=r"index\.json"):
        load_answers(tmp_path)


def test_queries_are_canonical() -> None:
    pairs = [("inc", "media artist-credits+isrcs"), ("fmt", "json"), ("client", "secret"), ("key", "k")]
    assert canonical_query(pairs) == {"fmt": "json", "inc": "artist-credits+isrcs+media"}
    assert canonical_query([("inc", ""), ("meta", "recordings compress")]) == {"meta": "compress+recordings"}
