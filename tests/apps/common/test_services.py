"""The first person, and API keys: made, used, refused, revoked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import Group, User
from django.core.management.sql import emit_post_migrate_signal
from django.utils import timezone

from apps.common.auth import ApiKeyRefused, key_principal
from apps.common.models import ApiKey
from apps.common.roles import Role, role_of_user
from apps.common.services import ApiKeyInvalid, ApiKeyNotFound, admin_ensure, api_key_create, api_key_revoke

pytestmark = pytest.mark.django_db


def person(name: str, role: Role | None) -> User:
    user = User.objects.create_user(name)
    if role is not None:
        user.groups.add(Group.objects.get(name=role.value))
    return user


def test_the_first_start_makes_admin_with_the_generated_password() -> None:
    user = admin_ensure(lambda: "made-by-the-machine")
    assert user is not None
    assert authenticate(username="admin", password="made-by-the-machine") == user
    assert role_of_user(user) is Role.ADMIN


def test_an_administrator_of_any_name_is_enough() -> None:
    User.objects.create_superuser("alice", password="something long enough")
    assert admin_ensure(lambda: "never asked for") is None
    assert not User.objects.filter(username="admin").exists()


def test_later_starts_leave_a_changed_password_alone() -> None:
    admin_ensure(lambda: "first")
    user = User.objects.get(username="admin")
    user.set_password("changed by a person")
    user.save()
    assert admin_ensure(lambda: "second") is None
    assert authenticate(username="admin", password="changed by a person") is not None
    assert User.objects.count() == 1


def test_the_migrations_bring_three_roles() -> None:
    assert set(Group.objects.values_list("name", flat=True)) >= {"viewer", "operator", "admin"}


def test_the_highest_group_is_the_role_and_an_account_without_one_has_none() -> None:
    alice = person("alice", Role.VIEWER)
    alice.groups.add(Group.objects.get(name="operator"))
    assert role_of_user(alice) is Role.OPERATOR
    assert role_of_user(person("bob", None)) is None


def test_a_key_opens_with_the_lesser_of_its_role_and_its_persons() -> None:
    alice = person("alice", Role.OPERATOR)
    _row, token = api_key_create(alice, name="script", role=Role.OPERATOR)
    assert key_principal(token, address="192.0.2.1").role is Role.OPERATOR
    alice.groups.set([Group.objects.get(name="viewer")])
    assert key_principal(token, address="192.0.2.1").role is Role.VIEWER


def test_the_secret_is_not_in_the_row() -> None:
    row, token = api_key_create(person("alice", Role.VIEWER), name="script", role=Role.VIEWER)
    secret = token.split("_", 2)[2]
    assert token.startswith(f"slk_{row.prefix}_")
    assert secret.encode() not in bytes(row.secret_hash)
    assert len(row.secret_hash) == 32


@pytest.mark.parametrize("change", ["secret", "prefix", "truncated", "garbage", "revoked", "switched off", "no role"])
def test_a_key_that_is_not_quite_right_opens_nothing(change: str) -> None:
    alice = person("alice", Role.VIEWER)
    row, token = api_key_create(alice, name="script", role=Role.VIEWER)
    match change:
        case "secret":
            token = token[:-1] + ("A" if token[-1] != "A" else "B")
        case "prefix":
            token = token.replace(row.prefix, "0" * 10)
        case "truncated":
            token = token[:-1]
        case "garbage":
            token = "slk_\u0660" * 20
        case "revoked":
            api_key_revoke(row.id)
        case "switched off":
            User.objects.update(is_active=False)
        case "no role":
            alice.groups.clear()
    with pytest.raises(ApiKeyRefused):
        key_principal(token, address="127.0.0.1")


@pytest.mark.parametrize(
    ("cidrs", "address", "opens"),
    [
        (["192.168.0.0/16"], "192.168.3.4", True),
        (["192.168.0.0/16"], "::ffff:192.168.3.4", True),
        (["192.168.0.0/16"], "10.0.0.1", False),
        (["2001:db8::/32"], "2001:db8::7", True),
        (["2001:db8::/32"], "192.168.3.4", False),
        (["10.0.0.1"], "10.0.0.1", True),
        (["10.0.0.1"], "", False),
    ],
)
def test_a_key_works_only_from_its_networks(cidrs: list[str], address: str, opens: bool) -> None:
    _row, token = api_key_create(person("alice", Role.VIEWER), name="script", role=Role.VIEWER, cidrs=cidrs)
    if opens:
        assert key_principal(token, address=address).key_name == "script"
    else:
        with pytest.raises(ApiKeyRefused):
            key_principal(token, address=address)


def test_use_is_noted_at_most_once_a_minute() -> None:
    row, token = api_key_create(person("alice", Role.VIEWER), name="script", role=Role.VIEWER)
    long_ago, just_now = timezone.now() - timedelta(hours=1), timezone.now() - timedelta(seconds=5)
    ApiKey.objects.update(last_used_at=long_ago)
    key_principal(token, address="127.0.0.1")
    row.refresh_from_db()
    assert row.last_used_at is not None
    assert row.last_used_at > long_ago
    ApiKey.objects.update(last_used_at=just_now)
    key_principal(token, address="127.0.0.1")
    row.refresh_from_db()
    assert row.last_used_at == just_now


@pytest.mark.parametrize(
    ("name", "role", "cidrs"),
    [
        ("", Role.VIEWER, []),
        ("x" * 101, Role.VIEWER, []),
        ("x", Role.ADMIN, []),
        ("x", Role.VIEWER, ["not an address"]),
        ("x", Role.VIEWER, ["10.0.0.1"] * 33),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(name: str, role: Role, cidrs: list[str]) -> None:
    with pytest.raises(ApiKeyInvalid):
        api_key_create(person("alice", Role.OPERATOR), name=name, role=role, cidrs=cidrs)
    assert not ApiKey.objects.exists()


def test_revoking_twice_is_fine_and_revoking_nothing_is_told() -> None:
    row, _token = api_key_create(person("alice", Role.VIEWER), name="script", role=Role.VIEWER)
    api_key_revoke(row.id)
    api_key_revoke(row.id)
    row.delete()
    with pytest.raises(ApiKeyNotFound):
        api_key_revoke(row.id or ApiKey().id)


def test_a_database_that_was_emptied_has_its_roles_again() -> None:
    Group.objects.all().delete()
    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")
    assert sorted(Group.objects.values_list("name", flat=True)) == sorted(Role.values)
