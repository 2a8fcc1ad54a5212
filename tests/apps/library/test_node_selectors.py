"""What may be offered and served of the library: releases that are offered, never the inventory; however many they are."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.catalog.models import Medium, Recording, Release, ReleaseGroup, Track
from apps.library.models import AudioFile, AudioVariant, LibraryRoot
from apps.library.node_selectors import payload_held, variants_offered

pytestmark = pytest.mark.django_db


def hold(number: int, *, recording: uuid.UUID, release: uuid.UUID | None) -> AudioVariant:
    root, _ = LibraryRoot.objects.get_or_create(path="/music")
    variant = AudioVariant.objects.create(
        payload_format="flac",
        payload_root=number.to_bytes(32, "big"),
        payload_bytes=10,
        leaf_hashes=b"h" * 32,
        recording_mbid=recording,
        profile="flac-16-44100-2",
        container="flac",
        bitrate_kbps=800,
        pcm_md5=bytes(16),
        transcode_suspect=False,
    )
    AudioFile.objects.create(
        root=root,
        rel_path=b"%d" % number,
        rel_path_hash=number.to_bytes(32, "big"),
        display=str(number),
        size_bytes=52,
        mtime_ns=7,
        variant=variant,
        release_mbid=release,
    )
    return variant


def on_release(recording: uuid.UUID) -> uuid.UUID:
    """A release that the catalogue knows to hold the recording."""
    group = ReleaseGroup.objects.create(mbid=uuid.uuid4(), title="g")
    release = Release.objects.create(mbid=uuid.uuid4(), release_group=group, title="r", fetched_at=timezone.now())
    medium = Medium.objects.create(release=release, position=1)
    row = Recording.objects.create(mbid=recording, title="t")
    Track.objects.create(mbid=uuid.uuid4(), medium=medium, position=1, recording=row, title="t")
    return release.mbid


def test_fifty_thousand_offered_releases_are_no_more_trouble_than_one() -> None:
    by_tag, by_catalogue, outside = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    tagged = uuid.uuid4()
    hold(1, recording=by_tag, release=tagged)
    hold(2, recording=by_catalogue, release=None)
    hold(3, recording=outside, release=uuid.uuid4())
    within = [uuid.uuid4() for _ in range(50_000)]
    within += [tagged, on_release(by_catalogue)]
    with CaptureQueriesContext(connection) as queries:
        found = variants_offered(recordings=[by_tag, by_catalogue, outside], releases=[], within=within, limit=10)
    assert [one.recording_mbid for one in found] == [by_tag, by_catalogue]
    assert len(queries) <= 3
    assert (found[0].container, found[0].bitrate_kbps, found[0].pcm_md5) == ("flac", 800, bytes(16))
    for number, held in ((1, True), (2, True), (3, False)):
        payload = payload_held(payload_format="flac", payload_root=number.to_bytes(32, "big"), within=within)
        assert (payload is not None) is held


def test_all_offered_releases_may_be_asked_for_at_once() -> None:
    releases = [uuid.uuid4() for _ in range(50_000)]
    for number in (1, 25_000, 49_999):
        hold(number, recording=uuid.uuid4(), release=releases[number])
    found = variants_offered(recordings=[], releases=releases, within=releases, limit=2)
    assert len(found) == 2
    assert len(variants_offered(recordings=[], releases=releases, within=releases, limit=5)) == 3


def test_nothing_offered_is_nothing_held() -> None:
    recording, release = uuid.uuid4(), uuid.uuid4()
    hold(1, recording=recording, release=release)
    assert variants_offered(recordings=[recording], releases=[release], within=[], limit=5) == []
    assert payload_held(payload_format="flac", payload_root=(1).to_bytes(32, "big"), within=[]) is None
