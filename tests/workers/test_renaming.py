"""Renaming a library for real: planned, looked at, done, killed at every step, put back. Files are bytes on a disk; rows are the database's."""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from apps.catalog.services import release_store
from apps.domain.library.naming import TemplateError
from apps.domain.library.renaming import MoveState, RenamingState
from apps.domain.library.words import words_of
from apps.library.models import AudioFile, AudioVariant, FileMove, FolderMatch, LibraryRenaming, LibraryRoot
from apps.library.selectors_rename import RenamingView, move_list, renaming_list, renaming_view, renamings_waiting
from apps.library.services import folder_pending, root_record
from apps.library.services_rename import (
    LeaseGone,
    RenameRefused,
    move_failed,
    rename_apply_ask,
    rename_ask,
    rename_claim,
    rename_stop,
    rename_undo_ask,
    renamings_forget,
)
from apps.library.services_trash import root_changes_allow
from tests.domain.library.test_renaming import on_release
from tests.workers.conftest import Killed, kill_at
from workers.renaming import rename_step

pytestmark = pytest.mark.django_db(transaction=True)

TEMPLATE = "{albumartist}/{album}/<CD {multidisc}>/{track} {title}.{ext}"


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    root_record(folder, writable=True)
    return folder


def put(music: Path, name: str, **tags: object) -> AudioFile:
    """A file with its row, as a scan leaves it."""
    path = music / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(name.encode())
    release, recording = tags.pop("release", None), tags.pop("recording", None)
    raw, folder = name.encode(), name.rpartition("/")[0].encode()
    variant = AudioVariant.objects.create(
        payload_format="flac", payload_root=hashlib.sha256(raw).digest(), payload_bytes=1, leaf_hashes=b"", profile="flac-16-44100-2",
        container="flac", codec="flac", recording_mbid=recording,
    )  # fmt: skip
    file = AudioFile.objects.create(
        root_id=root_record(music), rel_path=raw, rel_path_hash=hashlib.sha256(raw).digest(), display=name,
        folder_hash=hashlib.sha256(folder).digest(), size_bytes=path.stat().st_size, mtime_ns=path.stat().st_mtime_ns, variant=variant,
        tags={"v": 1, **tags}, release_mbid=release, medium_position=tags.get("disc"), track_position=tags.get("track"),
    )  # fmt: skip
    folder_pending(file.root_id, folder)
    return file


def album(music: Path) -> list[AudioFile]:
    tags = {"artist": "Ada", "album": "Sums", "discs": 2}
    made = [
        put(music, "in/a.flac", title="One", track=1, disc=1, **tags),
        put(music, "in/b.flac", title="Two", track=2, disc=1, **tags),
    ]
    (music / "in/cover.jpg").write_bytes(b"jpg")
    (music / "in/a.lrc").write_bytes(b"lrc")
    return made


def planned(music: Path, *, template: str = TEMPLATE, path: Path | None = None) -> RenamingView:
    key = rename_ask(template=template, path=os.fsencode(path) if path else b"", send=False)
    rename_step(key)
    return view(key)


def view(key: uuid.UUID) -> RenamingView:
    found = renaming_view(key)
    assert found is not None
    return found


def applied(key: uuid.UUID) -> RenamingView:
    rename_apply_ask(key, send=False)
    rename_step(key)
    return view(key)


def undone(key: uuid.UUID) -> RenamingView:
    rename_undo_ask(key, send=False)
    rename_step(key)
    return view(key)


def tree(music: Path) -> list[str]:
    return sorted(str(path.relative_to(music)) for path in music.rglob("*"))


def told(key: uuid.UUID) -> dict[str, tuple[str, str]]:
    return {line.old: (line.new, line.code) for line in move_list(key, limit=200).items}


BEFORE = ["in", "in/a.flac", "in/a.lrc", "in/b.flac", "in/cover.jpg"]
AFTER = [
    "Ada", "Ada/Sums", "Ada/Sums/CD 1", "Ada/Sums/CD 1/01 One.flac", "Ada/Sums/CD 1/01 One.lrc", "Ada/Sums/CD 1/02 Two.flac",
    "Ada/Sums/CD 1/cover.jpg",
]  # fmt: skip


