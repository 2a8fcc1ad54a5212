from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import acoustid
import pytest
import requests

from slskdn_site.demo.album import album
from slskdn_site.demo.answer_folder import AnswerFolder, Entry, canonical_query, json_bytes
from slskdn_site.demo.chromaprint import measure
from slskdn_site.demo.make_answers import ANSWERS
from slskdn_site.demo.metadata_service.server import MetadataServer
from slskdn_site.demo.synth import AlbumFile
from tests.demo.conftest import Serve

RELEASE = f"/ws/2/release/{album('full').release_mbid}"
ARTIST = f"/ws/2/artist/{album('full').artist_mbid}"
REPO = Path(__file__).resolve().parents[2]


def get(server: MetadataServer, path: str, **kwargs: object) -> requests.Response:
    return requests.get(server.base_url + path, timeout=5, **kwargs)


def order(server: MetadataServer, *faults: dict[str, object]) -> None:
    assert requests.post(server.base_url + "/__fault__", json=list(faults), timeout=5).status_code == 200


def musicbrainz(path: str, body: object, *, status: int = 200, **query: str) -> Entry:
    pairs = [("fmt", "json"), *query.items()]
    return Entry(service="musicbrainz", path=path, query=canonical_query(pairs), body=json_bytes(body), status=status)


def lookup(server: MetadataServer, path: Path, meta: str = "recordings releasegroups compress") -> dict[str, object]:
    measured = measure(path)
    form = {
        "client": "test",
        "meta": meta,
        "duration": str(int(measured.duration_s)),
        "fingerprint": measured.fingerprint,
    }
    answer = requests.post(server.base_url + "/v2/lookup", data=form, timeout=5)
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize(
    "incs", ["", "recordings", "recordings+artist-credits+media+labels+isrcs+release-groups", "genres+url-rels"]
)
def test_a_lookup_asks_for_any_part_of_what_is_there(service: MetadataServer, incs: str) -> None:
    answer = get(service, f"{RELEASE}?fmt=json" + (f"&inc={incs}" if incs else ""))
    assert answer.status_code == 200
    assert answer.json()["id"] == album("full").release_mbid


def test_the_accept_header_asks_for_json_too(service: MetadataServer) -> None:
    assert get(service, RELEASE, headers={"Accept": "application/json"}).json()["title"] == "Low Water Almanac"
    assert get(service, RELEASE, headers={"Accept": "*/*"}).status_code == 404


def test_an_include_that_was_never_recorded_is_not_found(serve: Serve) -> None:
    server = serve([AnswerFolder((musicbrainz("/ws/2/artist/x", {"id": "x"}, inc="aliases"),))])
    assert get(server, "/ws/2/artist/x?fmt=json&inc=aliases").status_code == 200
    assert get(server, "/ws/2/artist/x?fmt=json&inc=works").status_code == 404


def test_the_smallest_sufficient_answer_is_taken(serve: Serve) -> None:
    wide = musicbrainz("/ws/2/artist/x", {"width": 3}, inc="a b c")
    narrow = musicbrainz("/ws/2/artist/x", {"width": 2}, inc="a b")
    server = serve([AnswerFolder((wide, narrow))])
    assert get(server, "/ws/2/artist/x?fmt=json&inc=a").json() == {"width": 2}
    assert get(server, "/ws/2/artist/x?fmt=json&inc=b+c").json() == {"width": 3}


def test_an_earlier_folder_wins(serve: Serve) -> None:
    first = AnswerFolder((musicbrainz("/ws/2/artist/x", {"from": 1}, inc="a b"),))
    second = AnswerFolder((musicbrainz("/ws/2/artist/x", {"from": 2}, inc="a"),))
    assert get(serve([first, second]), "/ws/2/artist/x?fmt=json&inc=a").json() == {"from": 1}


def test_answers_of_one_query_come_in_recorded_order_and_the_last_stays(serve: Serve) -> None:
    busy = musicbrainz("/ws/2/artist/x", {"error": "busy"}, status=503)
    server = serve([AnswerFolder((busy, busy, musicbrainz("/ws/2/artist/x", {"id": "x"})))])
    assert [get(server, "/ws/2/artist/x?fmt=json").status_code for _ in range(5)] == [503, 503, 200, 200, 200]


def test_an_unknown_release_is_a_404_with_musicbrainz_words(service: MetadataServer) -> None:
    answer = get(service, "/ws/2/release/00000000-0000-4000-8000-000000000000?fmt=json&inc=recordings")
    assert answer.status_code == 404
    assert answer.json()["error"] == "Not Found"
    assert get(service, "/somewhere").status_code == 404


