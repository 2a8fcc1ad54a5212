"""Folders as people have them, made from real releases: misspelt titles, missing and bonus tracks, other lengths, wrong numbers."""

from __future__ import annotations

import dataclasses
import random

from apps.domain.matching.values import OfferedSet, OfferedTrack, TargetRelease


def folder_of(release: TargetRelease, *, tags: str = "album") -> OfferedSet:
    """What a folder of this release holds when nothing is wrong. `tags`: none, album, or full (the edition's own facts too)."""
    per_disc: dict[int, int] = {}
    for track in release.tracks:
        per_disc[track.disc] = per_disc.get(track.disc, 0) + 1
    tracks = tuple(
        OfferedTrack(
            key=f"{track.disc:02}-{track.position:03}",
            title=track.title if tags != "none" else "",
            artist=track.artist if tags != "none" else "",
            duration_ms=track.length_ms,
            disc=track.disc if tags != "none" else 0,
            track=track.position if tags != "none" else 0,
            disc_tracks=per_disc[track.disc] if tags == "full" else 0,
            file_words=f"{track.position:02} - {track.title}",
        )
        for track in release.tracks
    )
    plain = OfferedSet(tracks=tracks)
    if tags == "none":
        return plain
    named = dataclasses.replace(plain, album=release.title, artist=release.artist)
    if tags == "album":
        return named
    return dataclasses.replace(
        named,
        year=release.date[:4],
        country=release.country,
        label=release.label,
        catalog_number=release.catalog_number,
        barcode=release.barcode,
        discs=release.discs,
    )


def misspelt(text: str, rng: random.Random) -> str:
    """One letter gone, doubled or swapped."""
    if len(text) < 3:
        return text
    at = rng.randrange(1, len(text) - 1)
    return rng.choice(
        [
            text[:at] + text[at + 1 :],
            text[:at] + text[at] + text[at:],
            text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :],
        ]
    )


def noisy(folder: OfferedSet, kind: str, rng: random.Random) -> OfferedSet:
    """The folder with one kind of noise."""
    tracks = list(folder.tracks)
    match kind:
        case "misspelt":
            tracks = [
                dataclasses.replace(one, title=misspelt(one.title, rng), file_words=misspelt(one.file_words, rng))
                for one in tracks
            ]
        case "lengths":
            tracks = [
                dataclasses.replace(
                    one, duration_ms=one.duration_ms and max(1000, one.duration_ms + rng.randint(-2000, 2000))
                )
                for one in tracks
            ]
        case "missing":
            for _ in range(max(1, len(tracks) // 6)):
                if len(tracks) > 1:
                    tracks.pop(rng.randrange(len(tracks)))
        case "bonus":
            tracks.append(
                OfferedTrack(key="zz", title="Zwischenspiel Nr. 999", duration_ms=61_234, track=len(tracks) + 1)
            )
        case "numbers":
            numbers = [one.track for one in tracks]
            rng.shuffle(numbers)
            tracks = [dataclasses.replace(one, track=number) for one, number in zip(tracks, numbers, strict=True)]
        case "clean":
            pass
    rng.shuffle(tracks)
    return dataclasses.replace(folder, tracks=tuple(tracks))
