"""The service against the recorded answers beside the checkout: every entry that can be served is served."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from slskdn_site.demo.answer_folder import AnswerFolder, Entry, load_answers
from slskdn_site.demo.metadata_service.acoustid import AcoustidCatalogue
from slskdn_site.demo.metadata_service.catalogue import MusicBrainzCatalogue


@pytest.fixture(scope="module")
def folder(recorded: Path) -> AnswerFolder:
    return load_answers(recorded)


def pairs(entry: Entry) -> list[tuple[str, str]]:
    return list(entry.query.items())


def inferred(entry: Entry) -> bool:
    return any(value.startswith(("unknown", "(")) for value in entry.query.values())


def test_every_musicbrainz_entry_answers_its_own_query(folder: AnswerFolder) -> None:
    catalogue = MusicBrainzCatalogue([folder])
    served = 0
    for entry in folder.entries:
        if entry.service != "musicbrainz" or entry.method != "GET" or inferred(entry):
            continue
        accept = "application/json" if entry.is_json else "application/xml"
        reply = catalogue.reply(entry.path, pairs(entry), accept=accept)
        assert (reply.status, reply.body) == (entry.status, entry.read()), (entry.path, entry.query)
        served += 1
    assert served > 300


def test_a_recorded_lookup_serves_every_single_include_it_carries(folder: AnswerFolder) -> None:
    catalogue = MusicBrainzCatalogue([folder])
    wide = [
        e
        for e in folder.entries
        if e.service == "musicbrainz" and e.inc_available and re.search("/release/[0-9a-f-]{36}$", e.path)
    ]
    assert wide
    for entry in wide:
        for inc in entry.incs:
            reply = catalogue.reply(entry.path, [("fmt", "json"), ("inc", inc)], accept="")
            assert reply.status == 200, (entry.path, inc)
            assert json.loads(reply.body)["id"] == entry.path.rsplit("/", 1)[1]


def test_browse_pages_are_cut_from_the_closed_world(folder: AnswerFolder) -> None:
    catalogue = MusicBrainzCatalogue([folder])
    seen: list[str] = []
    query = [
        ("fmt", "json"),
        ("inc", "artist-credits"),
        ("label", "47e718e1-7ee4-460c-b1cc-1192a841c6e5"),
        ("limit", "7"),
    ]
    for offset in (0, 7, 14, 21):
        page = json.loads(catalogue.reply("/ws/2/release", [*query, ("offset", str(offset))], accept="").body)
        assert page["release-count"] == 25
        seen += [release["id"] for release in page["releases"]]
        assert all("_src" not in release for release in page["releases"])
    assert len(seen) == len(set(seen)) == 25


def test_recorded_fingerprints_get_their_recorded_answer_by_text_and_by_bits(folder: AnswerFolder) -> None:
    catalogue = AcoustidCatalogue([folder])
    known = [e for e in folder.entries if e.fingerprint and e.status == 200]
    assert len(known) > 300
    for entry in known[::7]:
        body = json.loads(entry.read())
        form = [("client", "k"), ("meta", "recordings releasegroups compress"), ("fingerprint", entry.fingerprint)]
        reply = catalogue.reply("/v2/lookup", [*form, ("duration", str(entry.duration_s))])
        assert json.loads(reply.body) == body
        match = catalogue.match(entry.fingerprint, entry.duration_s + 3)
        assert match is not None
        assert [result["id"] for result in match.results] == [result["id"] for result in body["results"]]


def test_recorded_batch_forms_are_answered_whole(folder: AnswerFolder) -> None:
    catalogue = AcoustidCatalogue([folder])
    forms = [entry for entry in folder.entries if entry.form is not None]
    assert len(forms) == 8
    for entry in forms:
        assert entry.form is not None
        reply = catalogue.reply("/v2/lookup", [*entry.form.items()])
        assert (reply.status, reply.body) == (entry.status, entry.read())


def test_a_fingerprint_inside_a_recorded_batch_is_found_alone_too(folder: AnswerFolder) -> None:
    catalogue = AcoustidCatalogue([folder])
    entry = next(e for e in folder.entries if e.form is not None and e.form.get("duration.0") == "85")
    assert entry.form is not None
    form = [("client", "k"), ("meta", "recordings"), ("duration", "85"), ("fingerprint", entry.form["fingerprint.0"])]
    body = json.loads(catalogue.reply("/v2/lookup", form).body)
    assert [one["id"] for one in body["results"][0]["recordings"]] == [
        "209a4536-97ac-4e8a-aff1-1d39d029044b",
        "30f3f33e-8d0c-4e69-8539-cbd701d18f28",
    ]


def test_the_query_of_a_url_is_read_as_it_was_recorded(folder: AnswerFolder) -> None:
    catalogue = MusicBrainzCatalogue([folder])
    entry = next(
        e for e in folder.entries if e.service == "musicbrainz" and e.is_json and e.query.get("inc", "").count("+") > 3
    )
    url_query = f"fmt=json&inc={entry.query['inc']}" if set(entry.query) == {"fmt", "inc"} else ""
    assert url_query
    assert catalogue.reply(entry.path, parse_qsl(url_query), accept="").body == entry.read()
