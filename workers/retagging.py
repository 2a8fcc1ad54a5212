"""Mending tags: what MusicBrainz says of a file is written into it, the sound and whatever else stands in its tags stay, and what it was before is kept in the trash.

The tags are written on a copy made from what lies in the trash; the payload's root is checked before and after; the copy takes the file's place in one
step, and only if the file still is what was kept. Where tags are part of the payload (MP4, Ogg, WAVE …) the sound is checked instead, and the file's new
payload takes over what is known of it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from apps.catalog.selectors import recording_facts, release_facts
from apps.catalog.services import recording_store, release_store
from apps.common.doorbell import NODE_CHANNEL, ring
from apps.domain.audio.payload import PayloadFormat, leaf_bytes_of
from apps.domain.catalog.release import MediumFacts, RecordingFacts, ReleaseFacts, TrackFacts
from apps.domain.library.tags import says_already
from apps.domain.library.trash import TrashReason, TrashState
from apps.jobs.services_verify import placed_moved
from apps.library.selectors import unchanged
from apps.library.selectors_analysis import variant_loudness, variant_print
from apps.library.services_carry import NewPayload, sound_carried
from apps.library.services_identity import identification_ask
from apps.library.services_read import read_record
from apps.remediation.selectors import (
    FileOnDisk,
    IssueSubject,
    TrashedBytes,
    file_on_disk,
    issue_subject,
    trashed_bytes,
)
from apps.remediation.services import RemedyClaim, remedy_done, remedy_trash
from workers import trash
from workers.acoustid_kept import acoustid_of
from workers.filing import album_of, artist_names, with_album, with_loudness, with_release
from workers.gateways.analysis import AnalysisWish
from workers.gateways.files import identify, translated
from workers.gateways.musicbrainz import MusicbrainzPort
from workers.gateways.tags import AudioTags, TagsError, Written, read_tags, write_tags
from workers.gateways.trash import FileFacts, Place, TrashSpot, facts_of, swap_in
from workers.lease import LeaseKeeper
from workers.reading import read_music
from workers.remedy_files import Checkpoint, NotMended, allowed, in_trash
from workers.verification import stat_of

log = logging.getLogger(__name__)

_ONLY_READ = AnalysisWish(fingerprint=False, sound=False)
"""The sound did not change, so nothing of it is measured again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retagger:
    """Writing right tags. `musicbrainz`: asked for releases that the catalog does not know yet."""

    musicbrainz: Callable[[], MusicbrainzPort]

    def retag(self, claim: RemedyClaim, lease: LeaseKeeper, checkpoint: Checkpoint) -> None:
        """Write the tags that belong to the file's recording on its release. Raises DomainError; the file is then as it was."""
        issue, file = issue_subject(claim.issue_id), _present(claim.old_file_id)
        if claim.trashed_id is None:
            if not unchanged(file.stat, now=stat_of(file.path)):
                raise NotMended(
                    "The file was changed since it was looked at.", code="file_changed", path=file.key.display
                )
            wanted = self._wanted(issue, file)
            if says_already(_said(file.path), wanted):
                raise _nothing_to_write(file)
            lease.check()
            trash_id = remedy_trash(
                claim,
                file.id,
                reason=TrashReason.RETAGGED,
                keep=True,
                keep_until_proven=not claim.params.get("backup", True),
            )
            checkpoint("planned")
        else:
            trash_id, wanted = claim.trashed_id, self._wanted(issue, file)
        kept = in_trash(trash_id, lease, checkpoint)
        checkpoint("trashed")
        staged = _staged(file, kept)
        try:
            was = identify(staged)
            if was.span.format is not PayloadFormat.FILE and was.root != file.payload_root:
                raise NotMended("The file is not what was verified.", code="file_changed", path=file.key.display)
            written = write_tags(staged, wanted, expected_root=was.root, inside_root=True)
            if facts_of(staged.parent, os.fsencode(staged.name)).sha256 == kept.sha256:
                raise _nothing_to_write(file)
            checkpoint("tagged")
            lease.check()
            _swap(file, staged, kept, mode=kept.mode)
        finally:
            _clear(staged)
        checkpoint("swapped")
        _read_again(file, written=written)
        checkpoint("recorded")
        remedy_done(claim, code="fixed_retagged", params={"path": file.key.display}, new_file_id=file.id)
        log.info("file retagged: remediation=%s", claim.id)

    def undo(self, claim: RemedyClaim, lease: LeaseKeeper, checkpoint: Checkpoint) -> None:
        """Put the file back as it was before its tags were written. What it is now goes to the trash. Raises DomainError."""
        before, file = trashed_bytes(claim.trashed_id), _present(claim.old_file_id)
        if before is None or before.state in (TrashState.PURGING, TrashState.PURGED):
            if before is not None and facts_of(file.root, file.relative).sha256 == before.sha256:
                return  # it was put back, then we were killed
            raise NotMended("What the file was before is not kept any more.", code="trash_purged")
        now = facts_of(file.root, file.relative)
        if now.sha256 != before.sha256:
            lease.check()
            trash_id = remedy_trash(claim, file.id, reason=TrashReason.UNDONE, keep=True, as_read=False, note="undone")
            kept = in_trash(trash_id, lease, checkpoint)
            checkpoint("kept_new")
            staged = _staged(file, before)
            try:
                _swap(file, staged, kept, mode=before.mode, mtime_ns=before.mtime_ns)
            finally:
                _clear(staged)
            checkpoint("swapped")
        _read_again(file)
        trash.trash_purge(before.id, needed_too=True, checkpoint=checkpoint)  # its bytes are where they were

    def as_it_was(self, claim: RemedyClaim) -> None:
        """After a failure: what was kept of a file that did not change is not needed."""
        kept, file = trashed_bytes(claim.trashed_id), file_on_disk(claim.old_file_id)
        if kept is None or kept.state != TrashState.TRASHED or file is None or file.missing:
            return
        if facts_of(file.root, file.relative).sha256 == kept.sha256:
            trash.trash_purge(kept.id, needed_too=True)

    def reidentify(self, claim: RemedyClaim) -> None:
        """Have it found out anew what the file is; the doctor looks again when that is known."""
        file = _present(claim.old_file_id)
        if file.variant_id is None:
            raise NotMended("The file can't be read, so nobody can tell what it is.", code="fix_recording_unknown")
        identification_ask(file.variant_id, person=None)
        remedy_done(claim, code="fixed_asked_again", params={"path": file.key.display})

    def _wanted(self, issue: IssueSubject, file: FileOnDisk) -> AudioTags:
        """The tags the file should have, and what was measured of its sound. Raises as `_tags`; NotMended if nothing is known to write."""
        wanted = self._tags(issue, file)
        if not wanted.title:
            raise NotMended("MusicBrainz has no title for this recording.", code="fix_title_unknown")
        return _measured(file, wanted)

    def _tags(self, issue: IssueSubject, file: FileOnDisk) -> AudioTags:
        """The tags the file should have. Raises NotMended, Transient (asked again later), Permanent."""
        recording = issue.recording_mbid or file.recording_mbid
        if recording is None:
            raise NotMended("It is not known what this file is.", code="fix_recording_unknown")
        guess = issue.params.get("guess_mbid") or (
            issue.params.get("release_mbid") if issue.code.startswith("tags") else ""
        )
        named = uuid.UUID(str(guess)) if guess else file.release_mbid or issue.release_mbid
        release = self._release(named) if named is not None else None
        place = (file.medium or 1, file.track or 0)
        found = [
            (medium, track)
            for medium, track in (release.tracks() if release else ())
            if track.recording.mbid == recording
        ]
        found.sort(key=lambda one: (one[0].position, one[1].position) != place)
        if release is not None and found:
            return release_tags(release, *found[0], had=_said(file.path))
        if guess:
            raise NotMended(
                "The release it was taken to be from does not have this recording.", code="fix_release_without_it"
            )
        return recording_tags(self._recording(recording), _said(file.path))

    def _release(self, mbid: uuid.UUID) -> ReleaseFacts:
        known = release_facts(mbid, fresh_for=None)
        if known is not None:
            return known
        release = self.musicbrainz().release(mbid)
        release_store(release, asked_for=mbid)
        return release

    def _recording(self, mbid: uuid.UUID) -> RecordingFacts:
        known = recording_facts(mbid)
        if known is not None:
            return known
        recording, _ = self.musicbrainz().recording(mbid)
        recording_store(recording, asked_for=mbid)
        return recording


