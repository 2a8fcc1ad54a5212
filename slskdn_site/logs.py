"""How log lines look: one event per line, time in UTC, no control characters; and the supervisor's own writer."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
import threading
import time
from pathlib import Path

from typing_extensions import override

LOG_BYTES = 10 * 1024 * 1024  # of one file, then it is rotated
LOG_FILES = 4
NAME_WIDTH = 7

# Everything below U+0020 except tab, DEL, C1 controls, and the signs that turn the direction of text: they could forge lines or hide them.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(9), *range(10, 32), *range(127, 160))}
_CONTROL |= {
    code: f"\\u{code:04x}" for code in (*range(0x200E, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}


def one_line(text: str) -> str:
    """`text` without anything a terminal or a log reader would take for more than text."""
    return text.translate(_CONTROL)


class LineFormatter(logging.Formatter):
    """`2026-11-20T21:56:15.123Z INFO apps.jobs: …`; a traceback follows on lines of its own."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = one_line(record.message)
        return super().formatMessage(record)


def logging_settings() -> dict[str, object]:
    """Django's LOGGING: everything to standard output, which the supervisor (or the container) collects."""
    level = os.environ.get("SLSKDN_LOG_LEVEL", "INFO").upper()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "slskdn_site.logs.LineFormatter"}},
        "handlers": {"out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "line"}},
        "root": {"handlers": ["out"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            "uvicorn.access": {"level": "WARNING"},
            # One line per task would be most of the log: the sweep alone runs every few seconds. Failures are errors and stay.
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "twisted": {"level": "WARNING"},
            # At DEBUG it would write every message out, what people write to each other among them.
            "aioslsk": {"level": "WARNING"},
        },
    }


class SupervisorLog:
    """Lines of all processes, each with its process's name: to standard output and to a rotating file."""

    def __init__(self, path: Path, *, to_stdout: bool) -> None:
        self._file = logging.handlers.RotatingFileHandler(
            path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8"
        )
        self._to_stdout = to_stdout
        self._lock = threading.Lock()

    def line(self, name: str, text: str) -> None:
        """Write one line of process `name`."""
        shown = f"{name:<{NAME_WIDTH}} | {one_line(text)}"
        with self._lock:
            self._file.emit(logging.makeLogRecord({"msg": "%s", "args": (shown,)}))
            if self._to_stdout:
                try:
                    sys.stdout.write(shown + "\n")
                    sys.stdout.flush()
                except (OSError, ValueError):
                    self._to_stdout = False  # the terminal has gone; the file goes on

    def say(self, text: str) -> None:
        """Write a line of the supervisor's own."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.line("slskdn", f"{stamp} {text}")

    def tell(self, text: str) -> None:
        """Write something a person waits for: plain on standard output, as a line in the file."""
        with self._lock:
            self._file.emit(logging.makeLogRecord({"msg": "%s", "args": (f"{'slskdn':<{NAME_WIDTH}} | {text}",)}))
            try:
                sys.stdout.write(text + "\n")
                sys.stdout.flush()
            except (OSError, ValueError):
                self._to_stdout = False

    def close(self) -> None:
        """Close the file."""
        self._file.close()
