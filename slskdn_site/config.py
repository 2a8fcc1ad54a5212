"""The typed configuration: `slskdn.yml` in the data folder, overridden by `SLSKDN__SECTION__KEY`.

Owns names, types, units, defaults and the sentences that refuse a wrong value. Knows nothing of Django, so that the launcher, the
supervisor and the node can read it in milliseconds.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator

from slskdn_site.config_keys import Key, keys_of
from slskdn_site.config_section import Section
from slskdn_site.config_soulseek import Fairness, Privacy, Soulseek, Transfers
from slskdn_site.config_sources import ConfigError, Reading, configuration_read


def _url_of(*schemes: str) -> AfterValidator:
    def check(text: str) -> str:
        if text and urlsplit(text).scheme not in schemes:
            sentence = f"it must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}"
            raise ValueError(sentence)
        return text

    return AfterValidator(check)


def _host_and_port(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isascii() and port.isdecimal() and 0 < int(port) <= 65535):
        sentence = f"{text!r} is not host:port"
        raise ValueError(sentence)
    return text


_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
Bootstrap = Annotated[str, AfterValidator(_host_and_port)]
Port = Annotated[int, Field(ge=0, le=65535)]
Weight = Annotated[float, Field(ge=0, le=1000)]


class Web(Section):
    host: str = Field("127.0.0.1", description="Address the web pages and the API listen on.")
    port: Port = Field(5030, description="TCP port of the web pages and the API.")
    allowed_hosts: list[str] = Field(
        default_factory=list,
        description="Further host names under which the pages may be opened (a reverse proxy's, say).",
    )
    secure_cookies: bool = Field(False, description="True behind HTTPS: cookies are then sent over HTTPS only.")  # noqa: FBT003


class Database(Section):
    url: Annotated[str, _url_of("postgres", "postgresql")] = Field(
        "",
        description="postgres://user:password@host:port/name; empty: SQLite in the data folder.",
        json_schema_extra={"secret": True},
    )


class Redis(Section):
    url: Annotated[str, _url_of("redis", "rediss")] = Field(
        "",
        description="redis://host:port/0 of a Redis or Valkey; empty: an embedded Valkey.",
        json_schema_extra={"secret": True},
    )


class LibraryScanSection(Section):
    interval_hours: int = Field(
        24, ge=0, le=8760, description="Hours between two walks over the library's folders; 0: only when asked."
    )


class TrashSection(Section):
    keep_days: int = Field(
        90,
        ge=0,
        le=36_500,
        description="Days for which a replaced or removed file can be put back; 0: until you empty the trash yourself.",
    )


class Library(Section):
    folders: list[str] = Field(
        default_factory=list, description="Folders with music that scans walk, beside library.root; they are only read."
    )
    scan: LibraryScanSection = LibraryScanSection()
    trash: TrashSection = TrashSection()
    root: str = Field("", description="Folder that finished albums are placed in; empty: `library` in the data folder.")
    template: str = Field(
        "{albumartist}/{album} ({year})/{disc_track} {title}.{ext}",
        description="Path of a finished file below library.root.",
    )


class CanonicalScoring(Section):
    enabled: bool = Field(
        True,  # noqa: FBT003
        description="False: no statistics over variants are kept, and none decide.",
    )
    prefer_canonical: bool = Field(
        True,  # noqa: FBT003
        description="True: jobs prefer the canonical variant of a recording unless they say otherwise.",
    )
    prefer_original_master: bool = Field(
        False,  # noqa: FBT003
        description="True: of equal variants the one from the earliest, not remastered edition is preferred.",
    )
    min_quality_improvement: float = Field(
        0.1,
        ge=0,
        le=1,
        description="A variant is only downloaded if its quality (0 to 1) beats the local one's by this.",
    )
    local_quality_threshold: float = Field(
        0.85,
        ge=0,
        le=1,
        description="A local variant of this quality (0 to 1) is good enough: nothing better is sought.",
    )
    auto_replace_transcodes: bool = Field(
        False,  # noqa: FBT003
        description="True: a suspected transcode gets a job for a better variant without being asked.",
    )


class Analysis(Section):
    enabled: bool = Field(
        True,  # noqa: FBT003
        description="False: files are decoded and identified, but their sound is not analysed (loudness, range, transcodes).",
    )
    cores_percent: int = Field(
        100, ge=1, le=100, description="Share of the worker's cores that reading and analysing the library may use."
    )
    quiet_hours: str = Field(
        "",
        pattern=r"^(([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)?$",
        description="Local time (22:00-07:00) in which the library is neither read nor analysed in the background; empty: always.",
    )


class Audio(Section):
    canonical_scoring: CanonicalScoring = CanonicalScoring()
    analysis: Analysis = Analysis()


class AutoScan(Section):
    enabled: bool = Field(False, description="True: the Collection Doctor looks at the library by itself.")  # noqa: FBT003
    interval_hours: int = Field(168, ge=1, le=8760, description="Hours between two such looks.")


class Thresholds(Section):
    quality_gap_for_upgrade: float = Field(
        0.2, ge=0, le=1, description="A variant is an issue if one known to be that much better (0 to 1) exists."
    )
    duration_tolerance_ms: int = Field(
        3000, ge=0, le=60_000, description="A track may differ from its recording's length by so much."
    )
    missing_tracks_min_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Tracks are missing from a release of which this share (0 to 1) is here, or whose folder was matched; never for a single track.",
    )


class RemediationSection(Section):
    replace_existing: bool = Field(
        True,  # noqa: FBT003
        description="False: a better file is placed beside the old one, which stays.",
    )
    backup_before_replace: bool = Field(
        True,  # noqa: FBT003
        description="False: a replaced file stays in the trash only until the next scan has proven the new one.",
    )


class LibraryHealth(Section):
    enabled: bool = Field(True, description="False: the Collection Doctor is off.")  # noqa: FBT003
    auto_scan: AutoScan = AutoScan()
    thresholds: Thresholds = Thresholds()
    remediation: RemediationSection = RemediationSection()


class Overlay(Section):
    host: str = Field("0.0.0.0", description="Address the TLS overlay listens on.")  # noqa: S104  (a peer-to-peer port is public by purpose)
    port: Port = Field(50305, description="TCP port of the TLS overlay.")
    allow_private: bool = Field(
        False,  # noqa: FBT003
        description="True: peers on loopback, private and link-local addresses may be dialled (a home network, tests).",
    )
    upload_kbps: int = Field(0, ge=0, description="Upload limit over all peers in KiB/s; 0: no limit.")
    download_kbps: int = Field(0, ge=0, description="Download limit over all peers in KiB/s; 0: no limit.")
    peer_upload_kbps: int = Field(0, ge=0, description="Upload limit to each single peer in KiB/s; 0: no limit.")
    peer_download_kbps: int = Field(0, ge=0, description="Download limit from each single peer in KiB/s; 0: no limit.")
    upload_slots: int = Field(
        8,
        ge=1,
        le=128,
        description="Most peers served at once; others wait for their turn. On a slow line fewer are served, so that each gets a chunk every 5 s.",
    )


class Dht(Section):
    host: str = Field("0.0.0.0", description="Address the DHT listens on.")  # noqa: S104
    port: Port = Field(50306, description="UDP port of the DHT; not the overlay's.")
    bootstrap: list[Bootstrap] = Field(
        default_factory=lambda: [
            "router.bittorrent.com:6881",
            "dht.transmissionbt.com:6881",
            "dht.libtorrent.org:25401",
        ],
        description="Nodes (host:port) asked first when no saved node answers.",
    )


class Seed(Section):
    releases: list[str] = Field(
        default_factory=list, description="MBIDs of releases announced and served even when idle (at most 100)."
    )


class Mesh(Section):
    enabled: bool = Field(True, description="False: no overlay and no DHT socket is opened.")  # noqa: FBT003
    passive: bool = Field(False, description="True: fetches from the mesh but never announces anything.")  # noqa: FBT003
    privacy: Privacy = Privacy()
    seed: Seed = Seed()
    dht: Dht = Dht()


class CostFunction(Section):
    enabled: bool = Field(
        True,  # noqa: FBT003
        description="False: peers' costs are shown but decide nothing; whoever is free is asked.",
    )
    throughput_weight: Weight = Field(1.0, description="Weight of the seconds that a peer needs for a MiB.")
    error_rate_weight: Weight = Field(0.5, description="Weight of a peer's error rate (0 to 1).")
    timeout_rate_weight: Weight = Field(0.3, description="Weight of a peer's timeout rate (0 to 1).")
    rtt_weight: Weight = Field(0.2, description="Weight of a peer's round-trip time in seconds.")
    reputation_weight: Weight = Field(0.4, description="Weight of what a peer's reputation lacks to 1.")


class SwarmScheduler(Section):
    cost_function: CostFunction = CostFunction()
    mode: Literal["conservative", "balanced", "aggressive"] = Field(
        "balanced",
        description="How much is asked twice or taken from slow peers to be done sooner: little, some, much.",
    )
    rebalance_enabled: bool = Field(
        True,  # noqa: FBT003
        description="False: what a peer was asked for stays with it until it answers or times out.",
    )
    rebalance_interval_seconds: float = Field(
        30, gt=0, le=3600, description="Work is distributed anew after so many seconds at the latest."
    )
    rebalance_chunks: int = Field(
        10, ge=1, le=10_000, description="Work is distributed anew after so many chunks, if that comes first."
    )
    min_reputation: float = Field(
        0.3, ge=0, le=1, description="A peer whose reputation (0 to 1) is below it is quarantined."
    )
    use_quarantined_as_last_resort: bool = Field(
        True,  # noqa: FBT003
        description="True: a quarantined peer is asked for what nobody else has; false: never.",
    )


class MultiSource(Section):
    swarm_scheduler: SwarmScheduler = SwarmScheduler()


class Chromaprint(Section):
    enabled: bool = Field(True, description="False: files are not fingerprinted.")  # noqa: FBT003


class Acoustid(Section):
    enabled: bool = Field(True, description="False: AcoustID is never asked.")  # noqa: FBT003
    client_id: str = Field(
        "",
        description="AcoustID application key; empty: files are placed as unconfirmed.",
        json_schema_extra={"secret": True},
    )
    host: Annotated[str, _url_of("http", "https")] = Field(
        "https://api.acoustid.org", description="Scheme and host of the AcoustID service."
    )


class Musicbrainz(Section):
    host: Annotated[str, _url_of("http", "https")] = Field(
        "https://musicbrainz.org", description="Scheme and host of MusicBrainz or a mirror."
    )
    contact: str = Field("", description="Mail address or URL sent in the User-Agent, as MusicBrainz asks.")
    interval_ms: int = Field(
        1050,
        ge=0,
        description="Least time between two requests over all processes, in ms; musicbrainz.org itself is asked every 1050 ms at most.",
    )
    offline: bool = Field(
        False,  # noqa: FBT003
        description="True: MusicBrainz is never asked. What was fetched before is used however old it is; what was not waits until this is false.",
    )
    search_by_tags: bool = Field(
        True,  # noqa: FBT003
        description="True: the album and artist in the tags of a folder that nothing else names are searched for there; false: "
        "only MBIDs, and what a person types into a search, are ever sent.",
    )


class Discogs(Section):
    enabled: bool = Field(True, description="False: Discogs is never asked; what it told before is used.")  # noqa: FBT003
    token: str = Field(
        "",
        description="Personal access token (discogs.com/settings/developers); empty: 25 requests a minute instead of 60.",
        json_schema_extra={"secret": True},
    )
    base_url: Annotated[str, _url_of("http", "https")] = Field(
        "https://api.discogs.com", description="Scheme and host of Discogs' API."
    )

    @field_validator("base_url")
    @classmethod
    def _no_token_in_the_clear(cls, text: str, info: ValidationInfo) -> str:
        address = urlsplit(text)
        if info.data.get("token") and address.scheme == "http" and address.hostname not in _LOOPBACK:
            raise ValueError("a token is sent by https:// alone")
        return text


class Coverart(Section):
    enabled: bool = Field(
        True,  # noqa: FBT003
        description="False: no front cover is ever asked for.",
    )
    host: Annotated[str, _url_of("http", "https")] = Field(
        "https://coverartarchive.org", description="Scheme and host of the Cover Art Archive or a mirror."
    )
    max_edge: int = Field(
        1200, ge=64, le=4096, description="Pixels of a cover's longer side; larger ones are scaled down."
    )
    embed: bool = Field(
        True,  # noqa: FBT003
        description="True: filed FLAC and MP3 get the cover of their release inside, if they have none.",
    )
    save: bool = Field(
        False,  # noqa: FBT003
        description="True: the cover is saved as cover.jpg in the folder of a filed album, if no cover is there.",
    )


class Integration(Section):
    chromaprint: Chromaprint = Chromaprint()
    acoustid: Acoustid = Acoustid()
    musicbrainz: Musicbrainz = Musicbrainz()
    coverart: Coverart = Coverart()
    discogs: Discogs = Discogs()


class Verify(Section):
    require_fingerprint: bool = Field(
        False,  # noqa: FBT003
        description="True: a file whose recording no fingerprint confirms is refused instead of placed as unconfirmed.",
    )


class Worker(Section):
    concurrency: int = Field(0, ge=0, le=64, description="Celery pool processes; 0: one per core.")


class Webhooks(Section):
    allow_private: bool = Field(
        True,  # noqa: FBT003
        description="False: receivers at loopback, private and shared addresses are refused; true: they are where other programs of this house are. "
        "Link-local addresses are refused always.",
    )
    timeout_s: float = Field(10.0, ge=1, le=30, description="Seconds that a receiver has to take one event and answer.")
    keep_days: int = Field(
        30, ge=1, le=3650, description="Days that the log keeps an event that was delivered or given up."
    )


class Flower(Section):
    port: Port = Field(5555, description="TCP port of Flower on loopback.")


class Tracing(Section):
    enabled: bool = Field(
        False,  # noqa: FBT003
        description="True: what happens in a job's swarm is noted, event by event, in `traces` in the data folder.",
    )
    max_size_mb: int = Field(
        10, ge=1, le=1024, description="Size of one job's trace in MiB; beyond it the oldest events go."
    )
    retention_jobs: int = Field(100, ge=1, description="How many jobs' traces are kept.")
    retention_days: int = Field(30, ge=1, description="Days after its last event that a trace is kept.")
    retention_mb: int = Field(
        500, ge=1, description="Size of all traces together in MiB; beyond it the oldest ones go."
    )


class Swarm(Section):
    tracing: Tracing = Tracing()


class DiscographyCore(Section):
    """Which groups are an artist's core discography; a request may say otherwise."""

    exclude_compilations: bool = Field(
        True,  # noqa: FBT003
        description="True: compilations are no part of a core discography.",
    )
    exclude_live: bool = Field(
        True,  # noqa: FBT003
        description="True: live albums are no part of a core discography.",
    )
    secondary_types: list[str] = Field(
        default_factory=list,
        description="Secondary types of MusicBrainz that count as core besides, in lower case, such as soundtrack, remix.",
    )


