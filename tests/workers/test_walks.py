"""Lists of MusicBrainz become rows page by page: killed anywhere, changed under way, merged, refused, asked for twice: the same rows, or one reason."""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from apps.catalog.models import (
    Artist,
    GroupArtist,
    Label,
    MergedMbid,
    Relation,
    Release,
    ReleaseGroup,
    ReleaseLabel,
    Validator,
    Walk,
)
from apps.catalog.selectors_graph import (
    artist_detail,
    artist_groups,
    artist_releases,
    counts_by_type,
    graph_state,
    group_briefs,
    label_releases,
    label_state,
    walk_status,
    walks_due,
)
from apps.catalog.services_walk import artist_graph_ask, label_graph_ask, walk_ask, walk_claim, walk_page
from apps.common.sentences import message_of
from apps.domain.catalog.graph import Page, ReleaseBrief
from apps.domain.catalog.walks import WalkKind
from slskdn_site.demo.answer_folder import load_answers
from slskdn_site.demo.large_world import LargeWorld, mbid_of, write_large_world
from slskdn_site.demo.metadata_service.server import MetadataServer
from tests.recorded import needs_recorded, recorded_folder
from tests.workers.conftest import Killed, Metadata, kill_at, limiter
from workers.gateways.coalesce import Coalescer
from workers.gateways.musicbrainz import Musicbrainz
from workers.walks import walk

pytestmark = pytest.mark.django_db(transaction=True)

KASABIAN = uuid.UUID("69b39eab-6577-46a4-a9f5-817839092033")
NIRVANA = uuid.UUID("5b11f4ce-a62d-471e-81fc-a69a8278c7da")
UBIKTUNE = uuid.UUID("47e718e1-7ee4-460c-b1cc-1192a841c6e5")


class Served:
    """A running service over some folders, and a gateway to it."""

    def __init__(self, *folders: Path) -> None:
        self.server = MetadataServer([load_answers(folder) for folder in folders])
        self.metadata = Metadata(self.server)
        self.musicbrainz = Musicbrainz(
            host=self.server.base_url, contact="", version="0", limiter=limiter(), timeout_s=5.0
        )
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    @property
    def paths(self) -> list[str]:
        return [str(one["path"]) for one in self.metadata.requests]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> LargeWorld:
    return write_large_world(tmp_path_factory.mktemp("world"), groups=250, label_releases=130)


@pytest.fixture
def large(world: LargeWorld) -> Iterator[Served]:
    served = Served(world.folder)
    yield served
    served.stop()


@pytest.fixture
def recorded() -> Iterator[Served]:
    folder = recorded_folder()
    assert folder is not None
    served = Served(folder)
    yield served
    served.stop()


def due_now() -> None:
    past = timezone.now() - timedelta(seconds=5)
    Walk.objects.filter(next_step_at__isnull=False).update(next_step_at=past)
    Walk.objects.filter(lease_until__isnull=False).update(lease_until=past)


def run(served: Served, *, clock: Callable[[], float] = lambda: 0.0, most: int = 20) -> None:
    for _ in range(most):
        due_now()
        waiting = walks_due()
        if not waiting:
            return
        for step in waiting:
            walk(step.id, musicbrainz=served.musicbrainz, clock=clock)
    raise AssertionError("the walks did not end")


def assert_whole(world: LargeWorld) -> None:
    state = graph_state(world.artist_mbid)
    assert (state.state, state.groups_taken, state.groups_total) == ("ready", 250, 250)
    assert (state.releases_taken, state.releases_total, state.unreadable) == (world.releases, world.releases, 0)
    assert state.fetched_at is not None
    assert (state.code, dict(state.params)) == ("", {})
    assert len(artist_groups(world.artist_mbid)) == ReleaseGroup.objects.count() == GroupArtist.objects.count() == 250
    briefs = artist_releases(world.artist_mbid)
    assert len(briefs) == Release.objects.count() == world.releases
    assert len({one.mbid for one in briefs}) == world.releases
    assert ReleaseLabel.objects.count() == world.label_releases
    assert not Release.objects.exclude(fetched_at=None).exists()


