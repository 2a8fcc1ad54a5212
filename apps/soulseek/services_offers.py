"""A person takes what a search found: a batch of the chosen files, delivered raw."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.contrib.auth.models import User

from apps.domain.contracts.soulseek_downloads import FileAsked
from apps.domain.soulseek.answers import attributes_of
from apps.domain.soulseek.results import SharedFile, profile_told
from apps.soulseek.selectors_search import answered_files, search_view
from apps.soulseek.services_download import batch_create
from apps.soulseek.services_search import SearchRefused, SearchUnknown


def offer_take(
    search_id: uuid.UUID,
    *,
    user: str,
    folder: str | None = None,
    paths: Collection[str] = (),
    requested_by: User | None = None,
    origin: str = "person",
) -> uuid.UUID:
    """Ask `user` for files of their answer: a whole `folder` (also what is no sound), or `paths`. The batch's id.

    Raises SearchUnknown, SearchRefused `offer_gone`, and what batch_create does.
    """
    view = search_view(search_id)
    if view is None:
        raise SearchUnknown("There is no such search.", search=str(search_id))
    wanted = set(paths)
    chosen = [
        one
        for one in answered_files(search_id, user=user)
        if (one.path in wanted if wanted else folder is not None and one.folder == folder)
    ]
    if not chosen:
        raise SearchRefused("This user did not answer with that.", code="offer_gone")
    name = (folder or chosen[0].folder).rpartition("\\")[2]
    return batch_create(
        user=user,
        folder=folder or chosen[0].folder,
        files=[_asked(one) for one in chosen],
        origin=origin,
        priority=9,
        title=name or view.query,
        requested_by=requested_by,
    )


def _asked(file: SharedFile) -> FileAsked:
    profile = profile_told(file)
    return FileAsked(
        path=file.path,
        size_bytes=file.size,
        attributes=attributes_of(file),
        duration_ms=file.length_s * 1000 if file.length_s else None,
        profile=str(profile) if profile is not None else "",
    )
