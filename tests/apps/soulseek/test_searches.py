"""Searches as rows: asked once per id, read by the node, written in batches, withdrawn, forgotten; what answers teach; wishes of words."""

from __future__ import annotations

import dataclasses
import stat
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from apps.catalog.services import release_store
from apps.domain.contracts.soulseek_search import AnswerReport, SearchReport
from apps.domain.soulseek.answers import AnswerUnreadable, pack, path_digest, unpack
from apps.domain.soulseek.budget import SearchScope, Urgency
from apps.domain.soulseek.results import SharedFile
from apps.domain.soulseek.states import Outcome, SearchState
from apps.soulseek.models import Hunt, OfferSighting, Search, SearchAnswer, SearchProgress, SourceOutcome, UserRule
from apps.soulseek.selectors_node_searches import searches_before, searches_open
from apps.soulseek.services_capture import answers_capture, sightings_forget
from apps.soulseek.services_hunt import HuntRefused, outcome_record
from apps.soulseek.services_node_searches import searches_record
from apps.soulseek.services_search import (
    SearchRefused,
    SearchUnknown,
    search_ask,
    search_withdraw,
    searches_forget,
)
from apps.soulseek.services_wishlist import wish_add, wish_edit, wish_remove
from tests.workers.assembled import release_facts
from workers.gateways.pseudonyms import pseudonym_key, sharer_namer

pytestmark = pytest.mark.django_db(transaction=True)


def file(path: str = r"m\The Testers\2019 - First Album\01 - Song 1.flac", **more: object) -> SharedFile:
    return SharedFile(**{"path": path, "size": 5_000_000, "length_s": 200, "rate": 44_100, "bits": 16, **more})  # type: ignore[arg-type]


def record(*reports: SearchReport, answers: tuple[AnswerReport, ...] = ()) -> None:
    with transaction.atomic():
        searches_record(reports, answers)


def answer(search: uuid.UUID, user: str, *files: SharedFile) -> AnswerReport:
    return AnswerReport(search_id=search, user=user, files=files, received_at=timezone.now(), free_slot=True)


def test_an_id_of_the_callers_own_is_one_search_however_often_it_is_handed_in() -> None:
    mine = uuid.uuid4()
    assert search_ask(" Winter  garden", search_id=mine).created
    assert not search_ask("winter GARDEN", search_id=mine).created
    with pytest.raises(SearchRefused) as taken:
        search_ask("something else", search_id=mine)
    assert taken.value.code == "search_id_taken"
    assert Search.objects.get().query == "Winter garden"


@pytest.mark.parametrize(
    ("query", "more", "code"),
    [
        ("a b", {}, "search_too_short"),
        ("x" * 251, {}, "search_too_long"),
        ("x" * 900, {}, "search_too_long"),
        ("wo\0rds", {}, "search_too_short"),
        ("words", {"scope": SearchScope.USER}, "search_whom_missing"),
        ("words", {"whom": "bob"}, "search_whom_missing"),
        ("words", {"origin": "nobody"}, "search_origin_unknown"),
    ],
)
def test_what_nobody_would_answer_is_refused(query: str, more: dict[str, object], code: str) -> None:
    with pytest.raises(SearchRefused) as refusal:
        search_ask(query, **more)  # type: ignore[arg-type]
    assert refusal.value.code == code
    assert not Search.objects.exists()


def test_the_node_reads_what_is_not_over_with_whose_turn_it_is() -> None:
    person = User.objects.create_user("ada")
    UserRule.objects.create(effect="ban", match="user", pattern="mallory")
    one = search_ask("first words", requested_by=person).id
    two = search_ask("second words", urgency=Urgency.INTEGRATION, origin="v0").id
    gone = search_ask("third words").id
    search_withdraw(gone)
    over = search_ask("fourth words").id
    record(SearchReport(search_id=over, state=SearchState.OVER, ended_at=timezone.now()))
    found = searches_open()
    assert [(work.id, work.whose, work.withdrawn) for work in found.searches] == [
        (one, f"person {person.id}", False),
        (two, "v0 ", False),
        (gone, "person ", True),
    ]
    assert [rule.pattern for rule in found.rules] == ["mallory"]


def test_answers_replace_what_their_user_answered_before_and_an_end_stays_an_end() -> None:
    one = search_ask("some words").id
    now = timezone.now()
    running = SearchReport(search_id=one, state=SearchState.RUNNING, answers_in=one, started_at=now, users=1, files=1)
    record(running, answers=(answer(one, "bob", file()),))
    record(running, answers=(answer(one, "bob", file(), file(r"m\b.mp3")), answer(one, "carol", file())))
    assert dict(SearchAnswer.objects.values_list("user", "file_count")) == {"bob": 2, "carol": 1}
    over = dataclasses.replace(running, state=SearchState.OVER, ended_at=now, users=2, files=3)
    record(over)
    record(running)
    row = SearchProgress.objects.get()
    assert (row.state, row.files) == ("over", 3)
    stranger = uuid.uuid4()
    record(
        SearchReport(search_id=stranger, state=SearchState.OVER, ended_at=now),
        SearchReport(search_id=one, state=SearchState.OVER, ended_at=now, answers_in=stranger),
        answers=(answer(stranger, "bob", file()),),
    )
    assert SearchProgress.objects.count() == 1
    assert SearchAnswer.objects.filter(search_id=stranger).count() == 0


