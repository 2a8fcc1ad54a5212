"""Reading one music file: tags, payload, and one decode for everything else. Files are only read, never changed.

The one way in: scans (`read_files`) and a person's import (`import_library`) both come through here.
"""

from __future__ import annotations

import dataclasses
import logging
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from apps.domain.audio.payload import LeavesError
from apps.domain.errors import DomainError
from apps.jobs.services import mbid_of
from apps.library.services import FilePlace, RecordingSource
from apps.library.services_read import ReadFacts, SaidFacts
from slskdn_site.config import Config
from workers.gateways.analysis import AnalysisWish, FileAnalysis, analyse_file
from workers.gateways.audio import DecodedFacts, variant_facts
from workers.gateways.files import identify
from workers.gateways.tags import AudioTags, TagsError, read_tags
from workers.verification import stat_of

log = logging.getLogger(__name__)

TAGS_VERSION = 2
"""Of the JSON in AudioFile.tags."""
_NOT_KEPT = frozenset({"acoustid_fingerprint"})
"""The row of the sound has its own."""
_FIRST_KEPT = frozenset({"label", "catalog_number"})
"""Of which matching and naming look at the first."""
_MAX_POSITION = 32_767


class FileChanged(DomainError):
    """Somebody writes it just now."""

    default_code = "file_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedAs:
    """What a person says of files: `recording` names the one recording that all of them are; `release` where they belong."""

    recording: uuid.UUID | None = None
    release: uuid.UUID | None = None

    @classmethod
    def of_text(cls, *, recording: str, release: str) -> Self:
        """From optional texts. Raises DomainError `mbid_invalid`."""
        return cls(recording=mbid_of(recording) if recording else None, release=mbid_of(release) if release else None)


NOBODY = NamedAs()


def wish_of(config: Config) -> AnalysisWish:
    """What is made of a file's sound, as configured."""
    return AnalysisWish(fingerprint=config.integration.chromaprint.enabled, sound=config.audio.analysis.enabled)


def read_music(
    path: Path, *, wish: AnalysisWish, named: NamedAs = NOBODY, decoded: tuple[bytes, DecodedFacts] | None = None
) -> ReadFacts:
    """Read a file once. Tags that can't be read are none (`code` in `tags` says why): the sound counts.

    `decoded`: what decoding a payload of this root has shown just now; a file that still has it is not decoded again (and nothing of `wish` is made).

    Raises DomainError: FilesError, DecodeFailed, PayloadError …, and FileChanged (retryable) if it is not the same file at the end as at the start.
    """
    before = stat_of(path)
    tags, code = _tags_of(path)
    try:
        identity = identify(path)
    except LeavesError as error:
        raise FileChanged("The file changed while it was read.", retryable=True) from error
    if decoded is not None and decoded[0] == identity.root:
        made = FileAnalysis(decoded=decoded[1], print=None, print_code="", sound=None)
    else:
        made = analyse_file(path, span=identity.span, wish=wish)
    if stat_of(path) != before:
        raise FileChanged("The file changed while it was read.", retryable=True)
    recording, source = _recording_of(tags, named)
    return ReadFacts(
        stat=before,
        facts=variant_facts(identity, made.decoded),
        leaf_hashes=identity.leaves.pack(),
        fingerprint=_compressed(made),
        recording_mbid=recording,
        recording_source=source,
        place=_place_of(tags, named),
        tags=tags_json(tags, code=code),
        sound=made.sound,
    )


def read_words(path: Path) -> SaidFacts | None:
    """What a file says it is whose sound can't be read; None: its tags can't be read either, or say nothing."""
    tags, code = _tags_of(path)
    if code or tags == AudioTags():
        return None
    return SaidFacts(place=_place_of(tags, NOBODY), tags=tags_json(tags))


def tags_told(path: Path) -> dict[str, object]:
    """What the row keeps of a file's tags; `code` says why they can't be read. Raises FilesError."""
    tags, code = _tags_of(path)
    return tags_json(tags, code=code)


def _place_of(tags: AudioTags, named: NamedAs) -> FilePlace:
    return FilePlace(
        release_mbid=named.release or (uuid.UUID(tags.release_mbid) if tags.release_mbid else None),
        medium=min(tags.disc, _MAX_POSITION) or None,
        track=min(tags.track, _MAX_POSITION) or None,
        title=tags.title,
        artist=tags.artist,
        album=tags.album,
        albumartist=tags.albumartist,
    )


def tags_json(tags: AudioTags, *, code: str = "") -> dict[str, object]:
    """What the row keeps of tags: fields that say something, by the names of AudioTags; `v`; `code` where they could not be read."""
    said = {name: value for name, value in dataclasses.asdict(tags).items() if value and name not in _NOT_KEPT}
    listed: dict[str, object] = {
        name: value[0] if name in _FIRST_KEPT else list(value) if isinstance(value, tuple) else value
        for name, value in said.items()
    }
    return {"v": TAGS_VERSION, **listed, **({"code": code} if code else {})}


def _tags_of(path: Path) -> tuple[AudioTags, str]:
    try:
        return read_tags(path), ""
    except TagsError as error:
        return AudioTags(), error.code


def _recording_of(tags: AudioTags, named: NamedAs) -> tuple[uuid.UUID | None, RecordingSource]:
    if named.recording is not None:
        return named.recording, "person"
    return (uuid.UUID(tags.recording_mbid) if tags.recording_mbid else None), "tag"


def _compressed(made: FileAnalysis) -> bytes:
    """b"" where none is made: a file without a fingerprint is still music."""
    if made.print is None:
        if made.print_code:
            log.info("no fingerprint: code=%s", made.print_code)
        return b""
    return made.print.compressed.encode("ascii")
