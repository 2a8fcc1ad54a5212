"""MusicBrainz: one HTTP request per call whatever comes back, and every way of failing has its code."""

from __future__ import annotations

import json
import uuid

import pytest

from apps.domain.catalog.release import read_recording, read_release
from tests.workers.conftest import ANSWERS, Metadata, limiter
from workers.gateways.errors import Permanent, Transient
from workers.gateways.musicbrainz import Musicbrainz

RELEASE = uuid.UUID(next((ANSWERS / "musicbrainz/ws/2/release").glob("????????-*.json")).stem)


def test_a_release_comes_with_its_tracks(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    release = musicbrainz.release(RELEASE)
    assert release.mbid == RELEASE
    assert release.title and release.artist_credit and release.group
    assert sum(1 for _ in release.tracks()) == 8
    (request,) = metadata.requests
    assert request["path"] == f"/ws/2/release/{RELEASE}"
    assert "slskdn/0" in str(request["user_agent"])
    assert "tests@example.org" in str(request["user_agent"])


@pytest.mark.parametrize(
    ("kind", "given", "code"),
    [
        ("status", {"status": 503, "retry_after_s": 7}, "musicbrainz_unavailable"),
        ("status", {"status": 502}, "musicbrainz_unavailable"),
        ("status", {"status": 500}, "musicbrainz_unavailable"),
        ("status", {"status": 429}, "musicbrainz_unavailable"),
        ("close", {}, "musicbrainz_unavailable"),
        ("hang", {"seconds": 5.0}, "musicbrainz_unavailable"),
        ("garbage", {}, "musicbrainz_garbled"),
        ("html", {}, "musicbrainz_unavailable"),
        ("truncated", {}, "musicbrainz_garbled"),
    ],
)
def test_a_failure_is_told_after_one_request(
    kind: str, given: dict[str, object], code: str, musicbrainz: Musicbrainz, metadata: Metadata
) -> None:
    metadata.fault(kind, count=20, **given)
    with pytest.raises(Transient) as failed:
        musicbrainz.release(RELEASE)
    assert failed.value.code == code
    assert len(metadata.requests) == 1
    if "retry_after_s" in given:
        assert failed.value.retry_after_s == 7


def test_an_unknown_release_is_final(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    for ask, code in ((musicbrainz.release, "release_not_found"), (musicbrainz.recording, "recording_not_found")):
        with pytest.raises(Permanent) as failed:
            ask(uuid.uuid4())
        assert failed.value.code == code
    assert len(metadata.requests) == 2


def test_a_busy_service_holds_the_next_request_back(metadata: Metadata) -> None:
    one = Musicbrainz(host=metadata.url, contact="", version="0", limiter=limiter(), timeout_s=1)
    metadata.fault("status", status=503, retry_after_s=90)
    with pytest.raises(Transient):
        one.release(RELEASE)
    with pytest.raises(Transient) as waiting:
        one.release(RELEASE)
    assert waiting.value.code == "rate_limited"
    assert len(metadata.requests) == 1


def test_nobody_there_is_told_as_such() -> None:
    one = Musicbrainz(host="http://127.0.0.1:9", contact="", version="0", limiter=limiter(), timeout_s=1)
    with pytest.raises(Transient) as failed:
        one.release(RELEASE)
    assert failed.value.code == "musicbrainz_unavailable"


def test_hostile_texts_are_made_harmless_and_wrong_shapes_refused() -> None:
    good = json.loads((ANSWERS / f"musicbrainz/ws/2/release/{RELEASE}.json").read_text())
    hostile = "../\0\n\u202e\ud800" + "x" * 5000
    release = read_release({**good, "title": hostile, "date": "19??", "barcode": "9" * 99})
    assert release.title.startswith("../ x") and len(release.title) == 1000
    assert release.date == "" and len(release.barcode) == 40
    release.title.encode()
    for wrong in (
        [], None, {}, {"id": "x"}, {**good, "media": {}}, {**good, "media": [{"position": 0}]}, {**good, "title": 3},
        {**good, "media": good["media"] * 2}, {**good, "artist-credit": ["x"]},
        {**good, "media": [{**good["media"][0], "tracks": [{}]}]},
    ):  # fmt: skip
        with pytest.raises(Exception, match=r"MusicBrainz|release|media") as refused:
            read_release(wrong)
        assert getattr(refused.value, "code", "") == "musicbrainz_garbled"


def test_videos_are_left_out_and_a_pregap_track_is_position_nought() -> None:
    good = json.loads((ANSWERS / f"musicbrainz/ws/2/release/{RELEASE}.json").read_text())
    medium = good["media"][0]
    first, second, *rest = medium["tracks"]
    video = {**second, "recording": {**second["recording"], "video": True}}
    pregap = {**first, "id": str(uuid.uuid4()), "position": 0}
    release = read_release({**good, "media": [{**medium, "pregap": pregap, "tracks": [first, video, *rest]}]})
    assert [track.position for _, track in release.tracks()] == [0, 1, 3, 4, 5, 6, 7, 8]


def test_the_releases_of_a_recording_come_best_first() -> None:
    def release(number: int, **given: object) -> dict[str, object]:
        group = {
            "id": str(uuid.uuid4()),
            "title": "g",
            "primary-type": given.pop("kind", "Album"),
            "secondary-types": given.pop("more", []),
        }
        return {"id": str(uuid.UUID(int=number)), "status": "Official", "date": "2000", "release-group": group, **given}

    listed = [
        release(1, status="Bootleg", date="1990"),
        release(2, more=["Compilation"], date="1995"),
        release(3, kind="Single", date="1998"),
        release(4, date="2001"),
        release(5, date="1999-03"),
        release(6, date=None),
    ]
    recording, refs = read_recording({"id": str(uuid.uuid4()), "title": "t", "releases": listed})
    assert recording.title == "t"
    assert [ref.mbid.int for ref in refs] == [5, 4, 6, 3, 2, 1]
