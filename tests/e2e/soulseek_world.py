"""The platform with a Soulseek account, a Soulseek server it can lose, and real Nicotine+ users; all processes, all on loopback."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import requests
import soundfile
import yaml

from slskdn_site.demo.album import SAMPLE_RATE_HZ, album
from slskdn_site.demo.audio_files import safe_stem, write_retagged_twin
from slskdn_site.demo.network import SOULSEEK_NAME, Network, Process, SoulseekPeer
from slskdn_site.demo.plan import NeighbourPlan, Offer, Who
from slskdn_site.demo.run import ANSWERS
from slskdn_site.demo.synth import write_album
from tests.e2e.world import HTTP_S, PATIENCE_S, Demonstration, Person, T, until
from tests.nicotine import Nicotine
from tests.prepared import prepared_folder

ALBUM = album("small")
EDITIONS = ("two", "wrong", "banned", "offsets", "server", "crashed", "rescued", "torn", "frozen", "killed")
SILENCE_S = 6
DOWNLOADS: Mapping[str, object] = {"answer_timeout_s": 10, "silence_timeout_s": SILENCE_S, "per_user": 2}
RESCUE: Mapping[str, object] = {
    "min_throughput_kbps": 10,
    "min_duration_seconds": 5,
    "stall_timeout_seconds": 60,
    "guardrails": {"strict": True},
}
"""Impatient; and the ratio binds a sharer that is as good as dead, too."""
SEARCHES: Mapping[str, object] = {"searches": 100, "window_s": 60, "at_once": 4}


@dataclass(frozen=True, slots=True)
class Edition:
    """The album under a title that only one test uses: what was answered to another one's search is no answer to its."""

    title: str
    release_mbid: str

    @property
    def folder(self) -> str:
        """As its sharers call it."""
        return f"{ALBUM.artist} - {self.title} ({ALBUM.date[:4]})"


