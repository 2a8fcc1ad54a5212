"""YAML whose every value knows its line: what a person's file is read from, so that each complaint can say where. Pure, bounded, safe.

Built from PyYAML's event stream in one pass and without recursion. Only plain data comes out (mapping, list, text, number, true/false, null): no tag is
obeyed, and anchors, aliases, merge keys, repeated keys, deep nests and large files are refused, so that neither an alias bomb nor an object can get in.
Plain scalars are read by YAML 1.2's core schema: `no` is a text, and so is a date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import yaml

from apps.domain.errors import DomainError, Param
from apps.domain.jobs.manifest_words import where_of

MAX_BYTES: Final = 10 * 1024 * 1024
MAX_DEPTH: Final = 12
"""A job's manifest needs five."""
MAX_EVENTS: Final = 1_000_000
"""Parsing so many takes seconds. A file of 10 MB made of brackets alone would have ten times as many."""

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Marked:
    """A value and the line (from 1) where it stands."""

    value: Scalar | list[Marked] | dict[str, Marked]
    line: int

    def plain(self) -> object:
        """The value without its marks."""
        if isinstance(self.value, dict):
            return {key: one.plain() for key, one in self.value.items()}
        if isinstance(self.value, list):
            return [one.plain() for one in self.value]
        return self.value


class YamlRefused(DomainError):
    """A file that is not read: `manifest_too_large`, `manifest_not_text`, `manifest_not_yaml`, `manifest_too_deep`, `manifest_alias`, `manifest_tag`,
    `manifest_repeated_key`, `manifest_key_not_text`. `line` where it is known."""

    default_code = "manifest_not_yaml"

    def __init__(self, sentence: str, *, code: str | None = None, line: int | None = None, **params: Param) -> None:
        where, why = where_of(line), sentence.removesuffix(".")
        super().__init__(f"{where}: {why}.", code=code, retryable=False, where=where, why=why, line=line, **params)


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_TAGS: Final = frozenset(
    {None, "!", *(f"tag:yaml.org,2002:{one}" for one in ("str", "int", "float", "bool", "null", "map", "seq"))}
)
_INT: Final = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]{1,3})?|[-+]?[0-9]+[eE][-+]?[0-9]{1,3}")
_WORDS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}


def read_documents(source: bytes | str) -> Iterator[Marked]:
    """Every document of the text, empty ones left out. Raises YamlRefused, possibly after the first documents."""
    text = _text(source)
    stack: list[_Open] = []
    try:
        for number, event in enumerate(yaml.parse(text, Loader=_Loader)):
            if number > MAX_EVENTS:
                raise YamlRefused("This file holds too many values.", code="manifest_too_large", limit=MAX_EVENTS)
            line = event.start_mark.line + 1 if event.start_mark else 0
            done = _step(stack, event, line)
            if done is not None and not stack and done.value is not None:
                yield done
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlRefused(
            "This is not YAML: " + (error.problem or "it can't be read") + ".", line=mark.line + 1 if mark else None
        ) from error
    except yaml.YAMLError as error:
        raise YamlRefused("This is not YAML: it holds characters that no YAML has.", line=None) from error


@dataclass(slots=True)
class _Open:
    """A mapping or list under construction (mutable: one pass fills it). `key` None: a key is expected next."""

    value: list[Marked] | dict[str, Marked]
    line: int
    key: str | None = None


def _step(stack: list[_Open], event: yaml.Event, line: int) -> Marked | None:
    """Take one event in; the value it completes, if any."""
    if isinstance(event, yaml.AliasEvent):
        raise YamlRefused("Aliases (*name) are not allowed here.", code="manifest_alias", line=line)
    if isinstance(event, yaml.ScalarEvent):
        _refuse_extras(event.anchor, event.tag, line)
        return _put(stack, Marked(_scalar(event), line))
    if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
        _refuse_extras(event.anchor, event.tag, line)
        if len(stack) >= MAX_DEPTH:
            raise YamlRefused("This file is nested too deeply.", code="manifest_too_deep", line=line, limit=MAX_DEPTH)
        if stack and isinstance(stack[-1].value, dict) and stack[-1].key is None:
            raise YamlRefused("A key must be a text.", code="manifest_key_not_text", line=line)
        stack.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else [], line))
        return None
    if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
        top = stack.pop()
        return _put(stack, Marked(top.value, top.line))
    return None


def _put(stack: list[_Open], marked: Marked) -> Marked:
    """Give a finished value to whatever is open, as its key, value or item."""
    if not stack:
        return marked
    top = stack[-1]
    if isinstance(top.value, list):
        top.value.append(marked)
    elif top.key is None:
        top.key = _key(marked, top.value)
    else:
        top.value[top.key] = marked
        top.key = None
    return marked


def _key(marked: Marked, taken: dict[str, Marked]) -> str:
    if not isinstance(marked.value, str) or marked.value == "<<":
        raise YamlRefused("A key must be a text.", code="manifest_key_not_text", line=marked.line)
    if marked.value in taken:
        raise YamlRefused(
            f"{marked.value[:40]} stands here twice.",
            code="manifest_repeated_key",
            line=marked.line,
            field=marked.value[:40],
        )
    return marked.value


def _refuse_extras(anchor: str | None, tag: str | None, line: int) -> None:
    if anchor is not None:
        raise YamlRefused("Anchors (&name) are not allowed here.", code="manifest_alias", line=line)
    if tag not in _PLAIN_TAGS:
        raise YamlRefused("Tags (!name) are not allowed here.", code="manifest_tag", line=line)


def _scalar(event: yaml.ScalarEvent) -> Scalar:
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


_Base = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml's where it is there: seven times as fast


class _Dumper(_Base):  # type: ignore[valid-type,misc]  # chosen at run time
    """PyYAML's, which follows YAML 1.1: a text such as 09 or 0E0 needs no quotes there, and is a number to whoever follows 1.2, as we do here."""


def _quoted_where_needed(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    number = _INT.fullmatch(text) or _FLOAT.fullmatch(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if number or text in _WORDS else None)


_Dumper.add_representer(str, _quoted_where_needed)


def dump(document: object) -> str:
    """Plain data as YAML that every reader reads as it was, keys in their order, long texts on one line."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=200)
    return text


def _text(source: bytes | str) -> str:
    size = len(source) if isinstance(source, bytes) else len(source.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise YamlRefused("This file is larger than 10 MB.", code="manifest_too_large", limit=MAX_BYTES)
    if isinstance(source, str):
        return source.removeprefix("\ufeff")
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlRefused("This file is no text in UTF-8.", code="manifest_not_text", line=None) from error
