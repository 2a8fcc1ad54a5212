"""The published schema and the reader agree: what is written is let through by both, what one refuses the other refuses too."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import jsonschema  # type: ignore[import-untyped]
import pytest

from apps.domain.errors import DomainError
from apps.domain.jobs.job_manifest import JobManifest, manifest_yaml, read_manifests
from apps.domain.jobs.marked_yaml import read_documents
from slskdn_site.cli.docs import documents
from slskdn_site.manifest_docs import manifest_document, manifest_schema, schema_document
from tests.domain.jobs.test_job_manifest import BY_HAND, CRATE, DISCOGRAPHY, DISCOGS, RECORDING, RELEASE

VALIDATOR = jsonschema.Draft202012Validator(manifest_schema())


def faults(text: str) -> list[str]:
    return [error.message for document in read_documents(text) for error in VALIDATOR.iter_errors(document.plain())]


def test_the_schema_is_one_and_is_published() -> None:
    jsonschema.Draft202012Validator.check_schema(manifest_schema())
    assert json.loads(schema_document()) == manifest_schema()
    assert {"docs/job-manifest.md", "docs/job-manifest.schema.json"} <= set(documents())


@pytest.mark.parametrize("manifest", [RELEASE, RECORDING, DISCOGRAPHY, CRATE, DISCOGS], ids=lambda one: one.type)
def test_what_is_written_fits(manifest: JobManifest) -> None:
    assert faults(manifest_yaml(manifest)) == []


def test_what_people_write_and_what_the_description_shows_fits() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", manifest_document(), re.DOTALL)
    assert len(shown) == 2
    for text in (BY_HAND, *shown):
        assert faults(text) == []
        assert read_manifests(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("manifest_version: 1\n", ""),
        ("type: mb_release", "type: mixtape"),
        ("type: mb_release", "type: recording"),
        ("type: mb_release", "type: label_crate"),
        ("type: mb_release\n", ""),
        ("mb_release_id: c0", "mb_recording_id: c0"),
        ("b3b22\n", "b3b2\n"),
        ("job_id: 0F4DE638-56f3-4a0f-b8fa-64f85c6b6a8f\n", ""),
        ("x-note", "note"),
        ("title: 1999", "title: [1999]"),
        ("title: yes", "title: {a: b}"),
        ("position: 2", "position: two"),
        ("position: 2", "position: -1"),
        ("position: 2", "place: 2"),
        ("preferred_codecs: [flac]", "preferred_codecs: [midi]"),
        ("preferred_codecs: [flac]", "preferred_codecs: flac"),
        ("preferred_codecs: [flac]", "password: x"),
        ("preferred_codecs: [flac]", "x-own: x"),
        ("preferred_codecs: [flac]", "better_than: 2"),
        ("preferred_codecs: [flac]", "download_mode: all"),
        ("created_at: 2025-12-09 15:30:00\n", ""),
        ("completed_tracks: [1]", "completed_tracks: [one]"),
        ("completed_tracks: [1]", "state: soon"),
        ("completed_tracks: [1]", "children: []"),
        ("x-note: found at the flea market", "selection: {}"),
        ("x-note: found at the flea market", "children: []"),
    ],
)
def test_what_the_reader_refuses_the_schema_refuses(old: str, new: str) -> None:
    text = BY_HAND.replace(old, new)
    assert text != BY_HAND
    with pytest.raises(DomainError):
        read_manifests(text)
    assert faults(text)


def test_every_key_that_is_written_is_described() -> None:
    def keys(value: object) -> set[str]:
        if isinstance(value, Mapping):
            return set(value) | {key for item in value.values() for key in keys(item)}
        return {key for item in value for key in keys(item)} if isinstance(value, list) else set()

    said = schema_document()
    for manifest in (RELEASE, DISCOGRAPHY, CRATE):
        for document in read_documents(manifest_yaml(manifest)):
            assert all(f'"{key}"' in said for key in keys(document.plain()))
