"""The find page: what was understood in words, candidates with what tells them apart, asking in two clicks; targets track by track with what belongs to them."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from apps.catalog.models import Artist, EntityTag, GroupArtist, Label, Recording, Release, ReleaseGroup, ReleaseLabel
from apps.catalog.models import Relation as RelationRow
from apps.catalog.services import editions_store, release_store
from apps.domain.catalog.candidates import Candidate, CandidateKind, MediumBrief, Reason
from apps.domain.catalog.relations import Relation
from apps.domain.catalog.release import ReleaseFacts, read_release
from apps.jobs.models import AlbumTarget, Find, Job
from apps.jobs.selectors_find import find_view
from apps.jobs.selectors_related import Section, related_to_release
from apps.jobs.services_find import find_ask
from apps.jobs.web.find import find_parts
from apps.library.models import AudioFile
from apps.nodelink.web.frame import Rights
from tests.workers.folder_rows import a_file

pytestmark = pytest.mark.django_db

ANSWERS = Path(__file__).resolve().parents[2] / "slskdn_site" / "demo" / "answers"
BODY = json.loads(next((ANSWERS / "musicbrainz/ws/2/release").glob("????????-*.json")).read_text("utf-8"))
MBID = uuid.UUID(BODY["id"])


def facts(**changes: object) -> ReleaseFacts:
    return read_release({**BODY, **changes})


def held(release: ReleaseFacts, *numbers: int) -> None:
    """Files of some tracks, filed as part of the release."""
    for index, (medium, track) in enumerate(release.tracks(), start=1):
        if index in numbers:
            file = a_file("Ada/Album", f"{index:02}.flac", duration_ms=track.length_ms or 1, recording=track.recording.mbid, tags={"title": track.title, "artist": track.artist_credit, "album": release.title, "track": track.position, "disc": medium.position})  # fmt: skip
            AudioFile.objects.filter(id=file.id).update(
                release_mbid=release.mbid, medium_position=medium.position, track_position=track.position
            )


def page_of(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query)
    assert response.status_code == 200, response.content[:500]
    return response.content.decode()


def test_the_empty_box_says_what_it_takes(viewer: Client) -> None:
    page = page_of(viewer, "/find")
    assert "release-group/" in page
    assert "barcode" in page
    assert "data-live=" not in page
    assert not Find.objects.exists()


def test_what_the_catalog_knows_is_there_at_once(viewer: Client) -> None:
    release_store(facts())
    page = page_of(viewer, "/find", q=f"https://musicbrainz.org/release/{MBID}")
    assert "one edition of an album" in page
    assert BODY["title"] in page
    assert reverse("target", args=["release", MBID]) in page
    assert "data-live=" not in page
    assert "/ask?" not in page, "a viewer may not ask"


def test_what_has_to_be_asked_shows_that_and_a_live_view(operator: Client, olga: User) -> None:
    page = page_of(operator, "/find", q="nirvana - nevermind")
    row = Find.objects.get()
    assert row.requested_by == olga
    assert reverse("live-find", args=[row.id]) in page
    assert "“nevermind” by “nirvana”" in page
    page_of(operator, "/find", q="Nirvana – Nevermind")
    assert Find.objects.count() == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0720642442525", "last digit does not fit"),
        ("https://example.com/release/1", "not those at example.com"),
        ("https://musicbrainz.org/work/" + str(MBID), "neither an artist"),
        ("x" * 501, "500 characters are the most"),
    ],
)
def test_what_can_not_be_looked_up_says_why(viewer: Client, text: str, words: str) -> None:
    assert words in page_of(viewer, "/find", q=text)
    assert not Find.objects.exists()


def test_candidates_of_every_kind_lead_on_and_foreign_text_is_harmless(operator: Client) -> None:
    asked = find_ask("anything")
    some = [
        Candidate(kind=kind, mbid=uuid.uuid4(), title=f"<b>{kind}</b>\u202e", artist="A & B", country="GB", track_count=3,
                  media=(MediumBrief(format="CD"),), group_mbid=uuid.uuid4(), reasons=(Reason(code="find_title", points=1.0),))
        for kind in CandidateKind
    ]  # fmt: skip
    Find.objects.filter(id=asked).update(candidates=[one.to_json() for one in some], found=400, state="done")
    page = page_of(operator, "/find", q="anything")
    assert "<b>" not in page.split("<main", 1)[1]
    assert "\u202e" not in page
    assert "5 of 400 are shown" in page
    for kind in ("mb_release", "recording", "discography", "label_crate"):
        assert f"/ask?kind={kind}&amp;mbid=" in page
    assert page.count("data-row") == 5
    parts = find_parts(asked, rights=Rights(operate=True, administer=False))
    assert "find-answer" in parts


def test_looking_again_makes_another_row(operator: Client) -> None:
    asked = find_ask("anything")
    Find.objects.filter(id=asked).update(state="done")
    assert operator.post("/find/again", {"q": "anything"}).status_code == 302
    assert Find.objects.count() == 2
    assert operator.post("/find/again", {"q": ""}).status_code == 400


@pytest.mark.parametrize("kind", ["mb_release", "recording", "discography", "label_crate"])
def test_asking_is_two_clicks(operator: Client, kind: str) -> None:
    page = page_of(operator, "/ask", kind=kind, mbid=str(MBID))
    key = re.search(r'name="key" value="([^"]+)"', page)
    assert key
    form = {"kind": kind, "mbid": str(MBID), "key": key[1], "profile": "extended", "limit": "7"}
    assert operator.post("/ask", form).status_code == 302
    job = Job.objects.get()
    assert (job.kind, job.target_mbid) == (kind, MBID)
    if kind == "discography":
        assert (job.selection["profile"], job.selection["limit_releases"]) == ("extended", 7)


def test_asking_for_nonsense_says_so(operator: Client, viewer: Client) -> None:
    assert operator.get("/ask", {"kind": "mb_release", "mbid": "no"}).status_code == 400
    assert operator.get("/ask", {"kind": "cat", "mbid": str(MBID)}).status_code == 404
    assert viewer.post("/ask", {"kind": "mb_release", "mbid": str(MBID)}).status_code == 403


def test_a_target_tells_what_is_missing_and_gets_exactly_that(operator: Client) -> None:
    release = facts()
    release_store(release)
    held(release, 1, 2, 3, 5)
    address = reverse("target", args=["release", MBID])
    page = page_of(operator, address)
    assert "Tracks missing" in page
    assert "Get 4 missing tracks" in page
    assert operator.post(f"{address}/act/choose").status_code == 302
    row = AlbumTarget.objects.get()
    assert (row.state, row.tracks, row.held, row.missing) == ("partial", 8, 4, 4)
    assert operator.post(f"{address}/act/missing", {"key": "k"}).status_code == 302
    job = Job.objects.get()
    assert [one["position"] for one in job.constraints["tracks"]] == [4, 6, 7, 8]
    page = page_of(operator, address)
    assert "Get 4 missing tracks" not in page, "a job for them is under way"
    assert "Pending" in page or "Waiting" in page
    assert operator.post(f"{address}/act/missing", {"key": "k"}).status_code == 302
    assert Job.objects.count() == 1
    assert "Tracks missing" in page_of(operator, "/targets")
    assert BODY["title"] in page_of(operator, "/targets", show="partial")
    assert BODY["title"] not in page_of(operator, "/targets", show="complete").split("<main", 1)[1]
    assert operator.post(f"{address}/act/forget").status_code == 302
    assert not AlbumTarget.objects.exists()


def test_a_target_names_every_missing_track_and_what_is_too_much(operator: Client) -> None:
    release = facts()
    release_store(release)
    titles = [track.title for _, track in release.tracks()]
    held(release, 1, 2, 3, 5, 6, 8)
    page = page_of(operator, reverse("target", args=["release", MBID]))
    rows = [re.sub(r"<[^>]+>", " ", row) for row in page.split("<tr data-row>")[1 : 1 + len(titles)]]
    missing = {number for number, row in enumerate(rows, start=1) if "Missing" in row}
    assert missing == {4, 7}
    for number in missing:
        assert re.search(rf"1–{number}\b", rows[number - 1])
        assert escape(titles[number - 1]) in rows[number - 1]
    held(release, 4, 7)
    for number in (97, 98, 99):
        bonus = a_file(
            "Ada/Album", f"{number}.flac", duration_ms=99_000, recording=uuid.uuid4(), tags={"title": "Bonus"}
        )
        AudioFile.objects.filter(id=bonus.id).update(release_mbid=MBID, medium_position=1, track_position=number)
    page = page_of(operator, reverse("target", args=["release", MBID]))
    assert "Another edition with bonus tracks may be meant." in page
    assert re.search(r"Extra files</dt><dd>3</dd>", page)
    for number in (97, 98, 99):
        assert f"Ada/Album/{number}" in page


def test_a_target_of_an_unknown_track_list_is_looked_up(operator: Client) -> None:
    address = reverse("target", args=["release", MBID])
    assert "Look it up" in page_of(operator, address)
    assert operator.post(f"{address}/act/choose").status_code == 302
    find = find_view(Find.objects.get().id)
    assert find is not None
    assert find.asked["mbid"] == str(MBID)
    assert operator.post(f"{address}/act/missing").status_code == 400
    assert operator.get(f"/targets/cat/{MBID}").status_code == 404


def test_a_recording_is_a_target_of_its_own(operator: Client) -> None:
    release = facts()
    release_store(release)
    _, track = next(release.tracks())
    address = reverse("target", args=["recording", track.recording.mbid])
    assert "Nothing held" in page_of(operator, address)
    held(release, 1)
    page = page_of(operator, address)
    assert "Complete" in page
    assert release.title in page, "releases it stands on"


def test_what_is_held_is_solved_among_the_editions(operator: Client) -> None:
    release = facts()
    assert release.group is not None
    longer = json.loads(json.dumps(BODY))
    longer |= {"id": str(uuid.uuid4()), "country": "JP"}
    for medium in longer["media"]:
        for track in medium["tracks"]:
            track["id"] = str(uuid.uuid5(MBID, track["id"]))
        bonus = json.loads(json.dumps(medium["tracks"][-1]))
        bonus |= {"id": str(uuid.uuid4()), "position": 99, "title": "Bonus", "recording": {"id": str(uuid.uuid4()), "title": "Bonus", "length": 1000}}  # fmt: skip
        medium["tracks"].append(bonus)
    editions_store(release.group.mbid, [release, read_release(longer)])
    held(release, *range(1, 9))
    page = page_of(operator, reverse("target", args=["release", MBID]))
    assert "Which edition is it?" in page
    assert "2 editions compared" in page
    assert "Nothing needs to change." in page
    assert "1 track is missing" in page


def test_the_sidebar_tells_what_belongs_to_it_in_bounded_queries(
    operator: Client, django_assert_max_num_queries: object
) -> None:
    vig, elsewhere = uuid.uuid4(), uuid.uuid4()
    made = Relation(kind="producer", forward=False, target_kind="artist", mbid=vig, name="B. Producer")
    release = replace(facts(), relations=(made, replace(made, kind="mix"), replace(made, kind="publishing")))
    release_store(release)
    assert release.group is not None
    Release.objects.create(mbid=elsewhere, title="Made elsewhere")
    RelationRow.objects.create(source_kind="release", source_mbid=elsewhere, kind="mix", forward=False, target_kind="artist", target_mbid=vig, name="B. Producer")  # fmt: skip
    artist = Artist.objects.get(mbid=release.artists[0].mbid)
    label = Label.objects.create(mbid=uuid.uuid4(), name="Sub Pop")
    ReleaseLabel.objects.create(release_id=MBID, label=label, position=0)
    guest = Artist.objects.create(mbid=uuid.uuid4(), name="A Guest")
    member = Artist.objects.create(mbid=uuid.uuid4(), name="A Member")
    RelationRow.objects.create(source_kind="artist", source_mbid=artist.mbid, kind="member of band", target_kind="artist", target_mbid=member.mbid, name=member.name)  # fmt: skip
    recording = Recording.objects.filter(tracks__medium__release_id=MBID).first()
    assert recording is not None
    Recording.objects.filter(mbid=recording.mbid).update(artist_mbids=[str(artist.mbid), str(guest.mbid)])
    EntityTag.objects.create(entity_kind="release_group", mbid=release.group.mbid, name="grunge", count=9)
    for number in range(40):
        group = ReleaseGroup.objects.create(mbid=uuid.uuid4(), title=f"Album {number}", primary_type="Album")
        GroupArtist.objects.create(group=group, artist=artist, position=0)
        one = Release.objects.create(mbid=uuid.uuid4(), title=f"Album {number}", release_group=group, status="Official")
        ReleaseLabel.objects.create(release=one, label=label, position=0)
        EntityTag.objects.create(entity_kind="release_group", mbid=group.mbid, name="grunge", count=number)
        Release.objects.create(mbid=uuid.uuid4(), title=f"{release.title} (remastered)", release_group_id=release.group.mbid, country=f"{number}")  # fmt: skip
    with django_assert_max_num_queries(30):  # type: ignore[operator]
        found = {one.section: one for one in related_to_release(MBID)}
    assert set(found) == set(Section)
    assert all(len(one.items) <= 8 for one in found.values())
    assert found[Section.EDITIONS].items[0].note == "remaster"
    assert all(one.add is not None for one in found[Section.ARTIST].items)
    assert [one.title for one in found[Section.FEATURED].items] == ["A Guest"]
    assert [one.note for one in found[Section.PERSONNEL].items] == ["member of band"]
    assert [(one.title, one.note) for one in found[Section.CREW].items] == [
        ("B. Producer", "producer"),
        ("Made elsewhere", ""),
    ]
    assert (found[Section.LABEL].about, found[Section.GENRE].about) == ("Sub Pop", "grunge")
    page = page_of(operator, reverse("target", args=["release", MBID]))
    assert "On the same label" in page
    assert "Produced, mixed and recorded by" in page
    add = re.search(r'name="mbid" value="([^"]+)"><input type="hidden" name="key" value="(related-[^"]+)"', page)
    assert add
    assert operator.post("/ask", {"kind": "mb_release", "mbid": add[1], "key": add[2]}).status_code == 302
    assert Job.objects.get().target_mbid == uuid.UUID(add[1])


def test_an_answer_without_relations_takes_none_away() -> None:
    made = Relation(kind="producer", forward=False, target_kind="artist", mbid=uuid.uuid4(), name="B. Producer")
    release_store(replace(facts(), relations=(made,)))
    release_store(replace(facts(), relations=None))
    assert [one.title for one in related_to_release(MBID)[0].items] == ["B. Producer"]
    release_store(replace(facts(), relations=()))
    assert Section.CREW not in {one.section for one in related_to_release(MBID)}