def edition(word: str) -> Edition:
    """The one of this word. Those of EDITIONS are known to the metadata service."""
    return Edition(f"{word.title()} Almanac", str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{word}.almanac.invalid")))


def write_editions(folder: Path, words: Sequence[str]) -> Path:
    """Recorded answers for them: the album's own, with another id and title, and ids of its tracks that are no other release's."""
    index = json.loads((ANSWERS / "index.json").read_text(encoding="utf-8"))
    entry = next(one for one in index["entries"] if one["path"].endswith(ALBUM.release_mbid))
    answer = json.loads((ANSWERS / entry["file"]).read_text(encoding="utf-8"))
    entries = []
    for made in map(edition, words):
        file = folder / entry["file"].replace(ALBUM.release_mbid, made.release_mbid)
        file.parent.mkdir(parents=True, exist_ok=True)
        media = [one | {"tracks": [_own(track, made) for track in one["tracks"]]} for one in answer["media"]]
        told = answer | {"id": made.release_mbid, "title": made.title, "media": media}
        file.write_text(json.dumps(told), encoding="utf-8")
        path = entry["path"].replace(ALBUM.release_mbid, made.release_mbid)
        entries.append(entry | {"path": path, "file": str(file.relative_to(folder)), "bytes": file.stat().st_size})
    (folder / "index.json").write_text(json.dumps({"format": 1, "entries": entries}), encoding="utf-8")
    return folder


def _own(track: dict[str, Any], of: Edition) -> dict[str, Any]:
    return track | {"id": str(uuid.uuid5(uuid.UUID(of.release_mbid), track["id"]))}


NOISE = edition("noise")
"""One long track that nobody knows the sound of."""
NOISE_S = 100
NOISE_TITLE = "Static Tide"


def write_noise(folder: Path) -> tuple[Path, str]:
    """Its file, which is large because noise doesn't compress, and its recording's id; its answer is written beside the others."""
    recording = str(uuid.uuid5(uuid.NAMESPACE_DNS, "noise.recording.invalid"))
    noise = np.random.default_rng(5).integers(-9000, 9000, size=(SAMPLE_RATE_HZ * NOISE_S, 2), dtype=np.int16)
    path = folder / "noise.flac"
    soundfile.write(path, noise, SAMPLE_RATE_HZ, subtype="PCM_16")
    index = json.loads((folder / "answers" / "index.json").read_text(encoding="utf-8"))
    entry = next(one for one in index["entries"] if one["path"].endswith(edition(EDITIONS[0]).release_mbid))
    answer = json.loads((folder / "answers" / entry["file"]).read_text(encoding="utf-8"))
    medium = answer["media"][0]
    track = _own(medium["tracks"][0], NOISE) | {"title": NOISE_TITLE, "length": NOISE_S * 1000}
    track["recording"] = track["recording"] | {"id": recording, "title": NOISE_TITLE, "length": NOISE_S * 1000}
    answer |= {
        "id": NOISE.release_mbid,
        "title": NOISE.title,
        "media": [medium | {"tracks": [track], "track-count": 1}],
    }
    own = entry["file"].replace(edition(EDITIONS[0]).release_mbid, NOISE.release_mbid)
    (folder / "answers" / own).write_text(json.dumps(answer), encoding="utf-8")
    asked = entry["path"].replace(edition(EDITIONS[0]).release_mbid, NOISE.release_mbid)
    index["entries"].append(entry | {"path": asked, "file": own, "bytes": (folder / "answers" / own).stat().st_size})
    (folder / "answers" / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return path, recording


class SoulseekWorld(Demonstration):
    """The platform as `./slskdn up` starts it, hybrid, with nobody on its mesh; whoever is on Soulseek is started by the test.

    A Demonstration without the demonstration: everything else of it works here too.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "platform"
        self.report = {}
        self.network = Network(root)
        self.peers: list[Nicotine] = []
        self._logins_before: dict[str, int] = {}
        self.files: dict[int, Path] = {}
        self.noise: tuple[Path, str] = (Path(), "")

    def start(self, *server_options: str) -> None:
        """Everything but users."""
        self.network.__enter__()
        self.network.platform_config = {
            "soulseek": {"downloads": dict(DOWNLOADS), "search": dict(SEARCHES)},
            "transfers": {"rescue_mode": dict(RESCUE)},
        }
        answers = write_editions(self.root / "answers", EDITIONS)
        self.noise = write_noise(self.root)
        self.network.start_metadata(answers, ANSWERS)
        self.network.start_bootstrap()
        self.network.prepare_database(prepared_folder())
        self.network.start_soulseek(*server_options)
        self.network.spawn_platform()
        made = write_album(self.root / "source", size="small", processes=2)
        self.files = {one.track.position: one.path for one in made}
        self.network.await_platform()
        self.await_online()

    def end(self) -> int:
        """Users first, then the platform and its surroundings; the platform's exit status."""
        for peer in self.peers:
            peer.stop()
        self.network.stop()
        assert self.network.platform is not None
        return int(self.network.platform.process.popen.returncode)

    def words(self) -> str:
        """What the platform said last."""
        log = self.home / "run" / "slskdn.log"
        return log.read_text(errors="replace")[-6000:] if log.exists() else ""

    # ---- the server

    def order(self, order: str, **more: object) -> dict[str, Any]:
        """One order to the Soulseek server."""
        assert self.network.soulseek is not None
        return self.network.soulseek.order(order, **more)

    def online(self) -> set[str]:
        """Who is there."""
        return set(self.order("report")["users"])

    def logins(self, name: str) -> int:
        """How often somebody logged in."""
        return [tuple(one) for one in self.order("report")["logins"]].count((name, "ok"))

    def await_online(self) -> None:
        """The platform's session stands, and shares are known."""
        until(lambda: SOULSEEK_NAME in self.online(), "the platform logs in")

    def configure(self, **sections: Mapping[str, object]) -> None:
        """Other values below `soulseek`; the node is killed, and the next one reads them."""
        path = self.home / "slskdn.yml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name, section in sections.items():
            config["soulseek"][name] = {**config["soulseek"].get(name, {}), **section}
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        before = self.logins(SOULSEEK_NAME)
        self.kill("node")
        until(lambda: self.logins(SOULSEEK_NAME) > before, "the next node logs in")
        self.await_online()

    # ---- users

    def folder(
        self,
        name: str,
        of: Edition,
        tracks: Sequence[int],
        *,
        twin: bool = False,
        called: str = "",
        instead: Mapping[int, Path] | None = None,
    ) -> Path:
        """The music of a user: those tracks in one album folder; `twin`: retagged, renamed (`called`: like this). `instead`: another file under a track's
        name.
        """
        music = self.root / "music" / name
        folder = music / (of.folder.lower() if twin else of.folder)
        folder.mkdir(parents=True)
        for position in tracks:
            track = ALBUM.track(position)
            source = self.noise[0] if of == NOISE else (instead or {}).get(position, self.files[position])
            stem = f"{position:02d} {safe_stem(NOISE_TITLE if of == NOISE else track.title)}"
            if twin:
                title = called or safe_stem(track.title).lower()
                write_retagged_twin(source, folder / f"{position:02d}. {title}{source.suffix}")
            else:
                shutil.copyfile(source, folder / f"{stem}{source.suffix}")
        return music

    def nicotine(self, name: str, *, folder: str = "", **more: Any) -> Nicotine:
        """A Nicotine+ user, being started; `users` waits for it."""
        assert self.network.soulseek is not None
        self._logins_before[folder or name] = self.logins(name)
        home = self.root / "users" / (folder or name)
        peer = Nicotine(home, name, server_port=self.network.soulseek.port, **more)
        self.peers.append(peer)
        peer.start()
        return peer

    def await_user(self, peer: Nicotine) -> None:
        """It is online, with its shares read."""
        before = self._logins_before[peer.folder.name]
        until(lambda: self.logins(peer.name) > before, f"{peer.name} logs in")
        if peer.shared is not None:
            until(lambda: self.shares_of(peer.name) > 0, f"{peer.name} shares")

    def shares_of(self, name: str) -> int:
        """How many files the server thinks somebody shares; 0 while they are away."""
        return int(self.order("report").get("shared", {}).get(name, 0))

    @contextmanager
    def users(self, *peers: Nicotine) -> Iterator[None]:
        """They are there; they fall at the end."""
        for peer in peers:
            self.await_user(peer)
        try:
            yield
        finally:
            for peer in peers:
                peer.kill()
            names = {peer.name for peer in peers}
            until(lambda: not names & self.online(), "they are gone")

    def other_client(self, peer: SoulseekPeer) -> Process:
        """A user that isn't Nicotine+."""
        (process,) = self.network.start_soulseek_peers([peer])
        return process

    def neighbour(self, name: str, host: str, of: Edition, *, kbps: int = 0) -> None:
        """A node of the mesh that says it knows an edition, and has nothing of it yet."""
        plan = NeighbourPlan(
            who=cast("Who", name), host=host, release_mbid=of.release_mbid, offers=(), upload_kbps=kbps
        )
        self.network.start_neighbours([plan])

    def give(self, name: str, of: Edition, position: int) -> None:
        """It gets hold of a track of the edition, as it was made."""
        offer = Offer(
            source=self.noise[0] if of == NOISE else self.files[position],
            recording_mbid=self.noise[1] if of == NOISE else ALBUM.track(position).recording_mbid,
            release_mbid=of.release_mbid,
            medium=1,
            position=position,
        )
        until(self.network.give(name, [offer]).check_ended, f"{name} has it")

    # ---- what the platform does

    def ask(self, person: Person, of: Edition, *, tracks: Sequence[int] = (), **constraints: Any) -> str:
        """A job for an edition (or some tracks of it), whatever the library has already; its id."""
        more: dict[str, Any] = {"constraints": {"redownload": True, **constraints}}
        if tracks:
            more["tracks"] = [{"medium": 1, "position": one} for one in tracks]
        answer = person.ask(of.release_mbid, **more)
        assert answer.status_code == 202, f"{of.title} was not taken: {answer.status_code} {answer.text}"
        return str(answer.json()["id"])

    def downloads(self, person: Person, job: str) -> list[dict[str, Any]]:
        """Every stream of a job, as the API tells it."""
        return cast("list[dict[str, Any]]", got(person, f"/api/soulseek/downloads?job={job}&limit=100")["items"])

    def told(self, person: Person, job: str) -> str:
        """Everything that the platform tells of a job's way over Soulseek, for the message of a test that fails."""
        job_id = f"'{job.replace('-', '')}'"
        tree = person.job(job)
        heads = {key: tree[key] for key in ("state", "code", "message")}
        tracks = [
            {key: one[key] for key in ("position", "state", "code", "transfer", "sources")} for one in tree["tracks"]
        ]
        facts: dict[str, object] = {
            "job": heads,
            "tracks": tracks,
            "downloads": self.downloads(person, job),
            "rescues": self.rescues(person, job),
            "hunts": self.rows(f"SELECT title, state, code, params FROM soulseek_hunt WHERE job_id = {job_id}"),
            "users": sorted(self.online()),
        }
        return f"{json.dumps(facts, indent=1, default=str)[:12000]}\n{self.words()}"

    def until(
        self, person: Person, job: str, ask: Callable[[], T | None], what: str, *, within_s: float = PATIENCE_S
    ) -> T:
        """As `until`; a failure tells what is known of the job."""
        return until(ask, what, within_s=within_s, told=lambda: self.told(person, job))

    def ended(self, person: Person, job: str) -> dict[str, Any]:
        """The job's tree, once it is completed."""

        def over() -> dict[str, Any] | None:
            tree = person.job(job)
            return tree if tree["state"] in {"completed", "partial", "failed", "cancelled"} else None

        tree = self.until(person, job, over, "the job ends")
        assert (tree["state"], tree["code"]) == ("completed", ""), self.told(person, job)
        return tree

    def rescues(self, person: Person, job: str) -> list[dict[str, Any]]:
        """Every rescue of a job, as the API tells it, newest first."""
        return cast("list[dict[str, Any]]", got(person, f"/api/rescues?job={job}&limit=100")["items"])


class Answer(dict[str, Any]):
    """What the API answered; whoever looks for something that isn't in it is told what is."""

    def __init__(self, asked: str, body: Mapping[str, Any]) -> None:
        super().__init__(body)
        self.asked = asked

    def __missing__(self, key: str) -> Any:
        raise AssertionError(f"{self.asked} answered without {key!r}: {json.dumps(self)[:2000]}")


def got(person: Person, path: str) -> Answer:
    """What the API answers to a GET."""
    return _answer(f"GET {path}", person.http.get(f"{person.url}{path}", timeout=HTTP_S))


def sent(person: Person, path: str, body: Mapping[str, Any]) -> Answer:
    """What the API answers to a POST."""
    return _answer(f"POST {path}", person.post(path, body))


def _answer(asked: str, answer: requests.Response) -> Answer:
    assert answer.ok, f"{asked} was refused: {answer.status_code} {answer.text[:2000]}"
    return Answer(asked, answer.json())
