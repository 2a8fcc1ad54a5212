"""Why manifests can't be written just now: a hint in the broker, renewed by each attempt that fails. The rows that stay due are the truth."""

from __future__ import annotations

import functools
import json
import logging
from dataclasses import dataclass

import redis
from django.conf import settings

from apps.nodelink.health import Check, CheckState

log = logging.getLogger(__name__)

_KEY = "slskdn:manifests:trouble"
_LASTS_S = 600
"""Attempts come every few seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestTrouble:
    """`code` (disk_full, library_permission …) and the folder that it is about."""

    code: str
    folder: str


def trouble_note(*, code: str, folder: str) -> None:
    """An attempt failed."""
    try:
        _broker().set(_KEY, json.dumps({"code": code, "folder": folder}), ex=_LASTS_S)
    except (redis.RedisError, OSError) as error:
        log.info("trouble with manifests not noted: error=%s", error)


def trouble_clear() -> None:
    """An attempt worked."""
    try:
        _broker().delete(_KEY)
    except (redis.RedisError, OSError):
        return  # it is forgotten by itself


def manifest_trouble() -> ManifestTrouble | None:
    """Why manifests can't be written; None while they can."""
    try:
        stored = _broker().get(_KEY)
        told = json.loads(stored) if isinstance(stored, bytes) else None
    except (redis.RedisError, OSError, ValueError):
        return None
    return ManifestTrouble(code=str(told["code"]), folder=str(told["folder"])) if isinstance(told, dict) else None


def check_manifests() -> Check:
    """For the System page and /healthz/ready: the files that bring jobs back are up to date or being written."""
    trouble = manifest_trouble()
    if trouble is None:
        return Check(name="manifests", state=CheckState.OK, needed=False)
    return Check(
        name="manifests", state=CheckState.FAILED, code="manifests_unwritten", value=trouble.folder, needed=False
    )


@functools.cache
def _broker() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
