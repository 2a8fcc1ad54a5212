"""Pages of Discogs in the find box: MusicBrainz' link first, then what Discogs says; nothing is asked twice."""

from __future__ import annotations

import json
import uuid

import pytest

from apps.catalog.models import DiscogsEntity, Relation
from apps.domain.catalog.candidates import CandidateKind
from apps.domain.catalog.discogs_links import ONLY_DISCOGS, read_linked
from apps.domain.catalog.identity import discogs_id
from apps.domain.catalog.links import EntityKind
from apps.jobs.models import Job
from apps.jobs.selectors_find import FindView, find_view
from apps.jobs.services import job_create
from apps.jobs.services_find import find_ask
from slskdn_site.demo.album import album
from tests.recorded import needs_recorded, recorded_folder
from tests.workers.conftest import Metadata, limiter
from workers.discogs_kept import KeptDiscogs
from workers.finding import find
from workers.gateways.discogs import INTERVAL_MS, Discogs
from workers.gateways.musicbrainz import Musicbrainz

pytestmark = pytest.mark.django_db(transaction=True)

ALBUM = uuid.UUID(album("full").release_mbid)


@pytest.fixture
def discogs(metadata: Metadata) -> KeptDiscogs:
    port = Discogs(
        base_url=metadata.url, token="", contact="", version="0", limiter=limiter(), interval_ms=INTERVAL_MS, timeout_s=1.0
    )  # fmt: skip
    return KeptDiscogs(port)


def answered(text: str, musicbrainz: Musicbrainz, discogs: KeptDiscogs, *, again: bool = False) -> FindView:
    asked = find_ask(text, again=again)
    find(asked, musicbrainz=musicbrainz, discogs=discogs)
    view = find_view(asked)
    assert view is not None
    return view


def paths(metadata: Metadata) -> list[str]:
    return [str(one["path"]) for one in metadata.requests]


def test_a_page_that_musicbrainz_links_is_its_release(
    musicbrainz: Musicbrainz, discogs: KeptDiscogs, metadata: Metadata
) -> None:
    view = answered("https://www.discogs.com/release/9000003-Low-Water", musicbrainz, discogs)
    assert (view.state, view.code) == ("done", "")
    assert [one.candidate.mbid for one in view.candidates] == [ALBUM]
    assert paths(metadata) == ["/ws/2/url/", f"/ws/2/release/{ALBUM}"]
    assert Relation.objects.filter(source_mbid=ALBUM, address="https://www.discogs.com/release/9000003").count() == 1
    answered("[r9000003]", musicbrainz, discogs, again=True)
    assert paths(metadata).count("/ws/2/url/") == 1, "the link is kept"


def test_a_link_to_what_is_gone_is_passed_over(musicbrainz: Musicbrainz, discogs: KeptDiscogs) -> None:
    Relation.objects.create(
        source_kind="release_group", source_mbid=uuid.uuid4(), kind="discogs", target_kind="url", address="https://www.discogs.com/master/9300001",
    )  # fmt: skip
    view = answered("https://www.discogs.com/master/9300001", musicbrainz, discogs)
    assert (view.state, view.code) == ("done", "discogs_only")
    assert [one.candidate.kind for one in view.candidates] == [CandidateKind.RELEASE]


def test_a_release_that_only_discogs_has_is_a_candidate_and_can_be_asked_for(
    musicbrainz: Musicbrainz, discogs: KeptDiscogs, metadata: Metadata
) -> None:
    view = answered("https://www.discogs.com/release/9000001", musicbrainz, discogs)
    assert (view.state, view.code) == ("done", "discogs_only")
    one = view.candidates[0].candidate
    assert (one.mbid, one.title, one.artist, one.date, one.country, one.track_count, one.status) == (
        discogs_id("release", 9_000_001), "Minutes Of The Tide Board", "Harbour Committee", "1986-11", "UK", 6, ONLY_DISCOGS,
    )  # fmt: skip
    assert (one.labels, one.catalog_numbers, one.formats) == (("Slack Water Tapes",), ("SWT 07",), "Cassette")
    assert paths(metadata) == ["/ws/2/url/", "/releases/9000001"]
    job = Job.objects.get(id=job_create(kind="mb_release", target_mbid=one.mbid).id)
    assert (job.target_source, job.target_ref) == ("discogs", "9000001")


def test_a_master_is_answered_by_its_main_release(musicbrainz: Musicbrainz, discogs: KeptDiscogs) -> None:
    view = answered("https://www.discogs.com/master/9300001", musicbrainz, discogs)
    assert view.code == "discogs_only"
    assert [one.candidate.mbid for one in view.candidates] == [discogs_id("release", 9_000_001)]


@pytest.mark.parametrize(
    ("page", "name", "search"), [("artist/9100001", "Harbour Committee", "/ws/2/artist/"), ("label/9200001", "Slack Water Tapes", "/ws/2/label/")]
)  # fmt: skip
def test_artists_and_labels_without_a_link_are_searched_for_by_name(
    page: str, name: str, search: str, musicbrainz: Musicbrainz, discogs: KeptDiscogs, metadata: Metadata
) -> None:
    view = answered(f"https://www.discogs.com/{page}", musicbrainz, discogs)
    assert (view.code, view.params) == ("discogs_not_linked", {"name": name})
    assert paths(metadata)[-1] == search


def test_what_discogs_does_not_know_is_an_answer(musicbrainz: Musicbrainz, discogs: KeptDiscogs) -> None:
    view = answered("https://www.discogs.com/release/4", musicbrainz, discogs)
    assert (view.state, view.code, view.candidates) == ("done", "discogs_not_found", ())
    assert not DiscogsEntity.objects.exists()


def test_a_discogs_that_is_away_is_waited_for(
    musicbrainz: Musicbrainz, discogs: KeptDiscogs, metadata: Metadata
) -> None:
    metadata.fault("status", prefix="/releases")
    view = answered("https://www.discogs.com/release/9000001", musicbrainz, discogs)
    assert (view.state, view.code) == ("waiting", "discogs_unavailable")


def test_a_disabled_discogs_says_so(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    view = answered("https://www.discogs.com/release/9000001", musicbrainz, KeptDiscogs(None))
    assert (view.state, view.code) == ("done", "discogs_disabled")
    assert paths(metadata) == ["/ws/2/url/"]


@needs_recorded
def test_recorded_links_are_read() -> None:
    folder = recorded_folder()
    assert folder is not None
    name = "artist-rels+release-rels_resource=http_www.discogs.com_release_30896.json"
    found = read_linked(json.loads((folder / "musicbrainz/ws/2/url" / name).read_text("utf-8")))
    assert (EntityKind.RELEASE, uuid.UUID("4f5a6b97-a09b-4893-80d1-eae1f3bfa221")) in found
    assert len(found) == 4
