"""A library of good and bad files from the first scan to the last undo: the platform as `./slskdn up` starts it, two neighbours, the metadata services.

What the doctor finds is held against what was spoilt; every fix goes through the command line, is done by workers and by a node that fetches from the
neighbours, and is looked at again; then each is taken back, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from slskdn_site.demo.network import Network
from tests.e2e.mixed_library import ALBUM, LIVE_ALBUM, MixedLibrary, recording_of, write_mixed_library
from tests.e2e.world import HTTP_S, Person, until
from tests.prepared import prepared_folder
from tests.services import PROJECT
from workers.gateways.files import identify
from workers.gateways.tags import read_tags

pytestmark = [pytest.mark.e2e, pytest.mark.long]

EXPECTED = {
    ("corrupted_file", "03 Cedar.flac", "critical"),
    ("corrupted_file", "09 Iris.flac", "critical"),
    ("duplicate_variant", "06 Fern (copy).flac", "low"),
    ("missing_track", "track 5", "medium"),
    ("non_canonical_variant", "08 Heather.mp3", "medium"),
    ("suspected_transcode", "02 Birch.flac", "high"),
    ("tags_wrong", "04 Dahlia.flac", "medium"),
    ("tags_wrong", "10 Juniper.flac", "medium"),
    ("track_not_in_release", "live.flac", "medium"),
    ("wrong_duration", "07 Gorse.flac", "high"),
}
ELDER = ("missing_track", "track 5", "medium")
STRAY = ("track_not_in_release", "live.flac", "medium")
HEATHER = ("non_canonical_variant", "08 Heather.mp3", "medium")
WAITING = """
    SELECT (SELECT count(*) FROM library_audiofile WHERE read_state = 'pending' AND missing_since IS NULL),
           (SELECT count(*) FROM library_audiovariant v WHERE analyser_version = 0
              AND EXISTS (SELECT 1 FROM library_audiofile f WHERE f.variant_id = v.id AND f.missing_since IS NULL AND f.read_state = 'read')),
           (SELECT count(*) FROM library_identification WHERE state = 'pending'),
           (SELECT count(*) FROM library_foldermatch WHERE state = 'pending'),
           (SELECT count(*) FROM library_canonicaldirty)
"""


class Household:
    """The platform, its library, and its person at the command line and the API."""

    def __init__(self, network: Network, made: MixedLibrary) -> None:
        assert network.platform is not None
        self.made, self.home = made, network.platform.folder
        self.music = self.home / "library"
        self.album = self.music / "The Testers" / ALBUM.title
        self.person = Person(network.platform.url, network.platform.password)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLSKDN")},
            "SLSKDN_DATA": str(self.home),
            "PYTHONPATH": str(PROJECT),
        }

    def cli(self, *argv: str) -> list[Any]:
        """What a command printed as JSON, line by line."""
        command = [sys.executable, "-m", "slskdn_site.cli", *argv, "--json"]
        done = subprocess.run(
            command, env=self.environment, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, (argv, done.stdout[-2000:], done.stderr[-3000:])
        return [json.loads(line) for line in done.stdout.splitlines()]

    def act(self, *argv: str, status: int = 0) -> str:
        """A command that prints for people, and what it said when it refused."""
        command = [sys.executable, "-m", "slskdn_site.cli", *argv]
        done = subprocess.run(
            command, env=self.environment, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == status, (argv, done.stdout[-2000:], done.stderr[-3000:])
        return done.stderr

    def get(self, path: str) -> Any:
        answer = self.person.http.get(f"{self.person.url}/api/library/{path}", timeout=HTTP_S)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def settled(self) -> None:
        """Every stage behind the scan has done its work."""

        def waiting() -> tuple[int, ...]:
            with closing(sqlite3.connect(self.home / "db" / "slskdn.sqlite3", timeout=30)) as connection:
                return tuple(connection.execute(WAITING).fetchone())

        try:
            until(lambda: not any(waiting()), "the library is known", every_s=0.3)
        except AssertionError as error:
            raise AssertionError(f"to read, analyse, identify, match, count: {waiting()}") from error

    def scanned(self) -> None:
        (scan,) = self.cli("library", "scan", "--wait")
        assert scan["state"] == "completed", scan
        self.settled()

    def looked(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Open issues by type and file after a look at everything."""
        (look,) = self.cli("doctor", "scan")
        assert look["state"] == "completed", look
        return {(one["type"], self._subject(one)): one for one in self.cli("doctor", "issues")}

    def fixed(self, *issues: int, how: tuple[str, ...] = ()) -> dict[int, dict[str, Any]]:
        """Issue → its fix, done."""
        begun = {one["issue"]: one for one in self.cli("doctor", "fix", *map(str, issues), *how)}
        assert all(one["remediation"] for one in begun.values()), begun
        return {issue: self.reached(one["remediation"], "done") for issue, one in begun.items()}

    def reached(self, fix: str, state: str) -> dict[str, Any]:
        def told() -> dict[str, Any]:
            found: dict[str, Any] = self.get(f"health/remediations/{fix}")
            assert found["state"] == state or found["state"] not in {"done", "failed", "undone"} or state == "undone", (
                found
            )
            assert found["state"] != "failed", found
            return found if found["state"] == state else {}

        return until(told, f"the fix {fix} is {state}")

    def undone(self, *fixes: str) -> None:
        self.act("doctor", "undo", *fixes)
        for fix in fixes:
            self.reached(fix, "undone")

    def files(self) -> dict[str, str]:
        """Name → digest of every file that a person sees."""
        return {
            str(path.relative_to(self.music)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.music.rglob("*"))
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(self.music).parts)
        }

    def payload(self, path: Path) -> str:
        return identify(path).root.hex()

    @staticmethod
    def _subject(issue: dict[str, Any]) -> str:
        path: str = issue["path"]
        return path.rpartition("/")[2] or f"track {issue['track_position']}"


