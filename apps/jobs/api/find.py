"""Finds, targets and editions over HTTP."""

from __future__ import annotations

import dataclasses
import uuid
from typing import cast

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, body_of, page_body, person_of, query_of
from apps.common.api_errors import ErrorBody
from apps.common.roles import Role
from apps.common.sentences import sentence
from apps.domain.catalog.asked import FindState
from apps.domain.catalog.candidates import CandidateKind
from apps.domain.catalog.links import MAX_TEXT_CHARS
from apps.domain.jobs.targets import HeldState, TargetKind, TargetState
from apps.jobs.api.serializers import ConstraintsField, JobTreeOut
from apps.jobs.api.views import IDEMPOTENCY, tree_or_unknown
from apps.jobs.find_words import reason_says
from apps.jobs.selectors_editions import editions_view
from apps.jobs.selectors_find import find_view
from apps.jobs.selectors_related import related_to_recording, related_to_release
from apps.jobs.selectors_targets import target_page, target_view
from apps.jobs.services_find import FindUnknown, find_ask
from apps.jobs.services_targets import kind_of, target_choose, target_forget, target_get_missing

KINDS = [one.value for one in TargetKind]
CANDIDATE_KINDS = [one.value for one in CandidateKind]
FIND_STATES = [one.value for one in FindState]
TARGET_STATES = [one.value for one in TargetState]
HELD_STATES = [one.value for one in HeldState]


class FindIn(serializers.Serializer[object]):
    """What to find."""

    text = serializers.CharField(
        max_length=MAX_TEXT_CHARS,
        help_text="An MBID, an address at MusicBrainz or Discogs, a barcode, an ISRC, or words.",
    )
    again = serializers.BooleanField(default=False, help_text="Also if the same was asked a moment ago.")


class FindReasonOut(serializers.Serializer[object]):
    """Why a candidate stands where it does."""

    code = serializers.CharField()
    points = serializers.FloatField()
    message = serializers.SerializerMethodField()

    def get_message(self, reason: object) -> str:
        """In words."""
        return reason_says(reason)  # type: ignore[arg-type]  # the serializer is given Reasons


class MediumOut(serializers.Serializer[object]):
    """A disc. 0: not told."""

    format = serializers.CharField()
    tracks = serializers.IntegerField()
    length_ms = serializers.IntegerField()


class FindCandidateOut(serializers.Serializer[object]):
    """One of the things a find may mean. Empty and 0: unknown, or not of this kind."""

    kind = serializers.ChoiceField(choices=CANDIDATE_KINDS)
    mbid = serializers.UUIDField()
    title = serializers.CharField(help_text="The name of artists and labels.")
    artist = serializers.CharField()
    artist_mbid = serializers.UUIDField(allow_null=True)
    type = serializers.CharField()
    date = serializers.CharField()
    end = serializers.CharField()
    country = serializers.CharField()
    labels = serializers.ListField(child=serializers.CharField())
    catalog_numbers = serializers.ListField(child=serializers.CharField())
    barcode = serializers.CharField()
    formats = serializers.CharField()
    media = MediumOut(many=True)
    track_count = serializers.IntegerField()
    length_ms = serializers.IntegerField()
    script = serializers.CharField()
    language = serializers.CharField()
    status = serializers.CharField()
    packaging = serializers.CharField()
    disambiguation = serializers.CharField()
    group_mbid = serializers.UUIDField(allow_null=True)
    isrcs = serializers.ListField(child=serializers.CharField())
    on = serializers.ListField(child=serializers.CharField(), help_text="Releases that a recording stands on.")
    score = serializers.IntegerField(help_text="0…100, MusicBrainz' own of a search.")
    points = serializers.FloatField(help_text="The rank: the sum of the reasons' points.")
    reasons = FindReasonOut(many=True)


class FoundOut(serializers.Serializer[object]):
    """A candidate, and what this house has of it."""

    candidate = FindCandidateOut()
    held = serializers.IntegerField(help_text="Files of it.")
    job = serializers.UUIDField(allow_null=True, source="job.id", default=None)
    target = serializers.BooleanField(source="meant")


