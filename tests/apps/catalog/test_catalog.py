"""A release goes into rows and comes out as the same value; a second look replaces the first."""

from __future__ import annotations

import dataclasses
import importlib
import json
import uuid
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.catalog.models import Medium, MergedMbid, Release, Track
from apps.catalog.selectors import recording_facts, release_facts
from apps.catalog.services import recording_store, release_store
from apps.domain.catalog.release import ReleaseFacts, read_release
from tests.workers.conftest import ANSWERS

pytestmark = pytest.mark.django_db

FACTS = [
    read_release(json.loads(path.read_text()))
    for path in sorted((ANSWERS / "musicbrainz/ws/2/release").glob("????????-*.json"))
]


@pytest.mark.parametrize("facts", FACTS, ids=lambda facts: str(facts.mbid)[:8])
def test_what_is_stored_is_what_is_read(facts: ReleaseFacts) -> None:
    release_store(facts)
    release_store(facts)
    read = release_facts(facts.mbid)
    assert read is not None
    # The one thing a release keeps no row for: the secondary types of its group, which only ranking needs.
    group = dataclasses.replace(facts.group, secondary_types=()) if facts.group else None
    assert read == dataclasses.replace(facts, group=group)


def test_a_release_is_read_in_few_queries_however_long_it_is() -> None:
    release_store(FACTS[0])
    with CaptureQueriesContext(connection) as queries:
        release_facts(FACTS[0].mbid)
    assert len(queries) <= 5


def test_a_stale_release_is_asked_for_again_but_still_there() -> None:
    release_store(FACTS[0])
    Release.objects.update(fetched_at=timezone.now() - timedelta(days=31))
    assert release_facts(FACTS[0].mbid) is None
    assert release_facts(FACTS[0].mbid, fresh_for=None) is not None
    assert release_facts(uuid.uuid4()) is None


def test_a_changed_tracklist_replaces_the_old_one() -> None:
    facts = FACTS[0]
    release_store(facts)
    medium = facts.media[0]
    shorter = dataclasses.replace(facts, media=(dataclasses.replace(medium, tracks=medium.tracks[:2]),))
    release_store(shorter)
    assert (
        Medium.objects.filter(release_id=facts.mbid).count(),
        Track.objects.filter(medium__release_id=facts.mbid).count(),
    ) == (1, 2)


def test_a_merged_release_remembers_what_it_was_asked_for_as() -> None:
    old = uuid.uuid4()
    release_store(FACTS[0], asked_for=old)
    release_store(FACTS[0])
    assert Release.objects.get(mbid=FACTS[0].mbid).redirected_from == [str(old)]


def test_what_was_merged_is_found_by_its_old_mbid_without_asking_again() -> None:
    old, older = uuid.uuid4(), uuid.uuid4()
    facts = FACTS[0]
    release_store(dataclasses.replace(facts, mbid=old), asked_for=older)
    assert release_facts(older) == release_facts(old)
    Release.objects.filter(mbid=old).update(fetched_at=timezone.now() - timedelta(days=999))
    assert release_facts(old) is None  # too old, so somebody asks …
    release_store(facts, asked_for=old)  # … and hears that it is another one now
    with CaptureQueriesContext(connection) as queries:
        assert release_facts(facts.mbid) == facts
    with CaptureQueriesContext(connection) as more:
        assert release_facts(old) == facts
    assert len(more) <= len(queries) + 2
    assert release_facts(older) == facts  # what was merged into the merged one, too
    assert release_facts(old, fresh_for=None) == facts
    _, track = next(facts.tracks())
    recording_store(track.recording, asked_for=old)
    assert recording_facts(old) == track.recording


def test_a_merge_that_was_taken_back_is_forgotten() -> None:
    old = uuid.uuid4()
    release_store(FACTS[0], asked_for=old)
    release_store(dataclasses.replace(FACTS[0], mbid=old), asked_for=old)
    found = release_facts(old)
    assert found is not None
    assert found.mbid == old
    assert not MergedMbid.objects.exists()


def test_what_releases_remembered_of_merges_is_found_after_the_update() -> None:
    old = uuid.uuid4()
    release_store(FACTS[0], asked_for=old)
    MergedMbid.objects.all().delete()
    fill = importlib.import_module("apps.catalog.migrations.0005_fill_merged_mbids").fill
    for _ in range(2):
        fill(apps, None)
    found = release_facts(old)
    assert found is not None
    assert found.mbid == FACTS[0].mbid


def test_a_recording_stands_alone() -> None:
    _, track = next(FACTS[0].tracks())
    recording_store(track.recording)
    assert recording_facts(track.recording.mbid) == track.recording
    assert recording_facts(uuid.uuid4()) is None
