"""The demonstration from beginning to end: music, network, the job as a person would ask for it, the album on disk, the report."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import requests

from apps.domain.errors import DomainError
from apps.domain.soulseek.rescue import RESCUE_LIVE
from slskdn_site.demo.album import Size, album
from slskdn_site.demo.answer_folder import AnswerFolderError, load_answers
from slskdn_site.demo.music_folder import MusicFolderError, read_music_folder
from slskdn_site.demo.network import Network, NetworkFailed, Platform, Process
from slskdn_site.demo.plan import Late, OfferedTrack, Plan, Trigger, Who, plan_of
from slskdn_site.demo.release_music import (
    RecordedRelease,
    ReleaseMusicError,
    edition_of,
    make_release_music,
    mbid_of,
    recorded_release,
)
from slskdn_site.demo.report import Json, not_from_both, parts, report_lines, report_of, rescues_of, soulseek_of
from slskdn_site.demo.soulseek_share import QUICK, RESCUE, SLOW, share_with_soulseek, soulseek_peers
from slskdn_site.demo.synth import AlbumFile, render_file, write_album
from slskdn_site.demo.watch import Watch

ANSWERS = Path(__file__).parent / "answers"
LOOK_S = 0.3
REST_S = 15.0
GIVE_UP_S = 900.0
HTTP_TIMEOUT_S = 20.0
OPEN_STATES = frozenset({"pending", "resolving", "running"})


class DemoRefused(DomainError):
    """The demonstration can't be given as asked."""

    default_code = "demo_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What a person may choose."""

    folder: Path
    size: Size = "full"
    music: Path | None = None
    fixtures: Path | None = None
    release: str | None = None
    json_report: bool = False
    keep: bool = False
    soulseek: bool = False
    web_port: int = 0


def demo_run(options: DemoOptions) -> int:
    """Give the demonstration; 0 only when every track was verified and placed and, where a rescue was to be seen, bytes of both networks met in a track.

    Raises DomainError.
    """
    say = sys.stderr if options.json_report else sys.stdout
    with redirect_stdout(say), _ending_on_sigterm():
        print(f"The demonstration lives in {options.folder}", flush=True)
        with Network(options.folder) as network:
            began = time.monotonic()
            plan, platform = _music_and_network(options, network)
            print(f"The platform runs at {platform.url} ({time.monotonic() - began:.1f} s)", flush=True)
            session = Session(platform.url, platform.password)
            names = {neighbour.peer_id: who for who, neighbour in network.neighbours.items()}
            asked = time.monotonic()
            job_id = session.ask_release(mbid_of(options.release) if options.release else plan.release_mbid)
            with Watch(names=names) as watch:
                job = _follow(session, job_id, network, plan, watch)
            report = report_of(job, seconds=time.monotonic() - asked, names=names)
            missing = _add_soulseek(report, session, plan) if options.soulseek else ""
            print("\n".join(["", *report_lines(report, folder=_album_folder(report)), "", missing]), flush=True)
            if options.json_report:
                print(json.dumps(report, indent=1, ensure_ascii=False), file=sys.__stdout__, flush=True)
            (options.folder / "report.json").write_text(
                json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8"
            )
            if options.keep:
                _keep(platform)
    done = report["state"] == "completed" and all(track["state"] == "completed" for track in parts(report, "tracks"))
    if not options.keep:
        _tidy(options.folder)
    return 0 if done and not missing else 1


def _add_soulseek(report: dict[str, object], session: Session, plan: Plan) -> str:
    """Tell of streams and rescues; in words, what of a planned rescue did not come about."""
    streams, rescues = _at_rest(session, str(report["job"]))
    report["soulseek"], report["rescues"] = soulseek_of(streams), rescues_of(rescues)
    return not_from_both(report) if any(one.trigger is Trigger.TROUBLE for one in plan.late) else ""


