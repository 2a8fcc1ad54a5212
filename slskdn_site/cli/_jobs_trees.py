"""`./slskdn jobs discography` and `./slskdn jobs label-crate`: jobs for many releases, and the options they share with `mb discography`."""

from __future__ import annotations

import argparse
import json
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.domain.jobs.selection import Selection

Commands = argparse._SubParsersAction  # argparse has no public name for it


def register(commands: Commands[argparse.ArgumentParser]) -> None:
    """Both commands."""
    what = "Ask for an artist's discography: one job a release, a few at a time."
    add = commands.add_parser("discography", help=what, description=what)
    add.add_argument("artist", help="the artist's MusicBrainz id or address")
    filter_options(add)
    wish_options(add)
    add.set_defaults(run=_discography)
    what = "Ask for releases of a label: one job a release, a few at a time."
    add = commands.add_parser("label-crate", help=what, description=what)
    add.add_argument("label", help="the label's MusicBrainz id or address, or its name")
    add.add_argument("--limit", type=int, metavar="N", help="so many releases at most")
    add.add_argument("--studio-only", action="store_true", help="studio albums only")
    edition_options(add)
    wish_options(add)
    add.set_defaults(run=_crate)


def filter_options(parser: argparse.ArgumentParser) -> None:
    """What a discography takes."""
    parser.add_argument("--profile", choices=("core", "extended", "all"), default="core", help="how much of it (core)")
    parser.add_argument("--compilations", action="store_true", help="compilations count as core, too")
    parser.add_argument("--live", action="store_true", help="live albums count as core, too")
    parser.add_argument(
        "--type", action="append", default=[], metavar="TYPE", help="a secondary type that counts as core, too"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="the N weightiest releases at most")
    edition_options(parser)


def edition_options(parser: argparse.ArgumentParser) -> None:
    """Which edition of a group is taken."""
    parser.add_argument(
        "--country", action="append", default=[], metavar="CC", help="preferred country of editions; may be given again"
    )
    parser.add_argument("--only-countries", action="store_true", help="no edition of any other country")
    parser.add_argument("--first-editions", action="store_true", help="of each album its first edition")
    parser.add_argument("--unofficial", action="store_true", help="promotions and bootlegs, too")


def wish_options(parser: argparse.ArgumentParser) -> None:
    """Constraints that every release gets."""
    parser.add_argument("--lossless", action="store_true", help="lossless payloads only")
    parser.add_argument("--prefer", metavar="CODECS", help="preferred codecs, best first, such as flac,opus")
    parser.add_argument(
        "--mode",
        choices=("any", "canonical", "no-transcodes"),
        default="any",
        help="no-transcodes: nothing suspected to be one; canonical: besides, only the canonical variant or better",
    )
    parser.add_argument("--target-dir", metavar="DIR", help="folder below the library root")
    parser.add_argument("--key", help="idempotency key: the same key and request give the same job")
    parser.add_argument("--json", action="store_true", help="print JSON")


def selection_of(args: argparse.Namespace) -> Selection:
    """What the options choose. Raises SelectionInvalid."""
    from apps.domain.jobs.selection import Selection

    crate = hasattr(args, "studio_only")
    return Selection(
        profile="core" if crate else args.profile,
        exclude_compilations=False if not crate and args.compilations else None,
        exclude_live=False if not crate and args.live else None,
        secondary_types=() if crate else tuple(args.type),
        countries=tuple(args.country),
        only_countries=args.only_countries,
        first_editions=args.first_editions,
        official_only=not args.unofficial,
        limit_releases=args.limit,
        studio_only=crate and args.studio_only,
    )


def ask(
    args: argparse.Namespace, *, kind: str, target: str | uuid.UUID, source: str = "musicbrainz", ref: str = ""
) -> int:
    """Make the job and print its id. Django must be set up."""
    from apps.jobs.services import job_create

    wishes: dict[str, object] = {"allow_lossy": not args.lossless, "download_mode": args.mode}
    if args.target_dir is not None:
        wishes["target_dir"] = args.target_dir
    if args.prefer is not None:
        wishes["preferred_codecs"] = [codec.strip() for codec in args.prefer.split(",")]
    made = job_create(
        kind=kind,
        target_mbid=target,
        target_source=source,
        target_ref=ref,
        selection=selection_of(args),
        constraints=wishes,
        idempotency_key=args.key,
    )
    print(json.dumps({"id": str(made.id), "created": made.created}) if args.json else made.id)
    return 0


def id_of(text: str) -> str:
    """What stands for the id in an id or a MusicBrainz address."""
    return text.split("?", maxsplit=1)[0].split("#", maxsplit=1)[0].rstrip("/").rsplit("/", 1)[-1]


def ready() -> None:
    """Django, and a broker for the tasks."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    import slskdn_site.celery  # noqa: F401  (tasks are sent through its broker)


def _discography(args: argparse.Namespace) -> int:
    ready()
    return ask(args, kind="discography", target=id_of(args.artist))


def _crate(args: argparse.Namespace) -> int:
    ready()
    from apps.domain.catalog.identity import label_name_id
    from apps.domain.errors import DomainError
    from apps.jobs.services import mbid_of

    try:
        target = mbid_of(id_of(args.label))
    except DomainError:
        return ask(args, kind="label_crate", target=label_name_id(args.label), source="name", ref=args.label)
    return ask(args, kind="label_crate", target=target)
