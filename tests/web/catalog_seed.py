"""An artist with a label, groups and releases, all read: what pages and API of the catalog are shown with."""

from __future__ import annotations

import uuid

from django.utils import timezone

from apps.catalog.models import Walk
from apps.catalog.services_graph import artist_store, briefs_store, groups_store, label_store
from apps.catalog.services_walk import artist_graph_ask
from apps.domain.catalog.graph import ArtistDetail, GroupDetail, LabelDetail, LabelNumber, ReleaseBrief, Tag
from apps.domain.catalog.relations import Relation
from apps.domain.catalog.release import ArtistFacts, GroupFacts, LabelFacts

ARTIST, LABEL, BAND = uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3)


def known(groups: int, *, name: str = "Ánima <b>&", releases: int = 2) -> None:
    """An artist with a label, groups and releases, all read."""
    artist = ArtistFacts(mbid=ARTIST, name=name)
    artist_store(
        ArtistDetail(
            mbid=ARTIST,
            name=name,
            kind="Person",
            country="XW",
            begin="1970",
            aliases=("Also",),
            tags=(Tag(name="ambient", count=3),),
            relations=(
                Relation(kind="member of band", forward=True, target_kind="artist", mbid=BAND, name="The Band"),
                Relation(
                    kind="discogs", forward=True, target_kind="url", mbid=None, name="", address="https://d.example/1"
                ),
                Relation(
                    kind="evil", forward=True, target_kind="url", mbid=None, name="", address="javascript:alert(1)"
                ),
            ),
        )
    )
    label_store(LabelDetail(mbid=LABEL, name="Large", label_code=99))
    details = [
        GroupDetail(
            facts=GroupFacts(
                mbid=uuid.UUID(int=1000 + number),
                title=f"Group {number}",
                primary_type="Album" if number % 2 else "Single",
                first_release_date=f"{1970 + number % 50}",
            ),
            artist_credit=name,
            artists=(artist,),
        )
        for number in range(groups)
    ]
    groups_store(details)
    briefs_store(
        ReleaseBrief(
            mbid=uuid.UUID(int=1_000_000 + 10 * number + edition),
            title=group.facts.title,
            artist_credit=name,
            artists=(artist,),
            group=group.facts,
            labels=(LabelNumber(label=LabelFacts(mbid=LABEL, name="Large"), catalog_number=f"L-{number}"),),
            date=f"{1970 + number % 50}",
            country="JP",
            formats=("CD", "CD"),
            track_count=20,
        )
        for number, group in enumerate(details)
        for edition in range(releases)
    )
    now = timezone.now()
    for kind, mbid, count in (
        ("artist_groups", ARTIST, groups),
        ("artist_releases", ARTIST, groups * releases),
        ("label_releases", LABEL, groups * releases),
    ):
        Walk.objects.create(kind=kind, mbid=mbid, state="done", taken=count, total=count, ended_at=now, read_at=now)


def fill(rows: int) -> None:
    """For the browser: an artist and a label with so many groups; 0: nobody asked for them."""
    if rows:
        known(rows)
    else:
        artist_graph_ask(ARTIST)
