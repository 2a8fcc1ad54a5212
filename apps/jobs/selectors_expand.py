"""Which releases of a plan the library holds in full, by the same rule by which a release's tracks are found to be held. Reads only."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping

from apps.catalog.selectors_tracklists import tracklists
from apps.domain.jobs.constraints import Constraints
from apps.domain.library.canonical import CanonicalPolicy, fetch_decision
from apps.library.selectors_canonical import held_variants
from apps.library.selectors_held import places_held

SLICE = 200
"""Releases looked at together."""


def held_in_full(
    releases: Mapping[uuid.UUID, int], *, wishes: Constraints, policy: CanonicalPolicy
) -> frozenset[uuid.UUID]:
    """Those of `releases` (release → its number of tracks, 0: unknown) of which nothing would be fetched: every track is held in good quality.

    By their tracklists where these were ever fetched, else by the files that lie in their places, as many as MusicBrainz counts. About ten queries for
    200 releases.
    """
    wishes = wishes.as_configured(
        prefer_canonical=policy.enabled and policy.prefer_canonical,
        original_master=policy.prefer_original_master,
        min_improvement=policy.min_quality_improvement,
    )
    found: set[uuid.UUID] = set()
    ids = sorted(releases)
    for at in range(0, len(ids), SLICE):
        found |= _held(ids[at : at + SLICE], releases, wishes, policy)
    return frozenset(found)


def _held(
    ids: Collection[uuid.UUID], counts: Mapping[uuid.UUID, int], wishes: Constraints, policy: CanonicalPolicy
) -> set[uuid.UUID]:
    listed = tracklists(ids)
    needed = {release: {line.recording_mbid for line in lines} for release, lines in listed.items()}
    for release, places in places_held([one for one in ids if one not in listed]).items():
        known = {(one.medium, one.position) for one in places if one.recording_mbid is not None}
        if 0 < counts[release] <= len(known):
            needed[release] = {one.recording_mbid for one in places if one.recording_mbid is not None}
    variants = held_variants({one for some in needed.values() for one in some})
    good = {
        mbid for mbid, held in variants.items() if not fetch_decision(held, constraints=wishes, policy=policy).fetch
    }
    return {release for release, recordings in needed.items() if recordings and recordings <= good}
