"""Requests and answers of fixes and of the trash. The answers' fields are those of the selectors."""

from __future__ import annotations

from rest_framework import serializers

from apps.common.api_base import PageQuery
from apps.common.pagination import MAX_INTEGER
from apps.common.sentences import sentence
from apps.domain.library.remedy import RemedyAction, RemedyState
from apps.domain.library.trash import TrashState

MAX_IDS = 200
"""Of one bulk request: a page of the list."""


class FixOptionsIn(serializers.Serializer[object]):
    """What this request wants otherwise than it is configured."""

    replace_existing = serializers.BooleanField(
        required=False, help_text="false: the better file is placed beside the old one, which stays."
    )
    backup_before_replace = serializers.BooleanField(
        required=False, help_text="false: the old file is only kept until the next scan has proven the new one."
    )


class FixIn(serializers.Serializer[object]):
    """Issues to mend."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_INTEGER), min_length=1, max_length=MAX_IDS
    )
    options = FixOptionsIn(required=False)


class FixOutcomeOut(serializers.Serializer[object]):
    """What became of one issue."""

    issue = serializers.IntegerField()
    remediation = serializers.UUIDField(
        allow_null=True, help_text="null: nothing can be done by itself, `code` says why."
    )
    job = serializers.UUIDField(allow_null=True)
    created = serializers.BooleanField(help_text="false: the fix was under way already.")
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.SerializerMethodField()

    def get_message(self, row: object) -> str:
        """Why nothing can be done, and what helps."""
        return str(sentence(row.code, row.params))  # type: ignore[attr-defined]  # a FixOutcome


class FixesOut(serializers.Serializer[object]):
    """One outcome for each issue, in the order asked."""

    items = FixOutcomeOut(many=True)


class RemediationQueryIn(PageQuery):
    """Filters of the list."""

    state = serializers.ListField(
        child=serializers.ChoiceField([one.value for one in RemedyState]), required=False, help_text="Repeatable."
    )
    issue = serializers.IntegerField(required=False, min_value=1, max_value=MAX_INTEGER)
    job = serializers.UUIDField(required=False)


class RemediationOut(serializers.Serializer[object]):
    """One attempt to mend an issue."""

    id = serializers.UUIDField()
    issue = serializers.IntegerField()
    issue_type = serializers.CharField()
    issue_state = serializers.CharField()
    artist = serializers.CharField()
    album = serializers.CharField()
    title = serializers.CharField()
    path = serializers.CharField()
    action = serializers.ChoiceField([one.value for one in RemedyAction])
    state = serializers.ChoiceField([one.value for one in RemedyState])
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.SerializerMethodField()
    job = serializers.UUIDField(allow_null=True)
    job_state = serializers.CharField()
    old_file = serializers.IntegerField(allow_null=True)
    new_file = serializers.IntegerField(allow_null=True)
    new_path = serializers.CharField()
    trashed = serializers.UUIDField(allow_null=True, help_text="Of the trash: what the fix put there.")
    trash_state = serializers.CharField()
    undoable = serializers.BooleanField()
    requested_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_message(self, row: object) -> str:
        """How it went, in words."""
        return str(sentence(row.code, row.params))  # type: ignore[attr-defined]  # a RemediationView


class RemediationPageOut(serializers.Serializer[object]):
    """A page of the list."""

    items = RemediationOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class UndoIn(serializers.Serializer[object]):
    """How a fix is taken back."""

    keep_new = serializers.BooleanField(
        required=False, default=False, help_text="true: the file it brought stays, beside the old one."
    )


class TrashQueryIn(PageQuery):
    """Filters of the list."""

    state = serializers.ListField(
        child=serializers.ChoiceField([one.value for one in TrashState]),
        required=False,
        help_text="Repeatable; absent: what is in the trash or on its way.",
    )


class TrashOut(serializers.Serializer[object]):
    """A file in the trash."""

    id = serializers.UUIDField()
    root = serializers.CharField()  # type: ignore[assignment]  # the base has a property of this name
    path = serializers.CharField()
    state = serializers.ChoiceField([one.value for one in TrashState])
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.SerializerMethodField()
    reason = serializers.CharField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    title = serializers.CharField()
    artist = serializers.CharField()
    album = serializers.CharField()
    file_id = serializers.IntegerField(allow_null=True)
    profile = serializers.CharField()
    replaced_by_id = serializers.IntegerField(allow_null=True)
    replaced_by = serializers.CharField()
    keep_until_proven = serializers.BooleanField()
    purge_at = serializers.DateTimeField(allow_null=True)
    restored_to = serializers.CharField()
    created_at = serializers.DateTimeField()
    trashed_at = serializers.DateTimeField(allow_null=True)

    def get_message(self, row: object) -> str:
        """Why it is where it is, in words."""
        return str(sentence(row.code, row.params))  # type: ignore[attr-defined]  # a TrashView


class TrashPageOut(serializers.Serializer[object]):
    """A page of the trash, and how much it holds in all."""

    items = TrashOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    files = serializers.IntegerField()
    size_bytes = serializers.IntegerField()


class RestoreIn(serializers.Serializer[object]):
    """How a file is put back."""

    numbered = serializers.BooleanField(
        required=False, default=False, help_text="true: if its name is taken it gets a number behind it."
    )


class PurgeIn(serializers.Serializer[object]):
    """What is deleted for good."""

    ids = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MAX_IDS)


class PurgedOut(serializers.Serializer[object]):
    """Those of them that were in the trash; a worker deletes them."""

    purging = serializers.ListField(child=serializers.UUIDField())
