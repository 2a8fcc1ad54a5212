"""Changes of library files reach the share index's table, however they are made."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models.functions import Now

from apps.library.models import AudioFile, LibraryRoot
from apps.soulseek.models import ShareChange
from apps.soulseek.share_triggers import triggers_create, triggers_missing


def add(root: LibraryRoot, *names: str) -> list[AudioFile]:
    return AudioFile.objects.bulk_create(
        AudioFile(
            root=root,
            rel_path=name.encode(),
            rel_path_hash=name.encode().ljust(32, b"\0"),
            display=name,
            size_bytes=1,
            mtime_ns=1,
        )
        for name in names
    )


def taken() -> list[int]:
    found = sorted(ShareChange.objects.values_list("file_id", flat=True))
    ShareChange.objects.all().delete()
    return found


@pytest.mark.django_db
def test_every_way_to_change_a_file_is_seen_and_what_is_no_change_is_not() -> None:
    root = LibraryRoot.objects.create(path="/music")
    one, two, three = add(root, "a.flac", "b.flac", "c.flac")
    assert taken() == [one.id, two.id, three.id]
    AudioFile.objects.filter(id__in=[one.id, two.id]).update(missing_since=Now())
    assert taken() == [one.id, two.id]
    AudioFile.objects.filter(id=two.id).update(size_bytes=1, title="Another title")
    assert taken() == []
    three.rel_path = b"d.flac"
    AudioFile.objects.bulk_update([three], ["rel_path"])
    assert taken() == [three.id]
    root.delete()
    assert taken() == [one.id, two.id, three.id]


@pytest.mark.django_db
def test_triggers_that_were_lost_are_put_back() -> None:
    assert triggers_missing(connection) == []
    with connection.cursor() as cursor:
        on = " ON library_audiofile" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER share_file_gone{on}")
    assert triggers_missing(connection) == ["share_file_gone"]
    triggers_create(connection)
    assert triggers_missing(connection) == []
