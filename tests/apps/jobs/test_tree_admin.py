"""The admin's list of plans."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.jobs.models import PlannedRelease
from tests.apps.jobs.tree_rows import an_id, ask_discography

pytestmark = pytest.mark.django_db


def test_plans_are_listed_with_their_reasons_and_found_by_title() -> None:
    job_id = ask_discography()
    PlannedRelease.objects.create(
        job_id=job_id, position=0, release_mbid=an_id(0), title="In Utero", state="omitted", reason="no_edition_known"
    )
    client = Client()
    client.force_login(User.objects.create_superuser("admin", password="x"))
    page = client.get("/admin/jobs/plannedrelease/", {"q": "utero"}).content.decode()
    assert "In Utero" in page
    assert "MusicBrainz lists no edition." in page
    assert client.get("/admin/jobs/plannedrelease/add/").status_code == 403
