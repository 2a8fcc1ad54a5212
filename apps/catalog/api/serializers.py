"""How the catalog looks over HTTP."""

from __future__ import annotations

from rest_framework import serializers

from apps.common.api_base import PageQuery
from apps.common.sentences import message_of


class GraphOut(serializers.Serializer[object]):
    """How much of a graph is read, and where it comes from."""

    state = serializers.ChoiceField(
        choices=["missing", "walking", "ready", "failed"],
        help_text="missing: nobody asked for it; ready: everything was read (`code` tells if it is older than 30 days).",
    )
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.SerializerMethodField()
    groups_taken = serializers.IntegerField()
    groups_total = serializers.IntegerField(allow_null=True)
    releases_taken = serializers.IntegerField()
    releases_total = serializers.IntegerField(allow_null=True)
    unreadable = serializers.IntegerField(help_text="Entries that were left out because of their shape.")
    fetched_at = serializers.DateTimeField(allow_null=True, help_text="When the oldest part of it was read.")

    def get_message(self, state: object) -> str:
        """What it waits for, or why it can't be read."""
        code = getattr(state, "code", "")
        return message_of(code, getattr(state, "params", {})) if code else ""


class TagOut(serializers.Serializer[object]):
    """A genre or tag with its votes."""

    name = serializers.CharField()
    count = serializers.IntegerField()


class RelationOut(serializers.Serializer[object]):
    """What MusicBrainz says connects it with another entity or an address."""

    kind = serializers.CharField()
    forward = serializers.BooleanField()
    target_kind = serializers.CharField()
    mbid = serializers.UUIDField(allow_null=True)
    name = serializers.CharField()
    address = serializers.CharField()
    attributes = serializers.ListField(child=serializers.CharField())
    begin = serializers.CharField()
    end = serializers.CharField()


class TypeCountOut(serializers.Serializer[object]):
    """How many groups and releases there are of a type."""

    type = serializers.CharField()
    groups = serializers.IntegerField()
    releases = serializers.IntegerField()


class KnownOut(serializers.Serializer[object]):
    """Where facts come from."""

    source = serializers.CharField()  # type: ignore[assignment]  # the name of the field, not of the serializer
    fetched_at = serializers.DateTimeField(allow_null=True, help_text="null: named by others only, never asked for.")


class _EntityOut(serializers.Serializer[object]):
    mbid = serializers.UUIDField(help_text="Differs from the asked one after a merge.")
    known = KnownOut()
    graph = GraphOut()
    tags = TagOut(many=True)
    relations = RelationOut(many=True)


class ArtistOut(_EntityOut):
    """An artist."""

    name = serializers.CharField()
    sort_name = serializers.CharField()
    kind = serializers.CharField()
    country = serializers.CharField()
    disambiguation = serializers.CharField()
    begin = serializers.CharField()
    end = serializers.CharField()
    aliases = serializers.ListField(child=serializers.CharField())
    by_type = TypeCountOut(many=True)


class LabelFactsOut(_EntityOut):
    """A label."""

    name = serializers.CharField()
    kind = serializers.CharField()
    country = serializers.CharField()
    disambiguation = serializers.CharField()
    label_code = serializers.IntegerField(allow_null=True)
    aliases = serializers.ListField(child=serializers.CharField())


class GroupFactsOut(_EntityOut):
    """A release group."""

    title = serializers.CharField()
    primary_type = serializers.CharField()
    secondary_types = serializers.ListField(child=serializers.CharField())
    first_release_date = serializers.CharField()
    artist_credit = serializers.CharField()
    disambiguation = serializers.CharField()


class GroupRowOut(serializers.Serializer[object]):
    """A release group in a list."""

    mbid = serializers.UUIDField()
    title = serializers.CharField()
    primary_type = serializers.CharField()
    secondary_types = serializers.ListField(child=serializers.CharField())
    first_release_date = serializers.CharField()
    artist_credit = serializers.CharField()
    disambiguation = serializers.CharField()
    releases = serializers.IntegerField(help_text="Known ones.")


class ReleaseRowOut(serializers.Serializer[object]):
    """A release in a list."""

    mbid = serializers.UUIDField()
    title = serializers.CharField()
    artist_credit = serializers.CharField()
    release_group_mbid = serializers.UUIDField(source="release_group_id", allow_null=True)
    date = serializers.CharField()
    country = serializers.CharField()
    status = serializers.CharField()
    labels = serializers.ListField(child=serializers.CharField())
    catalog_numbers = serializers.ListField(child=serializers.CharField())
    barcode = serializers.CharField()
    formats = serializers.ListField(child=serializers.CharField())
    track_count = serializers.IntegerField(help_text="0: not told.")
    disambiguation = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # the name of the field, not of the serializer
    listed_at = serializers.DateTimeField(allow_null=True)
    fetched_at = serializers.DateTimeField(allow_null=True, help_text="null: its tracks were never asked for.")


class GroupPageOut(serializers.Serializer[object]):
    """A page of release groups, the newest first."""

    items = GroupRowOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class ReleasePageOut(serializers.Serializer[object]):
    """A page of releases, the newest first."""

    items = ReleaseRowOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class GroupQueryIn(PageQuery):
    """Filter of an artist's groups."""

    type = serializers.CharField(required=False, max_length=40, help_text="Primary type, as Album.")