def release_tags(release: ReleaseFacts, medium: MediumFacts, track: TrackFacts, *, had: AudioTags) -> AudioTags:
    """All that is known of a track on its release. What MusicBrainz doesn't say stays as the file had it, unless it was said of another release."""
    recording = track.recording
    same_release = had.release_mbid in ("", str(release.mbid))
    same_recording = had.recording_mbid in ("", str(recording.mbid))
    of_release = had if same_release else AudioTags()
    tags = AudioTags(
        title=track.title or recording.title,
        artist=track.artist_credit or recording.artist_credit,
        artists=artist_names(recording) or (had.artists if same_recording else ()),
        albumartist=release.artist_credit,
        album=release.title,
        date=release.date or of_release.date,
        track=track.position,
        tracks=len(medium.tracks),
        disc=medium.position,
        discs=len(release.media),
        recording_mbid=str(recording.mbid),
        track_mbid=str(track.mbid),
        release_mbid=str(release.mbid),
        release_group_mbid=str(release.group.mbid) if release.group else of_release.release_group_mbid,
        artist_mbids=tuple(str(one.mbid) for one in recording.artists),
        albumartist_mbids=tuple(str(one.mbid) for one in release.artists),
        acoustid_id=had.acoustid_id if same_recording else "",
        isrcs=recording.isrcs or (had.isrcs if same_recording else ()),
    )
    return with_release(tags, release, medium, had=of_release)


