"""Verifying an assembled file: decode, fingerprint, judge, tag, place, record.

Everything before "place" only reads and writes work files of its own; placing never clobbers and recognises its own earlier work by its bytes; recording
is keyed by path and payload. So the whole may be killed anywhere and run again: one file, one set of rows.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.domain.audio import fingerprint
from apps.domain.audio.analysis import SoundAnalysis
from apps.domain.audio.payload import LeavesError, PayloadFacts, PayloadFormat, payload_root
from apps.domain.audio.profile import ProfileError, parse_profile
from apps.domain.audio.quality import profile_quality, quality_score
from apps.domain.errors import DomainError, Param
from apps.domain.jobs.backoff import retry_delay_s
from apps.domain.jobs.judgement import Evidence, Judgement, LocalEvidence, NamedRecording, judge
from apps.domain.jobs.sound_judgement import judge_sound, sound_matters
from apps.domain.jobs.verdicts import PREAMBLE_CODES
from apps.domain.library.naming import NameFactsError, TemplateError
from apps.domain.library.paths import PathKey, PathKeyError, display_text
from apps.jobs.services_verify import (
    PlacedFile,
    VerifyClaim,
    lossy_slot_take,
    verify_accepted,
    verify_claim,
    verify_failed,
    verify_held,
    verify_later,
    verify_placing,
    verify_rejected,
    verify_renew,
)
from apps.library.selectors import PlacedSince, placed_since, verified_fingerprints
from apps.library.services import FilePlace, FileStat, file_record, root_record
from apps.library.services_analysis import variant_analysed
from workers.covers import Covers
from workers.filing import file_name, file_tags, filing_facts
from workers.gateways.acoustid import AcoustidMatch, AcoustidPort
from workers.gateways.analysis import AnalysisWish, FileAnalysis, analyse_file
from workers.gateways.audio import DecodedFacts, DecodeFailed, variant_facts
from workers.gateways.chromaprint import FilePrint
from workers.gateways.errors import Permanent, Transient
from workers.gateways.files import FilesError, Identity, Placed, assemble, identify, place, same_there, translated
from workers.gateways.tags import TagsError, write_tags
from workers.lease import LEASE_S, LeaseKeeper, LeaseLost
from workers.placing import placing_turn
from workers.sound_facts import quality_facts

log = logging.getLogger(__name__)

Checkpoint = Callable[[str], None]
_GIVES_UP_ASKING = frozenset({"acoustid_unavailable", "acoustid_garbled"})
"""Transient codes after whose last try the file is judged without AcoustID, instead of failing the track."""

MAX_DEATHS = 5
"""A file that ended so many processes in a row (a decoder's bug, all of the memory) is looked at no more."""


def _pass(_step: str) -> None:
    return


class _Rejected(Exception):
    """The file is refused."""

    def __init__(self, code: str, params: dict[str, Param]) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proof:
    """What was found out about the file."""

    decoded: DecodedFacts
    made: FilePrint | None
    judgement: Judgement
    sound: SoundAnalysis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """What verification needs to know of this machine. `acoustid` None: not asked. `template`: apps.domain.library.naming."""

    acoustid: AcoustidPort | None
    fingerprinting: bool
    require_fingerprint: bool
    library_root: Callable[[], Path]
    template: str
    covers: Covers | None = None
    """None: no cover is asked for."""
    analysing: bool = True
    """False: sound is analysed only where a job's wishes ask for it."""

    def verify(self, transfer_id: uuid.UUID, *, checkpoint: Checkpoint = _pass) -> None:
        """Judge the transfer's file and file it; nothing happens if it is not due, judged already, or in somebody else's hands."""
        claim = verify_claim(transfer_id, lease_s=LEASE_S)
        if claim is None:
            return
        checkpoint("claimed")
        with LeaseKeeper(lambda: verify_renew(claim, lease_s=LEASE_S)) as lease:
            try:
                self._steps(claim, lease, checkpoint)
            except _Rejected as refused:
                log.info("file refused: transfer=%s code=%s", transfer_id, refused.code)
                verify_rejected(claim, code=refused.code, params=refused.params)
            except Transient as error:
                _again(claim, error.code, error.params, retry_after_s=error.retry_after_s)
            except (TemplateError, NameFactsError, PathKeyError) as error:
                verify_failed(claim, code=error.code, params=error.params)
            except (FilesError, DecodeFailed, TagsError) as error:
                if error.retryable:
                    _again(claim, error.code, error.params)
                else:
                    verify_failed(claim, code=error.code, params=error.params)
            except LeaseLost:
                log.info("verification taken over or stopped: transfer=%s", transfer_id)
            except Exception as error:
                log.exception("verification failed unexpectedly: transfer=%s", transfer_id)
                _again(claim, "unexpected", {"error": type(error).__name__})
        checkpoint("finished")

    def _steps(self, claim: VerifyClaim, lease: LeaseKeeper, checkpoint: Checkpoint) -> None:
        if claim.deaths >= MAX_DEATHS:
            raise _Rejected("verification_crashed", {"deaths": claim.deaths})
        path = Path(claim.transfer.path)
        identity = _identified(claim, path)
        checkpoint("identified")
        analysis = _decoded(
            path, identity, wish=AnalysisWish(fingerprint=self.fingerprinting, sound=self._listens(claim))
        )
        decoded = analysis.decoded
        checkpoint("decoded")
        lease.check()
        made, silent_code = self._fingerprint(analysis)
        checkpoint("fingerprinted")
        judgement = self._judge(claim, decoded, made, silent_code)
        checkpoint("judged")
        if not judgement.accepted:
            raise _Rejected(judgement.code, judgement.params)
        _refuse_sound(claim, analysis)
        checkpoint("proven")
        with placing_turn(claim.recording_mbid):
            lease.check()
            if (held := _came_meanwhile(claim, analysis)) is not None:
                verify_held(claim, held)
                log.info("track is here already, by another job: job=%s track=%s", claim.job_id, claim.track_id)
                return
            if not decoded.profile.lossless and not lossy_slot_take(claim):
                raise _Rejected("lossy_limit", {"limit": claim.constraints.lossy_limit})
            lease.check()
            placed, sha256 = self._file(claim, identity, analysis, lease, checkpoint)
            checkpoint("placed")
            proof = _Proof(decoded=decoded, made=made, judgement=judgement, sound=analysis.sound)
            self._record(claim, placed, sha256, proof, checkpoint)

    def _listens(self, claim: VerifyClaim) -> bool:
        """Is the sound analysed in the same decode? Always where the job can't be judged without."""
        return self.analysing or sound_matters(claim.wishes)

    def _fingerprint(self, analysis: FileAnalysis) -> tuple[FilePrint | None, str]:
        """The fingerprint, or None and the code that says why not."""
        if not self.fingerprinting:
            return None, "chromaprint_disabled"
        made = analysis.print
        if made is None:
            return None, analysis.print_code
        if fingerprint.is_low_entropy(made.items):
            return None, "fingerprint_undecidable"
        return made, ""

    def _judge(self, claim: VerifyClaim, decoded: DecodedFacts, made: FilePrint | None, silent_code: str) -> Judgement:
        local: LocalEvidence = "none"
        named: list[NamedRecording] = []
        if made is not None:
            local = compared_here(claim.recording_mbid, made.items)
            if local != "same":
                named, silent_code = self._named(claim, made, decoded)
        return judge(
            Evidence(
                expected=claim.recording_mbid,
                local=local,
                named=named,
                silent_code=silent_code,
                actual_ms=decoded.duration_ms,
                expected_ms=claim.length_ms,
                require_fingerprint=self.require_fingerprint,
            )
        )

    def _named(self, claim: VerifyClaim, made: FilePrint, decoded: DecodedFacts) -> tuple[list[NamedRecording], str]:
        """What AcoustID says, or nothing and why. Raises Transient while asking again is worth it."""
        if self.acoustid is None:
            return [], "acoustid_disabled"
        try:
            matches = self.acoustid.lookup(made.compressed, duration_s=round(decoded.duration_ms / 1000))
        except Permanent as error:
            log.warning("acoustid refused: transfer=%s code=%s", claim.transfer.id, error.code)
            return [], error.code
        except Transient as error:
            tries = claim.tries + 1 if claim.code == error.code else 1
            if error.code in _GIVES_UP_ASKING and retry_delay_s(error.code, tries=tries, jitter=0.0) is None:
                return [], error.code
            raise
        return named_of(matches), "acoustid_no_result"

    def _file(
        self, claim: VerifyClaim, identity: Identity, analysis: FileAnalysis, lease: LeaseKeeper, checkpoint: Checkpoint
    ) -> tuple[Placed, bytes]:
        """Tag a copy and place it. The assembled file itself stays as it is until the node takes it away.

        The copy is put together anew: of a peer's untrusted bytes before the payload only a true header is left.
        """
        path, facts = Path(claim.transfer.path), filing_facts(claim)
        cover = self.covers.of(facts) if self.covers is not None else None
        name = file_name(
            claim,
            facts,
            container=analysis.decoded.container,
            template=self.template,
            codec=analysis.decoded.profile.codec.value,
        )
        root = self._root(claim)
        if claim.place is not None:
            name = claim.place.beside.relative(name)
        work = path.with_name(f"work-{claim.attempt}-{path.name}")
        for left in path.parent.glob(f"work-*-{path.name}*"):
            # Of an attempt that was killed. An attempt that merely lost its lease fails at its next step, and records nothing.
            left.unlink(missing_ok=True)
        try:
            _copied(work, path, identity, expected_root=claim.transfer.payload_root)
            try:
                write_tags(
                    work,
                    file_tags(claim, facts, heard=analysis),
                    expected_root=claim.transfer.payload_root,
                    cover=cover if self.covers is not None and self.covers.embed else None,
                )
            except TagsError as error:
                if error.code != "tags_not_writable":
                    raise
                # Its tags are part of the payload: it stays byte for byte what others have, so that it can be shared.
                log.info("placed as it came: transfer=%s code=%s", claim.transfer.id, error.code)
            sha256 = _sha256(work)
            checkpoint("tagged")
            lease.check()
            placed = _placed(claim, work, root=root, name=name)
            if self.covers is not None and claim.place is None:
                # Not beside a fix's file: an undo leaves a person's folder as it was.
                self.covers.beside(cover, root=root, relative=placed.relative, transfer_id=claim.transfer.id)
            return placed, sha256
        finally:
            with contextlib.suppress(OSError):
                work.unlink(missing_ok=True)

    def _root(self, claim: VerifyClaim) -> Path:
        """Of the library's roots the one that the file goes below."""
        return Path(claim.place.root) if claim.place is not None else self.library_root()

    def _record(self, claim: VerifyClaim, placed: Placed, sha256: bytes, proof: _Proof, checkpoint: Checkpoint) -> None:
        decoded, made, judgement = proof.decoded, proof.made, proof.judgement
        stat = stat_of(
            placed.path
        )  # before it is read: should it change meanwhile, nobody will take it for what was hashed
        identity = identify(placed.path)
        if identity.root != claim.transfer.payload_root:
            raise Transient("The placed file was changed by somebody.", code="file_changed")
        proven = judgement.verification == "fingerprint"
        recorded = file_record(
            PathKey(root_id=root_record(self._root(claim), writable=True), relative=placed.relative),
            stat=stat,
            facts=variant_facts(identity, decoded),
            leaf_hashes=identity.leaves.pack(),
            fingerprint=made.compressed.encode("ascii") if made else b"",
            recording_mbid=claim.recording_mbid,
            recording_source="fingerprint" if proven else "job",
            verified=proven,
            place=FilePlace(
                release_mbid=claim.release_mbid,
                medium=claim.medium,
                track=claim.position,
                title=claim.title,
                artist=claim.artist,
                album=claim.album,
            ),
        )
        if proof.sound is not None:
            variant_analysed(recorded.variant_id, proof.sound)
        checkpoint("recorded")
        verify_accepted(
            claim,
            file=PlacedFile(
                file_id=recorded.file_id,
                path=display_text(bytes(placed.path)),
                sha256=sha256,
                verification=judgement.verification,
                code=judgement.code,
                params=judgement.params,
            ),
        )
        log.info(
            "track completed: job=%s track=%s verification=%s", claim.job_id, claim.track_id, judgement.verification
        )


def stat_of(path: Path) -> FileStat:
    """What tells later whether the file changed. Raises FilesError."""
    with translated(path):
        status = path.stat()
    return FileStat(size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino)


def _again(claim: VerifyClaim, code: str, params: dict[str, Param], *, retry_after_s: float | None = None) -> None:
    tries = claim.tries + 1 if claim.code == code else 1
    jitter = random.random()  # noqa: S311  (spreads load, guards nothing)
    delay_s = retry_delay_s(code, tries=tries, jitter=jitter, retry_after_s=retry_after_s)
    if delay_s is None:
        verify_failed(claim, code=code, params={**params, "tries": tries})
    else:
        verify_later(claim, code=code, params=params, delay_s=delay_s)
    log.info("track waits: track=%s code=%s tries=%s delay_s=%s", claim.track_id, code, tries, delay_s)


def _identified(claim: VerifyClaim, path: Path) -> Identity:
    """The file's payload, which must be the transfer's."""
    try:
        identity = identify(path)
    except (FilesError, LeavesError) as error:
        if error.code in ("file_missing", "file_not_regular", "leaves_invalid"):
            raise _Rejected("file_missing", {}) from error
        raise
    if identity.root == claim.transfer.payload_root:
        return identity
    if _preamble_lies(claim, identity):
        raise _Rejected("preamble_mismatch", {})
    raise _Rejected("payload_mismatch", {"root": identity.root.hex()})


def _came_meanwhile(claim: VerifyClaim, analysis: FileAnalysis) -> PlacedSince | None:
    """The file that another job placed for the same track since this one was asked for, if this download is none better and not the same payload
    (that one is recognised by its bytes when it is placed)."""
    decoded, sound = analysis.decoded, analysis.sound
    ours = quality_score(quality_facts(decoded, sound)).score if sound is not None else profile_quality(decoded.profile)
    found = placed_since(
        claim.recording_mbid,
        release_mbid=claim.release_mbid,
        place=(claim.medium, claim.position),
        since=claim.asked_at,
    )
    for one in found:
        bar = claim.constraints.better_than
        enough = (bar is None or one.score > bar) and not (one.suspect and claim.constraints.download_mode != "any")
        if one.payload_root != claim.transfer.payload_root and enough and round(ours - one.score, 2) <= 0:
            return one
    return None


def _placed(claim: VerifyClaim, work: Path, *, root: Path, name: bytes) -> Placed:
    """Place the file, and remember whether it is ours. Raises LeaseLost, FilesError."""
    before = claim.found(name)
    if before is None:
        found = same_there(work, library_root=root, relative=name)
        if not verify_placing(claim, name=name, found=found):
            raise LeaseLost
    placed = place(work, library_root=root, relative=name)
    if before is None and placed.already and not found:
        verify_placing(claim, name=name, found=True)  # somebody put it there between the look and the placing
    return placed


def _preamble_lies(claim: VerifyClaim, identity: Identity) -> bool:
    """True if the payload's bytes are right and only STREAMINFO states another rate, channel count or depth than the root binds."""
    if claim.transfer.payload_format != PayloadFormat.FLAC or identity.span.format is not PayloadFormat.FLAC:
        return False
    try:
        profile = parse_profile(claim.transfer.profile)
    except ProfileError:
        return False
    bound = PayloadFacts(PayloadFormat.FLAC, identity.span.length, profile.rate, profile.channels, profile.quality)
    return payload_root(bound, identity.leaves.merkle) == claim.transfer.payload_root


def _copied(work: Path, path: Path, identity: Identity, *, expected_root: bytes) -> None:
    span = identity.span
    try:
        assemble(
            work,
            payload=path,
            facts=span.facts,
            preamble=span.preamble,
            payload_offset=span.offset,
            expected_root=expected_root,
        )
    except FilesError as error:
        if error.code not in ("payload_short", "payload_root_mismatch"):
            raise
        raise Transient("The assembled file was changed by somebody.", code="file_changed") from error


def _refuse_sound(claim: VerifyClaim, analysis: FileAnalysis) -> None:
    """Raises _Rejected if the job's wishes look at the sound, and it is not what they ask for."""
    sound, decoded = analysis.sound, analysis.decoded
    if sound is None or not sound_matters(claim.wishes):
        return
    facts = quality_facts(decoded, sound)
    refused = judge_sound(facts, profile=decoded.profile, wishes=claim.wishes)
    if refused is not None:
        raise _Rejected(refused.code, refused.params)


def _decoded(path: Path, identity: Identity, *, wish: AnalysisWish) -> FileAnalysis:
    try:
        return analyse_file(path, span=identity.span, wish=wish)
    except DecodeFailed as error:
        if error.retryable:
            raise
        if error.code in PREAMBLE_CODES and identity.span.format is PayloadFormat.FLAC:
            raise _Rejected(error.code, error.params) from error
        raise _Rejected("decode_failed", {**error.params, "reason": error.code}) from error


def named_of(matches: Sequence[AcoustidMatch]) -> list[NamedRecording]:
    """AcoustID's answer as evidence, best first."""
    return [
        NamedRecording(recording_mbid=one.recording_mbid, score=one.score, title=one.title, artist=one.artist)
        for one in matches
    ]


def compared_here(recording_mbid: uuid.UUID, items: fingerprint.Items) -> LocalEvidence:
    """A file's fingerprint against those confirmed here for its recording."""
    differs = False
    for known in verified_fingerprints(recording_mbid):
        try:
            verdict = fingerprint.same_recording(fingerprint.decode(known.decode("ascii"))[0], items).verdict
        except (DomainError, UnicodeDecodeError):
            continue  # a row of an older form says nothing
        if verdict == "same":
            return "same"
        differs = differs or verdict == "different"
    return "different" if differs else "none"


def _sha256(path: Path) -> bytes:
    with translated(path), path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").digest()
