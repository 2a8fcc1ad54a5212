"""Manifests over HTTP: a job as YAML, and jobs made from YAML."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import IO, cast

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from typing_extensions import override

from apps.common.api_base import REFUSALS, ApiView, person_of, query_of
from apps.common.api_errors import ErrorBody
from apps.domain.jobs.job_manifest import JobManifest, ManifestInvalid, export_text, read_manifests
from apps.domain.jobs.lifecycle import JobState
from apps.domain.jobs.marked_yaml import MAX_BYTES
from apps.jobs.selectors_manifest import manifest_of
from apps.jobs.services_import import ImportReport, Outcome, jobs_import

YAML = "application/yaml"
ENVELOPE_BYTES = 64 * 1024
"""Of a multipart body around its files."""
MAX_UPLOADS = 100


class ManifestParser(BaseParser):
    """A body that is YAML: its bytes, one more than allowed at most."""

    media_type = YAML

    @override
    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: object = None
    ) -> dict[str, object]:
        return {"document": stream.read(MAX_BYTES + 1)}


class OldYamlParser(ManifestParser):
    """As it was sent before RFC 9512."""

    media_type = "application/x-yaml"


class TextYamlParser(ManifestParser):
    """As a text."""

    media_type = "text/*"


class ImportQueryIn(serializers.Serializer[object]):
    """How manifests are taken."""

    dry_run = serializers.BooleanField(required=False, default=False, help_text="True: only say what would be made.")
    allow_duplicate_id = serializers.BooleanField(
        required=False,
        default=False,
        help_text="True: a job whose id is here already is that job and stays as it is; false: a new job is made that names the old id.",
    )


class ImportedJobOut(serializers.Serializer[object]):
    """What became of one manifest."""

    line = serializers.IntegerField(help_text="Where it begins in its file.")
    file = serializers.CharField(help_text="The file's name, of an upload.")
    manifest_id = serializers.UUIDField(help_text="The id in the manifest.")
    job_id = serializers.UUIDField()
    outcome = serializers.ChoiceField(choices=[one.value for one in Outcome])
    type = serializers.CharField()
    title = serializers.CharField()
    artist = serializers.CharField()
    state = serializers.ChoiceField(choices=[one.value for one in JobState])
    tracks = serializers.IntegerField()
    completed = serializers.IntegerField(help_text="Of these tracks.")
    children = serializers.IntegerField()
    parent_id = serializers.UUIDField(allow_null=True)
    orphan = serializers.BooleanField(help_text="It names a parent that is neither in the file nor here.")


class ImportReportOut(serializers.Serializer[object]):
    """What was, or would be, made."""

    dry_run = serializers.BooleanField()
    made = serializers.SerializerMethodField()
    renamed = serializers.SerializerMethodField()
    kept = serializers.SerializerMethodField()
    jobs = ImportedJobOut(many=True)

    def get_made(self, report: ImportReport) -> int:
        """Under the id of the manifest."""
        return report.count(Outcome.MADE)

    def get_renamed(self, report: ImportReport) -> int:
        """Under a new id."""
        return report.count(Outcome.RENAMED)

    def get_kept(self, report: ImportReport) -> int:
        """Here already."""
        return report.count(Outcome.KEPT)


class JobExport(ApiView):
    """A job's manifest."""

    @override
    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """Whatever is accepted, it is YAML; refusals are JSON."""
        return JSONRenderer(), "application/json"

    @extend_schema(operation_id="job_export", responses={(200, YAML): OpenApiTypes.STR, **REFUSALS})
    def get(self, request: Request, job_id: uuid.UUID) -> HttpResponse:
        """The file; of a discography or crate with its children inside. More than an import takes is refused (`manifest_export_too_large`)."""
        manifest = manifest_of(job_id)
        headers = {"Content-Disposition": f'attachment; filename="{manifest.file_name}"'}
        return HttpResponse(export_text([manifest]), content_type=YAML, headers=headers)


class JobImport(ApiView):
    """Jobs from manifests."""

    parser_classes = [ManifestParser, OldYamlParser, TextYamlParser, MultiPartParser]

    @override
    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        # Before anybody looks into the body: signing in by session reads a form.
        refuse_large(request.META.get("CONTENT_LENGTH"))
        super().initial(request, *args, **kwargs)

    @extend_schema(
        operation_id="job_import",
        request={YAML: OpenApiTypes.STR, "multipart/form-data": OpenApiTypes.BINARY},
        parameters=[ImportQueryIn, OpenApiParameter("Content-Type", str, OpenApiParameter.HEADER)],
        responses={200: ImportReportOut, 201: ImportReportOut, 409: ErrorBody, 413: ErrorBody, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        """201: all of these jobs were made (200: it was a dry run, or all were here). One that is wrong refuses all, with its line."""
        query = query_of(request, ImportQueryIn)
        report = jobs_import(
            _manifests(request),
            requested_by=person_of(request),
            allow_duplicate_id=bool(query["allow_duplicate_id"]),
            dry_run=bool(query["dry_run"]),
        )
        made = not report.dry_run and report.count(Outcome.KEPT) < len(report.jobs)
        return Response(ImportReportOut(report).data, status=201 if made else 200)


def refuse_large(content_length: object) -> None:
    """Before a byte of the body is parsed. Raises ManifestInvalid `manifest_too_large`."""
    text = str(content_length or "0")
    if not text.isdecimal() or int(text) > MAX_BYTES + ENVELOPE_BYTES:
        raise ManifestInvalid("It is larger than 10 MB.", code="manifest_too_large", limit=MAX_BYTES)


def _manifests(request: Request) -> list[JobManifest]:
    files = [one for listed in request.FILES.lists() for one in listed[1]]
    if files:
        return uploads_read(files)
    document = request.data.get("document") if isinstance(request.data, dict) else None
    if not isinstance(document, bytes):
        raise ManifestInvalid("There is no job in it.", code="manifest_empty")
    return list(read_manifests(document))


def uploads_read(files: Sequence[UploadedFile[bytes]]) -> list[JobManifest]:
    """The jobs of uploaded files, together at most 10 MB. Raises ManifestInvalid."""
    if len(files) > MAX_UPLOADS or sum(one.size or 0 for one in files) > MAX_BYTES:
        raise ManifestInvalid("It is larger than 10 MB.", code="manifest_too_large", limit=MAX_BYTES)
    found: list[JobManifest] = []
    for one in files:
        name = "".join(sign for sign in str(one.name or "") if sign.isprintable())[:200]
        found += read_manifests(cast("bytes", one.read(MAX_BYTES + 1)), file=name)
    return found
