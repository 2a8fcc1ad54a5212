"""`./slskdn bench transcode`: real encoders' files are found by the workers' own analysis, and a broken corpus is told as such."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slskdn_site.bench.transcode_corpus import auroc, upper_bound_95
from slskdn_site.cli.main import main
from tests.sound_corpus import LOSSY, write_corpus


@pytest.mark.e2e
def test_every_class_of_a_small_corpus_is_found_and_nothing_genuine_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    scores = tmp_path / "scores.jsonl"
    assert main(["bench", "transcode", "--corpus", str(corpus), "--scores", str(scores), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    classes = {one["name"]: one for one in report["classes"]}
    expected = {f"t_{codec}" for codec in LOSSY} | {"t_mp3_320_r48", "up_mp3_192_320", "up96", "pad24", "gain24"}
    assert classes.keys() == expected
    assert {name: (one["auroc"], one["tpr"]) for name, one in classes.items()} == dict.fromkeys(expected, (1.0, 1.0))
    assert {one["named"] for name, one in classes.items() if name.startswith("t_")} == {1.0}
    genuine = report["genuine"]
    assert (genuine["plain_n"], genuine["hard_n"], genuine["flagged"]) == (6, 6, [])
    assert (genuine["plain_fpr"], genuine["hard_fpr"]) == (0.0, 0.0)
    assert report["cpu_s_per_file"] > 0
    assert report["failed"] == []
    manifest = [json.loads(line) for line in (corpus / "manifest.jsonl").read_text().splitlines()]
    lines = [json.loads(line) for line in scores.read_text().splitlines()]
    assert [one["path"] for one in lines] == [one["file"] for one in manifest]
    assert all({"path", "label", "verdict", "score", "evidence"} <= one.keys() for one in lines)
    flagged = {one["path"] for one in lines if one["suspect"]}
    assert flagged == {one["file"] for one in manifest if _pretends(one)}


def _pretends(line: dict[str, str]) -> bool:
    return (
        line["label"] in ("transcode", "upscale") or line.get("bitdepth") == "fake" or line.get("hires") == "upsampled"
    )


@pytest.mark.e2e
def test_a_file_that_does_not_decode_is_named_and_the_others_are_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.flac").write_bytes(b"fLaC" + bytes(3000))
    _manifest(tmp_path, [{"file": "broken.flac", "label": "genuine", "cls": "neg_plain", "variant": "base"}])
    assert main(["bench", "transcode", "--corpus", str(tmp_path), "--processes", "1", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [one["path"] for one in report["failed"]] == ["broken.flac"]
    assert report["failed"][0]["code"]
    assert (report["classes"], report["cpu_s_per_file"], report["genuine"]["plain_fpr"]) == ([], None, None)


LINE = {"file": "a.flac", "label": "genuine", "cls": "neg_plain", "variant": "base"}


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["{"], "corpus_manifest_invalid"),
        (["[]"], "corpus_manifest_invalid"),
        ([json.dumps(LINE | {"label": "who knows"})], "corpus_manifest_invalid"),
        ([json.dumps(LINE | {"cls": 3})], "corpus_manifest_invalid"),
        ([json.dumps({"file": "a.flac"})], "corpus_manifest_invalid"),
        ([json.dumps(LINE | {"hires": ["x"]})], "corpus_manifest_invalid"),
        ([json.dumps(LINE)], "corpus_file_missing"),
        ([""], "corpus_empty"),
    ],
)
def test_a_corpus_that_cannot_be_read_is_told_with_a_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[str], code: str
) -> None:
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines))
    assert main(["bench", "transcode", "--corpus", str(tmp_path), "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert code in captured.err


def test_a_folder_without_manifest_and_a_senseless_number_of_processes_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "transcode", "--corpus", str(tmp_path)]) == 2
    assert "corpus_missing" in capsys.readouterr().err
    assert main(["bench", "transcode", "--corpus", str(tmp_path), "--processes", "0"]) == 2
    assert "--processes is" in capsys.readouterr().err


def test_auroc_is_the_chance_that_a_positive_lies_higher() -> None:
    assert auroc([3.0, 4.0], [1.0, 2.0]) == 1
    assert auroc([1.0, 2.0], [3.0, 4.0]) == 0
    assert auroc([1.0, 3.0], [2.0]) == 0.5
    assert auroc([2.0], [2.0]) == 0.5
    assert auroc([], [2.0]) is None


def test_the_upper_bound_is_clopper_and_pearsons() -> None:
    assert upper_bound_95(0, 59) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert upper_bound_95(1, 10) == pytest.approx(0.3942, abs=1e-4)
    assert upper_bound_95(5, 5) == 1
    assert upper_bound_95(0, 0) is None


def _manifest(folder: Path, lines: list[dict[str, Any]]) -> None:
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