@pytest.fixture(scope="module")
def household() -> Iterator[Household]:
    root = Path(tempfile.mkdtemp(prefix="e2e-", dir="/tmp"))
    made = write_mixed_library(root / "made")
    try:
        with Network(root / "n") as network:
            network.start_metadata(made.answers)
            network.start_bootstrap()
            network.prepare_database(prepared_folder())
            library = root / "n" / "platform" / "library"
            library.mkdir(parents=True)
            made.spoil(library)
            network.spawn_platform()
            network.start_neighbours(made.neighbours())
            network.await_platform()
            yield Household(network, made)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def test_a_library_of_good_and_bad_files_is_known_mended_and_brought_back(household: Household) -> None:
    home, album, made = household, household.album, household.made
    as_found = home.files()
    home.scanned()
    # What peers hold is told by those that a job has found: before the first one nobody knows of a better Heather.
    untold = home.looked()
    assert {(*key, one["severity"]) for key, one in untold.items()} == EXPECTED - {HEATHER}
    fixes = home.fixed(untold["missing_track", "track 5"]["id"])
    until(lambda: HEATHER[:2] in home.looked(), "the neighbours tell", every_s=1)
    issues = home.looked()
    assert {(*key, one["severity"]) for key, one in issues.items()} == EXPECTED - {ELDER}
    fixes |= home.fixed(*(one["id"] for one in issues.values()))
    for position, name in (
        (2, "02 Birch"),
        (3, "03 Cedar"),
        (5, "05 Elder"),
        (7, "07 Gorse"),
        (8, "08 Heather"),
        (9, "09 Iris"),
    ):
        assert home.payload(album / f"{name}.flac") == home.payload(made.master(position)), name
    assert not (album / "08 Heather.mp3").exists()
    assert not (album / "06 Fern (copy).flac").exists()
    for name, position in (("04 Dahlia", 4), ("10 Juniper", 10)):
        tags = read_tags(album / f"{name}.flac")
        assert (tags.title, tags.album, tags.recording_mbid) == (name[3:], ALBUM.title, recording_of(position))
    assert all("–" not in one["message"] for one in fixes.values()), [one["message"] for one in fixes.values()]
    home.scanned()
    (left,) = home.looked()
    assert left == STRAY[:2]

    # Where the stray take is from, nothing but a person says; then that can be mended too.
    (folder,) = (one for one in home.cli("match", "list") if one["folder"] == "Loose")
    home.act("match", "choose", str(folder["id"]), LIVE_ALBUM.release_mbid)
    home.settled()
    (stray,) = home.looked().values()
    fixes |= home.fixed(stray["id"])
    tags = read_tags(home.music / "Loose" / "live.flac")
    assert (tags.album, tags.release_mbid, tags.track) == (LIVE_ALBUM.title, LIVE_ALBUM.release_mbid, 1)
    home.scanned()
    assert home.looked() == {}

    undoable = [one["id"] for one in fixes.values() if one["undoable"]]
    assert len(undoable) == len(EXPECTED)
    home.undone(*undoable)
    assert home.files() == as_found
    home.scanned()
    assert {(*key, one["severity"]) for key, one in home.looked().items()} == EXPECTED


def test_better_files_may_lie_beside_the_old_ones_and_old_ones_go_once_the_new_are_proven(household: Household) -> None:
    home, album = household, household.album
    old = (album / "02 Birch.flac").read_bytes()
    issues = home.looked()
    transcode = issues["suspected_transcode", "02 Birch.flac"]["id"]
    (beside,) = home.fixed(transcode, how=("--beside",)).values()
    assert (beside["code"], (album / "02 Birch.flac").read_bytes()) == ("fixed_beside", old)
    new = home.music / beside["new_path"]
    assert home.payload(new) == home.payload(household.made.master(2))
    cut = issues["corrupted_file", "03 Cedar.flac"]["id"]
    (replaced,) = home.fixed(cut, how=("--no-backup",)).values()
    trashed = home.get(f"trash/{replaced['trashed']}")
    assert (trashed["state"], trashed["keep_until_proven"]) == ("trashed", True)

    home.scanned()
    left = {one["id"] for one in home.looked().values()}
    assert not left & {transcode, cut}
    until(lambda: home.get(f"trash/{replaced['trashed']}")["state"] == "purged", "the proven file's old one is deleted")
    refused = home.act("doctor", "undo", replaced["id"], status=1)
    assert "trash_purged" in refused
    home.undone(beside["id"])
    assert not new.exists()
    assert (album / "02 Birch.flac").read_bytes() == old
    assert ("suspected_transcode", "02 Birch.flac") in home.looked()
