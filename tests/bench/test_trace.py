"""`./slskdn bench trace`: the report has its figures; how fast it is, is told by the bench itself."""

from __future__ import annotations

import json

import pytest

from slskdn_site.cli.main import main


def test_the_report_tells_the_cost_with_tracing_on_and_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "trace", "--chunks", "300", "--rounds", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["us_per_chunk"]["on"] > 0
    assert report["us_per_chunk"]["off"] >= 0
    assert report["us_per_chunk"]["writer"] > 0
    assert report["bytes_per_chunk"] > 300
    assert (report["dropped"], report["bar_us"]) == (0, 8.0)
    assert report["within_bar"] is (report["us_per_chunk"]["on"] <= 8.0)


def test_the_table_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "trace", "--chunks", "200", "--rounds", "1"]) == 0
    assert "µs a chunk with tracing on" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--chunks", "5"], ["--chunks", "100000"], ["--rounds", "0"]])
def test_a_size_that_makes_no_sense_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "trace", *words]) == 2
    assert "--chunks is" in capsys.readouterr().err
