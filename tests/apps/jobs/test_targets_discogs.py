"""A release that only Discogs has, as a target: its tracks, what stands for them, and how sure that is."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.catalog.services_discogs import discogs_store, link_learned
from apps.domain.catalog.discogs import read_release
from apps.domain.catalog.identity import discogs_id
from apps.domain.catalog.links import DiscogsKind, EntityKind
from apps.domain.jobs.targets import HeldState, TargetKind, TargetState
from apps.jobs.models import AlbumTarget, Job
from apps.jobs.selectors_targets import target_view
from apps.jobs.services import job_create
from apps.jobs.services_targets import target_choose, target_get_missing, targets_count
from slskdn_site.demo.metadata_service.discogs import ANSWERS
from tests.apps.library.doctor_rows import file, release
from tests.workers.test_discogs_jobs import held

pytestmark = pytest.mark.django_db

NUMBER = 9_000_001
DERIVED = discogs_id("release", NUMBER)


@pytest.fixture(autouse=True)
def known() -> None:
    discogs_store(DiscogsKind.RELEASE, read_release(ANSWERS["/releases/9000001"]))


def some_held() -> None:
    held("Apologies For Absence", 185_000)
    held("Matters Arising", 160_000, audio="same")
    held("Matters Arising", 160_000, folder="Copies", audio="same")


def test_every_track_says_how_sure_it_is() -> None:
    some_held()
    view = target_view(TargetKind.RELEASE, DERIVED)
    assert (view.state, view.source, view.source_ref) == (TargetState.PARTIAL, "discogs", str(NUMBER))
    assert (view.title, view.artist, view.year) == ("Minutes Of The Tide Board", "Harbour Committee", "1986")
    told = [(one.state, one.verification, one.code) for one in view.tracks]
    assert told == [
        (HeldState.HELD, "duration", "target_by_duration"),
        (HeldState.HELD, "consensus", "target_by_consensus"),
        *[(HeldState.MISSING, "", "")] * 4,
    ]
    first = view.tracks[0].file
    assert first is not None
    assert first.path.endswith("Apologies For Absence")
    assert view.extra == ()


def test_it_is_chosen_counted_and_asked_for() -> None:
    target_choose("release", DERIVED)
    row = AlbumTarget.objects.get()
    assert (row.source, row.source_ref, row.mbid, row.state, row.tracks) == (
        "discogs",
        str(NUMBER),
        DERIVED,
        "absent",
        6,
    )
    some_held()
    from django.utils import timezone

    AlbumTarget.objects.update(counted_at=None)
    assert targets_count(now=timezone.now()) == 1
    row.refresh_from_db()
    assert (row.state, row.held, row.missing) == ("partial", 2, 4)
    made = target_get_missing("release", DERIVED)
    job = Job.objects.get(id=made.id)
    assert (job.target_source, job.target_ref) == ("discogs", str(NUMBER))
    assert len(job.constraints["tracks"]) == 4


def test_other_targets_know_their_level_too() -> None:
    made = release(7, tracks=2)
    file(7, 1)
    view = target_view(TargetKind.RELEASE, made.mbid)
    assert [one.verification for one in view.tracks] == ["fingerprint", ""]
    assert (view.source, view.source_ref) == ("musicbrainz", "")


def test_a_release_of_musicbrainz_shows_its_page_at_discogs(admin_client: Client) -> None:
    made = release(7, tracks=2)
    link_learned(EntityKind.RELEASE, made.mbid, "https://www.discogs.com/release/42")
    page = admin_client.get(f"/targets/release/{made.mbid}").content.decode()
    assert 'href="https://www.discogs.com/release/42"' in page
    assert "no fingerprint proves them" not in page


def test_the_api_tells_source_and_level(viewer_api: APIClient) -> None:
    some_held()
    told: Any = viewer_api.get(f"/api/targets/release/{DERIVED}").json()
    assert (told["source"], told["source_ref"]) == ("discogs", str(NUMBER))
    assert [one["verification"] for one in told["tracks"][:3]] == ["duration", "consensus", ""]


def test_asking_and_the_job_call_it_by_its_number(admin_client: Client, viewer_api: APIClient) -> None:
    asked = admin_client.get("/ask", {"kind": "mb_release", "mbid": str(DERIVED)}).content.decode()
    assert "Minutes Of The Tide Board" in asked
    assert f"Discogs release {NUMBER}" in asked
    assert "MusicBrainz is asked when you press" not in asked
    made = job_create(kind="mb_release", target_mbid=DERIVED)
    page = admin_client.get(f"/jobs/{made.id}").content.decode()
    assert f"Discogs release {NUMBER}" in page
    told: Any = viewer_api.get(f"/api/jobs/{made.id}").json()
    assert (told["target_source"], told["target_ref"]) == ("discogs", str(NUMBER))


def test_its_page_says_that_no_fingerprint_proves_it(admin_client: Client) -> None:
    some_held()
    page = admin_client.get(f"/targets/release/{DERIVED}").content.decode()
    assert "no fingerprint proves them" in page
    assert f"https://www.discogs.com/release/{NUMBER}" in page
    assert "length only" in page
    assert "consensus of copies" in page
