"""Webhooks and the log of what was sent to them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import apps.common.ids


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0004_job_trees"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Webhook",
            fields=[
                (
                    "id",
                    models.UUIDField(default=apps.common.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("name", models.CharField(blank=True, default="", max_length=200)),
                ("url", models.CharField(max_length=2000)),
                ("events", models.JSONField(blank=True, default=list)),
                ("enabled", models.BooleanField(default=True)),
                ("secret_serial", models.PositiveIntegerField(default=1)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("code", models.CharField(blank=True, default="", max_length=60)),
                ("params", models.JSONField(blank=True, default=dict)),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("next_step_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="webhooks",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ["id"]},
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("event_id", models.UUIDField()),
                ("event", models.CharField(max_length=40)),
                ("job_id", models.UUIDField(blank=True, null=True)),
                ("track_id", models.UUIDField(blank=True, null=True)),
                ("body", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "waiting"), ("delivered", "delivered"), ("dead", "dead")],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("by_hand", models.BooleanField(default=False)),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("status", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("code", models.CharField(blank=True, default="", max_length=60)),
                ("params", models.JSONField(blank=True, default=dict)),
                ("answer", models.CharField(blank=True, default="", max_length=500)),
                ("history", models.JSONField(blank=True, default=list)),
                ("next_step_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "hook",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="deliveries", to="jobs.webhook"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "webhook deliveries",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["hook", "-id"], name="hook_delivery_newest"),
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["hook", "job_id", "id"],
                        name="hook_delivery_order",
                    ),
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["hook", "next_step_at"],
                        name="hook_delivery_due",
                    ),
                    models.Index(fields=["ended_at"], name="hook_delivery_ended"),
                    models.Index(fields=["job_id"], name="hook_delivery_job"),
                ],
            },
        ),
    ]
