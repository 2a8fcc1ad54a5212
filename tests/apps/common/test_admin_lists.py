"""Lists of the admin: what they cost does not grow with their tables."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.common import admin_base
from apps.jobs.models import Job
from tests.apps.jobs.tree_rows import an_id

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("admin", password="x"))
    return client


def jobs(count: int) -> None:
    Job.objects.bulk_create(
        Job(
            id=uuid.UUID(int=at + 1),
            kind="mb_release",
            target_mbid=an_id(at),
            title=f"Album {at}",
            state="failed",
            origin=f"by{at}",
        )
        for at in range(count)
    )


def test_no_more_is_counted_and_paged_than_the_newest_rows(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_base, "MOST_COUNTED", 120)
    jobs(130)
    listed = admin.get("/admin/jobs/job/").context["cl"]
    assert (listed.result_count, listed.paginator.num_pages) == (120, 3)
    assert admin.get("/admin/jobs/job/?p=3").status_code == 200
    few = admin.get("/admin/jobs/job/?state__exact=failed&origin=by0").context["cl"]
    assert few.result_count == 1


def test_a_filter_of_text_offers_what_the_newest_rows_have(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_base, "LOOKED_AT", 2)
    jobs(4)
    listed = admin.get("/admin/jobs/job/").context["cl"]
    offered = next(one for one in listed.filter_specs if one.title == "origin")
    assert offered.lookup_choices == ["by2", "by3"]
    narrowed = admin.get("/admin/jobs/job/?origin=by0").context["cl"]
    assert narrowed.result_count == 1
