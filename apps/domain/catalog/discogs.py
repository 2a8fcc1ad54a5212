"""Releases, masters, labels and artists of Discogs, read from its API's JSON into bounded, cleaned values. Pure.

What people typed into Discogs has every shape: a field that is not what it should be is taken as not told, and only an answer without an id or a name
is DiscogsGarbled. `to_json` of a value is a subset of the API's own JSON, so that rows are read by the same functions as answers. How a release's
lines become tracks on media: `apps.domain.catalog.discogs_tracks`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from apps.domain.catalog.fields import MAX_TEXT_CHARS, clean
from apps.domain.catalog.links import DiscogsKind
from apps.domain.errors import DomainError

MAX_LINES: Final = 2000
"""Lines of a tracklist, sub-tracks counted. The largest boxes have about a thousand."""
MAX_LISTED: Final = 50
"""Of artists, labels, formats, genres, aliases …: more are not shown anywhere."""
MAX_PROFILE_CHARS: Final = 4000
MAX_ID: Final = 10**10
MAX_DURATION_S: Final = 48 * 3600

T = TypeVar("T")

_NUMBERED: Final = re.compile(r"\s*\(\d{1,5}\)\s*\Z")
_DATE: Final = re.compile(r"((?:19|20|18)\d\d)(?:-(\d\d))?(?:-(\d\d))?")
_DURATION: Final = re.compile(
    r"(?:ca\.?|~|±)?\s*(?:(\d{1,2})\s*[:.'’h]\s*)?(\d{1,3})\s*[:.'’′]\s*(\d{2})\s*(?:[\"”″]|'')?", re.IGNORECASE
)
_SPACES: Final = re.compile(r"\s+")
_BARCODE_SIGNS: Final = re.compile(r"[\s.\-–>]+")


class DiscogsGarbled(DomainError):
    """An answer that is not what Discogs gives: another shape, or without an id. Asking again may help."""

    default_code = "discogs_garbled"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsCredit:
    """An artist in a credit. `name` as Discogs keeps it, with the number that tells namesakes apart; `anv`: as printed here; `join`: what stands behind."""

    id: int
    name: str
    anv: str = ""
    join: str = ""
    role: str = ""

    @property
    def shown(self) -> str:
        """As printed, without number and mark."""
        return plain_name(self.anv or self.name)

    def to_json(self) -> dict[str, object]:
        return _told(id=self.id, name=self.name, anv=self.anv, join=self.join, role=self.role)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsNamed:
    """Something of Discogs that another thing names: a member, alias, sublabel …"""

    id: int
    name: str

    @property
    def shown(self) -> str:
        """Without number and mark."""
        return plain_name(self.name)

    def to_json(self) -> dict[str, object]:
        return _told(id=self.id, name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsLabelNumber:
    """A label with the catalogue number that the release has there ("" for none)."""

    id: int
    name: str
    catno: str = ""

    @property
    def shown(self) -> str:
        """The label without number and mark."""
        return plain_name(self.name)

    def to_json(self) -> dict[str, object]:
        return _told(id=self.id, name=self.name, catno=self.catno)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsFormat:
    """A line of the format: "2 × Vinyl, LP, Album, Gatefold". `qty` 0: not told."""

    name: str
    qty: int = 1
    descriptions: tuple[str, ...] = ()
    text: str = ""

    def to_json(self) -> dict[str, object]:
        return _told(name=self.name, qty=str(self.qty), descriptions=list(self.descriptions), text=self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsLine:
    """A line of the tracklist. `kind`: track, heading, index, or "" where it is not told. `duration_s` None: not told, or not readable."""

    position: str
    title: str
    kind: str = ""
    duration_s: int | None = None
    artists: tuple[DiscogsCredit, ...] = ()
    subs: tuple[DiscogsLine, ...] = ()

    def to_json(self) -> dict[str, object]:
        return {
            "position": self.position,
            "title": self.title,
            "duration": duration_text(self.duration_s),
            **_told(
                type_=self.kind,
                artists=[one.to_json() for one in self.artists],
                sub_tracks=[one.to_json() for one in self.subs],
            ),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsRelease:
    """One edition. `date`: YYYY, YYYY-MM, YYYY-MM-DD or ""; `master_id` 0: it has none."""

    id: int
    title: str
    artists: tuple[DiscogsCredit, ...] = ()
    date: str = ""
    country: str = ""
    labels: tuple[DiscogsLabelNumber, ...] = ()
    formats: tuple[DiscogsFormat, ...] = ()
    genres: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    barcodes: tuple[str, ...] = ()
    master_id: int = 0
    lines: tuple[DiscogsLine, ...] = ()

    @property
    def credit(self) -> str:
        """The artists as printed."""
        return credit_text(self.artists)

    @property
    def year(self) -> str:
        return self.date[:4]

    def to_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "title": self.title,
            **_told(
                artists=[one.to_json() for one in self.artists],
                released=self.date,
                country=self.country,
                labels=[one.to_json() for one in self.labels],
                formats=[one.to_json() for one in self.formats],
                genres=list(self.genres),
                styles=list(self.styles),
                identifiers=[{"type": "Barcode", "value": one} for one in self.barcodes],
                master_id=self.master_id,
                tracklist=[one.to_json() for one in self.lines],
            ),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsMaster:
    """An album with all its editions; its tracklist is that of its main release."""

    id: int
    title: str
    artists: tuple[DiscogsCredit, ...] = ()
    year: str = ""
    main_release: int = 0
    genres: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    lines: tuple[DiscogsLine, ...] = ()

    @property
    def credit(self) -> str:
        """The artists as printed."""
        return credit_text(self.artists)

    def to_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "title": self.title,
            **_told(
                artists=[one.to_json() for one in self.artists],
                year=int(self.year or 0),
                main_release=self.main_release,
                genres=list(self.genres),
                styles=list(self.styles),
                tracklist=[one.to_json() for one in self.lines],
            ),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsLabel:
    """A record label."""

    id: int
    name: str
    profile: str = ""
    parent: DiscogsNamed | None = None
    sublabels: tuple[DiscogsNamed, ...] = ()
    urls: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """Without number and mark."""
        return plain_name(self.name)

    def to_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "name": self.name,
            **_told(
                profile=self.profile,
                parent_label=self.parent.to_json() if self.parent else None,
                sublabels=[one.to_json() for one in self.sublabels],
                urls=list(self.urls),
            ),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsArtist:
    """A person or group."""

    id: int
    name: str
    real_name: str = ""
    profile: str = ""
    variations: tuple[str, ...] = ()
    aliases: tuple[DiscogsNamed, ...] = ()
    members: tuple[DiscogsNamed, ...] = ()
    groups: tuple[DiscogsNamed, ...] = ()
    urls: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """Without number and mark."""
        return plain_name(self.name)

    def to_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "name": self.name,
            **_told(
                realname=self.real_name,
                profile=self.profile,
                namevariations=list(self.variations),
                aliases=[one.to_json() for one in self.aliases],
                members=[one.to_json() for one in self.members],
                groups=[one.to_json() for one in self.groups],
                urls=list(self.urls),
            ),
        }


DiscogsFacts: TypeAlias = DiscogsRelease | DiscogsMaster | DiscogsLabel | DiscogsArtist


def read_discogs(kind: DiscogsKind, value: object) -> DiscogsFacts:
    """Read what the API (or a row) says of one thing. Raises DiscogsGarbled."""
    match kind:
        case DiscogsKind.RELEASE:
            return read_release(value)
        case DiscogsKind.MASTER:
            return read_master(value)
        case DiscogsKind.LABEL:
            return read_label(value)
        case DiscogsKind.ARTIST:
            return read_artist(value)


def read_release(value: object) -> DiscogsRelease:
    """`GET /releases/{id}`. Raises DiscogsGarbled."""
    entity = _entity(value, "title")
    return DiscogsRelease(
        id=_id(entity, "id"),
        title=_text(entity, "title"),
        artists=_many(entity, "artists", _credit),
        date=_date(_text(entity, "released")) or _year(entity),
        country=_text(entity, "country")[:80],
        labels=_many(entity, "labels", _label_number),
        formats=_many(entity, "formats", _format),
        genres=_texts(entity, "genres"),
        styles=_texts(entity, "styles"),
        barcodes=_barcodes(entity),
        master_id=_id(entity, "master_id"),
        lines=_lines(entity),
    )


def read_master(value: object) -> DiscogsMaster:
    """`GET /masters/{id}`. Raises DiscogsGarbled."""
    entity = _entity(value, "title")
    return DiscogsMaster(
        id=_id(entity, "id"),
        title=_text(entity, "title"),
        artists=_many(entity, "artists", _credit),
        year=_year(entity),
        main_release=_id(entity, "main_release"),
        genres=_texts(entity, "genres"),
        styles=_texts(entity, "styles"),
        lines=_lines(entity),
    )


def read_label(value: object) -> DiscogsLabel:
    """`GET /labels/{id}`. Raises DiscogsGarbled."""
    entity = _entity(value, "name")
    parent = entity.get("parent_label")
    return DiscogsLabel(
        id=_id(entity, "id"),
        name=_text(entity, "name"),
        profile=_profile(entity),
        parent=_named(parent) if isinstance(parent, Mapping) else None,
        sublabels=_many(entity, "sublabels", _named),
        urls=_texts(entity, "urls"),
    )


def read_artist(value: object) -> DiscogsArtist:
    """`GET /artists/{id}`. Raises DiscogsGarbled."""
    entity = _entity(value, "name")
    return DiscogsArtist(
        id=_id(entity, "id"),
        name=_text(entity, "name"),
        real_name=_text(entity, "realname"),
        profile=_profile(entity),
        variations=_texts(entity, "namevariations"),
        aliases=_many(entity, "aliases", _named),
        members=_many(entity, "members", _named),
        groups=_many(entity, "groups", _named),
        urls=_texts(entity, "urls"),
    )


def plain_name(name: str) -> str:
    """A name as people know it: without the number of namesakes ("Dune (3)"), without the mark of a variation ("Dune*"), and with an article that was put
    behind in front again ("Persuader, The"). A name that is nothing else stays."""
    plain = name.strip()
    plain = plain.rstrip("*").strip() or plain
    plain = _NUMBERED.sub("", plain).rstrip("*").strip() or plain
    front, comma, article = plain.rpartition(", ")
    if comma and article.casefold() == "the":
        return f"{article} {front}"
    return plain


def credit_text(artists: tuple[DiscogsCredit, ...]) -> str:
    """The credit as printed: names with what stands between them; an artist that is repeated in other letters ("X = Ｘ") stands once."""
    parts: list[str] = []
    for index, one in enumerate(artists):
        if index and artists[index - 1].join.strip() == "=" and artists[index - 1].id == one.id:
            continue
        last = index == len(artists) - 1 or (
            one.join.strip() == "=" and artists[index + 1].id == one.id and index == len(artists) - 2
        )
        parts.append(one.shown + ("" if last else _joined(one.join)))
    return "".join(parts)[:MAX_TEXT_CHARS]


def duration_of(text: str) -> int | None:
    """Seconds of "3:45", "1:02:03", "3.45", "3'45\\"", "(3:45)", "ca. 3:45"; None for what is none, and for 0."""
    match = _DURATION.fullmatch(text.strip().strip("()[]").strip())
    if match is None:
        return None
    hours, minutes, seconds = int(match[1] or 0), int(match[2]), int(match[3])
    total = 3600 * hours + 60 * minutes + seconds
    return total if seconds < 60 and 0 < total <= MAX_DURATION_S else None


