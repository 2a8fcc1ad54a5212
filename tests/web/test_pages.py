"""Pages: who sees them, what they say, how many queries they take, what a hostile name does to them."""

from __future__ import annotations

import re
import uuid
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from apps.jobs.models import Job
from apps.jobs.services import job_create
from apps.mesh.models import SeededRelease
from slskdn_site.settings import trusted_origins
from tests.web import seed

pytestmark = pytest.mark.django_db
MBID = "78db95c6-be79-4c9b-9b27-a6c3a40e2fc5"
PAGES = ["/", "/find", "/library", "/mesh", "/peers", "/system", "/uploads"]
OPEN = {"login", "health-live", "health-ready", "metrics", "logout", "favicon"}


def every_pattern(resolver: URLResolver, prefix: str = "") -> list[tuple[str, URLPattern]]:
    found: list[tuple[str, URLPattern]] = []
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            found += every_pattern(entry, prefix + str(entry.pattern))
        else:
            found.append((prefix + str(entry.pattern), entry))
    return found


def test_nothing_but_signing_in_and_health_is_open_to_strangers(client: Client) -> None:
    looked_at = 0
    for route, pattern in every_pattern(get_resolver()):
        if pattern.name in OPEN or route.startswith("admin/") or "(?P" in route or "^" in route:
            continue
        path = "/" + re.sub(r"<uuid:\w+>", MBID, re.sub(r"<slug:\w+>", "pause", re.sub(r"<int:\w+>", "1", route)))
        for method in (client.get, client.post):
            status = method(path).status_code
            assert status in {302, 401, 403, 405}, (path, status)
        looked_at += 1
    assert looked_at > 30


@pytest.mark.parametrize("path", PAGES)
def test_a_viewer_sees_every_page_empty(viewer: Client, path: str) -> None:
    response = viewer.get(path)
    assert response.status_code == 200
    assert "slskdn" in response.content.decode()


@pytest.mark.parametrize("path", PAGES)
def test_a_viewer_sees_no_button_that_would_be_refused(viewer: Client, path: str) -> None:
    seed.fill(8)
    forms = re.findall(r'<form[^>]*action="([^"]*)"', viewer.get(path).content.decode())
    assert set(forms) <= {"/find", "/logout"}


@pytest.mark.parametrize(
    ("path", "queries"), [("/", 11), ("/library", 8), ("/peers", 8), ("/mesh", 15), ("/system", 12)]
)
def test_a_page_takes_a_fixed_number_of_queries(
    operator: Client, path: str, queries: int, django_assert_max_num_queries: object
) -> None:
    seed.fill(20)
    with django_assert_max_num_queries(queries):  # type: ignore[operator]
        assert operator.get(path).status_code == 200


def test_a_job_page_shows_the_tree_in_words(operator: Client) -> None:
    seed.fill(8)
    running = Job.objects.get(state="running")
    page = operator.get(reverse("job", args=[running.id])).content.decode()
    for words in (
        "So What",
        "Nobody on the mesh has this track",
        "another recording: Nardis by Bill Evans",
        "bad leaves, dropped",
        "Unconfirmed",
    ):
        assert words in page, words


def test_a_job_page_takes_a_fixed_number_of_queries(operator: Client, django_assert_max_num_queries: object) -> None:
    seed.fill(8)
    with django_assert_max_num_queries(15):  # type: ignore[operator]
        operator.get(reverse("job", args=[Job.objects.get(state="running").id]))


