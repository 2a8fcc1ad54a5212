"""Secrets that the machine makes for itself: one file each in `secrets/`, mode 0600, created once."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from slskdn_site.config import data_dir


def secret_path(name: str) -> Path:
    """Where the secret `name` lives."""
    return data_dir() / "secrets" / name


def secret_read_or_create(name: str, *, length_bytes: int = 32) -> str:
    """The secret's text; made of `length_bytes` random bytes the first time.

    Safe against two processes starting at once: the file appears complete (written aside, then linked), and the loser reads the winner's.
    """
    path = secret_path(name)
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = path.with_name(f".{name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(length_bytes))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return path.read_text(encoding="ascii").strip()