def duration_text(seconds: int | None) -> str:
    """As Discogs writes it; "" for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _joined(join: str) -> str:
    sign = join.strip()
    if not sign:
        return ", "
    return f"{sign} " if sign == "," else f" {sign} "


def _entity(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise DiscogsGarbled("Discogs answered with something of another shape.", field="answer")
    if not _id(value, "id"):
        raise DiscogsGarbled("Discogs answered with something that has no id.", field="id")
    if not isinstance(value.get(name), str):
        raise DiscogsGarbled("Discogs answered with something that has no name.", field=name)
    return value


def _id(entity: Mapping[str, object], key: str) -> int:
    value = entity.get(key)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 10:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < MAX_ID else 0


def _text(entity: Mapping[str, object], key: str) -> str:
    value = entity.get(key)
    return _SPACES.sub(" ", clean(value)).strip() if isinstance(value, str) else ""


def _texts(entity: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = entity.get(key)
    listed = value if isinstance(value, list) else []
    texts = (_SPACES.sub(" ", clean(one)).strip() for one in listed[: 4 * MAX_LISTED] if isinstance(one, str))
    return tuple(dict.fromkeys(one for one in texts if one))[:MAX_LISTED]


def _objects(entity: Mapping[str, object], key: str, most: int) -> Iterator[Mapping[str, object]]:
    value = entity.get(key)
    for one in value[:most] if isinstance(value, list) else ():
        if isinstance(one, Mapping):
            yield one


def _many(entity: Mapping[str, object], key: str, read: Callable[[Mapping[str, object]], T | None]) -> tuple[T, ...]:
    found = (read(one) for one in _objects(entity, key, MAX_LISTED))
    return tuple(one for one in found if one is not None)


def _credit(value: Mapping[str, object]) -> DiscogsCredit | None:
    name = _text(value, "name")
    if not name:
        return None
    anv, join = _text(value, "anv"), _text(value, "join")[:40]
    return DiscogsCredit(id=_id(value, "id"), name=name, anv=anv, join=join, role=_text(value, "role")[:200])


def _named(value: Mapping[str, object]) -> DiscogsNamed | None:
    name = _text(value, "name")
    return DiscogsNamed(id=_id(value, "id"), name=name) if name else None


def _label_number(value: Mapping[str, object]) -> DiscogsLabelNumber | None:
    name, number = _text(value, "name"), _text(value, "catno")[:200]
    if not name:
        return None
    return DiscogsLabelNumber(id=_id(value, "id"), name=name, catno="" if number.casefold() == "none" else number)


def _format(value: Mapping[str, object]) -> DiscogsFormat | None:
    name, qty = _text(value, "name")[:80], value.get("qty")
    if not name:
        return None
    count = int(qty) if isinstance(qty, str) and qty.isascii() and qty.isdecimal() and len(qty) <= 4 else 1
    return DiscogsFormat(
        name=name, qty=count, descriptions=_texts(value, "descriptions"), text=_text(value, "text")[:200]
    )


def _barcodes(entity: Mapping[str, object]) -> tuple[str, ...]:
    found: list[str] = []
    for one in _objects(entity, "identifiers", 4 * MAX_LISTED):
        if _text(one, "type").casefold() == "barcode":
            digits = _BARCODE_SIGNS.sub("", _text(one, "value"))
            if digits.isascii() and digits.isdecimal() and 8 <= len(digits) <= 14:
                found.append(digits)
    return tuple(dict.fromkeys(found))[:MAX_LISTED]


def _lines(entity: Mapping[str, object]) -> tuple[DiscogsLine, ...]:
    left = MAX_LINES

    def read(value: Mapping[str, object], *, sub: bool) -> DiscogsLine:
        nonlocal left
        left -= 1
        subs: list[DiscogsLine] = []
        if not sub:
            for one in _objects(value, "sub_tracks", MAX_LINES):
                if left <= 0:
                    break
                subs.append(read(one, sub=True))
        kind = _text(value, "type_").casefold()
        return DiscogsLine(
            position=_text(value, "position")[:40],
            title=_text(value, "title"),
            kind=kind if kind in {"track", "heading", "index"} else "",
            duration_s=duration_of(_text(value, "duration")[:40]),
            artists=_many(value, "artists", _credit),
            subs=tuple(subs),
        )

    found: list[DiscogsLine] = []
    for one in _objects(entity, "tracklist", MAX_LINES):
        if left <= 0:
            break
        found.append(read(one, sub=False))
    return tuple(found)


def _date(text: str) -> str:
    """As far as it is one; Discogs writes unknown parts as 00."""
    match = _DATE.match(text)
    if match is None:
        return ""
    year, month, day = match[1], match[2] or "00", match[3] or "00"
    if not 1 <= int(month) <= 12:
        return year
    return f"{year}-{month}-{day}" if 1 <= int(day) <= 31 else f"{year}-{month}"


def _year(entity: Mapping[str, object]) -> str:
    value = entity.get("year")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and 1800 <= value <= 2999 else ""


def _profile(entity: Mapping[str, object]) -> str:
    """Several lines are cut to what `clean` takes at once each, so that long ones stay bounded."""
    value = entity.get("profile")
    if not isinstance(value, str):
        return ""
    lines = (clean(line).strip() for line in value[:MAX_PROFILE_CHARS].splitlines())
    return "\n".join(lines).strip()


def _told(**fields: object) -> dict[str, object]:
    """Without what is not told."""
    return {key: value for key, value in fields.items() if value not in ("", 0, None, [])}
