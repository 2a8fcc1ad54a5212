"""What is on disk here: library roots, files, and the variants (distinct payloads) they hold."""

from __future__ import annotations

from django.db import models


class LibraryRoot(models.Model):
    """A folder that holds music. Files are known by this root and a relative path, so that a library can be moved."""

    path = models.CharField(max_length=4000, unique=True)
    writable = models.BooleanField(default=False)  # True: finished albums are placed here
    scanned = models.BooleanField(default=False)  # a configured folder: walked by scans
    marker = models.CharField(
        max_length=36, blank=True, default=""
    )  # what its marker file says; "" = none could be written
    mounts = models.JSONField(
        default=list
    )  # folders of it (hex of the relative path) whose files were seen on a disk of their own
    state_code = models.CharField(max_length=60, blank=True, default="")  # why it can't be read now: root_missing …
    last_scan_at = models.DateTimeField(null=True, blank=True)  # end of the last complete one
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
    codec = models.CharField(max_length=12, blank=True, default="")  # first part of the profile
    lossless = models.BooleanField(default=False)
    fingerprint = models.BinaryField(default=bytes)  # Chromaprint, compressed form
    loudness_lufs = models.FloatField(null=True, blank=True)  # integrated, EBU R128; NULL: silence or too short
    loudness_range_lu = models.FloatField(null=True, blank=True)  # EBU Tech 3342
    true_peak_dbtp = models.FloatField(null=True, blank=True)  # ITU-R BS.1770-4 annex 2
    sample_peak_dbfs = models.FloatField(null=True, blank=True)
    dynamic_range = models.FloatField(null=True, blank=True)  # DR14 TT, in dB
    clipped_ppm = models.PositiveIntegerField(null=True, blank=True)  # samples in runs at full scale, per million
    bandwidth_hz = models.PositiveIntegerField(null=True, blank=True)  # measured upper edge of the spectrum
    effective_bits = models.PositiveSmallIntegerField(null=True, blank=True)  # depth that carries sound
    encoder = models.CharField(
        max_length=80, blank=True, default=""
    )  # signature: "LAME 3.100 -V2", "reference libFLAC 1.4.2"
    transcode_suspect = models.BooleanField(null=True, blank=True)  # NULL: not analysed for it
    transcode_verdict = models.CharField(max_length=40, blank=True, default="")  # code: apps.domain.audio.transcode
    quality_score = models.FloatField(null=True, blank=True)
    quality_version = models.PositiveSmallIntegerField(default=0)
    analyser_version = models.PositiveSmallIntegerField(default=0)  # 0 = never analysed; a newer one analyses again
    analysis_code = models.CharField(
        max_length=60, blank=True, default=""
    )  # why there is no analysis, though it was tried
    analysed_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)  # of the worker that analyses it
    attempt = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["payload_format", "payload_root"], name="variant_once")]
        indexes = [
            models.Index(fields=["recording_mbid", "profile"], name="variant_semantic"),
            models.Index(fields=["pcm_md5", "total_samples", "rate_hz", "channels", "bits"], name="variant_pcm"),
            models.Index(fields=["analyser_version", "id"], name="variant_analysis"),
            models.Index(fields=["transcode_suspect", "id"], name="variant_suspect"),
            models.Index(fields=["id"], name="variant_unverified", condition=models.Q(verified=False)),
            models.Index(fields=["quality_version", "id"], name="variant_rescoring"),
            models.Index(fields=["analysed_at"], name="variant_analysed"),
        ]

    def __str__(self) -> str:
        return f"{self.profile} {bytes(self.payload_root).hex()[:12]}"


class VariantEvidence(models.Model):
    """What the verdicts on a variant rest on: the wide part, read by one page at a time. Written with the analysis."""

    variant = models.OneToOneField(AudioVariant, on_delete=models.CASCADE, primary_key=True, related_name="evidence")
    verdicts = models.JSONField(default=dict)  # verdict → numbers it rests on
    curves = models.JSONField(default=dict)  # spectrum and notch curves, ready to draw
    terms = models.JSONField(default=dict)  # the quality score's terms


class FingerprintSlice(models.Model):
    """120 items of a fingerprint (positions 80..199, 32-bit little-endian): what the local fingerprint index is built from."""

    variant = models.OneToOneField(AudioVariant, on_delete=models.CASCADE, primary_key=True, related_name="slice")
    items = models.BinaryField(max_length=480)


class AudioFile(models.Model):
    """A file of a library root. `rel_path` is raw bytes, `display` the text shown for it.

    `read_state`: pending (found by a scan, to be read), read, unreadable (`read_code` says why; it has no variant, or the one it had before).
    """

    root = models.ForeignKey(LibraryRoot, on_delete=models.CASCADE, related_name="files")
    rel_path = models.BinaryField()
    rel_path_hash = models.BinaryField(max_length=32)  # SHA-256 of rel_path: unique on every database
    display = models.CharField(max_length=4000)
    size_bytes = models.BigIntegerField()
    mtime_ns = models.BigIntegerField()
    inode = models.BigIntegerField(default=0)
    payload_offset = models.BigIntegerField(default=0)
    variant = models.ForeignKey(AudioVariant, on_delete=models.PROTECT, null=True, blank=True, related_name="files")
    folder_hash = models.BinaryField(max_length=32, default=bytes)  # SHA-256 of the path of its folder: companions
    read_state = models.CharField(max_length=10, default="read")
    read_code = models.CharField(max_length=60, blank=True, default="")
    read_params = models.JSONField(default=dict)
    read_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)  # of the worker that reads it
    attempt = models.PositiveIntegerField(default=0)
    tags = models.JSONField(default=dict)  # what its tags say, as apps.domain.library.tags reads them
    tags_version = models.PositiveSmallIntegerField(default=0)  # of `tags`; older ones are read again in the background
    sort_key = models.CharField(max_length=240, blank=True, default="")  # casefolded artist, album, disc, track
    release_mbid = models.UUIDField(null=True, blank=True)
    medium_position = models.PositiveSmallIntegerField(null=True, blank=True)
    track_position = models.PositiveSmallIntegerField(null=True, blank=True)
    place_source = models.CharField(max_length=8, blank=True, default="")  # match, person; "" = tags or job
    title = models.CharField(max_length=1000, blank=True, default="")
    artist = models.CharField(max_length=1000, blank=True, default="")
    album = models.CharField(max_length=1000, blank=True, default="")
    missing_since = models.DateTimeField(null=True, blank=True)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["root", "rel_path_hash"], name="file_once_per_root")]
        indexes = [
            models.Index(fields=["release_mbid"], name="file_by_release"),
            models.Index(fields=["root", "folder_hash"], name="file_by_folder"),
            models.Index(fields=["sort_key", "id"], name="file_sorted"),
            models.Index(fields=["id"], name="file_pending", condition=models.Q(read_state="pending")),
            models.Index(fields=["id"], name="file_unreadable", condition=models.Q(read_state="unreadable")),
            models.Index(fields=["root", "inode"], name="file_by_inode"),
            models.Index(fields=["read_at"], name="file_read_at"),
            models.Index(
                fields=["tags_version", "id"],
                name="file_tags_due",
                condition=models.Q(missing_since__isnull=True, read_state="read"),
            ),
            models.Index(
                fields=["missing_since"], name="file_missing", condition=models.Q(missing_since__isnull=False)
            ),
            models.Index(fields=["variant"], name="file_copies", condition=models.Q(missing_since__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.display
