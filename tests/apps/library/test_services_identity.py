"""Identifications as rows: leases, decisions and what follows from them, a person's answers, AcoustID's answers kept."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.domain.errors import DomainError
from apps.domain.library.identity import (
    IDENTITY_VERSION,
    MOVES,
    Decision,
    IdentityMoveRefused,
    IdentityState,
    Judged,
)
from apps.domain.library.identity_evidence import Candidate, Piece
from apps.domain.library.offers import Offer, OfferedGroup
from apps.library import services_identity as services
from apps.library.models import (
    AcoustidAnswer,
    AudioFile,
    AudioVariant,
    CanonicalDirty,
    FolderMatch,
    Identification,
    SameSound,
)
from apps.library.selectors_identity import (
    answers_known,
    companions_known,
    identification_counts,
    identification_query,
    identification_show,
    review_count,
    variants_like,
)
from apps.library.services import variant_identified
from tests.apps.library import canonical_rows as rows

pytestmark = pytest.mark.django_db

SONG, OTHER, THIRD, ALBUM = (uuid.UUID(int=one) for one in (1, 2, 3, 11))
DECIDED = Decision(
    state=IdentityState.DECIDED, code="by_fingerprint", params={}, recording_mbid=SONG, confidence=0.93, proven=True,
    ranked=(
        Judged(
            candidate=Candidate(recording_mbid=SONG, title="T", score=0.95, groups=(OfferedGroup(group_mbid=ALBUM, title="A"),)),
            points=4.0, share=0.93, pieces=(Piece(name="fingerprint", points=2.6),),
        ),
        Judged(candidate=Candidate(recording_mbid=OTHER), points=-1.0, share=0.01, pieces=()),
    ),
)  # fmt: skip
ASKED = Decision(
    state=IdentityState.AMBIGUOUS, code="several_recordings", params={}, confidence=0.5, ranked=DECIDED.ranked
)


def waiting(number: int = 1, *, folder: str = "album", **more: object) -> AudioVariant:
    variant = rows.variant(number, **more)  # type: ignore[arg-type]
    file = rows.file(number, variant, within=rows.root(), name=f"{folder}/{number:03}.flac")
    AudioFile.objects.filter(id=file.id).update(folder_hash=hashlib.sha256(folder.encode()).digest())
    Identification.objects.create(variant=variant, next_step_at=timezone.now() - timedelta(seconds=1))
    return variant


def claim(limit: int = 10, lease_s: float = 60) -> tuple[services.IdentifyClaim, ...]:
    return services.identify_claim(limit=limit, lease_s=lease_s)


def state_of(variant: AudioVariant) -> str:
    return Identification.objects.get(variant=variant).state


def recording_of(variant: AudioVariant) -> tuple[uuid.UUID | None, str, bool]:
    return AudioVariant.objects.values_list("recording_mbid", "recording_source", "verified").get(id=variant.id)


@pytest.fixture
def person() -> User:
    return User.objects.create(username="alice")


def test_a_claim_takes_what_is_due_once_and_companions_of_its_folder_first() -> None:
    lone = waiting(1, folder="lone")
    Identification.objects.filter(variant=lone).update(next_step_at=timezone.now() - timedelta(seconds=5))
    first = waiting(2)
    Identification.objects.filter(variant=first).update(next_step_at=timezone.now() - timedelta(seconds=9))
    waiting(3, folder="other")
    last = waiting(4)
    assert [one.variant_id for one in claim(limit=3)] == [first.id, last.id, lone.id]
    assert [one.variant_id for one in claim()] != [] and claim() == ()


def test_a_claim_tells_tags_and_place_and_a_lease_that_ran_out_is_taken_over() -> None:
    variant = waiting(1, recording=OTHER, fingerprint=b"AQ")
    AudioFile.objects.update(tags={"title": ["Tagged"], "release_mbid": str(THIRD)}, track_position=4)
    (one,) = claim(lease_s=-1)
    assert (one.facts.title, one.facts.artist, one.facts.track, one.facts.release_mbid) == ("Tagged", "Ada", 4, THIRD)
    assert (one.facts.recording_mbid, one.fingerprint, one.own) == (OTHER, b"AQ", False)
    (again,) = claim()
    assert again.attempt == one.attempt + 1
    assert not services.identify_decided(one, DECIDED)
    assert services.identify_renew([one, again], lease_s=9) == {variant.id}
    assert services.identify_decided(again, DECIDED)


def test_a_batch_costs_a_bounded_number_of_queries() -> None:
    for number in range(8):
        waiting(number)
    with CaptureQueriesContext(
        connection,
    ) as made:
        assert len(claim()) == 8
    assert len(made) <= 7 + 8 + 2


def test_a_proven_decision_names_the_variant_and_marks_what_rests_on_it() -> None:
    variant = waiting(recording=OTHER)
    twin = waiting(2)
    first, _ = claim()
    assert services.identify_decided(first, DECIDED, alike=[(twin.id, 0.02), (999, 0.1)])
    assert recording_of(variant) == (SONG, "fingerprint", True)
    row = Identification.objects.get(variant=variant)
    assert (row.state, row.recording_mbid, row.version, row.lease_until) == ("decided", SONG, IDENTITY_VERSION, None)
    assert row.candidates[0]["recording"] == str(SONG) and row.candidates[0]["evidence"][0]["name"] == "fingerprint"
    assert set(CanonicalDirty.objects.filter(kind="recording").values_list("mbid", flat=True)) == {SONG, OTHER}
    assert FolderMatch.objects.get().state == "pending"
    assert SameSound.objects.count() == 2
    assert [one.variant_id for one in variants_like(variant.id)] == [twin.id]
    assert not services.identify_decided(first, DECIDED)  # twice does nothing


def test_tags_alone_never_verify_and_never_replace_what_is_known() -> None:
    variant, known = waiting(1), waiting(2, recording=OTHER)
    said = Decision(state=IdentityState.DECIDED, code="by_tags", params={"silent": "acoustid_disabled"}, recording_mbid=SONG, confidence=0.4)  # fmt: skip
    for one in claim():
        assert services.identify_decided(one, said)
    assert recording_of(variant) == (SONG, "tag", False)
    assert recording_of(known) == (OTHER, "tag", False)
    again = Identification.objects.get(variant=variant).next_step_at
    assert again is not None and timedelta(hours=20) < again - timezone.now() < timedelta(hours=25)


def test_a_recording_a_person_imported_it_as_is_not_overwritten_but_asked_about() -> None:
    variant = waiting(recording=OTHER, recording_source="person")
    (one,) = claim()
    services.identify_decided(one, DECIDED)
    assert recording_of(variant) == (OTHER, "person", False)
    row = Identification.objects.get()
    assert (row.state, row.code, row.params["person_recording"]) == ("ambiguous", "person_disagrees", str(OTHER))


def test_a_failed_try_waits_counts_and_says_why() -> None:
    waiting()
    (one,) = claim()
    assert services.identify_later(one, code="acoustid_unavailable", params={"status": 503}, delay_s=30)
    row = Identification.objects.get()
    assert (row.state, row.code, row.tries, row.lease_until) == ("pending", "acoustid_unavailable", 1, None)
    assert claim() == ()
    Identification.objects.update(next_step_at=Now())
    (one,) = claim()
    services.identify_later(one, code="acoustid_unavailable", params={}, delay_s=30)
    assert Identification.objects.get().tries == 2


def test_what_nobody_knew_and_what_older_rules_decided_is_looked_at_again_but_no_answer_of_a_person(
    person: User,
) -> None:
    unknown, old, said, fresh = (waiting(number) for number in range(1, 5))
    for one in claim():
        services.identify_decided(one, DECIDED)
    services.identification_confirm(said.id, recording_mbid=OTHER, person=person)
    past = timezone.now() - timedelta(seconds=1)
    Identification.objects.filter(variant=unknown).update(state="unknown", next_step_at=past)
    Identification.objects.filter(variant__in=[old, said]).update(version=IDENTITY_VERSION - 1)
    assert services.identifications_again() == 2
    assert [state_of(one) for one in (unknown, old, said, fresh)] == ["pending", "pending", "confirmed", "decided"]
    (first, second) = claim()
    assert {first.own, second.own} == {True}


def test_a_persons_word_names_the_variant_and_only_a_fingerprint_verifies(person: User) -> None:
    named, by_hand = waiting(1), waiting(2)
    for one in claim():
        services.identify_decided(one, ASKED)
    services.identification_confirm(named.id, recording_mbid=SONG, person=person)
    services.identification_confirm(by_hand.id, recording_mbid=THIRD, person=person)
    assert recording_of(named) == (SONG, "person", True)
    assert recording_of(by_hand) == (THIRD, "person", False)
    row = Identification.objects.get(variant=named)
    assert (row.state, row.code, row.decided_by, row.confidence) == ("confirmed", "by_person", person, 1.0)
    variant_identified(named.id, recording_mbid=THIRD, fingerprint=b"")
    assert recording_of(named) == (SONG, "person", True)


def test_a_rejected_file_is_nothing_until_somebody_says_more(person: User) -> None:
    variant = waiting(recording=OTHER)
    (one,) = claim()
    services.identify_decided(one, ASKED)
    services.identification_reject(variant.id, person=person)
    assert recording_of(variant) == (None, "person", False) and state_of(variant) == "rejected"
    services.identification_ask(variant.id, person=person)
    assert state_of(variant) == "pending" and len(claim()) == 1


def test_a_file_left_alone_keeps_what_it_has_and_is_not_asked_about(person: User) -> None:
    variant = waiting(recording=OTHER)
    (one,) = claim()
    services.identify_decided(one, ASKED)
    assert review_count() == 1
    services.identification_leave(variant.id, person=person)
    assert recording_of(variant) == (OTHER, "tag", False)
    assert (state_of(variant), review_count()) == ("left", 0)


def test_an_answer_given_while_a_worker_decides_wins(person: User) -> None:
    variant = waiting()
    (one,) = claim()
    services.identification_confirm(variant.id, recording_mbid=THIRD, person=person)
    assert not services.identify_decided(one, DECIDED)
    assert not services.identify_later(one, code="x", params={}, delay_s=1)
    assert recording_of(variant) == (THIRD, "person", False)


@pytest.mark.parametrize("state", list(IdentityState))
def test_each_answer_is_open_exactly_where_the_table_says(state: IdentityState, person: User) -> None:
    answers = {
        IdentityState.CONFIRMED: lambda one: services.identification_confirm(one, recording_mbid=SONG, person=person),
        IdentityState.REJECTED: lambda one: services.identification_reject(one, person=person),
        IdentityState.LEFT: lambda one: services.identification_leave(one, person=person),
        IdentityState.PENDING: lambda one: services.identification_ask(one, person=person),
    }
    for number, (to, answer) in enumerate(answers.items(), start=1):
        variant = waiting(number)
        Identification.objects.filter(variant=variant).update(state=state.value)
        if to in MOVES[state]["person"]:
            answer(variant.id)
            assert state_of(variant) == to.value
        else:
            with pytest.raises(IdentityMoveRefused):
                answer(variant.id)
            assert state_of(variant) == state.value
    with pytest.raises(IdentityMoveRefused):
        services.identification_reject(10**6, person=person)


def test_files_of_one_folder_are_confirmed_together_and_others_not_at_all(person: User) -> None:
    one, two, elsewhere = waiting(1), waiting(2), waiting(3, folder="other")
    for each in claim():
        services.identify_decided(each, ASKED)
    with pytest.raises(DomainError) as refused:
        services.review_confirm_best([one.id, elsewhere.id], person=person)
    assert refused.value.code == "review_folders_differ"
    Identification.objects.filter(variant=two).update(candidates=[])
    with pytest.raises(DomainError) as refused:
        services.review_confirm_best([one.id, two.id], person=person)
    assert (refused.value.code, state_of(one)) == ("review_candidate_unknown", "ambiguous")
    Identification.objects.filter(variant=two).update(candidates=[{"recording": str(OTHER)}])
    assert services.review_confirm_best([one.id, two.id], person=person) == 2
    assert (recording_of(one)[0], recording_of(two)[0], recording_of(elsewhere)[0]) == (SONG, OTHER, None)
    with pytest.raises(DomainError) as refused:
        services.review_confirm_best([], person=person)
    assert refused.value.code == "review_too_many"


def test_acoustids_answers_are_kept_silence_for_a_shorter_time() -> None:
    offer = Offer(recording_mbid=SONG, score=0.9, acoustid="x", title="T")
    known, silent = services.answer_key(b"AQ", duration_s=3), services.answer_key(b"AQ", duration_s=4)
    for _ in range(2):
        services.answers_keep({known: (3, (offer,)), silent: (4, ())})
    assert answers_known([known, silent, b"x" * 32]) == {known: (offer,), silent: ()}
    AcoustidAnswer.objects.update(fetched_at=timezone.now() - timedelta(days=6))
    assert answers_known([known, silent]) == {known: (offer,)}
    AcoustidAnswer.objects.update(fetched_at=timezone.now() - timedelta(days=61))
    assert answers_known([known]) == {}
    AcoustidAnswer.objects.update(fetched_at=timezone.now() - timedelta(days=91))
    assert services.answers_prune() == 2


def test_a_row_of_another_form_is_asked_for_anew() -> None:
    key = services.answer_key(b"AQ", duration_s=3)
    AcoustidAnswer.objects.create(key=key, duration_s=3, matches=[{"odd": 1}], fetched_at=timezone.now())
    assert answers_known([key]) == {}


def test_companions_are_what_the_folders_other_files_may_be() -> None:
    one, two = waiting(1), waiting(2)
    AudioFile.objects.filter(variant=two).update(release_mbid=THIRD)
    (first, _) = claim()
    services.identify_decided(first, DECIDED)
    folder = (rows.root().id, hashlib.sha256(b"album").digest())
    assert companions_known([folder]) == {folder: {one.id: frozenset({ALBUM}), two.id: frozenset({THIRD})}}


def test_lists_are_filtered_and_cost_two_queries() -> None:
    for number in range(5):
        waiting(number, folder="a" if number < 2 else "b")
    for each in claim():
        services.identify_decided(each, ASKED)
    with CaptureQueriesContext(connection) as made:
        listed = list(identification_query(states=["ambiguous"]))
        assert [len(row.variant.present) for row in listed] == [1] * 5
    assert len(made) == 3
    folder = (rows.root().id, hashlib.sha256(b"a").digest())
    assert identification_query(folder=folder).count() == 2
    assert identification_counts() == {"ambiguous": 5}
    shown = identification_show(listed[0].variant_id)
    assert shown is not None and shown.variant.present[0].title.startswith("Title")
    assert identification_show(10**6) is None