def recording_tags(recording: RecordingFacts, had: AudioTags) -> AudioTags:
    """What the file said, with what is known of its recording."""
    return replace(
        had,
        title=recording.title or had.title,
        artist=recording.artist_credit or had.artist,
        artists=artist_names(recording) or had.artists,
        recording_mbid=str(recording.mbid),
        artist_mbids=tuple(str(one.mbid) for one in recording.artists),
        isrcs=recording.isrcs or had.isrcs,
    )


def _measured(file: FileOnDisk, tags: AudioTags) -> AudioTags:
    """With ReplayGain and the fingerprint, if the sound was measured; with AcoustID's id, if its answer is kept."""
    if file.variant_id is None:
        return tags
    lufs, true_peak_dbtp = variant_loudness(file.variant_id)
    fingerprint, duration_ms = variant_print(file.variant_id)
    recording = uuid.UUID(tags.recording_mbid)
    acoustid = tags.acoustid_id or acoustid_of(fingerprint, duration_ms=duration_ms, recording_mbid=recording)
    heard = replace(tags, acoustid_fingerprint=fingerprint or tags.acoustid_fingerprint, acoustid_id=acoustid)
    heard = with_loudness(heard, lufs=lufs, true_peak_dbtp=true_peak_dbtp)
    return with_album(heard, album_of(heard, root_id=file.root_id, relative=file.relative))


def _nothing_to_write(file: FileOnDisk) -> NotMended:
    return NotMended("Its tags say this already.", code="fix_tags_right", path=file.key.display)


def _said(path: Path) -> AudioTags:
    """The file's tags; empty where nobody can read them (whether they can be kept is the writer's to say)."""
    try:
        return read_tags(path)
    except TagsError:
        return AudioTags()


def _present(file_id: int | None) -> FileOnDisk:
    file = file_on_disk(file_id)
    if file is None or file.missing:
        raise NotMended("The file is not there any more.", code="fix_file_missing")
    if not file.writable:
        raise NotMended("This folder is only read.", code="root_not_writable", root=str(file.root))
    return file


def _staged(file: FileOnDisk, kept: TrashedBytes) -> Path:
    """A copy of what lies in the trash, beside the file. Named for it, so that a repeated call finds and replaces it."""
    place: Place = "data" if kept.place == "data" else "root"
    source = trash.spot_of(kept.id, kept.root, kept.relative).path(place)
    staged = file.path.with_name(f".slskdn-{kept.id}.part")
    _clear(staged)
    with translated(file.relative):
        shutil.copyfile(source, staged)
    return staged


def _clear(staged: Path) -> None:
    for left in staged.parent.glob(f"{staged.name}*"):
        with contextlib.suppress(OSError):
            left.unlink()


def _swap(file: FileOnDisk, staged: Path, kept: TrashedBytes, *, mode: int, mtime_ns: int | None = None) -> None:
    spot: TrashSpot = trash.spot_of(kept.id, str(file.root), file.relative)
    facts = FileFacts(size_bytes=kept.size_bytes, mtime_ns=kept.mtime_ns, mode=kept.mode, sha256=kept.sha256)
    with translated(file.relative):
        allowed((file.root_id, file.root))
        with contextlib.suppress(PermissionError):
            staged.chmod(mode)
        if mtime_ns is not None:
            os.utime(staged, ns=(mtime_ns, mtime_ns))
    swap_in(staged, spot, facts)


def _read_again(file: FileOnDisk, *, written: Written | None = None) -> None:
    """Rows follow what the file says now. `written`: what it was given just now; if its root is another one, all that is known of the sound goes with
    it, since its tags alone changed. (Put back, it has its old root, whose row never went.)"""
    decoded = (written.root, written.decoded) if written is not None and written.decoded is not None else None
    read = read_music(file.path, wish=_ONLY_READ, decoded=decoded)
    facts = read.facts
    if file.variant_id is not None and decoded is not None and facts.payload_root == decoded[0]:
        payload = NewPayload(
            payload_format=facts.payload_format.value,
            root=facts.payload_root,
            payload_bytes=facts.payload_bytes,
            leaf_bytes=leaf_bytes_of(facts.payload_format),
            leaf_hashes=read.leaf_hashes,
        )
        sound_carried(file.variant_id, payload)
    read_record(file.key, read)
    ring(NODE_CHANNEL, "library")  # what is served lies elsewhere in the file now, or is another payload
    sha256 = facts_of(file.root, file.relative).sha256
    placed_moved(file.id, path=f"{file.root}/{file.key.display}", sha256=sha256)
