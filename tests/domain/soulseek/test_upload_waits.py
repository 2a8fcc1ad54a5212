"""Why an upload waits, and when it is likely to begin."""

from __future__ import annotations

import pytest

from apps.domain.soulseek.upload_waits import UploadMoment, UploadWait, opens_in, waits
from apps.domain.soulseek.uploads import SpeedWindow, Upload, UploadGroup, UploadQueue, UploadRules
from apps.domain.soulseek.words import SOULSEEK_SENTENCES

USERS = ("ann", "bob", "carl", "dora")
MB = 1_000_000
RULES = UploadRules(slots=2, groups=(UploadGroup(name="leechers", priority=20, slots=1), UploadGroup(name="default")))


def queued(rules: UploadRules = RULES, *asked: tuple[str, str]) -> UploadQueue:
    queue = UploadQueue(rules)
    for user, group in asked:
        found = queue.ask(user, f"{user} {queue.counts()}", size=10 * MB, groups=(group,))
        assert isinstance(found, Upload)
    return queue


def told(queue: UploadQueue, **more: object) -> list[UploadWait]:
    values = {"speed_kib_s": None, "day": 0, "minute": 600, "online": frozenset(USERS), **more}
    found = list(waits(queue, UploadMoment(**values)))  # type: ignore[arg-type]
    for one in found:
        assert not one.code or SOULSEEK_SENTENCES[one.code].format(**one.params)
    return found


def codes(found: list[UploadWait]) -> list[tuple[int, str, str]]:
    return [(one.place, one.upload.user, one.code) for one in found]


def test_each_reason_is_told_and_places_are_those_that_users_hear() -> None:
    queue = queued(
        RULES, ("ann", "leechers"), ("bob", "leechers"), ("carl", "default"), ("carl", "default"), ("dora", "default")
    )
    assert codes(told(queue)) == [
        (1, "carl", ""),
        (2, "dora", ""),
        (3, "carl", "upload_waits_slots"),
        (4, "ann", "upload_waits_slots"),
        (5, "bob", "upload_waits_slots"),
    ]
    begun = queue.due(speed_kib_s=None, online={"ann", "carl"})
    assert [one.user for one in begun] == ["carl", "ann"]
    found = told(queue, online=frozenset({"bob", "carl"}))
    assert codes(found) == [
        (1, "dora", "upload_waits_offline"),
        (2, "carl", "upload_waits_user"),
        (3, "bob", "upload_waits_group"),
    ]
    assert [queue.place(one.upload.user, one.upload.path) for one in found] == [1, 2, 3]
    assert found[2].params == {"group": "leechers", "slots": 1}
    (dora, *_rest) = told(queue, calls={"dora": 41.2})
    assert (dora.code, dora.params) == ("upload_waits_call", {"seconds": 42})


def test_times_are_known_once_speeds_are_and_grow_with_what_is_ahead() -> None:
    queue = queued(RULES, *((user, "default") for user in USERS))
    queue.due(speed_kib_s=None)
    assert [(one.low_s, one.high_s) for one in told(queue)] == [(None, None)] * 2
    left = {(one.user, one.path): 5 * MB for one in queue.running()}
    first, second = told(queue, each_bps=1 * MB, left=left)
    # 10 MB left of what runs at 2 MB/s together: the first slot is free within 5 s, if both take alike.
    assert first.low_s is not None and first.high_s is not None
    assert first.low_s <= 5 <= first.high_s
    assert second.low_s is not None and second.high_s is not None
    assert second.low_s >= first.low_s
    assert second.high_s > first.high_s
    (slow, _) = told(queue, each_bps=1 * MB, left=left, speed_kib_s=100)
    assert slow.low_s is not None
    assert slow.low_s > first.low_s
    (gone, _) = told(queue, each_bps=1 * MB, online=frozenset())
    assert (gone.low_s, gone.high_s) == (None, None)


NIGHT = SpeedWindow(start=0, until=360, speed_kib_s=0)
WEEKEND = SpeedWindow(start=0, until=1440, speed_kib_s=0, days=frozenset({5, 6}))
LATE = SpeedWindow(start=1380, until=300, speed_kib_s=0)
NEVER = SpeedWindow(start=0, until=1440, speed_kib_s=0)


@pytest.mark.parametrize(
    ("windows", "day", "minute", "minutes"),
    [
        ((), 0, 0, 0),
        ((NIGHT,), 0, 30, 330),
        ((NIGHT,), 0, 360, 0),
        ((LATE,), 0, 1400, 340),
        ((LATE,), 1, 10, 290),
        ((WEEKEND,), 5, 600, 840 + 1440),
        ((WEEKEND, NIGHT), 6, 1439, 361),
        ((NEVER,), 3, 700, None),
    ],
)
def test_the_schedule_says_when_uploads_go_on(
    windows: tuple[SpeedWindow, ...], day: int, minute: int, minutes: int | None
) -> None:
    assert opens_in(UploadRules(windows=windows), day=day, minute=minute) == minutes


def test_a_schedule_is_told_with_its_hour_its_days_or_that_it_never_opens() -> None:
    def one(window: SpeedWindow, day: int, minute: int) -> UploadWait:
        queue = queued(UploadRules(windows=(window,)), ("ann", ""))
        (found,) = told(queue, speed_kib_s=0, day=day, minute=minute)
        return found

    assert (one(NIGHT, 0, 30).code, one(NIGHT, 0, 30).params) == ("upload_waits_schedule", {"until": "06:00"})
    assert (one(WEEKEND, 5, 600).code, one(WEEKEND, 5, 600).params) == ("upload_waits_days", {"days": 2})
    assert one(NEVER, 0, 0).code == "upload_waits_closed"
