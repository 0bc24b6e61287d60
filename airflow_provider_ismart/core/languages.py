"""Read templates by language and the language of each row, and count rows and parts by language."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_ismart.core.columns import shown
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.message import Size
from airflow_provider_ismart.core.msisdn import is_missing
from airflow_provider_ismart.core.outcomes import Outcome, RowOutcomes
from airflow_provider_ismart.core.segmentation import is_blank
from airflow_provider_ismart.core.template import Template

#: The key of the template for rows with no language or with a language that has no template.
DEFAULT = "default"

#: The ways to write a language, in lower case and with plain letters.
_SPELLINGS = {
    "ar": ("ar", "arabic", "العربيه", "عربيه", "عربي"),
    "en": ("en", "english", "الانجليزيه", "انجليزيه", "انجليزي"),
}
_LANGUAGE_OF = {spelling: language for language, spellings in _SPELLINGS.items() for spelling in spellings}
#: Letters and the plain ones that are often written in their place: alef, and heh and yeh at the end of a word.
_PLAIN_LETTERS = str.maketrans("\u0625\u0629\u0649", "\u0627\u0647\u064a")
#: White space, and marks that remain when right-to-left text is copied.
_AROUND = " \t\r\n\u00a0\u061c\u200e\u200f\ufeff"

#: A column with more different values without a template probably has other content, such as names.
_MAX_UNKNOWN = 10
#: A word with or without a region. Reasons show only such cells, because others can be names or texts.
_LOOKS_LIKE_A_LANGUAGE = r"[^\W\d_]{2,12}([-_][^\W_]{2,4})?"


def read_language(written: str) -> str | None:
    """Return ``"ar"`` or ``"en"`` for a language in any common form, with any region; else ``None``."""
    text = written.strip(_AROUND).casefold().replace("_", "-").translate(_PLAIN_LETTERS)
    language, _, region = text.partition("-")
    return _LANGUAGE_OF.get(text) or (language if region and language in _SPELLINGS else None)


def read_templates(message: Mapping[Any, Any]) -> dict[str, Template]:
    """Return the templates of a message, by language: ``"ar"``, ``"en"`` or :data:`DEFAULT`.

    :raises InputError: the dict is empty, a key is not a language or repeated, or a template is blank or not text.
    """
    if not message:
        raise InputError("message is an empty dict; add a template for each language")
    templates: dict[str, Template] = {}
    keys: dict[str, str] = {}
    for key, source in message.items():
        language = _read_key(key)
        if language is None:
            raise InputError(f"a key of message is {shown(key)}; it must be 'ar', 'en' or '{DEFAULT}'")
        if language in keys:
            raise InputError(
                f"message has two keys for the same language, {keys[language]} and {shown(key)}; remove one"
            )
        keys[language] = shown(key)
        name = f"message[{shown(key)}]"
        if not isinstance(source, str):
            raise InputError(f"{name} is of type {type(source).__name__}; it must be text")
        if is_blank(source):
            raise InputError(f"{name} is blank; add a text or remove the key")
        templates[language] = Template(source, name)
    return templates


def _read_key(key: object) -> str | None:
    if not isinstance(key, str):
        return None
    return DEFAULT if key.strip(_AROUND).casefold() == DEFAULT else read_language(key)


def choose_languages(
    cells: Sequence[Any], choices: Collection[str], invalid: Callable[[int, str], None]
) -> list[str | None]:
    """Return which of ``choices`` each row gets; pass each row that gets none to ``invalid``, with the reason."""
    of_text: dict[str, str | None] = {}
    fallback = DEFAULT if DEFAULT in choices else None
    chosen: list[str | None] = []
    unknown: list[tuple[int, Any]] = []
    for row, cell in enumerate(cells):
        language = None
        if isinstance(cell, str):
            if cell not in of_text:
                of_text[cell] = read_language(cell)
            language = of_text[cell]
        if language not in choices:
            language = fallback
        chosen.append(language)
        if language is None:
            unknown.append((row, cell))
    are_languages = len({cell for _, cell in unknown if isinstance(cell, str)}) <= _MAX_UNKNOWN
    for row, cell in unknown:
        invalid(row, _why_none(cell, are_languages=are_languages))
    return chosen


def _why_none(cell: Any, *, are_languages: bool) -> str:
    if is_missing(cell) or (isinstance(cell, str) and is_blank(cell)):
        return "no language"
    if not isinstance(cell, str):
        return f"the language is of type {type(cell).__name__}, not text"
    if are_languages and re.fullmatch(_LOOKS_LIKE_A_LANGUAGE, written := cell.strip(_AROUND)):
        return f"no message for language {shown(written)}"
    return "no message for its language"


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageCounts:
    """The rows of one language and the parts of their texts, by outcome. Every outcome is a key."""

    rows: dict[Outcome, int]
    parts: dict[Outcome, int]


class RowLanguages:
    """Store the language and parts of each row in two bytes; empty if there are no templates by language."""

    def __init__(self, languages: Collection[str] = ()) -> None:
        self._names: tuple[str | None, ...] = (None, *languages)
        self._of_row = bytearray()
        self._parts = bytearray()

    def extend(self, languages: Sequence[str | None], sizes: Sequence[Size | None]) -> None:
        """Add rows with their languages and sizes."""
        if languages:
            number_of = {name: number for number, name in enumerate(self._names)}
            self._of_row.extend(map(number_of.__getitem__, languages))
            self._parts.extend(size.parts if size else 0 for size in sizes)

    def __getitem__(self, row: int) -> str | None:
        return self._names[self._of_row[row]] if self._of_row else None

    def counts(self, outcomes: RowOutcomes) -> dict[str, LanguageCounts]:
        """Return the counts by language. Rows that get no template are not counted."""
        found = {
            name: LanguageCounts(rows=dict.fromkeys(Outcome, 0), parts=dict.fromkeys(Outcome, 0))
            for name in self._names
            if name is not None
        }
        if found:
            verdicts = outcomes.verdicts
            alike = Counter(zip(outcomes.numbers(0, len(self._of_row)), self._of_row, self._parts, strict=True))
            for (verdict, language, parts), rows in alike.items():
                if (name := self._names[language]) is not None:
                    outcome = verdicts[verdict].outcome
                    found[name].rows[outcome] += rows
                    found[name].parts[outcome] += parts * rows
        return found
