"""The words of a find: what was understood, what a candidate is, why it stands where it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, assert_never

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from apps.common.text import display_text
from apps.domain.catalog.candidates import CandidateKind, Reason
from apps.domain.catalog.links import (
    Asked,
    BarcodeAsked,
    DiscogsAsked,
    DiscogsKind,
    EntityKind,
    IsrcAsked,
    MbidAsked,
    WordsAsked,
)
from apps.library.match_words import change_says, penalty_says

KIND_WORDS: Final[Mapping[CandidateKind, Promise]] = {
    CandidateKind.RELEASE: lazy("Release"),
    CandidateKind.RELEASE_GROUP: lazy("Album, all editions"),
    CandidateKind.RECORDING: lazy("Recording"),
    CandidateKind.ARTIST: lazy("Artist"),
    CandidateKind.LABEL: lazy("Label"),
}

_MBIDS: Final[Mapping[EntityKind, Promise]] = {
    EntityKind.ARTIST: lazy("An artist at MusicBrainz."),
    EntityKind.LABEL: lazy("A label at MusicBrainz."),
    EntityKind.RECORDING: lazy("A recording at MusicBrainz: one track."),
    EntityKind.RELEASE: lazy("A release at MusicBrainz: one edition of an album."),
    EntityKind.RELEASE_GROUP: lazy("A release group at MusicBrainz: an album with all its editions."),
    EntityKind.TRACK: lazy("A track of a release at MusicBrainz."),
}
_DISCOGS: Final[Mapping[DiscogsKind, Promise]] = {
    DiscogsKind.ARTIST: lazy("Artist {id} at Discogs."),
    DiscogsKind.LABEL: lazy("Label {id} at Discogs."),
    DiscogsKind.MASTER: lazy("Master {id} at Discogs: an album with all its editions."),
    DiscogsKind.RELEASE: lazy("Release {id} at Discogs: one edition of an album."),
}
_REASONS: Final[Mapping[str, Promise]] = {
    "find_score": lazy("MusicBrainz' search says {amount} of 100"),
    "find_title": lazy("the title is what was typed"),
    "find_title_near": lazy("the title is near what was typed"),
    "find_title_far": lazy("the title is another"),
    "find_artist": lazy("the artist is what was typed"),
    "find_artist_near": lazy("the artist is near what was typed"),
    "find_artist_far": lazy("the artist is another"),
    "find_name": lazy("this is its whole name"),
    "find_name_near": lazy("its name is near what was typed"),
    "find_asked": lazy("this is what the id names"),
    "find_theirs": lazy("most of what was found is theirs"),
    "find_status": lazy("{amount}"),
    "find_type": lazy("{amount}"),
    "find_no_tracklist": lazy("no track list is known"),
}


def understood_says(asked: Asked) -> str:
    """What the text was taken for."""
    match asked:
        case MbidAsked():
            if asked.kind is not None:
                return str(_MBIDS[asked.kind])
            return _(
                "A MusicBrainz id; of what is found out by asking: release, release group, recording, artist, label."
            )
        case DiscogsAsked():
            return str(_DISCOGS[asked.kind]).format(id=asked.id)
        case BarcodeAsked():
            return _("The barcode %(digits)s.") % {"digits": asked.digits}
        case IsrcAsked():
            return _("The ISRC %(isrc)s: one recording.") % {"isrc": asked.isrc}
        case WordsAsked(artist=""):
            return _("Words: “%(title)s”.") % {"title": display_text(asked.title, limit=200)}
        case WordsAsked():
            told = {"title": display_text(asked.title, limit=200), "artist": display_text(asked.artist, limit=200)}
            return _("“%(title)s” by “%(artist)s”.") % told
        case _:
            assert_never(asked)


def reason_says(reason: Reason) -> str:
    """Why a candidate stands where it does."""
    words = _REASONS.get(reason.code)
    return str(words).format(amount=display_text(reason.amount, limit=60)) if words is not None else reason.code


_SOLUTIONS: Final[Mapping[str, Promise]] = {
    "solved": lazy("{tracks} of {of} tracks of this edition are held or on offer; no other edition comes as near."),
    "equal_tracklist": lazy(
        "{tracks} of {of} tracks of this edition are held or on offer; {alike} others have this very track list: only the sleeve differs."
    ),
    "editions_alike": lazy(
        "{tracks} of {of} tracks of this edition are held or on offer; {alike} others come as near."
    ),
    "no_offers": lazy("Nothing of it is held here, and no peer is known to have it."),
    "no_editions": lazy("No edition with a track list is known."),
    "strict_complete": lazy("Every track of the named release is held or on offer, and is that very recording."),
    "strict_incomplete": lazy(
        "{tracks} of {of} tracks of the named release are held or on offer; refused as another recording, version or length: {refused}. "
        "Editions that come nearer: {nearer}."
    ),
    "strict_unknown": lazy("The named release is not among the editions of this album."),
}


def solution_says(code: str, params: Mapping[str, object]) -> str:
    """What the edition solver found."""
    return str(_SOLUTIONS.get(code, code)).format_map({key: str(value) for key, value in params.items()})


def edition_penalty_says(code: str, params: Mapping[str, object]) -> str:
    """Why an edition's plan costs what it costs."""
    number = _count(params)
    match code:
        case "taken_tracks":
            return ngettext(
                "%(n)s track comes from elsewhere than the rest",
                "%(n)s tracks come from elsewhere than the rest",
                number,
            ) % {"n": number}
        case "to_fetch":
            return ngettext("%(n)s track has to be fetched", "%(n)s tracks have to be fetched", number) % {"n": number}
        case "refused_tracks":
            return ngettext(
                "%(n)s file is another recording, version or length, and is not taken",
                "%(n)s files are another recording, version or length, and are not taken",
                number,
            ) % {"n": number}
        case _:
            return penalty_says(code, params)


def edition_change_says(code: str, params: Mapping[str, object]) -> str:
    """The cheapest change that would complete an edition."""
    number = _count(params)
    match code:
        case "take_missing":
            return ngettext(
                "Fetching %(n)s track that others have would complete it.",
                "Fetching %(n)s tracks that others have would complete it.",
                number,
            ) % {"n": number}
        case "take_some":
            return _("Fetching what others have (%(n)s) helps; %(left)s would still be missing.") % {
                "n": number,
                "left": params.get("missing"),
            }
        case _:
            return change_says(code, params)


def _count(params: Mapping[str, object]) -> int:
    count = params.get("count")
    return count if isinstance(count, int) else 0
