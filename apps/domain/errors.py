"""The one family of errors that people, rows, logs and the API see alike.

Owns the shape of an error, not its delivery: the API body, the CLI line and the row's `code` + `params` are all made from it.
"""

from __future__ import annotations

from typing import ClassVar

Param = str | int | float | bool | None


class DomainError(Exception):
    """Something a person can be told about.

    `code` is stable and lower_snake_case; `sentence` is for people; `params` are the values a translation of the sentence needs;
    `retryable` says whether the same request may succeed later without being changed.
    """

    default_code: ClassVar[str] = "error"

    def __init__(self, sentence: str, *, code: str | None = None, retryable: bool = False, **params: Param) -> None:
        super().__init__(sentence)
        self.code = code or self.default_code
        self.sentence = sentence
        self.retryable = retryable
        self.params: dict[str, Param] = params
