"""Webhooks over HTTP and on their pages: admins only, the secret shown once, the log filtered, paged and sent again."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.common.models import Role
from apps.common.services import api_key_create
from apps.jobs.models import Job
from apps.jobs.models_webhooks import Webhook, WebhookDelivery
from apps.jobs.services_webhooks import job_events, secret_of, webhook_add

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("root", password="x" * 12)


@pytest.fixture
def api(admin: User) -> Client:
    _row, token = api_key_create(admin, name="tests", role=Role.ADMIN)
    return Client(headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def page(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


def some_jobs(count: int) -> list[Job]:
    return [Job.objects.create(kind="mb_release", target_mbid=uuid.uuid4(), title=f"Album {n}") for n in range(count)]


def test_a_hook_is_made_shown_changed_and_removed(api: Client) -> None:
    made = api.post("/api/webhooks", {"url": "http://nas:8000/x", "events": ["job.failed"]}, "application/json")
    assert made.status_code == 201
    hook = made.json()
    assert made["Location"] == f"/api/webhooks/{hook['id']}"
    assert hook["secret"] == secret_of(uuid.UUID(hook["id"]), serial=1)
    shown = api.get(f"/api/webhooks/{hook['id']}").json()
    assert "secret" not in shown
    assert (shown["url"], shown["events"], shown["enabled"]) == ("http://nas:8000/x", ["job.failed"], True)
    changed = api.patch(f"/api/webhooks/{hook['id']}", {"enabled": False, "name": "NAS"}, "application/json").json()
    assert (changed["enabled"], changed["name"], changed["events"]) == (False, "NAS", ["job.failed"])
    renewed = api.post(f"/api/webhooks/{hook['id']}/secret").json()
    assert renewed["secret"] not in {hook["secret"], ""}
    assert [one["id"] for one in api.get("/api/webhooks").json()["items"]] == [hook["id"]]
    assert api.delete(f"/api/webhooks/{hook['id']}").status_code == 204
    gone = api.get(f"/api/webhooks/{hook['id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "webhook_unknown")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "ftp://nas/"}, "webhook_url_invalid"),
        ({"url": "http://me:pw@nas/"}, "webhook_url_invalid"),
        ({"url": "http://nas/", "events": ["job.begun"]}, "invalid"),
        ({}, "invalid"),
    ],
)
def test_what_can_not_be_a_hook_is_refused(api: Client, body: dict[str, object], code: str) -> None:
    refused = api.post("/api/webhooks", body, "application/json")
    assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert not Webhook.objects.exists()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_admins_see_hooks(admin: User, role: Role) -> None:
    _row, token = api_key_create(admin, name="less", role=role)
    client = Client(headers={"Authorization": f"Bearer {token}"})
    hook = webhook_add("http://nas/token-in-here").id
    for answer in (client.get("/api/webhooks"), client.get(f"/api/webhooks/{hook}/deliveries")):
        assert (answer.status_code, answer.json()["code"]) == (403, "role_required")
    assert Client().get("/system/webhooks").status_code == 302


def test_the_log_is_filtered_paged_and_sent_again(
    api: Client, django_assert_max_num_queries: Callable[..., object]
) -> None:
    hook = webhook_add("http://nas/").id
    other = webhook_add("http://nas/other", events=["job.failed"]).id
    jobs = some_jobs(3)
    job_events([job.id for job in jobs], "job.created")
    job_events([jobs[0].id], "job.failed")
    first = api.get(f"/api/webhooks/{hook}/deliveries?limit=3").json()
    assert [one["event"] for one in first["items"]] == ["job.failed", "job.created", "job.created"]
    rest = api.get(f"/api/webhooks/{hook}/deliveries?limit=3&cursor={first['next']}").json()
    assert (len(rest["items"]), rest["next"]) == (1, None)
    of_job = api.get(f"/api/webhooks/{hook}/deliveries?job={jobs[0].id}&event=job.created&state=waiting").json()
    assert len(of_job["items"]) == 1
    (failed,) = api.get(f"/api/webhooks/{other}/deliveries").json()["items"]
    WebhookDelivery.objects.filter(id=failed["id"]).update(state="dead", code="webhook_timeout", params={"seconds": 10})
    (dead,) = api.get(f"/api/webhooks/{other}/deliveries?state=dead").json()["items"]
    assert dead["message"] == "The receiver took longer than 10 s."
    again = api.post(f"/api/webhooks/{other}/deliveries/{failed['id']}/redeliver")
    assert again.status_code == 202
    assert (again.json()["event_id"], again.json()["by_hand"]) == (failed["event_id"], True)
    wrong = api.post(f"/api/webhooks/{hook}/deliveries/{failed['id']}/redeliver")
    assert (wrong.status_code, wrong.json()["code"]) == (404, "webhook_delivery_unknown")
    tested = api.post(f"/api/webhooks/{hook}/test")
    assert (tested.status_code, tested.json()["event"], tested.json()["job_id"]) == (202, "test", None)


def test_the_pages_show_the_secret_once_and_the_log(page: Client) -> None:
    made = page.post("/system/webhooks/add", {"url": "http://nas:8000/<x>", "name": "<NAS>", "events": "job.created"})
    assert made.status_code == 201
    assert "whsec_" in made.content.decode()
    hook = Webhook.objects.get()
    (job,) = some_jobs(1)
    job_events([job.id], "job.created")
    shown = page.get(f"/system/webhooks/{hook.id}").content.decode()
    assert "whsec_" not in shown
    assert "http://nas:8000/&lt;x&gt;" in shown
    assert "job.created" in shown
    assert str(job.id) in shown
    assert "Nothing matches" in page.get(f"/system/webhooks/{hook.id}?show=dead").content.decode()
    assert "&lt;NAS&gt;" in page.get("/system/webhooks").content.decode()


def test_the_buttons_of_a_page(page: Client) -> None:
    hook = webhook_add("http://nas/").id
    for name, enabled in (("off", False), ("on", True)):
        assert page.post(f"/system/webhooks/{hook}/act/{name}").status_code == 302
        assert Webhook.objects.get().enabled is enabled
    page.post(f"/system/webhooks/{hook}/act/change", {"url": "http://nas/y", "name": "n", "events": ["job.failed"]})
    changed = Webhook.objects.get()
    assert (changed.url, changed.name, changed.events) == ("http://nas/y", "n", ["job.failed"])
    page.post(f"/system/webhooks/{hook}/act/change", {"url": "gopher://nas/", "name": "n"})
    assert Webhook.objects.get().url == "http://nas/y"
    page.post(f"/system/webhooks/{hook}/act/test")
    row = WebhookDelivery.objects.get()
    assert page.post(f"/system/webhooks/{hook}/deliveries/{row.id}/again").status_code == 302
    assert "whsec_" in page.post(f"/system/webhooks/{hook}/act/secret").content.decode()
    assert page.post(f"/system/webhooks/{hook}/act/explode").status_code == 404
    assert page.post(f"/system/webhooks/{hook}/act/remove").status_code == 302
    assert page.get(f"/system/webhooks/{hook}").status_code == 404


def test_a_refused_address_comes_back_in_the_form(page: Client) -> None:
    refused = page.post("/system/webhooks/add", {"url": "ftp://nas/", "name": "kept"})
    assert refused.status_code == 400
    text = refused.content.decode()
    assert 'value="ftp://nas/"' in text
    assert 'value="kept"' in text
