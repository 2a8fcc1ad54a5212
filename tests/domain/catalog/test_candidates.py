"""Candidates: they survive their row, stand in an order that says why, and are bounded; equal finds have one key."""

from __future__ import annotations

import json
import uuid

import pytest

from apps.domain.catalog.asked import (
    FIND_ENDED,
    FIND_MOVES,
    AskedUnreadable,
    FindState,
    asked_json,
    asked_key,
    asked_of,
)
from apps.domain.catalog.candidates import (
    MAX_CANDIDATES,
    Candidate,
    CandidateKind,
    MediumBrief,
    Reason,
    ranked,
)
from apps.domain.catalog.links import (  # fmt: skip
    Asked,
    BarcodeAsked,
    DiscogsAsked,
    DiscogsKind,
    EntityKind,
    IsrcAsked,
    MbidAsked,
    WordsAsked,
)

MBID = uuid.UUID("78db95c6-be79-4c9b-9b27-a6c3a40e2fc5")
ASKED: tuple[Asked, ...] = (
    MbidAsked(mbid=MBID, kind=None),
    MbidAsked(mbid=MBID, kind=EntityKind.RELEASE_GROUP),
    DiscogsAsked(id=249504, kind=DiscogsKind.RELEASE),
    BarcodeAsked(digits="0720642442524"),
    IsrcAsked(isrc="USGF19942501"),
    WordsAsked(title="nevermind", artist="nirvana"),
)


def release(title: str, *, artist: str = "Nirvana", **more: object) -> Candidate:
    return Candidate(kind=CandidateKind.RELEASE, mbid=uuid.uuid5(MBID, f"{title}{artist}{more}"), title=title, artist=artist, **more)  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize("asked", ASKED)
def test_what_was_asked_survives_its_row(asked: Asked) -> None:
    kept = json.loads(json.dumps(asked_json(asked)))
    assert asked_of(kept) == asked
    assert len(asked_key(asked)) == 64


def test_keys_are_equal_for_equal_finds_alone() -> None:
    assert len({asked_key(one) for one in ASKED}) == len(ASKED)
    assert asked_key(WordsAsked(title="Nevermind")) == asked_key(WordsAsked(title="NEVERMIND"))
    assert asked_key(WordsAsked(title="a", artist="b")) != asked_key(WordsAsked(title="b", artist="a"))


@pytest.mark.parametrize(
    "kept", [{}, {"v": 2, "is": "words"}, {"v": 1, "is": "cat"}, {"v": 1, "is": "mbid", "mbid": "x", "kind": None}]
)
def test_a_row_of_another_shape_is_said_to_be_one(kept: dict[str, object]) -> None:
    with pytest.raises(AskedUnreadable):
        asked_of(kept)


def test_every_state_of_a_find_leads_to_an_end() -> None:
    for state in FindState:
        assert state in FIND_ENDED or FIND_MOVES[state] & FIND_ENDED
    assert not any(FIND_MOVES[state] for state in FIND_ENDED)


def test_a_candidate_survives_its_row_without_what_is_unknown() -> None:
    one = release(
        "Nevermind",
        date="1991-09-24",
        country="US",
        labels=("DGC",),
        catalog_numbers=("DGCD-24425",),
        barcode="720642442524",
        media=(MediumBrief(format="CD", tracks=12, length_ms=2_555_000), MediumBrief(format="CD")),
        track_count=12,
        length_ms=2_555_000,
        group_mbid=MBID,
        reasons=(Reason(code="find_title", points=4.0, amount="x"),),
    )
    kept = json.loads(json.dumps(one.to_json()))
    assert "script" not in kept
    assert Candidate.from_json(kept) == one
    assert one.formats == "2 × CD"
    with pytest.raises(ValueError):
        Candidate.from_json({"kind": "release", "mbid": "no"})
    assert Candidate.from_json({**kept, "media": "odd", "labels": 7, "score": True}).media == ()


def test_the_right_album_stands_before_bootlegs_and_albums_of_others() -> None:
    right = release("Nevermind", status="Official", type="Album", score=100, track_count=12)
    other = release("Nevermind", artist="Nobody", status="Official", type="Album", score=100)
    bootleg = release("Nevermind", status="Bootleg", type="Album + Live", score=100)
    found = ranked([bootleg, other, right], WordsAsked(title="nevermind", artist="nirvana"))
    assert found[0].mbid == right.mbid
    assert {one.code for one in found[0].reasons} == {
        "find_score",
        "find_artist",
        "find_title",
        "find_status",
        "find_type",
    }
    assert all(one.points == pytest.approx(sum(reason.points for reason in one.reasons)) for one in found)


def test_words_in_any_order_name_artist_and_title() -> None:
    right, wrong = release("Nevermind"), release("Nirvana", artist="Nobody Else")
    for words in ("nirvana nevermind", "nevermind nirvana"):
        assert ranked([wrong, right], WordsAsked(title=words))[0].mbid == right.mbid


def test_a_name_alone_means_the_artist_before_albums_of_that_name() -> None:
    band = Candidate(kind=CandidateKind.ARTIST, mbid=MBID, title="Nirvana", score=100)
    album = release("Nirvana", status="Official", score=100)
    assert ranked([album, band], WordsAsked(title="nirvana"))[0].mbid == band.mbid


def test_of_several_artists_of_one_name_the_one_whose_albums_were_found_is_meant() -> None:
    old = Candidate(kind=CandidateKind.ARTIST, mbid=uuid.UUID(int=1), title="Nirvana", date="1967", score=100)
    meant = Candidate(kind=CandidateKind.ARTIST, mbid=MBID, title="Nirvana", date="1988", score=100)
    albums = [release(title, artist_mbid=MBID) for title in ("Bleach", "Nevermind")]
    found = ranked([old, *albums, meant], WordsAsked(title="nirvana"))
    assert [one.mbid for one in found[:2]] == [MBID, uuid.UUID(int=1)]
    assert found[2].reasons[0].code == "find_artist", "whose it is, though its title is another"


def test_the_album_that_was_asked_for_stands_before_its_editions() -> None:
    group = Candidate(kind=CandidateKind.RELEASE_GROUP, mbid=MBID, title="Nevermind", type="Album")
    edition = release("Nevermind", status="Official", type="Album", track_count=12)
    assert ranked([edition, group], MbidAsked(mbid=MBID, kind=None))[0].mbid == MBID


def test_each_stands_once_and_no_more_than_a_row_holds() -> None:
    many = [release(f"Title {n}") for n in range(MAX_CANDIDATES + 20)]
    found = ranked([*many, *many], MbidAsked(mbid=MBID, kind=None))
    assert len(found) == MAX_CANDIDATES
    assert len({one.mbid for one in found}) == MAX_CANDIDATES
    assert ranked(list(reversed(many)), MbidAsked(mbid=MBID, kind=None)) == ranked(
        many, MbidAsked(mbid=MBID, kind=None)
    )
