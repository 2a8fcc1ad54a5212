"""`./slskdn mesh available`: recordings that neighbours say they hold. Registered by `mesh`."""

from __future__ import annotations

import argparse
import json
import time

SUMMARY = "Recordings that neighbours announce and seed, the last heard of first."
MAX_SHOWN = 200


def register(command: argparse.ArgumentParser) -> None:
    """--limit, --json."""
    command.add_argument("--limit", type=int, default=50, help=f"how many recordings (default 50, at most {MAX_SHOWN})")
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print them; 0 also when there are none."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    from apps.common.pagination import keyset_page
    from apps.mesh.selectors_adverts import AVAILABLE_ORDER, available_query, available_rows, available_totals
    from slskdn_site.logs import one_line

    page = keyset_page(available_query(), order=AVAILABLE_ORDER, limit=max(1, min(args.limit, MAX_SHOWN)))
    rows, totals = available_rows(page.items), available_totals()
    if args.json:
        items = [
            {
                "recording": str(row.recording_mbid),
                "title": row.title,
                "artist": row.artist,
                "release": row.release,
                "peers": row.peers,
                "payloads": row.payloads,
                "profiles": list(row.profiles),
                "heard_at": row.heard_at.isoformat(timespec="seconds"),
            }
            for row in rows
        ]
        answer = {
            "available": items,
            "totals": {"peers": totals.peers, "recordings": totals.recordings, "variants": totals.variants},
        }
        print(json.dumps(answer))
        return 0
    if not rows:
        print("No neighbour told of anything yet.")
        return 0
    for row in rows:
        name = f"{row.artist} – {row.title}" if row.title else str(row.recording_mbid)
        age_min = max(0, int(time.time() - row.heard_at.timestamp()) // 60)
        said = f"{row.peers} peer{'' if row.peers == 1 else 's'}"
        print(f"{one_line(name)[:70]:70}  {said:9}  {', '.join(row.profiles)[:40]:40}  {age_min} min ago")
    print(
        f"{totals.recordings} recordings of {totals.peers} peers, as they say; what they say is proven when it is fetched."
    )
    return 0
