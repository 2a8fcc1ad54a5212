"""The only writer of label sightings and label presence: which peer was heard to have which release of which label, within quotas. Called by the node.

Whose word on the label counts: MusicBrainz' (the catalogue's rows, through apps.common.names) where the release is known, else the peer's. Figures are
counted afterwards, label by label (`labels_recount`), so that what a peer tells costs little at once; which ones are due stands in the rows.

Quotas, as of adverts: keys are free, addresses less so. Of a peer's and of a network's sightings those heard longest ago give way to new ones; when all
together are too many, the network that has most gives way. A peer that tells of a million labels therefore only turns over its own thousand rows.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Count, QuerySet
from django.utils import timezone

from apps.common.names import RecordingsOn, label_names, labels_merged, release_labels, releases_covered
from apps.domain.contracts.label_work import ReleaseSighted
from apps.domain.mesh.labels import clean_name, is_mbid, label_key, search_form
from apps.domain.mesh.popularity import FORGOTTEN_S, NOTHING, Heard, presence_of, releases_of
from apps.mesh.models_adverts import AvailableVariant
from apps.mesh.models_labels import LabelPresence, LabelRelease, LabelSighting

MAX_PER_PEER: Final = 1000
"""Sightings of one peer. An honest one tells of the hundred releases that it announces, and of what it seeds by configuration."""
MAX_PER_GROUP: Final = 4000
"""Of one /24 or /56."""
MAX_IN_ALL: Final = 50_000
"""Of everybody: some 20 MB."""
ROOM_SHARE: Final = 20
"""When everybody's quota is full, one part in so many is cleared at once: looking for who holds most reads all rows."""
MAX_LABELS_PER_RELEASE: Final = 4
"""Compilations name more; those add nothing."""
WRITE_ROWS: Final = 200
COVERS_FROM: Final = 0.5
"""A peer that advertises half of a release's tracks, or more, has that release."""
RECOUNT_AGAIN: Final = timedelta(days=1)
"""Figures are counted again after so long even when nothing was heard: peers' rows may have gone with their sightings."""
MAX_AGAIN: Final = 500
MAX_PROFILES: Final = 6
"""Of one release that are kept."""
_COUNTED_ANEW: Final = (
    "title", "artist", "peers", "rank", "quality", "profiles", "tracks", "tracks_held", "heard_at",
)  # fmt: skip
_TOLD_ANEW: Final = (
    "label_mbid", "label_name", "label_by", "group", "title", "artist", "heard_in", "tracks", "tracks_held", "profile",
    "quality", "heard_at",
)  # fmt: skip


def labels_heard(
    reports: Sequence[ReleaseSighted], *, peer_ids: Mapping[str, int], heard_in: str = "descriptor"
) -> int:
    """Write down what peers tell of releases; how many sightings that makes. The last word of each peer on each release is the one that counts."""
    now = timezone.now()
    known = release_labels({one.release_mbid for one in reports})
    merged = labels_merged({one.label_mbid for one in reports if one.label_mbid is not None})
    rows: dict[tuple[uuid.UUID, uuid.UUID, int], LabelSighting] = {}
    for one in reports:
        of_release = known.get(one.release_mbid)
        told = of_release is None or not of_release.labels
        own = merged.get(one.label_mbid, one.label_mbid) if one.label_mbid is not None else None
        labels = ((own, one.label),) if of_release is None or told else of_release.labels
        for mbid, name in labels[:MAX_LABELS_PER_RELEASE]:
            key = label_key(mbid, name)
            if key is None:
                continue
            peer = peer_ids[one.peer]
            rows[key, one.release_mbid, peer] = LabelSighting(
                label_key=key,
                label_mbid=mbid if mbid is not None and is_mbid(mbid) else None,
                label_name=clean_name(name),
                label_by="peer" if told else "catalog",
                release_mbid=one.release_mbid,
                peer_id=peer,
                group=one.group,
                title=clean_name(of_release.title if of_release else one.title),
                artist=clean_name(of_release.artist if of_release else one.artist),
                heard_in=heard_in,
                tracks=one.tracks,
                tracks_held=one.tracks_held,
                profile=one.profile[:40],
                quality=one.quality,
                first_heard=now,
                heard_at=now,
            )
    if not rows:
        return 0
    touched = _outdated(rows)
    LabelSighting.objects.bulk_create(
        rows.values(),
        batch_size=WRITE_ROWS,
        update_conflicts=True,
        unique_fields=["label_key", "release_mbid", "peer"],
        update_fields=list(_TOLD_ANEW),
    )
    touched |= _make_room({row.peer_id for row in rows.values()}, {row.group for row in rows.values() if row.group})
    fresh = {row.label_key: row for row in rows.values()}
    LabelPresence.objects.bulk_create(
        [
            LabelPresence(label_key=key, label_mbid=row.label_mbid, name=row.label_name, rank=0.0)
            for key, row in fresh.items()
        ],
        batch_size=WRITE_ROWS,
        ignore_conflicts=True,
    )
    _mark({*fresh, *touched})
    return len(rows)


