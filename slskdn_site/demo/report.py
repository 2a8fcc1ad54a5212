"""What the demonstration says at its end, from the job tree that the API gives: for programs as JSON, for people as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, cast

Json: TypeAlias = Mapping[str, object]


def report_of(job: Json, *, seconds: float, names: Mapping[str, str]) -> dict[str, object]:
    """The report of a finished (or given up) job. `names` tells which neighbour a peer id is."""
    return {
        "state": job["state"],
        "code": job["code"],
        "job": job["id"],
        "artist": job["artist"],
        "title": job["title"],
        "release": job["release_mbid"],
        "tracks": [_track(track, names) for track in parts(job, "tracks")],
        "planes": planes_of(*parts(job, "tracks")),
        "seconds": round(seconds, 1),
    }


def _track(track: Json, names: Mapping[str, str]) -> dict[str, object]:
    return {
        "number": f"{track['medium']}-{track['position']}",
        "title": track["title"],
        "recording": track["recording_mbid"],
        "state": track["state"],
        "code": track["code"],
        "verification": track["verification"],
        "path": track["placed_path"],
        "sha256": track["sha256"],
        "payload_root": track["payload_root"],
        "planes": planes_of(track),
        "sources": [
            {
                "peer": source["peer"],
                "name": names.get(str(source["peer"]), ""),
                "plane": source["plane"],
                "bytes": source["verified_bytes"],
                "bad_leaves": source["bad_leaves"],
            }
            for source in parts(track, "sources")
        ],
        "rejected": [
            {
                "payload_root": one["payload_root"],
                "reason": one["code"],
                "message": one["message"],
                "sent_by": [names.get(peer, peer) for peer in cast("Sequence[str]", one["peers"])],
            }
            for one in parts(track, "rejected")
        ],
    }


def planes_of(*tracks: Json) -> dict[str, int]:
    """Bytes of these tracks that were verified, by the plane they came over."""
    totals: dict[str, int] = {}
    for track in tracks:
        for source in parts(track, "sources"):
            if given := cast("int", source["verified_bytes"]):
                plane = str(source["plane"])
                totals[plane] = totals.get(plane, 0) + given
    return totals


def soulseek_of(downloads: Sequence[Json]) -> list[dict[str, object]]:
    """What became of each stream from Soulseek, as the API tells downloads."""
    return [
        {
            "user": one["user"],
            "name": one["name"],
            "recording": one["recording_mbid"],
            "state": one["state"],
            "code": one["code"],
            "trouble": one["trouble"],
            "bytes": one["bytes_have"],
            "size": one["size_bytes"],
        }
        for one in downloads
    ]


def rescues_of(rescues: Sequence[Json]) -> list[dict[str, object]]:
    """What became of each rescue, as the API tells them. `rescued_after_s`: from the beginning of the trouble to the mesh's first byte; None: there was none."""
    return [
        {
            "user": one["user"],
            "name": one["name"],
            "recording": one["recording_mbid"],
            "trouble": one["trouble"],
            "state": one["state"],
            "code": one["code"],
            "says": one["says"],
            "planes": {"soulseek": one["soulseek_bytes"], "overlay": one["overlay_bytes"]},
            "rescued_after_s": _seconds(one["trouble_at"], one["first_byte_at"]),
        }
        for one in rescues
    ]


def _seconds(began: object, ended: object) -> float | None:
    if not began or not ended:
        return None
    return round((datetime.fromisoformat(str(ended)) - datetime.fromisoformat(str(began))).total_seconds(), 1)


def not_from_both(report: Json) -> str:
    """What is missing of an album whose bytes came over both networks, with a rescue that made a track of both, in words; "" when nothing is."""
    if not _both(report):
        return "The album's bytes did not come over both networks."
    mixed = {track["recording"] for track in parts(report, "tracks") if _both(track)}
    if not mixed:
        return "No track has bytes of both networks."
    rescues = parts(report, "rescues")
    if not any(one["state"] == "finished" and _both(one) and one["recording"] in mixed for one in rescues):
        told = ", ".join(f"{one['state']} [{one['code']}]" for one in rescues) or "there is none"
        return f"No rescue brought a track to its end with bytes of both networks: {told}."
    return ""


def _both(row: Json) -> bool:
    planes = cast("Mapping[str, int]", row["planes"])
    return min(planes.get("soulseek", 0), planes.get("overlay", 0)) > 0


def parts(row: Json, key: str) -> Sequence[Json]:
    """The list of objects under `key`."""
    return cast("Sequence[Json]", row[key])


@dataclass(slots=True)
class Given:
    """What one neighbour gave to the whole album."""

    bytes: int = 0
    bad_leaves: int = 0
    tracks: int = 0


def given_by(report: Json) -> dict[str, Given]:
    """Per neighbour, the most generous first."""
    totals: dict[str, Given] = {}
    for track in parts(report, "tracks"):
        for source in parts(track, "sources"):
            one = totals.setdefault(str(source["name"] or source["peer"]), Given())
            one.bytes += cast("int", source["bytes"])
            one.bad_leaves += cast("int", source["bad_leaves"])
            one.tracks += 1 if source["bytes"] else 0
    return dict(sorted(totals.items(), key=lambda item: (-item[1].bytes, item[0])))


def report_lines(report: Json, *, folder: str) -> list[str]:
    """The report for a person."""
    tracks = parts(report, "tracks")
    done = sum(track["state"] == "completed" for track in tracks)
    lines = [
        f"{report['artist']} – {report['title']}: {report['state']}, {done} of {len(tracks)} tracks in {report['seconds']} s"
    ]
    if folder:
        lines += ["", f"On disk: {folder}"]
    lines += ["", "Who gave what:"]
    for name, one in given_by(report).items():
        bad = f", {one.bad_leaves} bad leaves" if one.bad_leaves else ""
        lines.append(f"  {name:<8} {one.bytes / 1e6:8.1f} MB in {one.tracks} tracks{bad}")
    if "soulseek" in report:
        lines += _soulseek_lines(report)
    rejected = [(track, one) for track in tracks for one in parts(track, "rejected")]
    if rejected:
        lines += ["", "Rejected:"]
        lines += [f"  {track['number']} {track['title']}: {one['message'] or one['reason']}" for track, one in rejected]
    return lines


def _soulseek_lines(report: Json) -> list[str]:
    """Which network brought what, what became of each stream, and whom the mesh rescued."""
    whole = cast("Mapping[str, int]", report["planes"])
    lines = ["", "Over which network:", *(f"  {plane:<8} {count / 1e6:8.1f} MB" for plane, count in whole.items())]
    mixed = [track for track in parts(report, "tracks") if _both(track)]
    lines += [f"  {track['number']} {track['title']}: {_by_plane(track)}" for track in mixed]
    lines += ["", "Streams from Soulseek:"]
    for stream in parts(report, "soulseek"):
        why = f", {stream['trouble'] or stream['code']}" if stream["trouble"] or stream["code"] else ""
        lines.append(f"  {stream['user']}: {stream['name']}: {stream['state']}{why}")
    if rescues := parts(report, "rescues"):
        lines += ["", "Rescues:"]
    for one in rescues:
        after = one["rescued_after_s"]
        when = f"; the mesh's first byte {after} s after the trouble began" if after is not None else ""
        lines.append(f"  {one['user']}: {one['name']}: {one['trouble']}: {one['state']}, {_by_plane(one)}{when}")
    return lines


def _by_plane(row: Json) -> str:
    planes = cast("Mapping[str, int]", row["planes"])
    return ", ".join(f"{count / 1e6:.1f} MB {plane}" for plane, count in planes.items())
