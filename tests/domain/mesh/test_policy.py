"""What each mode allows, and the reason it gives."""

from __future__ import annotations

import pytest

from apps.domain.mesh.policy import FEATURE_ADVERTS, FEATURE_CACHE_JOBS, FEATURE_FETCH, FEATURE_SERVE, MeshPolicy, Mode

UNDERSTOOD = (FEATURE_FETCH, FEATURE_ADVERTS, FEATURE_CACHE_JOBS)


@pytest.mark.parametrize("mode", [Mode.HYBRID, Mode.MESH])
def test_an_open_node_may_do_everything(mode: Mode) -> None:
    policy = MeshPolicy(mode=mode)
    assert all((policy.may_open, policy.may_dial, policy.may_announce, policy.may_serve))
    assert policy.features == (*UNDERSTOOD, FEATURE_SERVE)


def test_a_passive_node_fetches_and_neither_announces_nor_serves() -> None:
    policy = MeshPolicy(mode=Mode.MESH, passive=True)
    assert policy.may_dial
    assert (policy.may_announce.allowed, policy.may_announce.reason) == (False, "mesh_passive")
    assert not policy.may_serve
    assert policy.features == UNDERSTOOD


@pytest.mark.parametrize(
    ("policy", "reason"),
    [(MeshPolicy(mode=Mode.LEGACY), "mode_legacy"), (MeshPolicy(mode=Mode.MESH, enabled=False), "mesh_disabled")],
)
def test_a_closed_node_opens_no_socket_and_names_no_feature(policy: MeshPolicy, reason: str) -> None:
    assert policy.may_open.reason == policy.may_dial.reason == policy.may_announce.reason == reason
    assert not policy.may_serve
    assert policy.features == ()


@pytest.mark.parametrize(
    ("mode", "account", "acting", "reason"),
    [
        (Mode.HYBRID, True, Mode.HYBRID, ""),
        (Mode.HYBRID, False, Mode.MESH, "soulseek_acts_as_mesh"),
        (Mode.LEGACY, True, Mode.LEGACY, ""),
        (Mode.LEGACY, False, Mode.LEGACY, "soulseek_no_account"),
        (Mode.MESH, True, Mode.MESH, "soulseek_mode_mesh"),
        (Mode.MESH, False, Mode.MESH, "soulseek_mode_mesh"),
    ],
)
def test_mesh_never_asks_soulseek_and_hybrid_without_an_account_acts_as_mesh(
    mode: Mode, account: bool, acting: Mode, reason: str
) -> None:
    policy = MeshPolicy(mode=mode, soulseek=account)
    assert policy.acting is acting
    assert (policy.may_soulseek.allowed, policy.may_soulseek.reason) == (not reason, reason)