def labels_advertised(peer_id: int, *, peer: str) -> int:
    """A peer's advert is written down: the releases that it covers count as heard now. How many sightings that makes.

    An advert names recordings only, so this tells something of releases whose tracklist the catalogue has. Of each release group the release that the
    peer was heard to have before, else the one that is covered best.
    """
    told: dict[uuid.UUID, tuple[str, float | None]] = {}
    variants = AvailableVariant.objects.filter(advert__peer_id=peer_id, advert__whole=True).order_by("id")
    group = variants.values_list("advert__group", flat=True).first() or ""
    for recording, profile, quality in variants.values_list("recording_mbid", "profile", "quality_score"):
        told.setdefault(recording, (profile, quality))
    if not told:
        return 0
    before = set(LabelSighting.objects.filter(peer_id=peer_id).values_list("release_mbid", flat=True))
    best = _best_covered(releases_covered(told.keys()), before)
    reports = [
        ReleaseSighted(
            peer=peer,
            group=group,
            release_mbid=release,
            tracks=on.tracks,
            tracks_held=len(on.recordings),
            profile=_commonest(told[one][0] for one in on.recordings),
            quality=_mean(told[one][1] for one in on.recordings),
        )
        for release, on in list(best.items())[:MAX_PER_PEER]
    ]
    return labels_heard(reports, peer_ids={peer: peer_id}, heard_in="advert")


def labels_recount(*, limit: int = 8) -> int:
    """Count the figures of labels that are due; how many were counted. Fewer than `limit`: nothing more is due."""
    keys = list(
        LabelPresence.objects.filter(due=True).order_by("label_key").values_list("label_key", flat=True)[:limit]
    )
    if not keys:
        return 0
    heard: dict[uuid.UUID, list[Heard]] = {key: [] for key in keys}
    rows = LabelSighting.objects.filter(label_key__in=keys).order_by()
    for key, peer, release, at, artist, name, title, profile, quality, tracks, held in rows.values_list(
        "label_key", "peer_id", "release_mbid", "heard_at", "artist", "label_name", "title", "profile", "quality",
        "tracks", "tracks_held",
    ):  # fmt: skip
        heard[key].append(
            Heard(
                peer=peer, release=release, at_s=at.timestamp(), artist=artist, name=name, title=title, profile=profile,
                quality=quality, tracks=tracks, tracks_held=held,
            )
        )  # fmt: skip
    names = label_names(keys)
    for key, some in heard.items():
        _count(key, some, known_as=clean_name(names.get(key, "")))
    return len(keys)


def labels_expire() -> int:
    """Forget what was not heard of for eight half-lives, and have figures counted again that are a day old; how many sightings went."""
    now = timezone.now()
    old = LabelSighting.objects.filter(heard_at__lt=now - timedelta(seconds=FORGOTTEN_S))
    keys = _delete(list(old.order_by("heard_at").values_list("id", flat=True)[: 10 * WRITE_ROWS]))
    stale = LabelPresence.objects.filter(due=False, counted_at__lt=now - RECOUNT_AGAIN).order_by("counted_at")
    _mark({*keys, *stale.values_list("label_key", flat=True)[:MAX_AGAIN]})
    return sum(keys.values())


