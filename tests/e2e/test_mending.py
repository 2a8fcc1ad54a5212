"""Every fix against real neighbours on loopback: a real node fetches, a real worker verifies and exchanges files; then each is taken back, byte for byte.

The issues are recorded as the doctor records them; what is tested is everything from the request on. At the end the album is as it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import HTTP_S, Demonstration, Person, kill_9, until
from tests.services import PROJECT
from tests.workers.gateways import sound
from workers.gateways.files import identify
from workers.gateways.tags import read_tags, write_tags

pytestmark = pytest.mark.e2e

RECORD = """
import django, json, sys, uuid
django.setup()
from apps.domain.library.issues import Finding, IssueSeverity, IssueType
from apps.library.models import AudioFile, LibraryIssue
from apps.library.services_issues import issues_record
told = json.loads(sys.argv[1])
file = AudioFile.objects.get(id=told["file"]) if told["file"] else None
finding = Finding(
    type=IssueType(told["type"]), severity=IssueSeverity.HIGH, subject=(told["type"], str(told["file"]), told["position"]), code=told["code"],
    params=told["params"], file_id=told["file"], variant_id=file.variant_id if file else None, release_mbid=uuid.UUID(told["release"]),
    recording_mbid=uuid.UUID(told["recording"]), medium_position=1, track_position=told["position"], title="a title",
)
issues_record([finding])
print(LibraryIssue.objects.get(subject=finding.key).id)
"""
PUT_AWAY = """
import django, sys
django.setup()
from apps.domain.library.trash import TrashReason
from workers.trash import trash_file
view = trash_file(int(sys.argv[1]), reason=TrashReason.PERSON)
assert view.state == "trashed", view
print(view.id)
"""


class Mending:
    """The platform's library, somebody at its API, and what the doctor would have found."""

    def __init__(self, demo: Demonstration, person: Person) -> None:
        self.demo, self.person = demo, person
        self.release = str(demo.report["release"])
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLSKDN")},
            "SLSKDN_DATA": str(demo.home),
            "PYTHONPATH": str(PROJECT),
            "DJANGO_SETTINGS_MODULE": "slskdn_site.settings",
        }

    def run(self, *argv: str) -> str:
        done = subprocess.run(
            [sys.executable, *argv],
            env=self.environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, (argv[-3:], done.stdout[-2000:], done.stderr[-3000:])
        return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""

    def track(self, position: int) -> tuple[int, Path, str]:
        """(file, path, recording) of a track as it was fetched first."""
        ((file_id, path, recording),) = self.demo.rows(
            "SELECT audio_file_id, placed_path, recording_mbid FROM jobs_jobtrack t JOIN jobs_job j ON j.id = t.job_id "
            f"WHERE j.origin = 'person' AND t.position = {position} AND t.state = 'completed' ORDER BY j.created_at LIMIT 1"
        )
        return int(file_id), Path(path), str(uuid.UUID(recording))

    def file_at(self, path: Path) -> int:
        name = path.name.replace("'", "''")
        ((file_id,),) = self.demo.rows(
            f"SELECT id FROM library_audiofile WHERE missing_since IS NULL AND display LIKE '%{name}'"
        )
        return int(file_id)

    def issue(self, kind: str, position: int, *, file_id: int | None, code: str = "x", **params: object) -> int:
        told = {
            "type": kind, "file": file_id, "position": position, "code": code, "params": params, "release": self.release,
            "recording": self.track(position)[2],
        }  # fmt: skip
        return int(self.run("-c", RECORD, json.dumps(told)))

    def fix(self, *issues: int, **options: bool) -> list[dict[str, Any]]:
        answer = self._post("/api/library/health/fix", {"ids": list(issues), "options": options})
        items: list[dict[str, Any]] = answer["items"]
        assert all(one["remediation"] for one in items), items
        return items

    def ends(self, remediation: str, *states: str) -> dict[str, Any]:
        """The remediation once it is in one of these states."""

        def reached() -> dict[str, Any]:
            found: dict[str, Any] = self.person.http.get(
                f"{self.person.url}/api/library/health/remediations/{remediation}", timeout=HTTP_S
            ).json()
            assert found["state"] not in {"done", "failed", "undone"} or found["state"] in states, found
            return found if found["state"] in states else {}

        return until(reached, f"the fix is {states}")

    def undo(self, remediation: str, **how: bool) -> dict[str, Any]:
        self._post(f"/api/library/health/remediations/{remediation}/undo", how)
        return self.ends(remediation, "undone")

    def state_of(self, issue: int) -> str:
        state: str = self.person.http.get(
            f"{self.person.url}/api/library/health/issues/{issue}", timeout=HTTP_S
        ).json()["state"]
        return state

    def put_away(self, file_id: int) -> str:
        return self.run("-c", PUT_AWAY, str(file_id))

    def put_back(self, trash_id: str) -> None:
        self.run("-m", "slskdn_site.cli", "library", "trash", "restore", trash_id)

    def _post(self, path: str, body: object) -> dict[str, Any]:
        headers = {"X-CSRFToken": self.person._token()}
        answer = self.person.http.post(f"{self.person.url}{path}", json=body, headers=headers, timeout=HTTP_S)
        assert answer.status_code == 202, answer.text
        told: dict[str, Any] = answer.json()
        return told


@pytest.fixture
def mending(demo: Demonstration, person: Person) -> Mending:
    return Mending(demo, person)


def digest(path: Path) -> tuple[str, int]:
    return hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns


def test_missing_tracks_are_fetched_by_one_job_and_taken_away_again(mending: Mending) -> None:
    kept = {position: mending.track(position) for position in (1, 2)}
    before = {position: digest(path) for position, (_, path, _) in kept.items()}
    away = [mending.put_away(file_id) for file_id, _, _ in kept.values()]
    issues = [mending.issue("missing_track", position, file_id=None) for position in kept]
    fixes = mending.fix(*issues)
    (job,) = {one["job"] for one in fixes}
    for one, (_, path, _) in zip(fixes, kept.values(), strict=True):
        assert mending.ends(one["remediation"], "done")["code"] == "fixed_fetched"
        assert path.exists()
    tree = mending.person.job(job)
    assert (tree["state"], tree["origin"], [track["position"] for track in tree["tracks"]]) == (
        "completed",
        "doctor",
        [1, 2],
    )
    assert {mending.state_of(issue) for issue in issues} == {"resolved"}
    assert "Asked for by the Doctor" in mending.person.page(f"/jobs/{job}")
    for one in fixes:
        mending.undo(one["remediation"])
    assert not any(path.exists() for _, path, _ in kept.values())
    assert {mending.state_of(issue) for issue in issues} == {"detected"}
    for trash_id in away:
        mending.put_back(trash_id)
    assert {position: digest(path) for position, (_, path, _) in kept.items()} == before


@pytest.mark.parametrize("replace", [True, False], ids=["replaced", "beside"])
def test_a_transcode_gives_way_to_what_the_neighbours_have(mending: Mending, *, replace: bool) -> None:
    file_id, original, recording = mending.track(3)
    before = digest(original)
    poor = sound.convert(original, original.with_suffix(".mp3"), "-b:a", "96k")
    away = mending.put_away(file_id)
    mending.run(
        "-m", "slskdn_site.cli", "library", "add", str(poor), "--recording", recording, "--release", mending.release
    )
    poor_id, was = mending.file_at(poor), digest(poor)
    issue = mending.issue("suspected_transcode", 3, file_id=poor_id, code="transcode_mp3_origin")
    (fix,) = mending.fix(issue, replace_existing=replace)
    worker = mending.demo.pid("worker")
    kill_9(worker)  # in the middle; the supervisor starts another, the sweep finds what it left
    mending.demo.time_passes()
    done = mending.ends(fix["remediation"], "done")
    assert done["code"] == ("fixed_replaced" if replace else "fixed_beside")
    assert poor.exists() is not replace
    (new,) = (path for path in original.parent.glob(f"{original.stem}*.flac"))
    assert identify(new).root.hex() == mending.demo.report["tracks"][2]["payload_root"]
    assert mending.state_of(issue) == "resolved"
    mending.undo(fix["remediation"])
    assert digest(poor) == was
    assert not new.exists()
    assert mending.state_of(issue) == "detected"
    gone = mending.put_away(poor_id)
    mending.run("-m", "slskdn_site.cli", "library", "trash", "purge", gone)
    mending.put_back(away)
    assert digest(original) == before


def test_a_broken_file_is_fetched_anew_and_comes_back_broken(mending: Mending) -> None:
    file_id, path, _ = mending.track(4)
    whole, when = path.read_bytes(), path.stat().st_mtime_ns
    path.write_bytes(whole[: len(whole) // 2])
    status = path.stat()
    mending.demo.rows(
        f"UPDATE library_audiofile SET size_bytes={status.st_size}, mtime_ns={status.st_mtime_ns}, read_state='unreadable' WHERE id={file_id}"
    )
    was = digest(path)
    issue = mending.issue("corrupted_file", 4, file_id=file_id, code="decode_failed")
    (fix,) = mending.fix(issue, backup_before_replace=False)
    done = mending.ends(fix["remediation"], "done")
    assert done["code"] == "fixed_replaced"
    assert identify(path).root.hex() == mending.demo.report["tracks"][3]["payload_root"]
    trashed = mending.person.http.get(
        f"{mending.person.url}/api/library/trash/{done['trashed']}", timeout=HTTP_S
    ).json()
    assert (trashed["state"], trashed["keep_until_proven"]) == ("trashed", True)
    mending.undo(fix["remediation"])
    assert digest(path) == was
    path.write_bytes(whole)
    os.utime(path, ns=(when, when))
    status = path.stat()
    mending.demo.rows(
        f"UPDATE library_audiofile SET size_bytes={status.st_size}, mtime_ns={status.st_mtime_ns}, read_state='read' WHERE id={file_id}"
    )


def test_wrong_tags_become_those_of_the_release_and_the_sound_stays(mending: Mending) -> None:
    file_id, path, recording = mending.track(5)
    right, when = path.read_bytes(), path.stat().st_mtime_ns
    good, root = read_tags(path), identify(path).root
    spoilt = type(good)(title="Something else", recording_mbid=recording, release_mbid=mending.release, track=5, disc=1)
    write_tags(path, spoilt, expected_root=root)
    mending.run("-m", "slskdn_site.cli", "library", "add", str(path.parent))
    was = digest(path)
    issue = mending.issue("tags_wrong", 5, file_id=file_id, code="tags_contradict")
    (fix,) = mending.fix(issue)
    assert mending.ends(fix["remediation"], "done")["code"] == "fixed_retagged"
    now = read_tags(path)
    assert (now.title, now.album, now.recording_mbid) == (good.title, good.album, good.recording_mbid)
    assert identify(path).root == root
    mending.undo(fix["remediation"])
    assert digest(path) == was
    path.write_bytes(right)
    os.utime(path, ns=(when, when))
    mending.run("-m", "slskdn_site.cli", "library", "add", str(path.parent))


def test_copies_go_to_the_trash_and_come_back(mending: Mending) -> None:
    file_id, path, recording = mending.track(6)
    copy = path.with_name("a copy.flac")
    copy.write_bytes(path.read_bytes())
    mending.run(
        "-m", "slskdn_site.cli", "library", "add", str(copy), "--recording", recording, "--release", mending.release
    )
    copy_id, was = mending.file_at(copy), digest(copy)
    issue = mending.issue("duplicate_variant", 6, file_id=copy_id, keep=file_id, files=[str(file_id), str(copy_id)])
    (fix,) = mending.fix(issue)
    assert mending.ends(fix["remediation"], "done")["code"] == "fixed_duplicates"
    assert (copy.exists(), path.exists()) == (False, True)
    mending.undo(fix["remediation"])
    assert digest(copy) == was
    gone = mending.put_away(copy_id)
    mending.run("-m", "slskdn_site.cli", "library", "trash", "purge", gone)
