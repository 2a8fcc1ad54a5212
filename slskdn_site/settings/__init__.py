"""Django's settings, all of them derived from the typed configuration and the data folder."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from slskdn_site.broker import celery_broker_url, redis_url, run_socket
from slskdn_site.config import data_dir, load_config
from slskdn_site.database import database_settings
from slskdn_site.fairness_settings import fairness_rules
from slskdn_site.logs import logging_settings
from slskdn_site.scheduler_settings import scheduler_settings
from slskdn_site.secret_files import secret_read_or_create
from slskdn_site.soulseek_password import soulseek_reachable

SLSKDN_VERSION = "0.1.0"
CONFIG = load_config()
DATA_DIR = data_dir()
SWARM_SCHEDULER = scheduler_settings(CONFIG)
FAIRNESS = fairness_rules(CONFIG)
SOULSEEK_REACHABLE = partial(  # asked when it is needed: the password's file may come later
    soulseek_reachable,
    mode=CONFIG.mode,
    username=CONFIG.soulseek.username,
    configured=CONFIG.soulseek.password,
    folder=DATA_DIR,
)
NODE_SOCKET = run_socket("node.sock")  # the node's control socket, where it runs on this machine
BASE_DIR = Path(__file__).resolve().parent.parent.parent

SECRET_KEY = secret_read_or_create("django_secret_key")
DEBUG = os.environ.get("SLSKDN_DEBUG") == "1"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *CONFIG.web.allowed_hosts]
if CONFIG.web.host not in {"0.0.0.0", "::"}:  # noqa: S104
    ALLOWED_HOSTS.append(CONFIG.web.host)


def trusted_origins(hosts: list[str]) -> list[str]:
    """Origins whose forms are ours although the request itself came without HTTPS: what a browser calls a proxy before us by."""
    return [f"https://{'*' if host.startswith('.') else ''}{host}" for host in hosts if host != "*"]


CSRF_TRUSTED_ORIGINS = trusted_origins(CONFIG.web.allowed_hosts) if CONFIG.web.secure_cookies else []

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_filters",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "slskdn_site.apps.SiteConfig",
    "apps.common",
    "apps.nodelink",
    "apps.catalog",
    "apps.peers",
    "apps.mesh",
    "apps.soulseek",
    "apps.library",
    "apps.transfers",
    "apps.jobs",
    "apps.remediation",
]

MIDDLEWARE = [
    "apps.common.middleware.RequestMetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "apps.common.middleware.SecurityHeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "slskdn_site.urls"
ASGI_APPLICATION = "slskdn_site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.nodelink.web.frame.frame",
            ],
        },
    },
]

DATABASES = {"default": database_settings(CONFIG.database.url, DATA_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]
CSRF_FAILURE_VIEW = "apps.common.web.errors.csrf_failed"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]  # a language is named once it has a catalogue: half-translated pages help nobody
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [path for path in [BASE_DIR / "templates" / "static"] if path.exists()]
WHITENOISE_USE_FINDERS = True  # no collectstatic step on a person's machine

CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = CONFIG.web.secure_cookies
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_NAME = "slskdn_session"
CSRF_COOKIE_NAME = "slskdn_csrf"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.common.auth.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["apps.common.permissions.RoleRequired"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "apps.common.api_errors.handle",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "slskdn",
    "DESCRIPTION": "MusicBrainz-aware Soulseek daemon.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["apps.common.permissions.RoleRequired"],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "JobState": "apps.jobs.api.serializers.STATES",
        "TrackState": "apps.jobs.api.serializers.TRACK_STATES",
        "IssueDecision": "apps.library.api.health.DECISIONS",
        "FolderState": "apps.library.api.folders.STATES",
        "RemedyState": "apps.domain.library.remedy.RemedyState",
        "TrashState": "apps.domain.library.trash.TrashState",
        "DuplicateKind": "apps.library.api.quality.KINDS",
        "FindState": "apps.jobs.api.find.FIND_STATES",
        "CandidateKind": "apps.jobs.api.find.CANDIDATE_KINDS",
        "TargetKind": "apps.jobs.api.find.KINDS",
        "TargetState": "apps.jobs.api.find.TARGET_STATES",
        "HeldState": "apps.jobs.api.find.HELD_STATES",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.jobs.api.schema.streams_described",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    # Folded: all of our addresses and models at once keep a browser busy for half a minute.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "docExpansion": "none", "defaultModelsExpandDepth": 0},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

LOGGING = logging_settings()

REDIS_URL = redis_url()

# Celery. Rows are the truth: results are never read, and a lost message is found again by the sweep (workers/sweep.py).
CELERY_BROKER_URL = celery_broker_url()
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 330  # seconds; tasks are cut to five minutes, the soft limit lets them record why
CELERY_TASK_SOFT_TIME_LIMIT = 300
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_TASK_SEND_SENT_EVENT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Leases in the database are the recovery; the broker's own redelivery would run long tasks twice.
    "visibility_timeout": 6 * 3600,
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "retry_on_timeout": True,
    # Measured: without these a request that sends a task while the broker is away hangs for 6 s; the sweep finds the row anyway.
    "max_retries": 1,
    "interval_start": 0.1,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
