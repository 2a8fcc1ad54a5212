"""What a job accepts: typed, versioned, the same words in API, row and node."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, get_args

from typing_extensions import override

from apps.domain.audio.profile import Codec, ProfileError, parse_profile
from apps.domain.errors import DomainError
from apps.domain.library.naming import clean_text

CONSTRAINTS_VERSION = 2
"""2: better_than, min_improvement, redownload, target_profile; null stands for what is configured."""
CODECS = tuple(codec.value for codec in Codec)
DownloadMode = Literal["any", "canonical", "no-transcodes"]
MAX_TRACK_REFS = 5000
"""More than the largest release MusicBrainz holds; bounds what one request may make us store."""
MAX_TARGET_DIR_PARTS = 8
MAX_TARGET_PART_BYTES = 255
"""NAME_MAX of every filesystem we place on."""


class ConstraintsInvalid(DomainError):
    """A constraint of a job that can't be read or means nothing."""

    default_code = "constraints_invalid"

    @override
    def __init__(self, sentence: str, *, key: str) -> None:
        super().__init__(sentence, key=key, why=sentence.removesuffix("."))


class ConstraintUnavailable(DomainError):
    """A constraint that this version knows and can't meet. Refused when the job is asked for, so that no job waits for ever or pretends."""

    default_code = "constraint_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRef:
    """A track of a release by medium and position, both counted from 1."""

    medium: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """Limits and preferences of a job (DESIGN §10). All optional; the default accepts any lossless or lossy payload, lossless first.

    Preferences (`preferred_codecs`, `prefer_canonical`, `original_master`) order what there is and never forbid. `download_mode` forbids:
    `no-transcodes` takes nothing that is suspected to be a transcode, `canonical` nothing below the canonical variant. `better_than` forbids
    whatever does not beat a file that is held. `use_overlay: false` means from Soulseek only: the mesh is never asked. Limits that can't be kept are refused by `refuse_unavailable`.
    """

    preferred_codecs: tuple[str, ...] = ("flac", "mp3")
    allow_lossy: bool = True
    max_lossy_tracks_per_album: int | None = None
    prefer_canonical: bool | None = None  # None: audio.canonical_scoring.prefer_canonical
    download_mode: DownloadMode = "any"
    use_overlay: bool = True
    overlay_bandwidth_kbps: int | None = None  # KiB/s over all peers of this job
    target_dir: str | None = None  # relative to the library root
    tracks: tuple[TrackRef, ...] = ()  # empty: all
    original_master: bool | None = None  # None: audio.canonical_scoring.prefer_original_master
    better_than: float | None = None  # quality (0..1) of what is held; a payload must beat it by min_improvement
    min_improvement: float | None = None  # None: audio.canonical_scoring.min_quality_improvement
    redownload: bool = False  # True: fetched even though the library holds a good file of it
    target_profile: str | None = None  # the canonical variant's, set when the job is resolved unless it is given

    def __post_init__(self) -> None:
        """Refuse what no job could mean."""
        if self.download_mode not in get_args(DownloadMode):
            raise ConstraintsInvalid(
                f"download_mode must be one of {', '.join(get_args(DownloadMode))}.", key="download_mode"
            )
        if unknown := [codec for codec in self.preferred_codecs if codec not in CODECS]:
            raise ConstraintsInvalid(
                f"{unknown[0][:40]!r} is no codec; there are {', '.join(CODECS)}.", key="preferred_codecs"
            )
        if len(set(self.preferred_codecs)) < len(self.preferred_codecs):
            raise ConstraintsInvalid("preferred_codecs names a codec twice.", key="preferred_codecs")
        if self.overlay_bandwidth_kbps is not None and self.overlay_bandwidth_kbps < 1:
            raise ConstraintsInvalid("overlay_bandwidth_kbps must be at least 1 KiB/s.", key="overlay_bandwidth_kbps")
        if self.max_lossy_tracks_per_album is not None and self.max_lossy_tracks_per_album < 0:
            raise ConstraintsInvalid("max_lossy_tracks_per_album can't be negative.", key="max_lossy_tracks_per_album")
        if any(ref.medium < 1 or ref.position < 1 for ref in self.tracks):
            raise ConstraintsInvalid("Tracks are counted from 1.", key="tracks")
        if len(self.tracks) > MAX_TRACK_REFS:
            raise ConstraintsInvalid(f"A job names at most {MAX_TRACK_REFS} tracks.", key="tracks")
        for key in ("better_than", "min_improvement"):
            value = getattr(self, key)
            if value is not None and not (math.isfinite(value) and 0 <= value <= 1):
                raise ConstraintsInvalid(f"{key} lies between 0 and 1.", key=key)
        if self.target_profile is not None:
            try:
                parse_profile(self.target_profile)
            except ProfileError as error:
                raise ConstraintsInvalid(
                    "target_profile is no codec profile, such as flac-16-44100-2.", key="target_profile"
                ) from error
        if self.target_dir is not None:
            _check_target_dir(self.target_dir)
        if not self.allow_lossy and self.max_lossy_tracks_per_album:
            raise ConstraintsInvalid(
                "max_lossy_tracks_per_album contradicts allow_lossy: false.", key="max_lossy_tracks_per_album"
            )

    @property
    def lossy_limit(self) -> int | None:
        """How many tracks of the album may be lossy; None: any number."""
        return self.max_lossy_tracks_per_album if self.allow_lossy else 0

    @property
    def quality_floor(self) -> float | None:
        """The quality (0..1) that a payload must reach, rounded to four decimals; None: any. Above 1: nothing can."""
        if self.better_than is None:
            return None
        return round(self.better_than + (self.min_improvement or 0.0), 4)

    def as_configured(self, *, prefer_canonical: bool, original_master: bool, min_improvement: float) -> Constraints:
        """With the configured values where the job leaves them open: what a want of it says."""
        return replace(
            self,
            prefer_canonical=prefer_canonical if self.prefer_canonical is None else self.prefer_canonical,
            original_master=original_master if self.original_master is None else self.original_master,
            min_improvement=min_improvement if self.min_improvement is None else self.min_improvement,
        )

    def to_json(self) -> dict[str, object]:
        """The row's form, with its version."""
        return {"version": CONSTRAINTS_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, value: dict[str, object]) -> Constraints:
        """Read a row's or a request's form. Raises ConstraintsInvalid for unknown keys, wrong types and newer versions."""
        version = value.get("version", CONSTRAINTS_VERSION)
        if not isinstance(version, int) or version > CONSTRAINTS_VERSION:
            raise ConstraintsInvalid("These constraints were written by a newer version.", key="version")
        known = {field.name for field in fields(cls)}
        given = {key: item for key, item in value.items() if key != "version"}
        if unknown := sorted(set(given) - known):
            raise ConstraintsInvalid(f"Unknown constraint: {', '.join(unknown)}.", key=unknown[0])
        return cls(**{key: _read(key, item) for key, item in given.items()})  # type: ignore[arg-type]  # _read checks each key's type


