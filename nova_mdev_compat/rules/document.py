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

Path = tuple[str | int, ...]


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
    """Plain data, and line and column (from 1) of the value at each path."""

    data: Any
    marks: dict[Path, tuple[int, int]]

    def mark(self, path: Path) -> tuple[int, int]:
        """Return where a value stood, or the nearest thing around it."""
        while path not in self.marks:
            path = path[:-1]
        return self.marks[path]


class _Loader(yaml.SafeLoader):
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise _error('aliases are not allowed', event.start_mark)
        if event.anchor is not None:
            raise _error('anchors are not allowed', event.start_mark)
        if event.tag is not None:
            raise _error('tags are not allowed', event.start_mark)
        if self.depth == MAX_DEPTH:
            raise _error(f'nested deeper than {MAX_DEPTH}', event.start_mark)
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
        line = raw.count(b'\n', 0, exc.start) + 1
        raise DocumentError('not UTF-8', line) from exc
    try:
        node = _compose(text)
    except yaml.MarkedYAMLError as exc:
        raise _error(str(exc.problem), exc.problem_mark) from exc
    except yaml.reader.ReaderError as exc:
        line = text.count('\n', 0, exc.position) + 1
        raise DocumentError('a character that YAML does not allow',
                            line) from exc
    if node is None:
        raise DocumentError('empty')
    marks: dict[Path, tuple[int, int]] = {}
    return Document(_plain(node, (), marks), marks)


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _plain(node: yaml.Node, path: Path,
           marks: dict[Path, tuple[int, int]]) -> Any:
    mark = node.start_mark
    marks[path] = (mark.line + 1, mark.column + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, index), marks)
                for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, marks)
    return _scalar(node)


def _mapping(node: yaml.MappingNode, path: Path,
             marks: dict[Path, tuple[int, int]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _scalar(key_node)
        if not isinstance(key, str):
            raise _error('a key that is not text', key_node.start_mark)
        if key in result:
            raise _error(f'key {key!r} stands here twice',
                         key_node.start_mark)
        result[key] = _plain(value_node, (*path, key), marks)
    return result


def _scalar(node: yaml.Node) -> Any:
    """Return text; anything YAML takes for a number or a switch as itself.

    The schema refuses the latter wherever a version or name is meant, which
    is how a forgotten pair of quotes (``550.90``, ``on``) is found.
    """
    if not isinstance(node, yaml.ScalarNode):
        return None
    if node.tag == 'tag:yaml.org,2002:str':
        return node.value
    return Unquoted(node.value)


@dataclasses.dataclass(frozen=True)
class Unquoted:
    """A scalar that YAML does not read as text."""

    text: str

    def __str__(self) -> str:
        return self.text


def _error(message: str, mark: yaml.Mark | None) -> DocumentError:
    if mark is None:
        return DocumentError(message)
    return DocumentError(message, mark.line + 1, mark.column + 1)