def _count(key: uuid.UUID, heard: Sequence[Heard], *, known_as: str) -> None:
    """Write a label's figures and those of its releases; all of it goes when nobody has anything of it."""
    found, releases = presence_of(heard), releases_of(heard)
    LabelRelease.objects.filter(label_key=key).exclude(release_mbid__in=releases).delete()
    if found.rank == NOTHING:
        LabelPresence.objects.filter(label_key=key).delete()
        return
    LabelRelease.objects.bulk_create(
        [
            LabelRelease(
                label_key=key,
                release_mbid=one.release,
                title=one.title,
                artist=one.artist,
                peers=one.peers,
                rank=one.rank,
                quality=one.quality,
                profiles=list(one.profiles[:MAX_PROFILES]),
                tracks=one.tracks,
                tracks_held=one.tracks_held,
                heard_at=_moment(one.at_s),
            )
            for one in releases.values()
        ],
        batch_size=WRITE_ROWS,
        update_conflicts=True,
        unique_fields=["label_key", "release_mbid"],
        update_fields=list(_COUNTED_ANEW),
    )
    name = known_as or found.name
    LabelPresence.objects.filter(label_key=key).update(
        name=name,
        name_search=search_form(name),
        releases=found.releases,
        artists=found.artists,
        peers=found.peers,
        rank=found.rank,
        heard_at=_moment(max(one.at_s for one in heard)),
        counted_at=timezone.now(),
        due=False,
    )


def _moment(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, tz=UTC)


def _outdated(rows: Mapping[tuple[uuid.UUID, uuid.UUID, int], LabelSighting]) -> set[uuid.UUID]:
    """Sightings of the same peers and releases under labels that are not named any more go; whose figures that changes."""
    told = {(row.release_mbid, row.peer_id) for row in rows.values()}
    before = LabelSighting.objects.filter(
        peer_id__in={peer for _, peer in told}, release_mbid__in={release for release, _ in told}
    ).values_list("id", "label_key", "release_mbid", "peer_id")
    gone = [row for row, key, release, peer in before if (release, peer) in told and (key, release, peer) not in rows]
    return set(_delete(gone))


def _make_room(peers: Collection[int], groups: Collection[str]) -> set[uuid.UUID]:
    """Bring these peers, these networks and everybody back within their quotas; whose figures that changes."""
    touched: set[uuid.UUID] = set()
    for peer in sorted(peers):
        touched |= _drop_oldest(LabelSighting.objects.filter(peer_id=peer), keep=MAX_PER_PEER)
    for group in sorted(groups):
        touched |= _drop_oldest(LabelSighting.objects.filter(group=group), keep=MAX_PER_GROUP)
    surplus = LabelSighting.objects.count() - MAX_IN_ALL
    if surplus > 0:
        surplus += MAX_IN_ALL // ROOM_SHARE
    while surplus > 0:
        sizes = LabelSighting.objects.order_by().values("group").annotate(rows=Count("id"))
        most = sizes.order_by("-rows", "group").first()
        if most is None:
            break
        mine = LabelSighting.objects.filter(group=most["group"])
        going = min(surplus, max(most["rows"] // 2, 1))
        touched |= _drop_oldest(mine, keep=most["rows"] - going)
        surplus -= going
    return touched


def _drop_oldest(rows: QuerySet[LabelSighting], *, keep: int) -> set[uuid.UUID]:
    surplus = rows.count() - keep
    if surplus <= 0:
        return set()
    return set(_delete(list(rows.order_by("heard_at", "id").values_list("id", flat=True)[:surplus])))


def _delete(ids: Sequence[int]) -> Counter[uuid.UUID]:
    """Delete sightings; label → how many of its went."""
    keys: Counter[uuid.UUID] = Counter()
    for at in range(0, len(ids), WRITE_ROWS):
        some = LabelSighting.objects.filter(id__in=ids[at : at + WRITE_ROWS])
        keys.update(some.values_list("label_key", flat=True))
        some.delete()
    return keys


def _mark(keys: Collection[uuid.UUID]) -> None:
    ordered = sorted(keys)
    for at in range(0, len(ordered), WRITE_ROWS):
        LabelPresence.objects.filter(label_key__in=ordered[at : at + WRITE_ROWS], due=False).update(due=True)


def _best_covered(
    covered: Mapping[uuid.UUID, RecordingsOn], before: Collection[uuid.UUID]
) -> dict[uuid.UUID, RecordingsOn]:
    chosen: dict[uuid.UUID, tuple[tuple[object, ...], uuid.UUID]] = {}
    for release, on in covered.items():
        if not on.tracks or len(on.recordings) < COVERS_FROM * on.tracks:
            continue
        rank = (release in before, len(on.recordings) / on.tracks, len(on.recordings), str(release))
        group = on.group_mbid or release
        chosen[group] = max(chosen.get(group, (rank, release)), (rank, release))
    return {release: covered[release] for _, release in chosen.values()}


def _commonest(words: Iterable[str]) -> str:
    counts = Counter(words)
    return min(counts, key=lambda word: (-counts[word], word), default="")


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
