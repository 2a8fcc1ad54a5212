"""Which releases a job of jobs is for: of an artist's discography, of a label's crate. Typed, versioned, the same words in API, row and manifest."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Final

from apps.domain.catalog.discography import Filters, Profile, profile_of
from apps.domain.errors import DomainError

SELECTION_VERSION: Final = 1
MAX_RELEASES: Final = 500
"""Children of one job. A crate of 500 releases is months of listening; a discography has no limit unless one is asked for."""
MAX_LABEL_CHARS: Final = 1000
MAX_NAMES: Final = 50


class SelectionInvalid(DomainError):
    """A selection that can't be read or means nothing: `selection_invalid`, with the key and why."""

    default_code = "selection_invalid"

    def __init__(self, sentence: str, *, key: str) -> None:
        super().__init__(sentence, key=key, why=sentence.removesuffix("."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a parent job takes. All optional; None stands for what is configured (`discography.core.*`).

    `profile` and the filters are of discographies, `label_name`, `limit_releases` and `studio_only` of label crates (`limit_releases` of both).
    """

    profile: str = Profile.CORE.value
    exclude_compilations: bool | None = None
    exclude_live: bool | None = None
    secondary_types: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    only_countries: bool = False
    first_editions: bool = False
    official_only: bool = True
    label_name: str = ""
    limit_releases: int | None = None
    studio_only: bool = False

    def __post_init__(self) -> None:
        """Refuse what no selection could mean."""
        try:
            profile_of(self.profile)
        except DomainError as error:
            raise SelectionInvalid(error.sentence, key="profile") from error
        if self.limit_releases is not None and not 1 <= self.limit_releases <= MAX_RELEASES:
            raise SelectionInvalid(f"limit_releases lies between 1 and {MAX_RELEASES}.", key="limit_releases")
        if len(self.label_name) > MAX_LABEL_CHARS or not self.label_name.isprintable():
            raise SelectionInvalid("label_name is a name on one line.", key="label_name")
        for key in ("secondary_types", "countries"):
            names: tuple[str, ...] = getattr(self, key)
            if len(names) > MAX_NAMES or any(not 1 <= len(one) <= 40 or not one.isprintable() for one in names):
                raise SelectionInvalid(f"{key} is a short list of short names.", key=key)
        if self.only_countries and not self.countries:
            raise SelectionInvalid("only_countries needs countries.", key="only_countries")

    def filters(self, *, exclude_compilations: bool, exclude_live: bool, secondary_types: frozenset[str]) -> Filters:
        """As the rules want them, with the configured values where the selection leaves them open."""
        return Filters(
            exclude_compilations=exclude_compilations
            if self.exclude_compilations is None
            else self.exclude_compilations,
            exclude_live=exclude_live if self.exclude_live is None else self.exclude_live,
            secondary_types=frozenset(one.lower() for one in self.secondary_types) or secondary_types,
            countries=tuple(one.upper() for one in self.countries),
            only_countries=self.only_countries,
            first_editions=self.first_editions,
            official_only=self.official_only,
        )

    def to_json(self) -> dict[str, object]:
        """The row's form, with its version."""
        return {"version": SELECTION_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, value: dict[str, object]) -> Selection:
        """Read a row's or a request's form. Raises SelectionInvalid for unknown keys, wrong types and newer versions."""
        version = value.get("version", SELECTION_VERSION)
        if not isinstance(version, int) or isinstance(version, bool) or version > SELECTION_VERSION:
            raise SelectionInvalid("This selection was written by a newer version.", key="version")
        known = {field.name for field in fields(cls)}
        given = {key: item for key, item in value.items() if key != "version"}
        if unknown := sorted(set(given) - known):
            raise SelectionInvalid(f"Unknown selection: {unknown[0][:40]}.", key=unknown[0][:40])
        return cls(**{key: _read(key, item) for key, item in given.items()})  # type: ignore[arg-type]  # _read checks each key's type


_TEXTS: Final = frozenset({"profile", "label_name"})
_BOOLEANS: Final = frozenset({"only_countries", "first_editions", "official_only", "studio_only"})
_OPTIONAL_BOOLEANS: Final = frozenset({"exclude_compilations", "exclude_live"})
_NAMES: Final = frozenset({"secondary_types", "countries"})


def _read(key: str, item: object) -> object:
    if key in _TEXTS and isinstance(item, str):
        return item
    if key in _BOOLEANS and isinstance(item, bool):
        return item
    if key in _OPTIONAL_BOOLEANS and (item is None or isinstance(item, bool)):
        return item
    if key in _NAMES and isinstance(item, list | tuple) and all(isinstance(one, str) for one in item):
        return tuple(item)
    if key == "limit_releases" and (item is None or (isinstance(item, int) and not isinstance(item, bool))):
        return item
    raise SelectionInvalid(f"{key} has the wrong type.", key=key)