class FindOut(serializers.Serializer[object]):
    """A find: poll it until `state` is done or failed; candidates come bit by bit."""

    id = serializers.UUIDField()
    text = serializers.CharField()
    asked = serializers.DictField(help_text="What the text was taken for.")
    understood = serializers.CharField(help_text="The same in words.")
    state = serializers.ChoiceField(choices=FIND_STATES)
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.SerializerMethodField()
    candidates = FoundOut(many=True)
    found = serializers.IntegerField(help_text="How many there are, also beyond the candidates told.")
    merged_from = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()
    next_step_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_message(self, find: object) -> str:
        """The code in words."""
        return str(sentence(getattr(find, "code", ""), getattr(find, "params", {})))


class TargetQueryIn(PageQuery):
    """Filters."""

    state = serializers.ChoiceField(choices=TARGET_STATES, required=False)
    text = serializers.CharField(required=False, max_length=200, help_text="Part of title or artist.")


class TargetIn(serializers.Serializer[object]):
    """A release or a recording."""

    kind = serializers.ChoiceField(choices=KINDS)
    mbid = serializers.CharField(max_length=60)


class TargetRowOut(serializers.Serializer[object]):
    """A target as counted last."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=KINDS)
    mbid = serializers.UUIDField()
    title = serializers.CharField()
    artist = serializers.CharField()
    year = serializers.CharField()
    state = serializers.ChoiceField(choices=TARGET_STATES)
    tracks = serializers.IntegerField()
    held = serializers.IntegerField()
    missing = serializers.IntegerField()
    wrong = serializers.IntegerField()
    extra = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    counted_at = serializers.DateTimeField(allow_null=True)


class TargetPageOut(serializers.Serializer[object]):
    """A page of targets."""

    items = TargetRowOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class HeldFileOut(serializers.Serializer[object]):
    """A file. `path` is text for people."""

    file_id = serializers.IntegerField()
    path = serializers.CharField()
    profile = serializers.CharField()
    duration_ms = serializers.IntegerField()


class TargetTrackOut(serializers.Serializer[object]):
    """A track and what is held of it."""

    disc = serializers.IntegerField()
    position = serializers.IntegerField()
    title = serializers.CharField()
    artist = serializers.CharField()
    length_ms = serializers.IntegerField()
    recording_mbid = serializers.UUIDField(allow_null=True)
    state = serializers.ChoiceField(choices=HELD_STATES)
    code = serializers.CharField(help_text="Why it is wrong, or how sure it is.")
    verification = serializers.CharField(
        help_text="How sure it is that the file is the track: fingerprint, consensus, duration, or empty for tags or place alone."
    )
    file = HeldFileOut(allow_null=True)


class TargetOut(serializers.Serializer[object]):
    """A target track by track, counted now. `id` null: nobody chose it."""

    id = serializers.UUIDField(allow_null=True)
    kind = serializers.ChoiceField(choices=KINDS)
    mbid = serializers.UUIDField()
    merged_from = serializers.UUIDField(allow_null=True, source="asked_for")
    title = serializers.CharField()
    artist = serializers.CharField()
    year = serializers.CharField()
    state = serializers.ChoiceField(choices=TARGET_STATES)
    held = serializers.IntegerField()
    missing = serializers.IntegerField()
    wrong = serializers.IntegerField()
    tracks = TargetTrackOut(many=True)
    extra = HeldFileOut(many=True)
    source = serializers.CharField(help_text="musicbrainz, or discogs: `mbid` is derived then, and nobody's MBID.")  # type: ignore[assignment]  # the name of the field
    source_ref = serializers.CharField(help_text="The number at Discogs, or empty.")


class MissingIn(serializers.Serializer[object]):
    """Wishes for the job."""

    constraints = ConstraintsField(required=False, default=dict)


class RelatedItemOut(serializers.Serializer[object]):
    """Something that belongs to a release. `add`: the release that asking for it takes."""

    kind = serializers.ChoiceField(choices=CANDIDATE_KINDS)
    mbid = serializers.UUIDField()
    title = serializers.CharField()
    artist = serializers.CharField()
    facts = serializers.ListField(child=serializers.CharField())
    note = serializers.CharField()
    add = serializers.UUIDField(allow_null=True)
    held = serializers.BooleanField()
    asked = serializers.BooleanField()


class RelatedOut(serializers.Serializer[object]):
    """A heading with at most eight items."""

    section = serializers.CharField()
    about = serializers.CharField()
    items = RelatedItemOut(many=True)


class Finds(ApiView):
    """Look something up."""

    write_role = Role.VIEWER

    @extend_schema(
        operation_id="find_create", request=FindIn, responses={200: FindOut, 202: FindOut, 429: ErrorBody, **REFUSALS}
    )
    def post(self, request: Request) -> Response:
        """200: answered from what is known; 202: MusicBrainz is being asked, look at `Location`."""
        body = body_of(request, FindIn)
        asked = find_ask(str(body["text"]), requested_by=person_of(request), again=bool(body["again"]))
        told = _find(asked)
        status = 200 if told["state"] in {"done", "failed"} else 202
        return Response(told, status=status, headers={"Location": reverse("api-find", args=[asked])})


class OneFind(ApiView):
    """One find."""

    @extend_schema(operation_id="find_get", responses={200: FindOut, **REFUSALS})
    def get(self, request: Request, find_id: uuid.UUID) -> Response:
        """As far as it is."""
        return Response(_find(find_id))


def _find(find_id: uuid.UUID) -> dict[str, object]:
    view = find_view(find_id)
    if view is None:
        raise FindUnknown("There is no such find.", find=str(find_id))
    return dict(FindOut(view).data)


class Targets(ApiView):
    """What people mean to have."""

    @extend_schema(operation_id="target_list", parameters=[TargetQueryIn], responses={200: TargetPageOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """One page, newest first."""
        query = query_of(request, TargetQueryIn)
        page = target_page(
            state=str(query.get("state", "")),
            text=str(query.get("text", "")),
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        return Response(page_body(page, TargetRowOut(page.items, many=True).data))

    @extend_schema(operation_id="target_choose", request=TargetIn, responses={200: TargetOut, **REFUSALS})
    def post(self, request: Request) -> Response:
        """Mean to have it; doing so twice changes nothing. Its track list is looked up where it is not known."""
        body = body_of(request, TargetIn)
        kind = kind_of(str(body["kind"]))
        target_choose(kind, str(body["mbid"]), requested_by=person_of(request))
        return Response(TargetOut(target_view(kind, uuid.UUID(str(body["mbid"])))).data)


class OneTarget(ApiView):
    """One target, chosen or only looked at."""

    @extend_schema(operation_id="target_get", responses={200: TargetOut, **REFUSALS})
    def get(self, request: Request, kind: str, mbid: uuid.UUID) -> Response:
        """Track by track."""
        return Response(TargetOut(target_view(kind_of(kind), mbid)).data)

    @extend_schema(operation_id="target_forget", responses={204: None, **REFUSALS})
    def delete(self, request: Request, kind: str, mbid: uuid.UUID) -> Response:
        """Mean it no more."""
        kind_of(kind)
        target_forget(mbid)
        return Response(status=204)


class TargetMissing(ApiView):
    """What is missing of a target."""

    @extend_schema(
        operation_id="target_get_missing",
        request=MissingIn,
        parameters=[IDEMPOTENCY],
        responses={202: JobTreeOut, 409: ErrorBody, **REFUSALS},
    )
    def post(self, request: Request, kind: str, mbid: uuid.UUID) -> Response:
        """A job for exactly those tracks."""
        made = target_get_missing(
            kind,
            mbid,
            constraints=cast("dict[str, object]", body_of(request, MissingIn)["constraints"]),
            requested_by=person_of(request),
            idempotency_key=request.headers.get("Idempotency-Key"),
        )
        return Response(
            JobTreeOut(tree_or_unknown(made.id)).data,
            status=202,
            headers={"Location": reverse("api-job", args=[made.id])},
        )


class TargetRelated(ApiView):
    """What belongs to a target."""

    @extend_schema(operation_id="target_related", responses={200: RelatedOut(many=True), **REFUSALS})
    def get(self, request: Request, kind: str, mbid: uuid.UUID) -> Response:
        """Sections with something in them, from what the catalog knows."""
        found = related_to_release(mbid) if kind_of(kind) is TargetKind.RELEASE else related_to_recording(mbid)
        return Response(RelatedOut(found, many=True).data)


class Editions(ApiView):
    """The edition solver."""

    @extend_schema(
        operation_id="editions_solve",
        parameters=[OpenApiParameter("strict", uuid.UUID, description="Judge this release alone, by its word.")],
        responses={200: dict, **REFUSALS},
    )
    def get(self, request: Request, group: uuid.UUID) -> Response:
        """Which edition of an album what is held and offered makes best, with every penalty and the cheapest change."""
        strict = request.query_params.get("strict")
        try:
            named = uuid.UUID(strict) if strict else None
        except ValueError as error:
            raise NotFound("There is no such release.", code="not_found") from error
        return Response(dataclasses.asdict(editions_view(group, strict=named)))
