"""One sound under another payload root: a file whose tags lie inside its payload was given other tags (apps.domain.audio.sound proved the sound).

What is known of the sound is then known of the new payload: its row takes over figures, verdicts, evidence, fingerprint, identification and everybody it
sounds like. Nothing is decoded, asked or decided a second time.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from apps.library.models import AudioVariant, FingerprintSlice, Identification, SameSound, VariantEvidence
from apps.library.services_canonical import variants_mark

_OWN = frozenset(
    {"id", "payload_format", "payload_root", "payload_bytes", "leaf_bytes", "leaf_hashes", "preamble", "lease_until", "attempt", "created_at"}
)  # fmt: skip
"""Of a payload alone. The stated bit rate is carried too: tags are no sound, and a profile must not change with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPayload:
    """The payload that has the sound now."""

    payload_format: str
    root: bytes
    payload_bytes: int
    leaf_bytes: int
    leaf_hashes: bytes


def sound_carried(variant_id: int, to: NewPayload) -> int:
    """Id of the variant that `to` is, with all that is known of `variant_id`'s sound. One that exists already is left as it is."""
    with transaction.atomic():
        source = AudioVariant.objects.get(id=variant_id)
        carried = {
            one.attname: getattr(source, one.attname)
            for one in AudioVariant._meta.concrete_fields
            if one.attname not in _OWN
        }
        row, new = AudioVariant.objects.get_or_create(
            payload_format=to.payload_format,
            payload_root=to.root,
            defaults={
                **carried,
                "payload_bytes": to.payload_bytes,
                "leaf_bytes": to.leaf_bytes,
                "leaf_hashes": to.leaf_hashes,
            },
        )
        if new:
            _related(source.id, row.id)
            variants_mark([row.id])
    return row.id


def _related(source: int, target: int) -> None:
    """Rows that hang on a variant. An identification in a worker's hands is made anew: it may decide for the old one alone."""
    for evidence in VariantEvidence.objects.filter(variant_id=source):
        evidence.pk = target
        evidence.save(force_insert=True)
    for items in FingerprintSlice.objects.filter(variant_id=source):
        items.pk = target
        items.save(force_insert=True)
    for told in Identification.objects.filter(variant_id=source):
        told.pk = target
        told.attempt, told.lease_until = 0, None
        told.save(force_insert=True)
    alike = list(SameSound.objects.filter(variant_id=source).values_list("other_id", "ber"))
    rows = [SameSound(variant_id=target, other_id=other, ber=ber) for other, ber in alike]
    rows += [SameSound(variant_id=other, other_id=target, ber=ber) for other, ber in alike]
    SameSound.objects.bulk_create(rows, ignore_conflicts=True)