def _music_and_network(options: DemoOptions, network: Network) -> tuple[Plan, Platform]:
    """Make or read the music and start everything; both cores have something to do meanwhile. Raises DemoRefused before anything starts."""
    size, recorded = _asked(options)
    if options.soulseek:
        network.start_soulseek()
        network.platform_config["transfers"] = dict(RESCUE)
    source, answers = options.folder / "source", [ANSWERS]
    with ProcessPoolExecutor(max_workers=1) as pool:
        if recorded is not None:
            extra = options.folder / "answers"
            piecing = pool.submit(make_release_music, recorded, source, answers=extra, size=size, processes=2)
            network.start_bootstrap()
            network.prepare_database()
            # The answers state the fingerprints of what was made, so this music comes first.
            with _refusing():
                made = piecing.result()
            answers.insert(0, made.answers)
            network.start_metadata(*answers, fixtures=options.fixtures)
            network.spawn_platform(web_port=options.web_port)
            plan = plan_of(made.tracks, release_mbid=made.release_mbid, stand_in=made.stand_in)
        elif options.music is not None:
            lie = pool.submit(_stand_in, source)
            _start_services(options, network, answers)
            plan = _plan_of_folder(options, lie.result())
        else:
            making = pool.submit(write_album, source, size=size, processes=2)
            _start_services(options, network, answers)
            plan = _plan_of_album(size, making.result())
    print("The music is ready; the neighbours read it", flush=True)
    if options.soulseek:
        share = share_with_soulseek(plan)
        plan = share.plan
        network.start_soulseek_peers(soulseek_peers(share, options.folder))
    network.start_neighbours(plan.neighbours)
    platform = network.await_platform()
    if options.soulseek:
        network.await_soulseek()
    return plan, platform


def _start_services(options: DemoOptions, network: Network, answers: Sequence[Path]) -> None:
    network.start_metadata(*answers, fixtures=options.fixtures, music=options.music)
    network.start_bootstrap()
    network.prepare_database()
    network.spawn_platform(web_port=options.web_port)


def _asked(options: DemoOptions) -> tuple[Size, RecordedRelease | None]:
    """The edition to make, and the recorded release where one was asked for. A release that is an edition of our own decides its size."""
    if options.release is None:
        return options.size, None
    with _refusing():
        release = mbid_of(options.release)
        edition = edition_of(release)
        if options.music is not None:
            raise DemoRefused("--music is a release of its own; leave out --mb-release.")
        if edition is not None:
            return edition, None
        folders = [load_answers(path) for path in (ANSWERS, options.fixtures) if path is not None]
        return options.size, recorded_release(release, folders)


@contextmanager
def _refusing() -> Iterator[None]:
    """What can't be demonstrated, as the demonstration's own refusal."""
    try:
        yield
    except (MusicFolderError, ReleaseMusicError, AnswerFolderError) as error:
        raise DemoRefused(str(error)) from error


def _plan_of_album(size: Size, files: Sequence[AlbumFile]) -> Plan:
    facts = album(size)
    paths = {file.track.position: file.path for file in files}
    tracks = [
        OfferedTrack(
            medium=1, position=track.position, recording_mbid=track.recording_mbid, files=(paths[track.position],)
        )
        for track in facts.tracks
    ]
    return plan_of(tracks, release_mbid=facts.release_mbid, stand_in=paths[facts.stand_in.position])


