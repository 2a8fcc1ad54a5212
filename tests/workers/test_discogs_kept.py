"""What Discogs told is kept: asked once, asked again with its validator, and used when old where nothing newer can be had."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.catalog.models import DiscogsEntity, Relation
from apps.catalog.selectors_discogs import (
    discogs_kept,
    discogs_pages_of,
    discogs_release_of,
    discogs_releases_of,
    mbids_of_page,
    page_of,
)
from apps.domain.catalog.discogs import DiscogsRelease
from apps.domain.catalog.identity import discogs_id
from apps.domain.catalog.links import DiscogsKind, EntityKind
from tests.workers.conftest import Metadata, limiter
from workers.discogs_fetch import discogs_fetch
from workers.discogs_kept import KeptDiscogs
from workers.gateways.discogs import INTERVAL_MS, Discogs
from workers.gateways.errors import Permanent, Transient

pytestmark = pytest.mark.django_db

RELEASE = 9_000_001


@pytest.fixture
def discogs(metadata: Metadata) -> KeptDiscogs:
    port = Discogs(
        base_url=metadata.url, token="", contact="", version="0", limiter=limiter(), interval_ms=INTERVAL_MS, timeout_s=1.0
    )  # fmt: skip
    return KeptDiscogs(port)


def aged(**by: int) -> None:
    DiscogsEntity.objects.update(fetched_at=timezone.now() - timedelta(**by))


def test_a_release_is_asked_once_in_thirty_days(discogs: KeptDiscogs, metadata: Metadata) -> None:
    first = discogs.facts(DiscogsKind.RELEASE, RELEASE)
    aged(days=29)
    assert discogs.facts(DiscogsKind.RELEASE, RELEASE) == first
    assert len(metadata.requests) == 1
    aged(days=31)
    assert discogs.facts(DiscogsKind.RELEASE, RELEASE) == first
    assert [request["status"] for request in metadata.requests] == [200, 304]
    kept = discogs_kept(DiscogsKind.RELEASE, RELEASE)
    assert kept is not None
    assert kept.fresh


def test_a_refresh_asks_whatever_is_kept(discogs: KeptDiscogs, metadata: Metadata) -> None:
    discogs.facts(DiscogsKind.LABEL, 9_200_001)
    discogs.facts(DiscogsKind.LABEL, 9_200_001, refresh=True)
    assert [request["status"] for request in metadata.requests] == [200, 304]


def test_an_old_answer_does_while_discogs_is_away_but_not_for_a_refresh(
    discogs: KeptDiscogs, metadata: Metadata
) -> None:
    first = discogs.facts(DiscogsKind.RELEASE, RELEASE)
    aged(days=400)
    metadata.fault("status", count=9)
    assert discogs.facts(DiscogsKind.RELEASE, RELEASE) == first
    with pytest.raises(Transient):
        discogs.facts(DiscogsKind.RELEASE, RELEASE, refresh=True)


def test_a_disabled_discogs_gives_what_is_kept_and_asks_nobody(discogs: KeptDiscogs, metadata: Metadata) -> None:
    first = discogs.facts(DiscogsKind.RELEASE, RELEASE)
    aged(days=400)
    silent = KeptDiscogs(None)
    assert silent.facts(DiscogsKind.RELEASE, RELEASE) == first
    with pytest.raises(Permanent) as refused:
        silent.facts(DiscogsKind.RELEASE, 4)
    assert refused.value.code == "discogs_disabled"
    assert len(metadata.requests) == 1


def test_a_release_is_found_by_the_id_that_was_derived_from_it(discogs: KeptDiscogs) -> None:
    discogs.facts(DiscogsKind.RELEASE, RELEASE)
    discogs.facts(DiscogsKind.MASTER, 9_300_001)
    derived = discogs_id("release", RELEASE)
    found = discogs_release_of(derived)
    assert isinstance(found, DiscogsRelease)
    assert found.id == RELEASE
    assert discogs_releases_of([derived, discogs_id("release", 5), discogs_id("master", 9_300_001)]) == {derived: found}


def test_a_row_of_another_shape_is_as_none() -> None:
    DiscogsEntity.objects.create(kind="release", discogs_id=4, facts={"id": "x"}, fetched_at=timezone.now())
    assert discogs_kept(DiscogsKind.RELEASE, 4) is None


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("https://www.discogs.com/release/42", (DiscogsKind.RELEASE, 42)),
        ("http://discogs.com/master/7-Some-Words", (DiscogsKind.MASTER, 7)),
        ("https://www.discogs.com/de/label/5", (DiscogsKind.LABEL, 5)),
        ("https://www.discogs.com/artist/9?x=1", (DiscogsKind.ARTIST, 9)),
        ("https://www.discogs.com/user/9", None),
        ("https://example.org/www.discogs.com/release/42", None),
        ("https://www.discogs.com/release/421234567890", None),
    ],
)
def test_addresses_at_discogs(address: str, page: tuple[DiscogsKind, int] | None) -> None:
    assert page_of(address) == page


def test_relations_of_musicbrainz_lead_both_ways() -> None:
    mbid = discogs_id("release", 1)
    for source, address in [
        ("release", "https://www.discogs.com/release/42"),
        ("release_group", "https://www.discogs.com/master/7"),
        ("release", "https://example.org/release/42"),
    ]:
        Relation.objects.create(
            source_kind=source, source_mbid=mbid, kind="discogs", target_kind="url", address=address
        )
    assert mbids_of_page(DiscogsKind.RELEASE, 42) == ((EntityKind.RELEASE, mbid),)
    assert mbids_of_page(DiscogsKind.MASTER, 7) == ((EntityKind.RELEASE_GROUP, mbid),)
    assert mbids_of_page(DiscogsKind.RELEASE, 4) == ()
    assert discogs_pages_of((EntityKind.RELEASE, mbid)) == ((DiscogsKind.RELEASE, 42),)
    assert discogs_pages_of((EntityKind.RELEASE_GROUP, mbid)) == ((DiscogsKind.MASTER, 7),)


def test_the_task_of_a_refresh_keeps_what_is_new_and_asks_again_when_discogs_is_away(
    discogs: KeptDiscogs, metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.discogs_fetch.discogs", lambda: discogs)
    discogs_fetch("release", RELEASE)
    kept = discogs_kept(DiscogsKind.RELEASE, RELEASE)
    assert kept is not None
    discogs_fetch("release", 4)  # an answer as well
    metadata.fault("status", count=9)
    aged(days=31)
    with pytest.raises(Transient):
        discogs_fetch("release", RELEASE)
    assert discogs_kept(DiscogsKind.RELEASE, RELEASE) is not None
