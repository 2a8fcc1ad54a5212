"""What is held and told of recordings, weighed from rows: a fixed number of queries, first-hand words only."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.catalog.models import Release, ReleaseGroup
from apps.domain.jobs.constraints import Constraints
from apps.library.selectors_canonical import canonical_candidates, canonical_of, canonical_view, track_stats
from apps.library.services_canonical import recount_due, variant_scored
from apps.mesh.models import Claim, ClaimVerdict
from apps.peers.models import Peer
from tests.apps.library import canonical_rows as rows

pytestmark = pytest.mark.django_db
SONG = uuid.UUID(int=7)


def claim(number: int, group: str, root: bytes = b"z" * 32, **more: object) -> Claim:
    peer = Peer.objects.create(plane="overlay", key=f"{number:052}")
    given: dict[str, object] = {
        "peer": peer, "group": group, "recording_mbid": SONG, "payload_format": "flac", "payload_root": root,
        "profile": "flac-16-44100-2", "payload_bytes": 9, "facts": {"quality_milli": 990, "suspect": 0}, "heard_at": timezone.now(),
    }  # fmt: skip
    return Claim.objects.create(**given | more)


def hold(number: int = 1, *, missing: bool = False, release: uuid.UUID | None = None, **more: object) -> int:
    made = rows.variant(number, recording=SONG, **more)
    rows.file(number, made, within=rows.root(), missing=missing, release=release, track=(1, 1) if release else None)
    variant_scored(made.id)
    return made.id


def test_held_variants_come_with_what_peers_tell_only_where_it_is_asked_for() -> None:
    here = hold(profile="mp3-320-44100-2")
    claim(1, "a")
    assert [one.variant_id for one in canonical_candidates(SONG)] == [here]
    (best, *_) = canonical_candidates(SONG, told=True)
    assert (best.variant_id, best.score, best.groups) == (None, 0.99, 1)
    assert canonical_candidates(uuid.UUID(int=99), told=True) == ()


def test_missing_files_are_not_held() -> None:
    hold(missing=True)
    assert canonical_candidates(SONG) == ()


def test_hearsay_refuted_words_and_facts_that_proved_wrong_count_for_nothing() -> None:
    claim(1, "a", first_hand=False)
    claim(2, "b", verdict=ClaimVerdict.REFUTED)
    assert canonical_candidates(SONG, told=True) == ()
    claim(3, "c", facts_wrong=True)
    (best, *_) = canonical_candidates(SONG, told=True)
    assert best.scored == "profile"


def test_many_peers_of_one_network_are_one_voice() -> None:
    for number in range(5):
        claim(number, "one/24")
    (best, *_) = canonical_candidates(SONG, told=True)
    assert best.groups == 1


def test_the_edition_of_a_file_tells_of_its_master() -> None:
    group = ReleaseGroup.objects.create(mbid=uuid.UUID(int=50), title="G", first_release_date="1959")
    for number, date in ((1, "1997"), (2, "1959-08")):
        release = Release.objects.create(
            mbid=uuid.UUID(int=60 + number), title="R", release_group=group, date=date, fetched_at=timezone.now()
        )
        hold(number, release=release.mbid)
    found = canonical_candidates(SONG, Constraints(original_master=True))
    assert [one.master.master.value for one in found] == ["original", "remaster"]


def test_many_recordings_need_no_more_queries_than_one() -> None:
    hold()
    with CaptureQueriesContext(connection) as one:
        canonical_of([SONG])
    with CaptureQueriesContext(connection) as many:
        canonical_of([SONG, *(uuid.UUID(int=1000 + n) for n in range(100))])
    assert len(many) == len(one) <= 6


def test_a_view_holds_candidates_and_statistics_and_says_when_they_are_stale() -> None:
    release = uuid.UUID(int=77)
    hold(release=release)
    assert canonical_view(SONG).stale
    recount_due()
    view = canonical_view(SONG)
    assert (view.stale, [row.variants for row in view.stats], len(view.candidates)) == (False, [1], 1)
    assert [(one.medium, one.track, one.variants, one.recording_mbid) for one in track_stats(release)] == [
        (1, 1, 1, SONG)
    ]
