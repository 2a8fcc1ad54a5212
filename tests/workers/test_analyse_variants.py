"""Background analysis: what is due is measured once, recorded with its evidence, and what can't be is not tried for ever."""

from __future__ import annotations

import os
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.utils import timezone

from apps.common.dispatch import LAST, PRIORITIES, QUEUES, TaskName
from apps.domain.audio.analysis import ANALYSER_VERSION
from apps.domain.library.paths import PathKey
from apps.library.models import AudioFile, AudioVariant, CanonicalDirty, FingerprintSlice, VariantEvidence
from apps.library.selectors_analysis import AnalysisProgress, analyses_due, analysis_progress
from apps.library.services import FilePlace, file_record, root_record
from apps.library.services_analysis import (
    MAX_ATTEMPTS,
    analysis_claim,
    analysis_finished,
    analysis_later,
    analysis_renew,
)
from slskdn_site.broker import redis_url
from slskdn_site.config import load_config
from slskdn_site.processes import QUEUES as WORKER_QUEUES
from tests.workers.gateways.sound import write
from workers import slots
from workers.analyse_variants import analyse_batch, analyse_variant, throttle_of
from workers.gateways.analysis import AnalysisWish, analyse_file
from workers.gateways.audio import decode_test, variant_facts
from workers.gateways.files import identify
from workers.slots import HELD_S, background_slot
from workers.verification import stat_of

pytestmark = pytest.mark.django_db(transaction=True)
RECORDING = uuid.uuid4()


def known(path: Path, *, fingerprint: bytes = b"") -> int:
    """Variant of a file that was read and decoded, and never analysed."""
    identity = identify(path)
    recorded = file_record(
        PathKey(root_id=root_record(path.parent), relative=os.fsencode(path.name)),
        stat=stat_of(path),
        facts=variant_facts(identity, decode_test(path)),
        leaf_hashes=identity.leaves.pack(),
        fingerprint=fingerprint,
        recording_mbid=RECORDING,
        recording_source="tag",
        verified=False,
        place=FilePlace(),
    )
    return recorded.variant_id


@pytest.fixture
def variant(tmp_path: Path) -> int:
    return known(write(tmp_path / "a.flac", 14.0))


def due_again(variant_id: int) -> None:
    AudioVariant.objects.filter(id=variant_id).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_batch_measures_what_is_due_and_writes_columns_evidence_score_and_marks(variant: int) -> None:
    CanonicalDirty.objects.all().delete()
    done = analyse_batch(fingerprinting=True)
    assert (done.analysed, done.refused, done.more) == (1, 0, False)
    row = AudioVariant.objects.get(id=variant)
    assert row.analyser_version == ANALYSER_VERSION
    assert (row.lease_until, row.attempt, row.analysis_code) == (None, 0, "")
    assert row.loudness_lufs is not None and -30 < row.loudness_lufs < -5
    assert row.effective_bits == 16 and row.wasted_bits == 0
    assert row.encoder.startswith("reference libFLAC")
    assert row.transcode_verdict
    assert row.quality_score is not None
    evidence = VariantEvidence.objects.get(variant_id=variant)
    assert evidence.verdicts["version"] == ANALYSER_VERSION
    assert 100 < len(evidence.curves["spectrum"]["levels_db"]) <= 400
    assert evidence.terms, "the score's terms are kept"
    assert bytes(row.fingerprint) and FingerprintSlice.objects.filter(variant_id=variant).exists()
    assert CanonicalDirty.objects.filter(mbid=RECORDING).exists()
    assert analyse_batch(fingerprinting=True).analysed == 0, "what was analysed is not analysed again"
    assert analysis_progress() == AnalysisProgress(analysed=1, refused=0, due=0)


def test_a_newer_analyser_makes_everything_due_again(variant: int) -> None:
    analyse_batch(fingerprinting=False)
    assert analyses_due(limit=10) == ()
    assert analyses_due(limit=10, version=ANALYSER_VERSION + 1) == (variant,)
    AudioVariant.objects.filter(id=variant).update(analyser_version=ANALYSER_VERSION - 1, loudness_lufs=None)
    assert analyse_batch(fingerprinting=False).analysed == 1
    assert AudioVariant.objects.get(id=variant).loudness_lufs is not None


def test_only_one_worker_has_a_variant_and_only_it_may_record(variant: int, tmp_path: Path) -> None:
    first = analysis_claim(variant, lease_s=60)
    assert first is not None
    assert analysis_claim(variant, lease_s=60) is None
    assert analyses_due(limit=10) == ()
    due_again(variant)
    second = analysis_claim(variant, lease_s=60)
    assert second is not None
    sound = analyse_file(tmp_path / "a.flac", wish=AnalysisWish(fingerprint=False)).sound
    assert sound is not None
    assert not analysis_renew(first, lease_s=60)
    assert not analysis_finished(first, sound), "a worker that lost its lease records nothing"
    assert AudioVariant.objects.get(id=variant).analyser_version == 0
    assert analysis_finished(second, sound)


def test_a_file_that_ends_processes_is_given_up(variant: int) -> None:
    for _ in range(MAX_ATTEMPTS):
        assert analysis_claim(variant, lease_s=60) is not None
        due_again(variant)  # the process died: nobody gave it back
    assert analyse_variant(variant, fingerprinting=False) is None
    row = AudioVariant.objects.get(id=variant)
    assert (row.analysis_code, row.analyser_version, row.attempt) == ("analysis_crashed", ANALYSER_VERSION, 0)
    assert analyses_due(limit=10) == ()
    assert analysis_progress().refused == 1


