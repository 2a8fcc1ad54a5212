"""Users of Soulseek over HTTP: what is known of them, their files."""

from __future__ import annotations

import dataclasses
from typing import cast

from django.http import HttpResponse
from django.urls import path
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

import apps.soulseek.name_paths  # noqa: F401  (the converter)
from apps.common.api_base import REFUSALS, ApiView, body_of, person_of, query_of
from apps.common.sentences import message_of
from apps.common.text import searched
from apps.domain.soulseek.share_pack import SharedFile
from apps.soulseek.picture import picture_response
from apps.soulseek.selectors_browse import PAGE, Asking, BrowsePage, asking, browse_page
from apps.soulseek.selectors_people import UserView, buddies, user_history, user_picture, user_view, users_recent
from apps.soulseek.services_people import files_download, folder_ask, user_browse, user_look


class UserAskingOut(serializers.Serializer[object]):
    """How the last question stands."""

    running = serializers.BooleanField()
    code = serializers.CharField(help_text="Why it failed; empty: it did not.")
    says = serializers.SerializerMethodField()
    at = serializers.DateTimeField(allow_null=True)

    def get_says(self, row: Asking) -> str:
        """The code in words."""
        return message_of(row.code, row.params, fallback=row.code) if row.code else ""


class SoulseekUserOut(serializers.Serializer[object]):
    """What is known of a user. Text as they wrote it."""

    name = serializers.CharField()
    known = serializers.BooleanField()
    status = serializers.CharField(help_text="online, away, offline; empty: not known now.")
    country = serializers.CharField()
    description = serializers.CharField()
    picture = serializers.BooleanField(help_text="True: at …/picture.")
    upload_slots = serializers.IntegerField(allow_null=True)
    free_slots = serializers.BooleanField(allow_null=True)
    queue = serializers.IntegerField(allow_null=True)
    speed_bps = serializers.IntegerField(allow_null=True)
    files = serializers.IntegerField(allow_null=True)
    folders = serializers.IntegerField(allow_null=True)
    info_at = serializers.DateTimeField(allow_null=True)
    seen_at = serializers.DateTimeField(allow_null=True)
    share_files = serializers.IntegerField()
    share_folders = serializers.IntegerField()
    share_at = serializers.DateTimeField(allow_null=True)
    completed = serializers.IntegerField(help_text="Downloads from them that succeeded.")
    failed = serializers.IntegerField()
    median_bps = serializers.IntegerField(allow_null=True)
    banned_us_at = serializers.DateTimeField(allow_null=True)
    note = serializers.CharField(help_text="What was noted with a rule about exactly this user.")
    buddy = serializers.BooleanField()
    ignored = serializers.BooleanField()
    banned = serializers.BooleanField()


class UserHistoryOut(serializers.Serializer[object]):
    """A file that came or went."""

    down = serializers.BooleanField()
    path = serializers.CharField()
    state = serializers.CharField()
    size_bytes = serializers.IntegerField()
    at = serializers.DateTimeField()


class UserWholeOut(SoulseekUserOut):
    """A user with the last files from and to them, and how questions to them stand."""

    history = UserHistoryOut(many=True)
    asked = UserAskingOut()
    browsed = UserAskingOut()


class UserListOut(serializers.Serializer[object]):
    """Users of whom something was heard last."""

    items = SoulseekUserOut(many=True)


class UsersQuery(serializers.Serializer[object]):
    """Whom."""

    q = serializers.CharField(required=False, default="", max_length=120, help_text="Part of a name.")
    show = serializers.ChoiceField(
        choices=["recent", "buddies"],
        required=False,
        default="recent",
        help_text="Of whom something was heard last; or buddies by name, those who are there first.",
    )


class FilesQuery(serializers.Serializer[object]):
    """Where in a list."""

    folder = serializers.CharField(required=False, default="", max_length=4000, trim_whitespace=False)
    q = serializers.CharField(
        required=False, default="", max_length=200, help_text="Words that a path must have; looks everywhere."
    )
    cursor = serializers.CharField(required=False, default="", max_length=1000, trim_whitespace=False)
    limit = serializers.IntegerField(required=False, default=PAGE, min_value=1, max_value=1000)


class SharedFileOut(serializers.Serializer[object]):
    """A file."""

    name = serializers.CharField(trim_whitespace=False)
    size_bytes = serializers.IntegerField()
    attributes = serializers.DictField(help_text="0 kbit/s, 1 seconds, 2 VBR, 4 Hz, 5 bits.")


class SharedBranchOut(serializers.Serializer[object]):
    """A folder with everything below it."""

    name = serializers.CharField()
    path = serializers.CharField()
    folders = serializers.IntegerField()
    files = serializers.IntegerField()
    size_bytes = serializers.IntegerField()
    locked = serializers.BooleanField(help_text="For others than us.")


class SharedFoundOut(serializers.Serializer[object]):
    """A file that has all words."""

    folder = serializers.CharField()
    file = SharedFileOut()
    locked = serializers.BooleanField()


class SharedFilesOut(serializers.Serializer[object]):
    """A page of a list of files."""

    user = serializers.CharField()
    folder = serializers.CharField()
    known = serializers.BooleanField(help_text="False: there is no list; ask for it.")
    at = serializers.DateTimeField(allow_null=True)
    files = serializers.IntegerField(help_text="Here and below.")
    folders = serializers.IntegerField()
    size_bytes = serializers.IntegerField()
    branches = SharedBranchOut(many=True)
    here = SharedFileOut(many=True)
    found = SharedFoundOut(many=True)
    next = serializers.CharField(allow_null=True, source="next_cursor")


class CommandAskedOut(serializers.Serializer[object]):
    """A question that is on its way."""

    command_id = serializers.UUIDField()


