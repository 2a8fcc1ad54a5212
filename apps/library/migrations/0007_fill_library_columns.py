"""Rows from before: codec, folder, order, slices of fingerprints; and what the stages after a scan look for."""

import hashlib
import unicodedata

from django.db import migrations
from django.utils import timezone

from apps.domain.audio.fingerprint import FingerprintError, decode

LOSSLESS = ("flac", "alac", "pcm", "ape", "wavpack", "tta", "tak")
LOSSY = ("mp3", "aac", "opus", "vorbis", "wma", "ac3", "musepack")
CHUNK = 500


def fill(apps, schema_editor):
    variants = apps.get_model("library", "AudioVariant")
    for codec in LOSSLESS + LOSSY:
        rows = variants.objects.filter(codec="", profile__startswith=f"{codec}-")
        rows.update(codec=codec, lossless=codec in LOSSLESS)
    fill_slices(apps, variants)
    fill_files(apps)


def fill_slices(apps, variants):
    slices, identifications = apps.get_model("library", "FingerprintSlice"), apps.get_model("library", "Identification")
    rows = variants.objects.exclude(fingerprint=b"").order_by("id")
    for some in chunks(rows, "id", "fingerprint"):
        made = []
        for key, compressed in some:
            try:
                items, _ = decode(bytes(compressed).decode("ascii"))
            except (FingerprintError, UnicodeDecodeError):
                continue
            if len(items) > 80:
                made.append(slices(variant_id=key, items=items[80:200].astype("<u4").tobytes()))
        slices.objects.bulk_create(made, ignore_conflicts=True)
        now = timezone.now()
        waiting = [identifications(variant_id=key, state="pending", next_step_at=now) for key, _ in some]
        identifications.objects.bulk_create(waiting, ignore_conflicts=True)


def fill_files(apps):
    files, folders = apps.get_model("library", "AudioFile"), apps.get_model("library", "FolderMatch")
    dirty = apps.get_model("library", "CanonicalDirty")
    names = ("id", "root_id", "rel_path", "display", "artist", "album", "medium_position", "track_position", "title")
    names += ("release_mbid", "variant__recording_mbid")
    for some in chunks(files.objects.filter(folder_hash=b"").order_by("id"), *names):
        changed, waiting, marks, now = [], [], [], timezone.now()
        for key, root, path, display, artist, album, disc, track, title, release, recording in some:
            folder = bytes(path).rpartition(b"/")[0]
            digest = hashlib.sha256(folder).digest()
            sort_key = key_of(artist, album, disc, track, title or display)
            changed.append(files(id=key, folder_hash=digest, sort_key=sort_key))
            shown = display.rpartition("/")[0]
            waiting.append(
                folders(
                    root_id=root, folder=folder, folder_hash=digest, display=shown, state="pending", next_step_at=now
                )
            )
            marks += [dirty(kind="release", mbid=release)] if release else []
            marks += [dirty(kind="recording", mbid=recording)] if recording else []
        files.objects.bulk_update(changed, ["folder_hash", "sort_key"], batch_size=100)
        folders.objects.bulk_create(waiting, ignore_conflicts=True)
        dirty.objects.bulk_create(marks, ignore_conflicts=True)


def chunks(rows, *names):
    """Lists of CHUNK rows by ascending id."""
    last = 0
    while some := list(rows.filter(id__gt=last).values_list(*names)[:CHUNK]):
        yield some
        last = some[-1][0]


def key_of(artist, album, disc, track, title):
    """As apps.domain.library.sorting had it when this was written."""
    parts = [
        folded(artist)[:90] or "\ufffd",
        folded(album)[:90],
        f"{min(disc or 0, 999):03d}-{min(track or 0, 9999):04d}",
    ]
    return " ".join(part for part in [*parts, folded(title)] if part)[:240]


def folded(text):
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(one if one.isprintable() else " " for one in plain).split())


class Migration(migrations.Migration):
    dependencies = [("library", "0006_scans_and_lists")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
