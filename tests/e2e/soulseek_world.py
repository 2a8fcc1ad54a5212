"""The platform with a Soulseek account, a Soulseek server it can lose, and real Nicotine+ users; all processes, all on loopback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import yaml

from slskdn_site.demo.album import album
from slskdn_site.demo.audio_files import safe_stem, write_retagged_twin
from slskdn_site.demo.network import SOULSEEK_NAME, SoulseekPeer
from slskdn_site.demo.run import ANSWERS
from slskdn_site.demo.synth import write_album
from tests.e2e.world import HTTP_S, Demonstration, Network, Person, until
from tests.nicotine import Nicotine

ALBUM = album("small")
FOLDER = f"{ALBUM.artist} - {ALBUM.title} ({ALBUM.date[:4]})"
SILENCE_S = 10
DOWNLOADS: Mapping[str, object] = {"answer_timeout_s": 10, "silence_timeout_s": SILENCE_S, "per_user": 2}
SEARCHES: Mapping[str, object] = {"searches": 100, "window_s": 60, "at_once": 4}


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
        self.files: dict[int, Path] = {}

    def start(self, *server_options: str) -> None:
        """Everything but users."""
        self.network.__enter__()
        self.network.platform_config = {
            "soulseek": {"downloads": dict(DOWNLOADS), "search": dict(SEARCHES)},
        }
        made = write_album(self.root / "source", size="small", processes=2)
        self.files = {one.track.position: one.path for one in made}
        self.network.start_metadata(ANSWERS)
        self.network.start_bootstrap()
        self.network.prepare_database()
        self.network.start_soulseek(*server_options)
        self.network.start_platform()
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
        self, name: str, tracks: Sequence[int], *, twin: bool = False, instead: Mapping[int, Path] | None = None
    ) -> Path:
        """The music of a user: those tracks in one album folder; `twin`: retagged, renamed. `instead`: another file under a track's name."""
        music = self.root / "music" / name
        folder = music / (FOLDER.lower() if twin else FOLDER)
        folder.mkdir(parents=True)
        for position in tracks:
            track = ALBUM.track(position)
            source = (instead or {}).get(position, self.files[position])
            stem = f"{position:02d} {safe_stem(track.title)}"
            if twin:
                write_retagged_twin(source, folder / f"{position:02d}. {safe_stem(track.title).lower()}{source.suffix}")
            else:
                shutil.copyfile(source, folder / f"{stem}{source.suffix}")
        return music

    def nicotine(self, name: str, *, folder: str = "", wait: bool = True, **more: Any) -> Nicotine:
        """A Nicotine+ user, online with its shares read."""
        assert self.network.soulseek is not None
        before = self.logins(name)
        home = self.root / "users" / (folder or name)
        peer = Nicotine(home, name, server_port=self.network.soulseek.port, **more)
        self.peers.append(peer)
        peer.start()
        if wait:
            until(lambda: self.logins(name) > before, f"{name} logs in")
            if more.get("shared") is not None:
                until(lambda: self.shares_of(name) > 0, f"{name} shares")
        return peer

    def shares_of(self, name: str) -> int:
        """How many files the server thinks somebody shares; 0 while they are away."""
        return int(self.order("report").get("shared", {}).get(name, 0))

    @contextmanager
    def users(self, *peers: Nicotine) -> Iterator[None]:
        """They leave at the end."""
        try:
            yield
        finally:
            for peer in peers:
                peer.stop()
            names = {peer.name for peer in peers}
            until(lambda: not names & self.online(), "they are gone")

    def other_client(self, peer: SoulseekPeer) -> None:
        """A user that isn't Nicotine+."""
        self.network.start_soulseek_peers([peer])

    # ---- what the platform does

    def ask(self, person: Person, place: str, *, tracks: Sequence[int] = (), **constraints: Any) -> str:
        """A job for the album (or some tracks of it), placed in a folder of its own; its id."""
        more: dict[str, Any] = {"constraints": {"target_dir": place, "redownload": True, **constraints}}
        if tracks:
            more["tracks"] = [{"medium": 1, "position": one} for one in tracks]
        answer = person.ask(ALBUM.release_mbid, **more)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def downloads(self, person: Person, job: str) -> list[dict[str, Any]]:
        """Every stream of a job, as the API tells it."""
        return cast("list[dict[str, Any]]", got(person, f"/api/soulseek/downloads?job={job}&limit=100")["items"])

    def ended(self, person: Person, job: str) -> dict[str, Any]:
        """The job's tree, once it is completed."""

        def over() -> dict[str, Any] | None:
            tree = person.job(job)
            return tree if tree["state"] in {"completed", "partial", "failed", "cancelled"} else None

        try:
            tree = until(over, "the job ends", every_s=0.2, within_s=180)
        except AssertionError:
            print(json.dumps([self.downloads(person, job), person.job(job)], indent=1)[:8000])
            print(self.rows("SELECT title, state, code, params FROM soulseek_hunt"))
            print(self.words())
            raise
        assert (tree["state"], tree["code"]) == ("completed", ""), tree
        return tree


def got(person: Person, path: str) -> dict[str, Any]:
    """What the API answers to a GET."""
    answer = person.http.get(f"{person.url}{path}", timeout=HTTP_S)
    answer.raise_for_status()
    return cast("dict[str, Any]", answer.json())


def sent(person: Person, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What the API answers to a POST."""
    answer = person.http.post(
        f"{person.url}{path}", json=dict(body), headers={"X-CSRFToken": person._token()}, timeout=HTTP_S
    )
    answer.raise_for_status()
    return cast("dict[str, Any]", answer.json())