class SharedFolderIn(serializers.Serializer[object]):
    """A folder of theirs."""

    folder = serializers.CharField(max_length=4000, trim_whitespace=False)


class SharedFolderOut(serializers.Serializer[object]):
    """What is in it now."""

    files = SharedFileOut(many=True)


class BrowseDownloadIn(SharedFolderIn):
    """What to download."""

    names = serializers.ListField(
        child=serializers.CharField(max_length=4000, trim_whitespace=False),
        required=False,
        help_text="Files of that folder; without: all.",
    )
    deep = serializers.BooleanField(required=False, default=False, help_text="Also what is in folders below.")


class BrowseDownloadOut(serializers.Serializer[object]):
    """The batch."""

    batch_id = serializers.UUIDField()
    files = serializers.IntegerField()


class Users(ApiView):
    """Users."""

    @extend_schema(operation_id="soulseek_users", parameters=[UsersQuery], responses={200: UserListOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """Of whom something was heard: at most fifty, the last first. Buddies: at most 500."""
        query = query_of(request, UsersQuery)
        found = buddies if query["show"] == "buddies" else users_recent
        return Response(UserListOut({"items": found(text=searched(str(query["q"])))}).data)


def whole(view: UserView) -> dict[str, object]:
    """A user's answer, for API and command line."""
    return {
        **SoulseekUserOut(view).data,
        "history": UserHistoryOut([dataclasses.asdict(row) for row in user_history(view.name)], many=True).data,
        "asked": UserAskingOut(asking("soulseek_user", view.name)).data,
        "browsed": UserAskingOut(asking("soulseek_browse", view.name)).data,
    }


class UserOne(ApiView):
    """One user."""

    @extend_schema(operation_id="soulseek_user", responses={200: UserWholeOut, **REFUSALS})
    def get(self, request: Request, name: str) -> Response:
        """What is known, without asking anybody."""
        return Response(whole(user_view(name)))


class UserLook(ApiView):
    """Ask a user."""

    @extend_schema(operation_id="soulseek_user_look", request=None, responses={202: CommandAskedOut, **REFUSALS})
    def post(self, request: Request, name: str) -> Response:
        """Ask them what they say of themselves, in the background; `asked` of the user tells how that stands."""
        return Response({"command_id": user_look(name, by=person_of(request))}, status=202)


class UserPicture(ApiView):
    """A picture."""

    @extend_schema(
        operation_id="soulseek_user_picture", responses={200: OpenApiResponse(description="image/…"), **REFUSALS}
    )
    def get(self, request: Request, name: str) -> HttpResponse:
        """PNG, JPEG, GIF or WebP, by its content."""
        found = user_picture(name)
        if found is None:
            raise NotFound
        return picture_response(*found)


class UserFiles(ApiView):
    """Somebody's list of files."""

    @extend_schema(
        operation_id="soulseek_user_files", parameters=[FilesQuery], responses={200: SharedFilesOut, **REFUSALS}
    )
    def get(self, request: Request, name: str) -> Response:
        """A folder of the list that we have, or what a filter finds in it."""
        return Response(SharedFilesOut(files_page(name, query_of(request, FilesQuery))).data)

    @extend_schema(operation_id="soulseek_user_browse", request=None, responses={202: CommandAskedOut, **REFUSALS})
    def post(self, request: Request, name: str) -> Response:
        """Ask them for it, in the background; `browsed` of the user tells how that stands."""
        return Response({"command_id": user_browse(name, by=person_of(request))}, status=202)


def files_page(name: str, query: dict[str, object]) -> BrowsePage:
    """A page by validated parameters."""
    return browse_page(
        name,
        folder=str(query["folder"]),
        text=searched(str(query["q"])),
        cursor=str(query["cursor"]),
        limit=cast("int", query["limit"]),
    )


class UserFolder(ApiView):
    """One folder, now."""

    @extend_schema(
        operation_id="soulseek_user_folder", request=SharedFolderIn, responses={200: SharedFolderOut, **REFUSALS}
    )
    def post(self, request: Request, name: str) -> Response:
        """Ask them what is in a folder, and wait 5 s at most."""
        folder = str(body_of(request, SharedFolderIn)["folder"])
        files: list[SharedFile] = folder_ask(name, folder=folder, by=person_of(request))
        return Response({"files": SharedFileOut(files, many=True).data})


class UserDownload(ApiView):
    """Download from a list."""

    @extend_schema(
        operation_id="soulseek_user_download", request=BrowseDownloadIn, responses={201: BrowseDownloadOut, **REFUSALS}
    )
    def post(self, request: Request, name: str) -> Response:
        """Files of a folder, all of it, or all below it too: one batch."""
        body = body_of(request, BrowseDownloadIn)
        names = cast("list[str] | None", body.get("names"))
        batch_id, files = files_download(
            name, folder=str(body["folder"]), names=names, deep=bool(body["deep"]), by=person_of(request)
        )
        return Response({"batch_id": batch_id, "files": files}, status=201)


urlpatterns = [
    path("soulseek/users", Users.as_view(), name="api-soulseek-users"),
    path("soulseek/users/<name:name>", UserOne.as_view(), name="api-soulseek-user"),
    path("soulseek/users/<name:name>/look", UserLook.as_view(), name="api-soulseek-user-look"),
    path("soulseek/users/<name:name>/picture", UserPicture.as_view(), name="api-soulseek-user-picture"),
    path("soulseek/users/<name:name>/files", UserFiles.as_view(), name="api-soulseek-user-files"),
    path("soulseek/users/<name:name>/folder", UserFolder.as_view(), name="api-soulseek-user-folder"),
    path("soulseek/users/<name:name>/download", UserDownload.as_view(), name="api-soulseek-user-download"),
]
