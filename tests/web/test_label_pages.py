"""The pages of labels: what they say at nothing, of the mesh and of MusicBrainz; filters; the crate; in how many queries."""

from __future__ import annotations

import html
import re
import uuid
from typing import Any

import pytest
from django.test import Client

from apps.catalog.models import Label, Release, ReleaseGroup, ReleaseLabel, Walk
from apps.domain.catalog.identity import label_name_id
from apps.jobs.models import Job
from tests.apps.mesh.label_rows import SUB_POP, hear, sighted

pytestmark = pytest.mark.django_db
MOTOWN = uuid.UUID("8e479ea3-0b5c-4fc4-8d4f-e6b3f3f3b6a4")


def shown(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


def listed(mbid: uuid.UUID, name: str, *kinds: tuple[str, list[str]]) -> None:
    """A label of the catalogue with a release of each kind."""
    label = Label.objects.create(mbid=mbid, name=name)
    for number, (primary, secondary) in enumerate(kinds):
        group = ReleaseGroup.objects.create(
            mbid=uuid.uuid4(), title=f"Group {number}", primary_type=primary, secondary_types=secondary
        )
        release = Release.objects.create(
            mbid=uuid.uuid4(), title=f"{primary} {number}", artist_credit="Marvin Gaye", date=f"19{70 + number}", release_group=group
        )  # fmt: skip
        ReleaseLabel.objects.create(release=release, label=label, position=0)


def test_without_any_label_the_page_says_how_labels_come(viewer: Client) -> None:
    assert "No label was heard of yet" in shown(viewer, "/mesh/labels")
    assert "Labels" in shown(viewer, "/mesh")


def test_labels_come_by_popularity_with_their_counts(viewer: Client) -> None:
    hear(sighted(1, label="Quiet", label_mbid=None), *(sighted(2, peer=f"p{n}") for n in range(4)))
    page = shown(viewer, "/mesh/labels")
    assert page.index("Sub Pop") < page.index("Quiet")
    assert "known by its name only" in page
    assert "2 labels · 2 releases · 5 peers" in page


def test_names_are_shown_as_text(viewer: Client) -> None:
    hear(sighted(1, label="<script>alert(1)</script>", label_mbid=None, title="<b>x", artist="\u202ey"))
    page = viewer.get("/mesh/labels").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    one = viewer.get(f"/mesh/labels/{label_name_id('<script>alert(1)</script>')}").content.decode()
    assert "<script>alert" not in one and "<b>x" not in one and "\u202e" not in one


def test_filters_stand_in_the_address_and_wrong_ones_are_left_out(viewer: Client) -> None:
    hear(sighted(1), *(sighted(10 + n, label="Motown", label_mbid=MOTOWN) for n in range(3)))
    assert "Motown" not in shown(viewer, "/mesh/labels?q=sub")
    assert "Sub Pop" not in shown(viewer, "/mesh/labels?least=2")
    assert "Sub Pop" in shown(viewer, "/mesh/labels?least=9%00&q=%00")
    assert viewer.get("/mesh/labels?cursor=nonsense").status_code == 302


def test_a_name_that_no_peer_told_leads_to_musicbrainz_label(viewer: Client) -> None:
    listed(MOTOWN, "Motown")
    page = viewer.get("/mesh/labels?q=motown").content.decode()
    assert "No neighbour was heard to have anything of such a label" in page
    assert f"/mesh/labels/{MOTOWN}" in page


def test_a_label_of_the_mesh_shows_its_releases_as_a_crate_takes_them(viewer: Client) -> None:
    hear(
        sighted(1, quality=0.9), sighted(2, quality=0.2), *(sighted(3, peer=f"p{n}", profile="mp3-cbr-320") for n in range(3))
    )  # fmt: skip
    page = shown(viewer, f"/mesh/labels/{SUB_POP}")
    assert page.index("Title 3") < page.index("Title 1") < page.index("Title 2")
    assert "Releases that peers have" in page
    assert "MusicBrainz was not asked for this label's releases yet" in page
    assert "Title 3" not in shown(viewer, f"/mesh/labels/{SUB_POP}?codec=lossless")
    assert "Nothing matches this filter" in shown(viewer, f"/mesh/labels/{SUB_POP}?studio=1")


def test_a_label_that_the_mesh_knows_nothing_of_shows_musicbrainz_list_and_says_so(viewer: Client) -> None:
    listed(MOTOWN, "Motown", ("Album", []), ("Album", ["Live"]), ("Single", []))
    page = shown(viewer, f"/mesh/labels/{MOTOWN}")
    assert "The mesh knows nothing of this label" in page
    assert "Releases, by MusicBrainz" in page
    assert page.index("Single 2") < page.index("Album 0")
    assert "Album + Live" in page
    studio = shown(viewer, f"/mesh/labels/{MOTOWN}?studio=1")
    assert "Album 0" in studio and "Album 1" not in studio and "Single 2" not in studio


def test_a_label_that_nobody_knows_offers_to_ask(operator: Client) -> None:
    address = f"/mesh/labels/{MOTOWN}"
    assert "Ask MusicBrainz" in shown(operator, address)
    assert operator.post(f"{address}/ask").status_code == 302
    assert Walk.objects.get().mbid == MOTOWN
    assert "MusicBrainz' list is being read" in shown(operator, address)


def test_a_crate_is_made_once_with_what_was_chosen(operator: Client) -> None:
    hear(sighted(1))
    form = {"size": "20", "studio": "1", "codec": "lossless", "key": "a key"}
    for _ in range(2):
        answer = operator.post(f"/mesh/labels/{SUB_POP}/crate", form)
    job = Job.objects.get()
    assert answer.headers["Location"] == f"/jobs/{job.id}"
    assert (job.kind, job.target_mbid, job.target_source) == ("label_crate", SUB_POP, "musicbrainz")
    assert (job.selection["limit_releases"], job.selection["studio_only"], job.selection["label_name"]) == (
        20,
        True,
        "Sub Pop",
    )
    assert job.constraints["allow_lossy"] is False


def test_a_crate_of_a_label_known_by_name_is_asked_for_by_its_name(operator: Client) -> None:
    hear(sighted(1, label="Fat Cat", label_mbid=None))
    operator.post(f"/mesh/labels/{label_name_id('Fat Cat')}/crate", {"size": "all"})
    job = Job.objects.get()
    assert (job.target_source, job.target_ref, job.selection["limit_releases"]) == ("name", "Fat Cat", None)


def test_wrong_choices_are_said_and_viewers_make_nothing(operator: Client, viewer: Client) -> None:
    hear(sighted(1))
    assert "No crate is made for the codec" in operator.post(
        f"/mesh/labels/{SUB_POP}/crate", {"codec": "8-track"}, follow=True
    ).content.decode()  # fmt: skip
    assert viewer.post(f"/mesh/labels/{SUB_POP}/crate", {"size": "10"}).status_code == 403
    assert viewer.post(f"/mesh/labels/{SUB_POP}/ask").status_code == 403
    assert not Job.objects.exists()


def test_pages_cost_the_same_with_fifty_rows_as_with_one(viewer: Client, django_assert_max_num_queries: Any) -> None:
    hear(*(sighted(n) for n in range(50)))
    hear(*(sighted(100 + n, label=f"L{n}", label_mbid=None) for n in range(60)))
    viewer.get("/mesh/labels")
    with django_assert_max_num_queries(15):
        viewer.get("/mesh/labels")
    with django_assert_max_num_queries(21):
        viewer.get(f"/mesh/labels/{SUB_POP}")
