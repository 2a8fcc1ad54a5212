"""A real library of good and bad files goes through every stage (walk, read, analyse, identify, match, recount, look) and ends with exactly its faults."""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile
from django.utils import timezone

from apps.catalog.services import release_store
from apps.domain.audio.fingerprint import decode
from apps.domain.catalog.release import ArtistFacts, GroupFacts, MediumFacts, RecordingFacts, ReleaseFacts, TrackFacts
from apps.domain.library.detect import Thresholds
from apps.domain.library.offers import Offer
from apps.library.models import AudioFile, DoctorScan, FolderMatch, Identification, LibraryIssue
from apps.library.services import root_record
from apps.library.services_doctor import doctor_scan_create
from apps.library.services_scan import scan_create, scans_read_finish
from tests.workers.gateways import sound
from workers.analyse_variants import analyse_batch
from workers.doctor_scan import look
from workers.gateways.acoustid import AcoustidQuery
from workers.gateways.chromaprint import fingerprint_file
from workers.gateways.files import identify
from workers.gateways.fingerprint_store import FingerprintStore
from workers.gateways.tags import AudioTags, write_tags
from workers.identify_variants import identify_due
from workers.match_folders import match_due
from workers.read_files import read_batch
from workers.recount_canonical import recount
from workers.scan_library import walk_slice

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 40
ALBUM = uuid.UUID(int=0x3000)
STRANGER = 99


def recording_id(position: int) -> uuid.UUID:
    return uuid.UUID(int=0x1000 + position)


NAMES = ["", "Amber", "Birch", "Cedar", "Dahlia", "Elder", "Fern", "Gorse", "Heather"]


def name_of(position: int) -> str:
    return NAMES[position] if position < len(NAMES) else "Zinnia"


def recording_facts(position: int) -> RecordingFacts:
    return RecordingFacts(
        mbid=recording_id(position), title=name_of(position), artist_credit="The Testers", length_ms=SECONDS * 1000
    )


def album_facts() -> ReleaseFacts:
    artists = (ArtistFacts(mbid=uuid.UUID(int=0xA), name="The Testers"),)
    tracks = tuple(
        TrackFacts(
            mbid=uuid.UUID(int=0x2000 + one), position=one, number=str(one), title=name_of(one), artist_credit="The Testers",
            length_ms=SECONDS * 1000, recording=recording_facts(one),
        )
        for one in range(1, 9)
    )  # fmt: skip
    return ReleaseFacts(
        mbid=ALBUM,
        title="First Album",
        artist_credit="The Testers",
        artists=artists,
        group=GroupFacts(mbid=uuid.UUID(int=0x4000), title="First Album", primary_type="Album"),
        date="2019-05-01",
        status="Official",
        media=(MediumFacts(position=1, title="", format="CD", tracks=tracks),),
    )


@dataclass
class Listener:
    """AcoustID as far as this library goes: it knows the tunes by their sound."""

    known: list[tuple[np.ndarray, int]] = field(default_factory=list)

    def learn(self, path: Path, position: int) -> None:
        self.known.append((decode(fingerprint_file(path).compressed)[0], position))

    def lookup_batch(self, queries: Sequence[AcoustidQuery]) -> tuple[tuple[Offer, ...] | None, ...]:
        return tuple(self._offers(query.fingerprint) for query in queries)

    def _offers(self, compressed: str) -> tuple[Offer, ...]:
        asked = decode(compressed)[0]
        found = []
        for items, position in self.known:
            size = min(len(items), len(asked))
            wrong = np.unpackbits((items[:size] ^ asked[:size]).view(np.uint8)).mean() if size else 1.0
            if wrong < 0.2:
                found.append(
                    Offer(
                        recording_mbid=recording_id(position), score=round(1 - float(wrong), 3), acoustid=str(uuid.uuid4()),
                        title=name_of(position), artist="The Testers", length_s=SECONDS, sources=50,
                    )
                )  # fmt: skip
        return tuple(found)