def test_a_browse_page_is_cut_from_the_complete_list(service: MetadataServer) -> None:
    group = album("full").release_group_mbid
    page = get(service, f"/ws/2/release?release-group={group}&fmt=json&inc=media&limit=1&offset=1").json()
    assert (page["release-count"], page["release-offset"]) == (2, 1)
    assert [one["id"] for one in page["releases"]] == [album("small").release_mbid]


@pytest.mark.parametrize("index", range(9))
def test_a_measured_file_is_recognised_by_its_bits(
    service: MetadataServer, small_files: tuple[AlbumFile, ...], index: int
) -> None:
    body = lookup(service, small_files[index].path)
    assert body["results"][0]["recordings"][0]["id"] == small_files[index].track.recording_mbid
    assert body["results"][0]["score"] > 0.9


def test_pyacoustid_gets_its_answer_with_a_gzipped_form(
    service: MetadataServer, small_files: tuple[AlbumFile, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acoustid, "API_BASE_URL", service.base_url + "/v2/")
    measured = measure(small_files[0].path)
    body = acoustid.lookup("test", measured.fingerprint, measured.duration_s, meta=["recordings"], timeout=5)
    found = list(acoustid.parse_lookup_result(body))
    assert [(recording, title) for _score, recording, title, _artist in found] == [
        (small_files[0].track.recording_mbid, "First Ferry")
    ]


def test_slightly_different_bits_lower_the_score_and_a_wrong_duration_finds_nothing(
    service: MetadataServer, small_files: tuple[AlbumFile, ...]
) -> None:
    from apps.domain.audio.fingerprint import decode, encode

    measured = measure(small_files[1].path)
    items = decode(measured.fingerprint)[0].copy()
    items[::3] ^= 1
    form = {
        "client": "test",
        "meta": "recordings",
        "fingerprint": encode(items),
        "duration": str(int(measured.duration_s)),
    }
    near = requests.get(service.base_url + "/v2/lookup", params=form, timeout=5).json()
    assert near["results"][0]["recordings"][0]["id"] == small_files[1].track.recording_mbid
    assert 0.95 < near["results"][0]["score"] < 1.0
    far = requests.get(service.base_url + "/v2/lookup", params={**form, "duration": "300"}, timeout=5).json()
    assert far == {"results": [], "status": "ok"}


def test_meta_says_how_much_of_a_result_is_told(service: MetadataServer, small_files: tuple[AlbumFile, ...]) -> None:
    bare = lookup(service, small_files[0].path, meta="")["results"][0]
    ids = lookup(service, small_files[0].path, meta="recordingids")["results"][0]
    assert set(bare) == {"id", "score"}
    assert ids["recordings"] == [{"id": small_files[0].track.recording_mbid}]


def test_a_batch_answers_each_fingerprint_under_its_index(
    service: MetadataServer, small_files: tuple[AlbumFile, ...]
) -> None:
    form = {"client": "test", "meta": "recordingids", "batch": "1"}
    for index in (0, 1):
        measured = measure(small_files[index].path)
        form |= {f"fingerprint.{index}": measured.fingerprint, f"duration.{index}": str(int(measured.duration_s))}
    body = requests.post(service.base_url + "/v2/lookup", data=form, timeout=5).json()
    assert [(one["index"], one["results"][0]["recordings"][0]["id"]) for one in body["fingerprints"]] == [
        (str(index), small_files[index].track.recording_mbid) for index in (0, 1)
    ]


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, 2),
        ({"client": "c", "fingerprint": "AQAA"}, 2),
        ({"client": "c", "duration": "100"}, 2),
        ({"client": "c", "duration": "-4", "fingerprint": "AQAA"}, 8),
        ({"client": "c", "duration": "100", "fingerprint": "fingerprint"}, 3),
        ({"client": "c", "duration": "100", "fingerprint": "AQADtEq"}, 3),
    ],
)
def test_a_broken_lookup_is_refused_as_acoustid_does(service: MetadataServer, form: dict[str, str], code: int) -> None:
    answer = requests.post(service.base_url + "/v2/lookup", data=form, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code
    assert answer.json()["status"] == "error"


def test_a_broken_or_boundless_gzip_body_is_refused(service: MetadataServer) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"no gzip at all", gzip.compress(b"a" * (4 << 20))):
        assert requests.post(service.base_url + "/v2/lookup", data=body, headers=headers, timeout=5).status_code == 400


