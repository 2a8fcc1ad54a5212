from __future__ import annotations

import ast
from pathlib import Path

import pytest

import overlay_node.protocol
from apps.domain.audio.payload import PayloadFormat
from overlay_node.protocol import limits
from overlay_node.protocol.registry import (
    MESSAGE_CLASSES,
    REGISTRY,
    RESERVED_ALPN,
    RESERVED_DHT_DOMAINS,
    RESERVED_FEATURES,
    RESERVED_PAYLOAD_FORMATS,
    RESERVED_PREFIXES,
    RESERVED_TYPES,
    TYPE_GRAMMAR,
    is_reserved,
    registry_markdown,
)
from tests.overlay_node.protocol.pair import SAMPLES

FOLDER = Path(overlay_node.protocol.__file__).parent
PAGE = (FOLDER / "PROTOCOL.md").read_text(encoding="utf-8")


def test_every_message_class_has_one_row_and_one_sample() -> None:
    assert [row.message for row in REGISTRY.values()] == list(MESSAGE_CLASSES)
    assert {message.TYPE for message in SAMPLES} == set(REGISTRY)


def test_no_type_in_use_is_reserved_and_all_follow_the_grammar() -> None:
    for name in REGISTRY:
        assert TYPE_GRAMMAR.match(name)
        assert not is_reserved(name)
    assert is_reserved("topic_anything")
    assert is_reserved("x_try")


def test_no_row_exceeds_the_limits_of_the_wire_and_answers_name_a_type() -> None:
    for row in REGISTRY.values():
        assert row.max_envelope_bytes <= limits.MAX_ENVELOPE_BYTES
        assert row.max_attachment_bytes <= limits.MAX_ATTACHMENT_BYTES
        assert row.answers is None or row.answers in REGISTRY


def test_the_page_holds_the_generated_table() -> None:
    table = PAGE.split("<!-- registry -->\n")[1].split("<!-- /registry -->")[0]
    assert table == registry_markdown(), "paste the output of registry_markdown() into PROTOCOL.md"


@pytest.mark.parametrize("name", sorted(RESERVED_TYPES | set(RESERVED_PREFIXES) | RESERVED_ALPN | RESERVED_DHT_DOMAINS))
def test_the_page_names_every_reserved_name(name: str) -> None:
    assert name in PAGE


@pytest.mark.parametrize("name", sorted(RESERVED_FEATURES | RESERVED_PAYLOAD_FORMATS))
def test_the_page_names_reserved_features_and_formats_in_so_many_letters(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_nothing_of_today_uses_a_reserved_feature_or_format() -> None:
    assert not RESERVED_PAYLOAD_FORMATS & {one.value for one in PayloadFormat}
    features = {row.feature for row in REGISTRY.values() if row.feature}
    assert not {feature.partition("/")[0] for feature in features} & RESERVED_FEATURES


def test_the_page_names_every_code_of_a_violation() -> None:
    codes = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "RemoteProtocolError"
                and isinstance(node.args[0], ast.Constant)
            ):
                codes.add(node.args[0].value)
    assert codes
    assert {code for code in codes if f"{code}" not in PAGE} == set()


def test_the_core_imports_no_framework_socket_clock_or_randomness() -> None:
    forbidden = {
        "asyncio",
        "threading",
        "time",
        "random",
        "secrets",
        "socket",
        "twisted",
        "django",
        "celery",
        "uuid",
        "os",
    }
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            assert not {name.partition(".")[0] for name in names} & forbidden, path.name
