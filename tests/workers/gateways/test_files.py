"""Assembling and placing: nothing is lost, nothing is clobbered, nothing leaves the library."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from apps.domain.audio import mpeg
from apps.domain.audio.flac import PreambleError
from apps.domain.audio.payload import PayloadFacts, PayloadFormat, find_span_in_bytes, parse_streaminfo
from apps.domain.library.paths import PathKeyError
from tests.domain.audio import bits
from tests.workers.gateways.sound import write
from workers.gateways import files
from workers.gateways.audio import decode_test
from workers.gateways.files import FilesError, assemble, identify, place, rename_noreplace


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "library"
    root.mkdir()
    return root


def made(folder: Path, content: bytes = b"sound", name: str = "work.flac") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def everything_below(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# --- assembling ----------------------------------------------------------------------------------------------------------------------


def take_apart(path: Path, folder: Path) -> tuple[files.Identity, Path]:
    identity = identify(path)
    payload = folder / "payload"
    payload.write_bytes(path.read_bytes()[identity.span.offset : identity.span.end])
    return identity, payload


@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.ogg"])
def test_a_file_put_together_from_preamble_and_payload_plays_and_has_the_same_root(tmp_path: Path, name: str) -> None:
    source = write(tmp_path / name, 1.0)
    if name != "a.ogg":
        source.write_bytes(bits.id3v2(b"their tags") + source.read_bytes() + bits.id3v1())
    identity, payload = take_apart(source, tmp_path)
    target = tmp_path / f"out-{name}"
    root = assemble(
        target, payload=payload, facts=identity.span.facts, preamble=identity.span.preamble, expected_root=identity.root
    )
    again = identify(target)
    assert root == again.root == identity.root
    assert decode_test(target).total_samples == decode_test(source).total_samples
    assert b"their tags" not in target.read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_a_payload_may_lie_inside_a_larger_file(tmp_path: Path) -> None:
    source = write(tmp_path / "a.flac", 0.5)
    span, root = identify(source).span, identify(source).root
    assert (
        assemble(
            tmp_path / "b.flac", payload=source, payload_offset=span.offset, facts=span.facts, preamble=span.preamble
        )
        == root
    )


def test_another_payload_than_expected_leaves_no_file(tmp_path: Path) -> None:
    identity, payload = take_apart(write(tmp_path / "a.flac", 0.5), tmp_path)
    payload.write_bytes(payload.read_bytes()[:-1] + b"?")
    with pytest.raises(FilesError) as caught:
        assemble(
            tmp_path / "b.flac",
            payload=payload,
            facts=identity.span.facts,
            preamble=identity.span.preamble,
            expected_root=identity.root,
        )
    assert caught.value.code == "payload_root_mismatch"
    assert not (tmp_path / "b.flac").exists()
    assert not list(tmp_path.glob("*.part"))


def test_a_short_payload_is_an_error(tmp_path: Path) -> None:
    payload = made(tmp_path, b"abc", "payload")
    with pytest.raises(FilesError) as caught:
        assemble(tmp_path / "b", payload=payload, facts=PayloadFacts(PayloadFormat.FILE, 4), preamble=b"")
    assert caught.value.code == "payload_short"


@pytest.mark.parametrize("change", [b"", b"fLaC", b"\0" * 42, "other-rate", "trailing"])
def test_a_flac_preamble_that_does_not_fit_is_refused(tmp_path: Path, change: bytes | str) -> None:
    identity, payload = take_apart(write(tmp_path / "a.flac", 0.5), tmp_path)
    preamble = {
        "other-rate": bits.flac()[:4] + b"\x80\0\0\x22" + bits.streaminfo(rate=48_000),
        "trailing": identity.span.preamble + b"\0",
    }.get(str(change), change)
    assert isinstance(preamble, bytes)
    with pytest.raises(PreambleError):
        assemble(tmp_path / "b.flac", payload=payload, facts=identity.span.facts, preamble=preamble)
    assert not (tmp_path / "b.flac").exists()


def test_a_whole_file_takes_no_preamble(tmp_path: Path) -> None:
    with pytest.raises(PreambleError):
        assemble(tmp_path / "b", payload=made(tmp_path), facts=PayloadFacts(PayloadFormat.FILE, 5), preamble=b"x")


def test_an_mp3_information_frame_gets_true_numbers(tmp_path: Path) -> None:
    identity, payload = take_apart(write(tmp_path / "a.mp3", 1.0), tmp_path)
    honest = mpeg.read_information(identity.span.preamble)
    liar = bytearray(identity.span.preamble)
    at = max(liar.find(b"Info"), liar.find(b"Xing"))
    liar[at + 8 : at + 120] = b"\x07" * 112
    target = tmp_path / "b.mp3"
    assemble(target, payload=payload, facts=identity.span.facts, preamble=bytes(liar), expected_root=identity.root)
    told = mpeg.read_information(find_span_in_bytes(target.read_bytes()).preamble)
    assert honest is not None
    assert told is not None
    assert (told.frames, told.stream_bytes) == (honest.frames, len(liar) + identity.span.length)


@pytest.mark.parametrize(
    "preamble",
    [b"junk", bits.mp3_frame(1), bits.information_frame("info") + b"x", bits.information_frame("info") * 2, b"fLaC"],
)
def test_an_mp3_preamble_that_is_no_information_frame_is_left_out(tmp_path: Path, preamble: bytes) -> None:
    payload = made(tmp_path, bits.MP3_FRAMES, "payload")
    assemble(tmp_path / "b.mp3", payload=payload, facts=find_span_in_bytes(bits.MP3_FRAMES).facts, preamble=preamble)
    assert (tmp_path / "b.mp3").read_bytes() == bits.MP3_FRAMES


def test_a_full_disk_is_a_retryable_code_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = made(tmp_path, b"x" * 10, "payload")
    monkeypatch.setattr(files.os, "fsync", fail_with(errno.ENOSPC))
    with pytest.raises(FilesError) as caught:
        assemble(tmp_path / "b", payload=payload, facts=PayloadFacts(PayloadFormat.FILE, 10), preamble=b"")
    assert (caught.value.code, caught.value.retryable) == ("disk_full", True)
    assert [path.name for path in tmp_path.iterdir()] == ["payload"]


def test_a_real_full_device_is_disk_full(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with (
        pytest.raises(FilesError) as caught,
        files.translated(tmp_path),
        Path("/dev/full").open("wb", buffering=0) as out,
    ):
        out.write(b"x")
    assert caught.value.code == "disk_full"


def test_a_fifo_or_a_folder_is_no_file_and_hangs_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(FilesError) as caught:
            identify(path)
        assert caught.value.code == "file_not_regular"
    with pytest.raises(FilesError) as caught:
        identify(tmp_path / "absent")
    assert caught.value.code == "file_missing"


def fail_with(number: int) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


# --- placing -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["link", "copy", "no-renameat2", "no-links"])
def filesystem(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ways a filesystem may force on us: one device, another device, an old kernel, exFAT."""
    kind = str(request.param)
    real_link = os.link
    if kind == "copy":
        monkeypatch.setattr(files.os, "link", fail_with(errno.EXDEV))
    elif kind == "no-renameat2":

        def link(source: Any, *args: Any, **kwargs: Any) -> None:
            if "src_dir_fd" not in kwargs:
                raise OSError(errno.EXDEV, "other device")
            real_link(source, *args, **kwargs)

        monkeypatch.setattr(files.os, "link", link)
        monkeypatch.setattr(files, "_renameat2", lambda *_: errno.EINVAL)
    elif kind == "no-links":
        monkeypatch.setattr(files.os, "link", fail_with(errno.EPERM))
        monkeypatch.setattr(files, "_renameat2", lambda *_: errno.EINVAL)
    return kind


