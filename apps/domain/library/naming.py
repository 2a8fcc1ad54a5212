"""Where a finished file goes: the only function through which peer or MusicBrainz text reaches a path.

A template such as `{albumartist}/{album} ({year})/{disc_track} {title}.{ext}` is split at its slashes *before* any text is put in, so that text
can never add, remove or climb a folder. `<…>` is an optional part: it stays if every field in it has something to say; of `<…|…>` the first that can
stay does. A folder that is nothing but optional parts and says nothing is left out: `{album}/<CD {multidisc}>/{track} <{trackartist} - >{title}.{ext}`.
Distinct discs never share names: where a template shows no disc, the track's number does. Each component is then made safe for Linux, macOS and
Windows filesystems alike:

* NFC; control, bidi, zero-width and other format characters, surrogates and noncharacters are dropped (the joiner inside emoji stays);
  every kind of white space becomes one space;
* `/` `\\` `:` `|` become `-`, `"` becomes `'`, `*` `?` `<` `>` become `_`;
* leading dots and trailing dots or spaces become `_` or go; Windows' device names get a `_`;
* at most 255 bytes of UTF-8 with the extension; the longest text of a component is shortened, never its numbers.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from apps.domain.errors import DomainError

DEFAULT_TEMPLATE = "{albumartist}/{album} ({year})/{disc_track} {title}.{ext}"
MAX_COMPONENT_BYTES = 255
"""NAME_MAX of ext4, XFS, Btrfs, ZFS, APFS and (in bytes, so stricter than its 255 UTF-16 units) NTFS."""
MAX_COMPONENTS = 8
MAX_TEXT_CHARS = 4096
"""Longer text from outside is cut before any work is done on it."""

FIELDS = frozenset(
    {
        "albumartist", "albumartist_sort", "artist", "trackartist", "initial", "album", "year", "originalyear", "disc", "multidisc", "disctitle",
        "track", "disc_track", "title", "ext", "label", "catalog_number", "country", "type", "media", "codec",
    }
)  # fmt: skip
_NUMBERS = frozenset({"year", "originalyear", "disc", "multidisc", "track", "disc_track", "ext"})
_TELLS_DISC = frozenset({"disc", "multidisc", "disc_track"})
_PLACEHOLDERS = {
    "albumartist": "Unknown Artist",
    "artist": "Unknown Artist",
    "album": "Unknown Album",
    "title": "Untitled",
}
"""What stands for a name nobody knows."""
_FIELD = re.compile(r"\{([a-z_]*)\}")
_OPTIONAL = re.compile(r"<([^<>]*)>")
_REPLACED = str.maketrans({"/": "-", "\\": "-", ":": "-", "|": "-", '"': "'", "*": "_", "?": "_", "<": "_", ">": "_"})
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{kind}{digit}" for kind in ("com", "lpt") for digit in "0123456789¹²³"}
)
_EXTENSION = re.compile(r"[a-z0-9]{1,8}")
_JOINERS = "\u200c\u200d"


class TemplateError(DomainError):
    """A naming template that cannot make safe, distinct names."""

    default_code = "naming_template_invalid"


class NameFactsError(DomainError):
    """Facts from which no name can be made."""

    default_code = "naming_facts_invalid"


@dataclass(frozen=True, slots=True)
class NameFacts:
    """What a name is made of. Texts are anybody's; numbers are ours."""

    title: str
    ext: str
    """Lower-case extension without its dot; chosen by us from the container. Raises NameFactsError unless 1..8 of [a-z0-9]."""
    track: int
    """Position on its medium, from 1; 0 = unknown (a pregap or hidden track)."""
    albumartist: str = ""
    """The release's artist credit ("Various Artists" for compilations)."""
    artist: str = ""
    """The track's artist credit."""
    album: str = ""
    year: int | None = None
    disc: int = 1
    discs: int = 1
    label: str = ""
    catalog_number: str = ""
    albumartist_sort: str = ""
    """ "Davis, Miles"."""
    disctitle: str = ""
    """Of the medium."""
    originalyear: int | None = None
    """Of the release group."""
    country: str = ""
    type: str = ""
    """Of the release group: Album, Single, EP …"""
    media: str = ""
    """Format of the medium: CD, Vinyl, Digital Media …"""
    codec: str = ""
    """FLAC, MP3 …"""

    def __post_init__(self) -> None:
        if _EXTENSION.fullmatch(self.ext) is None:
            raise NameFactsError("A file's extension has one to eight letters or digits.", ext=self.ext[:16])
        if not 0 <= self.track <= 9999 or not 0 <= self.disc <= 999 or not 0 <= self.discs <= 999:
            raise NameFactsError("Track and disc numbers are small and not negative.", track=self.track, disc=self.disc)
        for year in (self.year, self.originalyear):
            if year is not None and not 0 < year <= 9999:
                raise NameFactsError("A year has one to four digits.", year=year)


