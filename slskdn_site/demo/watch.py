"""The job as a live tree in the terminal: album, tracks, sources with share, speed and state. On anything but a terminal, one line a change."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Self, TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from apps.domain.catalog.fields import clean
from slskdn_site.demo.report import Json, parts

_MARKS = {
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("✗", "red"),
    "downloading": ("⬇", "cyan"),
    "verifying": ("≈", "magenta"),
    "wanted": ("…", "dim"),
}
_BAR = 24  # characters
_TEXT = 120  # characters of a title or a reason


class Watch:
    """Shows a job tree again and again; a context manager."""

    def __init__(self, *, names: Mapping[str, str], stream: TextIO | None = None) -> None:
        self._names = names
        self._console = Console(file=stream or sys.stdout, highlight=False)
        self._live = (
            Live(console=self._console, refresh_per_second=8, transient=False) if self._console.is_terminal else None
        )
        self._said: dict[str, str] = {}

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)

    def say(self, text: str) -> None:
        """A line above the tree."""
        self._console.print(Text(text), soft_wrap=True)

    def show(self, job: Json) -> None:
        """Draw the tree as it is now."""
        if self._live is not None:
            self._live.update(tree_of(job, self._names))
            return
        for track in parts(job, "tracks"):
            line = plain_line(track)
            if self._said.get(str(track["id"])) != line:
                self._said[str(track["id"])] = line
                # Unwrapped: a log has one line per change, however long it is.
                self._console.print(Text(line), soft_wrap=True)


def plain_line(track: Json) -> str:
    """A track's state without anything that changes at every look."""
    mark = _MARKS.get(str(track["state"]), ("?", ""))[0]
    progress = cast("Json | None", track["progress"])
    why = str(track["message"] or (progress or {}).get("code") or "")
    return (
        f"{mark} {track['medium']}-{track['position']} {_short(track['title'])}: {track['state']}"
        f"{f' ({_short(why)})' if why else ''}"
    )


def _short(text: object) -> str:
    """Text from outside as one short piece of a line: no control characters, no bidi overrides."""
    cleaned = clean(str(text))
    return cleaned if len(cleaned) <= _TEXT else cleaned[: _TEXT - 1] + "…"


def tree_of(job: Json, names: Mapping[str, str]) -> Tree:
    """The whole job."""
    total, held = cast("int", job["payload_bytes"]), cast("int", job["verified_bytes"])
    head = Text.assemble(
        (f"{_short(job['artist'] or '…')} – {_short(job['title'] or job['target_mbid'])}", "bold"),
        f"  {job['state']}  {held / 1e6:.1f} of {total / 1e6:.1f} MB  {_speed(job)}",
    )
    if job["message"]:
        head.append(f"  {_short(job['message'])}", "yellow")
    tree = Tree(head, guide_style="dim")
    for track in parts(job, "tracks"):
        branch = tree.add(_track_text(track))
        if track["state"] == "completed":
            continue
        for source in parts(track, "sources"):
            branch.add(_source_text(source, names))
        for one in parts(track, "rejected"):
            branch.add(Text(f"rejected: {_short(one['message'] or one['code'])}", "red"))
    return tree


def _track_text(track: Json) -> Text:
    mark, style = _MARKS.get(str(track["state"]), ("?", ""))
    text = Text.assemble((f"{mark} ", style), f"{track['position']:>2} {_short(track['title'])}  ")
    transfer = cast("Json | None", track["transfer"])
    if track["state"] == "completed":
        peers = sum(bool(source["verified_bytes"]) for source in parts(track, "sources"))
        text.append(
            f"{'verified' if track['verification'] == 'fingerprint' else 'unconfirmed'}, {peers} sources", "green"
        )
        return text
    if transfer is not None and transfer["state"] in {"fetching", "assembled"}:
        total, held = cast("int", transfer["payload_bytes"]), cast("int", transfer["verified_bytes"])
        full = round(_BAR * held / total) if total else 0
        text.append("█" * full + "░" * (_BAR - full), style)
        text.append(f" {100 * held / total if total else 0:3.0f} %  {transfer['profile']}  {_speed(transfer)}")
    if track["message"]:
        text.append(f"  {_short(track['message'])}", "yellow")
    return text


def _source_text(source: Json, names: Mapping[str, str]) -> Text:
    name = names.get(str(source["peer"]), str(source["peer"])[:10])
    text = Text.assemble(
        (f"{name:<8}", "cyan"),
        f"{100 * cast('float', source['share']):4.0f} %  {_speed(source):>12}  {source['state']}",
    )
    if source["bad_leaves"]:
        text.append(f"  {source['bad_leaves']} bad leaves", "red")
    return text


def _speed(row: Json) -> str:
    speed = cast("int", row["speed_bps"])
    return f"{speed / 1e6:.1f} MB/s" if speed else ""
