"""Django's DATABASES entry: SQLite tuned for several processes, or Postgres by URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from apps.domain.errors import DomainError

# Measured with four writing processes: WAL alone makes lock errors worse, IMMEDIATE brings them to none.
SQLITE_INIT = (
    "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA mmap_size=134217728;PRAGMA journal_size_limit=67108864;"
)
SQLITE_BUSY_TIMEOUT_S = 30


def database_settings(url: str, data_dir: Path) -> dict[str, object]:
    """DATABASES["default"] for `url`; an empty URL is SQLite in `data_dir/db`.

    Raises DomainError `config_invalid` for a scheme that is neither.
    """
    if not url:
        (data_dir / "db").mkdir(parents=True, exist_ok=True)
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(data_dir / "db" / "slskdn.sqlite3"),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": SQLITE_BUSY_TIMEOUT_S,
                "init_command": SQLITE_INIT,
            },
        }
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        sentence = f"database.url must begin with postgres://, not {parts.scheme}://"
        raise DomainError(sentence, code="config_invalid", key="database.url")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_HEALTH_CHECKS": True,
        "CONN_MAX_AGE": 60,
    }
