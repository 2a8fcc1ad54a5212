"""YAML that knows its lines, and what is refused of it."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from apps.domain.jobs.marked_yaml import MAX_BYTES, MAX_DEPTH, Marked, YamlRefused, dump, read_documents


def one(text: str | bytes) -> Marked:
    (document,) = read_documents(text)
    return document


def test_every_value_knows_its_line() -> None:
    document = one("a: 1\nb:\n  - x\n  - c: true\n")
    assert document.plain() == {"a": 1, "b": ["x", {"c": True}]}
    assert isinstance(document.value, dict)
    listed = document.value["b"]
    assert isinstance(listed.value, list)
    assert [entry.line for entry in listed.value] == [3, 4]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("2025-12-09", "2025-12-09"),
        ("2025-12-09T15:30:00Z", "2025-12-09T15:30:00Z"),
        ("007", 7),
        ("1.50", 1.5),
        ("'1'", "1"),
        ("~", None),
        ("", None),
        ("null", None),
        ("0x10", "0x10"),
        (".inf", ".inf"),
        ("1_000", "1_000"),
        ('"\\u00e9"', "é"),
        ("9" * 19, "9" * 19),
    ],
)
def test_scalars_are_read_by_the_core_schema(written: str, value: object) -> None:
    assert one(f"k: {written}\n").plain() == {"k": value}


def test_several_documents_are_several_and_empty_ones_none() -> None:
    assert [found.plain() for found in read_documents("---\na: 1\n---\n---\nb: 2\n...\n")] == [{"a": 1}, {"b": 2}]
    assert list(read_documents("")) == []
    assert list(read_documents("# nothing\n")) == []


BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (BOMB, "manifest_alias", 1),
        ("a: 1\nb: *x\n", "manifest_alias", 2),
        ("a: 1\nb:\n  <<: {c: 1}\n", "manifest_key_not_text", 3),
        ("a: !!python/object/apply:os.system [x]\n", "manifest_tag", 1),
        ("a: !mine x\n", "manifest_tag", 1),
        ("a: 1\nb: 2\na: 3\n", "manifest_repeated_key", 3),
        ("1: a\n", "manifest_key_not_text", 1),
        ("? [a]\n: b\n", "manifest_key_not_text", 1),
        ("[" * (MAX_DEPTH + 1), "manifest_too_deep", 1),
        ("a: 1\n b: 2\n", "manifest_not_yaml", 2),
        ("a: 'open\n", "manifest_not_yaml", 2),
    ],
)
def test_what_is_refused_says_where(text: str, code: str, line: int) -> None:
    with pytest.raises(YamlRefused) as caught:
        list(read_documents(text))
    assert (caught.value.code, caught.value.params.get("line")) == (code, line)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (b"\xff\xfe\x00a", "manifest_not_text"),
        ("a: \x00\n", "manifest_not_yaml"),
        ("#" * (MAX_BYTES + 1), "manifest_too_large"),
        ("- x\n" * 1_100_000, "manifest_too_large"),
    ],
)
def test_what_is_no_manifest_at_all_is_refused(source: bytes | str, code: str) -> None:
    with pytest.raises(YamlRefused) as caught:
        list(read_documents(source))
    assert caught.value.code == code


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdef", min_size=1), inner, max_size=3),
    max_leaves=12,
)


@example({"a": "0E0"})
@example({"a": "1e5"})
@example({"a": "098"})
@example({"a": "+.1"})
@given(st.dictionaries(st.text("abcdefgh", min_size=1), PLAIN, min_size=1))
def test_what_is_written_is_read_back(value: dict[str, object]) -> None:
    assert one(dump(value)).plain() == value
    assert yaml.safe_load(dump(value)) == value


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(source: str | bytes) -> None:
    try:
        list(read_documents(source))
    except YamlRefused as error:
        assert error.code.startswith("manifest_")
