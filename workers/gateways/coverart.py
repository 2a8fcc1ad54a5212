"""Front covers from the Cover Art Archive: of a release, else of its group; each fetched once for all processes and kept in the data folder.

A cover is a decoration: whatever goes wrong, `front` says None, and the log says why. What leaves the machine are the MBIDs of what is being filed.
Bytes are anybody's upload: bounded, decoded by Pillow from the first to the last pixel, and scaled to what was configured before anybody keeps them.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import io
import json
import logging
import os
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, Literal, Protocol
from urllib.parse import urlsplit, urlunsplit

from PIL import Image
from typing_extensions import override

from apps.domain.library.covers import Cover
from workers.gateways.errors import Transient
from workers.gateways.http import BodyTooLong, read_bounded, retry_after_s
from workers.gateways.limiter import Limiter

log = logging.getLogger(__name__)

INTERVAL_MS: Final = 250
"""Between two requests over all processes. The archive states no limit; four a second is far below what its own pages ask for."""
TIMEOUT_S: Final = 20.0
"""For one whole answer, redirects included."""
BUSY_PUSH_S: Final = 5.0
MAX_BYTES: Final = 16 << 20
"""Of an answer. A FLAC PICTURE block holds no more."""
MAX_PIXELS: Final = 40_000_000
"""A decoded picture of this size takes 120 MB; covers scanned at 600 dpi have 8 million."""
KEEP_BYTES: Final = 2 << 20
"""A larger file is encoded anew, even if its edges are short enough: it is put into every track."""
_QUALITY: Final = 90
_THUMBNAILS: Final = (250, 500, 1200)
"""Edges that the archive has ready (its API: /front-250, -500, -1200)."""
MISSING_S: Final = 14 * 86_400
"""How long nobody asks again for a cover that is not there."""
FAILED_S: Final = 600
"""How long nobody asks again after an error, so that an archive that is away costs one time-out and not one per track."""
_MIMES: Final = {"JPEG": "image/jpeg", "PNG": "image/png"}
Entity = Literal["release", "release-group"]


class CoverArtPort(Protocol):
    """What the workers need. Never raises."""

    def front(self, *, release: uuid.UUID, group: uuid.UUID | None) -> Cover | None:
        """The front cover of a release, else of its group; None: there is none, or it can't be had now."""


class PictureRefused(ValueError):
    """These bytes are no picture that anybody should keep; the text says why."""


class _Missing(Exception):
    """The archive has no such cover."""


class _Away(Exception):
    """The archive can't be asked now, or answered nonsense."""


