"""The streams in `/api/schema`: plain Django views, which drf-spectacular does not find by itself."""

from __future__ import annotations

from collections.abc import Mapping

from django.urls import reverse

_REFUSED = {
    "description": "Nobody, or a key that is not valid here.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
}
_JOB_ID = {"in": "path", "name": "job_id", "required": True, "schema": {"type": "string", "format": "uuid"}}
_ANY_ID = "00000000-0000-0000-0000-000000000000"


def _stream(operation: str, parts: str, *parameters: Mapping[str, object]) -> dict[str, object]:
    text = (
        f"Server-sent events named `patch`, each with `{{parts: {{id: JSON}}, gone: [id]}}`; the first one has everything. {parts} "
        "It ends by itself after a while; the browser's EventSource takes it up again."
    )
    return {
        "get": {
            "operationId": operation,
            "description": text,
            "tags": ["events"],
            "parameters": list(parameters),
            "security": [{"apiKey": []}, {"cookieAuth": []}],
            "responses": {
                "200": {"description": "The stream.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
                "401": _REFUSED,
            },
        }
    }


def streams_described(
    result: dict[str, dict[str, object]],
    generator: object,
    request: object,
    public: bool,  # noqa: FBT001  (its caller's signature)
) -> dict[str, dict[str, object]]:
    """drf-spectacular's POSTPROCESSING_HOOKS: the finished schema with both streams."""
    one = reverse("api-job-events", args=[_ANY_ID]).replace(_ANY_ID, "{job_id}")
    result["paths"][one] = _stream("job_events", "Parts: `job` (JobHeadOut), `track:<id>` (TrackOut).", _JOB_ID)
    result["paths"][reverse("api-events")] = _stream("events", "Parts: `job:<id>` (JobRowOut) of the newest jobs.")
    return result
