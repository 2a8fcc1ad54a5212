"""`./slskdn docs`: writes the documents that are made from the code, or says which are stale."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

SUMMARY = "Write the documents that are made from the code (--check: say which are stale)."


def register(parser: argparse.ArgumentParser) -> None:
    """Write or check."""
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 when one is stale")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Each document in turn."""
    from slskdn_site.processes import PROJECT

    stale = 0
    for name, text_of in documents().items():
        path = PROJECT / name
        text = text_of()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if args.check:
            print(f"{name} is stale: run ./slskdn docs")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if args.check and stale else 0


def documents() -> Mapping[str, Callable[[], str]]:
    """Path → text of every generated document."""
    from slskdn_site.manifest_docs import manifest_document, schema_document

    return {
        "docs/configuration.md": configuration_document,
        "docs/job-manifest.md": manifest_document,
        "docs/job-manifest.schema.json": schema_document,
    }


def configuration_document() -> str:
    """Every key in one table."""
    from slskdn_site.config import all_keys
    from slskdn_site.config_sources import RENAMED

    lines = [
        "# Configuration",
        "",
        "Made from the schema in `slskdn_site/config.py` by `./slskdn docs`; do not edit.",
        "",
        "Values come from `slskdn.yml` in the data folder; the environment overrides it. The variable of a key is `SLSKDN__` and its name in",
        "capitals with `__` for each dot. A list is written `a,b` or as JSON. Any key may be read from a file instead: `…_FILE` names it.",
        "",
        "| Key | Type | Default | Effect and unit |",
        "|---|---|---|---|",
    ]
    for key in all_keys().values():
        default = ", ".join(map(str, key.default)) if isinstance(key.default, list) else str(key.default)
        if isinstance(key.default, bool):
            default = default.lower()
        kind = key.type_text.replace("|", "\\|")
        lines.append(f"| `{key.name}` | {kind} | {f'`{default}`' if default else 'empty'} | {key.description} |")
    lines += ["", "## Refused spellings", "", "| Written | Means |", "|---|---|"]
    lines += [f"| `{old}` | `{new}` |" for old, new in sorted(RENAMED.items())]
    return "\n".join(lines) + "\n"
