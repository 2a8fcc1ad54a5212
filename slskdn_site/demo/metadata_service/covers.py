"""Covers as the Cover Art Archive gives them: a redirect to a small picture of our own, drawn from the id. Releases that the answers don't know have none."""

from __future__ import annotations

import hashlib
import io
import re
from functools import lru_cache

from PIL import Image, ImageDraw

from slskdn_site.demo.metadata_service.catalogue import MusicBrainzCatalogue, Reply

_ASKED = re.compile(r"/(release|release-group)/([0-9a-f-]{36})/front(?:-(250|500|1200))?\Z")
_LIES = re.compile(r"/covers/([0-9a-f-]{36})-(\d{2,4})\.jpg\Z")
_LARGEST = 600


def cover_reply(path: str, catalogue: MusicBrainzCatalogue) -> Reply | None:
    """The answer; None: the path is not about covers."""
    if lies := _LIES.match(path):
        return Reply(200, drawn(lies[1], int(lies[2])), "image/jpeg", {}, "cover")
    asked = _ASKED.match(path)
    if asked is None:
        return None
    entity, mbid, edge = asked.groups()
    if catalogue.reply(f"/ws/2/{entity}/{mbid}", [("fmt", "json")], accept="").status != 200:
        return Reply(404, b"No cover art found.", "text/plain", {}, "no-cover")
    where = f"/covers/{mbid}-{min(int(edge or _LARGEST), _LARGEST)}.jpg"
    return Reply(307, b"", "text/plain", {"Location": where}, "cover-redirect")


@lru_cache(maxsize=64)
def drawn(mbid: str, edge: int) -> bytes:
    """Rings in two colours, as JPEG."""
    seed = hashlib.sha256(mbid.encode()).digest()
    ground, ink = (seed[0], seed[1], seed[2]), (255 - seed[0], seed[3], seed[4])
    image = Image.new("RGB", (edge, edge), ground)
    draw = ImageDraw.Draw(image)
    for ring in range(1, 2 + seed[5] % 6):
        inset = edge * ring // 18
        draw.ellipse((inset, inset, edge - inset, edge - inset), outline=ink, width=max(2, edge // 60))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return out.getvalue()
