"""Which recorded answer belongs to an AcoustID lookup: by the recorded form, by the fingerprint's text, else by its bits.

As in the real service, fingerprints are the same when few of their bits differ and their durations are within seven seconds; a client's
own measurement never has exactly the text that was recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from apps.domain.audio.fingerprint import FingerprintError, Items, decode, same_recording
from slskdn_site.demo.answer_folder import AnswerFolder, Entry, canonical_query, fingerprint_sha1
from slskdn_site.demo.answer_shapes import Json, JsonObject
from slskdn_site.demo.metadata_service.catalogue import Reply, entry_reply, json_reply

_LOOKUP_PATH = "/v2/lookup"
# Recorded requests state whole seconds, rounded or cut off.
_EXACT_SECONDS = 1
# AcoustID's server compares fingerprints whose tracks' lengths differ by at most this.
_MATCH_SECONDS = 7
_CREDENTIALS = frozenset({"client", "clientversion"})
_NUMBERED = re.compile(r"fingerprint\.([0-9]{1,4})\Z")
# One request may carry this many fingerprints (the real service: 20).
_MAX_BATCH = 20


@lru_cache(maxsize=4096)
def _items(fingerprint: str) -> Items:
    return decode(fingerprint)[0]


@dataclass(frozen=True, slots=True)
class _Known:
    """One fingerprint whose answer was recorded. `index` picks the answer inside a batch body ("" for a single one)."""

    fingerprint: str
    sha1: str
    duration_s: int
    entry: Entry
    index: str = ""

    def results(self) -> list[Json]:
        """The recorded results."""
        body = cast("Json", json.loads(self.entry.read()))
        if not isinstance(body, dict):
            return []
        found: Json = body.get("results")
        batches = body.get("fingerprints")
        if self.index and isinstance(batches, list):
            found = next(
                (
                    one.get("results")
                    for one in batches
                    if isinstance(one, dict) and str(one.get("index")) == self.index
                ),
                None,
            )
        return found if isinstance(found, list) else []


@dataclass(frozen=True, slots=True)
class Match:
    """A recorded answer that fits a fingerprint: its results with scores lowered by `ber`, the share of bits that differ."""

    results: tuple[JsonObject, ...]
    ber: float

    def recording_ids(self) -> tuple[str, ...]:
        """Recording MBIDs of the best result that names any, in the answer's order."""
        for result in self.results:
            recordings = result.get("recordings")
            if isinstance(recordings, list) and recordings:
                return tuple(str(one["id"]) for one in recordings if isinstance(one, dict) and "id" in one)
        return ()


def _error(code: int, message: str, *, status: int = 400) -> Reply:
    return json_reply(status, {"error": {"code": code, "message": message}, "status": "error"}, rule="invalid")