def test_an_artists_whole_graph_becomes_rows(large: Served, world: LargeWorld) -> None:
    assert graph_state(world.artist_mbid).state == "missing"
    assert artist_graph_ask(world.artist_mbid).state == "walking"
    run(large)
    assert_whole(world)
    detail = artist_detail(world.artist_mbid)
    assert detail is not None
    assert (detail.name, detail.begin, [tag.name for tag in detail.tags]) == ("Thousand Groups", "1960", ["endurance"])
    brief = artist_releases(world.artist_mbid)[0]
    assert brief.track_count == 8 and brief.formats and brief.barcode and brief.group
    counts = counts_by_type(world.artist_mbid)
    assert sum(groups for groups, _ in counts.values()) == 250
    assert sum(releases for _, releases in counts.values()) == world.releases
    assert counts["Album + Live"][0] == 31
    # One lookup for both walks, then three pages and four.
    assert len(large.paths) == 1 + 3 + 4


def test_asked_for_again_nothing_is_asked_while_it_is_fresh(large: Served, world: LargeWorld) -> None:
    artist_graph_ask(world.artist_mbid)
    run(large)
    asked = len(large.paths)
    assert artist_graph_ask(world.artist_mbid).state == "ready"
    run(large)
    assert len(large.paths) == asked
    Walk.objects.update(ended_at=timezone.now() - timedelta(days=31), read_at=timezone.now() - timedelta(days=31))
    assert graph_state(world.artist_mbid).state == "missing"
    assert artist_graph_ask(world.artist_mbid).state == "walking"
    run(large)
    assert len(large.paths) > asked
    assert_whole(world)


def test_refreshed_by_hand_what_did_not_change_is_not_sent_again(large: Served, world: LargeWorld) -> None:
    artist_graph_ask(world.artist_mbid)
    run(large)
    before = Artist.objects.get(mbid=world.artist_mbid).fetched_at
    assert before is not None
    artist_graph_ask(world.artist_mbid, refresh=True)
    run(large)
    lookups = [one for one in large.metadata.requests if str(one["path"]).startswith("/ws/2/artist/")]
    assert [one["status"] for one in lookups] == [200, 304, 304]
    after = Artist.objects.get(mbid=world.artist_mbid)
    assert after.fetched_at is not None and after.fetched_at > before
    assert after.name == "Thousand Groups"
    assert_whole(world)


@pytest.mark.parametrize("step", ["claimed", "looked_up", "asked", "stored", "finished"])
def test_killed_at_any_step_and_taken_up_again_gives_the_same_rows(step: str, large: Served, world: LargeWorld) -> None:
    artist_graph_ask(world.artist_mbid)
    killed = 0
    for walk_id in Walk.objects.order_by("id").values_list("id", flat=True):
        try:
            walk(walk_id, musicbrainz=large.musicbrainz, clock=lambda: 0.0, checkpoint=kill_at(step))
        except Killed:
            killed += 1
    assert killed >= 1
    run(large)
    assert_whole(world)


def test_a_task_gives_its_place_back_after_its_minute_and_the_next_goes_on(large: Served, world: LargeWorld) -> None:
    walk_ask(WalkKind.ARTIST_GROUPS, world.artist_mbid)
    seconds = itertools.count(step=40)
    taken = []
    for _ in range(4):
        due_now()
        for step in walks_due():
            walk(step.id, musicbrainz=large.musicbrainz, clock=lambda: float(next(seconds)))
        row = Walk.objects.get()
        taken.append((row.state, row.taken, row.lease_until))
    assert taken[0] == ("walking", 200, None)
    assert taken[1] == ("done", 250, None)


def test_who_lost_the_lease_writes_nothing(large: Served, world: LargeWorld) -> None:
    status = walk_ask(WalkKind.ARTIST_GROUPS, world.artist_mbid)
    first = walk_claim(status.id, lease_s=60)
    assert first is not None
    assert walk_claim(status.id, lease_s=60) is None
    due_now()
    second = walk_claim(status.id, lease_s=60)
    assert second is not None
    page, entries = large.musicbrainz.browse(first.kind, first.mbid, offset=0)
    assert walk_page(first, page, entries) is None
    assert not ReleaseGroup.objects.exists()
    assert Walk.objects.get().taken == 0


def test_a_busy_musicbrainz_is_waited_for_and_the_place_is_kept(large: Served, world: LargeWorld) -> None:
    walk_ask(WalkKind.ARTIST_GROUPS, world.artist_mbid)
    for step in walks_due():
        with pytest.raises(Killed):
            walk(step.id, musicbrainz=large.musicbrainz, clock=lambda: 0.0, checkpoint=kill_at("stored"))
    large.metadata.fault("status", prefix="/ws/2/release-group", status=503, retry_after_s=40)
    due_now()
    for step in walks_due():
        walk(step.id, musicbrainz=large.musicbrainz, clock=lambda: 0.0)
    row = Walk.objects.get()
    assert (row.state, row.code, row.taken, row.params["tries"]) == ("waiting", "musicbrainz_unavailable", 100, 1)
    assert row.next_step_at is not None
    assert row.next_step_at > timezone.now() + timedelta(seconds=35)
    assert not walks_due()


