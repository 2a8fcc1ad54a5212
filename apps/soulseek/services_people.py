"""Messages, rooms, users and their files, control plane: what people say and want. The only writer of `Conversation` and `Room`;
messages of others are the node's, and deleted here when a person says so.

What is said goes to the node as a command that is answered within seconds; a wish to be in a room is a row, and lasts.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import AbstractBaseUser, User
from django.db import transaction
from django.db.models import Max

from apps.common.doorbell import NODE_CHANNEL, WEB_CHANNEL, ring
from apps.common.sentences import sentence
from apps.domain.contracts.node_commands import CommandAnswer
from apps.domain.contracts.soulseek_downloads import FileAsked
from apps.domain.errors import DomainError
from apps.domain.soulseek.people import MAX_JOINED, ChatInvalid, room_name, said, user_name
from apps.domain.soulseek.share_pack import SharedFile
from apps.nodelink.services_command import command_ask, command_put
from apps.soulseek.models import Conversation, Correspondent, PrivateMessage, Room, RoomMessage, RoomState
from apps.soulseek.selectors_browse import share_view
from apps.soulseek.services_download import MAX_FILES, batch_create

LOOK_S: Final = 30.0
BROWSE_S: Final = 60.0


class Unanswered(DomainError):
    """The node or the network did not do what was asked; the code says why."""

    default_code = "node_away"


class FolderEmpty(DomainError):
    """Nothing of the kind is in the list of files that we have."""

    default_code = "shared_folder_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message that went out. `status` of the receiver: online, away or offline (the server keeps it for them)."""

    id: int
    status: str


def _body(answer: CommandAnswer) -> Mapping[str, object]:
    if answer.code:
        retryable = answer.code in (
            "node_away",
            "node_restarted",
            "soulseek_not_online",
            "chat_too_fast",
            "user_offline",
        )
        raise Unanswered(
            str(sentence(answer.code, answer.params)), code=answer.code, retryable=retryable, **answer.params
        )
    return answer.body


# ---- messages


def message_send(user: str, *, text: str, by: AbstractBaseUser | None = None) -> Sent:
    """Send a private message, and wait for the node's word. Raises ChatInvalid, Unanswered. Outside of transactions."""
    payload = {"user": user_name(user), "text": said(text)}
    body = _body(command_ask("soulseek_message", payload, user=by))
    conversation_read(user)
    return Sent(id=int(str(body["id"])), status=str(body["status"]))


def conversation_read(user: str) -> bool:
    """Everything so far was read; True: there was something new."""
    last = Correspondent.objects.filter(user=user).values_list("last_id", flat=True).first()
    if last is None:
        return False
    row, _made = Conversation.objects.get_or_create(user=user)
    changed = Conversation.objects.filter(user=row.user, read_up_to__lt=last).update(read_up_to=last)
    if changed:
        ring(WEB_CHANNEL, "soulseek_messages")
    return bool(changed)


def conversation_close(user: str) -> bool:
    """Out of the list until something new comes; False: there is none. Nothing is deleted."""
    last = Correspondent.objects.filter(user=user).values_list("last_id", flat=True).first()
    if last is None:
        return False
    Conversation.objects.update_or_create(user=user, defaults={"read_up_to": last, "closed_up_to": last})
    ring(WEB_CHANNEL, "soulseek_messages")
    return True


def conversation_delete(user: str) -> int:
    """Delete every message from and to a user, for good; how many. What comes afterwards begins a new conversation."""
    with transaction.atomic():
        # The node writes a message and then its end of the conversation: whoever holds that row decides what came before and what after.
        ends = Correspondent.objects.select_for_update().filter(user=user).first()
        if ends is None:
            return 0
        last = ends.last_id
        gone, _ = PrivateMessage.objects.filter(user=user, id__lte=last).delete()
        Conversation.objects.filter(user=user).delete()
        ends.delete()
        ring(WEB_CHANNEL, "soulseek_messages")
    return gone


# ---- rooms


