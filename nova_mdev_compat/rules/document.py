# SPDX-License-Identifier: Apache-2.0
"""YAML text to plain data that remembers where each value stood.

A subset of YAML on purpose: mappings with unique text keys, sequences and
scalars. Aliases, anchors and tags are refused, so that no file of any size
takes more than linear time and memory.
"""

import dataclasses
from typing import Any

import yaml

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 16

_NULL = frozenset({'', '~', 'null', 'Null', 'NULL'})
_QUOTE_STAR = 'put quotes around a text that starts with *'
_HINTS = {'scanning an alias': _QUOTE_STAR, r"'\t'": 'indent with spaces'}
_UNPRINTABLE = '{!r} is not a printable character'

Path = tuple[str | int, ...]
Mark = tuple[int, int]


class DocumentError(ValueError):
    """Text that is no document.

    :ivar line: where, from 1
    :ivar column: where, from 1
    """

    def __init__(self, message: str, line: int = 1, column: int = 1):
        super().__init__(message)
        self.line = line
        self.column = column


@dataclasses.dataclass(frozen=True)
class Document:
    """Plain data that knows where it stood.

    :ivar marks: line and column (from 1) of the value at each path
    :ivar keys: line and column of its key, where it has one
    """

    data: Any
    marks: dict[Path, Mark] = dataclasses.field(default_factory=dict)
    keys: dict[Path, Mark] = dataclasses.field(default_factory=dict)


class _Loader(yaml.SafeLoader):
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _error(
                f'aliases (*name) are not allowed; {_QUOTE_STAR}',
                event.start_mark,
            )
        if event.anchor is not None:
            raise _error('anchors (&name) are not allowed', event.start_mark)
        if event.tag is not None:
            raise _error('tags (!name) are not allowed', event.start_mark)
        if self.depth == MAX_DEPTH:
            raise _error(
                f'nested deeper than {MAX_DEPTH} levels', event.start_mark
            )
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def parse(raw: bytes) -> Document:
    """Return what a YAML text says.

    :raises DocumentError: it is too large, not UTF-8, not YAML, or uses
        what a rule file has no need of
    """
    if len(raw) > MAX_BYTES:
        raise DocumentError(f'larger than {MAX_BYTES} bytes')
    try:
        text = raw.decode('utf-8')
    except UnicodeDecodeError as exc:
        before = raw[: exc.start].decode('utf-8')
        raise DocumentError('not UTF-8', *_end_of(before)) from exc
    try:
        node = _compose(text)
    except yaml.MarkedYAMLError as exc:
        raise _error(_problem(exc), exc.problem_mark) from exc
    except yaml.reader.ReaderError as exc:
        raise DocumentError(
            _UNPRINTABLE.format(chr(exc.character)),
            *_end_of(text[: exc.position]),
        ) from exc
    if node is None:
        raise DocumentError('there is nothing in this file')
    return _Builder().build(node)


def _end_of(text: str) -> Mark:
    return text.count('\n') + 1, len(text) - text.rfind('\n')


def _problem(exc: yaml.MarkedYAMLError) -> str:
    words = [str(word) for word in (exc.context, exc.problem) if word]
    problem = f'not YAML: {", ".join(words)}'
    return problem + ''.join(
        f'; {hint}' for sign, hint in _HINTS.items() if sign in problem
    )


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    except DocumentError:
        raise
    except (ValueError, OverflowError) as exc:
        # PyYAML lets Python's own errors through: "\\UFFFFFFFF".
        raise _error(
            'not YAML: a number or an escape is out of range',
            loader.get_mark(),
        ) from exc
    finally:
        loader.dispose()


class _Builder:
    """Makes plain data of nodes, and notes where each value stood."""

    def __init__(self) -> None:
        self.marks: dict[Path, Mark] = {}
        self.keys: dict[Path, Mark] = {}

    def build(self, node: yaml.Node) -> Document:
        return Document(self._plain(node, ()), self.marks, self.keys)

    def _plain(self, node: yaml.Node, path: Path) -> Any:
        self.marks[path] = _position(node.start_mark)
        if isinstance(node, yaml.SequenceNode):
            return [
                self._plain(item, (*path, index))
                for index, item in enumerate(node.value)
            ]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = _key(key_node)
            if key in result:
                raise _error(
                    f'key {key!r} stands here twice', key_node.start_mark
                )
            self.keys[(*path, key)] = _position(key_node.start_mark)
            result[key] = self._plain(value_node, (*path, key))
        return result


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _error('a list or a mapping cannot be a key', node.start_mark)
    key = _scalar(node)
    if isinstance(key, Unquoted):
        raise _error(f'put quotes around the key {key}', node.start_mark)
    return key


def _scalar(node: yaml.Node) -> 'str | Unquoted':
    """Return text; anything YAML takes for a number or a switch as itself.

    The schema refuses the latter wherever a version or name is meant, which
    is how a forgotten pair of quotes (``550.90``, ``on``) is found.
    """
    if node.tag != 'tag:yaml.org,2002:str':
        return Unquoted(node.value)
    # Names are printed in logs and tables: no line breaks, no escapes.
    for character in node.value:
        if not character.isprintable():
            raise _error(_UNPRINTABLE.format(character), node.start_mark)
    return str(node.value)


@dataclasses.dataclass(frozen=True)
class Unquoted:
    """A scalar that YAML does not read as text."""

    text: str

    @property
    def is_empty(self) -> bool:
        return self.text in _NULL

    def __str__(self) -> str:
        return self.text


def _position(mark: Any) -> Mark:
    return mark.line + 1, mark.column + 1


def _error(message: str, mark: Any) -> DocumentError:
    return DocumentError(message, *(_position(mark) if mark else ()))
