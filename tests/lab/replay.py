"""`./slskdn lab replay`: what another policy would have done on a recorded network."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from apps.domain.swarm.trace_lines import Trace, part_head, trace_read
from tests.lab.inference import Inferred, TraceNotReplayable
from tests.lab.policies import POLICIES
from tests.lab.profile import FOREVER
from tests.lab.report import Json
from tests.lab.world import Outcome, World


def trace_of(path: Path) -> Trace:
    """Read a trace file, with the older part beside it (`<job>.1.jsonl`) if there is one. Raises TraceNotReplayable when it is none."""
    older = path.with_suffix(f".1{path.suffix}")
    try:
        parts = [one.read_bytes() for one in (older, path) if one.is_file()]
    except OSError as error:
        raise TraceNotReplayable(f"{path} cannot be read: {error.strerror}.") from error
    if not parts:
        raise TraceNotReplayable(f"There is no file {path}.")
    trace = trace_read(_job_of(parts[-1]), parts)
    if not trace.events:
        raise TraceNotReplayable(f"{path} is no trace, or an empty one.")
    return trace


def _job_of(part: bytes) -> uuid.UUID:
    part_head(part)  # a newer version's trace is refused here
    try:
        return uuid.UUID(json.loads(part.split(b"\n", 1)[0])["job"])
    except (ValueError, KeyError, TypeError):
        return uuid.UUID(int=0)


def replay(inferred: Inferred, policy: str) -> Outcome:
    """Run a policy on the recorded network."""
    return World(inferred.plan, POLICIES[policy]).run()


def replay_report(inferred: Inferred, outcomes: Mapping[str, Outcome]) -> dict[str, Json]:
    """The record and what each policy would have done, as JSON."""
    recorded = inferred.recorded
    return {
        "recorded": _entry(
            recorded.finish_s if recorded.completed else FOREVER,
            recorded.payload_bytes,
            recorded.received_bytes,
            recorded.shares,
        ),
        "policies": {
            name: _entry(one.finish_s, recorded.payload_bytes, one.received_bytes, one.shares)
            for name, one in outcomes.items()
        },
    }


def _entry(finish_s: float, payload_bytes: int, received_bytes: int, shares: Mapping[str, int]) -> dict[str, Json]:
    return {
        "completion_s": None if finish_s == FOREVER else round(finish_s, 3),
        "waste": round(max(0, received_bytes - payload_bytes) / payload_bytes, 5),
        "bytes_of_peers": {name: count for name, count in sorted(shares.items()) if count},
    }


def replay_table(report: Mapping[str, Json]) -> str:
    """For a person."""
    policies = report["policies"]
    assert isinstance(policies, Mapping)
    columns: dict[str, Json] = {"recorded": report["recorded"], **policies}
    entries = {name: one for name, one in columns.items() if isinstance(one, Mapping)}
    peers: dict[str, None] = {}
    for one in entries.values():
        shares = one["bytes_of_peers"]
        assert isinstance(shares, Mapping)
        peers.update(dict.fromkeys(shares))
    rows: list[Sequence[str]] = [["", *entries]]
    rows.append(["completion, s", *(_text(one["completion_s"], "{:.2f}") for one in entries.values())])
    rows.append(["waste, %", *(_text(one["waste"], "{:.2f}", 100) for one in entries.values())])
    rows += [[f"MB of {peer[:24]}", *(_share(one, peer) for one in entries.values())] for peer in sorted(peers)]
    return "\n".join(f"{row[0]:<30}" + "".join(f"{cell:>16}" for cell in row[1:]) for row in rows)


def _share(entry: Mapping[str, Json], peer: str) -> str:
    shares = entry["bytes_of_peers"]
    assert isinstance(shares, Mapping)
    count = shares.get(peer, 0)
    return _text(count, "{:.1f}", 1e-6)


def _text(value: Json, form: str, factor: float = 1.0) -> str:
    return form.format(value * factor) if isinstance(value, int | float) else "never"
