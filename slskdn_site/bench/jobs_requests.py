"""The named requests that `./slskdn bench jobs` measures: the list and each of its filters at its first, middle and last page, a tree of a thousand children,
one job, the API beside each page, and the log of a webhook."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from slskdn_site.bench.asked import Asked, pages_of
from slskdn_site.bench.jobs_rows import Filled, artist
from slskdn_site.bench.jobs_world import World
from slskdn_site.bench.jobs_world_requests import world_requests


def requests(filled: Filled, world: World) -> Iterator[Asked]:
    """Every request that is measured."""
    yield from _lists(filled)
    yield from _searches()
    yield from _trees(filled)
    yield from _single(filled)
    yield from _webhooks(filled)
    yield from world_requests(world)
    yield from _frame()
    yield from _streams(filled, world)
    yield from _admin(filled)


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

    tree, order = filled.largest, ("position", "id")
    middle = PlannedRelease.objects.filter(job_id=filled.middle)
    yield from pages_of("tree of 500", f"/jobs/{filled.middle}", "", middle, order)
    yield Asked(name="jobs, the tree of 500 unfolded", path=f"/?open={filled.middle}")
    of_middle = Job.objects.filter(parent_id=filled.middle)
    yield from pages_of(
        "api children of the tree of 500", f"/api/jobs/{filled.middle}/children", "", of_middle, JOB_ORDER
    )
    planned = PlannedRelease.objects.filter(job_id=tree)
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
        yield Asked(name=f"{name}, its swarm", path=f"/jobs/{job}/swarm")
        yield Asked(name=f"api {name}, its swarm", path=f"/api/swarm/jobs/{job}")
    yield Asked(name="api one job as a manifest", path=f"/api/jobs/{filled.single}/export")
    yield Asked(name="the form that asks", path=f"/ask?kind=mb_release&mbid={filled.single}")


def _webhooks(filled: Filled) -> Iterator[Asked]:
    from apps.jobs.selectors_webhooks import DELIVERY_ORDER, delivery_query

    hook, page = filled.hook, f"/system/webhooks/{filled.hook}"
    yield Asked(name="webhooks", path="/system/webhooks")
    yield Asked(name="api webhooks", path="/api/webhooks")
    yield Asked(name="api one webhook", path=f"/api/webhooks/{hook}")
    for name, query, rows in (
        ("api deliveries", "", delivery_query(hook)),
        ("api deliveries, given up", "state=dead", delivery_query(hook, state="dead")),
    ):
        yield from pages_of(name, f"/api/webhooks/{hook}/deliveries", query, rows, DELIVERY_ORDER)
    for name, query, rows in (
        ("webhook's log", "", delivery_query(hook)),
        ("webhook's log, given up", "show=dead", delivery_query(hook, state="dead")),
        ("webhook's log, an event", "event=job.failed", delivery_query(hook, event="job.failed")),
        ("webhook's log, waiting", "show=waiting", delivery_query(hook, state="waiting")),
    ):
        yield from pages_of(name, page, query, rows, DELIVERY_ORDER)
    yield Asked(name="webhook's log, a job", path=f"{page}?job={filled.single}")


def _frame() -> Iterator[Asked]:
    """What stands around every page, and what other programs ask for every few seconds."""
    yield Asked(name="metrics", path="/metrics", counts=True)
    yield Asked(name="system", path="/system")
    yield Asked(name="the empty find page: frame and rail alone", path="/find")


def _streams(filled: Filled, world: World) -> Iterator[Asked]:
    """First events: what a live view reads and draws when it begins, and again whenever something changes."""
    from apps.jobs.api import streams
    from apps.jobs.web.find import find_parts
    from apps.jobs.web.parts import ListQuery, list_parts, tree_parts
    from apps.nodelink.web.frame import Rights

    rights = Rights(operate=True, administer=True)
    for name, params in (
        ("", {}),
        (", open", {"show": "open"}),
        (", the tree unfolded", {"open": str(filled.largest)}),
        (", a letter", {"q": "a"}),
    ):
        query = ListQuery.of(params)
        yield Asked(name=f"live jobs{name}", path="/live/arriving", read=partial(list_parts, query, rights=rights))
    for name, job in (("tree", filled.largest), ("job", filled.single)):
        path = f"/live/jobs/{job}"
        yield Asked(name=f"live {name}", path=path, read=partial(tree_parts, job, rights=rights))
        yield Asked(
            name=f"api events of the {name}", path=f"/api/jobs/{job}/events", read=partial(streams.job_parts, job)
        )
    yield Asked(name="api events", path="/api/events", read=streams.list_parts)
    yield Asked(name="live find", path=f"/live/find/{world.find}", read=partial(find_parts, world.find, rights=rights))


def _admin(filled: Filled) -> Iterator[Asked]:
    """Django's own pages for operators."""
    from apps.common.admin_base import MOST_COUNTED
    from apps.jobs.models import Job, JobTrack

    for model in (
        "jobs/job", "jobs/jobtrack", "jobs/plannedrelease", "jobs/webhook", "jobs/webhookdelivery", "jobs/find", "jobs/albumtarget",
        "mesh/labelpresence", "mesh/labelrelease", "mesh/labelsighting", "catalog/release", "catalog/releasegroup", "catalog/track",
        "catalog/walk", "transfers/transfer", "transfers/want",
    ):  # fmt: skip
        yield Asked(name=f"admin {model}", path=f"/admin/{model}/")
    yield Asked(name="admin jobs/job, failed", path="/admin/jobs/job/?state__exact=failed")
    yield Asked(
        name="admin jobs/job, middle", path=f"/admin/jobs/job/?p={min(Job.objects.count(), MOST_COUNTED) // 100}"
    )
    yield Asked(name="admin jobs/job, search", path="/admin/jobs/job/?q=album+0099")
    yield Asked(
        name="admin jobs/jobtrack, middle",
        path=f"/admin/jobs/jobtrack/?p={min(JobTrack.objects.count(), MOST_COUNTED) // 100}",
    )
    yield Asked(name="admin jobs/jobtrack, failed", path="/admin/jobs/jobtrack/?state__exact=failed")
    yield Asked(name="admin one job", path=f"/admin/jobs/job/{filled.single}/change/")
    yield Asked(name="admin one tree", path=f"/admin/jobs/job/{filled.largest}/change/")