class CoverArt:
    """The real thing. `folder`: where covers are kept. `max_edge`: pixels of the longer side. `timeout_s` is for tests."""

    def __init__(
        self,
        *,
        host: str,
        contact: str,
        version: str,
        limiter: Limiter,
        folder: Path,
        max_edge: int,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._host = host.rstrip("/")
        self._agent = f"slskdn/{version}" + (
            f" ( {contact} )" if contact.isascii() and contact.isprintable() and contact else ""
        )
        self._limiter = limiter
        self._folder = folder
        self._max_edge = max_edge
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(_OnlyWeb())

    def front(self, *, release: uuid.UUID, group: uuid.UUID | None) -> Cover | None:
        """See CoverArtPort."""
        wanted: list[tuple[Entity, uuid.UUID]] = [("release", release)]
        if group is not None:
            wanted.append(("release-group", group))
        try:
            return next((found for entity, mbid in wanted if (found := self._of(entity, mbid)) is not None), None)
        except OSError as error:
            log.warning("cover art: the cache can't be used: release=%s error=%s", release, error)
            return None

    def _of(self, entity: Entity, mbid: uuid.UUID) -> Cover | None:
        """From the cache, else from the archive. Of several processes one asks, the others wait for it. Raises OSError for the disk."""
        kept = self._folder / entity / f"{mbid}-{self._max_edge}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        with _locked(kept.with_suffix(".lock")):
            known, cover = _from_cache(kept)
            if known:
                return cover
            try:
                cover = picture(self._fetch(entity, mbid), max_edge=self._max_edge)
            except _Missing:
                _keep_nothing(kept, for_s=MISSING_S)
            except (_Away, PictureRefused) as error:
                log.info("cover art: %s %s: %s", entity, mbid, error)
                _keep_nothing(kept, for_s=FAILED_S if isinstance(error, _Away) else MISSING_S)
            else:
                _keep(kept, cover)
                return cover
        return None

    def _fetch(self, entity: Entity, mbid: uuid.UUID) -> bytes:
        """Bytes of the smallest version that is large enough. Raises _Missing, _Away."""
        edge = next((one for one in _THUMBNAILS if one >= self._max_edge), None)
        address = f"{self._host}/{entity}/{mbid}/front" + (f"-{edge}" if edge else "")
        deadline = time.monotonic() + self._timeout_s
        request = urllib.request.Request(address, headers={"User-Agent": self._agent, "Accept": "image/*"})  # noqa: S310  (http or https: config)
        try:
            self._limiter.acquire()
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                data = read_bounded(answer.read1, deadline=deadline, most=MAX_BYTES)
                if answer.headers.get("Content-Length", str(len(data))) != str(len(data)):
                    raise _Away("the answer was cut off")
                return data
        except urllib.error.HTTPError as error:
            with error:
                if error.code in (400, 404, 410):
                    raise _Missing from error
                if error.code in (429, 503):
                    after = retry_after_s(error.headers.get("Retry-After"))
                    self._limiter.push_back(BUSY_PUSH_S if after is None else after)
                raise _Away(f"status {error.code}") from error
        except BodyTooLong as error:
            raise _Away("the picture is too large") from error
        except Transient as error:
            raise _Away(error.code) from error
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise _Away(type(error).__name__) from error


class _OnlyWeb(urllib.request.HTTPRedirectHandler):
    """The archive answers with redirects to where pictures lie. Nothing but http(s) is followed, and what began encrypted stays so."""

    @override
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        parts = urlsplit(newurl)
        if parts.scheme not in ("http", "https"):
            raise urllib.error.HTTPError(newurl, 502, "redirected to no web address", headers, fp)
        if urlsplit(req.full_url).scheme == "https":
            newurl = urlunsplit(parts._replace(scheme="https"))
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def picture(data: bytes, *, max_edge: int) -> Cover:
    """The bytes as a cover: as they came if they are a JPEG or PNG of a fitting size, else scaled and encoded anew. Raises PictureRefused."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")) as opened:
            width, height = opened.size
            if width * height > MAX_PIXELS or min(width, height) < 1:
                raise PictureRefused(f"{width} × {height} pixels")
            fits = max(width, height) <= max_edge and len(data) <= KEEP_BYTES
            mime = _MIMES.get(opened.format or "")
            opened.load()
            if fits and mime is not None:
                return Cover(data=data, mime=mime, width=width, height=height)
            shown = _flat(opened)
    except PictureRefused:
        raise
    # Pillow's decoders let struct.error, SyntaxError, ValueError, MemoryError … through besides UnidentifiedImageError.
    except Exception as error:
        raise PictureRefused(f"no picture: {type(error).__name__}") from error
    shown.thumbnail((max_edge, max_edge), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    shown.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return Cover(data=out.getvalue(), mime="image/jpeg", width=shown.width, height=shown.height)


def _flat(image: Image.Image) -> Image.Image:
    """Without transparency (on white), as a JPEG holds it."""
    if image.mode in ("RGB", "L"):
        return image.copy()
    solid = image.convert("RGBA")
    ground = Image.new("RGBA", solid.size, "white")
    ground.alpha_composite(solid)
    return ground.convert("RGB")


# --- cache ---------------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time. The kernel gives the lock back when its holder dies."""
    with path.open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _from_cache(kept: Path) -> tuple[bool, Cover | None]:
    """(is it known, what there is). What can't be read is not known."""
    try:
        said = json.loads(kept.with_suffix(".json").read_text(encoding="utf-8"))
        if "until" in said:
            return float(said["until"]) > time.time(), None
        data = kept.with_suffix(".picture").read_bytes()
        whole = len(data) == said["bytes"]
        return whole, Cover(
            data=data, mime=str(said["mime"]), width=said["width"], height=said["height"]
        ) if whole else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False, None


def _keep(kept: Path, cover: Cover) -> None:
    _written(kept.with_suffix(".picture"), cover.data)
    said = {"bytes": len(cover.data), "mime": cover.mime, "width": cover.width, "height": cover.height}
    _written(kept.with_suffix(".json"), json.dumps(said).encode())


def _keep_nothing(kept: Path, *, for_s: float) -> None:
    _written(kept.with_suffix(".json"), json.dumps({"until": time.time() + for_s}).encode())


def _written(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    staged = path.with_name(f"{path.name}.part")
    staged.write_bytes(data)
    os.replace(staged, path)  # noqa: PTH105
