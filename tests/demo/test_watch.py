from __future__ import annotations

import io

from rich.console import Console

from apps.domain.jobs.lifecycle import JobState, TrackState
from slskdn_site.demo.report import Json, parts
from slskdn_site.demo.watch import Watch, plain_line, tree_of
from tests.demo.job_trees import CORRUPT, FAST, NAMES, job, progress, rejected, source, track, transfer

HOSTILE = "\u202egnihsif\x1b[2J\r\n" + "Ω" * 300


def drawn(value: Json, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(tree_of(value, NAMES))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def arriving(*, verified: int, title: str = "Drydock") -> Json:
    return job(
        track(
            1,
            TrackState.DOWNLOADING,
            title=title,
            on_its_way=transfer(verified=verified, total=8_000_000, speed=4_500_000),
            sources=[
                source(FAST, verified=verified, share=1.0, speed=4_500_000),
                source(CORRUPT, verified=0, bad=3, share=0.0),
            ],
            refused=[rejected()],
        ),
        track(2, TrackState.WANTED, title="Gulls", doing=progress()),
    )


def test_the_tree_shows_album_tracks_sources_shares_speed_and_state() -> None:
    text = drawn(arriving(verified=2_000_000))
    assert "Tessaly Quay – Low Water Almanac  running  2.0 of 8.0 MB  4.5 MB/s" in text
    assert "⬇  1 Drydock  ██████░░░░░░░░░░░░░░░░░░  25 %" in text
    flat = " ".join(text.split())
    assert "fast 100 % 4.5 MB/s active" in flat
    assert "corrupt 0 % active 3 bad leaves" in flat
    assert "rejected: The file is another recording: Harbour Dues" in text
    assert "… 2 Gulls Nobody on the mesh has this track right now" in flat


def test_a_finished_track_is_one_line_that_counts_who_gave_bytes() -> None:
    sources = [source(FAST, verified=5, share=1.0), source(CORRUPT, verified=0, bad=1, share=0.0)]
    text = drawn(job(track(1, TrackState.COMPLETED, sources=sources), state=JobState.COMPLETED))
    assert "✓  1 Drydock  verified, 1 sources" in text
    assert "bad leaves" not in text


def test_a_job_that_is_not_resolved_yet_shows_its_id() -> None:
    assert "… – 00000000-0000-0000-0000-000000000002  pending" in drawn(job(title="", state=JobState.PENDING))


def test_every_state_of_a_track_has_its_mark() -> None:
    for state in TrackState:
        assert not plain_line(parts(job(track(1, state)), "tracks")[0]).startswith("?")


def test_without_a_terminal_a_track_is_said_once_and_again_when_its_state_changes() -> None:
    out = io.StringIO()
    with Watch(names=NAMES, stream=out) as watch:
        for verified in (0, 1_000_000, 8_000_000):
            watch.show(arriving(verified=verified))
        watch.say("a line between")
        watch.show(job(track(1, TrackState.VERIFYING), track(2, TrackState.WANTED, title="Gulls", doing=progress())))
    assert out.getvalue().splitlines() == [
        "⬇ 1-1 Drydock: downloading",
        "… 1-2 Gulls: wanted (Nobody on the mesh has this track right now; it is looked for again.)",
        "a line between",
        "≈ 1-1 Drydock: verifying",
    ]


def test_a_hostile_title_stays_one_line_without_control_characters() -> None:
    out = io.StringIO()
    with Watch(names=NAMES, stream=out) as watch:
        watch.show(job(track(1, TrackState.DOWNLOADING, title=HOSTILE)))
    (line,) = out.getvalue().splitlines()
    assert line.startswith("⬇ 1-1 gnihsif[2J")
    assert line.endswith("Ω…: downloading")


def test_a_hostile_title_does_not_break_the_tree() -> None:
    for width in (20, 80, 200):
        text = drawn(arriving(verified=1, title=HOSTILE), width=width)
        assert not {"\x1b", "\u202e", "\r"} & set(text)
        assert all(len(line) <= width for line in text.splitlines())
        assert "Gulls" in text


def test_markup_in_a_title_is_text() -> None:
    assert "[bold]Drydock[/bold]" in drawn(arriving(verified=1, title="[bold]Drydock[/bold]"))
    assert "[/]" in plain_line(parts(job(track(1, TrackState.WANTED, title="[/]")), "tracks")[0])


def test_a_terminal_shows_the_tree_live() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    with Watch(names=NAMES, stream=out) as watch:
        watch.show(arriving(verified=2_000_000))
        watch.say("the fast neighbour gets hold of it")
        watch.show(arriving(verified=8_000_000))
    assert "the fast neighbour gets hold of it" in out.getvalue()
    assert "100 %" in out.getvalue()
