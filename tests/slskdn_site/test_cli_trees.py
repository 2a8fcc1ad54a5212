"""`mb discography`, `mb coverage`, `jobs discography` and `jobs label-crate` as people type them."""

from __future__ import annotations

import json

import pytest

from apps.domain.catalog.identity import label_name_id
from apps.domain.jobs.lifecycle import JobState
from apps.jobs.models import Job
from slskdn_site.cli.main import main
from tests.apps.jobs.tree_rows import ARTIST, LABEL, an_id, graph_store, group_of, hold, tracklist_store, tree_of

pytestmark = pytest.mark.django_db(transaction=True)
ID = str(ARTIST.mbid)
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _graph() -> None:
    graph_store([group_of(0), group_of(1), group_of(2, kind="EP"), group_of(3, secondary=["Live"])])


def test_a_discography_is_shown_with_reasons_and_makes_no_job(capsys: Capture) -> None:
    assert main(["mb", "discography", f"https://musicbrainz.org/artist/{ID}", "--profile", "core"]) == 0
    shown = capsys.readouterr().out
    assert "Album (2)" in shown
    assert "This edition: it has the usual tracks" in shown
    assert "Album 0003: This kind of release is not of the profile. [type_excluded]" in shown
    assert "2 releases, 2 recommended (*)." in shown
    assert not Job.objects.exists()


def test_a_discography_as_json_has_weights_and_what_is_left_out(capsys: Capture) -> None:
    assert main(["mb", "discography", ID, "--profile", "all", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [pick["type"] for pick in told["picks"]] == ["Album", "Album", "EP", "Live"]
    assert all(0 < pick["weight"] <= 1 for pick in told["picks"])
    assert told["omitted"] == []
    assert main(["mb", "discography", ID, "--live", "--limit", "1", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["picks"]) == 1


@pytest.mark.parametrize(
    ("core", "words", "titles"),
    [
        ({}, (), ["Album 0000", "Album 0001"]),
        ({"exclude_live": False}, (), ["Album 0000", "Album 0001", "Album 0003"]),
        ({"exclude_compilations": False}, (), ["Album 0000", "Album 0001", "Album 0004"]),
        ({"secondary_types": ["soundtrack"]}, (), ["Album 0000", "Album 0001", "Album 0005"]),
        ({}, ("--live",), ["Album 0000", "Album 0001", "Album 0003"]),
        ({}, ("--compilations",), ["Album 0000", "Album 0001", "Album 0004"]),
    ],
)
def test_what_belongs_to_the_core_is_configured_and_can_be_said(
    core: dict[str, object], words: tuple[str, ...], titles: list[str], capsys: Capture, settings: object
) -> None:
    kinds = [[], [], [], ["Live"], ["Compilation"], ["Soundtrack"]]
    graph_store([group_of(n, kind="EP" if n == 2 else "Album", secondary=kinds[n]) for n in range(6)])
    config = settings.CONFIG  # type: ignore[attr-defined]
    changed = config.discography.core.model_copy(update=core)
    discography = config.discography.model_copy(update={"core": changed})
    settings.CONFIG = config.model_copy(update={"discography": discography})  # type: ignore[attr-defined]
    assert main(["mb", "discography", ID, "--known", "--json", *words]) == 0
    assert sorted(pick["title"] for pick in json.loads(capsys.readouterr().out)["picks"]) == titles


def test_start_asks_for_it_and_one_key_makes_one_job(capsys: Capture) -> None:
    words = ["mb", "discography", ID, "--profile", "extended", "--lossless", "--start", "--key", "k", "--json"]
    assert main(words) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["created"] is True
    job = Job.objects.get(id=made["id"])
    assert (job.kind, job.selection["profile"], job.constraints["allow_lossy"]) == ("discography", "extended", False)
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out) == {"id": made["id"], "created": False}


def test_jobs_discography_and_label_crate_make_trees(capsys: Capture) -> None:
    assert main(["jobs", "discography", ID, "--live", "--type", "soundtrack", "--country", "GB"]) == 0
    job = Job.objects.get(id=capsys.readouterr().out.strip())
    assert (job.selection["exclude_live"], job.selection["secondary_types"]) == (False, ["soundtrack"])
    assert main(["jobs", "label-crate", f"https://musicbrainz.org/label/{LABEL.mbid}", "--limit", "10"]) == 0
    crate = Job.objects.get(id=capsys.readouterr().out.strip())
    assert (crate.target_mbid, crate.selection["limit_releases"]) == (LABEL.mbid, 10)
    assert main(["jobs", "label-crate", "Sub Pop", "--studio-only"]) == 0
    named = Job.objects.get(id=capsys.readouterr().out.strip())
    assert (named.target_mbid, named.target_ref) == (label_name_id("Sub Pop"), "Sub Pop")
    assert named.selection["studio_only"] is True
    Job.objects.filter(id=crate.id).update(title="Sub Pop")
    assert main(["jobs", "show", str(crate.id)]) == 0
    assert capsys.readouterr().out.startswith("Sub Pop\n")


def test_a_crate_tells_how_many_of_its_releases_are_there(capsys: Capture) -> None:
    crate, _ = tree_of(*[JobState.COMPLETED] * 8, JobState.RUNNING, JobState.PARTIAL)
    Job.objects.filter(id=crate.id).update(kind="label_crate", title="Sub Pop", selection={"limit_releases": 10})
    assert main(["jobs", "list"]) == 0
    told = capsys.readouterr().out
    assert "Sub Pop" in told
    assert "8/10 releases, 17/20 tracks, 1 not whole" in told
    assert main(["jobs", "show", str(crate.id)]) == 0
    assert "running: 8/10 releases" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["jobs", "discography", "nonsense"], "mbid_invalid"),
        (["jobs", "discography", ID, "--limit", "0"], "selection_invalid"),
        (["jobs", "discography", ID, "--only-countries"], "selection_invalid"),
        (["mb", "discography", "nonsense", "--known"], "mbid_invalid"),
        (["mb", "coverage", "nonsense", "--known"], "mbid_invalid"),
    ],
)
def test_what_can_not_be_asked_for_is_refused_with_a_code(words: list[str], code: str, capsys: Capture) -> None:
    assert main(words) == 1
    assert f"[{code}]" in capsys.readouterr().err
    assert not Job.objects.exists()


def test_coverage_shows_every_group_and_every_track(capsys: Capture) -> None:
    release = an_id("release", 0, 1)
    tracklist_store(group_of(0), release, tracks=3)
    hold(release, tracks=2)
    assert main(["mb", "coverage", ID, "--tracks"]) == 0
    shown = capsys.readouterr().out
    assert "Album 0000 (Album): part · 2 held, 1 missing" in shown
    assert "1-03  missing   Song 3" in shown
    assert main(["mb", "coverage", ID, "--profile", "all", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [group["state"] for group in told] == ["part", "missing", "missing", "missing"]
    assert told[0]["counts"] == {"held": 2, "better": 0, "wanted": 0, "missing": 1}
