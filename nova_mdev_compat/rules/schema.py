# SPDX-License-Identifier: Apache-2.0
"""What a rule file looks like, as JSON Schema (draft 2020-12).

Versions are ``MAJOR.MINOR``; a file of another major version is refused.
"""

VERSION = '1.0'

_TEXT = {'type': 'string', 'minLength': 1, 'maxLength': 200}
_TEXTS = {'type': 'array', 'items': _TEXT, 'minItems': 1, 'uniqueItems': True}
_PRODUCTS = {
    'type': 'array', 'minItems': 1, 'uniqueItems': True,
    'items': {'type': 'string', 'pattern': '^[0-9A-Fa-f]{4}$'}}
_CONDITION = {
    'oneOf': [
        _TEXT,
        _TEXTS,
        {'type': 'object', 'minProperties': 1, 'additionalProperties': False,
         'properties': {
             'at_least': _TEXT, 'above': _TEXT, 'at_most': _TEXT,
             'below': _TEXT, 'except': _TEXTS}}]}
# Fact names are checked by the loader, which has the better message.
_FACTS = {'type': 'object', 'additionalProperties': _CONDITION}


def _or_words(values: dict, *words: str) -> dict:
    return {'oneOf': [{'enum': list(words)}, values]}


RULE_FILE = {
    '$schema': 'https://json-schema.org/draft/2020-12/schema',
    'type': 'object', 'additionalProperties': False,
    'required': ['schema_version', 'vendor', 'rules'],
    'properties': {
        'schema_version': {'enum': [VERSION]},
        'vendor': _TEXT,
        'rules': {'type': 'array', 'minItems': 1, 'maxItems': 1000, 'items': {
            'type': 'object', 'additionalProperties': False,
            'required': ['name', 'accepts'],
            'properties': {
                'name': _TEXT,
                'target': {
                    'type': 'object', 'additionalProperties': False,
                    'properties': {'product': _PRODUCTS, 'type': _TEXTS,
                                   'facts': _FACTS}},
                'accepts': {
                    'type': 'object', 'additionalProperties': False,
                    'properties': {
                        'product': _or_words(_PRODUCTS, 'same', 'any'),
                        'type': _or_words(_TEXTS, 'same', 'any'),
                        'facts': _FACTS}}}}}}}
