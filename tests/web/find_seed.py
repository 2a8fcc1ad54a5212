"""Finds, targets and what belongs to them for the browser tests: `python -m tests.web.find_seed COUNT` fills the data folder that SLSKDN_DATA names."""

from __future__ import annotations

import json
import os
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.domain.catalog.candidates import Candidate

ANSWERS = Path(__file__).resolve().parents[2] / "slskdn_site" / "demo" / "answers"
LONG = "Anhaltendes Niedrigwasser, oder: Was die Flut zurückließ (Gesammelte Aufnahmen und Fragmente 1994–2011)"
TEXTS = {"done": "niedrigwasser", "asking": "still asking", "waiting": "it waits", "failed": "it failed", "none": "nobody has this"}  # fmt: skip


def candidate(n: int) -> Candidate:
    """The n-th of the candidates: every kind first, then editions."""
    from apps.domain.catalog.candidates import Candidate, CandidateKind, MediumBrief, Reason

    kinds = list(CandidateKind)
    return Candidate(
        kind=kinds[0] if n > 5 else kinds[n % 5],
        mbid=uuid.UUID(int=1000 + n),
        title=LONG if n % 7 == 3 else f"Niedrigwasser {n or ''}".strip(),
        artist="" if kinds[n % 5] in {"artist", "label"} and n < 6 else ("三日月ロック スピッツ" if n % 4 == 1 else "Ada Lovelace Ensemble"),
        artist_mbid=uuid.UUID(int=1),
        type="Group" if n == 3 else "Album + Live" if n % 5 == 2 else "Album",
        date=f"{1961 + n % 60}-0{1 + n % 9}-1{n % 9}",
        country=("GB", "JP", "XW", "DE", "")[n % 5],
        labels=("Estuary", "Sub Pop")[: n % 3],
        catalog_numbers=(f"EST {n:03}",),
        barcode="5012345678900" if n % 3 else "",
        media=(MediumBrief(format="CD", tracks=9, length_ms=2_400_000),) * (1 + n % 2),
        track_count=9 + n % 5,
        length_ms=2_400_000 + n * 1000,
        script="Jpan" if n % 4 == 1 else "Latn",
        status=("Official", "Bootleg", "Promotion")[n % 3],
        disambiguation="2011 remaster, with the B-sides of all singles" if n % 6 == 4 else "",
        group_mbid=uuid.UUID(int=3000 + n % 9),
        on=("Ebbe", "Flut") if kinds[n % 5] == "recording" and n < 6 else (),
        score=100 - n % 90,
        reasons=(Reason(code="find_title", points=0.0),),
    )  # fmt: skip


