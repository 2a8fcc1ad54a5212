"""An album's gain from the rows of its tracks: only when every track is here, in one place, and measured."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace

import numpy as np
import pytest

from apps.catalog.services import release_store
from apps.domain.audio.album_gain import AlbumLevels, gated_loudness, histogram_of
from apps.domain.library.tags import AudioTags
from apps.library.models import AudioFile, AudioVariant, LibraryRoot, VariantEvidence
from apps.library.selectors_analysis import album_measured
from tests.domain.library.test_renaming import on_release
from workers.filing import album_of, with_album

pytestmark = pytest.mark.django_db
RELEASE = uuid.UUID(int=4)
PLACES = [(1, 1), (1, 2)]


def levels(lufs: float, blocks: int = 100) -> dict[str, object]:
    return histogram_of(np.full(blocks, 10 ** ((lufs + 0.691) / 10))).json()


def track(
    folder: str, place: tuple[int, int], curves: dict[str, object] | None, *, peak: float | None = -1.0
) -> AudioFile:
    path = f"{folder}/{place}.flac".encode() + str(AudioFile.objects.count()).encode()
    root, _ = LibraryRoot.objects.get_or_create(path="/music")
    variant = AudioVariant.objects.create(
        payload_format="flac", payload_root=hashlib.sha256(path).digest(), payload_bytes=1, leaf_hashes=b"", profile="flac-16-44100-2",
        container="flac", true_peak_dbtp=peak,
    )  # fmt: skip
    if curves is not None:
        VariantEvidence.objects.create(variant=variant, curves=curves)
    return AudioFile.objects.create(
        root=root, rel_path=path, rel_path_hash=hashlib.sha256(path).digest(), folder_hash=hashlib.sha256(folder.encode()).digest(),
        display="x", size_bytes=1, mtime_ns=1, variant=variant, release_mbid=RELEASE, medium_position=place[0], track_position=place[1],
    )  # fmt: skip


def album(folder: str = "a", places: list[tuple[int, int]] = PLACES) -> AlbumLevels | None:
    root = LibraryRoot.objects.get(path="/music")
    return album_measured(RELEASE, root_id=root.id, folder=folder.encode(), places=places)


def test_a_whole_measured_album_is_gated_as_one_programme() -> None:
    track("a", (1, 1), {"loudness": levels(-10.05)}, peak=-0.5)
    assert album() is None
    track("a", (1, 2), {"loudness": levels(-30.05)})
    found = album()
    assert found is not None
    assert found.loudness_lufs == pytest.approx(-10.05, abs=0.01)  # the quiet track is below the album's gate
    assert found.true_peak_dbtp == -0.5


def test_an_older_analysis_or_none_gives_no_album_gain() -> None:
    track("a", (1, 1), {"loudness": levels(-10)})
    second = track("a", (1, 2), {"spectrum": {}})
    assert album() is None
    assert second.variant is not None
    VariantEvidence.objects.filter(variant=second.variant).delete()
    assert album() is None
    VariantEvidence.objects.create(variant=second.variant, curves={"loudness": {"first": "x"}})
    assert album() is None


def test_discs_in_folders_of_their_own_are_one_album_and_copies_elsewhere_do_not_count() -> None:
    track("a/CD 1", (1, 1), {"loudness": levels(-10)})
    track("a/CD 2", (2, 1), {"loudness": levels(-12)})
    places = [(1, 1), (2, 1)]
    assert album("a/CD 1", places) is not None
    track("other", (1, 1), {"loudness": levels(-20)})
    assert album("a/CD 1", places) is None  # which of the two sounds belongs to it, nobody can tell
    track("whole", (1, 1), {"loudness": levels(-20)})
    track("whole", (2, 1), {"loudness": levels(-20)})
    found = album("whole", places)
    assert found is not None and found.loudness_lufs == pytest.approx(-20, abs=0.06)


def test_the_tags_say_it_and_stay_as_they_were_where_it_is_not_known() -> None:
    place = on_release()
    release_store(replace(place.release, media=(place.release.media[0],)), asked_for=RELEASE)
    file = track("a", (2, 1), {"loudness": levels(-7.95)}, peak=0.0)
    tags = AudioTags(release_mbid=str(RELEASE), replaygain_track_gain="-10.00 dB")
    made = with_album(tags, album_of(tags, root_id=file.root_id, relative=bytes(file.rel_path)))
    assert (made.replaygain_album_gain, made.replaygain_album_peak) == ("-10.05 dB", "1.000000")
    assert made.replaygain_track_gain == "-10.00 dB"
    assert with_album(tags, album_of(AudioTags(), root_id=file.root_id, relative=b"a/x")) == tags
    assert gated_loudness([]) is None
