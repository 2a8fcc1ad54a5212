"""A hunt step by step: asked, weighed, chosen, failed over, wished for; with its job held, cancelled and tried again."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.catalog.services import release_store
from apps.domain.jobs.lifecycle import WantDesired
from apps.domain.soulseek.hunting import HuntPolicy, choice, weigh
from apps.domain.soulseek.states import DownloadDesired, DownloadState, HuntState, Outcome
from apps.jobs.services import job_cancel, job_pause, job_resume, job_retry
from apps.jobs.services_hunts import hunts_put_right, job_rehearse, release_rehearse
from apps.soulseek.models import (
    Candidate,
    Download,
    DownloadProgress,
    Hunt,
    Search,
    SearchAnswer,
    SourceOutcome,
    UserRule,
)
from apps.soulseek.selectors_hunt_step import hunts_due, results_of_round
from apps.soulseek.selectors_hunts import hunt_detail
from apps.soulseek.services_download_ends import ends_take
from apps.soulseek.services_hunt import HuntRefused, HuntUnknown, hunt_pick
from apps.soulseek.services_hunt_step import candidates_write, hunt_claim, hunt_end, hunt_fetch
from apps.soulseek.services_wishlist import wish_add
from apps.transfers.models import Want
from tests.workers.assembled import release_facts
from tests.workers.hunt_world import (
    POLICY,
    Offered,
    answered,
    asked_of,
    ended,
    folder_files,
    hunted_job,
    offer,
    stepped,
    waiting,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_job_asks_its_first_question_and_fetches_the_whole_folder_that_is_found() -> None:
    job, hunt = hunted_job()
    assert (hunt.state, hunt.title, hunt.rung) == ("searching", "The Testers – First Album", 0)
    stepped(hunt)
    assert waiting(hunt) == ["The Testers First Album"]
    assert stepped(hunt).code == "hunt_waits_for_answers"
    answered(
        offer("half", folder_files(1, 2)),
        offer("whole", folder_files(1, 2, 3)),
        offer("lossy", folder_files(1, 2, 3, codec="mp3")),
    )
    assert [one for one, _attempt in hunts_due()] == [hunt.id]
    assert (stepped(hunt).state, hunt.code) == ("fetching", "hunt_fetches")
    assert asked_of(hunt) == {"whole": [1, 2, 3]}
    row = Download.objects.order_by("order").first()
    assert row is not None
    assert row.recording_mbid is not None
    want = Want.objects.get(recording_mbid=row.recording_mbid)
    assert (row.want_id, row.external, row.profile, row.batch.job_id) == (want.id, False, "flac-16-44100-2", job.id)
    best = Candidate.objects.get(hunt=hunt, user="whole")
    assert (best.rank, best.whole, best.chosen_by, [term["code"] for term in best.terms][:2]) == (
        0,
        True,
        "rule",
        ["whole", "fits"],
    )
    assert stepped(hunt).code == "hunt_fetches_rest"
    assert Download.objects.count() == 3


def fetched_after(hunt: Hunt, *offers: Offered) -> list[str]:
    """The questions that were asked before it fetched, each answered so."""
    asked: list[str] = []
    for _ in range(20):
        if stepped(hunt).state == HuntState.FETCHING:
            break
        asked += answered(*offers)
    assert len(asked) == len(set(asked))
    return asked


def test_what_two_have_together_is_fetched_after_the_second_question() -> None:
    _job, hunt = hunted_job()
    asked = fetched_after(hunt, offer("carol", folder_files(1, 2)), offer("dave", folder_files(3, 2)))
    assert len(asked) == 2
    found = asked_of(hunt)
    assert sorted(number for some in found.values() for number in some) == [1, 2, 3]
    assert set(found) == {"carol", "dave"}


def test_a_whole_folder_that_the_second_question_finds_is_preferred_to_what_two_have_together() -> None:
    _job, hunt = hunted_job()
    halves = offer("carol", folder_files(1, 2)), offer("dave", folder_files(3, 2))
    stepped(hunt)
    answered(*halves)
    stepped(hunt)
    assert hunt.state == HuntState.SEARCHING
    answered(*halves, offer("whole", folder_files(1, 2, 3)))
    stepped(hunt)
    assert asked_of(hunt) == {"whole": [1, 2, 3]}


def test_what_must_be_put_together_from_many_is_fetched_after_the_whole_ladder_was_asked() -> None:
    _job, hunt = hunted_job()
    asked = fetched_after(hunt, *(offer(f"user {at}", folder_files(at)) for at in (1, 2, 3)))
    assert len(asked) > 2
    assert asked_of(hunt) == {f"user {at}": [at] for at in (1, 2, 3)}


def test_a_source_that_failed_for_good_is_never_asked_again_and_the_next_is_taken() -> None:
    _job, hunt = hunted_job()
    stepped(hunt)
    answered(offer("first", folder_files(1, 2, 3)), offer("second", folder_files(1, 2, 3), free_slot=False, queue=3))
    stepped(hunt)
    assert asked_of(hunt) == {"first": [1, 2, 3]}
    assert ended(hunt, DownloadState.REJECTED, Outcome.WRONG_RECORDING) == 3
    stepped(hunt)
    assert asked_of(hunt)["second"] == [1, 2, 3]
    ended(hunt, DownloadState.ABORTED, Outcome.WENT_AWAY)
    for _ in range(20):
        stepped(hunt)
        if hunt.state == HuntState.WISHING:
            break
        answered(offer("first", folder_files(1, 2, 3)), offer("second", folder_files(1, 2, 3)))
    assert hunt.state == HuntState.WISHING
    assert Download.objects.count() == 6
    refused = dict(Candidate.objects.filter(hunt=hunt, tried_at=None).values_list("user", "refused"))
    assert refused["first"] == "failed_before"
    assert refused["second"] == "rests"
    rest = SourceOutcome.objects.filter(user="second").first()
    assert rest is not None
    assert rest.again_at is not None
    # Hours later, at a visit of the wish, whoever only rested is asked again; the other never.
    SourceOutcome.objects.filter(user="second").update(again_at=timezone.now() - timedelta(seconds=1))
    Hunt.objects.filter(id=hunt.id).update(next_step_at=timezone.now() - timedelta(seconds=1))
    stepped(hunt)
    assert hunt.state == HuntState.SEARCHING
    assert Search.objects.filter(hunt=hunt, origin="wishlist", urgency=3).count() == 1
    answered(offer("first", folder_files(1, 2, 3)), offer("second", folder_files(1, 2, 3)))
    assert stepped(hunt).state == HuntState.FETCHING
    assert asked_of(hunt) == {"first": [1, 2, 3], "second": [1, 1, 2, 2, 3, 3]}


def test_who_is_away_is_left_for_whoever_has_it_too_and_the_last_one_is_waited_for() -> None:
    _job, hunt = hunted_job()
    stepped(hunt)
    answered(
        offer("first", folder_files(1, 2, 3), speed_bps=900_000),
        offer("second", folder_files(1, 2, 3)),
        offer("busy", folder_files(1, 2, 3), free_slot=False, queue=5),
    )
    stepped(hunt)
    assert asked_of(hunt) == {"first": [1, 2, 3]}
    assert set(Download.objects.values_list("elsewhere", flat=True)) == {True}
    for row in Download.objects.all():
        DownloadProgress.objects.create(download=row, state=DownloadState.ABORTED, code="went_away")
    assert ends_take() == 3
    assert set(SourceOutcome.objects.values_list("user", "outcome")) == {("first", Outcome.WENT_AWAY)}
    stepped(hunt)
    assert asked_of(hunt) == {"first": [1, 2, 3], "second": [1, 2, 3]}
    # Whoever is left now has no free slot: the second one is waited for, also when it is away for a while.
    assert set(Download.objects.filter(user="second").values_list("elsewhere", flat=True)) == {False}


def test_the_last_candidate_of_a_round_is_waited_for() -> None:
    policy = dataclasses.replace(POLICY, candidates_tried=1)
    _job, hunt = hunted_job(policy=policy)
    stepped(hunt, policy)
    answered(offer("first", folder_files(1, 2, 3)), offer("second", folder_files(1, 2, 3)))
    stepped(hunt, policy)
    assert set(Download.objects.values_list("elsewhere", flat=True)) == {False}


def test_a_wish_asks_one_question_at_a_visit_at_the_servers_pace_and_ever_slower() -> None:
    _job, hunt = hunted_job()
    questions = 0
    while hunt.state != HuntState.WISHING:
        stepped(hunt)
        questions += len(answered())
        assert questions < 20
    assert hunt.code == "hunt_nothing_found"
    pauses, asked = [], []
    for _visit in range(4):
        assert hunt.next_step_at is not None
        pauses.append(round((hunt.next_step_at - timezone.now()).total_seconds() / 60))
        assert hunts_due() == []
        Hunt.objects.filter(id=hunt.id).update(next_step_at=timezone.now() - timedelta(seconds=1))
        assert [one for one, _attempt in hunts_due()] == [hunt.id]
        stepped(hunt)
        asked += answered()
        stepped(hunt)
        assert hunt.state == HuntState.WISHING
    assert pauses == [12, 24, 48, 96]
    assert len(asked) == 4


def test_tracks_that_came_by_another_plane_fall_out_and_a_hunt_without_open_tracks_is_done() -> None:
    _job, hunt = hunted_job()
    stepped(hunt)
    first = Want.objects.order_by("created_at").first()
    assert first is not None
    Want.objects.filter(id=first.id).update(desired=WantDesired.SATISFIED)
    answered(offer("whole", folder_files(1, 2, 3)))
    stepped(hunt)
    assert asked_of(hunt) == {"whole": [2, 3]}
    Want.objects.update(desired=WantDesired.SATISFIED)
    ended(hunt, DownloadState.SUCCEEDED, Outcome.SUCCEEDED)
    assert (stepped(hunt).state, hunt.code) == ("done", "hunt_got_all")
    assert hunts_due() == []


def test_pausing_resuming_cancelling_and_retrying_the_job_does_so_with_its_hunt() -> None:
    job, hunt = hunted_job()
    stepped(hunt)
    job_pause(job.id)
    hunt.refresh_from_db()
    assert (hunt.state, hunt.code, hunt.next_step_at) == ("paused", "held_with_job", None)
    assert Search.objects.get().withdrawn_at is not None
    assert stepped(hunt).state == "paused"
    job_resume(job.id)
    hunt.refresh_from_db()
    assert hunt.state == "searching"
    stepped(hunt)
    answered(offer("whole", folder_files(1, 2, 3)))
    stepped(hunt)
    job_pause(job.id)
    assert set(Download.objects.values_list("desired", flat=True)) == {DownloadDesired.PAUSED}
    job_resume(job.id)
    assert set(Download.objects.values_list("desired", flat=True)) == {DownloadDesired.ACTIVE}
    job_cancel(job.id)
    hunt.refresh_from_db()
    assert hunt.state == "cancelled"
    assert set(Download.objects.values_list("desired", flat=True)) == {DownloadDesired.CANCELLED}
    job_retry(job.id)
    hunt.refresh_from_db()
    assert (hunt.state, hunt.searched_at, hunt.rounds) == ("searching", None, 0)
    stepped(hunt)
    assert len(waiting(hunt)) == 1


def test_without_automatic_downloads_a_person_picks_and_may_pick_what_rules_refuse() -> None:
    _job, hunt = hunted_job(policy=dataclasses.replace(POLICY, auto_download=False))
    stepped(hunt)
    answered(offer("whole", folder_files(1, 2, 3)), offer("other", folder_files(1, 2, 3), free_slot=False, queue=9))
    assert (stepped(hunt).state, hunt.code) == ("asking", "hunt_asks_person")
    assert Download.objects.count() == 0
    other = Candidate.objects.get(hunt=hunt, user="other")
    hunt_pick(hunt.id, other.id, paths=[other.files[0]["path"]])
    assert asked_of(hunt) == {"other": [1]}
    hunt.refresh_from_db()
    assert (hunt.state, hunt.code) == ("fetching", "hunt_picked")
    Want.objects.update(desired=WantDesired.SATISFIED)
    with pytest.raises(HuntRefused) as refusal:
        hunt_pick(hunt.id, other.id)
    assert refusal.value.code == "candidate_nothing_open"


def test_what_a_person_cancelled_is_not_chosen_again_by_itself() -> None:
    _job, hunt = hunted_job()
    stepped(hunt)
    answered(offer("whole", folder_files(1, 2, 3)))
    stepped(hunt)
    Download.objects.update(desired=DownloadDesired.CANCELLED)
    ended(hunt, DownloadState.CANCELLED)
    for _ in range(12):
        stepped(hunt)
        answered(offer("whole", folder_files(1, 2, 3)))
    assert Download.objects.count() == 3
    assert hunt.state == HuntState.WISHING


def test_people_who_are_ignored_are_no_candidates_and_a_job_that_takes_no_lossy_file_gets_none() -> None:
    UserRule.objects.create(effect="ignore", match="user", pattern="ignored")
    _job, hunt = hunted_job(allow_lossy=False)
    stepped(hunt)
    answered(offer("ignored", folder_files(1, 2, 3)), offer("lossy", folder_files(1, 2, 3, codec="mp3")))
    stepped(hunt)
    assert dict(Candidate.objects.values_list("user", "refused")) == {"lossy": "lossy"}
    assert Download.objects.count() == 0


def test_who_lost_the_lease_changes_nothing() -> None:
    _job, hunt = hunted_job()
    claim = hunt_claim(hunt.id, lease_s=60)
    assert claim is not None
    assert hunt_claim(hunt.id, lease_s=60) is None
    assert hunts_due() == []
    Hunt.objects.filter(id=hunt.id).update(lease_until=timezone.now() - timedelta(seconds=1))
    later = hunt_claim(hunt.id, lease_s=60)
    assert later is not None
    assert not hunt_end(claim, HuntState.DONE, code="hunt_got_all")
    assert hunt_end(later, HuntState.DONE, code="hunt_got_all")


def test_a_step_that_is_repeated_asks_and_fetches_nothing_twice() -> None:
    _job, hunt = hunted_job()
    for _ in range(3):
        stepped(hunt)
    assert Search.objects.count() == 1
    answered(offer("whole", folder_files(1, 2, 3)))
    for _ in range(3):
        stepped(hunt)
    assert Download.objects.count() == 3
    assert SearchAnswer.objects.count() == 1


def test_jobs_from_before_there_was_an_account_get_their_hunts_later() -> None:
    job, hunt = hunted_job()
    hunt.delete()
    assert hunts_put_right(HuntPolicy(hunting=False)) == 0
    assert hunts_put_right(POLICY) == 1
    assert hunts_put_right(POLICY) == 0
    assert Hunt.objects.get().job_id == job.id


def test_candidates_of_one_round_are_bounded() -> None:
    policy = dataclasses.replace(POLICY, candidates_tried=2)
    _job, hunt = hunted_job(policy=policy)
    stepped(hunt, policy)
    offers = [offer(f"user {at}", folder_files(1, 2, 3)) for at in range(5)]
    for _ in range(12):
        answered(*offers)
        stepped(hunt, policy)
        ended(hunt, DownloadState.REFUSED, Outcome.REFUSED)
    assert len(asked_of(hunt)) == 2
    assert (hunt.state, hunt.code) == ("wishing", "hunt_tried_enough")


def test_a_worker_that_dies_after_weighing_leaves_what_the_next_one_finishes() -> None:
    _job, hunt = hunted_job()
    stepped(hunt)
    answered(offer("whole", folder_files(1, 2, 3)))
    claim = hunt_claim(hunt.id, lease_s=60)
    assert claim is not None
    assert claim.searched_at is not None
    results = results_of_round(claim.id, since=claim.searched_at)
    weighed = weigh(claim.target, results, wishes=claim.constraints, spent={})
    assert len(candidates_write(claim, weighed, since=claim.searched_at)) == 1
    # Here it dies. Nobody else touches the hunt until the lease is over; then it is found by its time alone.
    assert hunts_due() == []
    Hunt.objects.filter(id=hunt.id).update(
        lease_until=timezone.now() - timedelta(seconds=1), next_step_at=timezone.now() - timedelta(seconds=1)
    )
    assert [one for one, _attempt in hunts_due()] == [hunt.id]
    assert stepped(hunt).state == "fetching"
    assert Candidate.objects.count() == 1
    assert Download.objects.count() == 3
    assert not hunt_fetch(claim, weighed, choice(weighed), rows={})
    assert Download.objects.count() == 3


def test_a_dry_run_asks_and_compares_and_fetches_nothing() -> None:
    job, _hunt = hunted_job()
    release_store(release_facts(tracks=3))
    dry = job_rehearse(job.id)
    assert dry is not None
    again = release_rehearse(release_facts(tracks=3).mbid, lossless=True)
    for hunt_id in (dry, again):
        rehearsal = Hunt.objects.get(id=hunt_id)
        stepped(rehearsal)
        answered(offer("whole", folder_files(1, 2, 3)), offer("lossy", folder_files(1, 2, 3, codec="mp3")))
        stepped(rehearsal)
        detail = hunt_detail(hunt_id)
        assert detail is not None
        assert (detail.hunt.state, detail.hunt.code) == ("done", "hunt_dry_run")
        best = detail.candidates[0]
        assert (best.user, best.chosen) == ("whole", (0, 1, 2))
    assert Download.objects.count() == 0
    refused = {one.user: one.refused for one in hunt_detail(again).candidates}  # type: ignore[union-attr]
    assert refused == {"whole": "", "lossy": "lossy"}
    with pytest.raises(HuntUnknown):
        hunt_pick(dry, Candidate.objects.filter(hunt_id=dry)[0].id)


def test_words_are_wished_for_and_fetched_as_they_are_where_that_was_chosen() -> None:
    wish = Hunt.objects.get(id=wish_add("testers first album", auto_download=True))
    stepped(wish)
    assert waiting(wish) == ["testers first album"]
    files = (*folder_files(1, 2, 3), *folder_files(4, folder=r"music\Others\Elsewhere"))
    answered(offer("lossy", folder_files(1, 2, 3, codec="mp3")), offer("whole", files))
    assert stepped(wish).state == "fetching"
    assert asked_of(wish) == {"whole": [1, 2, 3]}
    assert not Download.objects.exclude(external=True, want=None).exists()
    ended(wish, DownloadState.SUCCEEDED, Outcome.SUCCEEDED)
    assert (stepped(wish).state, wish.code) == ("done", "hunt_got_all")


def test_only_two_wishes_are_looked_for_at_once() -> None:
    for number in range(5):
        Hunt.objects.filter(id=wish_add(f"rare record {number}")).update(
            state="wishing", searched_at=timezone.now(), next_step_at=timezone.now() - timedelta(seconds=1)
        )
    due = hunts_due()
    assert len(due) == 2
    for hunt_id, _attempt in due:
        stepped(Hunt.objects.get(id=hunt_id))
    assert hunts_due() == []
    answered()
    assert len([one for one, _attempt in hunts_due() if Hunt.objects.get(id=one).state == "wishing"]) == 2