@pytest.mark.parametrize("kind", ["hang", "close", "truncated", "garbage", "html"])
def test_a_musicbrainz_that_recovers_is_asked_again_by_itself(kind: str, large: Served, world: LargeWorld) -> None:
    large.musicbrainz = Musicbrainz(
        host=large.server.base_url, contact="", version="0", limiter=limiter(), timeout_s=0.5
    )
    walk_ask(WalkKind.ARTIST_GROUPS, world.artist_mbid)
    large.metadata.fault(kind, prefix="/ws/2/release-group", **({"seconds": 2.0} if kind == "hang" else {}))
    for step in walks_due():
        walk(step.id, musicbrainz=large.musicbrainz, clock=lambda: 0.0)
    assert Walk.objects.get().code in {"musicbrainz_unavailable", "musicbrainz_garbled"}
    run(large)
    status = walk_status(WalkKind.ARTIST_GROUPS, world.artist_mbid)
    assert status is not None
    assert (status.state, status.code, status.taken) == ("done", "", 250)


def test_an_unknown_artist_fails_with_a_code_and_is_not_asked_for_every_time(large: Served) -> None:
    nobody = uuid.uuid4()
    artist_graph_ask(nobody)
    run(large)
    state = graph_state(nobody)
    assert (state.state, state.code) == ("failed", "artist_not_found")
    asked = len(large.paths)
    assert artist_graph_ask(nobody).state == "failed"
    run(large)
    assert len(large.paths) == asked
    assert artist_graph_ask(nobody, refresh=True).state == "walking"
    run(large)
    assert len(large.paths) == asked + 2


@pytest.mark.parametrize("redirect", [True, False])
def test_a_merged_artist_is_followed_and_remembered(redirect: bool, large: Served, world: LargeWorld) -> None:
    old = uuid.uuid4()
    large.server.musicbrainz.merge(str(old), str(world.artist_mbid), redirect=redirect)
    artist_graph_ask(old)
    run(large)
    assert_whole(world)
    assert MergedMbid.objects.filter(kind="artist", old=old, mbid=world.artist_mbid).exists()
    state = graph_state(old)
    assert (state.state, state.mbid, state.groups_taken) == ("ready", world.artist_mbid, 250)
    assert len(artist_groups(old)) == 250
    assert set(Walk.objects.values_list("mbid", flat=True)) == {world.artist_mbid}
    asked = len(large.paths)
    assert artist_graph_ask(old).state == "ready"
    assert len(large.paths) == asked


def test_a_label_and_a_group_are_lists_too(large: Served, world: LargeWorld) -> None:
    assert label_graph_ask(world.label_mbid).state == "walking"
    group = uuid.UUID(mbid_of("group", 0))
    walk_ask(WalkKind.GROUP_RELEASES, group)
    run(large)
    state = label_state(world.label_mbid)
    assert (state.state, state.releases_taken, state.releases_total, state.groups_total) == ("ready", 130, 130, None)
    assert len(label_releases(world.label_mbid)) == 130
    assert len(group_briefs(group)) == 2


def test_what_cant_be_read_is_counted_and_the_rest_is_kept(large: Served, world: LargeWorld) -> None:
    claim = walk_claim(walk_ask(WalkKind.LABEL_RELEASES, world.label_mbid).id, lease_s=60)
    assert claim is not None
    brief = ReleaseBrief(mbid=uuid.uuid4(), title="One")
    assert walk_page(claim, Page(4, 4, 3), (brief,)) is None
    status = walk_status(WalkKind.LABEL_RELEASES, world.label_mbid)
    assert status is not None
    assert (status.state, status.taken, status.unreadable) == ("done", 4, 3)
    state = label_state(world.label_mbid)
    assert (state.code, dict(state.params)) == ("label_releases_incomplete", {"read": 1, "total": 4, "unreadable": 3})
    assert not state.whole
    # The list is the label's, whether or not its entries say so.
    assert [one.mbid for one in label_releases(world.label_mbid)] == [brief.mbid]