class Shape(HTMLParser):
    """The page's structure: tags in order, and the texts inside <bdi>."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: list[str] = []
        self._in_name = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._in_name = tag == "bdi"
        assert not any(name.startswith("on") or name == "style" for name, _value in attrs), attrs

    def handle_data(self, data: str) -> None:
        if self._in_name:
            self.names.append(data)
            self._in_name = False


@pytest.mark.parametrize(
    "name",
    [
        '"><script>alert(1)</script>',
        "x\u202egnp\u2066",
        "a\x00\x07\nb",
        "<img src=x onerror=alert(1)>",
        "t" * 300,
        "{{ settings.SECRET_KEY }}",
        "../../etc",
    ],
)
def test_a_hostile_title_changes_nothing_but_itself(operator: Client, olga: User, name: str) -> None:
    made = job_create(kind="mb_release", target_mbid=MBID, requested_by=olga)
    paths = ["/", reverse("job", args=[made.id])]

    def shapes(title: str) -> list[Shape]:
        Job.objects.filter(id=made.id).update(title=title.replace("\x00", ""), artist=title.replace("\x00", ""))
        found = []
        for path in paths:
            shape = Shape()
            shape.feed(operator.get(path).content.decode())
            found.append(shape)
        return found

    for plain, hostile in zip(shapes("Kind of Blue"), shapes(name), strict=True):
        assert hostile.tags == plain.tags
        assert not set("".join(hostile.names)) & set("\u202e\u2066\x07\n")


def test_every_page_brings_strict_headers(operator: Client, client: Client) -> None:
    seed.fill(8)
    job = reverse("job", args=[Job.objects.first().id])  # type: ignore[union-attr]
    for path in [*PAGES, job, "/nowhere", "/api/jobs", "/healthz/live"]:
        headers = operator.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_only_the_api_docs_may_style_inline(operator: Client) -> None:
    policy = operator.get("/api/docs").headers["Content-Security-Policy"]
    assert "style-src 'self' 'unsafe-inline'" in policy
    assert "script-src" not in policy


@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_no_inline_script_style_or_handler(operator: Client, path: str) -> None:
    seed.fill(8)
    page = operator.get(path).content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", page)
    assert not re.search(r'(src|href)="(https?:)?//', page)


def test_asking_makes_one_job_however_often_the_button_is_pressed(operator: Client, olga: User) -> None:
    page = operator.get("/ask", {"kind": "mb_release", "mbid": MBID}).content.decode()
    key = re.search(r'name="key" value="([^"]+)"', page)
    assert key
    form = {"mbid": MBID, "kind": "mb_release", "key": key[1], "lossless": "1"}
    first, second = operator.post("/ask", form), operator.post("/ask", form)
    job = Job.objects.get()
    assert first.headers["Location"] == second.headers["Location"] == reverse("job", args=[job.id])
    assert job.requested_by == olga
    assert job.constraints["allow_lossy"] is False


@pytest.mark.parametrize("kind", ["mb_release", "recording", "discography", "label_crate"])
def test_from_soulseek_only_is_offered_where_soulseek_can_be_reached_and_is_told_of_the_job(
    operator: Client, settings: Any, kind: str
) -> None:
    asked = {"kind": kind, "mbid": MBID}
    settings.SOULSEEK_REACHABLE = lambda: False
    assert "From Soulseek only" not in operator.get("/ask", asked).content.decode()
    refused = operator.post("/ask", {**asked, "soulseek_only": "1"})
    assert (refused.status_code, Job.objects.exists()) == (400, False)
    settings.SOULSEEK_REACHABLE = lambda: True
    assert "From Soulseek only" in operator.get("/ask", asked).content.decode()
    plain, only = operator.post("/ask", asked), operator.post("/ask", {**asked, "soulseek_only": "1"})
    jobs = [Job.objects.get(id=answer.headers["Location"].rpartition("/")[2]) for answer in (plain, only)]
    assert [job.constraints["use_overlay"] for job in jobs] == [True, False]
    pages = [operator.get(f"/jobs/{job.id}").content.decode() for job in jobs]
    assert ["from Soulseek only" in page for page in pages] == [False, True]


def test_a_refused_request_says_why(operator: Client) -> None:
    response = operator.post("/ask", {"mbid": "nonsense", "kind": "mb_release"})
    assert response.status_code == 400
    assert "not a MusicBrainz id" in response.content.decode()


def test_a_viewer_can_not_ask_or_steer(viewer: Client) -> None:
    seed.fill(1)
    job = Job.objects.get()
    assert viewer.post("/ask", {"mbid": MBID, "kind": "mb_release"}).status_code == 403
    assert viewer.post("/jobs/act/pause", {"ids": [job.id]}).status_code == 403
    assert viewer.post("/mesh/seed", {"mbid": MBID}).status_code == 403
    assert viewer.post("/system/keys", {"name": "x"}).status_code == 403
    job.refresh_from_db()
    assert job.state == "running"


def test_several_jobs_are_paused_at_once_and_refusals_are_told(operator: Client) -> None:
    seed.fill(8)
    jobs = {job.state: job for job in Job.objects.all()}
    ids = [jobs["running"].id, jobs["pending"].id, jobs["completed"].id, "not-an-id"]
    page = operator.post("/jobs/act/pause", {"ids": ids}, headers={"HX-Request": "true"}).content.decode()
    assert "2 jobs paused." in page
    assert "Undo" in page
    assert Job.objects.filter(state="paused").count() == 3
    assert Job.objects.get(id=jobs["completed"].id).state == "completed"


def test_without_javascript_an_act_leads_back_and_never_elsewhere(operator: Client) -> None:
    seed.fill(1)
    form = {"ids": [Job.objects.get().id]}
    assert operator.post("/jobs/act/pause", {**form, "next": "/?show=open"}).headers["Location"] == "/?show=open"
    assert operator.post("/jobs/act/resume", {**form, "next": "https://evil.example/"}).headers["Location"] == "/"


def test_filters_stay_in_the_address_and_a_wrong_cursor_leads_to_the_first_page(operator: Client) -> None:
    seed.fill(16)
    page = operator.get("/", {"show": "done", "q": "skinny"}).content.decode()
    assert 'data-live="/live/arriving?show=done&amp;q=skinny"' in page
    assert operator.get("/", {"cursor": "nonsense"}).headers["Location"] == "/"


@pytest.mark.parametrize("path", ["/", "/library", "/peers"])
def test_a_search_for_nothing_sayable_finds_nothing_and_breaks_nothing(operator: Client, path: str) -> None:
    seed.fill(2)
    page = operator.get(path, {"q": "\0zz\0z"})
    assert page.status_code == 200
    assert 'value="zzz"' in page.content.decode()


def test_a_thousand_jobs_are_walked_page_by_page(operator: Client, olga: User) -> None:
    Job.objects.bulk_create(
        [Job(kind="recording", target_mbid=uuid.uuid4(), title=f"t{index}", requested_by=olga) for index in range(1000)]
    )
    path, seen = "/", 0
    while path:
        page = operator.get(path).content.decode()
        seen += len(re.findall(r'<tr id="job-', page))
        found = re.search(r'rel="next" href="([^"]+)"', page)
        path = "/" + found[1].replace("&amp;", "&") if found else ""
    assert seen == 1000


def test_seeding_and_stopping(operator: Client) -> None:
    operator.post("/mesh/seed", {"mbid": f" {MBID} "})
    assert SeededRelease.objects.count() == 1
    assert "not a MusicBrainz id" in operator.post("/mesh/seed", {"mbid": "x"}, follow=True).content.decode()
    operator.post(f"/mesh/unseed/{MBID}")
    assert SeededRelease.objects.count() == 0


def test_a_key_is_shown_once(operator: Client) -> None:
    page = operator.post(
        "/system/keys", {"name": "script", "role": "operator", "cidrs": "10.0.0.0/8 ::1"}
    ).content.decode()
    token = re.search(r"slk_[0-9a-f]{10}_[A-Za-z0-9_-]{43}", page)
    assert token
    again = operator.get("/system").content.decode()
    assert token[0] not in again
    assert token[0][:14] in again


def test_an_operator_can_not_make_an_admin_key_or_revoke_the_admins(operator: Client, admin: Client) -> None:
    from apps.common.models import ApiKey

    assert (
        "above its person"
        in operator.post("/system/keys", {"name": "x", "role": "admin"}, follow=True).content.decode()
    )
    admin.post("/system/keys", {"name": "mine", "role": "admin"})
    key = ApiKey.objects.get()
    operator.post(f"/system/keys/{key.id}/revoke")
    key.refresh_from_db()
    assert key.revoked_at is None
    admin.post(f"/system/keys/{key.id}/revoke")
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_secrets_in_the_configuration_are_not_shown(admin: Client, settings: object) -> None:
    from slskdn_site.config import Config, Database

    settings.CONFIG = Config(database=Database(url="postgres://user:hunter2@db/x"))  # type: ignore[attr-defined]
    page = admin.get("/system").content.decode()
    assert "hunter2" not in page
    assert "database.url" in page


def test_missing_things_answer_in_the_frame_and_below_api_as_json(operator: Client) -> None:
    page = operator.get("/jobs/" + MBID)
    assert page.status_code == 404
    assert "Arriving" in page.content.decode()
    body = operator.get("/api/nothing")
    assert body.status_code == 404
    assert body.json()["code"] == "not_found"


def test_a_form_without_its_token_is_refused_in_words(olga: User) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(olga)
    response = careful.post("/ask", {"mbid": MBID, "kind": "mb_release"})
    assert response.status_code == 403
    assert "too old" in response.content.decode()


def test_forms_work_behind_a_proxy_that_ends_https(olga: User, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["music.example.org"]
    settings.CSRF_TRUSTED_ORIGINS = trusted_origins(["music.example.org", ".home.example", "*"])
    assert settings.CSRF_TRUSTED_ORIGINS == ["https://music.example.org", "https://*.home.example"]
    behind = Client(enforce_csrf_checks=True, headers={"host": "music.example.org"})
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', behind.get("/login").content.decode())
    assert token is not None
    form = {"username": "olga", "password": "olga-password", "csrfmiddlewaretoken": token[1]}
    assert behind.post("/login", form, headers={"origin": "https://evil.example.org"}).status_code == 403
    assert behind.post("/login", form, headers={"origin": "https://music.example.org"}).status_code == 302


def test_guessing_passwords_is_braked_also_for_the_right_one(client: Client, olga: User) -> None:
    for _ in range(5):
        assert client.post("/login", {"username": "olga", "password": "wrong"}).status_code == 200
    blocked = client.post("/login", {"username": "olga", "password": "olga-password"})
    assert blocked.status_code == 429
    assert blocked.headers["Retry-After"] == "300"
    elsewhere = Client(REMOTE_ADDR="198.51.100.7")
    assert elsewhere.post("/login", {"username": "olga", "password": "olga-password"}).status_code == 302


def test_one_address_can_not_try_many_names(client: Client) -> None:
    statuses = [client.post("/login", {"username": f"name{n}", "password": "x"}).status_code for n in range(26)]
    assert statuses[:25] == [200] * 25
    assert statuses[25] == 429


def test_the_admins_door_has_the_same_brake(client: Client, olga: User) -> None:
    User.objects.create_superuser("admin", password="admin-password")
    asked = client.get("/admin/jobs/job/", follow=True)
    assert asked.redirect_chain[-1][0].startswith("/login?next=/admin/jobs/job/")
    for _ in range(9):
        client.post("/admin/login/", {"username": "admin", "password": "wrong"})
    client.post("/admin/login/", {"username": "admin", "password": "admin-password"})
    assert "_auth_user_id" not in client.session
    client.force_login(olga)
    assert client.get("/admin/", follow=True).status_code == 403


def test_who_may_only_look_at_the_admin_can_not_act_there(viewer: Client) -> None:
    from django.contrib.auth.models import Permission

    seed.fill(1)
    vera = User.objects.get(username="vera")
    vera.is_staff = True
    vera.save()
    vera.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    job = Job.objects.get()
    before = job.state
    assert viewer.get("/admin/jobs/job/").status_code == 200
    viewer.post("/admin/jobs/job/", {"action": "cancel", "_selected_action": [str(job.id)]})
    job.refresh_from_db()
    assert job.state == before


def test_the_admin_lists_and_shows_every_model(admin: Client) -> None:
    from django.contrib import admin as django_admin

    seed.fill(2)
    ours = [model for model in django_admin.site._registry if model.__module__.startswith("apps.")]
    assert len(ours) >= 23
    for model in ours:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert admin.get(base, {"q": "x"}).status_code == 200, model
        row = model._default_manager.first()
        if row is not None:
            assert admin.get(f"{base}{row.pk}/change/").status_code == 200, model
        assert admin.get(f"{base}add/").status_code == 403, model


def test_admin_actions_call_the_services(admin: Client) -> None:
    seed.fill(1)
    job = Job.objects.get()
    admin.post("/admin/jobs/job/", {"action": "pause", "_selected_action": [str(job.id)]})
    job.refresh_from_db()
    assert job.state == "paused"
