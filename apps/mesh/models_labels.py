"""Labels as the mesh shows them here: who was heard to have which release of which label, and the figures of each label. Written by the node only.

The node hears the descriptors and adverts, so it writes both rows, and nobody else does; the control plane reads. Local: nothing of this is ever sent.
"""

from __future__ import annotations

from django.db import models


class LabelSighting(models.Model):
    """A peer was heard to have (part of) a release of a label. A word of that peer, never proof. Written by the node.

    `label_key`: the label's MBID, else the id of its name (apps.domain.mesh.labels). `label_by`: who named the label: the catalogue (`catalog`,
    MusicBrainz' word goes before a peer's) or the peer (`peer`). `heard_in`: `descriptor`, or `advert` (half of its tracks, or more, are advertised).
    `tracks` 0: not told how many there are.
    """

    label_key = models.UUIDField()
    label_mbid = models.UUIDField(null=True, blank=True)
    label_name = models.CharField(max_length=256, blank=True, default="")
    label_by = models.CharField(max_length=10, default="peer")
    release_mbid = models.UUIDField()
    peer = models.ForeignKey("peers.Peer", on_delete=models.CASCADE, related_name="label_sightings")
    group = models.CharField(max_length=60, blank=True, default="")
    title = models.CharField(max_length=256, blank=True, default="")
    artist = models.CharField(max_length=256, blank=True, default="")
    heard_in = models.CharField(max_length=12, default="descriptor")
    tracks = models.PositiveIntegerField(default=0)
    tracks_held = models.PositiveIntegerField(default=0)
    profile = models.CharField(max_length=40, blank=True, default="")  # of most of its tracks
    quality = models.FloatField(null=True, blank=True)  # 0..1, mean of what the peer states
    first_heard = models.DateTimeField()
    heard_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["label_key", "release_mbid", "peer"], name="label_sighting_once"),
        ]
        indexes = [
            models.Index(fields=["peer", "heard_at"], name="sighting_by_peer"),
            models.Index(fields=["group", "heard_at"], name="sighting_by_group"),
            models.Index(fields=["heard_at"], name="sighting_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.peer_id} has {self.release_mbid} of {self.label_name}"


class LabelPresence(models.Model):
    """A label's figures, counted from its sightings. Written by the node.

    `rank` sorts by popularity and holds for ever: apps.domain.mesh.popularity. `due`: sightings changed since it was counted.
    """

    label_key = models.UUIDField(primary_key=True)
    label_mbid = models.UUIDField(null=True, blank=True)
    name = models.CharField(max_length=256, blank=True, default="")
    name_search = models.CharField(max_length=256, blank=True, default="")
    releases = models.PositiveIntegerField(default=0)
    artists = models.PositiveIntegerField(default=0)
    peers = models.PositiveIntegerField(default=0)
    rank = models.FloatField(default=0.0)
    heard_at = models.DateTimeField(null=True, blank=True)
    counted_at = models.DateTimeField(null=True, blank=True)
    due = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "label presence"
        indexes = [
            models.Index(fields=["-rank", "-label_key"], name="presence_by_rank"),
            models.Index(fields=["label_key"], name="presence_due", condition=models.Q(due=True)),
        ]

    def __str__(self) -> str:
        return self.name or str(self.label_key)


class LabelRelease(models.Model):
    """A label's release with its figures, counted from its sightings together with the label's. Written by the node.

    `rank` as of LabelPresence; `quality`: the best that a peer states; `profiles`: the codecs that peers have, sorted; `tracks_held`: by the peer that has
    most of it.
    """

    label_key = models.UUIDField()
    release_mbid = models.UUIDField()
    title = models.CharField(max_length=256, blank=True, default="")
    artist = models.CharField(max_length=256, blank=True, default="")
    peers = models.PositiveIntegerField(default=0)
    rank = models.FloatField(default=0.0)
    quality = models.FloatField(null=True, blank=True)
    profiles = models.JSONField(default=list)
    tracks = models.PositiveIntegerField(default=0)
    tracks_held = models.PositiveIntegerField(default=0)
    heard_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["label_key", "release_mbid"], name="label_release_once")]

    def __str__(self) -> str:
        return f"{self.release_mbid} of {self.label_key}"
