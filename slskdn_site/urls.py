"""Every address the web process answers."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from apps.common.api_errors import api_not_found
from apps.common.web.kit import kit
from apps.common.web.login import SignIn, admin_login
from apps.jobs.web.metrics import metrics
from apps.nodelink.web.health import live, ready
from apps.remediation.web.success import system_library

api: list[URLPattern | URLResolver] = [
    path("", include("apps.jobs.api.urls")),
    path("", include("apps.jobs.api.urls_find")),
    path("", include("apps.jobs.api.labels")),
    path("", include("apps.catalog.api.urls")),
    path("", include("apps.mesh.api.urls")),
    path("", include("apps.peers.api.urls")),
    path("", include("apps.transfers.api.urls")),
    path("", include("apps.soulseek.api.traffic")),
    path("", include("apps.library.api.urls")),
    path("", include("apps.library.api.urls_health")),
    path("", include("apps.remediation.api.urls")),
    path("", include("apps.nodelink.api.urls")),
    path("", include("apps.soulseek.api.session")),
    path("", include("apps.soulseek.api.searches")),
    path("", include("apps.soulseek.api.hunts")),
    path("", include("apps.soulseek.api.downloads")),
    path("", include("apps.soulseek.api.rescues")),
    path("", include("apps.soulseek.api.messages")),
    path("", include("apps.soulseek.api.rooms")),
    path("", include("apps.soulseek.api.sharing")),
    path("", include("apps.soulseek.api.users")),  # after the rules of users, whose address looks like a name
    path("schema", SpectacularAPIView.as_view(), name="api-schema"),
    path(
        "docs",
        SpectacularSwaggerSplitView.as_view(template_name="api/docs.html", url_name="api-schema"),
        name="api-docs",
    ),
    re_path(r"^.*$", api_not_found),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("apps.jobs.web.urls_find")),
    path("", include("apps.jobs.web.urls")),
    path("", include("apps.jobs.web.urls_labels")),
    path("", include("apps.library.web.urls")),
    path("", include("apps.remediation.web.urls")),
    path("", include("apps.library.web.urls_doctor")),
    path("", include("apps.catalog.web.urls")),
    path("", include("apps.mesh.web.urls")),
    path("", include("apps.peers.web.urls")),
    path("", include("apps.transfers.web.urls")),
    path("", include("apps.soulseek.web.contribution")),
    path("", include("apps.soulseek.web.rescue_success")),
    path("", include("apps.nodelink.web.urls")),
    path("", include("apps.soulseek.web.session")),
    path("", include("apps.soulseek.web.search")),
    path("", include("apps.soulseek.web.hunts")),
    path("", include("apps.soulseek.web.downloads")),
    path("", include("apps.soulseek.web.rescues")),
    path("", include("apps.soulseek.web.messages")),
    path("", include("apps.soulseek.web.rooms")),
    path("", include("apps.soulseek.web.sharing")),
    path("", include("apps.soulseek.web.users")),  # after the rules of users, whose address looks like a name
    path("login", SignIn.as_view(), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("api/", include(api)),
    path("healthz/live", live, name="health-live"),
    path("healthz/ready", ready, name="health-ready"),
    path("metrics", metrics, name="metrics"),
    path("system/library", system_library, name="system-library"),
    path("admin/login/", admin_login),  # before the admin's own, which has no brake on guessing
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url=static("favicon.svg")), name="favicon"),
    *([path("ui/kit", kit, name="kit")] if settings.DEBUG else []),
]

handler400 = "apps.common.web.errors.bad_request"
handler403 = "apps.common.web.errors.forbidden"
handler404 = "apps.common.web.errors.not_found"
handler500 = "apps.common.web.errors.server_error"
