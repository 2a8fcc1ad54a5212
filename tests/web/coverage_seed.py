"""An artist with so many groups: complete ones, ones in part, wanted and missing ones, long names. `python -m tests.web.coverage_seed ROWS`."""

from __future__ import annotations

import os
import sys


def fill(rows: int) -> None:
    """The rows."""
    from apps.catalog.services_graph import artist_store
    from apps.domain.catalog.graph import ArtistDetail
    from apps.jobs.services import job_create
    from tests.apps.jobs.tree_rows import ARTIST, an_id, graph_store, group_of, hold, tracklist_store

    if not rows:
        return
    kinds = ("Album", "Album", "EP", "Single")
    groups = [
        group_of(
            at, kind=kinds[at % 4], secondary=["Live"] if at % 7 == 6 else ["Compilation"] if at % 11 == 10 else []
        )
        for at in range(rows)
    ]
    graph_store(groups, editions=2)
    artist_store(ArtistDetail(mbid=ARTIST.mbid, name=ARTIST.name, disambiguation="1980s~1990s US grunge band"))
    for at, group in enumerate(groups[:60]):
        release = an_id("release", at, at % 2)
        if at % 3 != 2:
            tracklist_store(group, release, tracks=4 + at % 12)
        hold(release, tracks=min(10, at % 13))
        if at % 5 == 4:
            job_create(kind="mb_release", target_mbid=release)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    django.setup()
    fill(int(sys.argv[1]))