def test_a_plan_changes_nothing_and_then_does_what_it_said_and_then_takes_it_back(music: Path) -> None:
    first, second = album(music)
    plan = planned(music)
    assert (plan.state, plan.looked, plan.planned, plan.beside, plan.blocked) == (RenamingState.PLANNED, 2, 2, 2, 0)
    assert told(plan.id) == {
        "in/a.flac": ("Ada/Sums/CD 1/01 One.flac", ""),
        "in/b.flac": ("Ada/Sums/CD 1/02 Two.flac", ""),
        "in/a.lrc": ("Ada/Sums/CD 1/01 One.lrc", ""),
        "in/cover.jpg": ("Ada/Sums/CD 1/cover.jpg", ""),
    }
    assert tree(music) == BEFORE
    done = applied(plan.id)
    assert (done.state, done.moved, done.failed) == (RenamingState.DONE, 4, 0)
    assert tree(music) == AFTER
    assert (music / "Ada/Sums/CD 1/01 One.flac").read_bytes() == b"in/a.flac"
    first.refresh_from_db()
    assert (bytes(first.rel_path), first.display, first.missing_since) == (
        b"Ada/Sums/CD 1/01 One.flac", "Ada/Sums/CD 1/01 One.flac", None,
    )  # fmt: skip
    assert bytes(first.folder_hash) == hashlib.sha256(b"Ada/Sums/CD 1").digest()
    assert planned(music).planned == 0  # everything has its name
    back = undone(plan.id)
    assert (back.state, back.returned, back.stuck) == (RenamingState.UNDONE, 4, 0)
    assert tree(music) == BEFORE
    second.refresh_from_db()
    assert bytes(second.rel_path) == b"in/b.flac"


STEPS = ["claimed", "begun", "folders", "renamed", "moved", "recorded", "tidied"]


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_is_found_and_completed_and_so_is_taking_it_back(music: Path, step: str) -> None:
    album(music)
    key = planned(music).id
    for ask, state, names in (
        (rename_apply_ask, RenamingState.DONE, AFTER),
        (rename_undo_ask, RenamingState.UNDONE, BEFORE),
    ):
        ask(key, send=False)
        with pytest.raises(Killed):
            rename_step(key, checkpoint=kill_at(step))
        rename_step(key)
        assert view(key).state is not state  # the dead worker's lease still holds
        LibraryRenaming.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert [one for one, _ in renamings_waiting()] == [key]
        rename_step(key)
        assert view(key).state is state
        assert tree(music) == names
        assert {bytes(file.rel_path).decode() for file in AudioFile.objects.all()} == {
            one for one in names if one.endswith(".flac")
        }
    assert (view(key).moved, view(key).returned, view(key).failed, view(key).stuck) == (4, 4, 0, 0)


def test_a_plan_that_was_killed_is_made_anew(music: Path) -> None:
    album(music)
    key = rename_ask(template=TEMPLATE, send=False)
    with pytest.raises(Killed):
        rename_step(key, checkpoint=kill_at("written"))
    LibraryRenaming.objects.update(lease_until=None, state="planning", next_step_at=Now())
    rename_step(key)
    assert (view(key).state, FileMove.objects.count()) == (RenamingState.PLANNED, 4)


def test_what_stands_in_the_way_is_told_and_stays(music: Path) -> None:
    tags = {"artist": "Ada", "album": "Sums"}
    put(music, "x/1.flac", title="One", track=1, **tags)
    put(music, "x/2.flac", title="one", track=1, **tags)
    put(music, "x/3.flac", title="Three", track=3, **tags)
    put(music, "x/4.flac", track=4, **tags)
    put(music, "Ada/Sums/05 Five.flac", title="Five", track=5, **tags)
    (music / "x/cover.jpg").write_bytes(b"jpg")
    (music / "Ada/Sums/03 Three.flac").write_bytes(b"somebody's")
    plan = planned(music)
    assert {old: code for old, (_, code) in told(plan.id).items()} == {
        "x/1.flac": "rename_case_clash",
        "x/2.flac": "rename_case_clash",
        "x/3.flac": "rename_target_taken",
        "x/4.flac": "rename_facts_missing",
    }
    assert (plan.looked, plan.named, plan.blocked) == (5, 1, 4)
    with pytest.raises(RenameRefused) as refused:
        rename_apply_ask(plan.id, send=False)
    assert refused.value.code == "rename_nothing"


