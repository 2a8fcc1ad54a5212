"""The list of files for API and pages: filters that are each a range of an index, in an order that the same index gives. Nothing is counted.

What is in the trash is not in the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.db.models import Q, QuerySet

from apps.common.pagination import DEFAULT_LIMIT, Page, keyset_page
from apps.domain.library.scans import ReadState
from apps.domain.library.sorting import prefix_range
from apps.domain.library.trash import FOLDER
from apps.library.models import AudioFile, AudioVariant

NEWEST: Final = ("-id",)
BY_NAME: Final = ("sort_key", "id")
BY_VARIANT: Final = ("-variant_id", "-id")
"""Of what is a property of the sound: the newest sounds first."""

IN_TRASH: Final = Q(
    missing_since__isnull=False, rel_path__gte=f"{FOLDER}/".encode(), rel_path__lt=f"{FOLDER}0".encode()
)
"""Files that are in the trash: their rows are missing and named for it. The trash's page lists them. "0" is the byte behind "/"."""

SHOWS: Final[Mapping[str, tuple[Q, tuple[str, ...]]]] = {
    "": (Q(), NEWEST),
    "name": (Q(), BY_NAME),
    "unconfirmed": (Q(variant__verified=False), BY_VARIANT),
    # By the ids that an index has together: where suspects are rare, a join would look at every file.
    "suspect": (Q(variant_id__in=AudioVariant.objects.filter(transcode_suspect=True).values("id")), BY_VARIANT),
    "unreadable": (Q(read_state=ReadState.UNREADABLE), NEWEST),
    "waiting": (Q(read_state=ReadState.PENDING), NEWEST),
    "missing": (Q(missing_since__isnull=False), ("-missing_since", "-id")),
}
"""What may be shown: condition and order."""


def file_query(*, text: str = "", show: str = "") -> tuple[QuerySet[AudioFile], tuple[str, ...]]:
    """(files with their variants, the order for pages of them). `text`: how artist, album … begin (see `sorting.sort_key`), in that order then.

    `show`: one of SHOWS; another shows all.
    """
    rows = AudioFile.objects.select_related("variant", "root", "variant__identification").defer(
        "variant__leaf_hashes", "variant__fingerprint", "variant__preamble", "rel_path", "tags",
        "variant__identification__candidates", "variant__identification__evidence",
    )  # fmt: skip
    condition, order = SHOWS.get(show, SHOWS[""])
    rows = rows.filter(condition).exclude(IN_TRASH)
    if text:
        start, end = prefix_range(text)
        rows, order = rows.filter(sort_key__gte=start, sort_key__lt=end), BY_NAME
    return rows, order


def file_page(
    *, text: str = "", show: str = "", cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[AudioFile]:
    """A page of what `file_query` finds. Raises CursorInvalid."""
    if show == "unconfirmed" and not text:
        rows, _ = file_query()
        unverified = AudioVariant.objects.filter(verified=False)
        return keyset_page(rows, order=BY_VARIANT, cursor=cursor, limit=limit, among=unverified)
    rows, order = file_query(text=text, show=show)
    return keyset_page(rows, order=order, cursor=cursor, limit=limit)