def test_what_a_restart_must_know_of_starts_and_young_answers() -> None:
    now = timezone.now()
    sent, shared, old = (search_ask(f"words {at}").id for at in ("one", "two", "three"))
    record(
        SearchReport(search_id=sent, state=SearchState.OVER, answers_in=sent, started_at=now, ended_at=now, users=2),
        SearchReport(search_id=shared, state=SearchState.OVER, answers_in=sent, started_at=now, ended_at=now, users=2),
        SearchReport(search_id=old, state=SearchState.OVER, answers_in=old, started_at=now - timedelta(hours=1), ended_at=now - timedelta(hours=1)),
    )  # fmt: skip
    before = searches_before(window=timedelta(seconds=220), kept=timedelta(seconds=300))
    assert before.starts == (now,)
    assert [one.id for one in before.kept] == [sent]


def test_old_searches_are_forgotten_with_their_answers_and_those_that_wait_stay() -> None:
    old, waiting = search_ask("old words").id, search_ask("waiting words").id
    record(
        SearchReport(search_id=old, state=SearchState.OVER, answers_in=old, ended_at=timezone.now()),
        answers=(answer(old, "bob", file()),),
    )
    assert searches_forget(made_before=timezone.now() + timedelta(seconds=5)) == 1
    assert list(Search.objects.values_list("id", flat=True)) == [waiting]
    assert not SearchAnswer.objects.exists()
    with pytest.raises(SearchUnknown):
        search_withdraw(old)


def test_files_are_kept_as_they_were_told_and_what_we_did_not_write_is_refused() -> None:
    files = (file(), file(r"m\ä\x.mp3", bitrate_kbps=192, vbr=True, bits=None), file("a\\lone \ud800.ogg"))
    assert unpack(pack(files)) == files
    for wrong in (b"", b"x", pack(())[:-3], b"\x78\x9c" + b"\0" * 40):
        with pytest.raises(AnswerUnreadable):
            unpack(wrong)


def test_what_failed_for_good_rests_for_ever_and_the_rest_twice_as_long_each_time() -> None:
    recording = uuid.uuid4()
    for outcome in (Outcome.WENT_AWAY, Outcome.WENT_AWAY, Outcome.WRONG_RECORDING):
        outcome_record(user="bob", remote_path="m\\x.flac", outcome=outcome, recording_mbid=recording)
    rows = SourceOutcome.objects.order_by("id")
    rests = [round((row.again_at - row.at).total_seconds() / 3600) if row.again_at else None for row in rows]
    assert rests == [1, 2, None]
    assert {bytes(row.path_digest) for row in rows} == {path_digest("m\\x.flac")}


def test_answers_teach_who_offers_what_under_a_name_that_only_this_machine_can_tell(tmp_path: Path) -> None:
    release_store(release_facts())
    one = search_ask("first album").id
    album = [file(rf"m\The Testers\2019 - First Album\{at:02} - Song {at}.flac") for at in (1, 2)]
    record(
        SearchReport(search_id=one, state=SearchState.OVER, answers_in=one, ended_at=timezone.now()),
        answers=(answer(one, "bob", *album), answer(one, "carol", file(r"m\Nobody\Unknown Thing\x.mp3"))),
    )
    name = sharer_namer(tmp_path / "keys", keyed=True)
    assert answers_capture(name) == 2
    assert answers_capture(name) == 0
    found = {row.title: row for row in OfferSighting.objects.all()}
    known = found["First Album"]
    assert (known.release_mbid, known.artist, known.files, known.profile) == (
        release_facts().mbid,
        "The Testers",
        2,
        "flac-16-44100-2",
    )
    assert known.certainty > 0.8
    assert found["Unknown Thing"].release_mbid is None
    assert "bob" not in known.sharer
    assert known.sharer == name("bob")
    assert name("bob") != sharer_namer(tmp_path / "others", keyed=True)("bob")
    assert sharer_namer(tmp_path, keyed=False)("bob") == "bob"
    key = tmp_path / "keys" / "pseudonyms"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert pseudonym_key(tmp_path / "keys") == key.read_bytes()
    SearchAnswer.objects.update(captured_at=None)
    answers_capture(name)
    assert set(OfferSighting.objects.values_list("times", flat=True)) == {2}
    assert sightings_forget(seen_before=timezone.now() + timedelta(seconds=1)) == 2


def test_wishes_are_the_same_for_the_same_words_and_edited_ones_begin_anew() -> None:
    one = wish_add("Rare  Record", auto_download=True, lossless=True)
    assert wish_add("Rare Record") == one
    Hunt.objects.filter(id=one).update(state="wishing", rounds=4, searched_at=timezone.now())
    wish_edit(one, auto_download=False)
    assert Hunt.objects.get().state == "wishing"
    wish_edit(one, words="other record")
    row = Hunt.objects.get()
    assert (row.words, row.state, row.rounds, row.searched_at, row.auto_download) == (
        "other record",
        "searching",
        0,
        None,
        False,
    )
    job = Hunt.objects.create(job_id=uuid.uuid4(), title="of a job")
    with pytest.raises(HuntRefused, match="job"):
        wish_remove(job.id)
    with pytest.raises(HuntRefused, match="job"):
        wish_edit(job.id, words="words of mine")
    wish_remove(one)
    wish_remove(one)
    assert Hunt.objects.count() == 1