def test_a_list_beyond_measure_is_refused_with_its_size(world: LargeWorld) -> None:
    claim = walk_claim(walk_ask(WalkKind.ARTIST_RELEASES, world.artist_mbid).id, lease_s=60)
    assert claim is not None
    assert walk_page(claim, Page(100, 300_000, 0), ()) is None
    status = walk_status(WalkKind.ARTIST_RELEASES, world.artist_mbid)
    assert status is not None
    assert (status.state, status.code, status.params["total"]) == ("failed", "graph_too_large", 300_000)


def test_a_list_that_came_short_is_ready_says_so_and_is_read_anew_when_asked_for_after_a_day(world: LargeWorld) -> None:
    def read(*pages: Page) -> None:
        status = walk_ask(WalkKind.ARTIST_GROUPS, world.artist_mbid)
        due_now()
        claim = walk_claim(status.id, lease_s=60)
        for page in pages:
            assert claim is not None
            claim = walk_page(claim, page, ())
        assert claim is None

    Artist.objects.create(mbid=world.artist_mbid, name="Thousand Groups", fetched_at=timezone.now())
    kept = ReleaseGroup.objects.create(mbid=uuid.uuid4(), title="Kept", fetched_at=timezone.now() - timedelta(days=2))
    GroupArtist.objects.create(group=kept, artist_id=world.artist_mbid, position=0)
    read(Page(25, 49, 0), Page(0, 49, 0))
    # The other list is whole: the graph is ready, and what was promised and not given is said.
    now = timezone.now()
    Walk.objects.create(kind=WalkKind.ARTIST_RELEASES, mbid=world.artist_mbid, state="done", read_at=now, ended_at=now)
    state = graph_state(world.artist_mbid)
    assert (state.state, state.code, state.whole) == ("ready", "artist_groups_incomplete", False)
    assert dict(state.params) == {"read": 25, "total": 49, "unreadable": 0}
    assert len(artist_groups(world.artist_mbid)) == 1  # what did not come again is not gone
    assert walk_ask(WalkKind.ARTIST_GROUPS, world.artist_mbid).state == "done"
    Walk.objects.update(ended_at=now - timedelta(hours=25))
    assert walk_ask(WalkKind.ARTIST_RELEASES, world.artist_mbid).state == "done"
    assert walk_ask(WalkKind.ARTIST_GROUPS, world.artist_mbid).state == "waiting"
    read(Page(49, 49, 0))
    assert (graph_state(world.artist_mbid).code, graph_state(world.artist_mbid).whole) == ("", True)


def test_groups_that_the_list_no_longer_has_are_no_longer_the_artists(large: Served, world: LargeWorld) -> None:
    artist_graph_ask(world.artist_mbid)
    run(large)
    gone = ReleaseGroup.objects.create(
        mbid=uuid.uuid4(), title="Merged since", fetched_at=timezone.now() - timedelta(days=2)
    )
    GroupArtist.objects.create(group=gone, artist_id=world.artist_mbid, position=0)
    assert len(artist_groups(world.artist_mbid)) == 251
    artist_graph_ask(world.artist_mbid, refresh=True)
    run(large)
    assert len(artist_groups(world.artist_mbid)) == 250


def test_while_musicbrainz_is_away_an_earlier_reading_has_to_do(large: Served, world: LargeWorld) -> None:
    artist_graph_ask(world.artist_mbid)
    run(large)
    long_ago = timezone.now() - timedelta(days=90)
    Walk.objects.update(ended_at=long_ago, read_at=long_ago)
    large.musicbrainz = Musicbrainz(
        host=large.server.base_url, contact="", version="0", limiter=limiter(), offline=True
    )
    asked = len(large.paths)
    assert artist_graph_ask(world.artist_mbid).state == "walking"
    for step in walks_due():
        walk(step.id, musicbrainz=large.musicbrainz, clock=lambda: 0.0)
    state = graph_state(world.artist_mbid)
    assert (state.state, state.code) == ("ready", "musicbrainz_offline")
    assert state.fetched_at == long_ago
    assert len(large.paths) == asked
    nobody = uuid.uuid4()
    artist_graph_ask(nobody)
    for step in walks_due():
        walk(step.id, musicbrainz=large.musicbrainz, clock=lambda: 0.0)
    assert (graph_state(nobody).state, graph_state(nobody).code) == ("walking", "musicbrainz_offline")


