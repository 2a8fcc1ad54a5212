"""One print is asked for once, whoever asks: verification, re-checks, identification."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.library.models import AcoustidAnswer
from tests.workers.conftest import ANSWERS, Metadata
from workers.acoustid_kept import KeptAcoustid
from workers.gateways.acoustid import Acoustid, AcoustidQuery
from workers.gateways.errors import Permanent

pytestmark = pytest.mark.django_db(transaction=True)

ROW = json.loads((ANSWERS / "acoustid/fingerprints.jsonl").read_text().splitlines()[0])
PRINT, SECONDS = str(ROW["fingerprint"]), int(ROW["duration"])


def test_the_second_who_asks_has_the_first_ones_answer_while_it_is_fresh(
    acoustid: Acoustid, metadata: Metadata
) -> None:
    kept = KeptAcoustid(acoustid)
    first = kept.lookup(PRINT, duration_s=SECONDS)
    assert first == acoustid.lookup(PRINT, duration_s=SECONDS), "the same as without keeping"
    asked = len(metadata.requests)
    assert kept.lookup(PRINT, duration_s=SECONDS) == first
    assert len(metadata.requests) == asked
    AcoustidAnswer.objects.update(fetched_at=timezone.now() - timedelta(days=1))
    assert kept.lookup(PRINT, duration_s=SECONDS) == first
    assert len(metadata.requests) == asked
    assert KeptAcoustid(acoustid, fresh_for=timedelta(hours=12)).lookup(PRINT, duration_s=SECONDS) == first
    assert len(metadata.requests) == asked + 1
    assert AcoustidAnswer.objects.get().fetched_at > timezone.now() - timedelta(hours=1)


class Refusing:
    """An AcoustID that can't read what it is asked."""

    def lookup_batch(self, queries: list[AcoustidQuery]) -> tuple[None, ...]:
        return tuple(None for _ in queries)


def test_a_print_that_is_refused_is_told_and_not_kept() -> None:
    with pytest.raises(Permanent) as caught:
        KeptAcoustid(Refusing()).lookup("AQ", duration_s=0)  # type: ignore[arg-type]
    assert caught.value.code == "acoustid_refused"
    assert not AcoustidAnswer.objects.exists()
