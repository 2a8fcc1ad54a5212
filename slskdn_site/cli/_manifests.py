"""`./slskdn jobs export`, `import` and `restore`: jobs as YAML files, and back."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from apps.domain.errors import DomainError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from apps.domain.jobs.job_manifest import JobManifest
    from apps.jobs.services_import import ImportedJob

    Commands = _SubParsersAction[argparse.ArgumentParser]


def register(commands: Commands) -> None:
    """Subcommands of `jobs`."""
    what = "Write a job's manifest (a discography or crate with its children inside), or those of all jobs."
    export = commands.add_parser("export", help=what, description=what)
    export.add_argument("id", nargs="?", help="the job; not with --all")
    export.add_argument("output", nargs="?", help="file to write; standard output without it")
    export.add_argument("--all", action="store_true", help="all jobs; --out is then a folder that `jobs restore` reads")
    export.add_argument("--out", metavar="PATH", help="the same as OUTPUT")
    export.set_defaults(run=_export)
    what = "Make jobs from manifests: all of these files' jobs, or none when one is wrong."
    take = commands.add_parser("import", help=what, description=what)
    take.add_argument("files", nargs="+", metavar="FILE", help="YAML files; - is standard input")
    take.add_argument(
        "--allow-duplicate-id",
        action="store_true",
        help="a job whose id is here already is that job and stays as it is (else a new job is made that names the old id)",
    )
    take.add_argument("--dry-run", action="store_true", help="only say what would be made")
    take.add_argument("--json", action="store_true", help="print JSON")
    take.set_defaults(run=_import)
    what = "Bring all jobs back from a folder of manifests after the loss of the database. May be repeated."
    restore = commands.add_parser("restore", help=what, description=what)
    restore.add_argument("folder", nargs="?", metavar="DIR", help="jobs.manifests.path without it")
    restore.add_argument("--dry-run", action="store_true", help="only say what would come back")
    restore.add_argument("--json", action="store_true", help="print JSON")
    restore.set_defaults(run=_restore)


def _ready() -> None:
    from slskdn_site.cli.main import django_setup, logs_quiet

    django_setup()
    logs_quiet()
    import slskdn_site.celery  # noqa: F401  (tasks are sent through its broker)


def _export(args: argparse.Namespace) -> int:
    _ready()
    from apps.common.sentences import message_of
    from apps.domain.jobs.job_manifest import export_text
    from apps.jobs.selectors_manifest import manifest_of

    output = args.out or args.output
    if args.all:
        if args.id and not output:
            output, args.id = args.id, None  # `export --all DIR`
        return _export_all(output)
    if not args.id:
        raise DomainError("Name a job, or say --all.", code="job_unknown")
    try:
        text = export_text([manifest_of(_job_id(args.id))])
    except DomainError as error:
        # On a command line the sentence says what helps.
        raise DomainError(message_of(error.code, error.params, fallback=error.sentence), code=error.code) from error
    if output is None:
        sys.stdout.write(text)
    else:
        _write(Path(output), text)
    return 0


def _export_all(output: str | None) -> int:
    """A stream of documents, or a folder as the daemon keeps it."""
    from apps.common.sentences import message_of
    from apps.domain.jobs.job_manifest import MIB, manifest_yaml
    from apps.domain.jobs.marked_yaml import MAX_BYTES
    from apps.jobs.selectors_manifest import jobs_all, manifest_of
    from workers.gateways.manifests import ManifestFolder

    if output is None:
        after: uuid.UUID | None = None
        size = 0
        while some := jobs_all(after):
            for job_id in some:
                text = "---\n" + manifest_yaml(manifest_of(job_id))
                sys.stdout.write(text)
                size += len(text.encode())
            after = some[-1]
        if size > MAX_BYTES:
            params = {"size_mb": round(size / MIB, 1), "limit_mb": MAX_BYTES // MIB}
            print(f"{message_of('manifest_export_too_large', params)} [manifest_export_too_large]", file=sys.stderr)
        return 0
    count = 0
    with ManifestFolder(Path(output)) as folder:
        if not folder.held:
            raise DomainError(
                "Another process writes into this folder; ask again.", code="manifests_held", retryable=True
            )
        after = None
        while some := jobs_all(after):
            for job_id in some:
                manifest = manifest_of(job_id)
                for one in (dataclasses.replace(manifest, children=()), *manifest.children):
                    folder.put(one)
                    count += 1
            after = some[-1]
    print(f"{count} jobs in {output}", file=sys.stderr)
    return 0


def _write(path: Path, text: str) -> None:
    from workers.gateways.files import translated

    with translated(path):
        path.write_text(text, encoding="utf-8")


def _import(args: argparse.Namespace) -> int:
    _ready()
    from apps.jobs.services_import import jobs_import

    manifests = [one for name in args.files for one in _read(name)]
    report = jobs_import(manifests, allow_duplicate_id=args.allow_duplicate_id, dry_run=args.dry_run)
    if args.json:
        print(json.dumps(dataclasses.asdict(report), default=str))
        return 0
    for job in report.jobs:
        print(_line(job))
    if report.dry_run:
        print("Nothing was made: this was a dry run.")
    return 0


def _read(name: str) -> tuple[JobManifest, ...]:
    from apps.common.sentences import message_of
    from apps.domain.jobs.job_manifest import ManifestInvalid, read_manifests
    from apps.domain.jobs.marked_yaml import MAX_BYTES
    from workers.gateways.manifests import manifest_file

    if name == "-":
        return read_manifests(sys.stdin.buffer.read(MAX_BYTES + 1), file="-")
    file = manifest_file(Path(name))
    if file.code:
        raise ManifestInvalid(message_of(file.code, {"path": name}), code="manifest_file_missing", file=name)
    return read_manifests(file.data, file=name)


def _restore(args: argparse.Namespace) -> int:
    _ready()
    from apps.jobs.services_import import Outcome
    from slskdn_site.config import load_config
    from workers.manifests import manifests_folder
    from workers.restoring import restore_folder

    folder = Path(args.folder) if args.folder else manifests_folder(load_config())
    report = restore_folder(folder, dry_run=args.dry_run)
    if args.json:
        print(json.dumps(dataclasses.asdict(report), default=str))
        return 1 if report.failed else 0
    for one in report.failed:
        print(f"{one.sentence} [{one.code}]", file=sys.stderr)
    verb = "would come back" if args.dry_run else "came back"
    print(
        f"{report.count(Outcome.MADE)} jobs {verb}, {report.count(Outcome.KEPT)} are here already; {report.files} files read."
    )
    if not args.dry_run and report.count(Outcome.MADE):
        print("They begin when the library was scanned and read, so that nothing that is there is fetched again.")
    return 1 if report.failed else 0


def _line(job: ImportedJob) -> str:
    from apps.jobs.services_import import Outcome

    name = " – ".join(part for part in (job.artist, job.title) if part) or job.type.value
    indent = "  " if job.parent_id else ""
    told = {
        Outcome.MADE: "",
        Outcome.RENAMED: f" (new id: {job.manifest_id} is here already)",
        Outcome.KEPT: " (is here already)",
    }[job.outcome]
    orphan = " (its parent is not here)" if job.orphan else ""
    tracks = f", {job.completed} of {job.tracks} tracks completed" if job.tracks else ""
    return f"{indent}{job.job_id}  {job.type.value:<12} {job.state.value:<10} {name}{tracks}{told}{orphan}"


def _job_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise DomainError("This is not a job's id; `./slskdn jobs list` shows them.", code="job_unknown") from error
