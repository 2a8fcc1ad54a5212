"""Duplicates: found by payload, by samples and by recording; one is proposed to be kept, and nothing goes without being asked."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.common.pagination import CursorInvalid
from apps.domain.library.duplicates import DuplicateFile, DuplicateKind, best_first
from apps.library import selectors_duplicates, services_measures
from apps.library.models import AudioFile, AudioVariant, DuplicateKey, SameSound, TrashedFile
from apps.library.selectors_duplicates import DuplicateGroup, duplicate_group, duplicate_groups
from apps.library.selectors_file import file_view
from apps.library.services_duplicates import DuplicatesRefused, duplicates_trash
from apps.library.services_measures import duplicates_measure
from tests.apps.library import canonical_rows as rows

SONG = uuid.UUID(int=7)
PCM = {"pcm_md5": b"m" * 16, "total_samples": 99}


def everything(kind: DuplicateKind, limit: int = 2) -> list[DuplicateGroup]:
    found: list[DuplicateGroup] = []
    cursor = None
    while True:
        page = duplicate_groups(kind, cursor=cursor, limit=limit)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def sound_alike(*variants: AudioVariant, ber: float = 0.02) -> None:
    """Each with each, as the identifying worker writes it."""
    for one in variants:
        for other in variants:
            if one != other:
                SameSound.objects.create(variant=one, other=other, ber=ber)


def of(number: int = 1, **more: object) -> DuplicateFile:
    given: dict[str, object] = {
        "file_id": number, "variant_id": number, "path": f"/m/{number}", "root_id": 1, "writable": True, "size_bytes": 10, "profile": "flac-16-44100-2",
        "score": 0.9, "suspect": False, "verified": True, "placed": True,
    }  # fmt: skip
    return DuplicateFile(**given | more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("worse", "term"),
    [
        (of(2, suspect=True, score=0.99), "genuine"),
        (of(2, score=0.5), "quality"),
        (of(2, verified=False), "verified"),
        (of(2, profile="mp3-320-44100-2"), "profile"),
        (of(2, placed=False), "placed"),
        (of(2, size_bytes=20), "smaller"),
        (of(2), "older"),
    ],
)
def test_the_better_file_is_kept_and_the_reason_is_named(worse: DuplicateFile, term: str) -> None:
    ranked = best_first([worse, of(1)], kind=DuplicateKind.PAYLOAD)
    assert [one.file.file_id for one in ranked] == [1, 2]
    assert [one.reason.code for one in ranked] == [f"keep_{term}", f"spare_{term}"]


def test_among_different_encodings_the_smaller_is_no_better() -> None:
    assert best_first([of(1, size_bytes=99), of(2)], kind=DuplicateKind.RECORDING)[0].file.file_id == 1


@pytest.mark.django_db
def test_copies_of_one_payload_are_a_group_and_missing_ones_do_not_count() -> None:
    root = rows.root()
    for number in range(5):
        one = rows.variant(number)
        for copy in range(2 if number != 2 else 1):
            rows.file(10 * number + copy, one, within=root)
        rows.file(10 * number + 9, one, within=root, missing=True)
    groups = everything(DuplicateKind.PAYLOAD)
    assert [len(one.files) for one in groups] == [2, 2, 2, 2]
    assert groups[0].spare_bytes == groups[0].files[1].file.size_bytes


@pytest.mark.django_db
def test_different_encodings_of_the_same_samples_are_a_group_and_another_shape_is_not() -> None:
    root = rows.root()
    one, two = rows.variant(1, **PCM), rows.variant(2, payload_bytes=5000, **PCM)
    other = rows.variant(3, **PCM | {"total_samples": 100})
    for number, made in enumerate((one, two, other)):
        rows.file(number, made, within=root)
    [group] = everything(DuplicateKind.PCM)
    assert [member.file.variant_id for member in group.files] == [one.id, two.id]
    assert group.files[0].reason.code == "keep_smaller"


@pytest.mark.django_db
def test_variants_of_one_recording_are_a_group_and_one_payload_twice_is_not() -> None:
    root = rows.root()
    flac, lossy = rows.variant(1, recording=SONG), rows.variant(2, recording=SONG, profile="mp3-320-44100-2")
    rows.file(1, flac, within=root)
    rows.file(2, lossy, within=root)
    alone = rows.variant(3, recording=uuid.UUID(int=8))
    rows.file(3, alone, within=root)
    rows.file(4, alone, within=root)
    [group] = everything(DuplicateKind.RECORDING)
    assert group.recording_mbid == SONG
    assert [member.reason.code for member in group.files] == ["keep_quality", "spare_quality"]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", list(DuplicateKind))
def test_pages_hold_every_group_once_and_need_the_same_queries_whatever_they_hold(kind: DuplicateKind) -> None:
    root = rows.root()
    number = 0
    for group in range(30):
        md5 = {"pcm_md5": bytes([group]) * 16, "total_samples": 9}
        mbid = uuid.UUID(int=100 + group)
        first = rows.variant(1000 + group, recording=mbid, **md5)
        second = rows.variant(2000 + group, recording=None if kind is DuplicateKind.SOUND else mbid, **md5)
        sound_alike(first, second)
        for made in (first, first, second):
            number += 1
            rows.file(number, made, within=root)
    found = everything(kind, limit=7)
    assert len({one.key for one in found}) == len(found) == 30
    with CaptureQueriesContext(connection) as few:
        duplicate_groups(kind, limit=1)
    with CaptureQueriesContext(connection) as many:
        duplicate_groups(kind, limit=25)
    assert len(few) == len(many) <= 4


@pytest.mark.django_db
@pytest.mark.parametrize("kind", list(DuplicateKind))
def test_a_large_library_shows_what_is_there_now_of_the_keys_that_were_counted(
    kind: DuplicateKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors_duplicates, "COUNTED_AT_ONCE", 0)
    monkeypatch.setattr(services_measures, "COUNTED_AT_ONCE", 0)
    root = rows.root()
    by_sound = kind is DuplicateKind.SOUND

    def group(number: int) -> list[AudioFile]:
        same = {"pcm_md5": bytes([number]) * 16, "total_samples": 9}
        first, second = (
            rows.variant(10 * number + one, recording=uuid.UUID(int=50 + number * (one if by_sound else 1)), **same)
            for one in (1, 2)
        )
        sound_alike(first, second)
        return [rows.file(10 * number + at, made, within=root) for at, made in enumerate((first, first, second))]

    known = [group(number) for number in range(1, 12)]
    rows.file(999, rows.variant(999, recording=uuid.UUID(int=7777)), within=root)
    expected = [one.key for one in everything(kind)]
    duplicates_measure(now=timezone.now())
    with CaptureQueriesContext(connection) as seen:
        assert [one.key for one in everything(kind)] == expected
    assert len(expected) == 11
    assert not [one for one in seen.captured_queries if "COUNT" in one["sql"]]
    # All but the first and the last lose their copies, and one more group comes: the first is seen at once, the second when keys are counted again.
    for files in known[1:-1]:
        AudioFile.objects.filter(id__in=[one.id for one in files[1:]]).update(missing_since=timezone.now())
    group(12)
    assert [one.key for one in everything(kind)] == [expected[0], expected[-1]]
    assert len(duplicate_groups(kind, limit=2).items) == 2
    duplicates_measure(now=timezone.now())
    duplicates_measure(now=timezone.now())
    assert len(everything(kind)) == 3
    assert DuplicateKey.objects.filter(kind=kind.value).count() == (3 if kind is DuplicateKind.PAYLOAD else 12)


@pytest.mark.django_db
def test_files_that_only_their_sound_joins_are_a_group_and_those_with_a_common_mbid_are_not() -> None:
    root = rows.root()
    named, twin, unnamed, other, stranger = (
        rows.variant(number, recording=mbid, quality_score=0.9 - number / 10)
        for number, mbid in enumerate((SONG, SONG, None, uuid.UUID(int=8), None), start=1)
    )
    for number, one in enumerate((named, twin, unnamed, other, stranger)):
        rows.file(number, one, within=root)
    sound_alike(named, twin)
    assert everything(DuplicateKind.SOUND) == []
    sound_alike(unnamed, other)
    [group] = everything(DuplicateKind.SOUND)
    assert [one.file.variant_id for one in group.files] == [unnamed.id, other.id]
    done = duplicates_trash(DuplicateKind.SOUND, group.key, keep=group.files[0].file.file_id)
    assert [row.file_id for row in done] == [group.files[1].file.file_id]
    AudioVariant.objects.filter(id=unnamed.id).update(
        recording_mbid=uuid.UUID(int=8)
    )  # now it is a duplicate by its recording
    assert everything(DuplicateKind.SOUND) == []


@pytest.mark.django_db
def test_of_a_chain_of_likenesses_every_link_is_told_and_a_clique_once() -> None:
    root = rows.root()
    made = [rows.variant(number, recording=None) for number in range(1, 8)]
    for number, one in enumerate(made):
        rows.file(number, one, within=root)
    a, b, c, d, e, f, _alone = made
    sound_alike(a, b)
    sound_alike(b, c)  # a and c are too far apart
    sound_alike(d, e, f)
    groups = [{one.file.variant_id for one in group.files} for group in everything(DuplicateKind.SOUND, limit=1)]
    assert groups == [{a.id, b.id}, {b.id, c.id}, {d.id, e.id, f.id}]
    for cursor in ("x", "LTE", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OQ"):
        with pytest.raises(CursorInvalid):
            duplicate_groups(DuplicateKind.SOUND, cursor=cursor)


@pytest.mark.django_db
def test_the_page_of_a_file_lists_what_sounds_the_same_here() -> None:
    root = rows.root()
    one, twin, other = rows.variant(1, recording=SONG), rows.variant(2, recording=SONG), rows.variant(3, recording=None)
    files = [rows.file(number, made, within=root) for number, made in enumerate((one, twin, other))]
    sound_alike(one, twin, other, ber=0.031)
    view = file_view(files[0].id)
    assert view is not None
    assert [(each.file_id, each.percent) for each in view.alike] == [
        (files[2].id, "3.1")
    ]  # the twin is among the variants
    files[2].missing_since = timezone.now()
    files[2].save()
    gone = file_view(files[0].id)
    assert gone is not None
    assert gone.alike == ()


@pytest.mark.django_db
def test_a_small_library_keeps_no_keys() -> None:
    one = rows.variant(1)
    for number in range(2):
        rows.file(number, one, within=rows.root())
    duplicates_measure(now=timezone.now())
    assert not DuplicateKey.objects.exists()
    assert len(everything(DuplicateKind.PAYLOAD)) == 1


@pytest.mark.django_db
def test_a_cursor_of_another_list_is_refused() -> None:
    for nonsense in ("é", "!!", "bm8"):
        with pytest.raises(CursorInvalid):
            duplicate_groups(DuplicateKind.RECORDING, cursor=nonsense)
    with pytest.raises(CursorInvalid):
        duplicate_group(DuplicateKind.PCM, "xyz")


@pytest.mark.django_db
def test_all_but_the_kept_file_go_to_the_trash_and_read_only_folders_say_why_not() -> None:
    one = rows.variant(1)
    kept = rows.file(1, one, within=rows.root())
    going = rows.file(2, one, within=rows.root())
    fixed = rows.file(3, one, within=rows.root("/nas", writable=False))
    done = {row.file_id: row for row in duplicates_trash(DuplicateKind.PAYLOAD, str(one.id), keep=kept.id)}
    assert set(done) == {going.id, fixed.id}
    assert done[fixed.id].code == "root_not_writable"
    trashed = TrashedFile.objects.get()
    assert (trashed.id, trashed.file_id, trashed.reason) == (done[going.id].trash_id, going.id, "duplicate")


@pytest.mark.django_db
def test_the_last_file_is_never_trashed() -> None:
    one = rows.variant(1)
    files = [rows.file(number, one, within=rows.root()).id for number in range(2)]
    with pytest.raises(DuplicatesRefused) as refused:
        duplicates_trash(DuplicateKind.PAYLOAD, str(one.id), keep=files[0], trash=files)
    assert refused.value.code == "duplicate_keep_one"
    with pytest.raises(DuplicatesRefused) as refused:
        duplicates_trash(DuplicateKind.PAYLOAD, str(one.id), keep=files[0], trash=[99_999])
    assert refused.value.code == "duplicate_not_member"
    assert not TrashedFile.objects.exists()
    with pytest.raises(DuplicatesRefused):
        duplicates_trash(DuplicateKind.RECORDING, str(SONG), keep=1)
