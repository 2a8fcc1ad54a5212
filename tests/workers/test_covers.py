"""A filed track with the cover of its release: inside the file, beside it, and never in its way."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path

import mutagen.flac
import pytest

from apps.domain.jobs.lifecycle import TrackState
from apps.domain.library.covers import Cover
from apps.library.models import AudioFile
from tests.workers.assembled import Names, assemble, due, recording_id, running_job, track_of
from tests.workers.conftest import Killed, kill_at
from tests.workers.gateways.test_coverart import COVER
from workers.covers import Covers
from workers.gateways.files import identify
from workers.verification import Verifier

pytestmark = pytest.mark.django_db(transaction=True)
PLACE = "The Testers/First Album (2019)"


@dataclass
class Shelf:
    """An archive in memory."""

    cover: Cover | None
    asked: list[tuple[uuid.UUID, uuid.UUID | None]] = field(default_factory=list)

    def front(self, *, release: uuid.UUID, group: uuid.UUID | None) -> Cover | None:
        """See CoverArtPort."""
        self.asked.append((release, group))
        return self.cover


def verifier(library: Path, shelf: Shelf, *, embed: bool = True, save: bool = True) -> Verifier:
    library.mkdir(exist_ok=True)
    return Verifier(
        acoustid=Names(recordings=(recording_id(1),)),
        fingerprinting=True,
        require_fingerprint=False,
        library_root=lambda: library,
        template="{albumartist}/{album} ({year})/{disc_track} {title}.{ext}",
        covers=Covers(port=shelf, embed=embed, save=save),
    )


@pytest.mark.parametrize("step", ["tagged", "placed", "recorded", "finished"])
def test_a_cover_is_inside_and_beside_whatever_is_killed(tmp_path: Path, step: str) -> None:
    job, library, shelf = running_job(tracks=1), tmp_path / "library", Shelf(COVER)
    transfer = assemble(job, tmp_path)
    with pytest.raises(Killed):
        verifier(library, shelf).verify(transfer.id, checkpoint=kill_at(step))
    due(job)
    verifier(library, shelf).verify(transfer.id)
    track = track_of(job, 1)
    assert track.state == TrackState.COMPLETED
    assert sorted(path.name for path in (library / PLACE).iterdir()) == ["01 Song 1.flac", "cover.jpg"]
    (inside,) = mutagen.flac.FLAC(track.placed_path).pictures
    assert (inside.data, inside.mime, inside.type) == (COVER.data, COVER.mime, 3)
    file = AudioFile.objects.select_related("variant").get()
    assert file.variant is not None
    assert identify(Path(track.placed_path)).root == bytes(file.variant.payload_root)
    assert shelf.asked[0][0] == job.release_mbid
    assert shelf.asked[0][1] is not None


@pytest.mark.parametrize(("embed", "save", "cover"), [(True, True, None), (False, True, COVER), (True, False, COVER)])
def test_what_is_not_wanted_or_not_there_is_left_out(
    tmp_path: Path, embed: bool, save: bool, cover: Cover | None
) -> None:
    job, library, shelf = running_job(tracks=1), tmp_path / "library", Shelf(cover)
    verifier(library, shelf, embed=embed, save=save).verify(assemble(job, tmp_path).id)
    track = track_of(job, 1)
    assert track.state == TrackState.COMPLETED
    assert bool(mutagen.flac.FLAC(track.placed_path).pictures) == (embed and cover is not None)
    assert (library / PLACE / "cover.jpg").exists() == (save and cover is not None)


def test_nothing_is_asked_if_nobody_uses_it(tmp_path: Path) -> None:
    job, shelf = running_job(tracks=1), Shelf(COVER)
    verifier(tmp_path / "library", shelf, embed=False, save=False).verify(assemble(job, tmp_path).id)
    assert shelf.asked == []
    assert track_of(job, 1).state == TrackState.COMPLETED