def test_a_name_that_was_taken_meanwhile_is_not_replaced_and_its_sidecars_stay(music: Path) -> None:
    album(music)
    plan = planned(music)
    (music / "Ada/Sums/CD 1").mkdir(parents=True)
    (music / "Ada/Sums/CD 1/02 Two.flac").write_bytes(b"newer")
    done = applied(plan.id)
    assert (done.state, done.moved, done.failed) == (RenamingState.DONE, 1, 3)
    assert (music / "Ada/Sums/CD 1/02 Two.flac").read_bytes() == b"newer"
    assert (music / "in/b.flac").read_bytes() == b"in/b.flac"
    assert (music / "in/cover.jpg").exists()
    assert told(plan.id)["in/b.flac"][1] == "rename_name_taken"
    assert told(plan.id)["in/cover.jpg"][1] == "rename_folder_not_whole"
    assert undone(plan.id).returned == 1
    assert (music / "in/a.flac").exists()


def test_files_in_a_folder_that_is_only_read_are_planned_but_stay(music: Path) -> None:
    album(music)
    root = root_record(music)
    root_changes_allow(root, allowed=False)
    plan = planned(music)
    assert told(plan.id)["in/a.flac"] == ("Ada/Sums/CD 1/01 One.flac", "root_not_writable")
    with pytest.raises(RenameRefused) as refused:
        rename_apply_ask(plan.id, send=False)
    assert refused.value.code == "root_not_writable"
    root_changes_allow(root, allowed=True)
    plan = planned(music)
    root_changes_allow(root, allowed=False)
    assert applied(plan.id).failed == 4
    assert tree(music) == BEFORE


def test_a_file_that_was_renamed_since_or_is_gone_stays_as_it_is(music: Path) -> None:
    first, _ = album(music)
    plan = planned(music)
    (music / "in/b.flac").unlink()
    AudioFile.objects.filter(id=first.id).update(rel_path=b"else.flac")
    done = applied(plan.id)
    assert (told(plan.id)["in/a.flac"][1], told(plan.id)["in/b.flac"][1]) == ("rename_changed_since", "file_missing")
    assert done.moved == 0
    assert not (music / "Ada").exists()


def test_files_of_a_disk_that_is_away_stay_and_the_others_do_not_wait_for_it(music: Path, tmp_path: Path) -> None:
    album(music)
    other = tmp_path / "other"
    root_record(other, writable=True)
    put(other, "x/a.flac", title="X", artist="X", album="X", track=1)
    other.rename(tmp_path / "unmounted")
    plan = planned(music)
    assert (plan.state, plan.planned, told(plan.id)["x/a.flac"][1]) == (RenamingState.PLANNED, 2, "library_missing")


def test_nothing_follows_a_link_out_of_the_library(music: Path, tmp_path: Path) -> None:
    album(music)
    outside = tmp_path / "outside"
    outside.mkdir()
    plan = planned(music)
    (music / "Ada").symlink_to(outside)
    assert applied(plan.id).moved == 0
    assert list(outside.iterdir()) == []
    assert told(plan.id)["in/a.flac"][1] in ("library_path_link", "library_path_blocked")


def test_a_release_that_is_known_names_its_files_and_the_tags_do_not(music: Path) -> None:
    place = on_release()
    medium = place.release.media[0]
    release = replace(place.release, media=(replace(medium, position=1, tracks=()), medium))
    release_store(release, asked_for=release.mbid)
    recording = place.track.recording.mbid
    put(
        music,
        "1.flac",
        title="Wrong",
        album="Wrong",
        artist="Wrong",
        track=9,
        disc=9,
        release=release.mbid,
        recording=recording,
    )
    put(
        music,
        "2.flac",
        title="Other",
        album="Other",
        artist="Who",
        track=1,
        disc=2,
        release=release.mbid,
        recording=uuid.uuid4(),
    )
    plan = planned(music, template="{albumartist}/{album} ({year})/{disc_track} {title}.{ext}")
    assert {old: new for old, (new, _) in told(plan.id).items()} == {
        "1.flac": "Miles Davis/Kind of Blue (1997)/2-01 So What (live).flac",
        "2.flac": "Who/Other/2-01 Other.flac",  # its recording is not on that release: what its tags say counts
    }


def test_only_what_is_below_a_path_is_named(music: Path, tmp_path: Path) -> None:
    album(music)
    put(music, "in2/c.flac", title="C", artist="X", album="Y", track=1)
    put(music, "in/deep/d.flac", title="D", artist="X", album="Y", track=1)
    assert set(told(planned(music, path=music / "in/deep").id)) == {"in/deep/d.flac"}
    assert set(told(planned(music, path=music / "in2/c.flac").id)) == {"in2/c.flac"}
    assert planned(music, path=music).looked == 4
    with pytest.raises(RenameRefused) as refused:
        rename_ask(template=TEMPLATE, path=os.fsencode(tmp_path / "else"))
    assert refused.value.code == "rename_path_outside"
    with pytest.raises(TemplateError):
        rename_ask(template="../{title}.{ext}")


