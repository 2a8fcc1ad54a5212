"""Live views of jobs as server-sent events: `patch` events with `{parts: {id: JSON}, gone: [id]}`.

Plain Django views, because DRF does not stream; they take the same sessions and keys.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_GET

from apps.common.api_errors import error_response
from apps.common.auth import ApiKeyRefused, request_principal
from apps.common.sse import Snapshot, stream_response
from apps.jobs import selectors
from apps.jobs.api.serializers import STREAMS, JobHeadOut, JobRowOut, TrackOut, streams_of_tracks
from apps.jobs.selectors_list import job_page

LIST_ROWS = 50  # newest jobs that `/api/events` tells of


def _guarded(request: HttpRequest, snapshot: Snapshot) -> HttpResponseBase:
    try:
        principal = request_principal(request)
    except ApiKeyRefused:
        return error_response("api_key_refused", status=401)
    if principal is None:
        return error_response("not_authenticated", status=401)
    return stream_response(snapshot)


@require_GET
def job_events(request: HttpRequest, job_id: uuid.UUID) -> HttpResponseBase:
    """Parts: `job` and one `track:<id>` each."""
    return _guarded(request, lambda: job_parts(job_id))


@require_GET
def list_events(request: HttpRequest) -> HttpResponseBase:
    """Parts: `job:<id>` of the newest jobs."""
    return _guarded(request, list_parts)


def job_parts(job_id: uuid.UUID) -> Mapping[str, object]:
    """The tree, cut into parts that change apart from each other. A job that is gone has none."""
    tree = selectors.job_tree(job_id)
    if tree is None:
        return {"error": {"code": "job_unknown"}}
    told = {STREAMS: streams_of_tracks(tree)}
    tracks = {f"track:{track.id}": TrackOut(track, context=told).data for track in tree.tracks}
    return {"job": JobHeadOut(tree).data, **tracks}


def list_parts() -> Mapping[str, object]:
    """The newest jobs."""
    return {f"job:{row.id}": JobRowOut(row).data for row in job_page(limit=LIST_ROWS).items}
