"""What the fields of tags are called in each kind of tags: Picard's mapping, common aliases after it."""

from __future__ import annotations

import re

from apps.domain.errors import DomainError


class TagsError(DomainError):
    """tags_unreadable (the file), tags_not_writable (its format), payload_changed (writing would have touched the sound)."""

    default_code = "tags_unreadable"


# field: (Vorbis comment and APE names, ID3 frames or TXXX:descriptions, MP4 atoms or freeform names); the first is what is written.
NAMES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "title": (("title",), ("TIT2",), ("\xa9nam",)),
    "artist": (("artist", "author"), ("TPE1",), ("\xa9ART",)),
    "albumartist": (("albumartist", "album artist"), ("TPE2",), ("aART",)),
    "album": (("album", "albumtitle"), ("TALB",), ("\xa9alb",)),
    "date": (("date", "year"), ("TDRC", "TYER"), ("\xa9day",)),
    "recording_mbid": (
        ("musicbrainz_trackid",),
        ("TXXX:MusicBrainz Track Id", "TXXX:MUSICBRAINZ_TRACKID"),
        ("MusicBrainz Track Id",),
    ),
    "track_mbid": (
        ("musicbrainz_releasetrackid",),
        ("TXXX:MusicBrainz Release Track Id", "TXXX:MUSICBRAINZ_RELEASETRACKID"),
        ("MusicBrainz Release Track Id",),
    ),
    "release_mbid": (
        ("musicbrainz_albumid",),
        ("TXXX:MusicBrainz Album Id", "TXXX:MUSICBRAINZ_ALBUMID"),
        ("MusicBrainz Album Id",),
    ),
    "release_group_mbid": (
        ("musicbrainz_releasegroupid",),
        ("TXXX:MusicBrainz Release Group Id", "TXXX:MUSICBRAINZ_RELEASEGROUPID"),
        ("MusicBrainz Release Group Id",),
    ),
    "artist_mbids": (
        ("musicbrainz_artistid",),
        ("TXXX:MusicBrainz Artist Id", "TXXX:MUSICBRAINZ_ARTISTID"),
        ("MusicBrainz Artist Id",),
    ),
    "albumartist_mbids": (
        ("musicbrainz_albumartistid",),
        ("TXXX:MusicBrainz Album Artist Id", "TXXX:MUSICBRAINZ_ALBUMARTISTID"),
        ("MusicBrainz Album Artist Id",),
    ),
    "acoustid_id": (("acoustid_id",), ("TXXX:Acoustid Id", "TXXX:ACOUSTID_ID"), ("Acoustid Id",)),
    "label": (("label", "organization", "publisher"), ("TPUB",), ("LABEL",)),
    "catalog_number": (("catalognumber", "labelno"), ("TXXX:CATALOGNUMBER",), ("CATALOGNUMBER",)),
    "barcode": (("barcode", "upc"), ("TXXX:BARCODE",), ("BARCODE",)),
    "country": (
        ("releasecountry", "musicbrainz_albumreleasecountry"),
        ("TXXX:MusicBrainz Album Release Country", "TXXX:RELEASECOUNTRY"),
        ("MusicBrainz Album Release Country",),
    ),
    "replaygain_track_gain": (
        ("replaygain_track_gain",),
        ("TXXX:REPLAYGAIN_TRACK_GAIN",),
        ("REPLAYGAIN_TRACK_GAIN",),
    ),
    "replaygain_track_peak": (
        ("replaygain_track_peak",),
        ("TXXX:REPLAYGAIN_TRACK_PEAK",),
        ("REPLAYGAIN_TRACK_PEAK",),
    ),
    "isrcs": (("isrc",), ("TSRC",), ("ISRC",)),
    "track": (("tracknumber", "track"), ("TRCK",), ("trkn",)),
    "tracks": (("tracktotal", "totaltracks"), (), ()),
    "disc": (("discnumber", "disc", "partofset"), ("TPOS",), ("disk",)),
    "discs": (("disctotal", "totaldiscs"), (), ()),
}

WIDER = frozenset({"author", "organization", "publisher"})
"""Read in a field's stead, but they may mean something else: writing leaves them alone."""

MEASURED = frozenset({"replaygain_track_gain", "replaygain_track_peak"})
"""Where nothing was measured here, what somebody else measured stays."""


def plain(key: str) -> str:
    """One spelling for `MUSICBRAINZ_TRACKID` (Vorbis, APE) and `MusicBrainz/Track Id` (ASF), `Album Artist` and `WM/AlbumArtist`."""
    return re.sub(r"[ _/]", "", key.lower().removeprefix("wm/"))
