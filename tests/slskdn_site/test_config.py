"""Configuration: what is read from where, and the sentences that refuse what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from slskdn_site.checks import Level, config_findings
from slskdn_site.config import Config, all_keys, configuration_of
from slskdn_site.config_sources import RENAMED, ConfigError, configuration_read
from slskdn_site.data_folder import DATA_VERSION, data_folder_prepare, yml_template
from tests.services import PROJECT


def read(tmp_path: Path, text: str = "", **environ: str) -> Config:
    yml = tmp_path / "slskdn.yml"
    yml.write_text(text, encoding="utf-8")
    return configuration_of(configuration_read(all_keys().values(), yml=yml, environ=environ))


def refusal(tmp_path: Path, text: str = "", **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, **environ)
    assert caught.value.code == "config_invalid"
    return caught.value.sentence


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    config = read(tmp_path, "web: {port: 6000, host: localhost}", SLSKDN__WEB__PORT="7000")
    assert (config.web.port, config.web.host, config.overlay.port) == (7000, "localhost", 50305)


@pytest.mark.parametrize("text", ["a.example:1, b.example:2", '["a.example:1", "b.example:2"]'])
def test_a_list_in_the_environment_is_commas_or_json(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, SLSKDN__MESH__DHT__BOOTSTRAP=text).mesh.dht.bootstrap == ["a.example:1", "b.example:2"]


def test_a_secret_may_come_from_a_file_and_its_own_variable_wins(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    variable = "SLSKDN__INTEGRATION__ACOUSTID__CLIENT_ID"
    assert read(tmp_path, **{f"{variable}_FILE": str(tmp_path / "key")}).integration.acoustid.client_id == "s3cret"
    both = {f"{variable}_FILE": str(tmp_path / "key"), variable: "plain"}
    assert read(tmp_path, **both).integration.acoustid.client_id == "plain"
    assert "cannot be read" in refusal(tmp_path, **{f"{variable}_FILE": str(tmp_path / "none")})


def test_sections_and_keys_with_nothing_after_the_colon_keep_their_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, "web:\n  port:\nmesh:\n") == Config()


def test_empty_variables_leave_numbers_alone(tmp_path: Path) -> None:
    assert read(tmp_path, SLSKDN__WEB__PORT="", SLSKDN__DATABASE__URL="").web.port == 5030


def test_the_template_is_all_comments_and_each_line_of_it_can_be_taken_in(tmp_path: Path) -> None:
    template = yml_template()
    assert read(tmp_path, template) == Config()
    leaves = {name.rpartition(".")[2] for name in all_keys()}
    taken_in = "\n".join(
        line.replace("# ", "", 1) if line.strip().removeprefix("# ").split(": ")[0] in leaves else line
        for line in template.splitlines()
    )
    assert yaml.safe_load(taken_in)["mesh"]["dht"]["port"] == 50306
    assert read(tmp_path, taken_in) == Config()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web: {prot: 1}", "Did you mean web.port?"),
        ("swarm: {turbo: true}", "swarm.turbo"),
        ("Integration: {AcoustId: {ClientId: x}}", "is spelled integration.acoustid.client_id"),
        ("mesh: {disaster_mode: {force: true}}", "called mode now (write `mode: mesh`)"),
        ("web: 5030", "web in"),
        ("- web", "must hold sections and keys"),
        ("web: {port: 5030", "not valid YAML at line"),
        ("web: {port: 99999}", "web.port: should be less than or equal to 65535; it is 99999"),
        ("mode: turbo", "mode: should be 'legacy', 'hybrid' or 'mesh'"),
        ("mesh: {dht: {bootstrap: [router]}}", "'router' is not host:port"),
        ("integration: {musicbrainz: {host: musicbrainz.org}}", "must begin with http:// or https://"),
        ("redis: {url: localhost}", "must begin with redis:// or rediss://"),
    ],
)
def test_what_is_wrong_is_refused_with_a_sentence_that_names_it(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, text)


def test_every_old_spelling_leads_to_a_key_that_exists(tmp_path: Path) -> None:
    for old, new in RENAMED.items():
        assert new in all_keys()
        assert old not in all_keys()
        variable = "SLSKDN__" + old.upper().replace(".", "__")
        assert f"is called {new} now" in refusal(tmp_path, **{variable: "1"})


def test_a_wrong_secret_is_not_repeated(tmp_path: Path) -> None:
    assert "hunter2" not in refusal(tmp_path, "database: {url: 'mysql://slskdn:hunter2@db/x'}")


def test_every_key_says_what_it_does() -> None:
    for key in all_keys().values():
        assert key.description.endswith("."), key.name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mesh: {dht: {port: 50305}}", "slskdn.E001"),
        ("web: {port: 50305}", "slskdn.E002"),
        ("web: {host: 0.0.0.0}", "slskdn.E003"),
        ("{mode: mesh, mesh: {enabled: false}}", "slskdn.E004"),
        ("mesh: {seed: {releases: [" + ",".join(["x"] * 101) + "]}}", "slskdn.E005"),
        ("web: {allowed_hosts: ['*']}", "slskdn.W001"),
        ("web: {host: 192.0.2.1}", "slskdn.W002"),
        ("mesh: {passive: true, seed: {releases: [x]}}", "slskdn.W003"),
        ("multi_source: {swarm_scheduler: {min_reputation: 0.6}}", "slskdn.W005"),
        ("overlay: {allow_private: true}", "slskdn.W004"),
        ("soulseek: {username: alice, listen_port: 50305}", "slskdn.E006"),
        ("soulseek: {username: älice}", "slskdn.W006"),
        ("mode: legacy", "slskdn.W007"),
    ],
)
def test_dangerous_combinations_have_an_id(tmp_path: Path, text: str, expected: str) -> None:
    found = {finding.id: finding.level for finding in config_findings(read(tmp_path, text))}
    assert found[expected] is (Level.ERROR if ".E" in expected else Level.WARNING)
    assert expected not in {finding.id for finding in config_findings(Config())}


def test_the_defaults_are_neither_wrong_nor_dangerous() -> None:
    assert {finding.level for finding in config_findings(Config())} <= {Level.INFO}


def test_free_ports_do_not_collide_with_each_other(tmp_path: Path) -> None:
    text = "{web: {port: 0}, overlay: {port: 0}, mesh: {dht: {port: 0}}}"
    assert not [f for f in config_findings(read(tmp_path, text)) if f.level is Level.ERROR]


def test_a_data_folder_is_laid_out_once_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    data_folder_prepare(folder)
    (folder / "slskdn.yml").write_text("mode: mesh\n")
    data_folder_prepare(folder)
    assert (folder / "VERSION").read_text() == f"{DATA_VERSION}\n"
    assert (folder / "slskdn.yml").read_text() == "mode: mesh\n"
    assert {path.name for path in folder.iterdir()} >= {
        "secrets",
        "db",
        "keys",
        "partial",
        "trash",
        "jobs",
        "traces",
        "run",
    }
    assert (folder / "secrets").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("version", "code"), [("2", "data_folder_newer"), ("soup", "data_folder_unusable")])
def test_a_newer_or_foreign_data_folder_is_refused(tmp_path: Path, version: str, code: str) -> None:
    (tmp_path / "VERSION").write_text(version)
    with pytest.raises(ConfigError) as caught:
        data_folder_prepare(tmp_path)
    assert caught.value.code == code
    assert not (tmp_path / "db").exists()


def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slskdn_site.cli", *arguments],
        env={**os.environ, "PYTHONPATH": str(PROJECT), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("arguments", [("up",), ("config", "show"), ("manage", "check")])
def test_a_wrong_value_ends_any_command_with_one_sentence_and_status_2(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = command(*arguments, SLSKDN_DATA=str(tmp_path), SLSKDN__WEB__PORT="ninety")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "web.port" in done.stderr


def test_show_hides_secrets_and_says_where_values_come_from(tmp_path: Path) -> None:
    done = command(
        "config",
        "show",
        SLSKDN_DATA=str(tmp_path),
        SLSKDN__INTEGRATION__ACOUSTID__CLIENT_ID="s3cret",
        SLSKDN__WEB__PORT="1",
    )
    assert done.returncode == 0
    assert "s3cret" not in done.stdout
    assert "web.port: 1   # SLSKDN__WEB__PORT" in done.stdout


def test_an_unknown_command_and_an_unknown_option_are_status_2() -> None:
    assert command("dance").returncode == 2
    assert command("up", "--sideways").returncode == 2


def test_help_lists_every_command_with_one_line() -> None:
    done = command("help")
    assert done.returncode == 0
    for path in (PROJECT / "slskdn_site" / "cli").glob("[!_]*.py"):
        if path.stem != "main":
            assert f"\n  {path.stem:<9} " in done.stdout
