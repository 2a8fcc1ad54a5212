"""The measurement behind `./slskdn bench shares`: rows in SQLite, the node's own sharing part, a clock on its loop."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import random
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from apps.domain.soulseek.uploads import UploadGroup, UploadQueue, UploadRules
from slskdn_site.bench.peak import peak_bytes
from slskdn_site.bench.statistics import percentile

if TYPE_CHECKING:
    from overlay_node.soulseek.shares import SharePart

GAP_MS: Final = 100.0
BEAT_S: Final = 0.002
CHANGED: Final = 2_000
WORDS: Final = tuple(
    f"{start}{middle}{end}" for start in ("win", "sum", "gar", "riv", "sto", "lum") for middle in ("ter", "mer", "den", "er", "ne")
    for end in ("", "s", "land", "light", "song", "fall", "wood", "house")
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SharesReport:
    """Figures of one run. Gaps are the longest time in which the loop answered nobody, beyond what was asked for."""

    files: int
    folders: int
    feed_s: float
    idle_gap_ms: float
    """of the loop with nothing to do, on this machine now"""
    feed_gap_ms: float
    change_gap_ms: float
    browse_gap_ms: float
    search_gap_ms: float
    worst_gap_ms: float
    worst_own_gap_ms: float
    """the longest gap that this process worked through itself: where it is far less than the worst one, the machine had no time for it"""
    changes: int
    changes_s: float
    listing_s: float
    listing_bytes: int
    listing_plain_bytes: int
    query_p50_ms: float
    query_p95_ms: float
    query_max_ms: float
    place_waiting: int
    place_p50_ms: float
    place_p95_ms: float
    index_mb: float
    """resident memory that the index took"""
    peak_mb: float


class Beats:
    """Looks at the clock every few ms; remembers the longest it had to wait for its turn."""

    def __init__(self) -> None:
        self._worst = self.own = 0.0
        self._task = asyncio.create_task(self._run())

    def taken(self) -> float:
        """The worst gap since the last time, in ms."""
        worst, self._worst = self._worst, 0.0
        return round(worst * 1000, 2)

    def stop(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            began, worked = time.perf_counter(), time.process_time()
            await asyncio.sleep(BEAT_S)
            gap = time.perf_counter() - began - BEAT_S
            self._worst = max(self._worst, gap)
            self.own = max(self.own, min(gap, time.process_time() - worked))


def shares_bench(*, files: int, queries: int, waiting: int) -> SharesReport:
    """Fill and measure. Django is set up here, over the data folder of the environment."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    fill(files)
    return asyncio.run(_measure(queries=queries, waiting=waiting))


def fill(files: int) -> None:
    """A library of albums with twelve tracks each; a tenth of the folders is for buddies."""
    from apps.library.models import AudioFile, AudioVariant, LibraryRoot
    from apps.soulseek.models import ShareRule

    draw = random.Random(1)  # noqa: S311
    root = LibraryRoot.objects.create(path="/nonexistent/Music")
    names: list[str] = []
    while len(names) < files:
        artist = " ".join(draw.sample(WORDS, 2)).title()
        for album in range(draw.randint(1, 6)):
            title = " ".join(draw.sample(WORDS, 3)).title()
            names.extend(
                f"{artist}/{1970 + album} - {title}/{track:02} - {' '.join(draw.sample(WORDS, draw.randint(1, 4))).title()}.flac"
                for track in range(1, 13)
            )
    names = names[:files]
    for at in range(0, files, 5_000):
        part = names[at : at + 5_000]
        variants = AudioVariant.objects.bulk_create(
            AudioVariant(
                payload_format="flac",
                payload_root=hashlib.sha256(name.encode()).digest(),
                payload_bytes=30_000_000,
                leaf_hashes=b"",
                profile="flac-16-44100-2",
                container="flac",
                rate_hz=44_100,
                bits=16,
                duration_ms=draw.randint(60_000, 600_000),
                lossless=True,
                leaf_bytes=262_144,
            )
            for name in part
        )
        AudioFile.objects.bulk_create(
            AudioFile(
                root=root,
                rel_path=name.encode(),
                rel_path_hash=hashlib.sha256(name.encode()).digest(),
                display=name,
                size_bytes=draw.randint(10_000_000, 60_000_000),
                mtime_ns=1,
                variant=variant,
            )
            for name, variant in zip(part, variants, strict=True)
        )
    for artist in {name.partition("/")[0] for name in names[::120]}:
        ShareRule.objects.create(root=root, relative_path=artist.encode(), display=artist, audience="buddies")


