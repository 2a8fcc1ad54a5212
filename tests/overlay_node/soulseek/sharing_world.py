"""A plane that shares real files of a folder, with rows in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.domain.soulseek.uploads import UploadRules
from overlay_node.services.soulseek_plane import sharing_parts
from overlay_node.soulseek.plane import ClientMaker, Part, SoulseekPlane
from overlay_node.soulseek.ports import PlaneContext, PlaneRows
from overlay_node.soulseek.shares import SharePart
from overlay_node.soulseek.standing import Standings
from overlay_node.soulseek.uploading import UploadPart
from overlay_node.store.soulseek.memory_sharing import MemoryFile, MemorySharingRows
from tests.overlay_node.soulseek.world import World, memory_rows

ROOT = 1


@dataclass(slots=True)
class Sharer:
    """A node that shares, and the parts of it that tests look at."""

    plane: SoulseekPlane
    rows: MemorySharingRows
    standings: Standings
    shares: SharePart
    uploads: UploadPart
    sent: list[tuple[str, int]] = field(default_factory=list)


def add(rows: MemorySharingRows, music: Path, names: Sequence[str], content: bytes, *, first_id: int = 1) -> None:
    """Files of the library, on disk and in rows."""
    rows.roots[ROOT] = (os.fsencode(music), "Music")
    for file_id, name in enumerate(names, first_id):
        path = music / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        note(rows, music, name, file_id)


def note(rows: MemorySharingRows, music: Path, name: str, file_id: int) -> None:
    """The row of a file as it is now."""
    found = (music / name).stat()
    rows.put(
        file_id,
        MemoryFile(
            root_id=ROOT,
            relative_path=os.fsencode(name),
            size=found.st_size,
            mtime_ns=found.st_mtime_ns,
            attributes=((1, 180), (4, 44_100), (5, 16)),
        ),
    )


async def sharer(
    world: World,
    rows: MemorySharingRows,
    *,
    uploads: UploadRules | None = None,
    plane_rows: PlaneRows | None = None,
    **config: Any,
) -> Sharer:
    """A started plane that shares, logged in as alice, with everything read."""
    import dataclasses

    made: list[tuple[Standings, SharePart, UploadPart]] = []
    sent: list[tuple[str, int]] = []
    makers: list[ClientMaker] = []

    def parts(context: PlaneContext) -> Sequence[Part]:
        found, maker = sharing_parts(context, sent=lambda user, count: sent.append((user, count)))
        made.append(found)
        makers.append(maker)
        return found

    plane = await world.plane(
        parts=parts,
        rows=dataclasses.replace(plane_rows or memory_rows(), sharing=rows),
        config=world.config(uploads=uploads or UploadRules(), **config),
        make_client=lambda account: makers[0](account),  # noqa: PLW0108  (there is none yet)
    )
    standings, shares, upload_part = made[0]
    await world.until(lambda: plane.online and shares.feed_s is not None)
    return Sharer(plane=plane, rows=rows, standings=standings, shares=shares, uploads=upload_part, sent=sent)
