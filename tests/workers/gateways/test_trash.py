"""Files into the trash and back: byte for byte with mode and time, never over anything, killed at every step and repeated."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workers.conftest import Killed, kill_at
from workers.gateways import trash
from workers.gateways.files import FilesError
from workers.gateways.trash import FileFacts, TrashError, TrashSpot, destroy, facts_of, move_in, move_out, swap_in

BYTES = b"sound " * 5000
WHEN_NS = 1_500_000_000_123_456_789
NAME = b"Artist/Album/01 S\xf6ng.flac"  # not UTF-8: names are bytes


@pytest.fixture
def spot(tmp_path: Path) -> TrashSpot:
    root = tmp_path / "music"
    made = TrashSpot(id="0190", root=root, relative=NAME, data=tmp_path / "data" / "trash")
    path = root / os.fsdecode(NAME)
    path.parent.mkdir(parents=True)
    path.write_bytes(BYTES)
    path.chmod(0o640)
    os.utime(path, ns=(WHEN_NS, WHEN_NS))
    return made


def path_of(spot: TrashSpot) -> Path:
    return spot.root / os.fsdecode(spot.relative)


def names(folder: Path) -> list[bytes]:
    return sorted(os.fsencode(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def assert_as_it_was(path: Path) -> None:
    status = path.stat()
    assert path.read_bytes() == BYTES
    assert (status.st_mtime_ns, status.st_mode & 0o777) == (WHEN_NS, 0o640)


def other_filesystem(monkeypatch: pytest.MonkeyPatch, *, links: bool = False) -> None:
    """Renames and links between folders fail as between two filesystems; inside one folder they work."""

    def between(real: Callable[..., None]) -> Callable[..., None]:
        def refuse(old: bytes, new: bytes, *, src_dir_fd: int, dst_dir_fd: int, **more: object) -> None:
            if os.fstat(src_dir_fd).st_ino != os.fstat(dst_dir_fd).st_ino:
                raise OSError(errno.EXDEV, "another filesystem")
            real(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, **more)

        return refuse

    monkeypatch.setattr(os, "rename", between(os.rename))
    monkeypatch.setattr(os, "link", between(os.link))


def test_a_file_goes_into_its_roots_hidden_folder_and_back_as_it_was(spot: TrashSpot) -> None:
    facts = facts_of(spot.root, spot.relative)
    assert move_in(spot, facts) == "root"
    assert names(spot.root) == [b".slskdn-trash/0190/01 S\xf6ng.flac"]
    assert move_out(spot, facts) == NAME
    assert names(spot.root) == [NAME]
    assert_as_it_was(path_of(spot))
    assert not (spot.root / ".slskdn-trash" / "0190").exists()


def test_where_it_cannot_be_renamed_it_is_copied_compared_and_only_then_removed(
    spot: TrashSpot, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_filesystem(monkeypatch)
    facts = facts_of(spot.root, spot.relative)
    assert move_in(spot, facts) == "data"
    assert names(spot.root) == []
    assert_as_it_was(spot.path("data"))
    assert move_out(spot, facts) == NAME
    assert_as_it_was(path_of(spot))
    assert names(spot.data) == []


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same-filesystem", "another"])
@pytest.mark.parametrize("step", ["checked", "renamed", "copied", "kept", "removed"])
def test_killed_on_the_way_in_it_lies_in_one_place_whole_and_the_next_call_finishes(
    spot: TrashSpot, monkeypatch: pytest.MonkeyPatch, step: str, *, elsewhere: bool
) -> None:
    if elsewhere:
        other_filesystem(monkeypatch)
    facts = facts_of(spot.root, spot.relative)
    reached = False
    try:
        move_in(spot, facts, checkpoint=kill_at(step))
    except Killed:
        reached = True
    assert reached == (step in ({"checked", "copied", "kept", "removed"} if elsewhere else {"checked", "renamed"}))
    whole = [path for path in (path_of(spot), spot.path("root"), spot.path("data")) if path.exists()]
    assert whole
    for path in whole:
        assert_as_it_was(path)
    assert move_in(spot, facts) == ("data" if elsewhere else "root")
    assert not path_of(spot).exists()
    assert_as_it_was(spot.path("data" if elsewhere else "root"))
    assert len(names(spot.root)) + (len(names(spot.data)) if spot.data.exists() else 0) == 1


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same-filesystem", "another"])
@pytest.mark.parametrize("step", ["found", "staged", "put", "emptied"])
def test_killed_on_the_way_out_it_lies_whole_somewhere_and_the_next_call_finishes(
    spot: TrashSpot, monkeypatch: pytest.MonkeyPatch, step: str, *, elsewhere: bool
) -> None:
    if elsewhere:
        other_filesystem(monkeypatch)
    facts = facts_of(spot.root, spot.relative)
    place = move_in(spot, facts)
    reached = False
    try:
        move_out(spot, facts, checkpoint=kill_at(step))
    except Killed:
        reached = True
    assert reached == (elsewhere or step != "staged")
    for path in (path_of(spot), spot.path(place)):
        if path.exists():
            assert_as_it_was(path)
    assert path_of(spot).exists() or spot.path(place).exists()
    assert move_out(spot, facts) == NAME
    assert move_out(spot, facts) == NAME  # and again
    assert names(spot.root) == [NAME]
    assert_as_it_was(path_of(spot))


def test_nothing_that_took_its_name_is_touched(spot: TrashSpot) -> None:
    facts = facts_of(spot.root, spot.relative)
    move_in(spot, facts)
    path_of(spot).write_bytes(b"somebody's new file")
    with pytest.raises(TrashError) as caught:
        move_out(spot, facts)
    assert caught.value.code == "trash_name_taken"
    assert path_of(spot).read_bytes() == b"somebody's new file"
    assert_as_it_was(spot.path("root"))
    assert move_out(spot, facts, numbered_name=True) == b"Artist/Album/01 S\xf6ng (2).flac"
    assert path_of(spot).read_bytes() == b"somebody's new file"
    assert_as_it_was(spot.root / os.fsdecode(b"Artist/Album/01 S\xf6ng (2).flac"))


def test_the_same_bytes_under_its_name_are_it(spot: TrashSpot) -> None:
    facts = facts_of(spot.root, spot.relative)
    move_in(spot, facts)
    path_of(spot).write_bytes(BYTES)
    assert move_out(spot, facts, numbered_name=True) == NAME
    assert names(spot.root) == [NAME]


def test_folders_that_went_are_made_again(spot: TrashSpot) -> None:
    facts = facts_of(spot.root, spot.relative)
    move_in(spot, facts)
    path_of(spot).parent.rmdir()
    path_of(spot).parent.parent.rmdir()
    assert move_out(spot, facts) == NAME
    assert_as_it_was(path_of(spot))


def test_a_file_that_changed_since_it_was_read_stays(spot: TrashSpot) -> None:
    facts = facts_of(spot.root, spot.relative)
    path_of(spot).write_bytes(b"edited")
    with pytest.raises(TrashError) as caught:
        move_in(spot, facts)
    assert caught.value.code == "file_changed"
    assert path_of(spot).read_bytes() == b"edited"


def test_a_file_changed_with_its_time_put_back_is_told_by_its_bytes_and_goes_back(spot: TrashSpot) -> None:
    facts = facts_of(spot.root, spot.relative)
    path_of(spot).write_bytes(BYTES[:-1] + b"X")
    os.utime(path_of(spot), ns=(WHEN_NS, WHEN_NS))
    with pytest.raises(TrashError) as caught:
        move_in(spot, facts)
    assert caught.value.code == "file_changed"
    assert names(spot.root) == [NAME]


def test_a_file_replaced_in_the_last_moment_goes_back(spot: TrashSpot) -> None:
    facts = facts_of(spot.root, spot.relative)

    def replace(step: str) -> None:
        if step == "checked":
            other = spot.root / "other"
            other.write_bytes(b"new one")
            other.replace(path_of(spot))

    with pytest.raises(TrashError) as caught:
        move_in(spot, facts, checkpoint=replace)
    assert caught.value.code == "file_changed"
    assert path_of(spot).read_bytes() == b"new one"


def test_a_file_that_is_gone_and_a_link_are_refused(spot: TrashSpot, tmp_path: Path) -> None:
    facts = facts_of(spot.root, spot.relative)
    path_of(spot).rename(tmp_path / "away")
    with pytest.raises(FilesError) as caught:
        move_in(spot, facts)
    assert caught.value.code == "file_missing"
    path_of(spot).symlink_to(tmp_path / "away")
    with pytest.raises(FilesError) as caught:
        move_in(spot, facts)
    assert caught.value.code == "library_path_link"
    assert (tmp_path / "away").read_bytes() == BYTES


def test_a_trash_folder_that_is_a_link_leads_nowhere(spot: TrashSpot, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (spot.root / ".slskdn-trash").symlink_to(tmp_path / "elsewhere")
    facts = facts_of(spot.root, spot.relative)
    with pytest.raises(FilesError):
        move_in(spot, facts)
    assert_as_it_was(path_of(spot))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_full_data_disk_leaves_the_file(spot: TrashSpot, monkeypatch: pytest.MonkeyPatch) -> None:
    other_filesystem(monkeypatch)
    facts = facts_of(spot.root, spot.relative)

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(trash, "_write_copy", lambda *_args: full(0))
    with pytest.raises(FilesError) as caught:
        move_in(spot, facts)
    assert (caught.value.code, caught.value.retryable) == ("disk_full", True)
    assert_as_it_was(path_of(spot))
    assert names(spot.data) == []


def test_where_the_original_cannot_be_removed_the_copy_goes_and_the_file_stays(
    spot: TrashSpot, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_filesystem(monkeypatch)
    facts, real = facts_of(spot.root, spot.relative), os.unlink

    def refuse(name: bytes, *, dir_fd: int) -> None:
        if os.fstat(dir_fd).st_ino == path_of(spot).parent.stat().st_ino:
            raise OSError(errno.EACCES, "not yours")
        real(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(FilesError) as caught:
        move_in(spot, facts)
    assert caught.value.code == "library_permission"
    assert_as_it_was(path_of(spot))
    assert names(spot.data) == []


def test_what_rotted_in_the_trash_is_not_given_out_as_the_file(spot: TrashSpot) -> None:
    facts = facts_of(spot.root, spot.relative)
    move_in(spot, facts)
    spot.path("root").write_bytes(b"rot")
    with pytest.raises(TrashError) as caught:
        move_out(spot, facts)
    assert caught.value.code == "trash_damaged"
    spot.path("root").unlink()
    with pytest.raises(TrashError) as caught:
        move_out(spot, facts)
    assert caught.value.code == "trash_missing"


def test_what_is_destroyed_is_gone_and_destroying_again_changes_nothing(spot: TrashSpot) -> None:
    facts = facts_of(spot.root, spot.relative)
    move_in(spot, facts)
    with pytest.raises(Killed):
        destroy(spot, checkpoint=kill_at("emptied"))
    destroy(spot)
    destroy(spot)
    assert names(spot.root) == []
    assert not spot.path("root").parent.exists()


def test_a_missing_root_is_waited_for(spot: TrashSpot, tmp_path: Path) -> None:
    facts = facts_of(spot.root, spot.relative)
    spot.root.rename(tmp_path / "unmounted")
    for attempt in (lambda: move_in(spot, facts), lambda: move_out(spot, facts), lambda: destroy(spot)):
        with pytest.raises(FilesError) as caught:
            attempt()
        assert (caught.value.code, caught.value.retryable) == ("library_missing", True)


# --- putting a new version in a file's place -----------------------------------------------------------------------------------------


def staged(spot: TrashSpot, content: bytes = b"retagged") -> Path:
    path = path_of(spot).with_name(".slskdn-new.part")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "rename"])
def test_a_new_version_takes_the_place_of_a_file_that_is_kept_in_the_trash(
    spot: TrashSpot, monkeypatch: pytest.MonkeyPatch, *, exchange: bool
) -> None:
    if not exchange:
        monkeypatch.setattr(trash, "_swap", lambda *_args: False)
    facts = facts_of(spot.root, spot.relative)
    assert move_in(spot, facts, keep=True) == "root"
    assert_as_it_was(path_of(spot))
    new = swap_in(staged(spot), spot, facts)
    assert path_of(spot).read_bytes() == b"retagged"
    assert new == facts_of(spot.root, spot.relative)
    assert_as_it_was(spot.path("root"))
    assert len(names(spot.root)) == 2


def test_nothing_takes_the_place_of_a_file_that_is_not_in_the_trash(spot: TrashSpot) -> None:
    facts = facts_of(spot.root, spot.relative)
    with pytest.raises(TrashError) as caught:
        swap_in(staged(spot), spot, facts)
    assert caught.value.code == "trash_missing"
    assert_as_it_was(path_of(spot))


def test_nothing_takes_the_place_of_a_file_that_was_edited_meanwhile(spot: TrashSpot) -> None:
    facts = facts_of(spot.root, spot.relative)
    move_in(spot, facts, keep=True)
    path_of(spot).write_bytes(b"edited by a person")
    with pytest.raises(TrashError) as caught:
        swap_in(staged(spot), spot, facts)
    assert caught.value.code == "file_changed"
    assert path_of(spot).read_bytes() == b"edited by a person"
    assert names(spot.root) == [b".slskdn-trash/0190/01 S\xf6ng.flac", NAME]


def test_an_edit_between_the_look_and_the_exchange_is_put_back(
    spot: TrashSpot, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = facts_of(spot.root, spot.relative)
    move_in(spot, facts, keep=True)
    real = trash._swap
    calls: list[int] = []

    def late(folder: int, one: bytes, other: bytes) -> bool:
        if not calls:
            (spot.root / "theirs").write_bytes(b"a person's")
            (spot.root / "theirs").replace(path_of(spot))
        calls.append(1)
        return real(folder, one, other)

    monkeypatch.setattr(trash, "_swap", late)
    with pytest.raises(TrashError) as caught:
        swap_in(staged(spot), spot, facts)
    assert caught.value.code == "file_changed"
    assert path_of(spot).read_bytes() == b"a person's"


def test_putting_it_in_its_place_again_changes_nothing(spot: TrashSpot) -> None:
    facts = facts_of(spot.root, spot.relative)
    move_in(spot, facts, keep=True)
    first = swap_in(staged(spot), spot, facts)
    made = staged(spot)
    os.utime(made, ns=(WHEN_NS + 5, WHEN_NS + 5))
    second = swap_in(made, spot, facts)
    assert second == first
    assert path_of(spot).read_bytes() == b"retagged"
    assert not made.exists()


def test_facts_tell_size_time_mode_and_bytes(spot: TrashSpot) -> None:
    assert facts_of(spot.root, spot.relative) == FileFacts(
        size_bytes=len(BYTES), mtime_ns=WHEN_NS, mode=0o640, sha256=hashlib.sha256(BYTES).digest()
    )
