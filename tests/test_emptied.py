"""What is left in the database after a test with transactions of its own: what a migrated database holds, and nothing else."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import Group, Permission, User

from apps.jobs.models import Job, JobTrack

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("harm", [None, "role_gone", "role_new", "role_renamed", "permission_gone"])
@pytest.mark.parametrize("times", [1, 2])
def test_rows_that_refer_to_each_other_are_gone_and_what_every_database_holds_is_there(
    harm: str | None, times: int
) -> None:
    del times  # the second time finds what the first has left
    assert sorted(Group.objects.values_list("name", flat=True)) == ["admin", "operator", "viewer"]
    assert Permission.objects.filter(codename="add_job").count() == 1
    assert not Job.objects.exists()
    assert not JobTrack.objects.exists()
    assert not User.objects.exists()
    user = User.objects.create_user("olga")
    user.groups.add(Group.objects.get(name="operator"))
    job = Job.objects.create(kind="mb_release", target_mbid=uuid.uuid4(), requested_by=user)
    JobTrack.objects.create(job=job, position=1, title="One", recording_mbid=uuid.uuid4())
    match harm:
        case "role_gone":
            Group.objects.get(name="operator").delete()
        case "role_new":
            Group.objects.create(name="visitor")
        case "role_renamed":
            Group.objects.filter(name="viewer").update(name="onlooker")
        case "permission_gone":
            Permission.objects.filter(codename="add_job").delete()
