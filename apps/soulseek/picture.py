"""A stranger's picture as an answer: nothing but a picture, whatever else its bytes might be read as."""

from __future__ import annotations

from django.http import HttpResponse


def picture_response(data: bytes, media_type: str) -> HttpResponse:
    """`media_type` is by content (`apps.domain.soulseek.people.picture_type`). No sniffing, no script, no frame; kept by the browser for a minute."""
    response = HttpResponse(data, content_type=media_type)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Content-Disposition"] = f'inline; filename="picture.{media_type.rpartition("/")[2]}"'
    response.headers["Cache-Control"] = "private, max-age=60"
    return response
