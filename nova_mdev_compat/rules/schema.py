# SPDX-License-Identifier: Apache-2.0
"""The form of a rule file, as JSON Schema (draft 2020-12).

Versions are ``MAJOR.MINOR``. A file of an unknown version is refused, even of
a newer minor one: a key that this release does not know may be what makes its
rules strict. Every scalar is a text. Every description completes the sentence
"must be …".
"""

from collections.abc import Iterator
import contextlib
import re
from typing import Any

import jsonschema

from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import yaml_document

#: ``devices`` exists since 1.1.
VERSIONS = ('1.0', '1.1')
MAX_TEXT = 200
MAX_RULES = 1000
#: Characters of a key in a message.
_MAX_KEY = 60
#: What a vendor must be; the parser checks it.
VENDOR = (
    'a PCI vendor id (10de), the subsystem of devices without PCI ids '
    '(mtty), or "*"'
)

_TEXT = {
    'description': f'text of 1 to {MAX_TEXT} characters',
    'type': 'string',
    'minLength': 1,
    'maxLength': MAX_TEXT,
}
_RANGE = {
    'minProperties': 1,
    'additionalProperties': False,
    'properties': {
        'at_least': _TEXT,
        'above': _TEXT,
        'at_most': _TEXT,
        'below': _TEXT,
        'except': {
            'description': 'a list of texts',
            'type': 'array',
            'items': _TEXT,
            'minItems': 1,
        },
    },
}
# Each keyword of JSON Schema applies to one kind of value, so one object can
# describe text, list and mapping. The errors of oneOf would not name the
# part that is wrong.
_CONDITION = {
    **_TEXT,
    'items': _TEXT,
    'minItems': 1,
    **_RANGE,
    'description': 'text, a list of texts, or a range of at_least, above, '
    'at_most, below and except',
    'type': ['string', 'array', 'object'],
}
# Fact names are checked by the parser, which has the better message.
_FACTS = {
    'description': 'a mapping of fact names',
    'type': 'object',
    'additionalProperties': _CONDITION,
}
_PRODUCTS = {
    'description': 'a list of product ids ([2235])',
    'type': 'array',
    'minItems': 1,
    'items': {
        'description': 'four hexadecimal digits (2235)',
        'type': 'string',
        'pattern': '^[0-9A-Fa-f]{4}$',
    },
}
_TYPES = {
    'description': 'a list of mdev types ([nvidia-558])',
    'type': 'array',
    'items': _TEXT,
    'minItems': 1,
}


def _or_words(values: dict[str, Any]) -> dict[str, Any]:
    return {
        **values,
        'description': f'same, any or {values["description"]}',
        'type': ['string', 'array'],
        'pattern': '^(same|any)$',
    }


_TARGET = {
    'description': 'a mapping of product, type and facts',
    'type': 'object',
    'additionalProperties': False,
    'properties': {'product': _PRODUCTS, 'type': _TYPES, 'facts': _FACTS},
}
RULE_FILE = {
    '$schema': 'https://json-schema.org/draft/2020-12/schema',
    'description': 'a mapping with schema_version, vendor and rules',
    'type': 'object',
    'additionalProperties': False,
    'required': ['schema_version', 'vendor', 'rules'],
    'properties': {
        'schema_version': {
            'description': ' or '.join(VERSIONS),
            'type': 'string',
            'enum': [*VERSIONS],
        },
        'vendor': {**_TEXT, 'description': VENDOR},
        'devices': {**_TARGET, 'minProperties': 1},
        'rules': {
            'description': f'a list of up to {MAX_RULES} rules',
            'type': 'array',
            'maxItems': MAX_RULES,
            'items': {
                'description': 'a mapping with name and accepts',
                'type': 'object',
                'additionalProperties': False,
                'required': ['name', 'accepts'],
                'properties': {
                    'name': _TEXT,
                    'target': _TARGET,
                    'accepts': {
                        **_TARGET,
                        'properties': {
                            'product': _or_words(_PRODUCTS),
                            'type': _or_words(_TYPES),
                            'facts': _FACTS,
                        },
                    },
                },
            },
        },
    },
}
#: Minor versions that do not exist yet.
_NEWER = re.compile(r'1\.[1-9][0-9]*')
_VALIDATOR = jsonschema.Draft202012Validator(RULE_FILE)


class Fault(ValueError):
    """Something wrong in a document, and where.

    As in jsonschema, a fault is raised with the path that is known there, and
    callers prepend theirs: see at.

    :ivar path: where
    :ivar message: what is wrong and what would be right
    :ivar key: it is the key and not its value
    :ivar missing: it is a key that is not there
    """

    def __init__(
        self,
        message: str,
        *path: str | int,
        key: bool = False,
        missing: bool = False,
    ):
        super().__init__(message)
        self.path: yaml_document.Path = path
        self.message = message
        self.key = key
        self.missing = missing

    def mark(self, doc: yaml_document.Document) -> yaml_document.Mark:
        """Return line and column."""
        return (doc.keys if self.key else doc.marks)[self.path]

    def error(self, file: str, doc: yaml_document.Document) -> model.RuleError:
        """Return an error with the position, the rule's name and the key."""
        path, rule = self.path, None
        if len(path) > 1 and path[0] == 'rules':
            item = doc.data['rules'][path[1]]
            name = item.get('name') if isinstance(item, dict) else None
            rule = str(int(path[1]) + 1)
            if isinstance(name, str) and 0 < len(name) <= MAX_TEXT:
                rule = repr(name)
            path = path[2:]
        where = '.'.join(
            key if len(key) <= _MAX_KEY else f'{key[:_MAX_KEY]}…'
            for key in path
            if isinstance(key, str)
        )
        if path and isinstance(path[-1], int):
            where += f' entry {path[-1] + 1}'
        return model.RuleError(
            f'{where}: {self.message}' if where else self.message,
            model.Position(file, *self.mark(doc)),
            rule,
        )


@contextlib.contextmanager
def at(*path: str | int) -> Iterator[None]:
    """Prepend a path to that of a fault."""
    try:
        yield
    except Fault as exc:
        exc.path = (*path, *exc.path)
        raise


def faults(data: Any) -> Iterator[Fault]:
    """Return what the schema does not allow in a document's data."""
    for error in _VALIDATOR.iter_errors(data):
        path, value = tuple(error.absolute_path), error.instance
        known = error.schema.get('properties', {})
        if error.validator == 'additionalProperties':
            key = next(key for key in value if key not in known)
            text = f'unknown key; known: {", ".join(sorted(known))}'
            yield Fault(text, *path, key, key=True)
        elif error.validator == 'required':
            key = next(
                key for key in error.validator_value if key not in value
            )
            right = known[key]['description']
            text = f'missing key {key!r}; it must be {right}'
            yield Fault(text, *path, missing=True)
        else:
            right = error.schema['description']
            text = f'no value (empty, null or ~); must be {right}'
            if value is not None:
                text = f'must be {right}, not {_shown(value)}'
            if error.validator == 'enum' and _NEWER.fullmatch(str(value)):
                text += '; a newer release of nova-mdev-compat reads it'
            yield Fault(text, *path)


def _shown(value: Any) -> str:
    """Return a value of the wrong type or size as a message shows it."""
    size = len(value)
    if isinstance(value, str):
        return repr(value) if size <= MAX_TEXT else f'{size} characters'
    name = 'list' if isinstance(value, list) else 'mapping'
    if not size:
        return f'an empty {name}'
    return f'a {name}' if size <= MAX_RULES else f'a {name} of {size}'