def refuse_unavailable(wishes: Constraints, *, whole_release: bool, soulseek: bool) -> None:
    """Refuse what can't be kept here. `whole_release`: the job is for a release; `soulseek`: there is an account that may be used in this mode.

    Raises ConstraintUnavailable, ConstraintsInvalid.
    """
    if not wishes.use_overlay and not soulseek:
        raise ConstraintUnavailable(
            "Without a Soulseek account (or in mesh mode) there is no source but the overlay, so use_overlay can't be false.",
            key="use_overlay",
        )
    if wishes.tracks and not whole_release:
        raise ConstraintsInvalid("tracks chooses from a release; a recording has none.", key="tracks")


_BOOLEANS = frozenset({"allow_lossy", "use_overlay", "redownload"})
_OPTIONAL_BOOLEANS = frozenset({"prefer_canonical", "original_master"})
_OPTIONAL_FLOATS = frozenset({"better_than", "min_improvement"})
_OPTIONAL_TEXTS = frozenset({"target_dir", "target_profile"})
_OPTIONAL_INTS = frozenset({"max_lossy_tracks_per_album", "overlay_bandwidth_kbps"})


def _read(key: str, item: object) -> object:
    if key in _BOOLEANS and isinstance(item, bool):
        return item
    if key in _OPTIONAL_BOOLEANS and (item is None or isinstance(item, bool)):
        return item
    if key in _OPTIONAL_FLOATS and (item is None or (isinstance(item, int | float) and not isinstance(item, bool))):
        return None if item is None else float(item)
    if key in _OPTIONAL_INTS and (item is None or (isinstance(item, int) and not isinstance(item, bool))):
        return item
    if key == "download_mode" and isinstance(item, str):
        return item
    if key in _OPTIONAL_TEXTS and (item is None or isinstance(item, str)):
        return item
    if key == "preferred_codecs" and isinstance(item, list | tuple) and all(isinstance(codec, str) for codec in item):
        return tuple(codec.lower() for codec in item)
    if key == "tracks" and isinstance(item, list | tuple):
        return tuple(_track_ref(ref) for ref in item)
    raise ConstraintsInvalid(f"Constraint {key} has the wrong type.", key=key)


def _check_target_dir(text: str) -> None:
    """Refuse a folder that is absolute, climbs, or has a part that a filesystem or an eye could stumble over."""
    parts = text.split("/")
    if not text or len(parts) > MAX_TARGET_DIR_PARTS:
        raise ConstraintsInvalid("target_dir is a folder of one to eight parts below the library.", key="target_dir")
    for part in parts:
        plain = part == clean_text(part) and not part.startswith(".") and not part.endswith(".")
        if not part or not plain or len(part.encode()) > MAX_TARGET_PART_BYTES:
            raise ConstraintsInvalid(
                "target_dir is relative to the library, without .., empty parts or characters that some filesystem refuses.",
                key="target_dir",
            )


def _track_ref(item: object) -> TrackRef:
    if isinstance(item, dict):
        medium, position = item.get("medium", 1), item.get("position")
        if isinstance(medium, int) and isinstance(position, int) and not set(item) - {"medium", "position"}:
            return TrackRef(medium=medium, position=position)
    raise ConstraintsInvalid("A track is {medium, position}.", key="tracks")
