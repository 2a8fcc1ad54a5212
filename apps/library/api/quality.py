"""Variants, canonical order and duplicates over HTTP."""

from __future__ import annotations

import uuid
from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, body_of, query_of
from apps.common.sentences import sentence
from apps.domain.library.duplicates import DuplicateKind
from apps.library.selectors_canonical import canonical_view
from apps.library.selectors_duplicates import DuplicateGroup, duplicate_groups
from apps.library.selectors_file import variant_view
from apps.library.services_duplicates import duplicates_trash

KINDS = [kind.value for kind in DuplicateKind]


class CanonicalReasonOut(serializers.Serializer[object]):
    """Why: code, params and the sentence they make."""

    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.SerializerMethodField()

    def get_message(self, reason: object) -> str:
        """The sentence."""
        return str(sentence(getattr(reason, "code", ""), getattr(reason, "params", {})))


class QualityTermOut(serializers.Serializer[object]):
    """A term of the score: value (0 to 1) times weight."""

    name = serializers.CharField()
    value = serializers.FloatField()
    weight = serializers.FloatField(help_text="Negative: a penalty.")
    code = serializers.CharField()


class LibraryVariantOut(serializers.Serializer[object]):
    """A payload with its figures. Null: not measured, or nothing to measure."""

    id = serializers.IntegerField()
    payload_format = serializers.CharField()
    payload_root = serializers.CharField()
    profile = serializers.CharField()
    container = serializers.CharField()
    codec = serializers.CharField()
    lossless = serializers.BooleanField()
    rate_hz = serializers.IntegerField()
    channels = serializers.IntegerField()
    bits = serializers.IntegerField()
    bitrate_kbps = serializers.IntegerField()
    duration_ms = serializers.IntegerField()
    recording_mbid = serializers.UUIDField(allow_null=True)
    recording_source = serializers.CharField()
    verified = serializers.BooleanField()
    loudness_lufs = serializers.FloatField(allow_null=True)
    loudness_range_lu = serializers.FloatField(allow_null=True)
    true_peak_dbtp = serializers.FloatField(allow_null=True)
    sample_peak_dbfs = serializers.FloatField(allow_null=True)
    dynamic_range = serializers.FloatField(allow_null=True)
    clipped_ppm = serializers.IntegerField(allow_null=True)
    bandwidth_hz = serializers.IntegerField(allow_null=True)
    effective_bits = serializers.IntegerField(allow_null=True)
    encoder = serializers.CharField()
    suspect = serializers.BooleanField(allow_null=True, help_text="null: not analysed, or too little signal.")
    verdict = serializers.CharField()
    quality_score = serializers.FloatField(source="score")
    terms = QualityTermOut(many=True)
    verdicts = serializers.DictField(help_text="The numbers that verdicts rest on.")
    analysed_at = serializers.DateTimeField(allow_null=True)
    analysis_code = serializers.CharField()
    analyser_version = serializers.IntegerField()


class CanonicalCandidateOut(serializers.Serializer[object]):
    """A variant of a recording, held or told of."""

    variant_id = serializers.IntegerField(allow_null=True, help_text="null: only told of by peers.")
    payload_format = serializers.CharField()
    payload_root = serializers.SerializerMethodField()
    profile = serializers.CharField()
    lossless = serializers.BooleanField()
    score = serializers.FloatField()
    scored = serializers.CharField(help_text="measured, told or profile: where the score is from.")
    suspect = serializers.BooleanField(allow_null=True)
    verified = serializers.BooleanField()
    groups = serializers.IntegerField(help_text="Networks that hold it, this node included.")
    complete = serializers.BooleanField()
    files = serializers.IntegerField()
    master = serializers.CharField(source="master.master")
    reasons = CanonicalReasonOut(many=True)

    def get_payload_root(self, one: object) -> str:
        """Hex digits."""
        return bytes(getattr(one, "payload_root", b"")).hex()


class ProfileStatsOut(serializers.Serializer[object]):
    """Variants of the recording in one codec profile."""

    profile = serializers.CharField()
    codec = serializers.CharField()
    lossless = serializers.BooleanField()
    variants = serializers.IntegerField()
    scored = serializers.IntegerField()
    mean_score = serializers.FloatField(allow_null=True)
    suspects = serializers.IntegerField()
    bitrates = serializers.DictField(child=serializers.IntegerField(), help_text="Bucket in kbit/s → count.")
    best_variant_id = serializers.IntegerField(allow_null=True)
    best_score = serializers.FloatField(allow_null=True)


