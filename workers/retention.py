"""Task: forget what nobody needs any more."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from apps.common.dispatch import TaskName
from apps.jobs.services_events import node_events_forget
from apps.jobs.services_find import STAYS as FINDS_STAY
from apps.jobs.services_find import finds_forget
from apps.jobs.services_retention import job_limits_forget
from apps.jobs.services_webhooks import deliveries_expire, deliveries_forget
from apps.library.selectors_trash import trash_expired
from apps.library.services_identity import answers_prune
from apps.library.services_rename import renamings_forget
from apps.library.services_trash import trash_forget, trash_purge_ask
from apps.nodelink.services_command import commands_sweep
from apps.peers.services import peers_forget
from apps.soulseek.services_capture import sightings_forget
from apps.soulseek.services_download_ends import downloads_forget
from apps.soulseek.services_node_session import session_events_sweep
from apps.soulseek.services_retention import hunts_forget, outcomes_forget
from apps.soulseek.services_search import searches_forget
from apps.soulseek.services_sharing import changes_sweep, uploads_forget
from apps.soulseek.services_wishlist import DRY_RUN_KEPT, dry_runs_forget
from apps.transfers.traces import traces_sweep
from slskdn_site.config import load_config

log = logging.getLogger(__name__)

STRANGERS_STAY = timedelta(days=30)
LIMITS_STAY = timedelta(days=7)
RENAMINGS_STAY = timedelta(days=90)
"""How long files that were renamed can be put back."""
COMMANDS_STAY = timedelta(days=1)
"""After their deadline: whoever asked has long had the answer."""
SESSION_EVENTS_STAY = timedelta(days=30)
TRASH_ROWS_STAY = timedelta(days=365)
"""Of what left the trash: who asks what became of a file asks within a year."""

SHARE_CHANGES_STAY = timedelta(days=2)
"""Of files that changed while no node shares: the next start reads everything anyway."""


@shared_task(name=TaskName.RETENTION.value)
def retention() -> None:
    """Processed node events and limits of ended jobs after a week, strangers among peers after a month, traces as `swarm.tracing` says,
    files in the trash as `library.trash` says, AcoustID's answers after 90 days, the log of webhooks as `webhooks.keep_days` says, finds after
    a day, commands to the node a day after their deadline, what happened to the Soulseek session after a month, searches with their answers as
    `soulseek.search` says, what they taught as `soulseek.capture` says, uploads as `soulseek.uploads` says; downloads with their rescues, candidates of
    hunts, and what came of sources as `soulseek.downloads` says."""
    now = timezone.now()
    keep_days = load_config().library.trash.keep_days
    soulseek = load_config().soulseek
    fetched = now - timedelta(days=soulseek.downloads.retention_days)
    log.info(
        "retention: events=%s peers=%s limits=%s traces=%s trash=%s trash_rows=%s renamings=%s acoustid=%s "
        "webhooks_given_up=%s webhooks=%s finds=%s downloads=%s hunts_candidates=%s outcomes=%s commands=%s "
        "session_events=%s searches=%s sightings=%s dry_runs=%s uploads=%s share_changes=%s",
        node_events_forget(),
        peers_forget(unseen_since=now - STRANGERS_STAY),
        job_limits_forget(ended_before=now - LIMITS_STAY),
        traces_sweep(now=now),
        len(trash_purge_ask(trash_expired(now=now, keep_days=keep_days))),
        trash_forget(ended_before=now - TRASH_ROWS_STAY),
        renamings_forget(untouched_since=now - RENAMINGS_STAY),
        answers_prune(),
        deliveries_expire(),
        deliveries_forget(ended_before=now - timedelta(days=load_config().webhooks.keep_days)),
        finds_forget(made_before=now - FINDS_STAY),
        downloads_forget(ended_before=fetched),
        hunts_forget(ended_before=fetched),
        outcomes_forget(before=fetched, now=now),
        commands_sweep(before=now - COMMANDS_STAY),
        session_events_sweep(before=now - SESSION_EVENTS_STAY),
        searches_forget(made_before=now - timedelta(days=soulseek.search.retention_days)),
        sightings_forget(seen_before=now - timedelta(days=soulseek.capture.retention_days)),
        dry_runs_forget(made_before=now - DRY_RUN_KEPT),
        uploads_forget(ended_before=now - timedelta(days=soulseek.uploads.retention_days)),
        changes_sweep(before=now - SHARE_CHANGES_STAY),
    )
