"""Labels as peers show them, as rows: whose word counts, figures, quotas, decay, hostile names."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.catalog.models import Label, Medium, MergedMbid, Recording, Release, ReleaseGroup, ReleaseLabel, Track
from apps.common.pagination import keyset_page
from apps.domain.catalog.identity import label_name_id
from apps.domain.contracts.node_work import AdvertisedVariant, AdvertReport
from apps.domain.mesh.popularity import FORGOTTEN_S
from apps.jobs.selectors_labels import label_view
from apps.mesh import services_labels
from apps.mesh.models import LabelPresence, LabelRelease, LabelSighting
from apps.mesh.selectors_labels import (
    LABEL_ORDER,
    label_query,
    label_row,
    label_rows,
    label_totals,
    release_popularity,
    releases_heard,
)
from apps.mesh.services_adverts import advert_record
from apps.mesh.services_labels import labels_advertised, labels_expire
from apps.peers.models import Peer
from apps.peers.services import peer_ids
from tests.apps.mesh.label_rows import SUB_POP, count, hear, sighted

pytestmark = pytest.mark.django_db
MOTOWN = uuid.UUID("8e479ea3-0b5c-4fc4-8d4f-e6b3f3f3b6a4")


def names(search: str = "") -> list[str]:
    return [one.name for one in label_rows(keyset_page(label_query(search=search), order=LABEL_ORDER).items)]


def age(days: float, **which: Any) -> None:
    """Sightings were heard so long ago."""
    LabelSighting.objects.filter(**which).update(heard_at=timezone.now() - timedelta(days=days))
    LabelPresence.objects.update(due=True)
    count()


def test_releases_artists_and_peers_are_counted_once_each() -> None:
    hear(sighted(1, peer="a"), sighted(8, peer="a"), sighted(1, peer="b"), sighted(2, peer="b", artist="artist 1 "))
    hear(sighted(1, peer="a"))
    row = label_row(SUB_POP)
    assert row is not None
    assert (row.name, row.releases, row.artists, row.peers) == ("Sub Pop", 3, 1, 2)
    assert row.popularity == pytest.approx(2 * 2**0.5, rel=1e-3)  # two peers with two releases each
    totals = label_totals()
    assert (totals.labels, totals.releases, totals.peers) == (1, 3, 2)


def test_popularity_halves_in_a_week_and_what_was_heard_lately_comes_first() -> None:
    hear(*(sighted(number, peer=f"p{number}") for number in range(3)))
    age(7)
    hear(*(sighted(10 + number, peer=f"q{number}", label="Motown", label_mbid=MOTOWN) for number in range(2)))
    row = label_row(SUB_POP)
    assert row is not None
    assert row.popularity == pytest.approx(1.5, rel=1e-3)
    assert names() == ["Motown", "Sub Pop"]


def test_what_nobody_was_heard_of_for_eight_weeks_is_forgotten() -> None:
    hear(sighted(1), sighted(2, peer="q"))
    LabelSighting.objects.filter(peer__key="p").update(heard_at=timezone.now() - timedelta(seconds=FORGOTTEN_S + 60))
    assert labels_expire() == 1
    count()
    row = label_row(SUB_POP)
    assert row is not None and (row.releases, row.peers) == (1, 1)
    LabelSighting.objects.update(heard_at=timezone.now() - timedelta(seconds=FORGOTTEN_S + 60))
    labels_expire()
    count()
    assert label_row(SUB_POP) is None
    assert not LabelPresence.objects.exists()
    assert not LabelRelease.objects.exists()


def test_figures_are_counted_again_after_a_peer_was_deleted() -> None:
    hear(sighted(1), sighted(2, peer="q"))
    Peer.objects.get(key="q").delete()
    LabelPresence.objects.update(counted_at=timezone.now() - timedelta(days=2))
    labels_expire()
    count()
    row = label_row(SUB_POP)
    assert row is not None and (row.releases, row.peers) == (1, 1)


def test_the_catalogue_knows_labels_better_than_peers() -> None:
    known = sighted(1, label="Evil Records", label_mbid=None, title="Fake", artist="Fake")
    release = Release.objects.create(mbid=known.release_mbid, title="Bleach", artist_credit="Nirvana", date="1989-06")
    for position, (mbid, name) in enumerate([(SUB_POP, "Sub Pop"), (MOTOWN, "Motown")]):
        label = Label.objects.create(mbid=mbid, name=name)
        ReleaseLabel.objects.create(release=release, label=label, position=position)
    hear(known)
    assert sorted(names()) == ["Motown", "Sub Pop"]
    found = releases_heard(SUB_POP)[1]
    assert [(one.title, one.artist, one.year) for one in found] == [("Bleach", "Nirvana", "1989")]


def test_a_label_that_the_catalogue_learns_of_replaces_what_a_peer_said() -> None:
    told = sighted(1, label="Evil Records", label_mbid=None)
    hear(told)
    assert names() == ["Evil Records"]
    label = Label.objects.create(mbid=SUB_POP, name="Sub Pop")
    Release.objects.create(mbid=told.release_mbid, title="Bleach", label=label)
    hear(told)
    assert names() == ["Sub Pop"]


def test_a_known_label_is_called_as_musicbrainz_calls_it_and_others_as_most_peers_do() -> None:
    Label.objects.create(mbid=SUB_POP, name="Sub Pop Records")
    hear(sighted(1, label="You are hacked"))
    hear(
        *(sighted(5, peer=f"p{n}", label_mbid=MOTOWN, label="Motown") for n in range(2)),
        sighted(6, peer="liar", label_mbid=MOTOWN, label="Aaa"),
    )
    assert sorted(names()) == ["Motown", "Sub Pop Records"]


def test_a_merged_label_counts_as_the_one_it_was_merged_into() -> None:
    old = uuid.uuid4()
    hear(sighted(1, label_mbid=old))
    assert label_row(old) is not None
    MergedMbid.objects.create(kind="label", old=old, mbid=SUB_POP)
    hear(sighted(1, label_mbid=old), sighted(2, peer="q"))
    row = label_row(SUB_POP)
    assert row is not None and (row.releases, row.peers) == (2, 2)
    assert label_row(old) is None
    Label.objects.create(mbid=SUB_POP, name="Sub Pop")
    view = label_view(old)
    assert (view.key, view.source, view.total) == (SUB_POP, "mesh", 2)


def test_a_label_without_an_mbid_is_known_by_its_name_however_it_is_spelled() -> None:
    hear(sighted(1, label="Fat  Cat", label_mbid=None), sighted(2, peer="q", label="FAT CAT", label_mbid=None))
    row = label_row(label_name_id("fat cat"))
    assert row is not None
    assert (row.label_mbid, row.releases, row.peers) == (None, 2, 2)


def test_no_label_is_no_row() -> None:
    assert hear(sighted(1, label="[no label]", label_mbid=None), sighted(2, label="", label_mbid=None)) == 0
    assert names() == []


HOSTILE = (
    "<script>alert(1)</script>",
    "Robert'); DROP TABLE mesh_labelpresence;--",
    "\u202egnitekram\u200b",
    "a\x00b\x1b[31mc\nd",
    "%_\\",
    "x" * 5000,
    "\ud7ff\ufffe💿",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_kept_as_plain_text_on_one_line(name: str) -> None:
    hear(sighted(1, label=name, label_mbid=None, title=name, artist=name))
    (kept,) = names()
    assert kept.isprintable()
    assert len(kept) <= 256
    assert names(search=name[:100]) == [kept]
    (release,) = releases_heard(label_name_id(kept))[1]
    assert release.title.isprintable()


def test_search_takes_no_wildcards_and_ignores_case_and_marks() -> None:
    hear(sighted(1), sighted(2, label="Éditions Mego", label_mbid=None))
    assert names(search="%") == []
    assert names(search="EDITIONS meg") == ["Éditions Mego"]
    assert names(search="pop sub") == ["Sub Pop"]


def test_a_peer_that_tells_of_a_million_labels_turns_over_its_own_quota_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services_labels, "MAX_PER_PEER", 5)
    hear(sighted(1, peer="honest"))
    for start in range(0, 40, 10):
        hear(*(sighted(100 + n, peer="flood", label=f"L{n}", label_mbid=None) for n in range(start, start + 10)))
    assert LabelSighting.objects.filter(peer__key="flood").count() == 5
    assert LabelPresence.objects.count() == 6
    assert label_row(SUB_POP) is not None


def test_a_network_that_tells_too_much_loses_what_was_heard_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services_labels, "MAX_PER_GROUP", 4)
    hear(sighted(1, peer="honest"))
    for number in range(10):
        hear(sighted(100 + number, peer=f"sybil{number}", group="g"))
    assert LabelSighting.objects.filter(group="g").count() == 4
    assert LabelSighting.objects.filter(peer__key="honest").exists()
    assert LabelSighting.objects.filter(peer__key="sybil9").exists()


def test_all_together_are_bounded_and_the_crowded_network_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services_labels, "MAX_IN_ALL", 20)
    hear(sighted(1, peer="honest"))
    for number in range(40):
        hear(sighted(100 + number, peer=f"sybil{number}", group="g"))
    assert LabelSighting.objects.count() <= 20
    assert LabelSighting.objects.filter(peer__key="honest").exists()


def test_one_hoarder_does_not_outweigh_many_who_have_a_little() -> None:
    hear(*(sighted(n, peer="hoarder", label="Hoard", label_mbid=None) for n in range(100)))
    hear(*(sighted(1000 + n, peer=f"p{n}") for n in range(12)))
    assert names() == ["Sub Pop", "Hoard"]


def test_a_labels_releases_come_by_popularity_then_by_quality() -> None:
    hear(
        *(sighted(1, peer=f"p{n}") for n in range(3)),
        sighted(2, quality=0.4),
        sighted(3, quality=0.9, profile="mp3-cbr-320-44100-2"),
    )
    found = releases_heard(SUB_POP)[1]
    assert [one.release_mbid.int & 0xFF for one in found] == [1, 3, 2]
    assert [one.peers for one in found] == [3, 1, 1]
    assert [one.title for one in releases_heard(SUB_POP, codec="mp3")[1]] == ["Title 3"]
    assert {one.title for one in releases_heard(SUB_POP, codec="lossless")[1]} == {"Title 1", "Title 2"}
    order = release_popularity(SUB_POP, "Sub Pop")
    assert sorted(order, key=lambda mbid: -order[mbid]) == [one.release_mbid for one in found]


def test_a_crates_popularity_takes_in_who_knows_the_label_by_name_only_and_counts_peers_once() -> None:
    hear(sighted(1), sighted(2, peer="q", label="SUB POP", label_mbid=None))
    assert set(release_popularity(SUB_POP, "Sub Pop")) == {sighted(1).release_mbid, sighted(2).release_mbid}
    assert release_popularity(MOTOWN, "Motown") == {}


def test_what_peers_say_again_costs_one_row() -> None:
    for _ in range(3):
        hear(sighted(1))
    assert LabelSighting.objects.count() == 1
    row = LabelSighting.objects.get()
    assert row.first_heard < row.heard_at


# ---- adverts


def advertise(peer: str, *recordings: uuid.UUID) -> None:
    report = AdvertReport(
        peer=peer, group="g", bundle_id=uuid.uuid4(), sequence=1, full=True, first=True, last=True, more=False, ttl_s=600,
        variants=tuple(
            AdvertisedVariant(
                variant_id=f"v{number}", recording_mbid=mbid, payload_format="flac", payload_root=bytes([number]) * 32,
                profile="flac-16-44100-2", payload_bytes=1000, quality_score=0.8,
            )
            for number, mbid in enumerate(recordings)
        ),
    )  # fmt: skip
    ids = peer_ids({peer})
    advert_record(report, peer_id=ids[peer])
    labels_advertised(ids[peer], peer=peer)
    count()


def album(title: str, *, tracks: int, group: ReleaseGroup | None = None) -> tuple[Release, list[uuid.UUID]]:
    label, _ = Label.objects.get_or_create(mbid=SUB_POP, defaults={"name": "Sub Pop"})
    release = Release.objects.create(mbid=uuid.uuid4(), title=title, label=label, release_group=group)
    medium = Medium.objects.create(release=release, position=1)
    recordings = []
    for position in range(1, tracks + 1):
        recording = Recording.objects.create(mbid=uuid.uuid4(), title=f"{title} {position}")
        Track.objects.create(mbid=uuid.uuid4(), medium=medium, recording=recording, position=position, title="t")
        recordings.append(recording.mbid)
    return release, recordings


def test_who_advertises_half_of_a_releases_tracks_has_it() -> None:
    release, recordings = album("Bleach", tracks=4)
    _, others = album("Other", tracks=5)
    advertise("p", *recordings[:2], *others[:2])
    (found,) = releases_heard(SUB_POP)[1]
    assert (found.release_mbid, found.tracks_held, found.tracks, found.quality) == (release.mbid, 2, 4, 0.8)
    assert LabelSighting.objects.get().heard_in == "advert"


def test_of_a_group_one_edition_counts_the_best_covered_or_the_one_that_was_told() -> None:
    group = ReleaseGroup.objects.create(mbid=uuid.uuid4(), title="Bleach")
    plain, recordings = album("Bleach", tracks=2, group=group)
    bonus, _ = album("Bleach deluxe", tracks=1, group=group)
    for position, mbid in enumerate(recordings, start=2):
        Track.objects.create(
            mbid=uuid.uuid4(), medium=bonus.media.get(), recording_id=mbid, position=position, title="t"
        )
    advertise("p", *recordings)
    assert [one.release_mbid for one in releases_heard(SUB_POP)[1]] == [plain.mbid]
    hear(sighted(1, peer="q", release_mbid=bonus.mbid))
    advertise("q", *recordings)
    assert set(LabelSighting.objects.filter(peer__key="q").values_list("release_mbid", flat=True)) == {bonus.mbid}


def test_unknown_recordings_tell_nothing() -> None:
    advertise("p", uuid.uuid4())
    assert not LabelSighting.objects.exists()


# ---- costs


def test_lists_cost_the_same_however_long_they_are(django_assert_num_queries: Any) -> None:
    for start in range(0, 60, 20):
        hear(*(sighted(n, label=f"Label {n}", label_mbid=None) for n in range(start, start + 20)))
    hear(*(sighted(100 + n) for n in range(50)))
    with django_assert_num_queries(1):
        page = keyset_page(label_query(), order=LABEL_ORDER, limit=50)
        label_rows(page.items)
    with django_assert_num_queries(3):
        label_totals()
    with django_assert_num_queries(3):
        releases_heard(SUB_POP)
    with django_assert_num_queries(1):
        release_popularity(SUB_POP, "Sub Pop")


def test_pages_follow_each_other_without_gaps_and_repeats() -> None:
    for start in range(0, 60, 20):
        hear(*(sighted(n, label=f"Label {n}", label_mbid=None) for n in range(start, start + 20)))
    seen: list[uuid.UUID] = []
    cursor = None
    while True:
        page = keyset_page(label_query(), order=LABEL_ORDER, cursor=cursor, limit=7)
        seen += [one.label_key for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 60