class CanonicalOut(serializers.Serializer[object]):
    """A recording's variants, the canonical one first, and the statistics over those that are held."""

    recording_mbid = serializers.UUIDField()
    candidates = CanonicalCandidateOut(many=True)
    stats = ProfileStatsOut(many=True)
    stale = serializers.BooleanField(help_text="A change is about to be counted.")


class DuplicateFileOut(serializers.Serializer[object]):
    """A file of a group."""

    file_id = serializers.IntegerField(source="file.file_id")
    variant_id = serializers.IntegerField(source="file.variant_id")
    path = serializers.CharField(source="file.path")
    writable = serializers.BooleanField(source="file.writable")
    size_bytes = serializers.IntegerField(source="file.size_bytes")
    profile = serializers.CharField(source="file.profile")
    quality_score = serializers.FloatField(source="file.score", allow_null=True)
    suspect = serializers.BooleanField(source="file.suspect", allow_null=True)
    reason = CanonicalReasonOut()


class DuplicateGroupOut(serializers.Serializer[object]):
    """Files that are the same music; the first is the one to keep."""

    kind = serializers.ChoiceField(choices=KINDS)
    key = serializers.CharField()
    title = serializers.CharField()
    artist = serializers.CharField()
    recording_mbid = serializers.UUIDField(allow_null=True)
    spare_bytes = serializers.IntegerField()
    files = DuplicateFileOut(many=True)
    more = serializers.IntegerField(help_text="Files that are not listed.")


class DuplicatePageOut(serializers.Serializer[object]):
    """A page of groups."""

    items = DuplicateGroupOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class DuplicateQueryIn(serializers.Serializer[object]):
    """Kind and page."""

    kind = serializers.ChoiceField(choices=KINDS, default=DuplicateKind.PAYLOAD.value)
    cursor = serializers.CharField(required=False, max_length=400)
    limit = serializers.IntegerField(required=False, default=25, min_value=1, max_value=100)


class DuplicatesTrashIn(serializers.Serializer[object]):
    """One group, the file that stays, and which go (absent: all others)."""

    kind = serializers.ChoiceField(choices=KINDS)
    key = serializers.CharField(max_length=64)
    keep = serializers.IntegerField(min_value=1)
    trash = serializers.ListField(child=serializers.IntegerField(min_value=1), required=False, max_length=100)


class TrashingOut(serializers.Serializer[object]):
    """What became of a file."""

    file_id = serializers.IntegerField()
    path = serializers.CharField()
    trash_id = serializers.UUIDField(allow_null=True)
    code = serializers.CharField(help_text="Why it stays; empty when it goes.")


class Variant(ApiView):
    """One payload."""

    @extend_schema(operation_id="library_variant", responses={200: LibraryVariantOut, **REFUSALS})
    def get(self, request: Request, variant_id: int) -> Response:
        """Figures, score with its terms, verdicts."""
        view = variant_view(variant_id)
        if view is None:
            raise NotFound
        return Response(LibraryVariantOut(view).data)


class RecordingCanonical(ApiView):
    """The variants of one recording."""

    @extend_schema(operation_id="library_recording_canonical", responses={200: CanonicalOut, **REFUSALS})
    def get(self, request: Request, recording_mbid: uuid.UUID) -> Response:
        """In canonical order, with reasons; empty lists when nothing is known."""
        return Response(CanonicalOut(canonical_view(recording_mbid)).data)


class Duplicates(ApiView):
    """Files that are the same music."""

    @extend_schema(
        operation_id="library_duplicate_list",
        parameters=[DuplicateQueryIn],
        responses={200: DuplicatePageOut, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """One page of groups of a kind."""
        query = query_of(request, DuplicateQueryIn)
        page = duplicate_groups(
            DuplicateKind(cast("str", query["kind"])),
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        groups: list[DuplicateGroup] = list(page.items)
        return Response(
            {"items": DuplicateGroupOut(groups, many=True).data, "next": page.next_cursor, "previous": None}
        )

    @extend_schema(
        operation_id="library_duplicates_trash",
        request=DuplicatesTrashIn,
        responses={200: TrashingOut(many=True), **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        """Keep one file of a group, put the others into the trash."""
        given = body_of(request, DuplicatesTrashIn)
        done = duplicates_trash(
            DuplicateKind(cast("str", given["kind"])),
            cast("str", given["key"]),
            keep=cast("int", given["keep"]),
            trash=cast("list[int] | None", given.get("trash")),
        )
        return Response(TrashingOut(done, many=True).data)
