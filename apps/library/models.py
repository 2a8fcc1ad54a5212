"""What is on disk here: library roots, files, and the variants (distinct payloads) they hold."""

from __future__ import annotations

from django.db import models


class LibraryRoot(models.Model):
    """A folder that holds music. Files are known by this root and a relative path, so that a library can be moved."""

    path = models.CharField(max_length=4000, unique=True)
    writable = models.BooleanField(default=False)  # True: finished albums are placed here
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.path


class AudioVariant(models.Model):
    """A distinct payload: encoded audio without its tags. Retagged twins are one variant in several files.

    (pcm_md5, total_samples, rate, channels, bits) is an index, never a proof.
    """

    payload_format = models.CharField(max_length=12)
    payload_root = models.BinaryField(max_length=32)
    payload_bytes = models.BigIntegerField()
    leaf_bytes = models.PositiveIntegerField(default=262144)
    leaf_hashes = models.BinaryField()  # 32 bytes a leaf, in order
    preamble = models.BinaryField(default=bytes)
    recording_mbid = models.UUIDField(null=True, blank=True)
    recording_source = models.CharField(max_length=12, default="tag")  # tag, person, fingerprint, job
    verified = models.BooleanField(default=False)  # a fingerprint confirmed the recording
    profile = models.CharField(max_length=40)
    container = models.CharField(max_length=12)
    rate_hz = models.PositiveIntegerField(default=0)
    channels = models.PositiveSmallIntegerField(default=0)
    bits = models.PositiveSmallIntegerField(default=0)
    bitrate_kbps = models.PositiveIntegerField(default=0)
    total_samples = models.BigIntegerField(default=0)
    duration_ms = models.PositiveIntegerField(default=0)
    min_block_size = models.PositiveIntegerField(default=0)
    max_block_size = models.PositiveIntegerField(default=0)
    vendor = models.CharField(max_length=200, blank=True, default="")
    pcm_md5 = models.BinaryField(max_length=16, null=True, blank=True)
    pcm_root = models.BinaryField(max_length=32, null=True, blank=True)
    wasted_bits = models.PositiveSmallIntegerField(null=True, blank=True)
    fingerprint = models.BinaryField(default=bytes)  # Chromaprint, compressed form
    quality_score = models.FloatField(null=True, blank=True)
    transcode_suspect = models.BooleanField(null=True, blank=True)
    analyser_version = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["payload_format", "payload_root"], name="variant_once")]
        indexes = [
            models.Index(fields=["recording_mbid", "profile"], name="variant_semantic"),
            models.Index(fields=["pcm_md5", "total_samples", "rate_hz", "channels", "bits"], name="variant_pcm"),
        ]

    def __str__(self) -> str:
        return f"{self.profile} {bytes(self.payload_root).hex()[:12]}"


class AudioFile(models.Model):
    """A file of a library root. `rel_path` is raw bytes, `display` the text shown for it."""

    root = models.ForeignKey(LibraryRoot, on_delete=models.CASCADE, related_name="files")
    rel_path = models.BinaryField()
    rel_path_hash = models.BinaryField(max_length=32)  # SHA-256 of rel_path: unique on every database
    display = models.CharField(max_length=4000)
    size_bytes = models.BigIntegerField()
    mtime_ns = models.BigIntegerField()
    inode = models.BigIntegerField(default=0)
    payload_offset = models.BigIntegerField(default=0)
    variant = models.ForeignKey(AudioVariant, on_delete=models.PROTECT, related_name="files")
    release_mbid = models.UUIDField(null=True, blank=True)
    medium_position = models.PositiveSmallIntegerField(null=True, blank=True)
    track_position = models.PositiveSmallIntegerField(null=True, blank=True)
    title = models.CharField(max_length=1000, blank=True, default="")
    artist = models.CharField(max_length=1000, blank=True, default="")
    album = models.CharField(max_length=1000, blank=True, default="")
    missing_since = models.DateTimeField(null=True, blank=True)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["root", "rel_path_hash"], name="file_once_per_root")]
        indexes = [models.Index(fields=["release_mbid"], name="file_by_release")]

    def __str__(self) -> str:
        return self.display
