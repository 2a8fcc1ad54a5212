"""`./slskdn config show|check|explain KEY`."""

from __future__ import annotations

import argparse

SUMMARY = "Show, check or explain the configuration (show, check, explain KEY)."

HIDDEN = "(set, not shown)"


def register(parser: argparse.ArgumentParser) -> None:
    """The three verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="show|check|explain")
    show = verbs.add_parser("show", help="every key with its value and where the value comes from")
    show.set_defaults(run=run_show)
    check = verbs.add_parser("check", help="say what is wrong, dangerous or worth knowing")
    check.set_defaults(run=run_check)
    explain = verbs.add_parser("explain", help="what one key (or section) does")
    explain.add_argument("key", metavar="KEY", help="such as web.port")
    explain.set_defaults(run=run_explain)


def run_show(_args: argparse.Namespace) -> int:
    """`config show`."""
    from slskdn_site.config import all_keys, configuration_of, configuration_reading, data_dir

    reading = configuration_reading()
    config = configuration_of(reading)
    print(f"# data folder: {data_dir()}")
    for name, key in all_keys().items():
        value: object = config
        for part in name.split("."):
            value = getattr(value, part)
        shown = HIDDEN if key.secret and value else _shown(value)
        print(f"{name}: {shown}" + (f"   # {reading.origins[name]}" if name in reading.origins else ""))
    return 0


def run_check(_args: argparse.Namespace) -> int:
    """`config check`: status 1 when something would stop the start; a wrong value is status 2, as everywhere."""
    from slskdn_site.checks import Level, config_findings
    from slskdn_site.config import data_dir, load_config

    findings = list(config_findings(load_config(), folder=data_dir()))
    for finding in findings:
        print(f"{finding.level.name.lower():<8} {finding.id}  {finding.sentence} {finding.hint}")
    errors = sum(finding.level is Level.ERROR for finding in findings)
    print(
        f"The configuration is {'not usable' if errors else 'valid'}: {errors} errors, {len(findings) - errors} remarks."
    )
    return 1 if errors else 0


def run_explain(args: argparse.Namespace) -> int:
    """`config explain KEY`."""
    from slskdn_site.config import all_keys
    from slskdn_site.config_sources import ConfigError, unknown_key_sentence

    keys = all_keys()
    found = [key for name, key in keys.items() if name == args.key or name.startswith(f"{args.key}.")]
    if not found:
        raise ConfigError(unknown_key_sentence(args.key, keys, "asked for"), key=args.key)
    for key in found:
        print(f"{key.name} ({key.type_text}, default {_shown(key.default)})")
        print(f"  {key.description}")
        print(
            f"  environment: {key.env_name}"
            + (f", or {key.env_name}_FILE naming a file that holds it" if key.secret else "")
        )
    return 0


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value) if value != "" else '""'
