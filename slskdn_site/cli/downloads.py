"""`./slskdn downloads …`: what is asked of Soulseek users, how it stands, and what shall become of it. The same services as the API."""

from __future__ import annotations

import argparse
import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from apps.domain.errors import DomainError
from slskdn_site.cli._answers import answer_print, clean, paged
from slskdn_site.cli.main import django_setup

if TYPE_CHECKING:  # Django is set up before it is imported
    from apps.soulseek.selectors_rescues import RescueView

SUMMARY = "Files asked of Soulseek users: list, add, pause, resume, cancel, retry, bring forward."
_ACTS = {
    "pause": "Let downloads rest; what is here stays.",
    "resume": "Let downloads go on.",
    "cancel": "Cancel downloads; what is unfinished goes.",
    "retry": "Ask again for files that did not come.",
    "top": "Bring downloads to the top of the queue.",
    "bottom": "Bring downloads to the bottom of the queue.",
    "forget": "Take ended downloads off the list; files stay.",
}


class DownloadIdInvalid(DomainError):
    """An id that is none."""

    default_code = "download_invalid"


def register(parser: argparse.ArgumentParser) -> None:
    """list, add, priority, and one command per act; each with --json."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    words = "Downloads in the queue's order."
    listed = commands.add_parser("list", help=words, description=words)
    listed.add_argument("--show", choices=("live", "ended", "all"), default="live", help="which; default: live")
    listed.add_argument("--user", default="", help="of this user only")
    paged(listed)
    listed.set_defaults(run=show)
    words = "Ask a user for files; they are delivered raw below the downloads folder."
    added = commands.add_parser("add", help=words, description=words)
    added.add_argument("user", help="whose files")
    added.add_argument(
        "paths", nargs="+", metavar="PATH", help="as the user tells it, such as Music\\\\Artist\\\\01.flac"
    )
    added.add_argument("--title", default="", help="what the batch is called")
    added.add_argument("--priority", type=int, default=5, help="0…10, 10 first")
    added.set_defaults(run=add)
    words = "How urgent downloads are: 0…10, 10 first."
    urgent = commands.add_parser("priority", help=words, description=words)
    urgent.add_argument("priority", type=int)
    urgent.add_argument("ids", nargs="+", metavar="ID", help="downloads, or batch:ID")
    urgent.set_defaults(run=priority)
    for name, says in _ACTS.items():
        command = commands.add_parser(name, help=says, description=says)
        command.add_argument("ids", nargs="+", metavar="ID", help="downloads, or batch:ID")
        command.set_defaults(run=act, act=name)
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="one JSON object instead of text")


def show(args: argparse.Namespace) -> int:
    """A page of the list."""
    django_setup()
    from apps.soulseek.selectors_download import download_page

    page = download_page(show=args.show, user=args.user, cursor=args.cursor, limit=args.limit)
    answer = {"items": [facts(row) for row in page.items], "next": page.next_cursor}
    lines = [line(row) for row in page.items] or ["Nothing."]
    if page.next_cursor:
        lines.append(f"More: --cursor {page.next_cursor}")
    return answer_print(args, answer, lines)


def add(args: argparse.Namespace) -> int:
    """A batch."""
    django_setup()
    from apps.domain.contracts.soulseek_downloads import FileAsked
    from apps.soulseek.services_download import batch_create

    batch_id = batch_create(
        user=args.user,
        folder=args.paths[0].rpartition("\\")[0],
        files=[FileAsked(path=path) for path in args.paths],
        title=args.title,
        priority=args.priority,
    )
    return answer_print(args, {"batch": str(batch_id)}, [f"batch:{batch_id}"])


def act(args: argparse.Namespace) -> int:
    """One act on downloads and batches; 0 also when nothing changed."""
    django_setup()
    from apps.soulseek.download_actions import BATCH_ACTIONS, DOWNLOAD_ACTIONS

    ids, batches = _ids(args.ids)
    changed = DOWNLOAD_ACTIONS[args.act](ids) if ids else 0
    if batches:
        if args.act not in BATCH_ACTIONS:
            raise DownloadIdInvalid("This is done to downloads, not to batches.", field="ids")
        changed += BATCH_ACTIONS[args.act](batches)
    return answer_print(args, {"changed": changed}, [f"{changed} changed."])


def priority(args: argparse.Namespace) -> int:
    """Urgency."""
    django_setup()
    from apps.soulseek.services_download import batch_priority, download_priority

    ids, batches = _ids(args.ids)
    changed = (download_priority(ids, args.priority) if ids else 0) + (
        batch_priority(batches, args.priority) if batches else 0
    )
    return answer_print(args, {"changed": changed}, [f"{changed} changed."])


def facts(row: object) -> dict[str, object]:
    """A download as JSON; its rescue too, with the reason in words."""
    from apps.soulseek.selectors_download import DownloadView

    assert isinstance(row, DownloadView)
    told = {name: _plain(value) for name, value in dataclasses.asdict(row).items()}
    if row.rescue is not None:
        rescue = {name: _plain(value) for name, value in dataclasses.asdict(row.rescue).items()}
        told["rescue"] = {**rescue, "says": _says(row.rescue.code, row.rescue.params)}
    return told


def line(row: object) -> str:
    """A download as one line of text."""
    from apps.common.sentences import sentence
    from apps.soulseek.selectors_download import DownloadView

    assert isinstance(row, DownloadView)
    told = [f"{row.id}  {row.state.value:11}  {_percent(row):>4}"]
    if row.speed_bps:
        told.append(f"{row.speed_bps / 1024:.0f} KiB/s")
    if row.eta_low_s is not None and row.eta_high_s is not None and row.live:
        told.append(f"here in {row.eta_low_s}-{row.eta_high_s} s")
    if row.position:
        told.append(f"number {row.position} here")
    if row.place:
        told.append(f"number {row.place} there")
    told.append(f"{clean(row.user)}: {clean(row.remote_path)}")
    told += [clean(str(sentence(code, row.params))) for code in (row.code, row.trouble) if code]
    if row.rescue is not None and row.live:
        told.append(_rescue(row.rescue))
    return "  ".join(told)


def _rescue(row: RescueView) -> str:
    """What the mesh gives to a download, or why not."""
    both = ""
    if row.overlay_bytes:
        both = (
            f" ({row.soulseek_bytes >> 10} KiB of Soulseek + {row.overlay_bytes >> 10} KiB of the mesh,"
            f" {round(100 * (row.share or 0))} %; {row.soulseek_bps >> 10} + {row.overlay_bps >> 10} KiB/s)"
        )
    return f"rescue {row.state.value}{both}: {clean(_says(row.code, row.params))}"


def _says(code: str, params: Mapping[str, object]) -> str:
    from apps.common.sentences import message_of

    return message_of(code, params, fallback=code) if code else ""


def _percent(row: object) -> str:
    size, have = getattr(row, "size_bytes", 0), getattr(row, "bytes_have", 0)
    return f"{min(100, 100 * have // size)}%" if size else "?"


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | dict) else str(value)


def _ids(texts: Sequence[str]) -> tuple[list[uuid.UUID], list[uuid.UUID]]:
    """(downloads, batches). Raises DownloadIdInvalid."""
    ids: list[uuid.UUID] = []
    batches: list[uuid.UUID] = []
    for text in texts:
        of_batch = text.startswith("batch:")
        try:
            (batches if of_batch else ids).append(uuid.UUID(text.removeprefix("batch:")))
        except ValueError as error:
            raise DownloadIdInvalid("A download is named by its id, a batch by batch:ID.", field="ids") from error
    return ids, batches
