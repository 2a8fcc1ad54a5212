"""The ledger's rows: each byte in its hour, its job and its peer, no batch twice; windows; retention; API, CLI and series of it."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from apps.domain.contracts.soulseek_traffic import TrafficBatch
from apps.domain.soulseek.fairness import FairnessRules, Traffic
from apps.domain.soulseek.traffic_windows import RETENTION
from apps.jobs.metrics import RowCollector
from apps.peers.models import Peer, TrafficLedger
from apps.soulseek.models import FairnessAction, JobTraffic, TrafficHour, TrafficMark
from apps.soulseek.selectors_node_traffic import fairness_last, jobs_traffic, traffic_glance
from apps.soulseek.selectors_traffic import contribution_view, traffic_view
from apps.soulseek.services_node_traffic import traffic_forget, traffic_record
from slskdn_site.cli import main
from tests.apps.soulseek.traffic_rows import BOOT, GIB, acted, beats, line, now, passed

pytestmark = pytest.mark.django_db
JOB = uuid.UUID(int=5)


def test_a_byte_is_counted_in_its_hour_its_job_and_with_its_peer() -> None:
    assert passed(
        line(10, job=JOB), line(5, job=JOB), line(7, plane="soulseek", peer="bob", job=JOB), line(3, direction="up")
    )
    assert passed(line(1, job=JOB))
    assert {(row.plane, row.direction): row.total_bytes for row in TrafficHour.objects.all()} == {
        ("overlay", "down"): 16,
        ("overlay", "up"): 3,
        ("soulseek", "down"): 7,
    }
    assert jobs_traffic([JOB, uuid.uuid4()]) == {JOB: Traffic(overlay_down=16, soulseek_down=7)}
    ledger = {(one.peer.plane, one.peer.key, one.direction): one.total_bytes for one in TrafficLedger.objects.all()}
    assert ledger == {("overlay", "p", "down"): 16, ("overlay", "p", "up"): 3, ("soulseek", "bob", "down"): 7}
    seen = dict(Peer.objects.values_list("key", "last_seen"))
    assert seen["bob"] is not None  # bytes are how a Soulseek user is met; an overlay peer proves its key on a link
    assert seen["p"] is None


def test_a_batch_that_comes_again_changes_nothing_and_each_run_has_its_own_numbers() -> None:
    batch = TrafficBatch(boot_id=BOOT, number=1, lines=(line(10),))
    assert [traffic_record(batch), traffic_record(batch)] == [True, False]
    assert traffic_record(TrafficBatch(boot_id=uuid.uuid4(), number=1, lines=(line(10),)))
    assert TrafficHour.objects.get().total_bytes == 20
    assert TrafficLedger.objects.get().total_bytes == 20


def test_a_batch_is_written_whole_or_not_at_all() -> None:
    good, too_much = line(10), line(1 << 70)
    with pytest.raises(Exception), transaction.atomic():  # noqa: B017  (whatever this database says of it)
        traffic_record(TrafficBatch(boot_id=BOOT, number=1, lines=(good, too_much)))
    assert not TrafficHour.objects.exists()
    assert not TrafficMark.objects.exists()
    assert traffic_record(TrafficBatch(boot_id=BOOT, number=1, lines=(good,)))


def test_what_the_ledger_held_before_stays_in_the_total_of_all_time() -> None:
    peer = Peer.objects.create(plane="overlay", key="p")
    TrafficLedger.objects.create(peer=peer, plane="overlay", direction="down", total_bytes=1000)
    passed(line(10))
    view = traffic_view()
    assert view.all_time.overlay_down == 1010
    assert view.windows["30d"].overlay_down == 10
    assert view.since_start is None


def test_windows_roll_over_what_is_kept() -> None:
    for ago in (timedelta(), timedelta(hours=10), timedelta(days=3), timedelta(days=20), timedelta(days=40)):
        passed(line(100, ago=ago))
    windows = traffic_view().windows
    assert [windows[one].overlay_down for one in ("24h", "7d", "30d")] == [200, 300, 400]
    assert windows["1h"].overlay_down == 100
    glance = traffic_glance(now())
    assert (glance.week.overlay_down, glance.day.overlay_down) == (300, 200)


def test_after_sixty_days_hours_and_actions_go_and_totals_stay() -> None:
    passed(line(5, ago=RETENTION + timedelta(hours=2), job=JOB))
    passed(line(7, job=JOB))
    acted("throttled", share=0.75, ago=RETENTION + timedelta(hours=1))
    acted("released", share=1.0)
    assert traffic_forget(now()) == 2
    assert TrafficHour.objects.get().total_bytes == 7
    assert FairnessAction.objects.get().action == "released"
    assert JobTraffic.objects.get().total_bytes == 12
    assert TrafficLedger.objects.get().total_bytes == 12


def test_the_governor_finds_what_it_did_last_to_the_node_not_to_a_job() -> None:
    assert fairness_last() is None
    acted("throttled", share=0.5, ago=timedelta(minutes=2))
    acted("job_slowed", share=0.25, job=JOB)
    found = fairness_last()
    assert found is not None
    assert (found.action, found.share) == ("throttled", 0.5)


def test_the_longest_ledger_is_read_in_few_queries(django_assert_max_num_queries: object) -> None:
    for day in range(60):
        passed(
            *(
                line(9, plane=plane, direction=way, ago=timedelta(days=day))
                for plane in ("overlay", "soulseek")
                for way in ("up", "down")
            )
        )
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        traffic_view()
    with django_assert_max_num_queries(4):  # type: ignore[operator]
        assert len(contribution_view(window="30d", rules=FairnessRules(), mode="hybrid").days) == 30


def test_contribution_is_told_as_people_say_it() -> None:
    passed(
        line(23 * GIB, plane="soulseek", direction="up"), line(10 * GIB, plane="soulseek"),
        line(16 * GIB, direction="up"), line(8 * GIB),
    )  # fmt: skip
    view = contribution_view(window="7d", rules=FairnessRules(), mode="hybrid")
    assert view.status == "green"
    from apps.common.sentences import sentence

    assert [sentence(one.code, one.params).what for one in view.said] == [
        "You've uploaded 2.3× as much as you've downloaded over Soulseek.",
        "On the mesh you've uploaded 2.0× as much as you've downloaded.",
        "Overlay usage: 0.7× Soulseek upload.",
    ]


def test_the_api_tells_traffic_by_window_and_by_job(viewer_api: APIClient, stranger_api: APIClient) -> None:
    passed(line(10, job=JOB), line(4, plane="soulseek", direction="up", ago=timedelta(days=3)))
    beats()
    told = viewer_api.get("/api/stats/traffic", {"window": "24h"}).json()
    assert told["traffic"] == {
        "overlay_upload_bytes": 0,
        "overlay_download_bytes": 10,
        "soulseek_upload_bytes": 0,
        "soulseek_download_bytes": 0,
    }
    assert told["windows"]["7d"]["soulseek_upload_bytes"] == 4
    assert told["since_start"]["soulseek_download_bytes"] == 4
    assert told["jobs"] == [{"job": str(JOB), "overlay_bytes": 10, "soulseek_bytes": 0}]
    assert viewer_api.get("/api/stats/traffic", {"job": str(uuid.uuid4())}).json()["jobs"] == []
    assert viewer_api.get("/api/stats/traffic", {"window": "2y"}).status_code == 400
    assert stranger_api.get("/api/stats/traffic").status_code == 401


def test_the_api_tells_the_contribution_with_rules_and_actions(viewer_api: APIClient, stranger_api: APIClient) -> None:
    passed(line(8 * GIB), line(GIB, direction="up"))
    acted("throttled", share=0.75)
    beats(
        code="fairness_min_overlay_upload_download_ratio",
        share=0.75,
        params={"percent": 75, "ratio": 0.12, "limit": 0.5, "rule": "x"},
    )
    told = viewer_api.get("/api/stats/contribution").json()
    assert (told["window"], told["status"], told["mode"]) == ("7d", "red", "hybrid")
    by_rule = {one["rule"]: one["status"] for one in told["rules"]}
    assert by_rule["min_overlay_upload_download_ratio"] == "red"
    assert by_rule["max_overlay_to_soulseek_upload_ratio"] == "red"
    assert "75 %" in told["governor"]["message"]
    assert told["actions"][0]["action"] == "throttled"
    assert "0.2 bytes" in told["actions"][0]["message"]
    assert len(told["days"]) == 7
    assert stranger_api.get("/api/stats/contribution").status_code == 401


def test_series_of_traffic_and_fairness_are_there(viewer_api: APIClient) -> None:
    passed(line(8 * GIB, job=JOB), line(GIB, direction="up"), line(2, plane="soulseek", peer="bob", job=JOB))
    acted("throttled", share=0.75)
    beats(share=0.75)
    series = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in RowCollector().collect()
        for sample in family.samples
    }
    window = (("direction", "down"), ("plane", "overlay"), ("window", "7d"))
    assert series[("slskdn_traffic_window_bytes", *window)] == 8 * GIB
    assert series[("slskdn_job_traffic_bytes", ("plane", "soulseek"))] == 2
    assert series[("slskdn_fairness_violated", ("rule", "min_overlay_upload_download_ratio"))] == 1.0
    assert series[("slskdn_fairness_share",)] == 0.75
    assert (
        series[("slskdn_fairness_actions", ("action", "throttled"), ("rule", "min_overlay_upload_download_ratio"))] == 1
    )
    assert series[("slskdn_traffic_bytes", ("direction", "down"), ("plane", "soulseek"))] == 2


@pytest.mark.django_db(transaction=True)
class TestCommands:
    """As people call them."""

    def test_traffic_is_printed_by_window_and_as_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        passed(line(3 << 20, job=JOB))
        assert main.main(["stats", "traffic"]) == 0
        text = capsys.readouterr().out
        assert "→ last 7d" in text
        assert "3.00 MiB" in text
        assert "the node is not running" in text
        assert main.main(["stats", "traffic", "--window", "1h", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["traffic"]["overlay_download_bytes"] == 3 << 20
        assert main.main(["stats", "traffic", "--job", str(JOB)]) == 0
        assert str(JOB) in capsys.readouterr().out
        assert main.main(["stats", "traffic", "--job", str(uuid.uuid4())]) == 0
        assert "took nothing" in capsys.readouterr().out

    def test_contribution_is_printed_in_words(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main.main(["stats", "contribution"]) == 0
        assert "Nothing was given or taken" in capsys.readouterr().out
        passed(line(8 * GIB), line(GIB, direction="up"))
        acted("throttled", share=0.75)
        assert main.main(["stats", "contribution", "--window", "30d"]) == 0
        text = capsys.readouterr().out
        assert "On the mesh you've downloaded 8.0× as much as you've uploaded." in text
        assert "Status: Violated" in text
        assert "throttled" in text
        assert main.main(["stats", "contribution", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["status"] == "red"
