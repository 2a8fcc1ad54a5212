"""Rows of the Soulseek plane. Each says in its docstring who writes it."""

from __future__ import annotations

from apps.soulseek.models.downloads import Batch, Download, DownloadProgress, Rescue
from apps.soulseek.models.hunts import Candidate, Hunt, SourceOutcome
from apps.soulseek.models.people import (
    Conversation,
    Correspondent,
    PrivateMessage,
    Room,
    RoomMessage,
    RoomState,
    SoulseekUser,
    UserRule,
)
from apps.soulseek.models.searches import Search, SearchAnswer, SearchProgress
from apps.soulseek.models.session import SessionEvent, SoulseekIntent, SoulseekSession
from apps.soulseek.models.sharing import ShareChange, ShareRule, Upload
from apps.soulseek.models.traffic import FairnessAction, JobTraffic, OfferSighting, TrafficHour, TrafficMark

__all__ = [
    "Batch",
    "Candidate",
    "Conversation",
    "Correspondent",
    "Download",
    "DownloadProgress",
    "FairnessAction",
    "Hunt",
    "JobTraffic",
    "OfferSighting",
    "PrivateMessage",
    "Rescue",
    "Room",
    "RoomMessage",
    "RoomState",
    "Search",
    "SearchAnswer",
    "SearchProgress",
    "SessionEvent",
    "ShareChange",
    "ShareRule",
    "SoulseekIntent",
    "SoulseekSession",
    "SoulseekUser",
    "SourceOutcome",
    "TrafficHour",
    "TrafficMark",
    "Upload",
    "UserRule",
]