def music(path: Path, seed: int, seconds: float = SECONDS) -> Path:
    """A tune with sound up to the top of the band, as a microphone hears it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(seed)
    tune = sound.tune(seconds, seed=seed)
    hiss = 0.02 * chance.standard_normal(tune.shape)
    soundfile.write(str(path), np.clip(tune + hiss, -1, 1), sound.RATE)
    return path


def tagged(path: Path, position: int, **changes: object) -> Path:
    said: dict[str, object] = {
        "title": name_of(position),
        "artist": "The Testers",
        "albumartist": "The Testers",
        "album": "First Album",
        "recording_mbid": str(recording_id(position)),
        "release_mbid": str(ALBUM),
        "track": position,
        "tracks": 8,
        "disc": 1,
        "discs": 1,
    }
    write_tags(path, AudioTags(**said | changes), expected_root=identify(path).root)  # type: ignore[arg-type]
    return path


@pytest.fixture
def library(tmp_path: Path) -> tuple[Path, Path, Listener]:
    main, other, masters = tmp_path / "music", tmp_path / "other", tmp_path / "masters"
    listener = Listener()
    release_store(album_facts())
    folder = main / "The Testers" / "First Album"
    for position in (1, 2, 3, 4, 6, 7, 8, STRANGER):
        listener.learn(music(masters / f"{position}.flac", position), position)
    for position in (1, 3, 4, 6, 8):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(masters / f"{position}.flac", folder / f"{position:02} {name_of(position)}.flac")
    lossy = sound.convert(masters / "2.flac", masters / "2.mp3", "-c:a", "libmp3lame", "-b:a", "128k")
    sound.convert(lossy, folder / "02 Birch.flac", "-c:a", "flac", "-sample_fmt", "s16")
    music(folder / "07 Gorse.flac", 7, seconds=SECONDS - 8)
    for position in (1, 2, 3, 6, 7, 8):
        tagged(next(folder.glob(f"{position:02} *.flac")), position)
    tagged(folder / "04 Dahlia.flac", 4, title="Somewhere over", artist="Nobody Special")
    shutil.copy(folder / "06 Fern.flac", folder / "06 Fern (copy).flac")
    broken = folder / "03 Cedar.flac"
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    stranger = main / "Loose" / "live.flac"
    stranger.parent.mkdir()
    shutil.copy(masters / f"{STRANGER}.flac", stranger)
    tagged(stranger, STRANGER, track=1)
    other.mkdir()
    poor = sound.convert(masters / "1.flac", other / "amber.mp3", "-c:a", "libmp3lame", "-b:a", "64k")
    tagged(poor, 1, release_mbid="", album="Mix")
    return main, other, listener


def every_stage(roots: Sequence[Path], listener: Listener, index: Path) -> None:
    """As the workers do it, one stage after the other, until nothing waits."""
    for root in roots:
        view = scan_create(root_record(root))
        for _ in range(50):
            if walk_slice(view.id) is not None:
                break
    while read_batch().more:
        pass
    scans_read_finish()
    while analyse_batch(fingerprinting=True).more:
        pass
    store = FingerprintStore(folder=index)

    def of_now() -> FingerprintStore:
        store.refreshed(now=0.0)
        return store

    for _ in range(3):
        Identification.objects.filter(state="pending").update(next_step_at=timezone.now() - timedelta(seconds=1))
        identify_due(listener, index=of_now, clock=lambda: 0.0)
        FolderMatch.objects.filter(state="pending").update(next_step_at=timezone.now() - timedelta(seconds=1))
        match_due(musicbrainz=None, clock=lambda: 0.0)
        recount(clock=lambda: 0.0)


def looked() -> DoctorScan:
    scan_id, _ = doctor_scan_create()
    while not look(scan_id, thresholds=Thresholds()):
        pass
    return DoctorScan.objects.get(id=scan_id)


def found() -> list[tuple[str, str]]:
    rows = LibraryIssue.objects.filter(open=True).values_list("type", "path", "track_position")
    return sorted((kind, path.rpartition("/")[2] or f"track {position}") for kind, path, position in rows)


def test_a_library_of_good_and_bad_files_ends_with_exactly_the_expected_issues(
    library: tuple[Path, Path, Listener], tmp_path: Path
) -> None:
    main, other, listener = library
    every_stage([main, other], listener, tmp_path / "index")
    assert AudioFile.objects.count() == 10
    looked()
    assert found() == [
        ("corrupted_file", "03 Cedar.flac"),
        ("duplicate_variant", "06 Fern (copy).flac"),
        ("missing_track", "track 5"),
        ("non_canonical_variant", "amber.mp3"),
        ("suspected_transcode", "02 Birch.flac"),
        ("tags_wrong", "04 Dahlia.flac"),
        ("track_not_in_release", "live.flac"),
        ("wrong_duration", "07 Gorse.flac"),
    ], list(LibraryIssue.objects.values_list("type", "path", "code", "params"))
    broken = LibraryIssue.objects.get(type="corrupted_file")
    assert (broken.recording_mbid, broken.release_mbid, broken.track_position) == (recording_id(3), ALBUM, 3)
    again = looked()
    assert (again.added, again.resolved) == (0, 0)

    folder = main / "The Testers" / "First Album"
    (folder / "06 Fern (copy).flac").unlink()
    tagged(folder / "04 Dahlia.flac", 4)
    every_stage([main, other], listener, tmp_path / "index")
    looked()
    states = Counter(LibraryIssue.objects.values_list("type", "open"))
    assert states["duplicate_variant", False] == states["tags_wrong", False] == 1
    assert len(found()) == 6
