# SPDX-License-Identifier: Apache-2.0
"""YAML text to plain data, with the position of each value.

A subset of YAML: mappings with unique text keys, sequences, and scalars,
which are texts as written (``550.90``, ``on``, ``0123``). Aliases, anchors
and tags are refused, so that a file of any content takes linear time and
memory.
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
    """A text that cannot be read as a document.

    :ivar line: where, from 1
    :ivar column: where, from 1
    """

    def __init__(self, message: str, line: int = 1, column: int = 1):
        super().__init__(message)
        self.line = line
        self.column = column


@dataclasses.dataclass(frozen=True)
class Document:
    """Plain data and its positions.

    :ivar data: mappings, lists and texts; None for a plain null, ``~`` or
        nothing
    :ivar marks: line and column (from 1) of the value at each path
    :ivar keys: line and column of its key, where it has one
    """

    data: Any
    marks: dict[Path, Mark] = dataclasses.field(default_factory=dict)
    keys: dict[Path, Mark] = dataclasses.field(default_factory=dict)

    def position(self, path: Path) -> Mark:
        """Return the position of a key, or of its container."""
        while path not in self.keys and path not in self.marks:
            path = path[:-1]
        return self.keys.get(path) or self.marks[path]


class _Loader(yaml.BaseLoader):
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        refused = None
        if isinstance(event, yaml.AliasEvent):
            refused = f'aliases (*name) are not allowed; {_QUOTE_STAR}'
        elif event.anchor is not None:
            refused = 'anchors (&name) are not allowed'
        elif event.tag is not None:
            refused = 'tags (!name) are not allowed'
        elif self.depth == MAX_DEPTH:
            refused = f'nested deeper than {MAX_DEPTH} levels'
        if refused:
            raise _error(refused, event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def parse(raw: bytes) -> Document:
    """Return the content of a YAML text.

    :raises DocumentError: it is too large, not UTF-8, not YAML, or uses a
        part of YAML that is refused here
    """
    if len(raw) > MAX_BYTES:
        raise DocumentError(f'larger than {MAX_BYTES} bytes')
    try:
        text = raw.decode('utf-8')
    except UnicodeDecodeError as exc:
        before = raw[: exc.start].decode('utf-8')
        raise DocumentError('not UTF-8', *_end_of(before)) from exc
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as exc:
        raise DocumentError(
            _UNPRINTABLE.format(chr(exc.character)),
            *_end_of(text[: exc.position]),
        ) from exc
    try:
        node = loader.get_single_node()
    except DocumentError:
        raise
    except yaml.MarkedYAMLError as exc:
        problem = ', '.join(filter(None, [exc.context, exc.problem]))
        hints = [hint for sign, hint in _HINTS.items() if sign in problem]
        raise _error(
            '; '.join([f'not YAML: {problem}', *hints]), exc.problem_mark
        ) from exc
    except (ValueError, OverflowError) as exc:
        # PyYAML lets Python's own errors through: "\\UFFFFFFFF".
        raise _error(
            'not YAML: a number or an escape is out of range',
            loader.get_mark(),
        ) from exc
    if node is None:
        raise DocumentError('the file is empty')
    doc = Document(None)
    return dataclasses.replace(doc, data=_plain(node, (), doc))


def _end_of(text: str) -> Mark:
    return text.count('\n') + 1, len(text) - text.rfind('\n')


def _plain(node: yaml.Node, path: Path, doc: Document) -> Any:
    """Return a node as plain data, and record positions in a document."""
    doc.marks[path] = _position(node.start_mark)
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(item, (*path, index), doc)
            for index, item in enumerate(node.value)
        ]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        mark = key_node.start_mark
        if not isinstance(key_node, yaml.ScalarNode):
            raise _error('a list or a mapping cannot be a key', mark)
        key = _scalar(key_node)
        if key is None:
            raise _error('a key cannot be empty, null or ~', mark)
        if key in result:
            raise _error(f'duplicate key {key!r}', mark)
        doc.keys[(*path, key)] = _position(mark)
        result[key] = _plain(value_node, (*path, key), doc)
    return result


def _scalar(node: yaml.ScalarNode) -> str | None:
    if not node.style and node.value in _NULL:
        return None
    # Names are printed in logs and tables: no line breaks, no escapes.
    for character in node.value:
        if not character.isprintable():
            raise _error(_UNPRINTABLE.format(character), node.start_mark)
    return str(node.value)


def _position(mark: Any) -> Mark:
    return mark.line + 1, mark.column + 1


def _error(message: str, mark: Any) -> DocumentError:
    return DocumentError(message, *(_position(mark) if mark else ()))
