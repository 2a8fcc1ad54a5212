"""`./slskdn webhooks …`: programs that are told what happens to jobs. The same services as the API."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import uuid
from typing import TYPE_CHECKING

from apps.domain.errors import DomainError

if TYPE_CHECKING:
    from apps.jobs.selectors_webhooks import DeliveryView, WebhookView

SUMMARY = "Webhooks: tell programs what happens to jobs and tracks; test one, see what was sent, send it again."


def register(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="All webhooks.", description="All webhooks, without their secrets.")
    listing.add_argument("--json", action="store_true", help="print JSON, a line a webhook")
    listing.set_defaults(run=_list)
    what = "Tell an address. Only its secret is printed to standard output, this once."
    add = commands.add_parser("add", help=what, description=what)
    add.add_argument("url", help="http(s)://host[:port]/path")
    add.add_argument("--name", default="", help="what it is for")
    add.add_argument(
        "--event", action="append", default=[], metavar="NAME", help="only this event; may be given again (none: all)"
    )
    add.set_defaults(run=_add)
    for name, what in (
        ("remove", "Forget a webhook and its log."),
        ("enable", "Switch a webhook on."),
        ("disable", "Switch a webhook off: it is told of nothing meanwhile."),
        ("secret", "Give a webhook a new secret, printed this once."),
        ("test", "Send the event `test`; prints the delivery's number."),
    ):
        act = commands.add_parser(name, help=what, description=what)
        act.add_argument("id", help="as `webhooks list` prints it")
        act.set_defaults(run=_act, action=name)
    what = "What was sent to a webhook, newest first."
    log = commands.add_parser("deliveries", help=what, description=what)
    log.add_argument("id", help="as `webhooks list` prints it")
    log.add_argument("--state", choices=("waiting", "delivered", "dead"), default="")
    log.add_argument("--event", default="", metavar="NAME", help="only this event")
    log.add_argument("--job", metavar="ID", help="only of this job")
    log.add_argument("--limit", type=int, default=20)
    log.add_argument("--json", action="store_true", help="print JSON, a line a delivery")
    log.set_defaults(run=_deliveries)
    what = "Send a delivery again, under its own event id; prints its number."
    again = commands.add_parser("redeliver", help=what, description=what)
    again.add_argument("number", type=int, help="as `webhooks deliveries` prints it")
    again.set_defaults(run=_redeliver)


def _ready() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()
    import slskdn_site.celery  # noqa: F401  (tasks are sent through its broker)


def _list(args: argparse.Namespace) -> int:
    _ready()
    from apps.jobs.selectors_webhooks import webhook_list

    hooks = list(webhook_list())
    for hook in hooks:
        print(json.dumps(dataclasses.asdict(hook), default=str) if args.json else _line(hook))
    if not hooks:
        print("No webhooks. Make one with: slskdn webhooks add URL", file=sys.stderr)
    return 0


def _add(args: argparse.Namespace) -> int:
    _ready()
    from apps.jobs.services_webhooks import webhook_add

    made = webhook_add(args.url, name=args.name, events=args.event)
    print(made.secret)
    print(f"Webhook {made.id}. The secret is not shown again.", file=sys.stderr)
    return 0


def _act(args: argparse.Namespace) -> int:
    _ready()
    from apps.jobs import services_webhooks as services

    hook_id = _id(args.id)
    match args.action:
        case "remove":
            services.webhook_remove(hook_id)
        case "enable" | "disable":
            services.webhook_change(hook_id, enabled=args.action == "enable")
        case "secret":
            print(services.webhook_secret_renew(hook_id).secret)
        case _:
            print(services.webhook_test(hook_id))
    return 0


def _deliveries(args: argparse.Namespace) -> int:
    _ready()
    from apps.jobs.selectors_webhooks import delivery_page, webhook_one

    hook_id = _id(args.id)
    if webhook_one(hook_id) is None:
        raise _unknown(args.id)
    job = _id(args.job) if args.job else None
    page = delivery_page(hook_id, state=args.state, event=args.event, job_id=job, limit=args.limit)
    for view in page.items:
        print(json.dumps(dataclasses.asdict(view), default=str) if args.json else _delivery_line(view))
    return 0


def _redeliver(args: argparse.Namespace) -> int:
    _ready()
    from apps.jobs.services_webhooks import delivery_again

    print(delivery_again(args.number))
    return 0


def _id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise _unknown(text) from error


def _unknown(text: str) -> DomainError:
    return DomainError(
        "There is no such webhook; `./slskdn webhooks list` shows them.", code="webhook_unknown", id=text[:60]
    )


def _line(hook: WebhookView) -> str:
    state = "on " if hook.enabled else "off"
    events = ", ".join(hook.events) or "all events"
    trouble = f"  {hook.sentence} [{hook.code}]" if hook.failures else ""
    return f"{hook.id}  {state}  {hook.host}  {hook.name}  {events}  {hook.waiting} waiting{trouble}"


def _delivery_line(view: DeliveryView) -> str:
    job = f"  job {view.job_id}" if view.job_id else ""
    trouble = f"  {view.sentence} [{view.code}]" if view.code else ""
    status = f" {view.status}" if view.status else ""
    return f"{view.id:>8}  {view.created_at:%Y-%m-%d %H:%M:%S}  {view.state.value:<9}{status}  {view.event}  tries {view.tries}{job}{trouble}"
