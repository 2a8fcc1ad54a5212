"""Folders simulated from the recorded releases of MusicBrainz, against every release of the world: the right edition, or a question that names it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from apps.domain.catalog.fields import MetadataGarbled
from apps.domain.catalog.release import read_release
from apps.domain.matching.edition import decide, rank, same_tracklist
from apps.domain.matching.states import FolderState
from apps.domain.matching.targets import target_of
from apps.domain.matching.values import TargetRelease
from tests.domain.matching.noise import folder_of, noisy

WORLD = Path(__file__).resolve().parents[4] / "shared" / "fixtures" / "musicbrainz" / "world" / "releases.json"
KINDS = ("clean", "misspelt", "lengths", "missing", "bonus", "numbers")


def world() -> tuple[TargetRelease, ...]:
    if not WORLD.exists():
        pytest.skip(f"the recorded releases are not here ({WORLD.parent.name})")
    found = []
    for value in json.loads(WORLD.read_text("utf-8")).values():
        try:
            release = target_of(read_release(value))
        except MetadataGarbled:
            continue
        if release.tracks:
            found.append(release)
    return tuple(found)


def _candidates(release: TargetRelease, releases: tuple[TargetRelease, ...], rng: random.Random) -> list[TargetRelease]:
    """Itself, all others of its artist and its group, and a dozen of anybody's."""
    near = [one for one in releases if one.artist == release.artist or one.group_mbid == release.group_mbid is not None]
    return [*near, *rng.sample(releases, 12)]


@pytest.mark.parametrize(("tags", "least"), [("full", 0.99), ("album", 0.97), ("none", 0.93)])
def test_noisy_folders_of_real_releases_are_told_apart(tags: str, least: float) -> None:
    releases = world()
    assert len(releases) >= 50
    rng = random.Random(4)
    right = asked = wrong = lost = 0
    report: list[str] = []
    for release in releases:
        for kind in KINDS:
            folder = noisy(folder_of(release, tags=tags), kind, rng)
            if not folder.tracks:
                continue
            ranked = rank(folder, _candidates(release, releases, rng))
            decision = decide(ranked, offered=folder)
            named = {decision.best.release.mbid} if decision.best else set()
            offered = named | {one.release.mbid for one in decision.alike}
            best = decision.best.release if decision.best else None
            if decision.state is FolderState.MATCHED and best is not None and best.mbid == release.mbid:
                right += 1
            elif decision.state is FolderState.AMBIGUOUS and release.mbid in offered:
                asked += 1
            elif decision.state is FolderState.MATCHED and best is not None:
                wrong += 1
                same = same_tracklist(best, release)
                report.append(
                    f"WRONG {kind}: {release.title} {release.mbid} as {best.title} {best.mbid} same={same} n={len(release.tracks)}/{len(best.tracks)}"
                )
            else:
                lost += 1
                best_one = decision.best
                report.append(
                    f"{decision.state} {decision.code} {kind}: {release.title} n={len(release.tracks)} {best_one and (best_one.release.title, round(best_one.distance, 3), round(best_one.fit, 3))}"
                )
    total = right + asked + wrong + lost
    told = (
        f"tags={tags}: {total} folders, right {right}, asked with the right one named {asked}, wrong {wrong}, lost {lost}\n"
        + "\n".join(report)
    )
    print(told)
    assert (right + asked) / total >= least, told
