"""Fills a database with issues for the doctor's pages: `python -m tests.web.doctor_seed COUNT`, in the data folder of SLSKDN_DATA."""

from __future__ import annotations

import os
import sys
from datetime import timedelta

from tests.web.seed import NAMES, TITLES, mbid


def fill(count: int) -> None:
    """`count` issues of every type, severity and state, found over thirty days; looks, one of them under way when there is anything."""
    from django.utils import timezone

    from apps.domain.library.issues import SEVERITY_RANK, Finding, IssueSeverity, IssueState, IssueType
    from apps.library.models import DoctorScan, LibraryIssue
    from apps.library.services_issues import issues_move, issues_record

    if not count:
        return
    now = timezone.now()
    codes: dict[IssueType, tuple[str, dict[str, object]]] = {
        IssueType.SUSPECTED_TRANSCODE: ("transcode_mp3_origin", {"profile": "flac-16-44100-2", "score": 2.41, "edge_hz": 16012}),
        IssueType.NON_CANONICAL_VARIANT: (
            "better_in_peers",
            {"score": 0.41, "profile": "mp3-cbr-128-44100-2", "better_score": 0.95, "better_profile": "flac-16-44100-2"},
        ),
        IssueType.TRACK_NOT_IN_RELEASE: ("not_in_tagged_release_guess", {"release": NAMES[5][0], "guess": NAMES[6][0]}),
        IssueType.MISSING_TRACK: ("missing_track", {"medium": 1, "position": 4, "held": 9, "total": 12}),
        IssueType.CORRUPTED_FILE: ("decode_failed", {"reason": "lost sync at 3:12"}),
        IssueType.TAGS_WRONG: ("tags_contradict", {"title": "So What", "artist": "Miles Davis", "tag_title": "x", "tag_artist": "y", "fields": ["title"]}),
        IssueType.DUPLICATE_VARIANT: ("duplicate_recording", {"copies": 2, "keep_path": "Miles Davis/So What.flac", "keep_profile": "flac-16-44100-2"}),
        IssueType.WRONG_DURATION: ("duration_short", {"actual_s": 90.0, "expected_s": 200.0, "off_s": 110.0}),
    }  # fmt: skip
    types, severities = list(IssueType), list(SEVERITY_RANK)
    for start in range(0, count, 100):
        numbers = range(start, min(start + 100, count))
        at = now - timedelta(days=30 * (1 - start / max(count, 1)))
        findings = []
        for number in numbers:
            kind = types[number % 8]
            album, artist, _year = NAMES[number % len(NAMES)]
            code, params = codes[kind]
            findings.append(
                Finding(
                    type=kind,
                    severity=severities[(number // 8) % 4] if number else IssueSeverity.HIGH,
                    subject=("seed", number),
                    code=code,
                    params=params,  # type: ignore[arg-type]
                    artist=artist,
                    album=album,
                    title=TITLES[number % len(TITLES)],
                    path="" if kind is IssueType.MISSING_TRACK else f"{artist}/{album}/{number:04}.flac",
                    release_mbid=mbid("album", number % len(NAMES)),
                )
            )
        issues_record(findings, now=at)
    ids = list(LibraryIssue.objects.order_by("id").values_list("id", flat=True))
    if count > 1:
        issues_move(ids[3::11], to=IssueState.IGNORED, code="ignored_by_person", params={"name": "olga"}, now=now)
        issues_move(ids[4::9], to=IssueState.RESOLVED, code="not_found_again", now=now - timedelta(days=1))
        issues_move(ids[5::13], to=IssueState.FIXING, now=now)
        issues_move(ids[5::26], to=IssueState.FAILED, code="no_source", now=now)
    DoctorScan.objects.create(
        state="completed", files=max(count * 9, 100), done=count * 20, expected=count * 20, found=count, added=count,
        started_at=now - timedelta(hours=3), ended_at=now - timedelta(hours=2), stage="clearing",
    )  # fmt: skip
    if count > 1:
        DoctorScan.objects.create(
            kind="changed", state="running", stage="releases", files=320, done=640, expected=1200, found=12, added=3, resolved=1,
            held_back=7, started_at=now - timedelta(seconds=40), origin="change", lease_until=now + timedelta(hours=2),
        )  # fmt: skip


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    django.setup()
    fill(int(sys.argv[1]))