class DiscographySection(Section):
    core: DiscographyCore = DiscographyCore()


class Manifests(Section):
    enabled: bool = Field(
        True,  # noqa: FBT003
        description="True: every job is kept as a YAML file beside the database, from which `./slskdn jobs restore` brings it back.",
    )
    path: str = Field(
        "jobs/",
        min_length=1,
        description="Folder of these files (`active/` and `completed/` in it); a relative one is below the data folder.",
    )


class Jobs(Section):
    manifests: Manifests = Manifests()
    max_open_children: int = Field(
        4, ge=1, le=64, description="Releases of one discography or label crate that are fetched at the same time."
    )


class Config(Section):
    """Everything a person can set."""

    mode: Literal["legacy", "hybrid", "mesh"] = Field(
        "hybrid", description="legacy: Soulseek only; hybrid: both; mesh: the overlay only."
    )
    web: Web = Web()
    database: Database = Database()
    redis: Redis = Redis()
    library: Library = Library()
    library_health: LibraryHealth = LibraryHealth()
    audio: Audio = Audio()
    soulseek: Soulseek = Soulseek()
    transfers: Transfers = Transfers()
    fairness: Fairness = Fairness()
    overlay: Overlay = Overlay()
    mesh: Mesh = Mesh()
    multi_source: MultiSource = MultiSource()
    integration: Integration = Integration()
    verify: Verify = Verify()
    jobs: Jobs = Jobs()
    discography: DiscographySection = DiscographySection()
    swarm: Swarm = Swarm()
    webhooks: Webhooks = Webhooks()
    worker: Worker = Worker()
    flower: Flower = Flower()


