"""Installs a hash-pinned lock into the venv that runs this script: uv first (by pip), then everything else (by uv).

Run by the launcher as a script, with nothing installed yet: standard library only. Reaches the package index that pip is configured for on this
machine, and nothing else: uv does not read pip's configuration, so it is passed on.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PIP = [sys.executable, "-m", "pip"]
# pip's option → uv's variable
PASSED_ON = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}

EXTRA = {"extra-index-url", "find-links"}


def main(lock: Path) -> int:
    """Install `lock`; pip's or uv's exit status."""
    with tempfile.TemporaryDirectory(prefix="slskdn-install-") as folder:
        only_uv = Path(folder) / "uv.txt"
        only_uv.write_text(uv_requirement(lock), encoding="utf-8")
        quiet = ["-qq", "--disable-pip-version-check", "--no-input"]
        status = subprocess.run(
            [*PIP, "install", *quiet, "--require-hashes", "-r", str(only_uv)], check=False
        ).returncode
    if status != 0:
        return status
    options = pip_options()
    attempts = [options]
    if EXTRA & options.keys():
        # An additional index or folder that is out of order must not keep us from the main one.
        attempts.append({name: value for name, value in options.items() if name not in EXTRA})
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "sync",
        "--quiet",
        "--require-hashes",
        "--python",
        sys.executable,
        str(lock),
    ]
    complaints = ""
    for attempt in attempts:
        environment = {**os.environ, **uv_environment(attempt, os.environ)}
        done = subprocess.run(
            command, env=environment, check=False, stderr=subprocess.PIPE, text=True, errors="replace"
        )
        complaints += done.stderr
        if done.returncode == 0:
            # So that `.venv/bin/pytest` and its like find the project, from any folder.
            (Path(sysconfig.get_path("purelib")) / "slskdn.pth").write_text(f"{PROJECT}\n", encoding="utf-8")
            return 0
    sys.stderr.write(complaints)
    return 1


def uv_requirement(lock: Path) -> str:
    """The lines of `lock` that pin uv with its hashes."""
    lines: list[str] = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        if lines and not line.startswith(" "):
            break
        if lines or line.startswith("uv=="):
            lines.append(line)
    return "\n".join(lines) + "\n"


def pip_options() -> dict[str, str]:
    """What pip is configured with, by option; the environment wins over files, `install` over `global`."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False).stdout
    by_section: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listed.splitlines():
        name, equals, quoted = line.partition("=")
        section, _, option = name.partition(".")
        if equals and section in by_section:
            try:
                value = ast.literal_eval(quoted)
            except (SyntaxError, ValueError):
                value = quoted
            by_section[section][option] = " ".join(str(value).split())
    return by_section["global"] | by_section["install"] | by_section[":env:"]


def uv_environment(options: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """uv's variables for pip's `options`; what is set in `environ` already stays."""
    variables = {
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_SYSTEM_CERTS": "true",
        # As pip does it. Every file is checked against the lock's hashes, so it does not matter which index it came from.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_NO_PROGRESS": "true",
    }
    for option, variable in PASSED_ON.items():
        if value := options.get(option):
            variables[variable] = value
    if "UV_FIND_LINKS" in variables:
        variables["UV_FIND_LINKS"] = variables["UV_FIND_LINKS"].replace(" ", ",")
    return {name: value for name, value in variables.items() if name not in environ}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
