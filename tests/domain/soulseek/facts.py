"""A release that tests look for."""

from __future__ import annotations

import uuid
from typing import Final

from apps.domain.matching.values import TargetRelease, TargetTrack

RELEASE: Final = TargetRelease(
    mbid=uuid.UUID("11111111-2222-4333-8444-555555555555"),
    title="An Album",
    artist="Some Artist",
    date="2001-02-03",
    tracks=(
        TargetTrack(disc=1, position=1, title="Winter Garden", length_ms=180_000),
        TargetTrack(disc=1, position=2, title="Second Song (live)", length_ms=200_000),
        TargetTrack(disc=1, position=3, title="Third, and Last", length_ms=240_000),
    ),
)
