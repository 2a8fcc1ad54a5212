"""An artist with two albums, and a single of somebody else of which nobody has the second track: music, answers of the metadata services, a neighbour."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from slskdn_site.demo.answer_folder import fingerprint_entry, write_answers
from slskdn_site.demo.answer_shapes import (
    Json,
    JsonObject,
    ReleaseFacts,
    TrackFacts,
    artist_json,
    release_group_json,
    release_json,
)
from slskdn_site.demo.chromaprint import measure
from slskdn_site.demo.plan import NeighbourPlan, Offer, Who
from tests.e2e.mixed_library import music

SECONDS = 24
WHO, SOMEBODY_ELSE = "The Tides", "Elsewhere"


def _id(*name: object) -> str:
    return str(uuid.uuid5(uuid.UUID(int=0x71DE5), "/".join(map(str, name))))


def _release(title: str, artist: str, date: str, names: Sequence[str]) -> ReleaseFacts:
    return ReleaseFacts(
        release_mbid=_id("release", title),
        release_group_mbid=_id("group", title),
        title=title,
        artist=artist,
        artist_mbid=_id("artist", artist),
        date=date,
        country="XW",
        tracks=tuple(
            TrackFacts(
                disc=1, position=position, title=name, artist=artist, artist_mbid=_id("artist", artist), recording_mbid=_id("recording", name),
                track_mbid=_id("track", name), length_ms=SECONDS * 1000,
            )
            for position, name in enumerate(names, start=1)
        ),
    )  # fmt: skip


EBB = _release("Ebb", WHO, "2019-03-01", ("Amber", "Birch"))
FLOW = _release("Flow", WHO, "2021-04-02", ("Cedar", "Dahlia"))
SINGLE = _release("Slack Water", SOMEBODY_ELSE, "2022-05-03", ("Elder", "Fern"))
NOBODY_HAS = (SINGLE.release_mbid, 2)


@dataclass(frozen=True, slots=True)
class TwoAlbums:
    """Where the good files and the answers of the metadata services are."""

    masters: Path
    answers: Path

    def neighbour(self) -> NeighbourPlan:
        """One that has everything but the track that nobody has."""
        return NeighbourPlan(
            who=cast("Who", "north"),
            host="127.0.21.1",
            release_mbid=EBB.release_mbid,
            offers=tuple(
                Offer(
                    source=self.master(track),
                    recording_mbid=track.recording_mbid,
                    release_mbid=release.release_mbid,
                    medium=1,
                    position=track.position,
                )
                for release, track in _offered()
            ),
        )

    def master(self, track: TrackFacts) -> Path:
        return self.masters / f"{track.title}.flac"


def _offered() -> Iterator[tuple[ReleaseFacts, TrackFacts]]:
    for release in (EBB, FLOW, SINGLE):
        for track in release.tracks:
            if (release.release_mbid, track.position) != NOBODY_HAS:
                yield release, track


def write_two_albums(folder: Path) -> TwoAlbums:
    """Masters and answers below `folder`, which is made."""
    made = TwoAlbums(folder / "masters", folder / "answers")
    made.masters.mkdir(parents=True)
    heard = [
        (release, track, measure(music(made.master(track), 500 + number, SECONDS)))
        for number, (release, track) in enumerate(_offered())
    ]
    prints = [
        fingerprint_entry(track, found.fingerprint, found.duration_s, releases=[release])
        for release, track, found in heard
    ]
    write_answers(made.answers, prints, provenance="made by the tests")
    _write_world(made.answers / "musicbrainz" / "world")
    return made


def _write_world(folder: Path) -> None:
    releases = (EBB, FLOW, SINGLE)

    def of_artist(field: str) -> JsonObject:
        return {
            one.artist_mbid: list[Json](
                getattr(other, field) for other in releases if other.artist_mbid == one.artist_mbid
            )
            for one in releases
        }

    files: dict[str, JsonObject] = {
        "artists": {one.artist_mbid: artist_json(one.artist, one.artist_mbid) for one in releases},
        "release_groups": {one.release_group_mbid: release_group_json([one]) for one in releases},
        "releases": {one.release_mbid: release_json(one) for one in releases},
        "links": {
            "artist_release_groups": of_artist("release_group_mbid"),
            "artist_releases": of_artist("release_mbid"),
            "release_group_releases": {one.release_group_mbid: [one.release_mbid] for one in releases},
        },
    }
    folder.mkdir(parents=True)
    for name, body in files.items():
        (folder / f"{name}.json").write_text(json.dumps(body), encoding="utf-8")
