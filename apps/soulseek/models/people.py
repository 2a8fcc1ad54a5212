"""People of the Soulseek network: what a person noted of them (control plane), what they said and what is known of them (node)."""

from __future__ import annotations

from django.db import models


class UserRule(models.Model):
    """A buddy, or somebody to be ignored. Written by the control plane.

    `match`: `user` (exact name), `regex` (whole name), `cidr` (address). `effect`: `buddy` (first in the queue, sees what is shared with buddies),
    `ignore` (neither heard nor answered), `ban` (no uploads, no search replies), `group` (in the upload group `group`).
    """

    effect = models.CharField(
        max_length=8, choices=[("buddy", "buddy"), ("ignore", "ignore"), ("ban", "ban"), ("group", "group")]
    )
    match = models.CharField(max_length=6, choices=[("user", "user"), ("regex", "regex"), ("cidr", "cidr")])
    pattern = models.CharField(max_length=200)
    group = models.CharField(max_length=40, blank=True, default="")
    note = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["effect", "match", "pattern"], name="user_rule_once")]

    def __str__(self) -> str:
        return f"{self.effect} {self.pattern}"


class SoulseekUser(models.Model):
    """What is known of a user: as the server and they said. Written by the node, but for its history (`completed` …
    `waits`), which the control plane writes when it takes the end of a download in. `share` is the browse of their files, compressed; old ones go by age.
    Users of whom nothing was heard for half a year go; those with a history stay: it says how long their queue takes and whether they deliver."""

    name = models.CharField(max_length=120, primary_key=True)
    status = models.CharField(max_length=8, blank=True, default="")  # online | away | offline | ""
    country = models.CharField(max_length=2, blank=True, default="")
    description = models.TextField(blank=True, default="")
    picture = models.BinaryField(null=True, blank=True)
    picture_type = models.CharField(
        max_length=20, blank=True, default=""
    )  # by its first bytes; "" = no picture is shown
    upload_slots = models.PositiveIntegerField(null=True, blank=True)
    free_slots = models.BooleanField(null=True)
    queue = models.PositiveIntegerField(null=True, blank=True)
    speed_bps = models.BigIntegerField(null=True, blank=True)
    files = models.PositiveIntegerField(null=True, blank=True)
    folders = models.PositiveIntegerField(null=True, blank=True)
    info_at = models.DateTimeField(null=True, blank=True)
    share = models.BinaryField(null=True, blank=True)  # as apps.domain.soulseek.share_pack packs it
    share_files = models.PositiveIntegerField(default=0)
    share_folders = models.PositiveIntegerField(default=0)
    share_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    completed = models.PositiveIntegerField(default=0)  # of downloads from them
    failed = models.PositiveIntegerField(default=0)
    banned_us_at = models.DateTimeField(null=True, blank=True)
    median_bps = models.BigIntegerField(null=True, blank=True)
    speeds = models.JSONField(default=list)  # bytes/s of the last 20 streams
    waits = models.JSONField(default=list)  # [places at the start, seconds until the first byte] of the last 20

    class Meta:
        indexes = [models.Index(fields=["seen_at"], name="soulseek_user_by_age")]

    def __str__(self) -> str:
        return self.name


class PrivateMessage(models.Model):
    """A private message. Written by the node. `server_id` of those received: the server repeats what was not acknowledged.

    What people wrote to each other goes by no age: it stays until a person deletes the conversation (`conversation_delete`).
    """

    user = models.CharField(max_length=120)
    incoming = models.BooleanField()
    text = models.TextField()
    server_id = models.BigIntegerField(null=True, blank=True)
    while_away = models.BooleanField(default=False)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "server_id", "at"], name="private_message_once"),
        ]
        indexes = [models.Index(fields=["user", "id"], name="message_of_user")]

    def __str__(self) -> str:
        return f"{self.user} {self.at}"


class Correspondent(models.Model):
    """Somebody with whom messages were exchanged: the ends of the conversation, so that lists and counts read no messages. Written by the node."""

    user = models.CharField(max_length=120, primary_key=True)
    last_id = models.BigIntegerField()
    last_incoming_id = models.BigIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["-last_id"], name="correspondent_by_last")]

    def __str__(self) -> str:
        return self.user


class Conversation(models.Model):
    """How far a person read, and what is out of sight. Written by the control plane."""

    user = models.CharField(max_length=120, primary_key=True)
    read_up_to = models.BigIntegerField(default=0)
    closed_up_to = models.BigIntegerField(default=0)  # hidden from the list until something newer comes

    def __str__(self) -> str:
        return self.user


class Room(models.Model):
    """A room that a person wants to be in. Written by the control plane."""

    name = models.CharField(max_length=120, primary_key=True)
    joined = models.BooleanField(default=True)
    read_up_to = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class RoomState(models.Model):
    """A room as the server tells of it. Written by the node. `users`: [name, status] of who is there; `last_line`: id of the newest line that is not ours."""

    name = models.CharField(max_length=120, primary_key=True)
    members = models.PositiveIntegerField(default=0)
    private = models.BooleanField(default=False)
    here = models.BooleanField(default=False)
    users = models.JSONField(default=list)
    code = models.CharField(max_length=60, blank=True, default="")
    listed = models.BooleanField(default=False)  # the server's last list had it
    last_line = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["-members", "name"], name="room_by_members")]

    def __str__(self) -> str:
        return self.name


class RoomMessage(models.Model):
    """A line in a room. Written by the node; the last 1,000 of a room are kept."""

    room = models.CharField(max_length=120)
    user = models.CharField(max_length=120)
    text = models.TextField()
    ours = models.BooleanField(default=False)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["room", "id"], name="line_of_room")]

    def __str__(self) -> str:
        return f"{self.room} {self.user}"