@pytest.mark.usefixtures("filesystem")
class TestPlacing:
    def test_a_file_is_placed_in_new_folders_and_leaves_the_work_folder(self, tmp_path: Path, library: Path) -> None:
        source = made(tmp_path)
        placed = place(source, library_root=library, relative=b"Artist/Album (1999)/01 Title.flac")
        assert placed == files.Placed(
            b"Artist/Album (1999)/01 Title.flac", library / "Artist/Album (1999)/01 Title.flac", already=False
        )
        assert everything_below(library) == {"Artist/Album (1999)/01 Title.flac": b"sound"}
        assert not source.exists()

    def test_what_is_there_is_never_replaced(self, tmp_path: Path, library: Path) -> None:
        for number, content in enumerate([b"first", b"second", b"third"], start=1):
            place(made(tmp_path, content), library_root=library, relative=b"a/x.flac")
            assert len(everything_below(library)) == number
        assert everything_below(library) == {"a/x.flac": b"first", "a/x (2).flac": b"second", "a/x (3).flac": b"third"}

    def test_the_same_bytes_are_already_placed(self, tmp_path: Path, library: Path) -> None:
        place(made(tmp_path, b"first"), library_root=library, relative=b"a/x.flac")
        place(made(tmp_path, b"second"), library_root=library, relative=b"a/x.flac")
        source = made(tmp_path, b"second")
        placed = place(source, library_root=library, relative=b"a/x.flac")
        assert (placed.relative, placed.already) == (b"a/x (2).flac", True)
        assert len(everything_below(library)) == 2
        assert not source.exists()

    def test_a_dangling_link_at_the_target_is_taken_for_taken(self, tmp_path: Path, library: Path) -> None:
        (library / "x.flac").symlink_to(tmp_path / "elsewhere")
        assert place(made(tmp_path), library_root=library, relative=b"x.flac").relative == b"x (2).flac"
        assert not (tmp_path / "elsewhere").exists()

    def test_names_are_bytes(self, tmp_path: Path, library: Path) -> None:
        placed = place(made(tmp_path), library_root=library, relative=b"caf\xe9/\xff.flac")
        assert placed.relative == b"caf\xe9/\xff.flac"
        assert placed.path.read_bytes() == b"sound"


