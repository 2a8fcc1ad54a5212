"""`./slskdn uploads …`: what others asked of us. The same services as the API."""

from __future__ import annotations

import argparse
import uuid
from typing import TYPE_CHECKING

from apps.domain.errors import DomainError
from slskdn_site.cli._answers import answer_print, paged
from slskdn_site.cli.main import django_setup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.soulseek.models import Upload
    from apps.soulseek.selectors_sharing import UploadPlace

SUMMARY = "Files that Soulseek users asked of us: list, cancel."


def register(parser: argparse.ArgumentParser) -> None:
    """list and cancel; each with --json."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    words = "Uploads: those under way and waiting, or the history."
    listed = commands.add_parser("list", help=words, description=words)
    listed.add_argument("--show", choices=("live", "ended", "all"), default="live", help="which; default: live")
    listed.add_argument("--user", default="", help="of this user only")
    paged(listed)
    listed.set_defaults(run=show)
    words = "End uploads; their users are told."
    cancel = commands.add_parser("cancel", help=words, description=words)
    cancel.add_argument("ids", nargs="*", metavar="ID", help="uploads")
    cancel.add_argument("--user", default="", help="all of this user")
    cancel.set_defaults(run=end)
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="one JSON object instead of text")


def show(args: argparse.Namespace) -> int:
    """A page."""
    django_setup()
    from apps.common.pagination import keyset_page
    from apps.common.sentences import sentence
    from apps.soulseek.interval_words import interval_words
    from apps.soulseek.selectors_sharing import UPLOAD_ORDER, upload_places, uploads_query

    places = upload_places()
    rows = uploads_query(show=args.show, user=args.user)
    page = keyset_page(rows, order=UPLOAD_ORDER, cursor=args.cursor, limit=args.limit)
    lines: list[str] = []
    for row in page.items:
        lines.append(f"{row.id}  {row.state:10} {row.user}  {row.remote_path}  {row.sent_bytes}/{row.size_bytes}")
        lines += [f"    {sentence(row.code, row.params)}"] if row.code else []
        if (told := _place(row, places)) is not None:
            begins = interval_words(told.low_s, told.high_s)
            lines.append("    " + ", ".join([f"place {told.place}", *([f"begins in {begins}"] if begins else [])]))
            lines += [f"    {told.message}"] if told.code else []
    lines += [f"More: --cursor {page.next_cursor}"] if page.next_cursor else []
    answer = {"items": [facts(row, _place(row, places)) for row in page.items], "next": page.next_cursor}
    return answer_print(args, answer, lines or ["Nothing."])


def end(args: argparse.Namespace) -> int:
    """Cancel."""
    django_setup()
    from apps.soulseek.services_sharing import upload_cancel, uploads_cancel_of

    if not args.ids and not args.user:
        raise DomainError("Say which uploads, or --user.", code="nothing_asked")
    count = uploads_cancel_of(args.user) if args.user else 0
    for text in args.ids:
        try:
            upload_cancel(uuid.UUID(text))
        except ValueError as error:
            raise DomainError(f"{text} is no id of an upload.", code="upload_over") from error
        count += 1
    return answer_print(args, {"cancelled": count}, [f"{count} cancelled."])


def _place(row: Upload, places: Mapping[uuid.UUID, UploadPlace]) -> UploadPlace | None:
    return places.get(row.id) if row.state == "queued" else None


def facts(row: Upload, place: UploadPlace | None = None) -> dict[str, object]:
    """As JSON."""
    from apps.common.sentences import sentence

    return {
        "id": str(row.id),
        "user": row.user,
        "remote_path": row.remote_path,
        "size_bytes": row.size_bytes,
        "state": row.state,
        "code": row.code,
        "message": str(sentence(row.code, row.params)) if row.code else "",
        "wait": None
        if place is None
        else {
            "place": place.place,
            "code": place.code,
            "message": place.message,
            "low_s": place.low_s,
            "high_s": place.high_s,
        },
        "group": row.group,
        "offset": row.offset,
        "sent_bytes": row.sent_bytes,
        "speed_bps": row.speed_bps,
        "asked_at": row.asked_at.isoformat(),
        "ended_at": row.ended_at.isoformat() if row.ended_at is not None else None,
    }