async def _measure(*, queries: int, waiting: int) -> SharesReport:
    from overlay_node.soulseek.shares import SharePart
    from overlay_node.soulseek.standing import Standings
    from overlay_node.store.database_thread import DatabaseThread
    from overlay_node.store.soulseek.sharing import DjangoSharingRows
    from slskdn_site.bench.shares_context import bench_context

    database = DatabaseThread()
    rows = DjangoSharingRows(database)
    context = bench_context()
    standings = Standings(context, rows)
    await standings.start()
    shares = SharePart(context, rows, standings)
    beats = Beats()
    await asyncio.sleep(1.0)
    idle = beats.taken()
    gc.collect()
    gc.freeze()  # as the node does after its start
    await asyncio.sleep(0.1)  # that was a gap, and is none of ours
    memory = _resident()
    beats.taken()
    beats.own = 0.0
    began = time.perf_counter()
    await shares._look()
    feed_s, feed_gap = time.perf_counter() - began, beats.taken()
    index_mb = _resident() - memory
    changes_s, change_gap = await _changes(shares, beats, database)
    began = time.perf_counter()
    listing = await shares.listing("a stranger")
    listing_s, browse_gap = time.perf_counter() - began, beats.taken()
    times = await _searches(shares, queries)
    search_gap = beats.taken()
    beats.stop()
    places = _places(waiting)
    folders, files = shares.index.counts()
    await database.close()
    return SharesReport(
        files=files,
        folders=folders,
        feed_s=round(feed_s, 2),
        idle_gap_ms=idle,
        feed_gap_ms=feed_gap,
        change_gap_ms=change_gap,
        browse_gap_ms=browse_gap,
        search_gap_ms=search_gap,
        worst_gap_ms=max(feed_gap, change_gap, browse_gap, search_gap),
        worst_own_gap_ms=round(beats.own * 1000, 2),
        changes=CHANGED,
        changes_s=round(changes_s, 2),
        listing_s=round(listing_s, 2),
        listing_bytes=len(listing),
        listing_plain_bytes=len(zlib.decompress(listing[8:])),
        query_p50_ms=_ms(times, 50),
        query_p95_ms=_ms(times, 95),
        query_max_ms=_ms(times, 100),
        place_waiting=waiting,
        place_p50_ms=_ms(places, 50),
        place_p95_ms=_ms(places, 95),
        index_mb=round(index_mb, 1),
        peak_mb=round(peak_bytes() / 1e6, 1),
    )


async def _changes(shares: SharePart, beats: Beats, database: object) -> tuple[float, float]:
    """Files vanish and come back, in bulk, as a scan would find them."""
    from apps.library.models import AudioFile
    from overlay_node.store.database_thread import DatabaseThread

    assert isinstance(database, DatabaseThread)

    def vanish() -> None:
        from django.db.models.functions import Now

        ids = list(AudioFile.objects.order_by("id").values_list("id", flat=True)[: CHANGED // 2])
        for at in range(0, len(ids), 500):
            AudioFile.objects.filter(id__in=ids[at : at + 500]).update(missing_since=Now())

    def come_back() -> None:
        AudioFile.objects.filter(missing_since__isnull=False).update(missing_since=None)

    spent = 0.0
    beats.taken()
    for change in (vanish, come_back):
        await database.run(change)
        began = time.perf_counter()
        await shares._look()
        spent += time.perf_counter() - began
    return spent, beats.taken()


async def _searches(shares: SharePart, count: int) -> list[float]:
    """Strangers' searches: some find nothing, some one album, some far too much. What the budget would drop is asked all the same."""
    draw = random.Random(2)  # noqa: S311
    makers: tuple[Callable[[], str], ...] = (
        lambda: " ".join(draw.sample(WORDS, 2)),
        lambda: " ".join(draw.sample(WORDS, 4)),
        lambda: "flac",
        lambda: f"{draw.choice(WORDS)} flac -{draw.choice(WORDS)}",
        lambda: f"*{draw.choice(WORDS)[1:]} {draw.choice(WORDS)}",
        lambda: "nothing has this name",
    )
    times = []
    for at in range(count):
        query = makers[at % len(makers)]()
        shares._searched_until = 0.0
        began = time.perf_counter()
        shares.search("a stranger", query, excluded=("forbidden phrase", "another one"))
        times.append(time.perf_counter() - began)
        await asyncio.sleep(0)
    return times


def _places(waiting: int) -> list[float]:
    """Each of some hundred users asks for the place of one of their files."""
    draw = random.Random(3)  # noqa: S311
    groups = (
        UploadGroup(name="buddies", priority=1),
        UploadGroup(name="leechers", priority=20, slots=1),
        UploadGroup(name="default"),
    )
    queue = UploadQueue(UploadRules(slots=4, groups=groups))
    for at in range(waiting):
        user = draw.randrange(300)
        queue.ask(f"user {user}", f"file {at}", size=1, groups=("leechers",) if user % 3 == 0 else ())
    queue.due(speed_kib_s=None)
    times = []
    for upload in queue.waiting()[:: max(1, waiting // 500)]:
        began = time.perf_counter()
        queue.place(upload.user, upload.path)
        times.append(time.perf_counter() - began)
    return times


def _ms(times: list[float], percent: float) -> float:
    return round(percentile(times, percent) * 1000, 3)


def _resident() -> float:
    """MB that this process holds now."""
    if not sys.platform.startswith("linux"):
        return peak_bytes() / 1e6
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * 4096 / 1e6
