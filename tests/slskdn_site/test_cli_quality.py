"""`./slskdn quality`, `canonical` and `library duplicates`: against real rows and a real file, as people call them."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from PIL import Image

from apps.library.models import AudioVariant
from apps.library.services_canonical import recount_due, variant_scored
from slskdn_site.cli import main
from tests.apps.library import canonical_rows as rows
from tests.workers.gateways import sound

pytestmark = pytest.mark.django_db(transaction=True)
SONG, RELEASE = uuid.UUID(int=7), uuid.UUID(int=8)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = main.main(list(words))
    return status, capsys.readouterr().out


@pytest.fixture
def pair() -> None:
    for number, profile in ((1, "flac-16-44100-2"), (2, "mp3-320-44100-2")):
        made = rows.variant(number, profile=profile, recording=SONG)
        rows.file(number, made, within=rows.root(), release=RELEASE, track=(1, 3), name=f"Ada/{number}.flac")
        variant_scored(made.id)
    recount_due()


def test_a_file_is_shown_with_its_terms_and_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = sound.write(tmp_path / "a.flac", 12, seed=3)
    picture = tmp_path / "a.png"
    status, text = run(capsys, "quality", "show", str(path), "--png", str(picture))
    assert status == 0
    assert "keeps every sample" in text
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert len(image.getcolors(1 << 20) or []) > 3
    assert run(capsys, "quality", "show", str(path), "--png", str(picture))[0] == 1  # nothing is overwritten
    status, text = run(capsys, "quality", "show", str(path), "--json")
    told = json.loads(text)
    assert 0 < told["score"] <= 1
    assert {one["name"] for one in told["terms"]} >= {"encoding", "clipping"}


def test_the_canonical_variant_of_a_recording_and_of_a_release_is_told(
    capsys: pytest.CaptureFixture[str], pair: None
) -> None:
    status, text = run(capsys, "canonical", "show", str(SONG))
    assert status == 0
    assert text.index("* flac-16-44100-2") < text.index("mp3-320-44100-2")
    assert "Canonical for its quality (0.91 against 0.65)" in text
    told = json.loads(run(capsys, "canonical", "show", str(SONG), "--json")[1])
    assert [one["profile"] for one in told["candidates"]] == ["flac-16-44100-2", "mp3-320-44100-2"]
    status, text = run(capsys, "canonical", "show", str(RELEASE))
    assert status == 0
    assert "1-03  2 variant(s): 1 flac, 1 mp3" in text
    assert json.loads(run(capsys, "canonical", "show", str(RELEASE), "--json")[1])["tracks"][0]["variants"] == 2
    assert run(capsys, "canonical", "show", str(uuid.UUID(int=99)))[0] == 1


def test_scores_are_counted_anew_for_a_folder_or_a_file(capsys: pytest.CaptureFixture[str], pair: None) -> None:
    AudioVariant.objects.update(quality_score=None)
    status, text = run(capsys, "quality", "recompute", "/music/Ada/1.flac", "--json")
    assert (status, json.loads(text)) == (0, {"scored": 1, "mean_score": 0.91, "suspects": 0})
    assert "2 variant(s) scored" in run(capsys, "quality", "recompute", "/music")[1]
    assert run(capsys, "quality", "recompute", "/elsewhere")[0] == 1


def test_a_sample_shows_scores_and_verdicts(capsys: pytest.CaptureFixture[str], pair: None) -> None:
    status, text = run(capsys, "quality", "sample", "5")
    assert status == 0
    assert [line.split()[0] for line in text.splitlines()] == ["0.91", "0.65"]
    assert len(run(capsys, "quality", "sample", "1", "--json")[1].splitlines()) == 1


def test_duplicates_are_listed_with_the_one_to_keep_first(capsys: pytest.CaptureFixture[str], pair: None) -> None:
    status, text = run(capsys, "library", "duplicates", "--kind", "recording")
    assert status == 0
    assert text.splitlines()[1].startswith("  * /music/Ada/1.flac")
    [line] = run(capsys, "library", "duplicates", "--kind", "recording", "--json")[1].splitlines()
    assert json.loads(line)["spare_bytes"] > 0
    assert "No duplicates" in run(capsys, "library", "duplicates")[1]
