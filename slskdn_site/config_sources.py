"""Where configured values come from: slskdn.yml, the environment, secret files. Refuses what is not a key, in a sentence.

Order of precedence: `SLSKDN__SECTION__KEY`, then `SLSKDN__SECTION__KEY_FILE` (the value is the file's content, for secrets), then slskdn.yml.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import yaml

from apps.domain.errors import DomainError
from slskdn_site.config_keys import ENV_PREFIX, Key

# Older spellings, from the requirement documents and from people's habits, and what each is called here.
RENAMED: Mapping[str, str] = {
    "acoustid.client_id": "integration.acoustid.client_id",
    "acoustid.enabled": "integration.acoustid.enabled",
    "chromaprint.enabled": "integration.chromaprint.enabled",
    "dht.bootstrap": "mesh.dht.bootstrap",
    "dht.port": "mesh.dht.port",
    "integration.acoust_id.client_id": "integration.acoustid.client_id",
    "integration.acoust_id.enabled": "integration.acoustid.enabled",
    "integration.acoustid.api_key": "integration.acoustid.client_id",
    "integration.musicbrainz.url": "integration.musicbrainz.host",
    "mesh.bootstrap": "mesh.dht.bootstrap",
    "mesh.dht.bootstrap_nodes": "mesh.dht.bootstrap",
    "mesh.disaster_mode.force": "mode",
    "mesh.mode": "mode",
    "mesh.overlay.port": "overlay.port",
    "mesh.seed_releases": "mesh.seed.releases",
    "multi_source.scheduler.cost_alpha": "multi_source.swarm_scheduler.cost_function.throughput_weight",
    "multi_source.scheduler.cost_beta": "multi_source.swarm_scheduler.cost_function.error_rate_weight",
    "multi_source.scheduler.cost_gamma": "multi_source.swarm_scheduler.cost_function.timeout_rate_weight",
    "multi_source.scheduler.enabled": "multi_source.swarm_scheduler.cost_function.enabled",
    "multi_source.scheduler.min_reputation": "multi_source.swarm_scheduler.min_reputation",
    "multi_source.scheduler.mode": "multi_source.swarm_scheduler.mode",
    "multi_source.scheduler.reputation_weight": "multi_source.swarm_scheduler.cost_function.reputation_weight",
    "multi_source.swarm_scheduler.enabled": "multi_source.swarm_scheduler.cost_function.enabled",
    "multi_source.swarm_scheduler.reputation_weight": "multi_source.swarm_scheduler.cost_function.reputation_weight",
    "musicbrainz.host": "integration.musicbrainz.host",
    "web.bind": "web.host",
}
FILE_SUFFIX = "_FILE"
SECRET_FILE_LIMIT = 64 * 1024  # bytes; a longer one is a mistaken path


class ConfigError(DomainError):
    """The configuration cannot be used as it is; the sentence says which key, where it was read, and what to write instead."""

    default_code: ClassVar[str] = "config_invalid"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was configured: key name → raw value, and key name → where it was read."""

    values: Mapping[str, object]
    origins: Mapping[str, str]


def configuration_read(keys: Iterable[Key], *, yml: Path, environ: Mapping[str, str]) -> Reading:
    """Collect raw values of all `keys`.

    Raises ConfigError for unreadable files, broken YAML, keys that do not exist and keys that have another name now.
    """
    known = {key.name: key for key in keys}
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for name, value in _yml_values(yml, known).items():
        values[name], origins[name] = value, str(yml)
    for variable, text in sorted(environ.items()):
        if not variable.startswith(ENV_PREFIX):
            continue
        name = variable.removeprefix(ENV_PREFIX).lower().replace("__", ".")
        file_of = name.removesuffix(FILE_SUFFIX.lower())
        if name not in known and file_of != name and file_of in known:
            if known[file_of].env_name not in environ:
                values[file_of], origins[file_of] = _file_value(Path(text), variable), f"{variable} ({text})"
            continue
        if name not in known:
            raise ConfigError(unknown_key_sentence(name, known, f"environment variable {variable}"), key=name)
        key = known[name]
        if text == "" and key.default != "":
            continue  # compose files pass empty variables for what nobody set
        values[name], origins[name] = _env_value(key, text), variable
    return Reading(values, origins)


def _yml_values(yml: Path, known: Mapping[str, Key]) -> dict[str, object]:
    try:
        text = yml.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        sentence = f"{yml} cannot be read: {error}."
        raise ConfigError(sentence) from error
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        sentence = f"{yml} is not valid YAML{where}: {getattr(error, 'problem', None) or error}."
        raise ConfigError(sentence) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        sentence = (
            f"{yml} must hold sections and keys (`web:` with `port: 5030` below it), not a {type(document).__name__}."
        )
        raise ConfigError(sentence)
    values: dict[str, object] = {}
    _flatten(document, "", values, known, yml)
    return values


def _flatten(
    section: Mapping[object, object], prefix: str, into: dict[str, object], known: Mapping[str, Key], yml: Path
) -> None:
    for part, value in section.items():
        name = f"{prefix}{part}"
        if name in known:
            if value is not None:  # a key with nothing after its colon keeps the default
                into[name] = value
        elif isinstance(value, dict) and value:
            _flatten(value, f"{name}.", into, known, yml)
        elif any(other.startswith(f"{name}.") for other in known):
            if value is not None and value != {}:
                sentence = f"{name} in {yml} is a section: write its keys below it, not a value."
                raise ConfigError(sentence, key=name)
        else:
            raise ConfigError(unknown_key_sentence(name, known, str(yml)), key=name)


def unknown_key_sentence(name: str, known: Mapping[str, Key], origin: str) -> str:
    """Why `name`, read from `origin`, is refused, and what to write instead."""
    if new_name := RENAMED.get(name):
        hint = " (write `mode: mesh`)" if name == "mesh.disaster_mode.force" else ""
        return f"{name} ({origin}) is called {new_name} now{hint}."
    squeezed = {_squeeze(key): key for key in known}
    if same := squeezed.get(_squeeze(name)):
        return f"{name} ({origin}) is spelled {same}."
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    question = f" Did you mean {near[0]}?" if near else ""
    return f"{name} ({origin}) is not a key.{question} `./slskdn config show` lists all of them."


def _squeeze(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _env_value(key: Key, text: str) -> object:
    if not key.is_list:
        return text
    if not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except ValueError as error:
        sentence = f"{key.env_name} is not a list: write `a,b` or a JSON list."
        raise ConfigError(sentence, key=key.name) from error


def _file_value(path: Path, variable: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(SECRET_FILE_LIMIT + 1)
        if len(content) > SECRET_FILE_LIMIT:
            sentence = f"{variable} names {path}, which is too long for a secret."
            raise ConfigError(sentence)
        return content.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        sentence = f"{variable} names {path}, which cannot be read: {error}."
        raise ConfigError(sentence) from error
