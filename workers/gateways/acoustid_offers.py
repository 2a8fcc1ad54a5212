"""Reading AcoustID's results into offers: anybody's JSON in, bounded and cleaned values out. Nothing in it raises.

Shapes seen (fixtures, and acoustid-server `api/v2/lookup.py`): releases lie below release groups, or below recordings when groups were not asked for;
without `compress` texts are told everywhere, with it only where they differ from the level above.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence

from apps.domain.catalog.fields import clean
from apps.domain.library.offers import MAX_GROUPS, MAX_RELEASES, Offer, OfferedGroup, OfferedRelease

_MAX_RECORDINGS = 200
_MAX_LENGTH_S = 200_000


def read_offers(results: Sequence[object]) -> tuple[Offer, ...]:
    """Recordings by score, then by submissions, best first; one that several results name counts once, with its best score.

    What lacks an id is left out: AcoustID knows recordings that MusicBrainz has removed, and has fingerprints nobody has named.
    """
    best: dict[uuid.UUID, Offer] = {}
    for result in _mappings(results):
        score = _number(result.get("score"))
        if score is None:
            continue
        acoustid = str(result.get("id", ""))[:36]
        for recording in _mappings(result.get("recordings"), limit=_MAX_RECORDINGS):
            offer = _offer(recording, score=min(max(score, 0.0), 1.0), acoustid=clean(acoustid))
            if offer is None:
                continue
            known = best.get(offer.recording_mbid)
            if known is None or (offer.score, offer.sources) > (known.score, known.sources):
                best[offer.recording_mbid] = offer
    return tuple(sorted(best.values(), key=lambda one: (-one.score, -one.sources, str(one.recording_mbid))))


def _offer(recording: Mapping[object, object], *, score: float, acoustid: str) -> Offer | None:
    mbid = _mbid(recording.get("id"))
    if mbid is None:
        return None
    length = _number(recording.get("duration"))
    groups: dict[uuid.UUID, OfferedGroup] = {}
    releases: dict[uuid.UUID, OfferedRelease] = {}
    for group in _mappings(recording.get("releasegroups"), limit=4 * MAX_GROUPS):
        group_mbid = _mbid(group.get("id"))
        if group_mbid is not None and len(groups) < MAX_GROUPS:
            groups[group_mbid] = _group(group, group_mbid)
        _releases_read(group.get("releases"), group_mbid, into=releases)
    _releases_read(recording.get("releases"), None, into=releases)
    sources = _number(recording.get("sources"))
    track = next(_tracks(recording), {})
    return Offer(
        recording_mbid=mbid,
        score=score,
        acoustid=acoustid,
        title=_text(recording.get("title")) or _text(track.get("title")),
        artist=_credit(recording.get("artists")) or _credit(track.get("artists")),
        length_s=round(length) if length is not None and 0 < length <= _MAX_LENGTH_S else None,
        sources=int(min(max(sources or 0, 0), 1_000_000)),
        groups=tuple(groups.values()),
        releases=tuple(releases.values()),
    )


def _tracks(recording: Mapping[object, object]) -> Iterator[Mapping[object, object]]:
    """Tracks below a recording: where the texts are when the recording's own are left out."""
    for group in _mappings(recording.get("releasegroups"), limit=MAX_GROUPS):
        for release in _mappings(group.get("releases"), limit=MAX_RELEASES):
            for medium in _mappings(release.get("mediums"), limit=10):
                yield from _mappings(medium.get("tracks"), limit=10)


def _group(group: Mapping[object, object], mbid: uuid.UUID) -> OfferedGroup:
    secondary = group.get("secondarytypes")
    return OfferedGroup(
        group_mbid=mbid,
        title=_text(group.get("title")),
        kind=_text(group.get("type"))[:40],
        compilation=isinstance(secondary, list) and "Compilation" in secondary[:20],
    )


def _releases_read(value: object, group: uuid.UUID | None, *, into: dict[uuid.UUID, OfferedRelease]) -> None:
    for release in _mappings(value, limit=4 * MAX_RELEASES):
        mbid = _mbid(release.get("id"))
        if mbid is None or mbid in into or len(into) >= MAX_RELEASES:
            continue
        medium = next(_mappings(release.get("mediums"), limit=100), {})
        track = next(_mappings(medium.get("tracks"), limit=1), {})
        into[mbid] = OfferedRelease(
            release_mbid=mbid,
            group_mbid=group,
            medium=_position(medium.get("position")),
            track=_position(track.get("position")),
            tracks=_position(medium.get("track_count")),
        )


def _credit(artists: object) -> str:
    """The credit as printed; without join phrases (AcoustID leaves out ", " at times) names are put together so that no two words touch."""
    parts: list[str] = []
    for artist in _mappings(artists, limit=20):
        name, join = str(artist.get("name", "")), str(artist.get("joinphrase", "") or "")
        parts.append(name + (join or ", "))
    return _text("".join(parts).removesuffix(", "))


def _mappings(value: object, *, limit: int = 1000) -> Iterator[Mapping[object, object]]:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for one in value[:limit]:
            if isinstance(one, Mapping):
                yield one


def _mbid(value: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _number(value: object) -> float | None:
    ok = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
    return float(value) if ok and isinstance(value, int | float) else None


def _position(value: object) -> int:
    number = _number(value)
    return int(number) if number is not None and 0 < number < 10_000 else 0


def _text(value: object) -> str:
    return clean(value)[:200] if isinstance(value, str) else ""
