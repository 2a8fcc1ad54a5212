"""Scores and statistics: right after any sequence of changes, and what changes while they are counted is not lost."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.domain.audio.quality import QUALITY_VERSION
from apps.domain.library.canonical import VariantCount, tally
from apps.library import services_canonical
from apps.library.models import AudioFile, AudioVariant, CanonicalDirty, CanonicalStats, TrackStats, VariantEvidence
from apps.library.services_canonical import (
    canonical_mark,
    files_mark,
    recount_due,
    variant_scored,
    variants_mark,
    variants_rescore,
)
from tests.apps.library import canonical_rows as rows

RECORDINGS = [uuid.UUID(int=one) for one in (1, 2, 3)]
RELEASES = [uuid.UUID(int=one) for one in (11, 12)]
PROFILES = ["flac-16-44100-2", "mp3-320-44100-2", "mp3-v0-44100-2"]


def counted_from_nothing() -> tuple[dict[object, object], dict[object, object]]:
    """Both statistics, counted the plain way from all rows there are."""
    by_profile: dict[object, list[VariantCount]] = defaultdict(list)
    by_track: dict[object, dict[int, VariantCount]] = defaultdict(dict)
    for file in AudioFile.objects.filter(missing_since=None, variant__isnull=False).select_related("variant"):
        one = file.variant
        count = VariantCount(
            variant_id=one.id, profile=one.profile, codec=one.codec, lossless=one.lossless, bitrate_kbps=one.bitrate_kbps,
            score=one.quality_score, suspect=one.transcode_suspect,
        )  # fmt: skip
        if one.recording_mbid is not None and count not in by_profile[one.recording_mbid, one.profile]:
            by_profile[one.recording_mbid, one.profile].append(count)
        if file.release_mbid and file.track_position:
            by_track[file.release_mbid, file.medium_position, file.track_position][one.id] = count

    def told(some: list[VariantCount]) -> tuple[object, ...]:
        made = tally(some)
        return made.variants, made.scored, made.mean_score, made.suspects, dict(made.bitrates), made.best_id

    return (
        {key: told(some) for key, some in by_profile.items()},
        {key: told(list(some.values())) for key, some in by_track.items()},
    )


def counted_incrementally() -> tuple[dict[object, object], dict[object, object]]:
    def told(row: CanonicalStats | TrackStats) -> tuple[object, ...]:
        return row.variants, row.scored, row.mean_score, row.suspects, row.bitrates, row.best_id

    return (
        {(row.recording_mbid, row.profile): told(row) for row in CanonicalStats.objects.all()},
        {(row.release_mbid, row.medium_position, row.track_position): told(row) for row in TrackStats.objects.all()},
    )


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["add", "miss", "return", "identify", "suspect", "delete", "refile", "recount"]),
        st.integers(0, 5),
        st.integers(0, 2),
        st.integers(0, 2),
    ),
    max_size=25,
)


def change(kind: str, which: int, one: int, two: int, serial: Iterator[int]) -> None:
    variants = list(AudioVariant.objects.order_by("id"))
    files = list(AudioFile.objects.order_by("id"))
    variant = variants[which % len(variants)] if variants else None
    file = files[which % len(files)] if files else None
    with transaction.atomic():
        match kind:
            case "add":
                number = next(serial)
                made = (
                    rows.variant(number, profile=PROFILES[two], recording=RECORDINGS[one], clipped_ppm=10 * two)
                    if which or variant is None
                    else variant
                )
                rows.file(number, made, within=rows.root(), release=RELEASES[two % 2], track=(1, one + 1))
                variant_scored(made.id)
            case "miss" | "return" if file is not None:
                AudioFile.objects.filter(id=file.id).update(
                    missing_since="2026-01-01T00:00Z" if kind == "miss" else None
                )
                files_mark([file.id])
            case "identify" if variant is not None:
                variants_mark([variant.id])
                AudioVariant.objects.filter(id=variant.id).update(recording_mbid=RECORDINGS[one])
                variants_mark([variant.id])
            case "suspect" if variant is not None:
                AudioVariant.objects.filter(id=variant.id).update(
                    transcode_suspect=[None, False, True][one], transcode_verdict=["", "no_evidence", "mp3_origin"][one]
                )
                variant_scored(variant.id)
            case "delete" if file is not None:
                files_mark([file.id])
                AudioFile.objects.filter(id=file.id).delete()
            case "refile" if file is not None:
                files_mark([file.id])
                AudioFile.objects.filter(id=file.id).update(release_mbid=RELEASES[one % 2], track_position=two + 1)
                files_mark([file.id])
            case "recount":
                recount_due(limit=1 + which)


@pytest.mark.django_db(transaction=True)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES)
def test_statistics_are_those_of_a_full_count_after_any_changes(changes: list[tuple[str, int, int, int]]) -> None:
    with transaction.atomic():
        serial = iter(range(10_000))
        for step in changes:
            change(*step, serial)
        while recount_due(limit=3).more:
            pass
        recount_due()
        assert counted_incrementally() == counted_from_nothing()
        assert not CanonicalDirty.objects.exists()
        transaction.set_rollback(True)


@pytest.mark.django_db
def test_what_changes_while_it_is_counted_stays_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    made = rows.variant(1, recording=RECORDINGS[0])
    rows.file(1, made, within=rows.root())
    variant_scored(made.id)
    count = services_canonical._count_recordings

    def overtaken(mbids: list[uuid.UUID]) -> None:
        count(mbids)
        AudioVariant.objects.filter(id=made.id).update(transcode_suspect=True, transcode_verdict="mp3_origin")
        variant_scored(made.id)

    monkeypatch.setattr(services_canonical, "_count_recordings", overtaken)
    recount_due()
    monkeypatch.undo()
    assert CanonicalStats.objects.get().suspects == 0
    recount_due()
    assert CanonicalStats.objects.get().suspects == 1


@pytest.mark.django_db
def test_a_recount_that_was_overtaken_by_another_marks_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    made = rows.variant(1, recording=RECORDINGS[0])
    rows.file(1, made, within=rows.root())
    variant_scored(made.id)
    count = services_canonical._count_recordings

    def slower(mbids: list[uuid.UUID]) -> None:
        count(mbids)
        CanonicalDirty.objects.all().delete()  # the other one has counted and removed the mark

    monkeypatch.setattr(services_canonical, "_count_recordings", slower)
    recount_due()
    monkeypatch.undo()
    assert CanonicalDirty.objects.filter(kind="recording", mbid=RECORDINGS[0]).exists()


@pytest.mark.django_db(transaction=True)
def test_two_that_mark_at_once_both_wait_for_a_recount() -> None:
    def mark() -> None:
        try:
            for _ in range(20):
                canonical_mark(recordings=RECORDINGS, releases=RELEASES)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=mark) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sum(CanonicalDirty.objects.values_list("marks", flat=True)) == 3 * 20 * 5


@pytest.mark.django_db
def test_a_score_keeps_its_terms_as_evidence() -> None:
    made = rows.variant(1, recording=RECORDINGS[0], clipped_ppm=0, dynamic_range=12.0, loudness_range_lu=9.0)
    score = variant_scored(made.id)
    made.refresh_from_db()
    assert score is not None
    assert (made.quality_score, made.quality_version) == (score.score, QUALITY_VERSION)
    assert VariantEvidence.objects.get(variant=made).terms == score.to_json()
    assert variant_scored(99_999) is None


@pytest.mark.django_db
def test_evidence_of_the_analysis_stays_when_the_score_is_written() -> None:
    made = rows.variant(1)
    VariantEvidence.objects.create(variant=made, verdicts={"code": "no_evidence"}, curves={"spectrum": [1]})
    variant_scored(made.id)
    kept = VariantEvidence.objects.get(variant=made)
    assert (kept.verdicts, kept.curves) == ({"code": "no_evidence"}, {"spectrum": [1]})
    assert kept.terms


@pytest.mark.django_db
def test_variants_of_an_older_scale_are_scored_in_bounded_batches() -> None:
    for number in range(5):
        rows.variant(number, recording=RECORDINGS[0])
    assert (variants_rescore(limit=3), variants_rescore(limit=3), variants_rescore(limit=3)) == (3, 2, 0)
    assert not AudioVariant.objects.filter(quality_score=None).exists()
    assert CanonicalDirty.objects.count() == 1


@pytest.mark.django_db
def test_a_recount_needs_the_same_queries_for_one_as_for_thirty() -> None:
    def queries(subjects: int) -> int:
        for number in range(subjects):
            made = rows.variant(1000 * subjects + number, recording=uuid.UUID(int=5000 * subjects + number))
            rows.file(
                1000 * subjects + number, made, within=rows.root(), release=RELEASES[0], track=(subjects, number + 1)
            )
            variant_scored(made.id)
        with CaptureQueriesContext(connection) as seen:
            recount_due()
        return sum(not one["sql"].startswith(("DELETE", "SAVEPOINT", "RELEASE")) for one in seen.captured_queries)

    assert queries(30) == queries(1)


@pytest.mark.django_db
def test_a_change_has_only_its_own_recording_and_release_counted_again() -> None:
    for number in range(40):
        made = rows.variant(number, recording=uuid.UUID(int=100 + number))
        rows.file(number, made, within=rows.root(), release=uuid.UUID(int=500 + number // 4), track=(1, number % 4 + 1))
        variant_scored(made.id)
    while recount_due().more:
        pass
    # A figure that is wrong on purpose stays wrong where nothing was marked: nobody has counted there.
    CanonicalStats.objects.update(variants=99)
    TrackStats.objects.update(variants=99)
    file = AudioFile.objects.select_related("variant").get(display="000007.flac")
    assert file.variant is not None
    AudioFile.objects.filter(id=file.id).update(missing_since=timezone.now())
    files_mark([file.id])
    with CaptureQueriesContext(connection) as seen:
        done = recount_due()
    assert (done.recordings, done.releases, done.more) == (1, 1, False)
    assert not CanonicalStats.objects.filter(recording_mbid=file.variant.recording_mbid).exists()
    assert CanonicalStats.objects.filter(variants=99).count() == 39
    assert list(TrackStats.objects.exclude(variants=99).values_list("release_mbid", "track_position", "variants")) == [
        (file.release_mbid, track, 1) for track in (1, 2, 3)
    ]
    assert TrackStats.objects.filter(variants=99).count() == 36
    counted = [one["sql"] for one in seen.captured_queries if "SELECT " in one["sql"] and "_audio" in one["sql"]]
    assert counted
    for sql in counted:
        assert str(file.variant.recording_mbid.hex)[-6:] in sql or str(file.release_mbid.hex)[-6:] in sql