def _stand_in(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return render_file(folder, size="small", position=album("small").stand_in.position).path


def _plan_of_folder(options: DemoOptions, stand_in: Path) -> Plan:
    assert options.music is not None
    with _refusing():
        music = read_music_folder(options.music, fixtures=options.fixtures)
    for left in music.left_out:
        print(f"  left out: {left.path.name}: {left.reason}")
    tracks = [
        OfferedTrack(
            medium=track.disc,
            position=track.position,
            recording_mbid=track.recording_mbid,
            files=tuple(file.path for file in music.variants(track)),
        )
        for track in music.release.tracks
    ]
    return plan_of(tracks, release_mbid=music.release.release_mbid, stand_in=stand_in)


def _follow(session: Session, job_id: str, network: Network, plan: Plan, watch: Watch) -> Json:
    """Watch the job to its end; hand out the late files when their moment has come."""
    late = list(plan.late)
    giving: list[Process] = []
    deadline = time.monotonic() + GIVE_UP_S
    while True:
        job = session.job(job_id)
        watch.show(job)
        if job["state"] not in OPEN_STATES or time.monotonic() > deadline:
            return job
        streams = session.downloads(job_id) if any(one.trigger is Trigger.TROUBLE for one in late) else ()
        due = [one for one in late if _is_due(one, job, streams)]
        if due:
            late = [one for one in late if one not in due]
            for who in dict.fromkeys(one.who for one in due):
                offers = [one.offer for one in due if one.who is who]
                watch.say(f"the {who} neighbour gets hold of " + ", ".join(sorted({one.source.name for one in offers})))
                giving.append(network.give(who, offers))
        giving = [process for process in giving if not process.check_ended()]
        time.sleep(LOOK_S)


def _at_rest(session: Session, job_id: str) -> tuple[Sequence[Json], Sequence[Json]]:
    """The job's streams from Soulseek and their rescues, which end a moment after it."""
    deadline = time.monotonic() + REST_S
    while True:
        streams, rescues = session.downloads(job_id), session.rescues(job_id)
        moving = any(one["live"] for one in streams) or any(one["state"] in RESCUE_LIVE for one in rescues)
        if not moving or time.monotonic() > deadline:
            return streams, rescues
        time.sleep(LOOK_S)


def _is_due(late: Late, job: Json, streams: Sequence[Json]) -> bool:
    if late.trigger is Trigger.TROUBLE:
        return any(
            one["recording_mbid"] == late.offer.recording_mbid and one["trouble"] and one["bytes_have"]
            for one in streams
        )
    for track in parts(job, "tracks"):
        if (track["medium"], track["position"]) == (late.offer.medium, late.offer.position):
            match late.trigger:
                case Trigger.REJECTED:
                    return bool(track["rejected"])
                case Trigger.BAD_LEAVES:
                    return any(source["bad_leaves"] for source in parts(track, "sources"))
    return False


class Session:
    """A person's session with the platform: signed in at the login page, talking to the API."""

    def __init__(self, url: str, password: str) -> None:
        self._url = url.rstrip("/")
        self._http = requests.Session()
        self._http.trust_env = False  # loopback never goes through a proxy
        self._http.headers["Referer"] = self._url
        page = f"{self._url}/login"
        self._http.get(page, timeout=HTTP_TIMEOUT_S).raise_for_status()
        form = {"username": "admin", "password": password, "csrfmiddlewaretoken": self._token()}
        self._http.post(page, data=form, timeout=HTTP_TIMEOUT_S).raise_for_status()

    def ask_release(self, mbid: str) -> str:
        """POST the job; its id."""
        answer = self._http.post(
            f"{self._url}/api/jobs/mb-release",
            json={"mb_release_id": mbid},
            headers={"X-CSRFToken": self._token(), "Idempotency-Key": str(uuid.uuid4())},
            timeout=HTTP_TIMEOUT_S,
        )
        return str(_body(answer)["id"])

    def job(self, job_id: str) -> Json:
        """The job's tree as it is now."""
        return _body(self._http.get(f"{self._url}/api/jobs/{job_id}", timeout=HTTP_TIMEOUT_S))

    def downloads(self, job_id: str) -> Sequence[Json]:
        """The job's streams from Soulseek."""
        return self._items(f"soulseek/downloads?job={job_id}&limit=100")

    def rescues(self, job_id: str) -> Sequence[Json]:
        """What the mesh did for them."""
        return self._items(f"rescues?job={job_id}&limit=100")

    def _items(self, path: str) -> Sequence[Json]:
        return parts(_body(self._http.get(f"{self._url}/api/{path}", timeout=HTTP_TIMEOUT_S)), "items")

    def _token(self) -> str:
        return next((cookie.value or "" for cookie in self._http.cookies if "csrf" in cookie.name), "")


def _body(answer: requests.Response) -> Mapping[str, object]:
    try:
        body = answer.json()
    except requests.JSONDecodeError as error:
        raise NetworkFailed(f"The API answered {answer.status_code} without JSON.") from error
    if not answer.ok:
        raise NetworkFailed(f"The API refused: {body.get('message')} [{body.get('code')}]", code=str(body.get("code")))
    return cast("Mapping[str, object]", body)


def _album_folder(report: Json) -> str:
    paths = [Path(str(track["path"])) for track in parts(report, "tracks") if track["path"]]
    return str(paths[0].parent) if paths else ""


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """SIGTERM ends the demonstration the way Ctrl-C does: everything it started is stopped."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _keep(platform: Platform) -> None:
    print(f"It keeps running: {platform.url}  user admin  password {platform.password}\nCtrl-C ends it.", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print("stopping", flush=True)


def _tidy(folder: Path) -> None:
    """The album, the report and the logs stay; the neighbours' copies of the music go."""
    for name in ("source", "answers", "template", "bootstrap", *Who, QUICK, SLOW):
        shutil.rmtree(folder / name, ignore_errors=True)
