"""Discogs' token: given like any secret, never sent in the clear, never printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from slskdn_site.config import all_keys, configuration_of
from slskdn_site.config_sources import ConfigError, configuration_read

TOKEN = "s3cr3t-t0ken"


def read(tmp_path: Path, **environ: str) -> object:
    yml = tmp_path / "slskdn.yml"
    return configuration_of(configuration_read(all_keys().values(), yml=yml, environ=environ)).integration.discogs


def test_the_token_is_a_secret_and_may_be_a_file(tmp_path: Path) -> None:
    assert all_keys()["integration.discogs.token"].secret
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    section = read(tmp_path, SLSKDN__INTEGRATION__DISCOGS__TOKEN_FILE=str(file))
    assert getattr(section, "token", "") == TOKEN


def test_a_token_is_sent_encrypted_or_stays_on_the_machine(tmp_path: Path) -> None:
    token = {"SLSKDN__INTEGRATION__DISCOGS__TOKEN": TOKEN}
    address = "SLSKDN__INTEGRATION__DISCOGS__BASE_URL"
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, **token, **{address: "http://discogs.example"})
    assert "https://" in str(refused.value)
    assert TOKEN not in str(refused.value)
    for fine in ("https://discogs.example", "http://127.0.0.1:8000"):
        read(tmp_path, **token, **{address: fine})
    read(tmp_path, **{address: "http://discogs.example"})