def test_a_brief_leaves_a_tracklist_alone(large: Served, world: LargeWorld) -> None:
    from apps.catalog.selectors import release_facts
    from apps.catalog.services import release_store

    mbid = uuid.UUID(mbid_of("release", 0, 0))
    facts = large.musicbrainz.release(mbid)
    release_store(facts)
    stored = release_facts(mbid)
    at = Release.objects.get(mbid=mbid).fetched_at
    artist_graph_ask(world.artist_mbid)
    run(large)
    row = Release.objects.get(mbid=mbid)
    assert (row.fetched_at, row.track_count, row.formats) == (at, 8, ["CD"])
    found = release_facts(mbid)
    assert found is not None and stored is not None
    assert [track for _, track in found.tracks()] == [track for _, track in stored.tracks()]
    assert found.title == stored.title


def test_equal_requests_of_two_processes_are_one(large: Served, world: LargeWorld) -> None:
    from slskdn_site.broker import redis_url

    name = uuid.uuid4().hex
    large.metadata.fault("hang", seconds=0.5)
    found: list[object] = []

    def ask() -> None:
        own = Musicbrainz(
            host=large.server.base_url,
            contact="",
            version="0",
            limiter=limiter(),
            coalescer=Coalescer(redis_url(), name=name),
        )
        found.append(own.artist(world.artist_mbid))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 4
    assert len({json.dumps(str(one)) for one in found}) == 1
    assert len(large.paths) == 1


@needs_recorded
@pytest.mark.parametrize(("artist", "taken", "total"), [(NIRVANA, 34, 34), (KASABIAN, 25, 49)])
def test_recorded_artists_are_walked_to_their_recorded_totals(
    artist: uuid.UUID, taken: int, total: int, recorded: Served
) -> None:
    """Of Kasabian's 49 groups 25 were recorded: the list ends where nothing more comes, and the walk says so."""
    walk_ask(WalkKind.ARTIST_GROUPS, artist)
    run(recorded)
    status = walk_status(WalkKind.ARTIST_GROUPS, artist)
    assert status is not None
    code = "" if taken == total else "artist_groups_incomplete"
    assert (status.state, status.code, status.taken, status.total, status.unreadable) == ("done", code, taken, total, 0)
    if code:
        assert dict(status.params) == {"read": 25, "total": 49, "unreadable": 0}
        assert "Of the artist's 49 release groups MusicBrainz gave 25" in message_of(status.code, status.params)
    groups = artist_groups(artist)
    assert len(groups) == taken
    assert all(one.facts.title and one.artists for one in groups)
    detail = artist_detail(artist)
    assert detail is not None and detail.name in {"Nirvana", "Kasabian"}
    assert Validator.objects.filter(kind="artist", mbid=artist).exists()


@needs_recorded
def test_a_list_that_is_not_there_names_itself_and_does_not_deny_the_artist(recorded: Served) -> None:
    """Kasabian's page of groups was recorded, that of their releases was not."""
    artist_graph_ask(KASABIAN)
    run(recorded)
    state = graph_state(KASABIAN)
    assert (state.state, state.code, dict(state.params)) == (
        "failed", "artist_releases_unreadable", {"name": "Kasabian", "mbid": str(KASABIAN)},
    )  # fmt: skip
    says = message_of(state.code, state.params)
    assert "MusicBrainz has Kasabian" in says and "the artist's releases" in says and "Read it again" in says


def test_a_list_that_is_gone_together_with_its_label_denies_the_label(large: Served, world: LargeWorld) -> None:
    """What was known to be there is looked up before the list alone is blamed."""
    gone = uuid.uuid4()
    Label.objects.create(mbid=gone, name="Was There", fetched_at=timezone.now())
    label_graph_ask(gone)
    run(large)
    assert (label_state(gone).state, label_state(gone).code) == ("failed", "label_not_found")


@needs_recorded
def test_nirvanas_recorded_releases_are_of_their_groups(recorded: Served) -> None:
    artist_graph_ask(NIRVANA)
    run(recorded)
    state = graph_state(NIRVANA)
    assert (state.state, state.releases_taken, state.releases_total) == ("ready", 38, 38)
    assert artist_releases(NIRVANA)
    assert Relation.objects.filter(source_kind="artist", source_mbid=NIRVANA).exists()


@needs_recorded
def test_the_recorded_label_is_walked_to_its_recorded_total(recorded: Served) -> None:
    label_graph_ask(UBIKTUNE)
    run(recorded)
    state = label_state(UBIKTUNE)
    assert (state.state, state.releases_taken, state.releases_total, state.unreadable) == ("ready", 25, 25, 0)
    found = label_releases(UBIKTUNE)
    assert len(found) == 25
    assert all(one.title and one.artist_credit for one in found)
