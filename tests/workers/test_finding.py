"""Finds are answered by a worker through the demonstration's MusicBrainz: every kind of text, merged ids, faults, kills; nothing is asked twice."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from apps.catalog.models import MergedMbid, Relation
from apps.catalog.services import release_store
from apps.domain.catalog.candidates import CandidateKind
from apps.domain.catalog.release import read_release
from apps.domain.errors import DomainError
from apps.jobs.models import Find
from apps.jobs.selectors_find import FindView, find_view, finds_waiting
from apps.jobs.services_find import MAX_OPEN, STAYS, find_ask, find_claim, find_done, finds_forget
from slskdn_site.demo.answer_folder import load_answers
from slskdn_site.demo.metadata_service.server import MetadataServer
from tests.workers.conftest import ANSWERS, Killed, Metadata, kill_at, limiter
from workers.finding import find
from workers.gateways.musicbrainz import Musicbrainz
from workers.lease import LEASE_S

pytestmark = pytest.mark.django_db(transaction=True)

BODY = json.loads(next((ANSWERS / "musicbrainz/ws/2/release").glob("????????-*.json")).read_text("utf-8"))
RELEASE = uuid.UUID(BODY["id"])
FIXTURES = next(
    (
        one / "shared/fixtures"
        for one in Path(__file__).resolve().parents
        if (one / "shared/fixtures/index.json").exists()
    ),
    None,
)
NEVERMIND = "1b022e01-4da6-387b-8658-8678046e4cef"


def answered(text: str, musicbrainz: Musicbrainz, **more: object) -> FindView:
    asked = find_ask(text)
    find(asked, musicbrainz=musicbrainz, **more)  # type: ignore[arg-type]
    view = find_view(asked)
    assert view is not None
    return view


def kinds(view: FindView) -> list[str]:
    return [one.candidate.kind.value for one in view.candidates]


def test_a_release_is_fetched_once_and_then_known(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    view = answered(f"https://musicbrainz.org/release/{RELEASE}", musicbrainz)
    assert (view.state, view.code, kinds(view)) == ("done", "", ["release"])
    one = view.candidates[0].candidate
    assert (one.mbid, one.title, one.track_count) == (RELEASE, BODY["title"], 8)
    assert one.length_ms > 0
    assert len(metadata.requests) == 1
    again = find_view(find_ask(str(RELEASE)))
    assert again is not None
    assert again.ended, "the catalog answers an id of unknown kind at once"
    assert len(metadata.requests) == 1


def test_an_id_of_unknown_kind_is_tried_in_order(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    recording = BODY["media"][0]["tracks"][0]["recording"]["id"]
    view = answered(recording, musicbrainz)
    assert kinds(view) == ["recording"]
    asked = [str(one["path"]).split("/")[3] for one in metadata.requests]
    assert asked == ["release", "release-group", "recording"]


def test_an_id_that_nothing_has_is_an_answer(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    view = answered(str(uuid.uuid4()), musicbrainz)
    assert (view.state, view.code, view.candidates) == ("done", "find_none", ())
    assert len(metadata.requests) == 5
    named = answered(f"release/{uuid.uuid4()}", musicbrainz)
    assert (named.state, named.code) == ("done", "release_not_found")


def test_equal_finds_are_one_row(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    first = find_ask(f"release/{RELEASE}")
    assert find_ask(f"https://musicbrainz.org/release/{RELEASE}/discids") == first
    assert find_ask(f"release/{RELEASE}", again=True) == first, "it is under way"
    find(first, musicbrainz=musicbrainz)
    assert find_ask(f"release/{RELEASE}") == first
    assert find_ask(f"release/{RELEASE}", again=True) != first


def test_words_find_releases_and_recordings_ranked_with_reasons(musicbrainz: Musicbrainz) -> None:
    artist = BODY["artist-credit"][0]["name"]
    view = answered(f"{artist} - {BODY['title']}", musicbrainz)
    assert RELEASE in {one.candidate.mbid for one in view.candidates[:2]}, "it, and another edition of that name"
    assert {"find_title", "find_artist"} <= {one.code for one in view.candidates[0].candidate.reasons}
    assert "release" in kinds(view)


def test_a_fault_is_waited_for_and_said(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    metadata.fault("status", status=503, count=1)
    asked = find_ask(f"release/{RELEASE}")
    find(asked, musicbrainz=musicbrainz)
    view = find_view(asked)
    assert view is not None
    assert (view.state, view.code) == ("waiting", "musicbrainz_unavailable")
    assert view.next_step_at is not None
    assert view.next_step_at > timezone.now()
    assert finds_waiting() == ()
    Find.objects.update(next_step_at=timezone.now() - timedelta(seconds=1))
    assert [key for key, _ in finds_waiting()] == [asked]
    find(asked, musicbrainz=musicbrainz)
    view = find_view(asked)
    assert view is not None
    assert (view.state, view.code, len(view.candidates)) == ("done", "", 1)


def test_a_killed_worker_leaves_what_it_showed_and_another_goes_on(musicbrainz: Musicbrainz) -> None:
    asked = find_ask(f"release/{RELEASE}")
    with pytest.raises(Killed):
        find(asked, musicbrainz=musicbrainz, checkpoint=kill_at("release"))
    view = find_view(asked)
    assert view is not None
    assert (view.state, len(view.candidates)) == ("asking", 1)
    find(asked, musicbrainz=musicbrainz)
    assert find_view(asked) == view, "the lease of the dead is waited for"
    Find.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    find(asked, musicbrainz=musicbrainz)
    view = find_view(asked)
    assert view is not None
    assert (view.state, len(view.candidates)) == ("done", 1)


def test_who_lost_the_lease_writes_nothing() -> None:
    asked = find_ask("some words")
    first = find_claim(asked, lease_s=LEASE_S)
    assert first is not None
    assert find_claim(asked, lease_s=LEASE_S) is None
    Find.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    second = find_claim(asked, lease_s=LEASE_S)
    assert second is not None
    assert find_done(first, []) is False
    assert find_done(second, []) is True


def test_a_merged_id_is_said_to_be_one(musicbrainz: Musicbrainz) -> None:
    release_store(read_release(BODY))
    old = uuid.uuid4()
    MergedMbid.objects.create(kind="release", old=old, mbid=RELEASE)
    view = find_view(find_ask(f"release/{old}"))
    assert view is not None
    assert (view.state, view.merged_from, view.candidates[0].candidate.mbid) == ("done", old, RELEASE)


def test_discogs_is_answered_by_what_musicbrainz_links(musicbrainz: Musicbrainz) -> None:
    view = answered("https://www.discogs.com/artist/125246-Nirvana", musicbrainz)
    assert (view.state, view.code) == ("done", "discogs_disabled")
    Relation.objects.create(
        source_kind="release", source_mbid=RELEASE, kind="discogs", target_kind="url", address="https://www.discogs.com/release/249504",
    )  # fmt: skip
    found = answered("[r249504]", musicbrainz)
    assert [one.candidate.mbid for one in found.candidates] == [RELEASE]


def test_a_track_of_a_known_release_leads_to_its_recording_and_release() -> None:
    release_store(read_release(BODY))
    track = BODY["media"][0]["tracks"][0]
    view = find_view(find_ask(f"https://musicbrainz.org/track/{track['id']}"))
    assert view is not None
    assert set(kinds(view)) == {"recording", "release"}
    assert view.merged_from is None
    assert view.candidates[0].candidate.kind in set(CandidateKind)


def test_too_many_open_finds_are_refused_and_old_ones_forgotten() -> None:
    for number in range(MAX_OPEN):
        find_ask(f"words number {number}")
    with pytest.raises(DomainError) as refused:
        find_ask("one more")
    assert (refused.value.code, refused.value.retryable) == ("finds_full", True)
    assert finds_forget(made_before=timezone.now() - STAYS) == 0
    assert finds_forget(made_before=timezone.now()) == MAX_OPEN


@pytest.fixture
def world() -> Iterator[Musicbrainz]:
    """The recorded world of the fixtures: Nirvana, Kasabian and others."""
    if FIXTURES is None:
        pytest.skip("the recorded answers are not here")
    server = MetadataServer([load_answers(FIXTURES)])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Musicbrainz(host=server.base_url, contact="", version="0", limiter=limiter(), timeout_s=10.0)
    server.shutdown()
    thread.join()
    server.server_close()


def test_recorded_nirvana_is_found_by_every_kind_of_text(world: Musicbrainz) -> None:
    group = answered(f"https://musicbrainz.org/release-group/{NEVERMIND}", world)
    assert group.state == "done"
    assert kinds(group)[0] in {"release", "release-group"}
    assert "release-group" in kinds(group)
    editions = [one.candidate for one in group.candidates if one.candidate.kind is CandidateKind.RELEASE]
    assert editions
    told = {(one.date, one.country, one.catalog_numbers, one.formats, one.track_count) for one in editions}
    assert len(told) > 1 or len(editions) == 1, "editions are told apart"
    artist = answered("https://musicbrainz.org/artist/5b11f4ce-a62d-471e-81fc-a69a8278c7da", world)
    assert [(one.candidate.kind.value, one.candidate.title) for one in artist.candidates] == [("artist", "Nirvana")]
    words = answered("nirvana", world)
    assert words.candidates[0].candidate.title == "Nirvana"
    assert {"artist"} <= set(kinds(words))