def test_what_does_not_decode_has_a_code_and_is_not_tried_for_ever(variant: int, tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    path.write_bytes(data)
    status = path.stat()
    AudioFile.objects.filter(variant_id=variant).update(mtime_ns=status.st_mtime_ns, size_bytes=status.st_size)
    assert analyse_variant(variant, fingerprinting=False) is False
    row = AudioVariant.objects.get(id=variant)
    assert row.analysis_code in ("decode_failed", "pcm_md5_mismatch", "sample_count_mismatch")
    assert row.analyser_version == ANALYSER_VERSION
    assert analyse_variant(variant, fingerprinting=False) is None


def test_a_changed_file_is_never_taken_for_what_was_read(variant: int, tmp_path: Path) -> None:
    write(tmp_path / "a.flac", 5.0, seed=9)
    assert analyse_variant(variant, fingerprinting=False) is False
    row = AudioVariant.objects.get(id=variant)
    assert (row.analysis_code, row.analyser_version, row.loudness_lufs) == ("file_changed", 0, None)
    assert analyses_due(limit=10) == (), "it waits for its scan, and for the time of its next try"
    for _ in range(MAX_ATTEMPTS):
        due_again(variant)
        analyse_variant(variant, fingerprinting=False)
    row.refresh_from_db()
    assert (row.analysis_code, row.analyser_version) == ("file_changed", ANALYSER_VERSION)


def test_a_variant_without_a_present_file_is_nobodys_turn(variant: int) -> None:
    AudioFile.objects.update(missing_since=timezone.now())
    assert analyses_due(limit=10) == ()


def test_a_batch_ends_by_the_clock_between_two_files(tmp_path: Path) -> None:
    for number in range(3):
        known(write(tmp_path / f"{number}.flac", 1.0, seed=number))
    ticks = iter(range(0, 100, 8))
    done = analyse_batch(fingerprinting=False, batch_s=20.0, clock=lambda: float(next(ticks)))
    assert done.more
    assert 1 <= done.analysed < 3
    assert analyse_batch(fingerprinting=False).analysed == 3 - done.analysed


def test_a_try_that_waits_keeps_its_place_until_its_time(variant: int) -> None:
    claim = analysis_claim(variant, lease_s=60)
    assert claim is not None
    assert analysis_later(claim, code="decode_tool_missing", delay_s=3600)
    assert analyses_due(limit=10) == ()
    due_again(variant)
    assert analyses_due(limit=10) == (variant,)


def test_places_are_as_many_as_the_share_allows_and_rest_after_their_work() -> None:
    broker = redis.Redis.from_url(redis_url())
    for key in broker.keys("slskdn:background:*"):
        broker.delete(key)
    with background_slot(broker, count=2) as first, background_slot(broker, count=2) as second:
        assert first is not None and second is not None
        with background_slot(broker, count=2) as third:
            assert third is None
        first.rest_s = 600
    with background_slot(broker, count=2) as again:
        assert again is not None and again.index == 1, "the one that rests is not free"
        with background_slot(broker, count=2) as nobody:
            assert nobody is None
    assert 590_000 < broker.pttl("slskdn:background:0") <= 600_000
    broker.delete("slskdn:background:0")


def test_a_place_that_expired_and_was_taken_is_not_given_away() -> None:
    broker = redis.Redis.from_url(redis_url())
    broker.delete("slskdn:background:0")
    with background_slot(broker, count=1) as slot:
        assert slot is not None
        broker.set("slskdn:background:0", b"another")
    assert broker.get("slskdn:background:0") == b"another"
    broker.delete("slskdn:background:0")


def test_without_a_broker_nothing_stops(tmp_path: Path) -> None:
    away = redis.Redis(unix_socket_path=str(tmp_path / "nobody.sock"))
    with background_slot(away, count=1) as slot:
        assert slot is not None


def test_the_task_waits_for_everything_else_and_a_worker_takes_its_queue() -> None:
    assert PRIORITIES[TaskName.ANALYSE_VARIANTS] == LAST == max(PRIORITIES.values())
    assert QUEUES[TaskName.ANALYSE_VARIANTS] in WORKER_QUEUES.split(",")


def test_the_throttle_is_the_configured_one() -> None:
    config = load_config()
    throttle = throttle_of(config)
    assert throttle.cores_percent == config.audio.analysis.cores_percent
    assert throttle.cores >= 1


def test_a_place_is_held_while_its_worker_lives_and_comes_free_after_its_death() -> None:
    broker = redis.Redis.from_url(redis_url())
    broker.delete("slskdn:background:0")
    with background_slot(broker, count=1) as slot:
        assert slot is not None
        assert 0 < broker.ttl("slskdn:background:0") <= HELD_S
        token = broker.get("slskdn:background:0")
        broker.expire("slskdn:background:0", 1)
        assert isinstance(token, bytes)
        assert slots._renew(broker, "slskdn:background:0", token)
        assert broker.ttl("slskdn:background:0") > 1
        assert not slots._renew(broker, "slskdn:background:0", b"another")
    assert not broker.exists("slskdn:background:0")
