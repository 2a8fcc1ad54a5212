"""Jobs as files on pages: several jobs' manifests in one file, and manifests that become jobs, shown before they are made.

Between the look and the making the files travel in the page itself, packed: nothing is kept here for somebody who may not come back, and what comes back
is checked as if it were new.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import message_of
from apps.common.web.looks import Look
from apps.domain.errors import DomainError
from apps.domain.jobs.job_manifest import JobManifest, ManifestInvalid, export_text, read_manifests
from apps.domain.jobs.marked_yaml import MAX_BYTES
from apps.jobs.api.manifests import MAX_UPLOADS, YAML, refuse_large
from apps.jobs.selectors_manifest import jobs_all, jobs_count, manifest_of, manifests_exported
from apps.jobs.services_import import ImportedJob, ImportReport, Outcome, jobs_import
from apps.jobs.web.lines import JOB_LOOKS

MOST_EXPORTED = 1000
"""Jobs in one file that a page makes: some seconds. The command line has no such limit."""
MAX_PACKED = 2_000_000
"""Signs; Django takes 2.5 MiB of a form's fields. What packs to more is for the command line."""
SHOWN = 200
"""Lines of a look; the rest is counted."""
OUTCOMES = {
    Outcome.MADE: Look(lazy("New"), "arriving", "ok"),
    Outcome.RENAMED: Look(lazy("New id"), "arriving", "warn"),
    Outcome.KEPT: Look(lazy("Here already"), "check", "idle"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportLine:
    """A job of the look."""

    job: ImportedJob
    look: Look
    outcome: Look


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that somebody sent, by its name."""

    name: str
    data: bytes


@page_role(Role.VIEWER)
@require_http_methods(["GET", "POST"])
def jobs_export(request: HttpRequest) -> HttpResponse:
    """The chosen jobs in one file (POST, `ids`), or all of them while they are few enough."""
    chosen = [uuid.UUID(one) for one in request.POST.getlist("ids") if _is_id(one)][:MOST_EXPORTED]
    if request.method == "POST" and not chosen:
        messages.error(request, _("Choose jobs first."))
        return redirect("arriving")
    if jobs_count(chosen) > MOST_EXPORTED:
        sentence = _("These are too many jobs for one page. On the command line: ./slskdn jobs export --all --out DIR")
        messages.error(request, sentence)
        return redirect("arriving")
    found = manifests_exported(chosen) if chosen else [manifest_of(one) for one in jobs_all(limit=MOST_EXPORTED)]
    if not found:
        messages.error(request, _("There is no job to export."))
        return redirect("arriving")
    name = found[0].file_name if len(found) == 1 else "jobs.yaml"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    try:
        text = export_text(found)
    except DomainError as error:
        messages.error(request, str(message_of(error.code, error.params, fallback=error.sentence)))
        return redirect("arriving")
    return HttpResponse(text, content_type=YAML, headers=headers)


@csrf_exempt  # checked by the inner view, once the length is known: the check reads the whole form
def import_jobs(request: HttpRequest) -> HttpResponseBase:
    """The form; a look at what would be made (POST); the making (POST with what the look showed)."""
    try:
        refuse_large(request.META.get("CONTENT_LENGTH"))
    except ManifestInvalid as error:
        request = _without_body(request)
        return _form(request, error=error, status=413)
    return _import(request)


def _without_body(request: HttpRequest) -> HttpRequest:
    """Nobody reads the body of this one any more."""
    request.method = "GET"
    return request


@csrf_protect
@page_role(Role.OPERATOR)
@require_http_methods(["GET", "POST"])
def _import(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return _answer(request)
    keep = request.POST.get("same_id") == "keep"
    try:
        packed = request.POST.get("packed", "")
        sent = _unpacked(packed) if packed else _sent(request)
        manifests = [one for file in sent for one in _read(file)]
        person = request.user if isinstance(request.user, User) else None
        report = jobs_import(manifests, requested_by=person, allow_duplicate_id=keep, dry_run=not packed)
    except ManifestInvalid as error:
        return _answer(request, error=error, keep=keep, status=400)
    if report.dry_run:
        return _answer(request, report=report, sent=sent, keep=keep)
    made = [one for one in report.jobs if one.outcome is not Outcome.KEPT]
    text = ngettext("%(count)s job was made.", "%(count)s jobs were made.", len(made)) % {"count": len(made)}
    messages.success(request, text)
    roots = [one for one in made if one.parent_id is None]
    return redirect("job", job_id=roots[0].job_id) if len(roots) == 1 else redirect("arriving")


@page_role(Role.OPERATOR)
def _form(request: HttpRequest, *, error: ManifestInvalid, status: int) -> HttpResponse:
    return _answer(request, error=error, status=status)


def _answer(
    request: HttpRequest,
    *,
    error: ManifestInvalid | None = None,
    report: ImportReport | None = None,
    sent: Sequence[Sent] = (),
    keep: bool = False,
    status: int = 200,
) -> HttpResponse:
    context: dict[str, object] = {"keep": keep, "most": MAX_BYTES}
    if error is not None:
        said = message_of(error.code, error.params, fallback=error.sentence)
        context |= {"says": {"what": said, "next": ""}, "error": error, "line": error.params.get("line")}
    if report is not None:
        context |= {
            "report": report,
            "lines": [_line(one) for one in report.jobs[:SHOWN]],
            "more": max(0, len(report.jobs) - SHOWN),
            "news": len(report.jobs) - report.count(Outcome.KEPT),
            "packed": packed if len(packed := _packed(sent)) <= MAX_PACKED else "",
        }
    return render(request, "jobs/import.html", context, status=status)


def _line(job: ImportedJob) -> ImportLine:
    return ImportLine(job=job, look=JOB_LOOKS[job.state], outcome=OUTCOMES[job.outcome])


def _sent(request: HttpRequest) -> list[Sent]:
    """Files and pasted text. Raises ManifestInvalid when there is too much."""
    files = request.FILES.getlist("files")
    text = request.POST.get("text", "").replace("\r\n", "\n")
    if len(files) > MAX_UPLOADS or sum(one.size or 0 for one in files) + len(text) > MAX_BYTES:
        raise ManifestInvalid("It is larger than 10 MB.", code="manifest_too_large", limit=MAX_BYTES)
    sent = [Sent(_name(str(one.name or "")), one.read(MAX_BYTES + 1)) for one in files]
    return [*sent, Sent("", text.encode())] if text.strip() or not sent else sent


def _read(file: Sent) -> tuple[JobManifest, ...]:
    return read_manifests(file.data, file=file.name)


def _name(text: str) -> str:
    return "".join(sign for sign in text if sign.isprintable())[:200]


def _packed(sent: Sequence[Sent]) -> str:
    listed = [[one.name, one.data.decode()] for one in sent]  # it was read as UTF-8
    return base64.b64encode(zlib.compress(json.dumps(listed, ensure_ascii=False).encode())).decode()


def _unpacked(text: str) -> list[Sent]:
    """What `_packed` made, or anything: unpacked to twice the limit at most (JSON escapes line ends). Raises ManifestInvalid."""
    try:
        opened = zlib.decompressobj()
        data = opened.decompress(base64.b64decode(text, validate=True), 2 * MAX_BYTES)
        listed: list[tuple[object, object]] = json.loads(data) if not opened.unconsumed_tail else []
        sent = [Sent(_name(str(name)), str(content).encode()) for name, content in listed]
    except (ValueError, TypeError, zlib.error, binascii.Error, RecursionError) as error:
        raise ManifestInvalid("What was looked at did not arrive whole; look again.", code="manifest_empty") from error
    if not sent:
        raise ManifestInvalid("What was looked at did not arrive whole; look again.", code="manifest_empty")
    return sent


def _is_id(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False
