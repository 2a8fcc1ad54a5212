"""A real recording in two encodings against the recorded AcoustID answer: proven right, proven wrong, and proven by each other."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.domain.jobs.judgement import Evidence, NamedRecording, judge
from slskdn_site.demo.answer_folder import load_answers
from slskdn_site.demo.metadata_service.server import MetadataServer
from tests.workers.conftest import limiter
from workers.gateways.acoustid import Acoustid, AcoustidMatch
from workers.gateways.audio import decode_test
from workers.gateways.chromaprint import fingerprint_file

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
FILES = [FIXTURES / "audio/lidarr/nin.flac", FIXTURES / "audio/lidarr/nin.mp3"]
pytestmark = pytest.mark.skipif(not FILES[0].exists(), reason="needs ../shared/fixtures")


@pytest.fixture(scope="module")
def recorded() -> Iterator[Acoustid]:
    server = MetadataServer([load_answers(FIXTURES)])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Acoustid(host=server.base_url, client_id="key", limiter=limiter(), timeout_s=20)
    server.shutdown()
    thread.join()
    server.server_close()


def asked(path: Path, recorded: Acoustid) -> tuple[AcoustidMatch, ...]:
    made = fingerprint_file(path)
    return recorded.lookup(made.compressed, duration_s=round(decode_test(path).duration_ms / 1000))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.suffix)
def test_a_real_file_is_proven_to_be_its_recording_and_no_other(path: Path, recorded: Acoustid) -> None:
    matches = asked(path, recorded)
    assert matches
    named = [NamedRecording(recording_mbid=one.recording_mbid, score=one.score, title=one.title) for one in matches]

    def judged(expected: uuid.UUID) -> str:
        evidence = Evidence(
            expected=expected,
            local="none",
            named=named,
            silent_code="",
            actual_ms=85_000,
            expected_ms=85_000,
            require_fingerprint=True,
        )
        outcome = judge(evidence)
        return outcome.verification or outcome.code

    assert judged(matches[0].recording_mbid) == "fingerprint"
    assert judged(uuid.uuid4()) == "wrong_recording"


def test_both_encodings_are_named_alike(recorded: Acoustid) -> None:
    flac, mp3 = (asked(path, recorded) for path in FILES)
    assert {one.recording_mbid for one in flac} == {one.recording_mbid for one in mp3}
