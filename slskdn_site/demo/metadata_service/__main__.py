"""Command line: `python -m slskdn_site.demo.metadata_service --answers DIR [--fixtures DIR] [--music DIR] [--faults FILE] [--port N]`.

Prints one JSON line `{"ready": true, "port": N, …}` when it listens; SIGTERM and SIGINT stop it. Precedence: music, answers, fixtures.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import cast

from slskdn_site.demo.answer_folder import AnswerFolderError, load_answers
from slskdn_site.demo.answer_shapes import Json
from slskdn_site.demo.metadata_service.faults import FaultError, faults_from_json
from slskdn_site.demo.metadata_service.server import MetadataServer
from slskdn_site.demo.music_folder import MusicFolderError, folder_answers, read_music_folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop. Exit status 2 when a folder or a file can't be used."""
    parser = argparse.ArgumentParser(
        prog="slskdn_site.demo.metadata_service", description="Serve recorded metadata answers on loopback."
    )
    parser.add_argument(
        "--answers", type=Path, action="append", default=[], help="folder of answers; may be given again"
    )
    parser.add_argument("--fixtures", type=Path, help="folder of recorded answers in the same format")
    parser.add_argument("--music", type=Path, help="folder of tagged FLAC or MP3 to make answers for")
    parser.add_argument("--faults", type=Path, help="JSON file with faults to begin with")
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    options = parser.parse_args(arguments)
    try:
        folders = [load_answers(path) for path in [*options.answers, *([options.fixtures] if options.fixtures else [])]]
        if options.music:
            folders.insert(0, folder_answers(read_music_folder(options.music, fixtures=options.fixtures)))
        faults = faults_from_json(cast("Json", json.loads(options.faults.read_text("utf-8")))) if options.faults else []
        server = MetadataServer(folders, port=options.port)
    except (AnswerFolderError, MusicFolderError, FaultError, OSError, ValueError) as error:
        print(f"metadata service: {error}", file=sys.stderr)
        return 2
    server.faults.add(faults)

    def stop(_number: int, _frame: FrameType | None) -> None:
        # From another thread: shutdown() waits for serve_forever, which runs in this one.
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(json.dumps({"ready": True, "port": server.server_address[1], "url": server.base_url}), flush=True)
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        server.server_close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
