"""/ui/kit: every component in every state, on one page, when debugging. Photographed by the browser tests."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

LONG = "Symphony No. 9 in D minor, Op. 125 “Choral”: IV. Finale – Presto – Allegro assai – Alla marcia " * 4
SPOOFED = "safe\u202egnp.exe\u2066 name\u0007 with marks a\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301 <b>bold</b>"
TONES = ("ok", "warn", "bad", "info", "overlay", "soulseek", "idle")
STATES = (
    ("ok", "check", "Verified"),
    ("overlay", "down", "Arriving"),
    ("info", "ear", "Verifying"),
    ("idle", "clock", "Waiting"),
    ("warn", "search", "No source"),
    ("warn", "pause", "Paused"),
    ("bad", "cross", "Failed"),
    ("soulseek", "down", "From Soulseek"),
)


@require_GET
def kit(request: HttpRequest) -> HttpResponse:
    """The page."""
    now = timezone.now()
    discs = [
        [{"tone": "idle", "share": 0.0}],
        [{"tone": "ok", "share": 1.0}] * 3
        + [{"tone": "overlay", "share": 0.6}, {"tone": "info", "share": 0.97}]
        + [{"tone": "idle", "share": 0.0}] * 3,
        [{"tone": "ok", "share": 1.0}] * 8,
        [{"tone": "ok", "share": 1.0}] * 6 + [{"tone": "bad", "share": 1.0}] * 2,
        [{"tone": "overlay", "share": 0.4}] * 60,
    ]
    bars = [
        ([], 100),
        ([{"value": 62, "tone": "s0"}], 100),
        (
            [
                {"value": 34, "tone": "s0"},
                {"value": 22, "tone": "s1"},
                {"value": 9, "tone": "s2"},
                {"value": 3, "tone": "s3"},
            ],
            100,
        ),
        ([{"value": 50, "tone": "s0"}, {"value": 30, "tone": "s1"}, {"value": 20, "tone": "s4"}], 100),
    ]
    times = [
        now - timedelta(seconds=5),
        now - timedelta(minutes=14),
        now - timedelta(days=3),
        now + timedelta(minutes=2),
        None,
    ]
    context = {
        "tones": TONES,
        "states": STATES,
        "discs": discs,
        "bars": bars,
        "times": times,
        "long": LONG,
        "spoofed": SPOOFED,
    }
    return render(request, "ui/kit.html", context)