def fill(count: int) -> None:
    """`count` candidates and targets; one release of which some tracks are held, one is another recording and one file is too much."""
    from django.utils import timezone

    from apps.catalog.models import Artist, EntityTag, GroupArtist, Label, Release, ReleaseGroup, ReleaseLabel
    from apps.catalog.models import Relation as RelationRow
    from apps.catalog.services import editions_store
    from apps.domain.catalog.candidates import ranked
    from apps.domain.catalog.links import WordsAsked
    from apps.domain.catalog.release import read_release
    from apps.jobs.models import AlbumTarget, Find
    from apps.jobs.services_find import find_ask
    from apps.library.models import AudioFile
    from tests.workers.folder_rows import a_file

    body = json.loads(next((ANSWERS / "musicbrainz/ws/2/release").glob("????????-*.json")).read_text("utf-8"))
    release = read_release(body)
    assert release.group is not None
    later = json.loads(json.dumps(body)) | {"id": str(uuid.UUID(int=5)), "country": "JP", "date": "2011-05-01", "barcode": "4988001234560"}  # fmt: skip
    for medium in later["media"]:
        for track in medium["tracks"]:
            track["id"] = str(uuid.uuid5(release.mbid, track["id"]))
    editions_store(release.group.mbid, [release, read_release(later)])
    for text in TEXTS.values():
        find_ask(text)
    Find.objects.filter(text=TEXTS["asking"]).update(state="asking")
    Find.objects.filter(text=TEXTS["waiting"]).update(code="musicbrainz_unavailable", next_step_at=timezone.now())
    Find.objects.filter(text=TEXTS["failed"]).update(
        state="failed", code="musicbrainz_refused", ended_at=timezone.now()
    )
    Find.objects.filter(text=TEXTS["none"]).update(state="done", code="find_none", ended_at=timezone.now())
    some = [candidate(n) for n in range(min(count, 250))]
    shown = ranked(some, WordsAsked(title=TEXTS["done"]))
    Find.objects.filter(text=TEXTS["done"]).update(
        state="done", candidates=[one.to_json() for one in shown], found=count + 40 if count > 1 else count, ended_at=timezone.now()
    )  # fmt: skip
    if not count:
        return
    for index, (medium, track) in enumerate(release.tracks(), start=1):
        if index == 4:
            continue
        heard = uuid.uuid4() if index == 2 else track.recording.mbid
        file = a_file("Ada/Album", f"{index:02} - {track.title}.flac", duration_ms=track.length_ms or 1, recording=heard, tags={"title": track.title, "artist": track.artist_credit, "album": release.title, "track": index, "disc": 1})  # fmt: skip
        AudioFile.objects.filter(id=file.id).update(release_mbid=release.mbid, medium_position=medium.position, track_position=track.position)  # fmt: skip
    bonus = a_file("Ada/Album", f"99 - {LONG}.flac", duration_ms=99_000, recording=uuid.uuid4(), tags={"title": LONG})
    AudioFile.objects.filter(id=bonus.id).update(release_mbid=release.mbid, medium_position=1, track_position=99)
    artist = Artist.objects.get(mbid=release.artists[0].mbid)
    label = Label.objects.create(mbid=uuid.uuid4(), name="Estuary")
    ReleaseLabel.objects.create(release_id=release.mbid, label=label, position=0)
    EntityTag.objects.create(entity_kind="release_group", mbid=release.group.mbid, name="post-rock", count=9)
    for number in range(min(count, 30)):
        group = ReleaseGroup.objects.create(mbid=uuid.uuid4(), title=LONG if number == 1 else f"Album {number}", primary_type="Album", first_release_date=f"{1990 + number}", artist_credit=artist.name)  # fmt: skip
        GroupArtist.objects.create(group=group, artist=artist, position=0)
        one = Release.objects.create(mbid=uuid.uuid4(), title=group.title, artist_credit="Someone Else", release_group=group, status="Official", date=f"{1990 + number}-04", country="GB", formats=["CD"])  # fmt: skip
        ReleaseLabel.objects.create(release=one, label=label, position=0)
        EntityTag.objects.create(entity_kind="release_group", mbid=group.mbid, name="post-rock", count=number)
        Release.objects.create(mbid=uuid.uuid4(), title=release.title, artist_credit=artist.name, release_group_id=release.group.mbid, country="JP" if number else "DE", disambiguation="remastered" if number % 2 else "", date="2011")  # fmt: skip
        member = Artist.objects.create(mbid=uuid.uuid4(), name=f"Member {number}")
        RelationRow.objects.create(source_kind="artist", source_mbid=artist.mbid, kind="member of band", target_kind="artist", target_mbid=member.mbid, name=member.name)  # fmt: skip
    states = ("complete", "partial", "wrong", "extra", "absent", "unknown")
    AlbumTarget.objects.bulk_create(
        AlbumTarget(
            kind="recording" if n % 5 == 4 else "release",
            mbid=release.mbid if n == 0 else uuid.UUID(int=9000 + n),
            title="" if states[n % 6] == "unknown" else LONG if n % 9 == 4 else f"Album {n}",
            artist="Ada Lovelace Ensemble",
            year="1994",
            state=states[n % 6],
            tracks=12,
            held=12 - n % 12,
            missing=n % 12,
            wrong=1 if states[n % 6] == "wrong" else 0,
            counted_at=timezone.now(),
        )
        for n in range(count)
    )


def main() -> None:
    """Fill."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    django.setup()
    from django.db import transaction

    with transaction.atomic():
        fill(int(sys.argv[1]))


if __name__ == "__main__":
    main()
