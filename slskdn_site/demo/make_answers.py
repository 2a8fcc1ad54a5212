"""Writes the project's own folder of answers from the album's facts and its measured fingerprints. Run by hand when the album changes.

python -m slskdn_site.demo.make_answers        # replaces slskdn_site/demo/answers
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from slskdn_site.demo.album import SIZES, album
from slskdn_site.demo.answer_folder import Entry, fingerprint_entry, recording_entry, release_entries, write_answers
from slskdn_site.demo.answer_shapes import demo_release_facts, demo_track_facts
from slskdn_site.demo.chromaprint import measure
from slskdn_site.demo.synth import write_album

ANSWERS = Path(__file__).with_name("answers")
PROVENANCE = "written by slskdn_site.demo.make_answers"


def musicbrainz_entries() -> list[Entry]:
    """MusicBrainz answers for both editions and for the two recordings that were never released."""
    releases = [demo_release_facts(album(size)) for size in SIZES]
    loose = [recording_entry(demo_track_facts(album(size), album(size).stand_in), ()) for size in SIZES]
    return [*release_entries(releases), *loose]


def acoustid_entries(folder: Path) -> list[Entry]:
    """AcoustID answers for the files of both editions, which are rendered into `folder`."""
    entries: list[Entry] = []
    for size in SIZES:
        facts = album(size)
        release = demo_release_facts(facts)
        for made in write_album(folder / size, size=size):
            measured = measure(made.path)
            homes = () if made.track is facts.stand_in else (release,)
            track = demo_track_facts(facts, made.track)
            entries.append(fingerprint_entry(track, measured.fingerprint, measured.duration_s, releases=homes))
    return entries


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="slskdn_site.demo.make_answers", description="Write the demonstration's own answers."
    )
    parser.add_argument("--out", type=Path, default=ANSWERS)
    options = parser.parse_args(arguments)
    out: Path = options.out
    with tempfile.TemporaryDirectory(prefix="slskdn-answers-") as folder:
        entries = [*musicbrainz_entries(), *acoustid_entries(Path(folder))]
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    write_answers(out, entries, provenance=PROVENANCE)
    print(f"{len(entries)} answers in {out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
