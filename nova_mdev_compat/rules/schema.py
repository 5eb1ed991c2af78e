# SPDX-License-Identifier: Apache-2.0
"""What a rule file looks like, as JSON Schema (draft 2020-12).

Versions are ``MAJOR.MINOR``. A file of a version that is not known here is
refused, of a newer minor one, too: a key that nobody knows may be what makes
its rules strict. Every description completes the sentence "must be …".
"""

from collections.abc import Iterator
import dataclasses
import re
from typing import Any

import jsonschema

from nova_mdev_compat.rules import document

#: Since the second one there is ``devices``.
VERSIONS = ('1.0', '1.1')
MAX_TEXT = 200
MAX_RULES = 1000
#: What a vendor must be; the loader has the last word.
VENDOR = (
    'a PCI vendor id, "10de", the subsystem of devices without PCI ids, '
    '"mtty", or "*"'
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
# JSON Schema's keywords speak for one kind of value each, so that one object
# can say what text, list and mapping must be like. oneOf would say the same
# and leave nobody any the wiser.
_CONDITION = {
    **_TEXT,
    'items': _TEXT,
    'minItems': 1,
    **_RANGE,
    'description': 'text, a list of texts, or a range of at_least, above, '
    'at_most, below and except',
    'type': ['string', 'array', 'object'],
}
# Fact names are checked by the loader, which has the better message.
_FACTS = {
    'description': 'a mapping of fact names',
    'type': 'object',
    'additionalProperties': _CONDITION,
}
_PRODUCTS = {
    'description': 'a list of product ids (["2235"])',
    'type': 'array',
    'minItems': 1,
    'items': {
        'description': 'four hexadecimal digits, "2235"',
        'type': 'string',
        'pattern': '^[0-9A-Fa-f]{4}$',
    },
}
_TYPES = {
    'description': 'a list of mdev types (["nvidia-558"])',
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
            'description': ' or '.join(f'"{one}"' for one in VERSIONS),
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
                        'description': 'a mapping of product, type and facts',
                        'type': 'object',
                        'additionalProperties': False,
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
#: All of 1.0 and 1.1 that were not taken.
_NEWER = re.compile(r'1\.[1-9][0-9]*')
_VALIDATOR = jsonschema.Draft202012Validator(RULE_FILE)


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that the schema does not allow.

    :ivar path: where
    :ivar message: what is wrong and what would be right
    :ivar unknown: it is the key itself, which nobody knows
    :ivar missing: it is a key that is not there
    """

    path: document.Path
    message: str
    unknown: bool = False
    missing: bool = False


def faults(data: Any) -> Iterator[Fault]:
    """Return what is wrong with a document's data."""
    return map(_fault, _VALIDATOR.iter_errors(data))


def _fault(error: jsonschema.ValidationError) -> Fault:
    path, value = tuple(error.absolute_path), error.instance
    if error.validator == 'additionalProperties':
        known = error.schema['properties']
        key = next(key for key in value if key not in known)
        return Fault(
            (*path, key),
            f'unknown key; known: {", ".join(sorted(known))}',
            unknown=True,
        )
    if error.validator == 'required':
        key = next(key for key in error.validator_value if key not in value)
        right = error.schema['properties'][key]['description']
        return Fault(
            path, f'key {key!r} is missing; it must be {right}', missing=True
        )
    return Fault(path, _explain(value, error.schema))


def _explain(value: Any, schema: dict[str, Any]) -> str:
    right = schema['description']
    if not isinstance(value, document.Unquoted):
        newer = schema.get('enum') == [*VERSIONS] and _NEWER.fullmatch(
            str(value)
        )
        return f'must be {right}, not {_kind(value)}' + (
            ', which a newer release of nova-mdev-compat reads'
            if newer
            else ''
        )
    if value.is_empty:
        return f'there is no value; it must be {right}'
    if 'string' in schema['type'] and value.text in schema.get(
        'enum', [value.text]
    ):
        return f'put quotes around {value}'
    return f'must be {right}, not {value}'


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return (
            repr(value)
            if len(value) <= MAX_TEXT
            else f'{len(value)} characters'
        )
    kind = 'list' if isinstance(value, list) else 'mapping'
    if not value:
        return f'an empty {kind}'
    return (
        f'a {kind}' if len(value) <= MAX_RULES else f'a {kind} of {len(value)}'
    )
