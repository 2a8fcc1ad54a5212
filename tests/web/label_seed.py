"""Fills a database with labels of the mesh: `python -m tests.web.label_seed COUNT`, in the data folder of SLSKDN_DATA."""

from __future__ import annotations

import os
import sys
import uuid

from tests.web.seed import NAMES, TITLES

SUB_POP = uuid.UUID("38dc88de-7720-4100-9d5b-3cdc41b0c474")
MOTOWN = uuid.UUID("8e479ea3-0b5c-4fc4-8d4f-e6b3f3f3b6a4")
WORDS = ("Tapes", "Records", "Musik", "音楽", "Recordings " * 6, "Éditions", "<i>Schallplatten</i>")


def fill(count: int) -> None:
    """`count` labels; of the first, 120 releases of many peers. And one label that only MusicBrainz knows."""
    from apps.catalog.models import Label, Release, ReleaseGroup, ReleaseLabel
    from tests.apps.mesh.label_rows import hear, sighted

    if not count:
        return
    label = Label.objects.create(mbid=MOTOWN, name="Motown")
    for number in range(30):
        group = ReleaseGroup.objects.create(mbid=uuid.uuid4(), title=TITLES[number % len(TITLES)], primary_type="Album")
        release = Release.objects.create(
            mbid=uuid.uuid4(), title=group.title, artist_credit=NAMES[number % len(NAMES)][0], date=str(1960 + number),
            release_group=group, track_count=10,
        )  # fmt: skip
        ReleaseLabel.objects.create(release=release, label=label, position=0)
    top = range(120 if count > 1 else 1)
    for peer in range(4 if count > 1 else 1):
        hear(
            *(
                sighted(
                    n, peer=f"peer{peer}", title=TITLES[n % len(TITLES)], artist=NAMES[n % len(NAMES)][0],
                    quality=(n % 10) / 10 if n % 3 else None, profile="mp3-cbr-320-44100-2" if n % 5 == 0 else "flac-16-44100-2",
                )
                for n in top
                if n % (peer + 1) == 0
            )
        )  # fmt: skip
    for start in range(1, count, 100):
        hear(
            *(
                sighted(
                    1000 + n, peer=f"other{n % 9}", label=f"{WORDS[n % len(WORDS)]} {n}", title=TITLES[n % len(TITLES)],
                    label_mbid=uuid.UUID(int=n, version=4) if n % 2 else None,
                )
                for n in range(start, min(start + 100, count))
            )
        )  # fmt: skip


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    django.setup()
    fill(int(sys.argv[1]))
