"""API keys: how programs sign in."""

from __future__ import annotations

from django.db import models

from apps.common.ids import new_id


class Role(models.TextChoices):
    """What a person or a key may do: look; ask for music and steer jobs; change the daemon."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class ApiKey(models.Model):
    """A key of one user. The secret is shown once at creation and kept only as a SHA-256."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100)
    user = models.ForeignKey("auth.User", on_delete=models.CASCADE, related_name="api_keys")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.OPERATOR)
    prefix = models.CharField(max_length=12, unique=True)
    secret_hash = models.BinaryField(max_length=32)
    cidrs = models.JSONField(default=list)  # addresses it may be used from; empty: any
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"
