"""The named requests that `./slskdn bench jobs` measures: the list and each of its filters at its first, middle and last page, a tree of a thousand children,
one job, the API beside each page, and the log of a webhook."""

from __future__ import annotations

from collections.abc import Iterator

from slskdn_site.bench.jobs_rows import Filled, artist
from slskdn_site.bench.library_requests import Asked, pages_of


def requests(filled: Filled) -> Iterator[Asked]:
    """Every request that is measured."""
    yield from _lists(filled)
    yield from _searches()
    yield from _trees(filled)
    yield from _single(filled)
    yield from _webhooks(filled)


def _lists(filled: Filled) -> Iterator[Asked]:
    from apps.jobs.models import Job
    from apps.jobs.selectors_list import JOB_ORDER
    from apps.jobs.web.parts import GROUPS

    top = Job.objects.filter(parent=None)
    yield from pages_of("jobs", "/", "", top, JOB_ORDER)
    yield from pages_of("api jobs", "/api/jobs", "", top, JOB_ORDER)
    yield from pages_of("api jobs of 200", "/api/jobs", "limit=200", top, JOB_ORDER)
    yield from pages_of("api jobs with children", "/api/jobs", "children=true", Job.objects.all(), JOB_ORDER)
    for group, states in GROUPS.items():
        rows = top.filter(state__in=states)
        yield from pages_of(f"jobs {group}", "/", f"show={group}", rows, JOB_ORDER)
        query = "&".join(f"state={state.value}" for state in states)
        yield from pages_of(f"api jobs {group}", "/api/jobs", query, rows, JOB_ORDER, places=("first", "last"))
    for name, page, api, rows in (
        ("discographies", "kind=discography", "kind=discography", top.filter(kind="discography")),
        ("recordings", "kind=recording", "kind=recording", top.filter(kind="recording")),
        ("of the doctor", "origin=doctor", "origin=doctor", top.filter(origin="doctor")),
        ("with a reason", "reason=release_not_found", "code=release_not_found", top.filter(code="release_not_found")),
        ("of a person", "person=bench", "person=bench", top.filter(requested_by__username="bench")),
    ):
        yield from pages_of(f"jobs, {name}", "/", page, rows, JOB_ORDER, places=("first", "last"))
        yield from pages_of(f"api jobs, {name}", "/api/jobs", api, rows, JOB_ORDER, places=("first", "last"))
    both = "show=attention&kind=mb_release&origin=doctor&reason=release_not_found"
    yield Asked(name="jobs, all filters", path=f"/?{both}&q=album")


def _searches() -> Iterator[Asked]:
    for name, words in (
        ("a common word", "album"),
        ("a letter", "a"),
        ("an artist", artist(3900).replace(" ", "+")),
        ("a child's title", "Album+009"),
        ("nothing", "zzzznothing"),
    ):
        yield Asked(name=f"search, {name}", path=f"/?q={words}")
        yield Asked(name=f"search, {name}, open", path=f"/?q={words}&show=open")
        yield Asked(name=f"api search, {name}", path=f"/api/jobs?text={words}")
        yield Asked(name=f"api search with children, {name}", path=f"/api/jobs?children=true&text={words}")


def _trees(filled: Filled) -> Iterator[Asked]:
    from apps.jobs.models import Job, PlannedRelease
    from apps.jobs.selectors_list import JOB_ORDER

    tree = filled.largest
    planned, order = PlannedRelease.objects.filter(job_id=tree), ("position", "id")
    yield from pages_of("tree", f"/jobs/{tree}", "", planned, order)
    for state in ("wanted", "held", "omitted"):
        some = planned.filter(state=state)
        yield from pages_of(f"tree {state}", f"/jobs/{tree}", f"show={state}", some, order, places=("first", "last"))
    yield Asked(name="jobs, the tree unfolded", path=f"/?open={tree}")
    yield Asked(name="api tree", path=f"/api/jobs/{tree}")
    yield from pages_of("api releases of the tree", f"/api/jobs/{tree}/releases", "", planned, order)
    children = Job.objects.filter(parent_id=tree)
    yield from pages_of("api children of the tree", f"/api/jobs/{tree}/children", "", children, JOB_ORDER)
    failed = children.filter(state="failed")
    yield from pages_of("api failed children", f"/api/jobs/{tree}/children", "state=failed", failed, JOB_ORDER)
    yield Asked(name="api search in the tree", path=f"/api/jobs/{tree}/children?text=Album+0099")


def _single(filled: Filled) -> Iterator[Asked]:
    for name, job in (("one job", filled.single), ("a child", filled.child)):
        yield Asked(name=name, path=f"/jobs/{job}")
        yield Asked(name=f"api {name}", path=f"/api/jobs/{job}")


def _webhooks(filled: Filled) -> Iterator[Asked]:
    from apps.jobs.selectors_webhooks import DELIVERY_ORDER, delivery_query

    hook, page = filled.hook, f"/system/webhooks/{filled.hook}"
    yield Asked(name="webhooks", path="/system/webhooks")
    for name, query, rows in (
        ("webhook's log", "", delivery_query(hook)),
        ("webhook's log, given up", "show=dead", delivery_query(hook, state="dead")),
        ("webhook's log, an event", "event=job.failed", delivery_query(hook, event="job.failed")),
        ("webhook's log, waiting", "show=waiting", delivery_query(hook, state="waiting")),
    ):
        yield from pages_of(name, page, query, rows, DELIVERY_ORDER)
    yield Asked(name="webhook's log, a job", path=f"{page}?job={filled.single}")
