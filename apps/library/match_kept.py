"""A match as its row keeps it, JSON-able, versioned: what a page needs to tell every penalty without looking anything up but names of files."""

from __future__ import annotations

from apps.domain.matching.edition import ReleaseMatch, TrackPair, same_tracklist
from apps.domain.matching.values import TargetRelease, TargetTrack

KEPT_VERSION = 1
MAX_PENALTIES = 8


def explanation_json(match: ReleaseMatch) -> dict[str, object]:
    """All of one match."""
    return {
        "v": KEPT_VERSION,
        "release": _release(match.release),
        "distance": round(match.distance, 4),
        "fit": round(match.fit, 4),
        "pairs": [_pair(pair) for pair in match.pairs],
        "missing": [_track(track) for track in match.missing],
        "extra": [{"file": int(one.key), "title": one.title or one.file_words} for one in match.extra],
        "penalties": [one.to_json() for one in match.penalties],
        "change": {"code": match.cheapest_change.code, "params": match.cheapest_change.params},
    }


def candidate_json(match: ReleaseMatch, *, best: ReleaseMatch) -> dict[str, object]:
    """As much of one of many as tells it from the others."""
    return {
        **_release(match.release),
        "distance": round(match.distance, 4),
        "fit": round(match.fit, 4),
        "pairs": len(match.pairs),
        "missing": len(match.missing),
        "extra": len(match.extra),
        "penalties": [one.to_json() for one in match.penalties[:MAX_PENALTIES]],
        "change": {"code": match.cheapest_change.code, "params": match.cheapest_change.params},
        "same_tracklist": match is not best and same_tracklist(match.release, best.release),
    }


def _release(release: TargetRelease) -> dict[str, object]:
    return {
        "mbid": str(release.mbid),
        "title": release.title,
        "artist": release.artist,
        "date": release.date,
        "country": release.country,
        "label": release.label,
        "catalog_number": release.catalog_number,
        "barcode": release.barcode,
        "formats": list(release.formats),
        "discs": release.discs,
        "tracks": len(release.tracks),
    }


def _pair(pair: TrackPair) -> dict[str, object]:
    return {
        "file": int(pair.offered.key),
        **_track(pair.target),
        "is_ms": pair.offered.duration_ms,
        "distance": round(pair.distance, 4),
        "penalties": [one.to_json() for one in pair.penalties],
    }


def _track(track: TargetTrack) -> dict[str, object]:
    return {
        "disc": track.disc,
        "track": track.position,
        "title": track.title,
        "length_ms": track.length_ms,
        "recording": str(track.recording_mbid or ""),
    }
