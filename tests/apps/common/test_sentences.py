"""Every code has words; a strange one has its own name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.common.api_errors import error_body, status_of
from apps.common.sentences import NEXT, OWN, message_of, sentence, source_sentence
from apps.domain.errors import DomainError
from apps.domain.jobs.sentences import SENTENCES
from apps.domain.soulseek.words import SOULSEEK_SENTENCES
from apps.library.match_words import DECISIONS
from overlay_node.protocol.messages import CancelReason, ChunkError

ROOT = Path(__file__).resolve().parents[3]
OUR_CODE = ("apps", "workers", "overlay_node", "slskdn_site")
SAY_IT_THEMSELVES = frozenset({
    # At the start or on the command line: printed with the error's own sentence, before there is a page.
    "already_running", "backup_failed", "broker_missing", "config_invalid", "data_folder_newer", "data_folder_unusable", "database_newer",
    "database_unreachable", "dht_port_unavailable", "folder_not_ours", "node_already_running", "port_taken", "process_unknown",
    "settings_refused", "start_failed", "nothing_asked",
    # A form's error, which names what is wrong with the name, role or network.
    "api_key_invalid_request",
})  # fmt: skip
STAY_INSIDE = frozenset({
    # Caught and turned into something else, or only logged.
    "address_refused", "admission_required", "bad_key", "bad_port", "banned", "child_failed", "child_output_limit", "child_start_failed",
    "child_timeout", "codec_profile_invalid", "contract_unreadable", "dht_busy", "dht_stopped", "dht_unreachable", "dial_failed", "error",
    "link_error", "payload_root_mismatch", "payload_short", "policy", "preamble_invalid", "read_only", "self_connection",
    "service_refused", "service_unavailable", "stopped", "store_unavailable", "too_many_calls",
    "chunks_invalid", "ogg_invalid", "sound_unknown",
    # Which way a job's track goes, before anything is shown of it.
    "asked_to_beat", "held_not_good_enough", "nothing_held", "redownload", "scoring_off",
})  # fmt: skip

SAID_ELSEWHERE = frozenset({
    # Of a folder's match, counted into a sentence by apps.library.match_words.
    "extra_tracks", "get_missing", "missing_tracks", "nothing", "remove_extra", "track_differences",
    # Of a find's candidates and a group's editions, by apps.jobs.find_words.
    "find_artist", "find_asked", "find_no_tracklist", "find_score", "find_status", "find_theirs", "find_type", "no_editions", "no_offers",
    "refused_tracks", "replace_track", "solved", "strict_unknown", "take_missing", "take_some", "taken_tracks", "to_fetch",
})  # fmt: skip


def codes_in(tree: ast.AST) -> Iterator[str]:
    """Codes written in the source: `code="…"` and `default_code = "…"`."""
    for node in ast.walk(tree):
        value: ast.expr | None = None
        if isinstance(node, ast.keyword) and node.arg in {"code", "silent_code"}:
            value = node.value
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            value = node.value if isinstance(target, ast.Name) and target.id == "default_code" else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
            yield value.value


def test_every_code_that_is_raised_or_written_to_a_row_has_a_sentence() -> None:
    files = [path for top in OUR_CODE for path in (ROOT / top).rglob("*.py") if not {"demo", "bench"} & set(path.parts)]
    raised = {code for path in files for code in codes_in(ast.parse(path.read_bytes()))}
    assert len(raised) > 100
    identity = {code.removeprefix("identity_") for code in SENTENCES if code.startswith("identity_")}
    said = {*OWN, *SENTENCES, *SOULSEEK_SENTENCES, *DECISIONS, *identity}
    assert raised - said == SAY_IT_THEMSELVES | STAY_INSIDE | SAID_ELSEWHERE


@pytest.mark.parametrize("code", [*ChunkError, *CancelReason])
def test_what_a_peer_or_we_say_of_a_source_is_said_about_the_peer(code: str) -> None:
    if code != CancelReason.QUALITY_UPGRADE:  # nothing says that yet
        assert f"source_{code}" in OWN
    assert source_sentence(code).what
    assert str(source_sentence("bad_manifest")) == str(sentence("bad_manifest"))


@pytest.mark.parametrize("code", sorted({*OWN, *SENTENCES}))
def test_every_known_code_says_a_sentence_without_any_params(code: str) -> None:
    said = str(sentence(code))
    assert said
    assert "{" not in said


def test_what_comes_next_is_only_said_of_codes_that_exist() -> None:
    assert set(NEXT) <= {*OWN, *SENTENCES}


def test_an_unknown_code_is_said_by_its_name() -> None:
    assert str(sentence("flux_capacitor_low")) == "Flux capacitor low."


def test_no_code_says_nothing() -> None:
    assert str(sentence("")) == ""


def test_params_are_shown_harmless_and_never_followed() -> None:
    said = sentence("wrong_recording", {"title": "x\u202ey\n", "artist": "{title.__class__}", "recording": 7}).what
    assert "xy" in said
    assert "{title.__class__}" in said


def test_an_unknown_code_takes_the_errors_own_sentence_in_a_body() -> None:
    assert message_of("odd_code", {}, fallback="It is odd.") == "It is odd."
    assert error_body("odd_code", fallback="It is odd.")["message"] == "It is odd."


@pytest.mark.parametrize(
    ("code", "retryable", "status"),
    [
        ("job_unknown", False, 404),
        ("release_not_found", False, 404),
        ("idempotency_conflict", False, 409),
        ("job_ended", False, 409),
        ("musicbrainz_unavailable", True, 503),
        ("constraints_invalid", False, 400),
        ("job_kind_unknown", False, 400),
    ],
)
def test_codes_have_http_statuses(code: str, retryable: bool, status: int) -> None:
    assert status_of(DomainError("x", code=code, retryable=retryable)) == status


def test_several_values_are_listed_in_words_and_not_as_a_program_writes_them() -> None:
    params = {"title": "Song", "artist": "Ada", "fields": ["title", "album"]}
    assert str(sentence("tags_missing", params)) == "It is Song by Ada, but its tags do not say so: title, album."
