"""Log lines: one event is one line, whatever is in it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from slskdn_site.cli.main import logs_to_stderr
from slskdn_site.logs import LineFormatter, SupervisorLog, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\x1b[31mred", "a\\x0ab\\x0d\\x1b[31mred"),
        ("tab\tstays, Motörhead too", "tab\tstays, Motörhead too"),
        ("evil\u202egnp.exe", "evil\\u202egnp.exe"),
        ("line\u2028separator", "line\\u2028separator"),
        ("nul\0", "nul\\x00"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_a_record_is_one_line_with_the_time_in_utc() -> None:
    record = logging.makeLogRecord(
        {"name": "apps.jobs", "levelname": "INFO", "msg": "job=%s", "args": ("x\ny",), "created": 0.25, "msecs": 250}
    )
    assert LineFormatter().format(record) == "1970-01-01T00:00:00.250Z INFO apps.jobs: job=x\\x0ay"


def test_the_supervisors_file_has_each_line_with_its_process(tmp_path: Path) -> None:
    log = SupervisorLog(tmp_path / "log", to_stdout=False)
    log.line("web", "started")
    log.line("node", "forged\nslskdn  | all is well")
    log.close()
    assert (tmp_path / "log").read_text().splitlines() == [
        "web     | started",
        "node    | forged\\x0aslskdn  | all is well",
    ]


def test_what_a_command_logs_stays_out_of_its_answer(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler(sys.stdout)
    logging.getLogger().addHandler(handler)
    try:
        logs_to_stderr()
        logging.getLogger("apps.x").error("meanwhile")
    finally:
        logging.getLogger().removeHandler(handler)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "meanwhile\n")
