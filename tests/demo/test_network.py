from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import pytest
from mutagen.flac import FLAC

from slskdn_site.config import Config, all_keys, configuration_of
from slskdn_site.config_sources import configuration_read
from slskdn_site.demo.network import Network, NetworkFailed, free_port, link_or_copy
from slskdn_site.demo.plan import Offer
from slskdn_site.demo.synth import AlbumFile

RELEASE = "00000000-0000-4000-8000-000000000001"


def offer(source: Path, *, twin: bool = False, position: int = 3) -> Offer:
    return Offer(
        source=source,
        recording_mbid="abcdef00-0000-4000-8000-000000000003",
        release_mbid=RELEASE,
        medium=2,
        position=position,
        twin=twin,
    )


def configured(folder: Path) -> Config:
    return configuration_of(configuration_read(all_keys().values(), yml=folder / "slskdn.yml", environ={}))


@pytest.fixture
def network(tmp_path: Path) -> Network:
    template = tmp_path / "template" / "db" / "slskdn.sqlite3"
    template.parent.mkdir(parents=True)
    template.write_bytes(b"migrated")
    secrets = tmp_path / "template" / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "admin_password").write_text("open sesame", encoding="ascii")
    return Network(tmp_path / "root", metadata_port=4001, dht_port=4002, _template=template)


def test_a_free_port_is_free_for_both_protocols() -> None:
    for host in ("127.0.0.1", "127.0.11.1"):
        port = free_port(host)
        with socket.create_server((host, port)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind((host, port))


def test_a_neighbours_configuration_is_one_the_platform_accepts(network: Network, tmp_path: Path) -> None:
    folder = tmp_path / "slow"
    network._node_folder(folder, host="127.0.12.1", port=5001, upload_kbps=700, releases=[RELEASE])
    config = configured(folder)
    assert (config.overlay.host, config.overlay.port, config.overlay.upload_kbps) == ("127.0.12.1", 5001, 700)
    assert config.overlay.allow_private
    assert config.mesh.seed.releases == [RELEASE]
    assert (config.mesh.dht.host, config.mesh.dht.bootstrap) == ("127.0.12.1", ["127.0.0.1:4002"])
    assert config.integration.musicbrainz.host == config.integration.acoustid.host == "http://127.0.0.1:4001"
    assert config.integration.acoustid.client_id


def test_the_platforms_folder_has_a_web_port_and_seeds_nothing(network: Network, tmp_path: Path) -> None:
    network._node_folder(tmp_path / "platform", host="127.0.0.1", port=5001, web_port=5002)
    config = configured(tmp_path / "platform")
    assert config.web.port == 5002
    assert (tmp_path / "platform" / "secrets" / "admin_password").read_text(encoding="ascii") == "open sesame"
    assert config.mesh.seed.releases == []


def test_a_nodes_folder_is_for_its_owner_and_begins_with_the_migrated_database(
    network: Network, tmp_path: Path
) -> None:
    folder = tmp_path / "fast"
    network._node_folder(folder, host="127.0.11.1", port=5001)
    assert stat.S_IMODE((folder / "slskdn.yml").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "db").stat().st_mode) == 0o700
    assert (folder / "db" / "slskdn.sqlite3").read_bytes() == b"migrated"


def test_a_process_gets_its_own_data_folder_and_no_setting_of_the_person(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLSKDN__OVERLAY__PORT", "1")
    monkeypatch.setenv("SLSKDN_DATA", "/elsewhere")
    environment = network._environment(tmp_path / "fast")
    assert environment["SLSKDN_DATA"] == str(tmp_path / "fast")
    assert "SLSKDN__OVERLAY__PORT" not in environment
    assert environment["PATH"] == os.environ["PATH"]


def test_an_offered_file_lies_in_the_neighbours_music_folder_and_says_what_it_is(
    network: Network, small_files: tuple[AlbumFile, ...], tmp_path: Path
) -> None:
    source = small_files[0].path
    before = source.read_bytes()
    row = network._offer_row(tmp_path, offer(source))
    path = Path(str(row.pop("path")))
    assert path.parent == tmp_path / "music"
    assert path.read_bytes() == before
    assert row == {
        "recording": "abcdef00-0000-4000-8000-000000000003",
        "release": RELEASE,
        "medium": 2,
        "position": 3,
    }
    assert network._offer_row(tmp_path, offer(source))["path"] == str(path)  # offered again after a restart


def test_a_twin_is_a_renamed_and_retagged_copy_and_the_source_stays(
    network: Network, small_files: tuple[AlbumFile, ...], tmp_path: Path
) -> None:
    source = small_files[0].path
    before = source.read_bytes()
    path = Path(str(network._offer_row(tmp_path, offer(source, twin=True))["path"]))
    assert path.name != source.name
    assert FLAC(path)["title"] == [FLAC(source)["title"][0].upper()]
    assert source.read_bytes() == before
    assert not path.samefile(source)


def test_files_are_linked_where_the_file_system_allows_it(tmp_path: Path) -> None:
    source = tmp_path / "source.flac"
    source.write_bytes(b"sound")
    link_or_copy(source, tmp_path / "target.flac")
    assert (tmp_path / "target.flac").samefile(source)


def test_files_are_copied_where_they_can_not_be_linked(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system to copy to")
    source, target = tmp_path / "source.flac", memory / f"slskdn-test-{os.getpid()}.flac"
    source.write_bytes(b"sound")
    try:
        link_or_copy(source, target)
        assert target.read_bytes() == b"sound"
        assert not target.samefile(source)
    finally:
        target.unlink(missing_ok=True)


def test_a_service_answers_from_several_folders_and_ends_with_the_network(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        (folder / "index.json").write_text(json.dumps({"format": 1, "entries": []}), "utf-8")
    with Network(tmp_path / "root") as network:
        network.start_metadata(*folders)
        with socket.create_connection(("127.0.0.1", network.metadata_port), timeout=5):
            pass
        (process,) = network.processes
        assert process.running()
    assert not process.running()


def test_a_service_that_can_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    with (
        Network(tmp_path / "root") as network,
        pytest.raises(NetworkFailed, match=r"(?s)metadata did not start.*index"),
    ):
        network.start_metadata(tmp_path / "nowhere")
