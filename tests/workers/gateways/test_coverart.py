"""Covers from a real HTTP service on loopback: fetched once, checked, scaled, kept; nothing that goes wrong is anybody's error."""

from __future__ import annotations

import io
import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mutagen.flac
import mutagen.id3
import pytest
from PIL import Image

from apps.domain.library.covers import Cover, flac_picture
from apps.domain.library.tags import AudioTags
from tests.workers.conftest import Metadata, limiter
from tests.workers.gateways import sound
from workers.covers import save_cover
from workers.gateways.coverart import CoverArt, PictureRefused, picture
from workers.gateways.files import identify
from workers.gateways.tags import write_tags

KIND_OF_BLUE = uuid.UUID(int=4)


def known_release() -> uuid.UUID:
    """Of the demonstration's answers."""
    folder = Path(__file__).resolve().parents[3] / "slskdn_site" / "demo" / "answers"
    for entry in json.loads((folder / "index.json").read_text())["entries"]:
        path = str(entry.get("path", ""))
        if path.startswith("/ws/2/release/") and entry.get("status", 200) == 200:
            return uuid.UUID(path.rsplit("/", 1)[1])
    raise AssertionError("no release among the answers")


def made(metadata_url: str, folder: Path, *, max_edge: int = 300, timeout_s: float = 1.0) -> CoverArt:
    return CoverArt(
        host=metadata_url, contact="tests@example.org", version="0", limiter=limiter(), folder=folder, max_edge=max_edge, timeout_s=timeout_s
    )  # fmt: skip


def image(size: tuple[int, int] = (40, 30), *, kind: str = "JPEG", mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 128 if mode in ("L", "P") else None).save(out, kind)
    return out.getvalue()


def asked(metadata: Metadata) -> list[str]:
    return [str(one["path"]) for one in metadata.requests]


def test_a_cover_is_found_behind_a_redirect_scaled_and_asked_for_once(metadata: Metadata, tmp_path: Path) -> None:
    release = known_release()
    found = made(metadata.url, tmp_path).front(release=release, group=None)
    assert found is not None
    assert (found.mime, max(found.width, found.height), found.extension) == ("image/jpeg", 300, "jpg")
    assert Image.open(io.BytesIO(found.data)).size == (300, 300)
    again = made(metadata.url, tmp_path).front(release=release, group=None)
    assert again == found
    assert asked(metadata) == [f"/release/{release}/front-500", f"/covers/{release}-500.jpg"]
    assert "slskdn/0 ( tests@example.org )" in str(metadata.requests[0]["user_agent"])


def test_many_tracks_at_once_ask_once(metadata: Metadata, tmp_path: Path) -> None:
    release = known_release()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: made(metadata.url, tmp_path).front(release=release, group=None), range(8)))
    assert len({one.data for one in found if one is not None}) == 1
    assert None not in found
    assert len(asked(metadata)) == 2


def test_a_release_without_a_cover_has_its_groups_and_nobody_asks_again(metadata: Metadata, tmp_path: Path) -> None:
    release, group = uuid.uuid4(), uuid.uuid4()
    for _ in range(2):
        assert made(metadata.url, tmp_path).front(release=release, group=group) is None
    assert asked(metadata) == [f"/release/{release}/front-500", f"/release-group/{group}/front-500"]


@pytest.mark.parametrize("kind", ["garbage", "html", "truncated", "close", "hang", "status"])
def test_whatever_goes_wrong_is_no_cover_and_costs_one_request(metadata: Metadata, tmp_path: Path, kind: str) -> None:
    metadata.fault(
        kind,
        prefix="/",
        count=99,
        **({"seconds": 3.0} if kind == "hang" else {"status": 503} if kind == "status" else {}),
    )
    covers = made(metadata.url, tmp_path, timeout_s=0.5)
    release = known_release()
    assert covers.front(release=release, group=None) is None
    before = len(asked(metadata))
    assert covers.front(release=release, group=None) is None
    assert len(asked(metadata)) == before


def test_an_archive_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert made("http://127.0.0.1:9", tmp_path).front(release=uuid.uuid4(), group=uuid.uuid4()) is None


def test_a_cache_that_cannot_be_written_is_no_error(metadata: Metadata, tmp_path: Path) -> None:
    (tmp_path / "covers").write_text("a file")
    assert made(metadata.url, tmp_path / "covers").front(release=known_release(), group=None) is None
    assert asked(metadata) == []


