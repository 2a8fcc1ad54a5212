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
