"""What each code of a manifest that is refused says: where, and why. The words of the one reason travel with the error. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MANIFEST_CODES: Final = (
    "manifest_empty", "manifest_not_a_mapping", "manifest_version_missing", "manifest_version_newer", "manifest_type_unknown",
    "manifest_id_missing", "manifest_id_invalid", "manifest_field_missing", "manifest_field_invalid", "manifest_field_unknown",
    "manifest_child_type", "manifest_child_twice", "manifest_too_large", "manifest_not_text", "manifest_not_yaml", "manifest_too_deep",
    "manifest_alias", "manifest_tag", "manifest_repeated_key", "manifest_key_not_text", "manifest_id_repeated", "manifest_id_taken",
    "manifest_file_missing",
)  # fmt: skip

MANIFEST_SENTENCES: Final[Mapping[str, str]] = {
    **dict.fromkeys(MANIFEST_CODES, "{where}: {why}."),
    "manifest_absent": "There is no such file.",
    "manifest_export_too_large": "This export has {size_mb} MB; an import takes {limit_mb} MB. In a folder each release is a file of its own: "
    "./slskdn jobs export --all --out DIR, and ./slskdn jobs restore DIR brings them back.",
    "waits_for_library": "It came from a manifest and waits until the library was read, so that nothing is fetched twice.",
    "imported_ended": "It had ended so when its manifest was written. It can be tried again.",
    "imported_partly": "It had ended so when its manifest was written: {completed} of {total} tracks were completed. It can be tried again.",
}


def where_of(line: int | None, file: str = "") -> str:
    """Where in which file, at the beginning of a sentence."""
    if line:
        return f"{file}, line {line}" if file else f"Line {line}"
    return file or "This file"
