"""Which edition of an album is it, by what the library holds and what peers of the mesh tell: rows for the pure solver, and its answer for people."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from apps.catalog.models import Medium, Release, ReleaseGroup
from apps.catalog.selectors_graph import merged_into
from apps.catalog.selectors_tracklists import tracklists
from apps.domain.errors import DomainError
from apps.domain.matching.discs import same_set
from apps.domain.matching.distance import Penalty
from apps.domain.matching.solver import MAX_EDITIONS, EditionPlan, Offer, OfferKind, Solution, solve
from apps.domain.matching.values import (
    VARIOUS_ARTISTS,
    OfferedSet,
    OfferedTrack,
    RecordingVote,
    TargetRelease,
    TargetTrack,
)
from apps.jobs.find_words import edition_change_says, edition_penalty_says, solution_says
from apps.library.models import AudioFile
from apps.library.offered import offered_set
from apps.library.selectors_match import folder_set
from apps.mesh.selectors_told import payloads_told

MAX_FOLDERS: Final = 12
HELD_SHOWN: Final = 2
"""Folders that a page compares."""
MAX_PEERS: Final = 24
TOLD: Final = 0.6
"""Confidence of a recording that a peer names: its word, heard by nobody here."""
SHOWN: Final = 12
"""Editions that are told."""


class EditionsUnknown(DomainError):
    """The catalog does not have the editions of this group: `editions_unknown`."""

    default_code = "editions_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferView:
    """Where tracks are."""

    key: str
    kind: OfferKind
    name: str
    tracks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PenaltyLine:
    """Why a plan costs what it costs; `cost` in hundredths."""

    code: str
    says: str
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTrack:
    """A track of an edition in a plan. `state`: held, offered, taken, missing, refused. `offer`: the key of where it comes from."""

    disc: int
    position: int
    title: str
    length_ms: int
    state: str
    offer: str
    penalties: tuple[PenaltyLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """An edition and how it would be made."""

    release: TargetRelease
    base: OfferView
    tracks: tuple[PlanTrack, ...]
    extra: tuple[str, ...]
    missing: int
    taken: int
    to_fetch: int
    refused: int
    cost: float
    complete: bool
    change_code: str
    change: str
    penalties: tuple[PenaltyLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionsView:
    """The answer. `editions`: how many were compared."""

    group_mbid: uuid.UUID
    title: str
    artist: str
    strict: uuid.UUID | None
    code: str
    params: Mapping[str, object]
    says: str
    editions: int
    offers: tuple[OfferView, ...]
    plans: tuple[PlanView, ...]
    nearer: tuple[PlanView, ...]


def editions_view(group_mbid: uuid.UUID, *, strict: uuid.UUID | None = None, held_only: bool = False) -> EditionsView:
    """Solve for a release group by what is held and told. Raises `editions_unknown` where the catalog has no tracks of its editions.

    `held_only`: by the few folders here that hold most of it, as pages need it at once (200 editions: 0.15 s a folder). Some ten queries, six for each
    folder that holds some of it.
    """
    now = merged_into("group", group_mbid) or group_mbid
    named = ReleaseGroup.objects.filter(mbid=now).values_list("title", "artist_credit").first()
    title, artist = named or ("", "")
    editions = _editions(now)
    if not editions:
        raise EditionsUnknown(
            "The editions of this album are not known here yet; look the release group up first.", group=str(group_mbid)
        )
    offers, names = _offers(editions, held_only=held_only)
    solution = solve(offers, editions, strict=strict)
    return _view(
        solution,
        group_mbid=now,
        title=title or editions[0].title,
        artist=artist or editions[0].artist,
        strict=strict,
        editions=len(editions),
        names=names,
        offers=offers,
    )


def _editions(group_mbid: uuid.UUID) -> list[TargetRelease]:
    """The editions of a group whose tracks are known, of any age; three queries."""
    rows = Release.objects.filter(release_group_id=group_mbid, fetched_at__isnull=False).select_related("label")
    releases = {row.mbid: row for row in rows.order_by("date", "mbid")[:MAX_EDITIONS]}
    tracks = tracklists(releases)
    formats: dict[uuid.UUID, dict[int, str]] = {}
    for release, position, kind in Medium.objects.filter(release_id__in=list(tracks)).values_list(
        "release_id", "position", "format"
    ):
        formats.setdefault(release, {})[position] = kind
    return [
        TargetRelease(
            mbid=row.mbid,
            title=row.title,
            artist=row.artist_credit,
            group_mbid=group_mbid,
            various=str(VARIOUS_ARTISTS) in row.artist_mbids,
            date=row.date,
            country=row.country,
            label=row.label.name if row.label is not None else "",
            catalog_number=row.catalog_number,
            barcode=row.barcode,
            status=row.status,
            formats=tuple(formats.get(mbid, {}).get(disc, "") for disc in sorted({one.medium for one in tracks[mbid]})),
            tracks=tuple(
                TargetTrack(
                    disc=one.medium,
                    position=one.position,
                    title=one.title,
                    artist=one.artist,
                    length_ms=one.length_ms,
                    recording_mbid=one.recording_mbid,
                )
                for one in tracks[mbid]
            ),
        )
        for mbid, row in releases.items()
        if mbid in tracks
    ]


def _offers(editions: Sequence[TargetRelease], *, held_only: bool) -> tuple[list[Offer], dict[str, str]]:
    recordings = {track.recording_mbid for one in editions for track in one.tracks if track.recording_mbid is not None}
    offers: list[Offer] = []
    names: dict[str, str] = {}
    folders = _folders({one.mbid for one in editions}, recordings)
    for root_id, folder in folders[:HELD_SHOWN] if held_only else folders:
        found = folder_set(root_id, folder)
        if not found.files:
            continue
        key = f"held:{root_id}:{folder.hex()}"
        offers.append(Offer(key=key, kind=OfferKind.HELD, set=offered_set(found.files)))
        names[key] = found.files[0].display.rpartition("/")[0] or "/"
    peers: dict[str, dict[uuid.UUID, OfferedTrack]] = {}
    told_of = payloads_told(()) if held_only else payloads_told(recordings)
    for mbid, told in told_of.items():
        for one in told:
            peers.setdefault(one.group, {}).setdefault(
                mbid,
                OfferedTrack(
                    key=str(mbid),
                    duration_ms=one.facts.get("dur_ms") or None,
                    recordings=(RecordingVote(mbid=mbid, confidence=TOLD),),
                ),
            )
    # Who has most of it first.
    for number, (group, tracks) in enumerate(
        sorted(peers.items(), key=lambda item: (-len(item[1]), item[0]))[:MAX_PEERS], start=1
    ):
        key = f"peer:{group}"
        offers.append(Offer(key=key, kind=OfferKind.PEER, set=OfferedSet(tracks=tuple(tracks.values()))))
        names[key] = f"#{number}"
    return offers, names


def _folders(releases: Collection[uuid.UUID], recordings: Collection[uuid.UUID]) -> list[tuple[int, bytes]]:
    """Folders with files of these releases or recordings, those with most of them first. Discs of one set come as one."""
    present = AudioFile.objects.filter(missing_since=None, read_state="read", variant__isnull=False)
    counted: dict[tuple[int, bytes], int] = {}
    wanted = sorted(recordings)
    queries = [present.filter(release_mbid__in=sorted(releases))]
    queries += [present.filter(variant__recording_mbid__in=wanted[at : at + 500]) for at in range(0, len(wanted), 500)]
    for rows in queries:
        for root_id, path in rows.order_by("id").values_list("root_id", "rel_path")[:2000]:
            place = (root_id, bytes(path).rpartition(b"/")[0])
            counted[place] = counted.get(place, 0) + 1
    best = sorted(counted, key=lambda one: (-counted[one], one))[:MAX_FOLDERS]
    kept: list[tuple[int, bytes]] = []
    for root_id, folder in best:
        parent = folder.rpartition(b"/")[0]
        # A set of discs is read whole from one of its folders.
        if not any(
            root == root_id and other.rpartition(b"/")[0] == parent and _discs(folder, other) for root, other in kept
        ):
            kept.append((root_id, folder))
    return kept


def _discs(one: bytes, other: bytes) -> bool:
    names = [each.rpartition(b"/")[2].decode("utf-8", "surrogateescape") for each in (one, other)]
    return same_set(names[0], names[1])


def _view(
    solution: Solution,
    *,
    group_mbid: uuid.UUID,
    title: str,
    artist: str,
    strict: uuid.UUID | None,
    editions: int,
    names: Mapping[str, str],
    offers: Sequence[Offer],
) -> EditionsView:
    views = {
        one.key: OfferView(key=one.key, kind=one.kind, name=names.get(one.key, one.key), tracks=len(one.set.tracks))
        for one in offers
    }
    return EditionsView(
        group_mbid=group_mbid,
        title=title,
        artist=artist,
        strict=strict,
        code=solution.code,
        params=solution.params,
        says=solution_says(solution.code, solution.params),
        editions=editions,
        offers=tuple(views.values()),
        plans=tuple(_plan(one, views) for one in solution.plans[:SHOWN]),
        nearer=tuple(_plan(one, views) for one in solution.nearer[:SHOWN]),
    )


def _plan(plan: EditionPlan, offers: Mapping[str, OfferView]) -> PlanView:
    base = offers[plan.base]
    taken = {_place(one.target): one for one in plan.taken}
    refused = {_place(one.target) for one in plan.refused}
    pairs = {_place(one.target): one for one in plan.match.pairs}
    there = "held" if base.kind is OfferKind.HELD else "offered"
    tracks = []
    for track in sorted(plan.release.tracks, key=_place):
        place = _place(track)
        pair, other = pairs.get(place), taken.get(place)
        state = (
            there
            if pair is not None
            else "taken"
            if other is not None
            else "refused"
            if place in refused
            else "missing"
        )
        penalties = pair.penalties if pair is not None else other.penalties if other is not None else ()
        tracks.append(
            PlanTrack(
                disc=track.disc,
                position=track.position,
                title=track.title,
                length_ms=track.length_ms or 0,
                state=state,
                offer=base.key if pair is not None else other.offer if other is not None else "",
                penalties=_lines(penalties),
            )
        )
    return PlanView(
        release=plan.release,
        base=base,
        tracks=tuple(tracks),
        extra=tuple(one.title or one.file_words for one in plan.match.extra),
        missing=len(plan.missing),
        taken=len(plan.taken),
        to_fetch=plan.to_fetch,
        refused=len(plan.refused),
        cost=round(plan.cost, 4),
        complete=plan.complete,
        change_code=plan.change.code,
        change=edition_change_says(plan.change.code, plan.change.params),
        penalties=_lines(plan.penalties),
    )


def _lines(penalties: Sequence[Penalty]) -> tuple[PenaltyLine, ...]:
    return tuple(
        PenaltyLine(code=one.code, says=edition_penalty_says(one.code, one.params), cost=round(100 * one.cost, 1))
        for one in penalties
    )


def _place(track: TargetTrack) -> tuple[int, int]:
    return (track.disc, track.position)
