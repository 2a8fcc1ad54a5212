"""Folders become releases: by tags, by the catalog, by a search; a person's word stays; killed anywhere and run again it is the same."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.utils import timezone

from apps.catalog.models import ReleaseGroup
from apps.catalog.services import editions_store, release_store
from apps.domain.catalog.release import ReleaseFacts, read_release
from apps.domain.matching.states import FolderState
from apps.library.models import AudioFile, AudioVariant, CanonicalDirty, FolderMatch, Identification
from apps.library.selectors_match import READ_WAIT, folders_due, folders_outdated, sibling_folders
from apps.library.services_match import (
    FolderOutcome,
    FolderRefused,
    folder_again,
    folder_choose,
    folder_claim,
    folder_decided,
    folder_due,
    folder_ignore,
    folder_later,
    folder_refuse,
    folders_heard,
)
from tests.workers.conftest import ANSWERS, Metadata
from tests.workers.folder_rows import a_file, folder_of_release, waiting
from tests.workers.gateways.test_musicbrainz_editions import entry, served
from workers.gateways.musicbrainz import RELEASE_INCLUDES, SEARCH_LIMIT, Musicbrainz
from workers.match_folders import match_due
from workers.matching import match_folder

pytestmark = pytest.mark.django_db(transaction=True)

BODY: dict[str, Any] = json.loads(
    next((ANSWERS / "musicbrainz/ws/2/release").glob("????????-*.json")).read_text("utf-8")
)


def facts(**changes: object) -> ReleaseFacts:
    return read_release({**BODY, **changes})


def edition(country: str, *, date: str, barcode: str = "") -> dict[str, Any]:
    """Another release of the same group with the same recordings; tracks have ids of their own."""
    body = json.loads(json.dumps(BODY))
    body |= {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, country)), "country": country, "date": date, "barcode": barcode}
    body["label-info"] = []
    for medium in body["media"]:
        for track in medium["tracks"]:
            track["id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, country + track["id"]))
    return body


def seen(row: FolderMatch) -> FolderMatch:
    return FolderMatch.objects.get(id=row.id)


def test_a_folder_whose_tags_name_its_release_costs_one_request(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    release = facts()
    row = folder_of_release(release, ids=True)
    assert folders_due(limit=5) == (row.id,)
    assert match_folder(row.id, musicbrainz=musicbrainz) is True
    now = seen(row)
    assert (now.state, now.code, now.release_mbid, now.files) == ("matched", "complete", release.mbid, 8)
    assert now.distance == 0
    assert len(metadata.requests) == 1
    placed = list(
        AudioFile.objects.order_by("track_position").values_list(
            "release_mbid", "medium_position", "track_position", "place_source"
        )
    )
    assert placed == [(release.mbid, 1, position, "match") for position in range(1, 9)]
    assert CanonicalDirty.objects.filter(kind="release", mbid=release.mbid).exists()
    assert match_folder(row.id, musicbrainz=musicbrainz) is None, "it is not due any more"


def test_a_missing_track_is_named_and_a_misspelt_title_is_told(musicbrainz: Musicbrainz) -> None:
    row = folder_of_release(facts(), ids=True, skip=1)
    file = AudioFile.objects.order_by("id")[0]
    file.tags["title"] += "e"
    file.save(update_fields=["tags"])
    match_folder(row.id, musicbrainz=None)
    release_store(facts())
    folder_due(row.root_id, bytes(row.folder))
    match_folder(row.id, musicbrainz=None)
    now = seen(row)
    assert (now.state, now.code) == ("matched", "partly")
    assert [one["track"] for one in now.explanation["missing"]] == [1]
    assert [one["code"] for one in now.explanation["pairs"][0]["penalties"]] == ["title"]
    assert now.explanation["change"]["code"] == "get_missing"


def test_without_ids_it_is_searched_and_the_whole_group_compared() -> None:
    first, second = {**BODY, "country": "GB", "barcode": "111"}, edition("JP", date="1999", barcode="222")
    release = read_release(first)
    assert release.group is not None
    query = f'release:"{release.title}" AND artist:"{release.artist_credit}"'
    hits = {"releases": [{**first, "score": 100, "track-count": 8}]}
    browse = {"release-group": str(release.group.mbid), "inc": "+".join(sorted(RELEASE_INCLUDES)), "limit": "100"}
    answers = (
        entry("/ws/2/release", hits, query=query, limit=str(SEARCH_LIMIT)),
        entry("/ws/2/release", {"release-count": 2, "releases": [first, second]}, **browse),
    )
    row = folder_of_release(release)
    with served(*answers) as musicbrainz:
        assert match_folder(row.id, musicbrainz=musicbrainz) is True
        now = seen(row)
        assert (now.state, now.code) == ("ambiguous", "equal_tracklist")
        assert len(now.candidates) == 2
        assert now.candidates[1]["same_tracklist"] is True
        for file in AudioFile.objects.all():
            file.tags["barcode"] = "222"
            file.save(update_fields=["tags"])
        folder_due(row.root_id, bytes(row.folder))
        match_folder(row.id, musicbrainz=musicbrainz)
    assert seen(row).release_mbid == uuid.UUID(second["id"])


def test_recordings_that_were_heard_find_the_release_in_the_catalog() -> None:
    release = facts()
    assert release.group is not None
    editions_store(release.group.mbid, [release])
    assert ReleaseGroup.objects.get(mbid=release.group.mbid).editions_at is not None
    for index, (_, track) in enumerate(release.tracks()):
        a_file("x", f"{index}.flac", duration_ms=track.length_ms or 1, recording=track.recording.mbid)
    row = waiting("x")
    match_folder(row.id, musicbrainz=None)
    assert seen(row).release_mbid == release.mbid


def test_an_identification_and_the_place_name_a_payload_together() -> None:
    release = facts()
    release_store(release)
    row = folder_of_release(release, ids=True)
    _, track = next(release.tracks())
    file = AudioFile.objects.get(display__contains="/1-01 ")
    assert file.variant_id is not None
    Identification.objects.create(
        variant_id=file.variant_id, state="decided", recording_mbid=track.recording.mbid, confidence=0.97
    )
    match_folder(row.id, musicbrainz=None)
    assert AudioVariant.objects.get(id=file.variant_id).recording_mbid == track.recording.mbid
    assert AudioVariant.objects.filter(recording_mbid=None).count() == 7, "the others wait for who listens"


def test_open_identifications_are_waited_for_unless_the_folder_is_clear() -> None:
    row = folder_of_release(facts(), tagged=False)
    for one in AudioVariant.objects.all():
        Identification.objects.create(variant=one, state="pending")
    assert match_folder(row.id, musicbrainz=None) is False
    assert (seen(row).state, seen(row).code) == ("pending", "waits_identification")
    FolderMatch.objects.update(tries=10, next_step_at="2020-01-01T00:00Z")
    assert match_folder(row.id, musicbrainz=None) is True
    assert (seen(row).state, seen(row).code) == ("unmatched", "no_candidates")


def test_a_folder_that_waits_for_its_files_names_is_due_as_soon_as_they_are_known() -> None:
    row = folder_of_release(facts(), tagged=False)
    heard = AudioVariant.objects.order_by("id")[0]
    Identification.objects.create(variant=heard, state="pending")
    assert match_folder(row.id, musicbrainz=None) is False
    assert folders_due(limit=5) == ()
    assert folders_heard([heard.id]) == 1
    assert folders_due(limit=5) == (row.id,)
    claim = folder_claim(row.id, lease_s=60)
    assert claim is not None
    assert folders_heard([heard.id]) == 1, "who looks at it has looked too early"
    assert folder_later(claim, code="waits_identification", params={}, delay_s=60) is False
    FolderMatch.objects.update(state="unmatched", code="no_candidates")
    assert folders_heard([heard.id]) == 0, "what was decided is looked at again by what changes it"


def test_what_a_person_said_stays(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    release, other = facts(), read_release(edition("JP", date="1999"))
    release_store(release)
    release_store(other)
    row = folder_of_release(release, ids=True)
    folder_choose(row.id, release_mbid=other.mbid)
    match_folder(row.id, musicbrainz=None)
    assert (seen(row).state, seen(row).release_mbid) == ("confirmed", other.mbid)
    assert set(AudioFile.objects.values_list("place_source", flat=True)) == {"person"}
    folder_due(row.root_id, bytes(row.folder))
    match_folder(row.id, musicbrainz=None)
    assert (seen(row).state, seen(row).release_mbid) == ("confirmed", other.mbid)
    folder_ignore(row.id)
    folder_due(row.root_id, bytes(row.folder))
    match_folder(row.id, musicbrainz=None)
    assert seen(row).state == "ignored"
    folder_again(row.id)
    folder_refuse(row.id, release_mbid=other.mbid)
    match_folder(row.id, musicbrainz=None)
    assert (seen(row).state, seen(row).release_mbid) == ("matched", release.mbid)
    assert set(AudioFile.objects.values_list("release_mbid", "place_source")) == {(other.mbid, "person")}, (
        "placed by hand"
    )
    with pytest.raises(FolderRefused):
        folder_again(10**9)


def test_an_unknown_choice_is_said(musicbrainz: Musicbrainz) -> None:
    row = folder_of_release(facts())
    folder_choose(row.id, release_mbid=uuid.uuid4())
    match_folder(row.id, musicbrainz=musicbrainz)
    assert (seen(row).state, seen(row).code) == ("unmatched", "chosen_unknown")


def test_musicbrainz_away_is_waited_for(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    row = folder_of_release(facts(), ids=True)
    metadata.fault("status", count=20, status=503, retry_after_s=7)
    assert match_folder(row.id, musicbrainz=musicbrainz) is False
    now = seen(row)
    assert (now.state, now.code, now.tries) == ("pending", "musicbrainz_unavailable", 1)
    assert len(metadata.requests) == 1, "who did not answer is asked nothing else"
    assert folders_due(limit=5) == ()
    metadata.heal()
    FolderMatch.objects.update(next_step_at="2020-01-01T00:00Z")
    assert match_folder(row.id, musicbrainz=musicbrainz) is True
    assert seen(row).state == "matched"


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Ada/Album/CD1", "Ada/Album/CD2"),
        ("Ada/Album/CD1 – Ada", "Ada/Album/CD2 – Encore"),
        ("Ada/Album", "Ada/Album (Disc 2)"),
        ("Ada/Album Disc One", "Ada/Album Disc Two"),
    ],
)
def test_discs_in_folders_of_their_own_are_one_release(one: str, two: str) -> None:
    whole = json.loads(json.dumps(BODY))
    tracks = whole["media"][0]["tracks"]
    whole["media"] = [
        {
            **whole["media"][0],
            "position": disc,
            "tracks": [{**one, "position": at} for at, one in enumerate(part, start=1)],
        }
        for disc, part in ((1, tracks[:5]), (2, tracks[5:]))
    ]
    release = read_release(whole)
    release_store(release)
    assert release.group is not None
    first = folder_of_release(release, one, only_disc=1, ids=True)
    match_folder(first.id, musicbrainz=None)
    assert seen(first).code == "partly"
    second = folder_of_release(release, two, only_disc=2, ids=True)
    assert match_due(musicbrainz=None, clock=lambda: 0.0) == (1, True)
    assert match_due(musicbrainz=None, clock=lambda: 0.0) == (1, False), "the first disc was looked at again, once"
    assert [(seen(row).state, seen(row).code) for row in (first, second)] == [("matched", "complete")] * 2
    assert AudioFile.objects.filter(medium_position=2, release_mbid=release.mbid).count() == 3


@pytest.mark.parametrize(("name", "other"), [("CD1", "CD2"), ("Album (Disc 1)", "Album (Disc 2)"), ("cd 01", "cd 02")])
def test_a_disc_knows_its_siblings(name: str, other: str) -> None:
    assert f"A/{other}".encode() in sibling_folders(f"A/{name}".encode()).values()
    assert not any(b"198" not in path for path in sibling_folders(b"A/Abcd 1984").values())
    assert sibling_folders(b"") == {}


def test_a_folder_of_two_albums_is_split_by_their_names() -> None:
    release = facts()
    release_store(release)
    folder_of_release(release, "mixed", ids=True)
    for number in range(4):
        a_file("mixed", f"x{number}.flac", tags={"title": f"Unheard {number}", "album": "Nowhere to be found"})
    row = waiting("mixed")
    match_folder(row.id, musicbrainz=None)
    now = seen(row)
    assert (now.state, now.code) == ("unmatched", "several_albums")
    assert now.params["matched"] == 1
    assert AudioFile.objects.filter(release_mbid=release.mbid, place_source="match").count() == 8


def test_a_match_that_is_gone_gives_the_places_back() -> None:
    release = facts()
    release_store(release)
    row = folder_of_release(release, ids=True)
    match_folder(row.id, musicbrainz=None)
    AudioFile.objects.update(missing_since="2020-01-01T00:00Z")
    stray = AudioFile.objects.order_by("id")[0]
    AudioFile.objects.filter(id=stray.id).update(missing_since=None, tags={"v": 1, "title": "Qwzx Qwzx", "track": 99})
    folder_due(row.root_id, bytes(row.folder))
    match_folder(row.id, musicbrainz=None)
    assert seen(row).state == "unmatched"
    stray.refresh_from_db()
    assert (stray.release_mbid, stray.track_position, stray.place_source) == (None, 99, "")
    AudioFile.objects.update(missing_since="2020-01-01T00:00Z")
    folder_due(row.root_id, bytes(row.folder))
    match_folder(row.id, musicbrainz=None)
    assert not FolderMatch.objects.filter(id=row.id).exists()


def test_only_one_of_two_workers_writes_and_a_change_takes_the_lease() -> None:
    row = folder_of_release(facts())
    claim = folder_claim(row.id, lease_s=60)
    assert claim is not None
    assert folder_claim(row.id, lease_s=60) is None
    folder_due(row.root_id, bytes(row.folder))
    assert folder_decided(claim, FolderOutcome(state=FolderState.MATCHED, code="complete")) is False
    assert seen(row).state == "pending"


def test_a_folder_waits_until_its_last_file_is_read_but_not_for_ever() -> None:
    release = facts()
    release_store(release)
    row = folder_of_release(release, ids=True)
    unread = AudioFile.objects.order_by("-id")[0]
    AudioFile.objects.filter(id=unread.id).update(read_state="pending")
    assert folders_due(limit=5) == ()
    assert match_due(musicbrainz=None, clock=lambda: 0.0) == (0, False)
    assert match_folder(row.id, musicbrainz=None) is None
    other = folder_of_release(release, "Ada/Other", ids=True)
    assert folders_due(limit=5) == (other.id,)
    AudioFile.objects.filter(id=unread.id).update(read_state="read")
    assert folders_due(limit=5) == (row.id, other.id)
    AudioFile.objects.filter(id=unread.id).update(read_state="pending")
    FolderMatch.objects.filter(id=row.id).update(next_step_at=timezone.now() - READ_WAIT)
    assert match_folder(row.id, musicbrainz=None) is True
    folder_choose(row.id, release_mbid=release.mbid)
    assert match_folder(row.id, musicbrainz=None) is True, "a person's choice waits for nobody"


def test_a_match_asks_open_questions_of_its_files_again_once_and_leaves_a_persons_word() -> None:
    release = facts()
    release_store(release)
    row = folder_of_release(release, ids=True)
    questions = list(AudioVariant.objects.order_by("id"))
    states = ["ambiguous", "ambiguous", "confirmed", "rejected", "left", "unknown", "decided", "ambiguous"]
    for variant, state in zip(questions, states, strict=True):
        Identification.objects.create(variant=variant, state=state, attempt=3)
    AudioVariant.objects.filter(id=questions[7].id).update(recording_source="person")
    match_folder(row.id, musicbrainz=None)
    told = list(Identification.objects.order_by("variant").values_list("state", "attempt"))
    assert told == [("pending", 4), ("pending", 4), *((state, 3) for state in states[2:])]
    assert not Identification.objects.filter(state="pending", next_step_at=None).exists()
    Identification.objects.filter(state="pending").update(state="ambiguous")
    folder_due(row.root_id, bytes(row.folder))
    match_folder(row.id, musicbrainz=None)
    assert not Identification.objects.filter(state="pending").exists(), "the same places again are no news"


def test_older_rules_are_applied_again() -> None:
    release = facts()
    release_store(release)
    row = folder_of_release(release, ids=True)
    match_folder(row.id, musicbrainz=None)
    assert folders_outdated(limit=5) == ()
    FolderMatch.objects.update(version=0)
    assert match_due(musicbrainz=None, clock=lambda: 0.0) == (0, True)
    assert match_due(musicbrainz=None, clock=lambda: 0.0) == (1, False)
