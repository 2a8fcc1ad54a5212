"""The data folder: its layout, its version, the commented slskdn.yml written on first start. Nothing else writes to its top."""

from __future__ import annotations

from pathlib import Path

from slskdn_site.config import all_keys
from slskdn_site.config_keys import ENV_PREFIX, Key
from slskdn_site.config_sources import ConfigError

DATA_VERSION = 1  # goes up when an older slskdn could no longer read the folder
PRIVATE_FOLDERS = ("secrets", "keys", "run", "db")
FOLDERS = (*PRIVATE_FOLDERS, "partial", "trash", "jobs", "traces", "run/static")


def data_folder_prepare(folder: Path) -> None:
    """Create what is missing in `folder`, check that this slskdn may use it.

    Raises ConfigError when a newer slskdn has written it, or when it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        version_file = folder / "VERSION"
        if version_file.exists():
            _version_check(version_file)
        for name in FOLDERS:
            (folder / name).mkdir(mode=0o700 if name in PRIVATE_FOLDERS else 0o755, exist_ok=True)
        if not version_file.exists():
            version_file.write_text(f"{DATA_VERSION}\n", encoding="ascii")
        yml = folder / "slskdn.yml"
        if not yml.exists():
            yml.touch(mode=0o600)  # it may come to hold an application key
            yml.write_text(yml_template(), encoding="utf-8")
    except OSError as error:
        sentence = (
            f"The data folder {folder} cannot be used: {error}. Name another one with `--data DIR` or SLSKDN_DATA."
        )
        raise ConfigError(sentence, code="data_folder_unusable") from error


def _version_check(version_file: Path) -> None:
    text = version_file.read_text(encoding="utf-8", errors="replace").strip()
    if not (text.isascii() and text.isdecimal()):
        sentence = (
            f"{version_file} holds {text[:40]!r} instead of a version number; is this really slskdn's data folder?"
        )
        raise ConfigError(sentence, code="data_folder_unusable")
    if int(text) > DATA_VERSION:
        sentence = (
            f"The data folder {version_file.parent} is of version {text}; this slskdn knows {DATA_VERSION}. "
            "Update slskdn, or name another folder with `--data DIR`."
        )
        raise ConfigError(sentence, code="data_folder_newer")


def yml_template() -> str:
    """slskdn.yml with every key commented out at its default."""
    lines = [
        "# slskdn's configuration. Every key is shown at its default; take away a `# ` to change one.",
        f"# The environment overrides it: {ENV_PREFIX}WEB__PORT=5031. `./slskdn config check` reads it back.",
    ]
    shown: tuple[str, ...] = ()
    for key in all_keys().values():
        *sections, leaf = key.name.split(".")
        common = 0
        while common < min(len(shown), len(sections)) and shown[common] == sections[common]:
            common += 1
        for depth in range(common, len(sections)):
            if depth == 0:
                lines.append("")
            lines.append(f"{'  ' * depth}{sections[depth]}:")
        shown = tuple(sections)
        indent = "  " * len(sections)
        lines.append(f"{indent}# {key.description}")
        lines.append(f"{indent}# {leaf}: {_yml_value(key)}")
    return "\n".join(lines) + "\n"


def _yml_value(key: Key) -> str:
    match key.default:
        case bool() as flag:
            return "true" if flag else "false"
        case str() as text:
            return f'"{text}"'
        case list() as items:
            return "[" + ", ".join(f'"{item}"' for item in items) + "]"
        case other:
            return str(other)
