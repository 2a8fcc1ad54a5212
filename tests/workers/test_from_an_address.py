"""From a pasted address to an expanded discography or crate and back from its manifest, by what MusicBrainz really answered. Nothing is skipped: the find, the
worker that answers it, the walks, the plan, the children in their turns, their tracks, the manifest, the empty database."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.models import QuerySet
from django.utils import timezone

from apps.catalog.models import Release
from apps.catalog.selectors_graph import artist_detail, counts_by_type, graph_state
from apps.domain.catalog.candidates import Candidate
from apps.domain.catalog.identity import label_name_id
from apps.domain.jobs.job_manifest import manifest_yaml, read_manifests
from apps.domain.jobs.lifecycle import JobState
from apps.jobs.models import Job, JobTrack, PlannedRelease
from apps.jobs.selectors_find import find_view
from apps.jobs.selectors_manifest import manifests_exported
from apps.jobs.selectors_tree import TreeFigures, tree_figures
from apps.jobs.services import job_create
from apps.jobs.services_find import find_ask
from apps.jobs.services_import import Outcome, imports_begin, jobs_import
from apps.library.selectors_ready import LibraryReading
from slskdn_site.demo.metadata_service.mmd import json_of
from tests.apps.jobs.tree_rows import hold
from tests.recorded import needs_recorded, recorded_folder
from tests.workers.conftest import Killed, kill_at
from tests.workers.test_walks import KASABIAN, NIRVANA, UBIKTUNE, Served, run
from workers.expanding import expand
from workers.finding import find
from workers.manifests import write_due
from workers.resolution import resolve
from workers.restoring import restore_folder

pytestmark = [pytest.mark.django_db(transaction=True), needs_recorded]


def editions_folder(folder: Path, recorded: Path) -> Path:
    """A folder of answers with one edition of each of Kasabian's recorded groups: of these the groups were recorded, their releases were not."""
    entries = json.loads((recorded / "index.json").read_text("utf-8"))
    entries = entries["entries"] if isinstance(entries, dict) else entries
    (entry,) = [
        one
        for one in entries
        if one["path"] == "/ws/2/release-group" and one["query"].get("artist") == str(KASABIAN) and one["status"] == 200
    ]
    told = json_of((recorded / entry["file"]).read_bytes())
    assert told is not None
    groups = told["release-groups"]
    assert isinstance(groups, list)
    credit = [{"name": "Kasabian", "joinphrase": "", "artist": {"id": str(KASABIAN), "name": "Kasabian"}}]
    releases = {}
    for group in groups:
        assert isinstance(group, dict)
        mbid = str(uuid.uuid5(uuid.UUID(str(group["id"])), "edition"))
        releases[mbid] = {
            "id": mbid, "title": group["title"], "status": "Official", "country": "GB", "artist-credit": credit,
            "date": group.get("first-release-date") or "", "release-group": group, "label-info": [],
            "media": [{"position": 1, "format": "CD", "track-count": 10}],
        }  # fmt: skip
    (folder / "musicbrainz" / "world").mkdir(parents=True)
    (folder / "index.json").write_text(json.dumps({"entries": []}), "utf-8")
    links = {"artist_releases": {str(KASABIAN): list(releases)}}
    for name, value in (("links", links), ("releases", releases)):
        (folder / "musicbrainz" / "world" / f"{name}.json").write_text(json.dumps(value), "utf-8")
    return folder


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The recorded world, and editions for the groups of which none was recorded."""
    recorded = recorded_folder()
    assert recorded is not None
    service = Served(recorded, editions_folder(tmp_path / "editions", recorded))
    yield service
    service.stop()


def pasted(text: str, served: Served) -> tuple[str, Candidate]:
    """What the box understood of the text, and the one thing that it means."""
    asked = find_ask(text)
    find(asked, musicbrainz=served.musicbrainz)
    view = find_view(asked)
    assert view is not None
    assert (view.state, view.code, len(view.candidates)) == ("done", "", 1)
    return view.understood, view.candidates[0].candidate


def step(job_id: uuid.UUID, served: Served, **given: object) -> Job:
    """As if the time had come and the lease of whoever died had run out."""
    past = timezone.now() - timedelta(seconds=5)
    Job.objects.filter(id=job_id, next_step_at__isnull=False).update(next_step_at=past)
    Job.objects.filter(id=job_id, lease_until__isnull=False).update(lease_until=past)
    expand(
        job_id,
        labels_found=lambda words: [one.value for one in served.musicbrainz.search_labels(words)],
        **given,  # type: ignore[arg-type]
    )
    return Job.objects.get(id=job_id)


def expanded(kind: str, mbid: uuid.UUID, served: Served, **selection: object) -> Job:
    """The job as workers take it in turn, killed once in the middle of its children and finished by another."""
    # Constraints of its own: a tree with the same ones would wait for the releases that an earlier tree fetches.
    own = {"allow_lossy": False, "overlay_bandwidth_kbps": 1000 + Job.objects.filter(parent=None).count()}
    job_id = job_create(kind=kind, target_mbid=mbid, selection=selection, constraints=own).id
    with pytest.raises(Killed):
        for _ in range(20):
            assert step(job_id, served, checkpoint=kill_at("children 0")).code in ("graph_walking", "editions_walking")
            run(served)
    job = step(job_id, served)
    assert (job.state, job.expanded_at is not None) == (JobState.RUNNING, True)
    before = children(job)
    step(job_id, served)
    assert children(job) == before, "expanding once more makes none twice"
    assert {one.constraints["allow_lossy"] for one in job.children.all()} == {False}
    return job


def children(job: Job) -> list[uuid.UUID]:
    return sorted(job.children.values_list("target_mbid", flat=True))


def lines(job: Job, state: str) -> dict[str, str]:
    return dict(PlannedRelease.objects.filter(job=job, state=state).values_list("title", "reason"))


def planned(job: Job) -> QuerySet[PlannedRelease]:
    return PlannedRelease.objects.filter(job=job)


def figures(job: Job) -> TreeFigures:
    return tree_figures([job.id])[job.id]


def tree(job_id: uuid.UUID) -> dict[str, object]:
    """What a tree is, apart from when and how far."""
    job = Job.objects.get(id=job_id)
    return {
        "is": (job.id, job.kind, job.target_mbid, job.title, job.selection, job.constraints),
        "children": [
            (one.id, one.kind, one.target_mbid, one.parent_id, one.constraints)
            for one in job.children.order_by("target_mbid")
        ],
    }


def test_nirvana_from_its_address_to_each_discography(served: Served) -> None:
    said, one = pasted(f"https://musicbrainz.org/artist/{NIRVANA}", served)
    assert (said, one.kind, one.mbid, one.title) == ("An artist at MusicBrainz.", "artist", NIRVANA, "Nirvana")
    core = expanded("discography", one.mbid, served)
    assert (core.title, core.code) == ("Nirvana", "")
    assert set(lines(core, "wanted")) == {"Bleach", "Nevermind"}
    assert Counter(lines(core, "omitted").values()) == {"type_excluded": 31, "editions_unreadable": 1}
    assert lines(core, "omitted")["In Utero"] == "editions_unreadable", "no edition of it was recorded"
    assert (figures(core).releases_total, figures(core).releases_omitted, figures(core).tracks_total) == (2, 32, 25)
    asked = len(served.paths)

    extended = expanded("discography", one.mbid, served, profile="extended")
    assert set(lines(extended, "wanted")) == {"Bleach", "Nevermind", "MTV Unplugged in New York"}
    assert Counter(lines(extended, "omitted").values()) == {"not_well_known": 22, "editions_unreadable": 9}
    everything = expanded("discography", one.mbid, served, profile="all")
    assert Counter(lines(everything, "omitted").values()) == {"editions_unreadable": 31}
    assert figures(everything).tracks_total == 39
    later = {path.removeprefix("/ws/2/").split("/")[0] for path in served.paths[asked:]}
    assert later == {"release", "release-group"}, (
        "the graph was read once; then groups without an edition were asked for"
    )
    assert f"/ws/2/artist/{NIRVANA}" not in served.paths[asked:]
    assert counts_by_type(one.mbid) == {
        "Album": (3, 18), "Album + Live": (1, 14), "Album + Compilation": (22, 0), "EP": (8, 0),
    }  # fmt: skip
    graph = graph_state(one.mbid)
    assert (graph.state, graph.groups_taken, graph.groups_total) == ("ready", 34, 34)
    assert (graph.releases_taken, graph.unreadable) == (38, 0)
    detail = artist_detail(one.mbid)
    assert detail is not None
    assert detail.name == "Nirvana"
    # Every edition that was chosen is one of the artist's, with what a person needs to know it by.
    chosen = Release.objects.filter(mbid__in=children(everything))
    assert {(row.title, row.status, bool(row.country)) for row in chosen} == {
        (title, "Official", True) for title in lines(everything, "wanted")
    }


def test_children_of_nirvana_become_tracks_in_their_turns(served: Served) -> None:
    """Of the chosen Bleach only what a search told was recorded: its job waits and says why; the others have their tracklists."""
    tree_job = expanded("discography", NIRVANA, served, profile="extended")
    for child in tree_job.children.filter(next_step_at__isnull=False):
        resolve(child.id, musicbrainz=served.musicbrainz)
    told = {one.target_mbid: one for one in tree_job.children.all()}
    states = {
        one.title: (told[one.release_mbid].state, told[one.release_mbid].code)
        for one in planned(tree_job).filter(state="wanted")
    }
    assert states == {
        "Bleach": (JobState.PENDING, "musicbrainz_garbled"),
        "Nevermind": (JobState.RUNNING, ""),
        "MTV Unplugged in New York": (JobState.RUNNING, ""),
    }
    tracks = JobTrack.objects.filter(job__parent=tree_job)
    assert tracks.count() == 12 + 14
    assert "Lithium" in set(tracks.values_list("title", flat=True))
    assert {one.want.desired for one in tracks.select_related("want") if one.want} == {"active"}
    assert (figures(tree_job).releases_running, figures(tree_job).tracks_total) == (2, 39)


def test_a_release_that_the_library_holds_is_left_out(served: Served) -> None:
    first = expanded("discography", NIRVANA, served)
    (nevermind,) = planned(first).filter(title="Nevermind")
    release = served.musicbrainz.release(nevermind.release_mbid)
    hold(nevermind.release_mbid, tracks=sum(len(medium.tracks) for medium in release.media))
    again = expanded("discography", NIRVANA, served)
    assert set(lines(again, "held")) == {"Nevermind"}
    assert set(lines(again, "wanted")) == {"Bleach"}
    assert again.children.count() == 1
    assert (figures(again).releases_held, figures(again).releases_total) == (1, 1)


def test_kasabian_from_its_address_to_each_discography(served: Served) -> None:
    """25 of 49 groups were recorded; each has one edition here."""
    said, one = pasted(f"https://musicbrainz.org/artist/{KASABIAN}", served)
    assert (said, one.mbid, one.title) == ("An artist at MusicBrainz.", KASABIAN, "Kasabian")
    assert (one.type, one.country, one.date) == ("Group", "GB", "1997")
    albums = {
        "Kasabian", "Empire", "West Ryder Pauper Lunatic Asylum", "Velociraptor!", "48:13", "For Crying Out Loud",
        "The Alchemist’s Euphoria", "Happenings",
    }  # fmt: skip
    core = expanded("discography", one.mbid, served)
    assert set(lines(core, "wanted")) == albums
    assert Counter(one.reason for one in planned(core) if one.state == "omitted") == {"type_excluded": 17}
    started = core.children.filter(state=JobState.PENDING, next_step_at__isnull=False)
    assert (core.children.count(), started.count()) == (8, 4), "the others wait for their turn"
    extended = expanded("discography", one.mbid, served, profile="extended")
    assert set(lines(extended, "wanted")) == albums
    assert Counter(one.reason for one in planned(extended) if one.state == "omitted") == {
        "type_excluded": 13, "not_well_known": 4,
    }  # fmt: skip
    everything = expanded("discography", one.mbid, served, profile="all")
    assert (everything.children.count(), figures(everything).releases_omitted) == (25, 0)
    assert counts_by_type(one.mbid) == {
        "Album": (8, 8), "Album + Live": (3, 3), "Album + Compilation": (1, 1), "Single": (13, 13),
    }  # fmt: skip
    graph = graph_state(one.mbid)
    assert (graph.state, graph.groups_taken, graph.groups_total) == ("ready", 25, 49)


def test_ubiktune_from_its_address_to_a_crate(served: Served) -> None:
    said, one = pasted(f"https://musicbrainz.org/label/{UBIKTUNE}", served)
    assert (said, one.kind, one.mbid, one.title) == ("A label at MusicBrainz.", "label", UBIKTUNE, "Ubiktune")
    crate = expanded("label_crate", one.mbid, served, limit_releases=10)
    assert (crate.title, crate.code) == ("Ubiktune", "crate_from_musicbrainz"), "the mesh was not heard of it"
    assert crate.children.count() == 10
    assert set(lines(crate, "omitted").values()) == {"beyond_limit"}
    assert (figures(crate).releases_total, figures(crate).releases_omitted) == (10, 15)
    studio = expanded("label_crate", one.mbid, served, studio_only=True)
    kinds = Counter(one.reason for one in planned(studio) if one.state == "omitted")
    assert (studio.children.count(), kinds) == (20, {"not_studio": 5})
    for child in crate.children.filter(next_step_at__isnull=False):
        resolve(child.id, musicbrainz=served.musicbrainz)
    assert crate.children.filter(state=JobState.RUNNING).count() == 4
    assert JobTrack.objects.filter(job__parent=crate).count() == 8 + 18 + 9 + 7
    assert figures(crate).tracks_total == 102
    named = job_create(
        kind="label_crate",
        target_mbid=label_name_id("Ubiktune"),
        target_source="name",
        target_ref="Ubiktune",
        selection={"label_name": "Ubiktune", "limit_releases": 3},
    ).id
    step(named, served)
    assert Job.objects.get(id=named).children.count() == 3, "by its name, too"


@pytest.mark.parametrize(
    ("kind", "mbid", "count"),
    [("discography", NIRVANA, 2), ("discography", KASABIAN, 8), ("label_crate", UBIKTUNE, 25)],
)
def test_from_its_manifests_a_tree_comes_back_into_an_empty_database(
    served: Served, tmp_path: Path, kind: str, mbid: uuid.UUID, count: int
) -> None:
    job = expanded(kind, mbid, served)
    for child in job.children.filter(next_step_at__isnull=False):
        resolve(child.id, musicbrainz=served.musicbrainz)
    before = tree(job.id)
    exported = "---\n".join(manifest_yaml(one) for one in manifests_exported([job.id]))
    write_due(tmp_path / "jobs", clock=lambda: 0.0)
    call_command("flush", interactive=False, verbosity=0)
    assert not Job.objects.exists()

    report = jobs_import(read_manifests(exported))
    assert report.count(Outcome.MADE) == 1 + count
    assert tree(job.id) == before

    call_command("flush", interactive=False, verbosity=0)
    restored = restore_folder(tmp_path / "jobs")
    assert (restored.count(Outcome.MADE), restored.failed) == (1 + count, ())
    assert tree(job.id) == before
    again = restore_folder(tmp_path / "jobs")
    assert (again.count(Outcome.MADE), again.count(Outcome.KEPT)) == (0, 1 + count)
    # Once the library was read it goes on: with the children that it has, and no others.
    while imports_begin(LibraryReading(roots=1, unscanned=(), unasked=(), unread=0)):
        pass
    step(job.id, served)
    run(served)
    after = step(job.id, served)
    assert tree(job.id) == before
    assert (after.state, after.children.count()) == (JobState.RUNNING, count)
    assert after.children.filter(state=JobState.PENDING, next_step_at__isnull=False).count() == min(4, count)
