"""The WQL that the sync service's provider is asked: select, from, where with comparisons of text."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

_COMPARISONS: Mapping[str, Callable[[str, str], bool]] = MappingProxyType(
    {
        "=": operator.eq,
        "<>": operator.ne,
        "!=": operator.ne,
        ">": operator.gt,
        ">=": operator.ge,
        "<": operator.lt,
        "<=": operator.le,
    }
)
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<word>[A-Za-z_]\w*)
      | (?P<sign><=|>=|<>|!=|[=<>*,])
      | (?P<quote>['"])(?P<text>(?:\\.|(?!(?P=quote)).)*)(?P=quote)
    )""",
    re.VERBOSE | re.DOTALL,
)


class QuerySyntaxError(Exception):
    """The query is not WQL; the endpoint answers with a fault (WBEM_E_INVALID_QUERY)."""


@dataclass(frozen=True)
class Condition:
    """One comparison of a where clause; WMI compares text without regard to case."""

    name: str
    sign: str
    value: str

    def holds(self, properties: Mapping[str, str | None]) -> bool:
        """Say whether an instance with these properties, named in lower case, fulfils it."""
        value = properties.get(self.name.lower())
        return value is not None and _COMPARISONS[self.sign](value.lower(), self.value.lower())


@dataclass(frozen=True)
class Query:
    """A parsed query; ``columns`` is empty for ``*``."""

    class_name: str
    columns: tuple[str, ...]
    where: tuple[Condition, ...]

    @property
    def equalities(self) -> dict[str, str]:
        """The values the where clause demands, by name in lower case; empty if it compares otherwise."""
        if any(condition.sign != "=" for condition in self.where):
            return {}
        return {condition.name.lower(): condition.value for condition in self.where}


def parse(text: str) -> Query:
    r"""Parse a query.

    Raises
    ------
    QuerySyntaxError
        It is no query of the supported form.

    Examples
    --------
    >>> parse("SELECT Name, Guid FROM MIIS_ManagementAgent WHERE Name='O\\'Brien'").where[0].value
    "O'Brien"
    """
    tokens = _tokens(text)
    _expect(tokens, "select")
    columns = _columns(tokens)
    _expect(tokens, "from")
    class_name = _word(tokens)
    where: list[Condition] = []
    if tokens:
        _expect(tokens, "where")
        where.append(_condition(tokens))
    while tokens:
        _expect(tokens, "and")
        where.append(_condition(tokens))
    return Query(class_name, columns, tuple(where))


def _tokens(text: str) -> list[re.Match[str]]:
    """Return the tokens in reverse, so that the next one is popped."""
    tokens: list[re.Match[str]] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        token = _TOKEN.match(text, position)
        if token is None:
            raise QuerySyntaxError(f"unexpected {text[position : position + 20]!r}")
        tokens.append(token)
        position = token.end()
    return tokens[::-1]


def _columns(tokens: list[re.Match[str]]) -> tuple[str, ...]:
    if tokens and tokens[-1]["sign"] == "*":
        tokens.pop()
        return ()
    columns = [_word(tokens)]
    while tokens and tokens[-1]["sign"] == ",":
        tokens.pop()
        columns.append(_word(tokens))
    return tuple(columns)


def _condition(tokens: list[re.Match[str]]) -> Condition:
    name = _word(tokens)
    sign = tokens.pop()["sign"] or "" if tokens else ""
    text = tokens.pop()["text"] if tokens else None
    if sign not in _COMPARISONS or text is None:
        raise QuerySyntaxError(f"{name} is not compared with a string")
    return Condition(name, sign, re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL))


def _expect(tokens: list[re.Match[str]], keyword: str) -> None:
    word = _word(tokens)
    if word.lower() != keyword:
        raise QuerySyntaxError(f"{word!r} stands where {keyword!r} should")


def _word(tokens: list[re.Match[str]]) -> str:
    word = tokens.pop()["word"] if tokens else None
    if word is None:
        raise QuerySyntaxError("a name is missing")
    return word