def test_a_fault_hits_the_next_requests_of_its_prefix_and_no_others(service: MetadataServer) -> None:
    order(service, {"kind": "status", "prefix": "/ws/2/release", "count": 2, "status": 503, "retry_after_s": 7})
    assert get(service, f"{ARTIST}?fmt=json").status_code == 200
    first = get(service, f"{RELEASE}?fmt=json")
    assert (first.status_code, first.headers["Retry-After"]) == (503, "7")
    assert get(service, "/__fault__").json()["faults"][0]["count"] == 1
    assert [get(service, f"{RELEASE}?fmt=json").status_code for _ in range(2)] == [503, 200]


def test_bodies_can_be_garbage_html_or_missing(service: MetadataServer) -> None:
    order(service, {"kind": "garbage"}, {"kind": "html"}, {"kind": "not_found"})
    garbage, html, missing, good = (get(service, f"{ARTIST}?fmt=json") for _ in range(4))
    assert garbage.status_code == 200
    with pytest.raises(UnicodeDecodeError):
        json.loads(garbage.content)
    assert (html.status_code, html.headers["Content-Type"]) == (502, "text/html")
    assert missing.status_code == 404
    assert good.json()["name"] == "Tessaly Quay"


def test_answers_can_break_off_or_never_begin(service: MetadataServer) -> None:
    order(service, {"kind": "truncated"}, {"kind": "close"})
    for _ in range(2):
        with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
            get(service, f"{ARTIST}?fmt=json")
    assert get(service, f"{ARTIST}?fmt=json").status_code == 200


def test_a_hanging_answer_outlasts_a_client_and_holds_nobody_else_up(service: MetadataServer) -> None:
    order(service, {"kind": "hang", "seconds": 600})
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(service.base_url + f"{ARTIST}?fmt=json", timeout=(5, 0.2))
    assert get(service, f"{ARTIST}?fmt=json").status_code == 200


def test_a_short_hang_ends_with_the_true_answer(service: MetadataServer) -> None:
    order(service, {"kind": "hang", "seconds": 0.05})
    assert get(service, f"{ARTIST}?fmt=json").json()["name"] == "Tessaly Quay"


@pytest.mark.parametrize(
    "wrong", [{"kind": "flood"}, {"kind": "hang", "seconds": "long"}, {"kind": "html", "often": 3}, 7]
)
def test_a_fault_that_is_none_is_refused(service: MetadataServer, wrong: object) -> None:
    answer = requests.post(service.base_url + "/__fault__", json=wrong, timeout=5)
    assert answer.status_code == 400
    assert get(service, "/__fault__").json() == {"faults": []}


def test_ordered_faults_can_be_dropped(service: MetadataServer) -> None:
    order(service, {"kind": "html", "count": 100})
    requests.delete(service.base_url + "/__fault__", timeout=5)
    assert get(service, f"{ARTIST}?fmt=json").status_code == 200


def test_statistics_tell_every_request_in_order_without_credentials(service: MetadataServer) -> None:
    get(service, f"{ARTIST}?fmt=json", headers={"User-Agent": "slskdn/0.1 ( someone@example.org )"})
    requests.post(
        service.base_url + "/v2/lookup", data={"client": "hidden", "duration": "10", "fingerprint": "x"}, timeout=5
    )
    told = get(service, "/__stats__").json()
    assert told["counts"] == {"musicbrainz": 1, "acoustid": 1}
    first, second = told["requests"]
    assert (first["service"], first["path"], first["status"], first["rule"]) == ("musicbrainz", ARTIST, 200, "lookup")
    assert first["user_agent"].startswith("slskdn/0.1")
    assert first["at_s"] <= second["at_s"]
    assert "hidden" not in json.dumps(told)
    requests.delete(service.base_url + "/__stats__", timeout=5)
    assert get(service, "/__stats__").json()["counts"] == {}


@pytest.mark.e2e
def test_the_command_says_when_it_is_ready_and_stops_when_told(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('[{"kind": "status", "status": 503}]')
    command = [
        sys.executable,
        "-m",
        "slskdn_site.demo.metadata_service",
        "--answers",
        str(ANSWERS),
        "--faults",
        str(faults),
    ]
    process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert told["ready"] is True
        url = f"http://127.0.0.1:{told['port']}{ARTIST}?fmt=json"
        assert [requests.get(url, timeout=5).status_code for _ in range(2)] == [503, 200]
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.e2e
def test_the_command_refuses_a_folder_without_answers_with_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "slskdn_site.demo.metadata_service", "--answers", str(tmp_path)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "index.json" in done.stderr
    assert "Traceback" not in done.stderr
