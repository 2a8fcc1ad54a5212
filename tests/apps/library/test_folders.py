"""Folders in API and pages: lists by cursor, every penalty in words, decisions that a worker carries out, query counts."""

from __future__ import annotations

import dataclasses
import uuid

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from apps.common.roles import Role
from apps.domain.matching.edition import ReleaseMatch, match_release
from apps.library import selectors_words
from apps.library.match_kept import candidate_json, explanation_json
from apps.library.match_words import decision_says, penalty_says
from apps.library.models import FolderMatch, LibraryRoot
from apps.library.selectors_match import folder_counts, folder_query
from apps.library.services import folder_pending
from tests.domain.matching.noise import folder_of
from tests.domain.matching.test_edition import release

pytestmark = pytest.mark.django_db

CODES = (
    "complete", "partly", "equal_tracklist", "editions_alike", "releases_alike", "fits_badly", "nothing_fits", "loose_tracks", "no_candidates", "no_tracks",
    "several_albums", "too_many_files", "chosen_by_person", "chosen_unknown", "ignored_by_person", "waits_identification", "musicbrainz_unavailable",
)  # fmt: skip
PENALTIES = (
    "title", "title_version", "file_name", "duration", "recording", "artist", "position", "album", "album_artist", "label", "year", "country",
    "catalog_number", "barcode", "media", "track_total", "release_id", "group_id", "missing_tracks", "extra_tracks", "track_differences",
)  # fmt: skip


def a_folder(number: int = 1, *, state: str = "matched", explained: bool = True) -> FolderMatch:
    root = LibraryRoot.objects.get_or_create(path="/music")[0]
    made = release()
    folder = folder_of(made, tags="album")
    match = match_release(type(folder)(tracks=folder.tracks[1:], album="Low Watter Almanac"), made)
    return FolderMatch.objects.create(
        root=root,
        folder=f"Ada/{number}".encode(),
        folder_hash=number.to_bytes(32, "big"),
        display=f"Ada/Album {number}",
        state=state,
        code="partly" if state == "matched" else "",
        params={"tracks": 7, "of": 8, "extra": 0},
        release_mbid=made.mbid if state == "matched" else None,
        distance=match.distance,
        explanation={} if not explained else _numbered(match),
        candidates=[candidate_json(match, best=match)],
        files=7,
    )


def _numbered(match: ReleaseMatch) -> dict[str, object]:
    pairs = tuple(
        dataclasses.replace(one, offered=dataclasses.replace(one.offered, key=str(index)))
        for index, one in enumerate(match.pairs, 1)
    )
    return explanation_json(dataclasses.replace(match, pairs=pairs))


def page_of(role: Role) -> Client:
    user = User.objects.create_user(f"p{role.value}", password="x")
    user.groups.add(Group.objects.get(name=role.value))
    client = Client()
    client.force_login(user)
    return client


def test_every_code_has_its_words() -> None:
    for code in CODES:
        assert decision_says(code, {}) not in {"", code}
    for code in PENALTIES:
        assert penalty_says(code, {}) not in {"", code}


