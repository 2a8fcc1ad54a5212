"""The page of one file: what it is, how good it is and why, its picture, and what else there is of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET

from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import Sentence
from apps.common.sentences import sentence as sentence_of
from apps.common.web.looks import Look
from apps.domain.audio.picture import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from apps.domain.audio.quality import QualityTerm
from apps.library.selectors_file import FileView, OtherVariant, VariantView, file_view

TERM_NAMES = {
    "encoding": lazy("Encoding"),
    "rate": lazy("Sample rate"),
    "clipping": lazy("Clipping"),
    "depth": lazy("Bit depth"),
    "dynamics": lazy("Dynamics"),
    "loudness_range": lazy("Loudness range"),
    "transcode": lazy("Transcode"),
    "upscaled": lazy("Made of a smaller file"),
    "upsampled": lazy("Raised sample rate"),
    "padded": lazy("Padded depth"),
}
BOX = {
    "width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "bottom": HEIGHT - BOTTOM,
    "label_y": HEIGHT - BOTTOM + 16, "unit_y": HEIGHT - 2,
}  # fmt: skip


_IN_COLUMNS = frozenset({"canonical_score_measured", "canonical_suspect", "canonical_no_evidence", "canonical_groups"})
"""Reasons that the table shows in columns of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermLine:
    """A term of the score: its points as a bar of its weight."""

    name: str
    says: Sentence
    points: str
    share: int
    """percent of the term's weight that it earned, or that it costs"""
    weight: int
    """percent of the whole score"""
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantLine:
    """A variant of the recording."""

    one: OtherVariant
    score: str
    look: Look
    reasons: Sequence[Sentence]


@require_GET
@page_role(Role.VIEWER)
def file(request: HttpRequest, file_id: int) -> HttpResponse:
    """One file."""
    view = file_view(file_id)
    if view is None:
        raise Http404
    return render(request, "library/file.html", {"file": view, **parts(view)})


def parts(view: FileView) -> Mapping[str, object]:
    """What the page shows beside the view itself."""
    variant = view.variant
    return {
        "box": BOX,
        "verdict": verdict_look(variant) if variant is not None else None,
        "says": verdict_says(variant) if variant is not None else None,
        "score": f"{variant.score:.2f}" if variant is not None else "",
        "terms": [term_line(one) for one in variant.terms] if variant is not None else [],
        "figures": figures(variant) if variant is not None else [],
        "evidence": evidence_lines(variant) if variant is not None else [],
        "issues": [(one, sentence_of(one.code, one.params)) for one in view.issues],
        "identity": sentence_of(view.identity.code, view.identity.params)
        if view.identity is not None and view.identity.code
        else None,
        "lines": [variant_line(at, one) for at, one in enumerate(view.variants)],
    }


def verdict_look(variant: VariantView) -> Look:
    """The verdict on a transcode, at a glance."""
    if variant.suspect:
        return Look(label=_("Transcode suspected"), icon="warning", tone="bad")
    if variant.suspect is None:
        unsure = variant.verdict == "too_little_signal"
        return Look(label=_("Can't be told") if unsure else _("Not analysed"), icon="info", tone="idle")
    return Look(label=_("No evidence of a transcode"), icon="check", tone="ok")


def verdict_says(variant: VariantView) -> Sentence:
    """The verdict in words."""
    if variant.verdict:
        return sentence_of(variant.verdict)
    if variant.analysis_code:
        return sentence_of(variant.analysis_code)
    return Sentence(_("The sound of this file was not analysed yet; that happens in the background."))


def term_line(one: QualityTerm) -> TermLine:
    """A term as a line with a bar."""
    costs = one.weight < 0
    if costs:
        tone = "bad"
    elif one.code == "not_measured":
        tone = "idle"
    else:
        tone = "ok" if one.value >= 0.75 else "warn" if one.value >= 0.35 else "bad"
    return TermLine(
        name=str(TERM_NAMES.get(one.name, one.name)),
        says=sentence_of(one.code),
        points=f"{100 * one.points:+.0f}" if costs else f"{100 * one.points:.0f}",
        share=round(100 * one.value),
        weight=round(100 * abs(one.weight)),
        tone=tone,
    )


def figures(variant: VariantView) -> list[tuple[str, str]]:
    """Measured figures with their units; what was not measured is left out."""
    found: list[tuple[str, float | None, str]] = [
        (_("Loudness"), variant.loudness_lufs, "LUFS"),
        (_("Loudness range"), variant.loudness_range_lu, "LU"),
        (_("Dynamic range"), variant.dynamic_range, "DR"),
        (_("True peak"), variant.true_peak_dbtp, "dBTP"),
        (_("Sample peak"), variant.sample_peak_dbfs, "dBFS"),
    ]
    lines = [(label, f"{value:.1f} {unit}") for label, value, unit in found if value is not None]
    if variant.clipped_ppm is not None:
        lines.append((_("Clipped samples"), _("none") if not variant.clipped_ppm else f"{variant.clipped_ppm} ppm"))
    if variant.bandwidth_hz:
        lines.append((_("Upper edge"), f"{variant.bandwidth_hz / 1000:.1f} kHz"))
    if variant.effective_bits is not None:
        lines.append((_("Bits that carry sound"), f"{variant.effective_bits}"))
    return lines


def evidence_lines(variant: VariantView) -> list[tuple[str, str]]:
    """Names and values of the numbers behind the verdict, as the analyser calls them."""
    lines = []
    for name, value in sorted(variant.evidence.items()):
        shown = f"{value:g}" if isinstance(value, float) else str(value) if value is not None else "–"
        lines.append((name.replace("_", " "), shown))
    return lines


def variant_line(at: int, one: OtherVariant) -> VariantLine:
    """A variant of the recording and why it stands where it stands."""
    candidate = one.candidate
    if at == 0:
        look = Look(label=_("Canonical"), icon="check", tone="ok")
    elif candidate.suspect:
        look = Look(label=_("Suspect"), icon="warning", tone="bad")
    else:
        look = Look(label=_("Variant"), icon="dot", tone="idle")
    return VariantLine(
        one=one,
        score=f"{candidate.score:.2f}",
        look=look,
        reasons=[
            sentence_of(reason.code, reason.params) for reason in candidate.reasons if reason.code not in _IN_COLUMNS
        ],
    )
