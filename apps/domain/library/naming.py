"""Where a finished file goes: the only function through which peer or MusicBrainz text reaches a path.

A template such as `{albumartist}/{album} ({year})/{disc_track} {title}.{ext}` is split at its slashes *before* any text is put in, so that text
can never add, remove or climb a folder. Each component is then made safe for Linux, macOS and Windows filesystems alike:

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
    {"albumartist", "artist", "album", "year", "disc", "track", "disc_track", "title", "ext", "label", "catalog_number"}
)
_NUMBERS = frozenset({"year", "disc", "track", "disc_track", "ext"})
_FIELD = re.compile(r"\{([a-z_]*)\}")
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

    def __post_init__(self) -> None:
        if _EXTENSION.fullmatch(self.ext) is None:
            raise NameFactsError("A file's extension has one to eight letters or digits.", ext=self.ext[:16])
        if not 0 <= self.track <= 9999 or not 0 <= self.disc <= 999 or not 0 <= self.discs <= 999:
            raise NameFactsError("Track and disc numbers are small and not negative.", track=self.track, disc=self.disc)
        if self.year is not None and not 0 < self.year <= 9999:
            raise NameFactsError("A year has one to four digits.", year=self.year)


def check_template(template: str) -> None:
    """Raise TemplateError, with a sentence for the person who wrote it, unless the template can be used.

    Rules: relative, 1 to 8 components, none empty; only the known fields, no other braces; ends in `.{ext}`, which stands nowhere else; the last component
    holds {disc_track}, {track} or {title}, so that tracks differ; its own text is already safe in every filesystem.
    """
    components = template.split("/")
    if not template or len(template) > 512:
        raise TemplateError("A naming template has 1 to 512 characters.")
    if len(components) > MAX_COMPONENTS:
        raise TemplateError("A naming template has at most 8 folder levels.", levels=len(components))
    for component in components:
        literal = _FIELD.sub("", component)
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
    if not {"disc_track", "track", "title"} & set(_FIELD.findall(components[-1])):
        raise TemplateError("The file name of a naming template needs {disc_track}, {track} or {title}.")


def path_components(facts: NameFacts, *, template: str = DEFAULT_TEMPLATE) -> tuple[str, ...]:
    """The safe relative path of a file: folders, then the file name. Raises TemplateError for a template that `check_template` refuses.

    An unknown year (or any empty field) takes the brackets around it along. Never empty, never `.` or `..`; the same facts give the same path.
    """
    check_template(template)
    values = _values(facts)
    *folders, name = template.split("/")
    made = [_component(folder, values, reserve=0) for folder in folders]
    stem = _component(name.removesuffix(".{ext}"), values, reserve=len(facts.ext) + 1)
    return (*made, f"{stem}.{facts.ext}")


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
    track = f"{facts.track:02d}"
    artist = clean_text(facts.artist)
    return {
        "albumartist": clean_text(facts.albumartist) or artist or "Unknown Artist",
        "artist": artist or clean_text(facts.albumartist) or "Unknown Artist",
        "album": clean_text(facts.album) or "Unknown Album",
        "year": f"{facts.year:04d}" if facts.year else "",
        "disc": str(facts.disc),
        "track": track,
        "disc_track": f"{facts.disc}-{track}" if facts.discs > 1 or facts.disc > 1 else track,
        "title": clean_text(facts.title) or "Untitled",
        "label": clean_text(facts.label),
        "catalog_number": clean_text(facts.catalog_number),
    }


def _component(template: str, values: dict[str, str], *, reserve: int) -> str:
    """One safe component of at most 255 − `reserve` bytes."""
    for field in _FIELD.findall(template):
        if not values[field]:
            template = re.sub(r" ?[(\[]\{" + field + r"\}[)\]]", "", template)
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
