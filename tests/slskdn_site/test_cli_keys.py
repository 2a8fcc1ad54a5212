"""API keys on the command line."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User

from apps.common.auth import ApiKeyRefused, key_principal
from apps.common.models import Role
from apps.common.services import admin_ensure
from slskdn_site.cli.keys import ROLES
from slskdn_site.cli.main import main

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _admin() -> None:
    admin_ensure(lambda: "a long enough password")


def test_a_key_is_made_listed_used_and_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "list"]) == 0
    assert capsys.readouterr() == ("", "No API keys. Make one with: slskdn keys create NAME\n")
    assert main(["keys", "create", "player", "--role", "viewer", "--from", "127.0.0.0/8"]) == 0
    secret = capsys.readouterr().out.strip()
    principal = key_principal(secret, address="127.0.0.1")
    assert (principal.user, principal.role) == (User.objects.get(username="admin"), Role.VIEWER)
    with pytest.raises(ApiKeyRefused):
        key_principal(secret, address="192.0.2.1")
    assert main(["keys", "list", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["name"], row["role"], row["from"], row["revoked_at"]) == ("player", "viewer", ["127.0.0.0/8"], None)
    assert secret not in json.dumps(row)
    assert main(["keys", "revoke", row["id"]]) == 0
    with pytest.raises(ApiKeyRefused):
        key_principal(secret, address="127.0.0.1")
    assert main(["keys", "list"]) == 0
    assert "revoked" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["create", " "], ["create", "x", "--from", "nowhere"], ["create", "x", "--user", "nobody"], ["revoke", "7"]],
)
def test_what_can_not_be_done_is_a_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", *arguments]) == 1
    assert capsys.readouterr().err.startswith("slskdn: ")


def test_the_roles_are_those_of_the_rows() -> None:
    assert list(ROLES) == Role.values