def test_folders_are_listed_by_cursor_and_state(
    viewer_api: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(1, 8):
        a_folder(number, state="ambiguous" if number % 2 else "matched")
    with django_assert_max_num_queries(8):
        first = viewer_api.get("/api/library/folders", {"limit": 3, "state": "ambiguous"}).json()
    assert [one["folder"] for one in first["items"]] == ["Ada/Album 7", "Ada/Album 5", "Ada/Album 3"]
    second = viewer_api.get("/api/library/folders", {"limit": 3, "state": "ambiguous", "cursor": first["next"]}).json()
    assert [one["folder"] for one in second["items"]] == ["Ada/Album 1"]
    assert folder_counts()["ambiguous"] == 4


def test_one_folder_tells_every_penalty(viewer_api: APIClient) -> None:
    row = a_folder()
    told = viewer_api.get(f"/api/library/folders/{row.id}").json()
    (one,) = told["explained"]
    assert [track["track"] for track in one["missing"]] == [1]
    assert {penalty["code"] for penalty in one["penalties"]} == {"missing_tracks", "album"}
    assert "1 track is missing" in [penalty["message"] for penalty in one["penalties"]]
    assert one["cheapest_change"] == "Getting 1 missing track would complete it."
    assert viewer_api.get("/api/library/folders/999999").status_code == 404


def test_a_decision_waits_for_its_worker(operator_api: APIClient, viewer_api: APIClient) -> None:
    row, other = a_folder(), uuid.uuid4()
    address = f"/api/library/folders/{row.id}"
    assert viewer_api.post(address, {"action": "ignore"}, format="json").status_code == 403
    assert operator_api.post(address, {"action": "choose"}, format="json").status_code == 400
    answer = operator_api.post(address, {"action": "choose", "release_mbid": str(other)}, format="json")
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    row.refresh_from_db()
    assert (row.choice, row.chosen_mbid) == ("release", other)
    operator_api.post(address, {"action": "refuse", "release_mbid": str(other)}, format="json")
    row.refresh_from_db()
    assert (row.choice, row.chosen_mbid, row.refused) == ("", None, [str(other)])
    assert operator_api.post(address, {"action": "ignore"}, format="json").status_code == 202
    operator_api.post(address, {"action": "again"}, format="json")
    row.refresh_from_db()
    assert (row.choice, row.refused) == ("", [])
    assert operator_api.post("/api/library/folders/999999", {"action": "again"}, format="json").status_code == 404


def test_the_pages_show_it_and_take_decisions(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    row = a_folder()
    viewer, operator = page_of(Role.VIEWER), page_of(Role.OPERATOR)
    with django_assert_max_num_queries(14):
        listed = viewer.get("/library/folders", {"show": "matched"})
    assert "Ada/Album 1" in listed.content.decode()
    shown = viewer.get(f"/library/folders/{row.id}").content.decode()
    assert "1 track is missing" in shown
    assert "Low Watter Almanac" in shown
    assert viewer.post(f"/library/folders/{row.id}/ignore").status_code == 403
    assert operator.post(f"/library/folders/{row.id}/choose", {"mbid": "nonsense"}).status_code == 404
    assert operator.post(f"/library/folders/{row.id}/choose", {"mbid": str(uuid.uuid4())}).status_code == 302
    row.refresh_from_db()
    assert (row.state, row.choice) == ("pending", "release")
    assert row.decided_by is not None
    assert viewer.get("/library/folders/999999").status_code == 404
    assert viewer.get("/library/folders", {"cursor": "nonsense"}).status_code == 302


def test_folders_are_found_by_how_words_of_their_path_begin() -> None:
    root = LibraryRoot.objects.create(path="/music")
    for folder in ("Björk/Homogenic", "Björk/Post (1995)", "!!!/Louden Up Now", ""):
        for _ in range(2):  # the second time the row is there
            folder_pending(root.id, folder.encode())

    def found(words: str) -> list[str]:
        return sorted(folder_query(words=words).values_list("display", flat=True))

    assert found("bjor") == ["Björk/Homogenic", "Björk/Post (1995)"]
    assert found("bjork/post 1995") == ["Björk/Post (1995)"]
    assert found("!!!") == ["!!!/Louden Up Now"]
    assert found("jork") == found("bjork louden") == []
    assert len(found(" ")) == 4


@pytest.mark.parametrize("few", [0, 1, 10_000])
def test_rare_and_common_words_find_the_same_folders(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors_words, "FEW", few)
    root = LibraryRoot.objects.create(path="/music")
    for folder in ("Ada Adams/Low", "Ada/Low Water", "Bo/High Water", "Bo/Ada"):
        folder_pending(root.id, folder.encode())

    def found(words: str) -> list[str]:
        return list(folder_query(words=words).order_by("id").values_list("display", flat=True))

    assert found("ada") == ["Ada Adams/Low", "Ada/Low Water", "Bo/Ada"]
    assert found("ada low") == ["Ada Adams/Low", "Ada/Low Water"]
    assert found("ada high") == []


def test_the_filter_by_path_reads_its_words_from_an_index() -> None:
    with CaptureQueriesContext(connection) as seen:
        rows = folder_query(words="ada album").order_by("-id")[:50]
    assert len(seen) == 1
    assert "folder_word" in rows.explain()
    assert "LIKE" not in str(rows.query)