def check_template(template: str) -> None:
    """Raise TemplateError, with a sentence for the person who wrote it, unless the template can be used.

    Rules: relative, 1 to 8 components, none empty; only the known fields, no other braces; optional parts neither nested nor across a slash; ends in
    `.{ext}`, which stands nowhere else; the last component holds {disc_track}, {track} or {title} whatever is known, so that tracks differ; its own text
    is already safe in every filesystem.
    """
    components = template.split("/")
    if not template or len(template) > 512:
        raise TemplateError("A naming template has 1 to 512 characters.")
    if len(components) > MAX_COMPONENTS:
        raise TemplateError("A naming template has at most 8 folder levels.", levels=len(components))
    for component in components:
        literal = _FIELD.sub("", _OPTIONAL.sub(lambda part: part[1].replace("|", ""), component))
        if "<" in literal or ">" in literal:
            raise TemplateError(
                "An optional part <…> ends in its own folder level and holds no other one.", part=component
            )
        if not component.strip() or component in (".", ".."):
            raise TemplateError(
                "Every part of a naming template between slashes needs a name, and it is relative.", part=component
            )
        if "{" in literal or "}" in literal:
            raise TemplateError("Braces in a naming template only enclose a field's name.", part=component)
        if clean_text(literal.replace(" ", "")) != literal.replace(" ", ""):
            raise TemplateError(
                "This part of the naming template has characters that some filesystem refuses.", part=component
            )
        unknown = sorted(set(_FIELD.findall(component)) - FIELDS)
        if unknown:
            raise TemplateError(
                "The naming template has an unknown field.", field=unknown[0], known=", ".join(sorted(FIELDS))
            )
    if not template.endswith(".{ext}") or template.count("{ext}") != 1:
        raise TemplateError("A naming template ends in .{ext}, once.")
    if not {"disc_track", "track", "title"} & set(_FIELD.findall(_OPTIONAL.sub("", components[-1]))):
        raise TemplateError("The file name of a naming template needs {disc_track}, {track} or {title}.")


def path_components(facts: NameFacts, *, template: str = DEFAULT_TEMPLATE) -> tuple[str, ...]:
    """The safe relative path of a file: folders, then the file name. Raises TemplateError for a template that `check_template` refuses.

    An unknown year (or any empty field) takes the brackets around it along. Never empty, never `.` or `..`; the same facts give the same path.
    """
    check_template(template)
    values = _values(facts)
    *folders, name = _settled(facts, template, values)
    shown = {field: values[field] or _PLACEHOLDERS.get(field, "") for field in values}
    made = [_component(folder, shown, reserve=0) for folder in folders if folder.strip()]
    stem = _component(name, shown, reserve=len(facts.ext) + 1)
    return (*made, f"{stem}.{facts.ext}")


def missing_fields(facts: NameFacts, *, template: str = DEFAULT_TEMPLATE) -> tuple[str, ...]:
    """Fields that the template shows and of which nothing is known, so that a placeholder or a gap would stand there. Raises TemplateError.

    Not those in brackets or optional parts, which go without.
    """
    check_template(template)
    values = _values(facts)
    parts = [_without_empty_brackets(part, values) for part in _settled(facts, template, values)]
    unknown = {field for part in parts for field in _FIELD.findall(part) if not values[field]}
    if facts.track == 0:
        unknown |= {"track", "disc_track"} & {field for part in parts for field in _FIELD.findall(part)}
    return tuple(sorted(unknown))


def relative_path(facts: NameFacts, *, template: str = DEFAULT_TEMPLATE) -> bytes:
    """`path_components` joined by slashes, as the raw bytes (UTF-8) rows keep."""
    return "/".join(path_components(facts, template=template)).encode()


def numbered(name: str, number: int) -> str:
    """The name to try when `name` is taken: `stem (2).ext`. Still at most 255 bytes. `number` ≥ 2."""
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem:
        stem, extension = name, ""
    suffix = f" ({number}){dot if extension else ''}{extension}"
    return _cut(stem, MAX_COMPONENT_BYTES - len(suffix.encode())) + suffix


def safe_name(text: str) -> str:
    """One folder's or file's name as somebody else calls it, made safe; its extension stays if it is a short one. Never empty, never `.` or `..`."""
    stem, dot, extension = text.rpartition(".")
    if not dot or not stem or not 1 <= len(extension) <= 8:
        stem, extension = text, ""
    tail = _safe(f"x.{extension}")[1:] if extension else ""
    made = _safe(_cut(_safe(stem), MAX_COMPONENT_BYTES - 1 - len(tail.encode())))
    return made + tail


def clean_text(text: str) -> str:
    """Text without anything a filesystem, a terminal or a reader's eye could be fooled by; may be empty. Not yet a component."""
    text = unicodedata.normalize("NFC", text[:MAX_TEXT_CHARS])
    kept = "".join(_clean_character(character) for character in text)
    kept = unicodedata.normalize("NFC", kept).translate(_REPLACED)
    return re.sub(r" +", " ", kept).strip(" " + _JOINERS)


