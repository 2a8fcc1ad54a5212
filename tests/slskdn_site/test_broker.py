"""Where sockets of a data folder lie: one rule for whoever listens and whoever asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from overlay_node.services.control_socket import control_socket_path
from slskdn_site.broker import SOCKET_PATH_LIMIT, run_socket, valkey_socket


@pytest.mark.parametrize("folder", ["/srv/music", "/srv/" + "a-very-long-name/" * 8 + "data", "/srv/" + "Größe/" * 20])
def test_the_supervisor_asks_the_node_where_it_listens_however_long_the_path(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLSKDN_DATA", folder)
    assert run_socket("node.sock") == control_socket_path(Path(folder))
    assert len(bytes(run_socket("node.sock"))) <= SOCKET_PATH_LIMIT
    assert valkey_socket().parent == run_socket("node.sock").parent
