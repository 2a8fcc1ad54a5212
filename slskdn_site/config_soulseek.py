"""Sections of slskdn.yml about Soulseek: the account, searches, downloads, uploads, rescue by the mesh, fairness, privacy."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from slskdn_site.config_section import Section

Port = Annotated[int, Field(ge=0, le=65535)]
KibS = Annotated[int, Field(ge=0, le=10_000_000)]
Gib = Annotated[float, Field(ge=0, le=1_000_000)]
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\Z")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class SoulseekServer(Section):
    host: str = Field("server.slsknet.org", min_length=1, description="The Soulseek server.")
    port: Port = Field(2242, description="TCP port of the server.")


class SoulseekSearch(Section):
    searches: int = Field(
        34,
        ge=1,
        le=100,
        description="Searches that may be sent in any `window_s` seconds, by everybody together; the server bans for more.",
    )
    window_s: int = Field(220, ge=60, le=3600, description="Seconds that `searches` counts in.")
    at_once: int = Field(2, ge=1, le=10, description="Searches whose answers are waited for at the same time.")
    retention_days: int = Field(
        14, ge=1, le=365, description="Days after which searches and their answers are removed."
    )


class SoulseekWishlist(Section):
    enabled: bool = Field(
        True,  # noqa: FBT003
        description="True: what was not found is looked for again at the pace the server asks for.",
    )
    auto_download: bool = Field(
        True,  # noqa: FBT003
        description="True: what a later search finds is fetched at once; false: a person picks. Each wish can say otherwise.",
    )


class SoulseekDownloads(Section):
    at_once: int = Field(10, ge=1, le=100, description="Files that are fetched at the same time.")
    per_user: int = Field(1, ge=1, le=10, description="Files that are fetched from one user at the same time.")
    speed_kbps: KibS = Field(0, description="KiB/s of all downloads from Soulseek together; 0: unlimited.")
    answer_timeout_s: int = Field(120, ge=10, le=3600, description="Seconds in which a sharer must answer when asked.")
    silence_timeout_s: int = Field(
        60,
        ge=5,
        le=600,
        description="Seconds without a byte after which a connection counts as dead and the rest is asked for again.",
    )
    queue_timeout_s: int = Field(
        86_400,
        ge=60,
        le=2_592_000,
        description="Seconds after which a place in a sharer's queue is given up for the next candidate.",
    )
    queue_patience_s: int = Field(
        300,
        ge=10,
        le=86_400,
        description="Seconds in a sharer's queue without coming nearer after which somebody else with a free slot is asked.",
    )
    attempts: int = Field(
        5, ge=1, le=50, description="Times that a broken stream is asked for again before the next candidate."
    )
    auto_download: bool = Field(
        True,  # noqa: FBT003
        description="True: jobs fetch the best candidate; false: a person picks.",
    )
    candidates_tried: int = Field(5, ge=1, le=50, description="Candidates tried for one album or track in a round.")
    retention_days: int = Field(
        90,
        ge=8,
        le=3650,
        description="Days that downloads with their rescues, candidates of hunts, and what came of sources are kept after they ended; what failed for good is remembered.",
    )


class UploadGroupSection(Section):
    name: str = Field(
        min_length=1, max_length=40, description="`buddies`, `default`, `leechers` or a name of your own."
    )
    priority: int = Field(10, ge=0, le=1000, description="Groups with a small number are served first.")
    slots: int = Field(0, ge=0, le=100, description="Uploads at the same time; 0: as many as there are.")
    slots_per_user: int = Field(1, ge=1, le=20, description="Uploads of one user at the same time.")
    queue: Literal["fifo", "round_robin"] = Field("round_robin", description="The order in the group.")
    speed_kbps: KibS = Field(0, description="KiB/s of each upload; 0: unlimited.")
    files_waiting_per_user: int = Field(500, ge=1, le=100_000, description="Files that one user may have waiting.")
    day_gib: Gib = Field(0, description="GiB a day for each user; 0: unlimited.")
    week_gib: Gib = Field(0, description="GiB a week for each user; 0: unlimited.")


class SpeedWindowSection(Section):
    start: str = Field(description="Local time, HH:MM.")
    until: str = Field(description="Local time, HH:MM; before `start` runs over midnight.")
    days: list[Day] = Field(default_factory=lambda: list(_DAYS), description="Days on which it begins.")
    speed_kbps: KibS = Field(description="KiB/s of all uploads in that time; 0: no upload starts.")

    @field_validator("start", "until")
    @classmethod
    def _is_clock(cls, text: str) -> str:
        if not _CLOCK.match(text):
            sentence = f"{text!r} is not HH:MM"
            raise ValueError(sentence)
        return text


class LeechersSection(Section):
    least_files: int = Field(
        0, ge=0, description="Users who share fewer files are in the group `leechers`; 0: nobody is."
    )
    least_folders: int = Field(0, ge=0, description="Likewise for folders.")


class SoulseekUploads(Section):
    slots: int = Field(4, ge=1, le=100, description="Uploads at the same time.")
    speed_kbps: KibS = Field(0, description="KiB/s of all uploads together; 0: unlimited.")
    groups: list[UploadGroupSection] = Field(
        default_factory=list,
        description="Rules for groups of users, as docs/soulseek.md shows; empty: buddies first, then everybody, one slot for leechers.",
    )
    windows: list[SpeedWindowSection] = Field(
        default_factory=list, description="Times of the week with a speed of their own."
    )
    leechers: LeechersSection = LeechersSection()
    retention_days: int = Field(
        180, ge=8, le=3650, description="Days that the history of uploads is kept; quotas need a week of it."
    )

    @model_validator(mode="after")
    def _default_is_there(self) -> Self:
        names = [group.name for group in self.groups]
        if names and ("default" not in names or len(names) != len(set(names))):
            sentence = "groups need different names, and one is `default`"
            raise ValueError(sentence)
        return self


class SoulseekShare(Section):
    enabled: bool = Field(
        True,  # noqa: FBT003
        description="True: the library's folders are shared, as far as the pages' rules say. Networks of givers live by this.",
    )


class SoulseekCapture(Section):
    enabled: bool = Field(
        True,  # noqa: FBT003
        description="True: search answers and downloads teach (on this machine only) who offers which release, and what it proved to be.",
    )
    retention_days: int = Field(90, ge=1, le=3650, description="Days that is remembered.")


class Soulseek(Section):
    username: str = Field("", max_length=30, description="Your Soulseek name; empty: the plane stays off.")
    password: str = Field(
        "",
        description="Better in the file `secrets/soulseek-password` of the data folder (mode 0600), which is read when this is empty.",
        json_schema_extra={"secret": True},
    )
    server: SoulseekServer = SoulseekServer()
    listen_host: str = Field("0.0.0.0", description="Address other users connect to.")  # noqa: S104
    listen_port: Port = Field(50300, description="TCP port other users connect to; 0: none, only outgoing connections.")
    upnp: bool = Field(
        False,  # noqa: FBT003
        description="True: ask the router to forward `listen_port`.",
    )
    description: str = Field("", max_length=2000, description="What others read about you.")
    browse_cache_hours: int = Field(24, ge=0, le=720, description="Hours that somebody's list of files is kept.")
    search: SoulseekSearch = SoulseekSearch()
    wishlist: SoulseekWishlist = SoulseekWishlist()
    downloads: SoulseekDownloads = SoulseekDownloads()
    uploads: SoulseekUploads = SoulseekUploads()
    share: SoulseekShare = SoulseekShare()
    capture: SoulseekCapture = SoulseekCapture()


class GuardrailsSection(Section):
    require_soulseek_origin: bool = Field(
        True,  # noqa: FBT003
        description="True: the mesh helps only with what was looked for on Soulseek first.",
    )
    max_overlay_to_soulseek_ratio: float = Field(
        2.0,
        ge=0,
        le=1000,
        description="Most bytes over the mesh per byte over Soulseek in one job, while the Soulseek source is alive.",
    )
    max_concurrent_rescue_jobs: int = Field(5, ge=1, le=100, description="Rescues at the same time.")
    allow_overlay_only_if_verified_by_fingerprint: bool = Field(
        True,  # noqa: FBT003
        description="True: a file may come from the mesh alone when a fingerprint confirms it.",
    )
    strict: bool = Field(
        False,  # noqa: FBT003
        description="True: the ratio also binds when the Soulseek source is dead or stalled.",
    )


class RescueMode(Section):
    enabled: bool = Field(
        True,  # noqa: FBT003
        description="True: slow, stalled and long queued downloads are helped by the mesh.",
    )
    max_queue_time_seconds: int = Field(
        1800, ge=10, le=604_800, description="Seconds in a sharer's queue that are too long."
    )
    min_throughput_kbps: float = Field(10, ge=0, le=1_000_000, description="KiB/s below which a download is slow.")
    min_duration_seconds: int = Field(300, ge=5, le=86_400, description="Seconds that slow must last.")
    stall_timeout_seconds: int = Field(120, ge=5, le=86_400, description="Seconds without a byte that are a stall.")
    recovery_seconds: int = Field(
        60, ge=1, le=86_400, description="Seconds that a download must do well before the mesh steps back."
    )
    recovery_throughput_kbps: float = Field(
        50,
        ge=0,
        le=1_000_000,
        description="KiB/s above which a download does well again; not below `min_throughput_kbps`.",
    )
    guardrails: GuardrailsSection = GuardrailsSection()

    @model_validator(mode="after")
    def _well_is_not_slow(self) -> Self:
        if self.recovery_throughput_kbps < self.min_throughput_kbps:
            sentence = (
                f"recovery_throughput_kbps ({self.recovery_throughput_kbps:g}) must not be below min_throughput_kbps"
                f" ({self.min_throughput_kbps:g}): a download would be slow and well at once"
            )
            raise ValueError(sentence)
        return self


class Transfers(Section):
    rescue_mode: RescueMode = RescueMode()


class Fairness(Section):
    min_overlay_upload_download_ratio: float = Field(
        0.5, ge=0, le=100, description="Least upload per download on the mesh; 0: no such rule."
    )
    max_overlay_to_soulseek_upload_ratio: float = Field(
        2.0, ge=0, le=1000, description="Most upload on the mesh per upload on Soulseek; 0: no such rule."
    )
    min_soulseek_contribution: float = Field(
        0, ge=0, le=100, description="Least upload on Soulseek per download on the mesh; 0: no such rule."
    )
    overlay_bandwidth_cap: KibS = Field(0, description="KiB/s of mesh downloads, always; 0: unlimited.")
    overlay_day_gib: Gib = Field(
        50,
        description="GiB in any 24 hours over the mesh, both directions; then a trickle is left. 0: unlimited.",
    )
    enforce_per_job: bool = Field(
        False,  # noqa: FBT003
        description="True: a job that took more from the mesh than the rescues' ratio allows runs slower there; one that Soulseek was not asked for, or that nothing proves, begins nothing more there.",
    )
    generous: bool = Field(
        False,  # noqa: FBT003
        description="True: give as much as the line carries; nothing is turned down for taking little.",
    )
    grace_gib: Gib = Field(2, description="GiB of traffic before the ratios say anything.")


class Privacy(Section):
    anonymize_usernames: bool = Field(
        True,  # noqa: FBT003
        description="True: what searches teach is kept under keyed pseudonyms. Nothing of it leaves the machine either way.",
    )