class AcoustidCatalogue:
    """Answers AcoustID's `/v2/lookup` from folders in order of precedence. Safe for threads: nothing changes after construction."""

    def __init__(self, folders: Sequence[AnswerFolder]) -> None:
        self._entries = [entry for folder in folders for entry in folder.entries if entry.service == "acoustid"]
        self._known = [known for entry in self._entries for known in _known_prints(entry)]

    def reply(self, path: str, pairs: Iterable[tuple[str, str]]) -> Reply:
        """The answer to one request; `pairs` are the decoded parameters of query and form."""
        listed = list(pairs)
        form = dict(listed)
        if path.rstrip("/") != _LOOKUP_PATH:
            return self._other(path, listed)
        if not form.get("client"):
            return _error(2, 'missing required parameter "client"')
        wanted = {key: value for key, value in form.items() if key not in _CREDENTIALS}
        for entry in self._entries:
            if entry.form is not None and {k: v for k, v in entry.form.items() if k not in _CREDENTIALS} == wanted:
                return entry_reply(entry, rule="form")
        if form.get("batch") == "1" or any(_NUMBERED.match(key) for key in form):
            return self._batch(form)
        return self._single(form)

    def _other(self, path: str, pairs: Iterable[tuple[str, str]]) -> Reply:
        query = canonical_query(pairs)
        for entry in self._entries:
            if entry.path == path and entry.query == query:
                return entry_reply(entry, rule="exact")
        return json_reply(404, {"error": {"code": 1, "message": "not found"}, "status": "error"}, rule="none")

    def _single(self, form: Mapping[str, str]) -> Reply:
        fingerprint, duration = form.get("fingerprint", ""), form.get("duration", "")
        sha1 = fingerprint_sha1(fingerprint)
        recorded = self._recorded(sha1, duration)
        if recorded is not None and not recorded.index and _wants_recordings(form):
            return entry_reply(recorded.entry, rule="fingerprint-text")
        problem = _problem(form, fingerprint, duration)
        if problem is not None:
            return problem
        return self._answered(fingerprint, int(float(duration)), form)

    def _answered(self, fingerprint: str, duration_s: int, form: Mapping[str, str]) -> Reply:
        try:
            match = self.match(fingerprint, duration_s)
        except FingerprintError:
            return _error(3, "invalid fingerprint")
        results = [_reduced(result, form) for result in match.results] if match else []
        return json_reply(
            200, {"results": list[Json](results), "status": "ok"}, rule="fingerprint-bits" if match else "no-match"
        )

    def _batch(self, form: Mapping[str, str]) -> Reply:
        indexes = sorted((m.group(1) for m in map(_NUMBERED.match, form) if m), key=int)[:_MAX_BATCH]
        answers: list[Json] = []
        for index in indexes:
            fingerprint, duration = form[f"fingerprint.{index}"], form.get(f"duration.{index}", "")
            problem = _problem(form, fingerprint, duration, suffix=f".{index}")
            if problem is not None:
                return problem
            try:
                match = self.match(fingerprint, int(float(duration)))
            except FingerprintError:
                # The real service leaves a broken fingerprint of a batch out and answers the rest; alone it is an error.
                if len(indexes) == 1:
                    return _error(3, "invalid fingerprint")
                continue
            results: list[Json] = [_reduced(result, form) for result in match.results] if match else []
            answers.append({"index": index, "results": results})
        if not indexes:
            return _error(2, 'missing required parameter "fingerprint"')
        return json_reply(200, {"fingerprints": answers, "status": "ok"}, rule="batch")

    def _recorded(self, sha1: str, duration: str) -> _Known | None:
        seconds = float(duration) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", duration) else None
        for known in self._known:
            if known.sha1 == sha1 and (
                seconds is None
                if not known.duration_s
                else seconds is not None and abs(seconds - known.duration_s) <= _EXACT_SECONDS
            ):
                return known
        return None

    def match(self, fingerprint: str, duration_s: int) -> Match | None:
        """The recorded answer whose fingerprint has the fewest wrong bits, if any is the same recording. Raises FingerprintError."""
        asked = decode(fingerprint)[0]
        best: tuple[float, _Known] | None = None
        for known in self._known:
            if (
                not known.fingerprint
                or known.entry.status != 200
                or abs(known.duration_s - duration_s) > _MATCH_SECONDS
            ):
                continue
            if known.fingerprint == fingerprint:
                best = (0.0, known)
                break
            try:
                comparison = same_recording(_items(known.fingerprint), asked)
            except FingerprintError:
                continue  # a recorded request with a fingerprint that is none
            if comparison.verdict == "same" and (best is None or comparison.ber < best[0]):
                best = (comparison.ber, known)
        if best is None:
            return None
        ber, known = best
        return Match(tuple(_scored(result, ber) for result in known.results() if isinstance(result, dict)), ber)


def _known_prints(entry: Entry) -> list[_Known]:
    if entry.form is None:
        return (
            [_Known(entry.fingerprint, entry.fingerprint_sha1, entry.duration_s, entry)]
            if entry.fingerprint_sha1
            else []
        )
    found: list[_Known] = []
    for key, fingerprint in entry.form.items():
        numbered = _NUMBERED.match(key)
        duration = entry.form.get(f"duration.{numbered.group(1)}", "") if numbered else ""
        if numbered and duration.isdigit() and int(duration) > 0:
            found.append(_Known(fingerprint, fingerprint_sha1(fingerprint), int(duration), entry, numbered.group(1)))
    return found


def _problem(form: Mapping[str, str], fingerprint: str, duration: str, *, suffix: str = "") -> Reply | None:
    """The real service's complaint about a request, if it has one."""
    if form.get("format", "json") != "json":
        return _error(1, "unknown format")
    if not duration or re.fullmatch(r"0+(\.0*)?", duration):
        return _error(2, f'missing required parameter "duration{suffix}"')
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", duration):
        return _error(8, f'parameter "duration{suffix}" must be a positive integer')
    if not fingerprint:
        return _error(2, f'missing required parameter "fingerprint{suffix}"')
    return None


def _meta(form: Mapping[str, str]) -> frozenset[str]:
    return frozenset(filter(None, re.split(r"[ +]", form.get("meta", ""))))


def _wants_recordings(form: Mapping[str, str]) -> bool:
    return "recordings" in _meta(form)


def _scored(result: JsonObject, ber: float) -> JsonObject:
    score = result.get("score")
    return {**result, "score": round(float(score) * (1.0 - ber), 6)} if isinstance(score, int | float) else result


def _reduced(result: JsonObject, form: Mapping[str, str]) -> JsonObject:
    """Leave out what was not asked for: without `recordings` only ids, without `recordingids` too, none."""
    meta = _meta(form)
    if "recordings" in meta:
        return result
    slim: JsonObject = {key: value for key, value in result.items() if key != "recordings"}
    recordings = result.get("recordings")
    if "recordingids" in meta and isinstance(recordings, list):
        slim["recordings"] = [{"id": one["id"]} for one in recordings if isinstance(one, dict) and "id" in one]
    return slim