def test_what_is_known_of_a_folder_goes_along_when_all_of_it_moves(music: Path) -> None:
    album(music)
    FolderMatch.objects.update(state="matched", choice="release", chosen_mbid=uuid.UUID(int=7), next_step_at=None)
    key = planned(music).id
    applied(key)
    match = FolderMatch.objects.get()
    assert (bytes(match.folder), match.display, match.state, match.choice) == (
        b"Ada/Sums/CD 1", "Ada/Sums/CD 1", "matched", "release",
    )  # fmt: skip
    assert set(match.words.values_list("word", flat=True)) == set(words_of("Ada/Sums/CD 1"))
    undone(key)
    match.refresh_from_db()
    assert (bytes(match.folder), match.chosen_mbid) == (b"in", uuid.UUID(int=7))


def test_folders_that_are_torn_apart_are_matched_again(music: Path) -> None:
    put(music, "in/a.flac", title="One", artist="Ada", album="Sums", track=1)
    put(music, "in/b.flac", title="Two", artist="Bob", album="Other", track=2)
    FolderMatch.objects.update(state="matched", next_step_at=None)
    applied(planned(music).id)
    assert {bytes(one.folder): one.state for one in FolderMatch.objects.all()} == {
        b"in": "pending", b"Ada/Sums": "pending", b"Bob/Other": "pending",
    }  # fmt: skip


def test_a_renaming_that_is_stopped_ends_after_the_file_that_is_on_its_way(music: Path) -> None:
    album(music)
    key = planned(music).id
    rename_apply_ask(key, send=False)
    with pytest.raises(Killed):
        rename_step(key, checkpoint=kill_at("moved"))  # on disk, not in its row
    rename_stop(key, send=False)
    LibraryRenaming.objects.update(lease_until=None)
    rename_step(key)
    assert (view(key).state, view(key).code, view(key).moved) == (RenamingState.DONE, "rename_stopped", 1)
    assert FileMove.objects.filter(state=MoveState.PLANNED).count() == 3
    assert {bytes(file.rel_path) for file in AudioFile.objects.all()} == {b"Ada/Sums/CD 1/01 One.flac", b"in/b.flac"}
    assert undone(key).returned == 1
    assert tree(music) == BEFORE
    with pytest.raises(RenameRefused):
        rename_stop(key)


def test_a_worker_that_lost_its_lease_records_nothing_more(music: Path) -> None:
    album(music)
    key = planned(music).id
    rename_apply_ask(key, send=False)
    claims = []
    for _ in range(2):
        LibraryRenaming.objects.update(lease_until=None)
        claims.append(rename_claim(key, lease_s=60))
    slow, _ = claims
    assert slow is not None
    with pytest.raises(LeaseGone):
        move_failed(slow, FileMove.objects.order_by("position")[0].id, code="late", params={})
    assert not FileMove.objects.filter(code="late").exists()


def test_long_work_is_split_into_tasks(music: Path) -> None:
    album(music)
    key = planned(music).id
    rename_apply_ask(key, send=False)
    ticks = iter(range(1000))
    rename_step(key, task_s=2.5, clock=lambda: float(next(ticks)))
    assert (view(key).state, view(key).moved) == (RenamingState.APPLYING, 2)
    rename_step(key)
    assert view(key).state is RenamingState.DONE


def test_moves_are_asked_for_once_and_states_are_kept(music: Path) -> None:
    album(music)
    key = planned(music).id
    with pytest.raises(RenameRefused) as refused:
        rename_undo_ask(key, send=False)
    assert (refused.value.code, refused.value.params["state"]) == ("renaming_state", "planned")
    applied(key)
    assert rename_apply_ask(key, send=False) is RenamingState.DONE
    undone(key)
    with pytest.raises(RenameRefused):
        rename_apply_ask(key, send=False)
    with pytest.raises(RenameRefused) as refused:
        rename_apply_ask(uuid.uuid4())
    assert refused.value.code == "renaming_unknown"


def test_old_plans_are_forgotten(music: Path) -> None:
    album(music)
    planned(music)
    assert renamings_forget(untouched_since=timezone.now() - timedelta(days=1)) == 0
    LibraryRenaming.objects.update(updated_at=timezone.now() - timedelta(days=2))
    assert renamings_forget(untouched_since=timezone.now() - timedelta(days=1)) == 1
    assert (renaming_list().items, FileMove.objects.count(), LibraryRoot.objects.count()) == ([], 0, 1)
