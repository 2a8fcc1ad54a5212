"""Manifests: written and read back, read as people write them, and refused with the line of what is wrong."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.errors import DomainError
from apps.domain.jobs.constraints import Constraints, TrackRef
from apps.domain.jobs.job_manifest import (
    JobManifest,
    ManifestInvalid,
    ManifestTrack,
    ManifestType,
    TrackProgress,
    export_text,
    manifest_yaml,
    read_manifests,
    unlined,
)
from apps.domain.jobs.marked_yaml import MAX_BYTES
from apps.domain.jobs.selection import Selection
from apps.domain.jobs.sentences import sentence

ID = uuid.UUID("0f4de638-56f3-4a0f-b8fa-64f85c6b6a8f")
TARGET = uuid.UUID("c0d0c0a4-4a26-4d74-9c02-67c9321b3b22")
AT = datetime(2026, 1, 31, 15, 30, tzinfo=UTC)

RELEASE = JobManifest(
    job_id=ID,
    type=ManifestType.MB_RELEASE,
    target=TARGET,
    title="Loveless: a title",
    artist="Björk & the 'quotes'",
    year="1991",
    constraints=Constraints(preferred_codecs=("flac",), allow_lossy=False, tracks=(TrackRef(medium=1, position=2),)),
    tracks=(
        ManifestTrack(
            medium=1,
            position=1,
            title="no",
            recording_mbid=TARGET,
            track_mbid=ID,
            duration_ms=282000,
            progress=TrackProgress.COMPLETED,
        ),
        ManifestTrack(medium=1, position=2, title="1999"),
    ),
    created_at=AT,
    created_by="admin",
    state="running",
    started_at=AT + timedelta(seconds=5),
)
CHILD = replace(RELEASE, job_id=uuid.uuid5(ID, "child"), parent=ID, created_by="")
DISCOGRAPHY = JobManifest(
    job_id=ID,
    type=ManifestType.DISCOGRAPHY,
    target=TARGET,
    artist="My Bloody Valentine",
    selection=Selection(profile="extended", countries=("GB",), exclude_live=False),
    created_at=AT,
    state="completed",
    completed_at=AT + timedelta(days=2),
    children=(CHILD, replace(CHILD, job_id=uuid.uuid5(ID, "other"))),
)
CRATE = JobManifest(
    job_id=ID,
    type=ManifestType.LABEL_CRATE,
    target=None,
    selection=Selection(label_name="4AD", limit_releases=10),
    created_at=AT,
    imported_from=TARGET,
)
RECORDING = JobManifest(job_id=ID, type=ManifestType.RECORDING, target=TARGET, title="Loomer", created_at=AT)
DISCOGS = JobManifest(job_id=ID, type=ManifestType.MB_RELEASE, target=None, discogs_release_id=249504, created_at=AT)


@pytest.mark.parametrize(
    "manifest", [RELEASE, DISCOGRAPHY, CRATE, RECORDING, DISCOGS], ids=lambda one: one.file_name[:12]
)
def test_what_is_written_is_read_back(manifest: JobManifest) -> None:
    text = manifest_yaml(manifest)
    assert tuple(unlined(one) for one in read_manifests(text)) == (manifest,)
    assert manifest_yaml(unlined(read_manifests(text)[0])) == text


def test_several_jobs_stand_in_one_file_and_know_their_lines() -> None:
    found = read_manifests("---\n".join([manifest_yaml(RECORDING), manifest_yaml(CRATE)]))
    assert [one.type for one in found] == [ManifestType.RECORDING, ManifestType.LABEL_CRATE]
    assert found[0].line == 1
    assert found[1].line == manifest_yaml(RECORDING).count("\n") + 2


def test_a_thousand_albums_stay_below_what_an_import_takes_and_more_than_that_is_not_exported() -> None:
    def albums(count: int) -> JobManifest:
        song = ManifestTrack(
            medium=1, position=1, title="A song of a usual length", recording_mbid=TARGET, track_mbid=TARGET,
            duration_ms=200_000,
        )  # fmt: skip
        songs = tuple(replace(song, position=position) for position in range(1, 13))
        child = replace(CHILD, tracks=songs)
        return replace(
            DISCOGRAPHY, children=tuple(replace(child, job_id=uuid.uuid5(ID, str(at))) for at in range(count))
        )

    text = export_text([albums(1000)])
    assert 3_000_000 < len(text.encode()) < MAX_BYTES // 2
    assert len(read_manifests(text)[0].children) == 1000
    with pytest.raises(DomainError) as refused:
        export_text(
            [albums(1000), *(replace(one, job_id=uuid.uuid5(one.job_id, "2")) for one in albums(2300).children)]
        )
    assert refused.value.code == "manifest_export_too_large"
    says = sentence(refused.value.code, refused.value.params)
    assert "an import takes 10 MB" in says and "jobs restore" in says


def test_no_path_but_the_target_folder_and_no_name_of_a_peer_is_written() -> None:
    text = manifest_yaml(RELEASE) + manifest_yaml(DISCOGRAPHY)
    words = set(text.replace(":", " ").split())
    assert not words & {"placed_path", "path", "peer", "username", "token", "password", "secret", "idempotency_key"}


BY_HAND = """\
manifest_version: 1
job_id: 0F4DE638-56f3-4a0f-b8fa-64f85c6b6a8f
type: mb_release
mb_release_id: c0d0c0a4-4a26-4d74-9c02-67c9321b3b22
title: 1999
year: 1982
x-note: found at the flea market
tracks:
  - position: 1
    title: yes
  - position: 2
constraints:
  preferred_codecs: [flac]
created_at: 2025-12-09 15:30:00
status:
  completed_tracks: [1]