def test_a_call_repeated_after_a_kill_between_link_and_unlink_finishes_the_work(
    tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = made(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fail_with(errno.EIO))
        with pytest.raises(FilesError):
            place(source, library_root=library, relative=b"a/x.flac")
    assert source.exists()
    placed = place(source, library_root=library, relative=b"a/x.flac")
    assert placed.already
    assert everything_below(library) == {"a/x.flac": b"sound"}
    assert not source.exists()


def test_a_copy_that_a_kill_left_is_swept_when_old_and_kept_when_young(tmp_path: Path, library: Path) -> None:
    old, young, own = (library / name for name in (".slskdn-00.part", ".slskdn-11.part", ".slskdn.flac"))
    for path in (old, young, own):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    os.utime(own, (1, 1))
    place(made(tmp_path), library_root=library, relative=b"x.flac")
    assert not old.exists()
    assert young.exists()
    assert own.exists()


@pytest.mark.parametrize("relative", [b"../x", b"/etc/x", b"a/../../x", b"", b"a//b", b"a\0b", b".", b".slskdn-x.part"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, library: Path, relative: bytes) -> None:
    source = made(tmp_path)
    with pytest.raises(PathKeyError):
        place(source, library_root=library, relative=relative)
    assert source.exists()


def test_a_link_inside_the_library_leads_nowhere(tmp_path: Path, library: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (library / "Artist").symlink_to(outside)
    with pytest.raises(FilesError) as caught:
        place(made(tmp_path), library_root=library, relative=b"Artist/x.flac")
    assert caught.value.code in ("library_path_blocked", "library_path_link")
    assert list(outside.iterdir()) == []


def test_the_root_itself_may_be_a_link_but_is_never_made(tmp_path: Path, library: Path) -> None:
    (tmp_path / "music").symlink_to(library)
    assert place(made(tmp_path), library_root=tmp_path / "music", relative=b"x.flac").path.exists()
    with pytest.raises(FilesError) as caught:
        place(made(tmp_path), library_root=tmp_path / "unmounted", relative=b"x.flac")
    assert (caught.value.code, caught.value.retryable) == ("library_missing", True)
    assert not (tmp_path / "unmounted").exists()


def test_a_file_where_a_folder_should_be_is_an_error(tmp_path: Path, library: Path) -> None:
    (library / "Artist").write_bytes(b"a file")
    with pytest.raises(FilesError) as caught:
        place(made(tmp_path), library_root=library, relative=b"Artist/x.flac")
    assert caught.value.code == "library_path_blocked"
    assert (library / "Artist").read_bytes() == b"a file"


def test_a_source_that_is_a_link_is_not_placed(tmp_path: Path, library: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(FilesError):
        place(tmp_path / "link", library_root=library, relative=b"x.flac")
    assert everything_below(library) == {}


def test_a_disk_that_fills_while_copying_keeps_the_source_and_leaves_nothing(
    tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = made(tmp_path)
    monkeypatch.setattr(files.os, "link", fail_with(errno.EXDEV))
    monkeypatch.setattr(files, "rename_noreplace", fail_with(errno.ENOSPC))
    with pytest.raises(FilesError) as caught:
        place(source, library_root=library, relative=b"x.flac")
    assert (caught.value.code, caught.value.retryable) == ("disk_full", True)
    assert source.exists()
    assert everything_below(library) == {}


def test_after_99_other_files_of_the_name_it_gives_up(tmp_path: Path, library: Path) -> None:
    (library / "x.flac").write_bytes(b"other")
    for number in range(2, 100):
        (library / f"x ({number}).flac").write_bytes(b"other")
    with pytest.raises(FilesError) as caught:
        place(made(tmp_path), library_root=library, relative=b"x.flac")
    assert caught.value.code == "name_taken"


def test_renaming_never_replaces(library: Path) -> None:
    (library / "a").write_bytes(b"a")
    (library / "b").write_bytes(b"b")
    folder = os.open(library, os.O_RDONLY)
    try:
        assert not rename_noreplace(folder, b"a", b"b")
        assert rename_noreplace(folder, b"a", b"c")
        with pytest.raises(OSError, match="No such file"):
            rename_noreplace(folder, b"absent", b"d")
    finally:
        os.close(folder)
    assert everything_below(library) == {"b": b"b", "c": b"a"}


def test_streaminfo_survives_assembling(tmp_path: Path) -> None:
    identity, payload = take_apart(write(tmp_path / "a.flac", 0.5), tmp_path)
    assemble(tmp_path / "b.flac", payload=payload, facts=identity.span.facts, preamble=identity.span.preamble)
    assert parse_streaminfo((tmp_path / "b.flac").read_bytes()[:42]) == parse_streaminfo(identity.span.preamble)
