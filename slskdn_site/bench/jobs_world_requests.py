"""What `./slskdn bench jobs` asks of artists, labels, finds and targets: their pages, lists and API."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from slskdn_site.bench.asked import Asked, pages_of
from slskdn_site.bench.jobs_world import World


def world_requests(world: World) -> Iterator[Asked]:
    """Every one of them."""
    yield from _artist(world)
    yield from _coverage(world)
    yield from _label(world)
    yield from _mesh_labels(world)
    yield from _finds(world)
    yield from _targets(world)


def _artist(world: World) -> Iterator[Asked]:
    from apps.catalog.selectors_pages import GROUP_ORDER, groups_query

    page, api = f"/catalog/artists/{world.artist}", f"/api/catalog/artists/{world.artist}"
    rows = groups_query(world.artist)
    yield from pages_of("artist", page, "", rows, GROUP_ORDER)
    singles = groups_query(world.artist, primary_type="Single")
    yield from pages_of("artist, singles", page, "type=Single", singles, GROUP_ORDER, places=("first", "last"))
    yield Asked(name="api artist", path=api)
    yield from pages_of("api artist's groups", f"{api}/groups", "", rows, GROUP_ORDER)
    yield Asked(name="release group", path=f"/catalog/release-groups/{world.group}")
    yield Asked(name="api release group", path=f"/api/catalog/release-groups/{world.group}")
    yield Asked(name="api editions", path=f"/api/editions/{world.group}")


def _coverage(world: World) -> Iterator[Asked]:
    """Pages are walked to by the cursors that the list itself gives: its order is not the database's."""
    from apps.domain.catalog.discography import Profile
    from apps.domain.jobs.selection import Selection
    from apps.jobs.selectors_coverage import MAX_PAGE, coverage_page

    page, api = f"/catalog/artists/{world.artist}/coverage", f"/api/catalog/artists/{world.artist}/coverage"
    for profile in Profile:
        cursors: list[str] = []
        selection, cursor = Selection(profile=profile.value), None
        while cursor := coverage_page(world.artist, selection, cursor=cursor, limit=MAX_PAGE).next_cursor:
            cursors.append(cursor)
        middle, last = (cursors[len(cursors) // 2], cursors[-1]) if cursors else ("", "")
        for place, at in (("first", ""), ("middle", middle), ("last", last)):
            query = f"profile={profile.value}&cursor={at}".removesuffix("&cursor=")
            yield Asked(name=f"coverage {profile.value}, {place}", path=f"{page}?{query}")
            yield Asked(name=f"api coverage {profile.value}, {place}", path=f"{api}?{query}")
    yield Asked(name="coverage, what is missing", path=f"{page}?profile=all&missing=1")
    yield Asked(name="api coverage of 50", path=f"{api}?profile=all&limit={MAX_PAGE}")


def _label(world: World) -> Iterator[Asked]:
    from apps.catalog.selectors_pages import RELEASE_ORDER, label_releases_query

    page, api = f"/catalog/labels/{world.label}", f"/api/catalog/labels/{world.label}"
    rows = label_releases_query(world.label)
    yield from pages_of("label", page, "", rows, RELEASE_ORDER)
    yield Asked(name="api label", path=api)
    yield from pages_of("api label's releases", f"{api}/releases", "", rows, RELEASE_ORDER)


def _mesh_labels(world: World) -> Iterator[Asked]:
    from apps.mesh.selectors_labels import LABEL_ORDER, label_query

    yield from pages_of("mesh labels", "/mesh/labels", "", label_query(), LABEL_ORDER)
    yield from pages_of("api mesh labels", "/api/mesh/labels", "", label_query(), LABEL_ORDER)
    large = label_query(min_releases=20)
    yield from pages_of(
        "mesh labels of 20 releases", "/mesh/labels", "least=20", large, LABEL_ORDER, places=("first", "last")
    )
    for name, words in (("a common word", "label"), ("one", "label+0059"), ("nothing", "zzzznothing")):
        yield Asked(name=f"mesh labels with {name}", path=f"/mesh/labels?q={words}")
        yield Asked(name=f"api mesh labels with {name}", path=f"/api/mesh/labels?search={words}")
    for name, query in (
        ("", ""),
        (", lossless", "?codec=lossless"),
        (", studio albums", "?studio=1"),
        (", 500 of it", "?more=1"),
    ):
        yield Asked(name=f"mesh label{name}", path=f"/mesh/labels/{world.heard}{query}")
    yield Asked(name="api mesh label", path=f"/api/mesh/labels/{world.heard}")
    yield Asked(name="api mesh label, 500 of it", path=f"/api/mesh/labels/{world.heard}?limit=500")
    yield Asked(name="mesh label that only MusicBrainz knows", path=f"/mesh/labels/{world.label}")


def _finds(world: World) -> Iterator[Asked]:
    from apps.domain.catalog.links import understand
    from apps.jobs.selectors_find import known_answer

    for name, kind, mbid in (
        ("a release", "release", world.held),
        ("a group", "release-group", world.group),
        ("a recording", "recording", world.recording),
        ("an artist", "artist", world.artist),
        ("a label", "label", world.label),
    ):
        yield Asked(name=f"find {name}", path=f"/find?q={kind}/{mbid}")
        yield Asked(
            name=f"find {name}, answered anew", path="/find", read=partial(known_answer, understand(f"{kind}/{mbid}"))
        )
    yield Asked(name="api find", path=f"/api/find/{world.find}")


def _targets(world: World) -> Iterator[Asked]:
    from apps.jobs.selectors_targets import TARGET_ORDER, target_query

    yield from pages_of("targets", "/targets", "", target_query(), TARGET_ORDER)
    yield from pages_of("api targets", "/api/targets", "", target_query(), TARGET_ORDER)
    for state in ("partial", "complete"):
        rows = target_query(state=state)
        yield from pages_of(
            f"targets {state}", "/targets", f"show={state}", rows, TARGET_ORDER, places=("first", "last")
        )
    for name, words in (("a common word", "album"), ("an artist", "Artist+3900"), ("nothing", "zzzznothing")):
        yield Asked(name=f"targets with {name}", path=f"/targets?q={words}")
        yield Asked(name=f"api targets with {name}", path=f"/api/targets?text={words}")
    for kind, mbid in (("release", world.held), ("recording", world.recording)):
        yield Asked(name=f"target {kind}", path=f"/targets/{kind}/{mbid}")
        yield Asked(name=f"api target {kind}", path=f"/api/targets/{kind}/{mbid}")
        yield Asked(name=f"target {kind}, what is related", path=f"/targets/{kind}/{mbid}/related")
        yield Asked(name=f"api target {kind}, what is related", path=f"/api/targets/{kind}/{mbid}/related")
