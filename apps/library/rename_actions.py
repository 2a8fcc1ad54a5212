"""What a person can do about a renaming, by name: the same for API and pages."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Final

from django.conf import settings

from apps.library.services_rename import rename_apply_ask, rename_stop, rename_undo_ask

RENAME_ACTIONS: Final[Mapping[str, Callable[[uuid.UUID], object]]] = {
    "apply": rename_apply_ask,
    "stop": rename_stop,
    "undo": rename_undo_ask,
}


def default_template() -> str:
    """`library.template`."""
    template: str = settings.CONFIG.library.template
    return template