def data_dir() -> Path:
    """The data folder: `SLSKDN_DATA`, else `$XDG_DATA_HOME/slskdn`, else `~/.local/share/slskdn`."""
    if named := os.environ.get("SLSKDN_DATA"):
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser().absolute() / "slskdn"


@functools.cache
def all_keys() -> Mapping[str, Key]:
    """Every key by name, in the order of the schema."""
    return {key.name: key for key in keys_of(Config)}


def configuration_of(reading: Reading) -> Config:
    """The typed configuration of raw values. Raises ConfigError with one line for each wrong value."""
    nested: dict[str, object] = {}
    for name, value in reading.values.items():
        *sections, leaf = name.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})  # type: ignore[assignment]
        place[leaf] = value
    try:
        return Config.model_validate(nested)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False):
            parts = [str(part) for part in problem["loc"]]
            name = ".".join(part for part in parts if not part.isdecimal())
            shown = "" if name in all_keys() and all_keys()[name].secret else f" it is {problem['input']!r},"
            message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
            lines.append(f"{name}: {message};{shown} read from {reading.origins.get(name, 'the configuration')}.")
        raise ConfigError("\n".join(lines), key=name) from None


def configuration_reading() -> Reading:
    """Raw values and where each was read, from the data folder's slskdn.yml and this process's environment."""
    return configuration_read(all_keys().values(), yml=data_dir() / "slskdn.yml", environ=os.environ)


@functools.cache
def load_config() -> Config:
    """Read and validate, once per process. Raises ConfigError."""
    return configuration_of(configuration_reading())
