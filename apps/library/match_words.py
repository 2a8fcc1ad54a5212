"""The words of a folder's match: its states, its decision, every penalty. Rows keep codes and params."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from apps.common.sentences import sentence
from apps.common.text import display_text
from apps.domain.matching.states import FolderState

Params = Mapping[str, object]

STATE_WORDS: Final[Mapping[str, Promise]] = {
    FolderState.PENDING: lazy("Waiting"),
    FolderState.MATCHED: lazy("Matched"),
    FolderState.AMBIGUOUS: lazy("Your decision"),
    FolderState.UNMATCHED: lazy("Not matched"),
    FolderState.CONFIRMED: lazy("Confirmed by you"),
    FolderState.IGNORED: lazy("Ignored"),
}
STATE_LOOKS: Final[Mapping[str, tuple[str, str]]] = {
    FolderState.PENDING: ("info", "clock"),
    FolderState.MATCHED: ("ok", "check"),
    FolderState.AMBIGUOUS: ("warn", "warning"),
    FolderState.UNMATCHED: ("warn", "info"),
    FolderState.CONFIRMED: ("ok", "check"),
    FolderState.IGNORED: ("info", "cross"),
}
"""State → (tone, icon) of its chip."""

DECISIONS: Final[Mapping[str, Promise]] = {
    "complete": lazy("Every track of the release is here, and nothing else."),
    "partly": lazy("{tracks} of {of} tracks of the release are here; files that are not of it: {extra}."),
    "equal_tracklist": lazy(
        "Several editions have this very tracklist; nothing in the files tells them apart. Pick any: only the sleeve differs."
    ),
    "editions_alike": lazy("{alike} other editions of the album fit as well. Choose the one you have."),
    "releases_alike": lazy("{alike} other releases fit as well. Choose the one you have."),
    "fits_badly": lazy("The nearest release fits, but not well enough to be sure."),
    "nothing_fits": lazy("None of the releases that were compared fits these files."),
    "loose_tracks": lazy(
        "These are {tracks} of {of} tracks of the nearest release, and their tags do not name it: loose tracks."
    ),
    "no_candidates": lazy(
        "No release was found that these files could be. Tags with artist and album, or fingerprints, would help."
    ),
    "no_tracks": lazy("There is no readable music in this folder."),
    "several_albums": lazy("The tags name {albums} albums; {matched} of them were matched on their own."),
    "too_many_files": lazy("There are too many files here for one album."),
    "chosen_by_person": lazy("You chose this release: {tracks} of {of} tracks are here."),
    "chosen_unknown": lazy("Nobody knows the release that was chosen, {mbid}."),
    "ignored_by_person": lazy("You asked to leave this folder alone."),
    "waits_identification": lazy("Waits until its files were identified by their sound."),
    "": lazy("Waits for its turn."),
}

_PENALTIES: Final[Mapping[str, Promise]] = {
    "title": lazy("title “{is}” instead of “{should}”"),
    "title_version": lazy("title “{is}” instead of “{should}”: another version ({versions})"),
    "file_name": lazy("file name “{is}”, and no title, for “{should}”"),
    "artist": lazy("artist “{is}” instead of “{should}”"),
    "recording": lazy("the sound (or its tags) is recording {is}, not {should}; confidence {confidence}"),
    "position": lazy("numbered disc {disc}, track {track}; it is disc {should_disc}, track {should_track}"),
    "album": lazy("album “{is}” instead of “{should}”"),
    "album_artist": lazy("album artist “{is}” instead of “{should}”"),
    "label": lazy("label “{is}” instead of “{should}”"),
    "year": lazy("year {is}; the release is of {should}"),
    "country": lazy("country {is}; the release is of {should}"),
    "catalog_number": lazy("catalogue number {is} instead of {should}"),
    "barcode": lazy("barcode {is} instead of {should}"),
    "media": lazy("{is} discs; the release has {should}"),
    "track_total": lazy("disc {disc} is said to have {is} tracks; it has {should}"),
    "release_id": lazy("the tags name release {is}"),
    "group_id": lazy("the tags name release group {is}"),
}


def state_chip(state: str) -> dict[str, str]:
    """For components/chip.html."""
    tone, icon = STATE_LOOKS.get(state, ("info", "info"))
    return {"tone": tone, "icon": icon, "label": str(STATE_WORDS.get(state, state))}


def decision_says(code: str, params: Params) -> str:
    """Why a folder is in its state."""
    words = DECISIONS.get(code)
    return _filled(str(words), params) if words is not None else str(sentence(code, params))


def penalty_says(code: str, params: Params) -> str:
    """A penalty in words."""
    count = params.get("count")
    number = count if isinstance(count, int) else 0
    match code:
        case "duration":
            return _("{is_s} long; the release says {should_s}: {apart} s apart").format(**_lengths(params))
        case "missing_tracks":
            return ngettext("{n} track is missing", "{n} tracks are missing", number).format(n=number)
        case "extra_tracks":
            return ngettext("{n} file is not of this release", "{n} files are not of this release", number).format(
                n=number
            )
        case "track_differences":
            return ngettext(
                "{n} track differs, most of all {place}", "{n} tracks differ, most of all {place}", number
            ).format(n=number, place=f"{params.get('disc')}–{params.get('track')}")
    words = _PENALTIES.get(code)
    return _filled(str(words), params) if words is not None else code


def change_says(code: str, params: Params) -> str:
    """The cheapest change that would make folder and release one."""
    count = params.get("count")
    number = count if isinstance(count, int) else 0
    match code:
        case "get_missing":
            return ngettext(
                "Getting {n} missing track would complete it.", "Getting {n} missing tracks would complete it.", number
            ).format(n=number)
        case "remove_extra":
            return ngettext(
                "Without {n} extra file it would be this release.",
                "Without {n} extra files it would be this release.",
                number,
            ).format(n=number)
        case "replace_track":
            return ngettext(
                "{n} track would have to be another recording.", "{n} tracks would have to be other recordings.", number
            ).format(n=number)
        case "retag":
            return ngettext(
                "Retagging {n} track would make it this release.",
                "Retagging {n} tracks would make it this release.",
                number,
            ).format(n=number)
        case "renumber":
            return ngettext(
                "Renumbering {n} track would make it this release.",
                "Renumbering {n} tracks would make it this release.",
                number,
            ).format(n=number)
        case _:
            return _("Nothing needs to change.")


def _lengths(params: Params) -> dict[str, str]:
    mine, theirs = params.get("is_ms"), params.get("should_ms")
    has = mine if isinstance(mine, int) else 0
    wants = theirs if isinstance(theirs, int) else 0
    return {"is_s": _minutes(has), "should_s": _minutes(wants), "apart": f"{abs(has - wants) / 1000:.1f}"}


def _minutes(ms: int) -> str:
    return f"{ms // 60000}:{ms // 1000 % 60:02}"


def _filled(words: str, params: Params) -> str:
    """Foreign text is made harmless; a param that is missing shows as "?"."""
    shown = {name: display_text(value, limit=200) for name, value in params.items()}
    return words.format_map(_Shown(shown))


class _Shown(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"
