"""Jobs of jobs in lists: pages, API, terminal; filters that look into children; every reason in words."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.common.models import Role
from apps.common.services import api_key_create
from apps.domain.catalog.identity import label_name_id
from apps.domain.jobs.lifecycle import JobState, TrackState
from apps.jobs.models import Job, JobTrack, PlannedRelease
from apps.jobs.selectors_list import JobFilter, job_page, reasons_shown
from apps.jobs.services import job_create
from apps.jobs.web.parts import ListQuery, list_parts, tree_parts
from apps.nodelink.web.frame import Rights

pytestmark = pytest.mark.django_db

OPERATE = Rights(operate=True, administer=False)


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("root", password="x" * 12)


@pytest.fixture
def page(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


@pytest.fixture
def api(admin: User) -> Client:
    _row, token = api_key_create(admin, name="tests", role=Role.OPERATOR)
    return Client(headers={"Authorization": f"Bearer {token}"})


def tree(children: int = 3, *, title: str = "Nirvana", held: int = 1, omitted: int = 1, tracks: int = 2) -> Job:
    """A running discography: its first child is completed, the second failed, the others wait for their turn."""
    parent = Job.objects.create(kind="discography", target_mbid=uuid.uuid4(), title=title, state=JobState.RUNNING)
    states = [JobState.COMPLETED, JobState.PARTIAL]
    for at in range(children):
        state = states[at] if at < len(states) else JobState.PENDING
        child = Job.objects.create(
            kind="mb_release",
            target_mbid=uuid.uuid4(),
            parent=parent,
            title=f"{title} album {at}",
            state=state,
            code={JobState.PARTIAL: "tracks_failed", JobState.PENDING: "waits_for_turn"}.get(state, ""),
            params={"failed": 1, "total": tracks} if state is JobState.PARTIAL else {},
        )
        for position in range(1, tracks + 1 if state is not JobState.PENDING else 1):
            done = state is JobState.COMPLETED or position == 1
            JobTrack.objects.create(
                job=child,
                position=position,
                title=f"Song {position}",
                recording_mbid=uuid.uuid4(),
                state=TrackState.COMPLETED if done else TrackState.FAILED,
            )
        Job.objects.filter(id=child.id, state__in=states).update(release_mbid=child.target_mbid)
        plan(parent, at, child=child, state="wanted", reason="edition_standard", tracks=tracks)
    for at in range(held):
        plan(parent, children + at, state="held", reason="held_in_full", tracks=tracks)
    for at in range(omitted):
        plan(parent, children + held + at, state="omitted", reason="type_excluded", tracks=tracks)
    return parent


def plan(parent: Job, at: int, *, state: str, reason: str, tracks: int, child: Job | None = None) -> PlannedRelease:
    return PlannedRelease.objects.create(
        job=parent,
        position=at,
        release_mbid=child.target_mbid if child else uuid.uuid4(),
        title=child.title if child else f"{state} {at}",
        kind="Album",
        track_count=tracks,
        state=state,
        reason=reason,
        child=child,
    )


def single(title: str = "Geogaddi", **given: object) -> Job:
    return Job.objects.create(kind="mb_release", target_mbid=uuid.uuid4(), title=title, **given)


def test_children_stand_below_their_job_and_not_beside_it() -> None:
    parent, alone = tree(), single()
    assert [row.id for row in job_page().items] == [alone.id, parent.id]
    below = job_page(JobFilter(parent=parent.id)).items
    assert {row.parent_id for row in below} == {parent.id}
    assert len(below) == 3
    assert len(job_page(JobFilter(children=True)).items) == 5


def test_a_row_of_a_tree_has_the_figures_of_its_releases() -> None:
    tree()
    (row,) = job_page().items
    assert row.figures is not None
    assert (row.figures.releases_completed, row.figures.releases_total, row.figures.releases_failed) == (1, 3, 1)
    assert (row.figures.releases_held, row.figures.releases_omitted) == (1, 1)
    assert (row.tracks_completed, row.tracks_total, row.tracks_failed) == (3, 6, 1)


def test_figures_cost_the_same_for_one_tree_and_for_many(django_assert_num_queries: Callable[..., object]) -> None:
    tree()
    with django_assert_num_queries(4):  # type: ignore[attr-defined]
        job_page()
    for at in range(6):
        tree(title=f"Artist {at}")
    with django_assert_num_queries(4):  # type: ignore[attr-defined]
        job_page()


def test_a_search_finds_a_tree_by_a_childs_title() -> None:
    found, other = tree(title="Kasabian"), tree(title="Ubiktune")
    assert [row.id for row in job_page(JobFilter(text="kasabian ALBUM 2")).items] == [found.id]
    assert [row.id for row in job_page(JobFilter(text="ubik")).items] == [other.id]
    below = job_page(JobFilter(text="album 1", parent=found.id)).items
    assert [row.title for row in below] == ["Kasabian album 1"]


def test_filters_by_kind_origin_person_and_reason(admin: User) -> None:
    parent = tree()
    doctors = single("Fixed", origin="doctor", state=JobState.FAILED, code="release_not_found", requested_by=admin)
    assert [row.id for row in job_page(JobFilter(kinds=frozenset({"discography"}))).items] == [parent.id]
    assert [row.id for row in job_page(JobFilter(origin="doctor")).items] == [doctors.id]
    assert [row.id for row in job_page(JobFilter(person="root")).items] == [doctors.id]
    assert [row.id for row in job_page(JobFilter(reason="release_not_found")).items] == [doctors.id]
    assert reasons_shown() == [("release_not_found", 1)]  # a child's reason is told on its tree's own page


def test_the_api_lists_trees_children_and_figures(api: Client) -> None:
    parent, alone = tree(), single()
    items = api.get("/api/jobs").json()["items"]
    assert [one["id"] for one in items] == [str(alone.id), str(parent.id)]
    assert items[0]["figures"] is None
    assert items[1]["figures"]["releases_total"] == 3
    children = api.get(f"/api/jobs/{parent.id}/children?limit=2").json()
    assert len(children["items"]) == 2
    rest = api.get(f"/api/jobs/{parent.id}/children?limit=2&cursor={children['next']}").json()
    assert len(rest["items"]) == 1
    assert {one["parent_id"] for one in [*children["items"], *rest["items"]]} == {str(parent.id)}
    failed = api.get(f"/api/jobs/{parent.id}/children?state=partial").json()["items"]
    assert [one["message"] for one in failed] == ["1 of 2 tracks could not be completed."]
    assert len(api.get(f"/api/jobs?parent={parent.id}").json()["items"]) == 3
    assert len(api.get("/api/jobs?children=true").json()["items"]) == 5
    assert [one["id"] for one in api.get("/api/jobs?kind=discography&kind=label_crate").json()["items"]] == [
        str(parent.id)
    ]
    unknown = api.get(f"/api/jobs/{uuid.uuid4()}/children")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "job_unknown")
    head = api.get(f"/api/jobs/{parent.id}").json()
    assert (head["figures"]["releases_held"], head["parent"]) == (1, None)
    below = api.get(f"/api/jobs/{children['items'][0]['id']}").json()
    assert below["parent"] == {"id": str(parent.id), "kind": "discography", "title": "Nirvana", "artist": ""}


def test_a_tree_unfolds_in_the_list_and_stays_live() -> None:
    parent, alone = tree(), single()
    closed = list_parts(ListQuery(), rights=OPERATE)
    assert f"job-{parent.id}" in closed
    assert not [key for key in closed if key.startswith("planned-")]
    opened = [key for key in list_parts(ListQuery(open=parent.id), rights=OPERATE) if key.startswith(("job-", "plan"))]
    assert opened[:2] == [f"job-{alone.id}", f"job-{parent.id}"]
    assert len(opened) == 7


def test_the_list_says_figures_and_every_reason_in_words(page: Client) -> None:
    parent = tree()
    text = page.get(f"/?open={parent.id}").content.decode()
    for words in (
        "1/3 releases",
        "3/6 tracks",
        "1 not whole",
        "1 held",
        "1 left out",
        "1 of 2 tracks could not be completed.",
        "It waits for its turn",
        "The library holds all of it.",
        "This kind of release is not of the profile.",
    ):
        assert words in text, words
    assert "Nirvana album 0" not in page.get("/").content.decode()


def test_a_large_tree_unfolds_by_pages(page: Client, django_assert_max_num_queries: Callable[..., object]) -> None:
    parent = tree(children=60, held=0, omitted=0)
    first = page.get(f"/?open={parent.id}")
    assert first.content.decode().count('id="planned-') == 25
    with django_assert_max_num_queries(19):  # type: ignore[attr-defined]
        page.get(f"/?open={parent.id}")
    assert page.get(f"/?open={parent.id}&at=nonsense").status_code == 302
    own = page.get(f"/jobs/{parent.id}")
    assert own.content.decode().count('id="planned-') == 50
    assert page.get(f"/jobs/{parent.id}?cursor=nonsense").status_code == 302


def test_the_page_of_a_tree_and_of_its_child_lead_to_each_other(page: Client) -> None:
    parent = tree()
    child = parent.children.get(title="Nirvana album 1")
    text = page.get(f"/jobs/{parent.id}").content.decode()
    assert f"/jobs/{child.id}" in text
    assert "Discography" in text
    assert "This edition: it has the usual tracks" in text
    held = page.get(f"/jobs/{parent.id}?show=held").content.decode()
    assert held.count('id="planned-') == 1
    below = page.get(f"/jobs/{child.id}").content.decode()
    assert f'href="/jobs/{parent.id}"' in below
    assert "Nirvana" in below
    parts = tree_parts(parent.id, rights=OPERATE)
    assert len([key for key in parts if key.startswith("planned-")]) == 5


def test_a_crate_of_a_label_known_by_name_alone_is_called_by_it(page: Client) -> None:
    derived = label_name_id("Nobody Records")
    crate = job_create(
        kind="label_crate", target_mbid=derived, target_source="name", target_ref="Nobody Records", selection={"label_name": "Nobody Records"},
    )  # fmt: skip
    for address in (f"/jobs/{crate.id}", "/"):
        text = page.get(address).content.decode()
        assert "Nobody Records" in text
        assert str(derived) not in text, "an id that MusicBrainz never gave"


def test_a_tree_without_a_plan_shows_its_children(page: Client) -> None:
    parent = tree(held=0, omitted=0)
    PlannedRelease.objects.all().delete()
    text = page.get(f"/jobs/{parent.id}").content.decode()
    assert text.count('id="planned-') == 3
    empty = Job.objects.create(kind="label_crate", target_mbid=uuid.uuid4(), state=JobState.PENDING)
    assert "No release yet" in page.get(f"/jobs/{empty.id}").content.decode()


def test_acts_on_a_selection_hold_for_trees(page: Client) -> None:
    parent, alone = tree(), single()
    answer = page.post("/jobs/act/pause", {"ids": [str(parent.id), str(alone.id)]}, headers={"HX-Request": "true"})
    assert "2 jobs paused" in answer.content.decode()
    assert {row.state for row in job_page().items} == {JobState.PAUSED}
    page.post("/jobs/act/cancel", {"ids": [str(parent.id)]}, headers={"HX-Request": "true"})
    assert Job.objects.get(id=parent.id).state == JobState.CANCELLED
    waiting = parent.children.get(title="Nirvana album 2")
    assert waiting.state == JobState.CANCELLED


def test_names_are_never_taken_for_markup(page: Client) -> None:
    parent = tree(title="<b>Nirvana</b>")
    for path in (f"/?open={parent.id}", f"/jobs/{parent.id}", "/?q=%3Cb%3E"):
        assert "<b>Nirvana" not in page.get(path).content.decode()


def test_an_odd_address_shows_the_whole_list(page: Client) -> None:
    tree()
    answer = page.get("/?show=x&kind=y&origin=z&open=q")
    assert answer.status_code == 200
    assert "Nirvana" in answer.content.decode()
    assert "Nothing matches" in page.get("/?reason=nothing_like_it").content.decode()