def test_a_broken_cache_is_asked_for_anew(metadata: Metadata, tmp_path: Path) -> None:
    release = known_release()
    first = made(metadata.url, tmp_path).front(release=release, group=None)
    for kept in (tmp_path / "release").glob("*.picture"):
        kept.write_bytes(b"cut")
    assert made(metadata.url, tmp_path).front(release=release, group=None) == first
    for kept in (tmp_path / "release").glob("*.json"):
        kept.write_bytes(b"\xff")
    assert made(metadata.url, tmp_path).front(release=release, group=None) == first


class _Hostile(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        if "front" in self.path:
            self.send_response(307)
            self.send_header("Location", "file:///etc/hostname" if "file" in self.path else "/endless")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(1 << 20))
        except OSError:
            return


@pytest.fixture
def hostile() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hostile)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("way", ["", "/file"])
def test_endless_answers_and_redirects_to_files_are_cut_off(hostile: str, tmp_path: Path, way: str) -> None:
    assert made(hostile + way, tmp_path, timeout_s=5).front(release=uuid.uuid4(), group=None) is None


def test_a_fitting_jpeg_or_png_stays_as_it_came_and_everything_else_is_encoded_anew() -> None:
    for kind, mime in (("JPEG", "image/jpeg"), ("PNG", "image/png")):
        data = image(kind=kind)
        assert picture(data, max_edge=40) == Cover(data=data, mime=mime, width=40, height=30)
    for kind, mode in (("GIF", "P"), ("WEBP", "RGBA"), ("TIFF", "CMYK"), ("BMP", "RGB"), ("PNG", "RGBA")):
        small = picture(image((400, 300), kind=kind, mode=mode), max_edge=100)
        assert (small.mime, small.width, small.height) == ("image/jpeg", 100, 75)
        assert Image.open(io.BytesIO(small.data)).format == "JPEG"


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", image()[:-60], image(kind="PNG")[:50], image((7000, 7000), mode="L", kind="PNG"), b"\x89PNG\r\n\x1a\n" + bytes(99)],
)  # fmt: skip
def test_what_does_not_decode_or_is_huge_is_refused(data: bytes) -> None:
    with pytest.raises(PictureRefused):
        picture(data, max_edge=100)


COVER = Cover(data=image(), mime="image/jpeg", width=40, height=30)


@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_a_cover_goes_into_a_file_without_one_and_the_payload_stays(tmp_path: Path, name: str) -> None:
    path = sound.write(tmp_path / name, 2)
    root = identify(path).root
    write_tags(path, AudioTags(title="One"), expected_root=root, cover=COVER)
    assert identify(path).root == root
    assert _pictures(path) == [(3, "image/jpeg", COVER.data)]
    other = Cover(data=image((9, 9)), mime="image/jpeg", width=9, height=9)
    write_tags(path, AudioTags(title="Two"), expected_root=root, cover=other)
    assert _pictures(path) == [(3, "image/jpeg", COVER.data)]  # the person's stays
    assert identify(path).root == root


def _pictures(path: Path) -> list[tuple[int, str, bytes]]:
    if path.suffix == ".flac":
        opened = mutagen.flac.FLAC(path)
        assert [(one.width, one.height, one.depth) for one in opened.pictures] == [(40, 30, 24)]
        return [(one.type, one.mime, one.data) for one in opened.pictures]
    return [(one.type, one.mime, one.data) for one in mutagen.id3.ID3(path).getall("APIC")]


def test_a_picture_that_no_block_holds_is_left_out() -> None:
    assert flac_picture(Cover(data=bytes(1 << 24), mime="image/png", width=1, height=1)) is None


def test_a_cover_is_saved_beside_the_music_unless_one_is_there(tmp_path: Path) -> None:
    (tmp_path / "Ada").mkdir()
    assert save_cover(COVER, root=tmp_path, folder=b"Ada")
    assert (tmp_path / "Ada/cover.jpg").read_bytes() == COVER.data
    (tmp_path / "Ada/cover.jpg").rename(tmp_path / "Ada/Folder.PNG")
    assert not save_cover(COVER, root=tmp_path, folder=b"Ada")
    assert [one.name for one in (tmp_path / "Ada").iterdir()] == ["Folder.PNG"]