def _clean_character(character: str) -> str:
    if character in _JOINERS:
        return character
    category = unicodedata.category(character)
    if category in ("Zs", "Zl", "Zp") or character in "\t\n\v\f\r\x85":
        return " "
    if category in ("Cc", "Cf", "Cs") or ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF:
        return ""
    # Blank letters that pass for a space or for nothing (Hangul fillers, Braille blank).
    return "" if character in "\u115f\u1160\u3164\uffa0\u2800" else character


def _values(facts: NameFacts) -> dict[str, str]:
    """Every field as safe text; empty where nothing is known."""
    track = f"{facts.track:02d}"
    artist, albumartist = clean_text(facts.artist), clean_text(facts.albumartist)
    whose = clean_text(facts.albumartist_sort) or albumartist or artist
    several = facts.discs > 1 or facts.disc > 1
    return {
        "albumartist": albumartist or artist,
        "albumartist_sort": whose,
        "artist": artist or albumartist,
        "trackartist": artist if artist.casefold() != albumartist.casefold() and albumartist else "",
        "initial": _initial(whose),
        "album": clean_text(facts.album),
        "year": f"{facts.year:04d}" if facts.year else "",
        "originalyear": f"{facts.originalyear:04d}" if facts.originalyear else "",
        "disc": str(facts.disc),
        "multidisc": str(facts.disc) if several else "",
        "disctitle": clean_text(facts.disctitle),
        "track": track,
        "disc_track": f"{facts.disc}-{track}" if several else track,
        "title": clean_text(facts.title),
        "label": clean_text(facts.label),
        "catalog_number": clean_text(facts.catalog_number),
        "country": clean_text(facts.country),
        "type": clean_text(facts.type),
        "media": clean_text(facts.media),
        "codec": clean_text(facts.codec),
    }


def _initial(name: str) -> str:
    """The letter a name is sorted under: upper case without its accent; # for anything else; empty for no name."""
    if not name:
        return ""
    first = unicodedata.normalize("NFKD", name)[:1].upper()[:1]
    return first if first.isalpha() else "#"


def _settled(facts: NameFacts, template: str, values: dict[str, str]) -> list[str]:
    """The template's components with optional parts decided, the last without its extension. A disc that nothing tells is told by the number."""
    parts = [_OPTIONAL.sub(lambda part: _alternative(part[1], values), part) for part in template.split("/")]
    parts[-1] = parts[-1].removesuffix(".{ext}")
    if (facts.discs > 1 or facts.disc > 1) and not _TELLS_DISC & {
        one for part in parts for one in _FIELD.findall(part)
    }:
        numbered_name = parts[-1].replace("{track}", "{disc_track}")
        parts[-1] = numbered_name if numbered_name != parts[-1] else "{disc}-" + parts[-1]
    return parts


def _alternative(part: str, values: dict[str, str]) -> str:
    return next((one for one in part.split("|") if all(values.get(field) for field in _FIELD.findall(one))), "")


def _without_empty_brackets(part: str, values: dict[str, str]) -> str:
    for field in _FIELD.findall(part):
        if not values[field]:
            part = re.sub(r" ?[(\[]\{" + field + r"\}[)\]]", "", part)
    return part


def _component(template: str, values: dict[str, str], *, reserve: int) -> str:
    """One safe component of at most 255 − `reserve` bytes."""
    template = _without_empty_brackets(template, values)
    used = {field: values[field] for field in _FIELD.findall(template)}
    limit = MAX_COMPONENT_BYTES - reserve
    while True:
        made = _safe(_FIELD.sub(lambda match: used[match[1]], template))
        over = len(made.encode()) - limit
        if over <= 0:
            return made
        longest = max(used.keys() - _NUMBERS, key=lambda field: (len(used[field].encode()), field), default=None)
        if longest is None or len(used[longest].encode()) <= 1:
            return _safe(_cut(made, limit - 1))
        used[longest] = _cut(used[longest], max(1, len(used[longest].encode()) - over))


def _safe(component: str) -> str:
    """Dots, spaces and device names; the component may have grown by one byte."""
    component = clean_text(component)
    if component.startswith("."):
        component = "_" + component[1:]
    if component.endswith("."):
        component = component[:-1] + "_"
    stem, dot, rest = component.partition(".")
    if stem.rstrip(" ").lower() in _DEVICES:
        component = f"{stem.rstrip(' ')}_{dot}{rest}"
    return component or "_"


def _cut(text: str, limit: int) -> str:
    """The longest prefix of whole characters within `limit` bytes, without a dangling space or joiner at its end."""
    return text.encode()[: max(0, limit)].decode(errors="ignore").rstrip(" " + _JOINERS)