def room_join(name: str) -> str:
    """Be in a room from now on, after restarts too; its name. One that refused us is tried again after leaving it. Raises ChatInvalid."""
    name = room_name(name)
    with transaction.atomic():
        if Room.objects.filter(joined=True).exclude(name=name).count() >= MAX_JOINED:
            raise ChatInvalid("In too many rooms.", code="rooms_too_many", most=MAX_JOINED)
        Room.objects.update_or_create(name=name, defaults={"joined": True})
        ring(NODE_CHANNEL, "soulseek_rooms")
        ring(WEB_CHANNEL, "soulseek_rooms")
    return name


def room_leave(name: str) -> bool:
    """Not to be in it any more; its lines stay. False: nobody wanted to be."""
    with transaction.atomic():
        left = Room.objects.filter(name=name, joined=True).update(joined=False)
        ring(NODE_CHANNEL, "soulseek_rooms")
        ring(WEB_CHANNEL, "soulseek_rooms")
    return bool(left)


def room_say(name: str, *, text: str, by: AbstractBaseUser | None = None) -> None:
    """Say a line, and wait until the room heard it. Raises ChatInvalid, Unanswered. Outside of transactions."""
    _body(command_ask("soulseek_room_say", {"room": room_name(name), "text": said(text)}, user=by))
    room_read(name)


def room_read(name: str) -> bool:
    """Everything so far was read; True: there was something new."""
    last = RoomMessage.objects.filter(room=name).aggregate(last=Max("id"))["last"] or 0
    return bool(Room.objects.filter(name=name, read_up_to__lt=last).update(read_up_to=last))


def rooms_refresh(*, by: AbstractBaseUser | None = None) -> int:
    """Ask the server for its list of rooms; how many there are. Raises Unanswered."""
    return int(str(_body(command_ask("soulseek_rooms", user=by))["rooms"]))


def room_known(name: str) -> bool:
    """Whether anybody here ever heard of it."""
    return Room.objects.filter(name=name).exists() or RoomState.objects.filter(name=name).exists()


# ---- users


def user_look(name: str, *, by: AbstractBaseUser | None = None) -> uuid.UUID:
    """Ask a user, in the background, what they say of themselves; the command. Raises ChatInvalid."""
    name = user_name(name)
    return command_put("soulseek_user", {"user": name}, deadline_s=LOOK_S, user=by, dedup_key=name)


def user_browse(name: str, *, by: AbstractBaseUser | None = None) -> uuid.UUID:
    """Ask a user, in the background, for their list of files; the command. Raises ChatInvalid."""
    name = user_name(name)
    return command_put("soulseek_browse", {"user": name}, deadline_s=BROWSE_S, user=by, dedup_key=name)


def folder_ask(name: str, *, folder: str, by: AbstractBaseUser | None = None) -> list[SharedFile]:
    """Ask a user what is in one folder, now. Raises ChatInvalid, Unanswered. Outside of transactions."""
    payload = {"user": user_name(name), "folder": folder}
    files = _body(command_ask("soulseek_folder", payload, user=by)).get("files")
    assert isinstance(files, list)
    return [SharedFile(name=row[0], size_bytes=row[1], attributes=row[2]) for row in files]


def files_download(
    name: str, *, folder: str, names: Collection[str] | None = None, deep: bool = False, by: User | None = None
) -> tuple[uuid.UUID, int]:
    """Download files of a folder of somebody's list (None: all; `deep`: and of those below): the batch and how many files. Raises FolderEmpty, DomainError."""
    view = share_view(name)
    folders = [] if view is None else [one.path for one in view.at_or_below(folder)] if deep else [folder]
    asked: list[FileAsked] = []
    for path in dict.fromkeys(folders):
        files = view.files_of(path) if view is not None else []
        asked += [_asked(path, file) for file in files if names is None or file.name in names]
        if len(asked) > MAX_FILES:
            raise FolderEmpty("Too many files at once.", code="folder_too_big", most=MAX_FILES)
    if not asked or not folder:
        raise FolderEmpty("There are no such files.", folder=folder)
    title = folder.rpartition("\\")[2]
    return batch_create(user=name, folder=folder, files=asked, title=title, requested_by=by), len(asked)


def _asked(folder: str, file: SharedFile) -> FileAsked:
    return FileAsked(
        path=f"{folder}\\{file.name}",
        size_bytes=file.size_bytes,
        attributes=file.attributes,
        duration_ms=file.duration_ms or None,
    )