"""


def test_a_manifest_written_by_hand_is_understood() -> None:
    (found,) = read_manifests(BY_HAND)
    assert (found.job_id, found.title, found.year) == (ID, "1999", "1982")
    assert found.created_at == datetime(2025, 12, 9, 15, 30, tzinfo=UTC)
    assert [(one.medium, one.position, one.title, one.progress.value) for one in found.tracks] == [
        (1, 1, "yes", "completed"),
        (1, 2, "", "pending"),
    ]
    assert found.constraints.preferred_codecs == ("flac",)


def test_codecs_are_understood_however_they_are_written() -> None:
    (found,) = read_manifests(BY_HAND.replace("[flac]", "[FLAC, Mp3]"))
    assert found.constraints.preferred_codecs == ("flac", "mp3")
    with pytest.raises(ManifestInvalid, match="names a codec twice"):
        read_manifests(BY_HAND.replace("[flac]", "[FLAC, flac]"))


def test_a_newer_minor_version_may_say_more_and_a_newer_major_is_refused() -> None:
    newer = BY_HAND.replace("manifest_version: 1", "manifest_version: 1.7").replace("x-note", "mood")
    assert read_manifests(newer)[0].job_id == ID
    with pytest.raises(ManifestInvalid) as caught:
        read_manifests(BY_HAND.replace("manifest_version: 1", 'manifest_version: "2.0"'))
    assert (caught.value.code, caught.value.params["line"]) == ("manifest_version_newer", 1)


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("manifest_version: 1\n", "", "manifest_version_missing", 1),
        ("manifest_version: 1", "manifest_version: soon", "manifest_version_missing", 1),
        ("manifest_version: 1", "manifest_version: 0.9", "manifest_version_newer", 1),
        ("type: mb_release", "type: mixtape", "manifest_type_unknown", 3),
        ("type: mb_release\n", "", "manifest_type_unknown", 1),
        ("mb_release_id: c0", "mb_recording_id: c0", "manifest_id_missing", 1),
        ("b3b22\n", "b3b2\n", "manifest_id_invalid", 4),
        ("mb_release_id: c0d0c0a4-4a26-4d74-9c02-67c9321b3b22", "mb_release_id: 12", "manifest_id_invalid", 4),
        ("job_id: 0F4DE638-56f3-4a0f-b8fa-64f85c6b6a8f\n", "", "manifest_id_missing", 1),
        ("x-note", "note", "manifest_field_unknown", 7),
        ("title: 1999", "title: [1999]", "manifest_field_invalid", 5),
        ("title: 1999", 'title: "a\\nb"', "manifest_field_invalid", 5),
        ("position: 2", "position: two", "manifest_field_invalid", 11),
        ("position: 2", "position: 1", "manifest_field_invalid", 11),
        ("position: 2", "place: 2", "manifest_field_unknown", 11),
        ("preferred_codecs: [flac]", "preferred_codecs: [midi]", "manifest_field_invalid", 13),
        ("preferred_codecs: [flac]", "target_dir: ../../etc", "manifest_field_invalid", 13),
        ("preferred_codecs: [flac]", "password: x", "manifest_field_invalid", 13),
        ("2025-12-09 15:30:00", "yesterday", "manifest_field_invalid", 14),
        ("created_at: 2025-12-09 15:30:00\n", "", "manifest_field_missing", 1),
        ("completed_tracks: [1]", "completed_tracks: [one]", "manifest_field_invalid", 16),
        ("completed_tracks: [1]", "children: []", "manifest_field_unknown", 16),
        ("x-note: found at the flea market", "selection: {}", "manifest_field_unknown", 7),
        ("x-note: found at the flea market", "children: []", "manifest_child_type", 7),
    ],
)
def test_a_broken_manifest_is_refused_with_its_line(old: str, new: str, code: str, line: int) -> None:
    assert old in BY_HAND
    with pytest.raises(ManifestInvalid) as caught:
        read_manifests(BY_HAND.replace(old, new))
    assert (caught.value.code, caught.value.params["line"]) == (code, line)


@pytest.mark.parametrize("text", ["", "---\n---\n", "# only a comment\n"])
def test_a_file_without_a_job_is_refused(text: str) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        read_manifests(text)
    assert caught.value.code == "manifest_empty"


@pytest.mark.parametrize("text", ["- a\n", "just words\n", "3\n"])
def test_what_is_no_mapping_is_no_job(text: str) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        read_manifests(text)
    assert caught.value.code == "manifest_not_a_mapping"


def test_children_are_releases_each_with_an_id_of_its_own() -> None:
    twice = manifest_yaml(replace(DISCOGRAPHY, children=(CHILD, CHILD)))
    with pytest.raises(ManifestInvalid) as caught:
        read_manifests(twice)
    assert caught.value.code == "manifest_id_invalid"
    with pytest.raises(ManifestInvalid) as caught:
        read_manifests(manifest_yaml(replace(DISCOGRAPHY, children=(replace(CRATE, job_id=CHILD.job_id),))))
    assert caught.value.code == "manifest_child_type"


def test_a_child_without_a_time_of_its_own_has_its_parents() -> None:
    lines = [line for line in manifest_yaml(DISCOGRAPHY).splitlines() if "  created_at" not in line]
    (found,) = read_manifests("\n".join(lines))
    assert {child.created_at for child in found.children} == {AT}
    assert {child.parent for child in found.children} == {ID}


@given(st.text("abz: -[]{}'\"\n#&*!|>1~", max_size=120).map(lambda tail: BY_HAND[:60] + tail) | st.text(max_size=200))
def test_any_text_is_a_manifest_or_a_told_refusal(text: str) -> None:
    try:
        read_manifests(text)
    except DomainError as error:
        assert error.code.startswith("manifest_")
