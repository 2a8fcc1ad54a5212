"""Folders for the browser tests: `python -m tests.web.folder_seed COUNT` fills the data folder that SLSKDN_DATA names."""

from __future__ import annotations

import dataclasses
import os
import sys
import uuid

STATES = ("matched", "ambiguous", "unmatched", "pending", "confirmed", "ignored")
CODES = {
    "matched": "partly",
    "ambiguous": "equal_tracklist",
    "unmatched": "nothing_fits",
    "pending": "waits_identification",
    "confirmed": "chosen_by_person",
    "ignored": "ignored_by_person",
}
LONG = "Anhaltendes Niedrigwasser, oder: Was die Flut zurückließ (Gesammelte Aufnahmen und Fragmente 1994–2011)"


def fill(count: int) -> None:
    """Folders in every state; the newest is a matched one with something of everything that can differ."""
    from django.utils import timezone

    from apps.catalog.models import Release
    from apps.domain.matching.edition import match_release
    from apps.library.match_kept import candidate_json, explanation_json
    from apps.library.models import FolderMatch, LibraryRoot
    from tests.domain.matching.noise import folder_of
    from tests.domain.matching.test_edition import release

    root, _ = LibraryRoot.objects.get_or_create(path="/srv/music")
    made = dataclasses.replace(
        release(), country="GB", label="Estuary", catalog_number="EST 001", date="1994-03-01", formats=("CD",)
    )
    other = dataclasses.replace(
        made, mbid=uuid.UUID(int=77), country="JP", date="1996", catalog_number="ESJ 17", barcode="498800012345"
    )
    long = dataclasses.replace(made, mbid=uuid.UUID(int=78), title=LONG, formats=("CD", "CD"))
    folder = folder_of(made, tags="album")
    tracks = [dataclasses.replace(one, key=str(index)) for index, one in enumerate(folder.tracks[1:], 1)]
    tracks[0] = dataclasses.replace(
        tracks[0], title="Low Watter (live)", duration_ms=(tracks[0].duration_ms or 0) + 4000
    )
    tracks[1] = dataclasses.replace(tracks[1], track=17, artist="The Tide Waiters")
    extra = dataclasses.replace(tracks[0], key="99", title=LONG, duration_ms=31_000, track=44, artist="Nobody")
    offered = dataclasses.replace(folder, tracks=(*tracks, extra), year="1995", country="US")
    best = match_release(offered, made)
    matches = [best, match_release(offered, other), match_release(offered, long)]
    Release.objects.get_or_create(
        mbid=made.mbid,
        defaults={"title": made.title, "artist_credit": made.artist, "date": made.date, "fetched_at": timezone.now()},
    )
    rows = []
    for number in range(count):
        state = STATES[(count - 1 - number) % len(STATES)]
        rows.append(
            FolderMatch(
                root=root,
                folder=f"Ada/{number}".encode(),
                folder_hash=number.to_bytes(32, "big"),
                display=f"The Tidewaiters/{LONG}/CD {number}"
                if number % 3 == 0
                else f"The Tidewaiters/Low Water Almanac {number}",
                state=state,
                code=CODES[state],
                params={"tracks": 7, "of": 8, "extra": 1},
                release_mbid=made.mbid if state in {"matched", "confirmed"} else None,
                distance=best.distance,
                explanation=explanation_json(best) if state != "pending" else {},
                candidates=[candidate_json(one, best=best) for one in matches],
                files=8,
                refused=[str(uuid.UUID(int=79))],
            )
        )
    FolderMatch.objects.bulk_create(rows, batch_size=200)


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    django.setup()
    fill(int(sys.argv[1]))
