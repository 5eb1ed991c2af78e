# SPDX-License-Identifier: Apache-2.0
"""A snapshot of a host: the JSON of "nova-mdev-collector dry-run". Pure.

load ignores the keys that it does not need, such as those of newer minor
versions. All minor versions have the keys that it requires.
"""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import functools
import json
from typing import Any

import jsonschema

from nova_mdev_compat.common import files
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import verdict
from nova_mdev_compat.host import parents
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import evaluation

#: Its shape is described in the operator's guide.
SCHEMA_VERSION = '2.1'
#: In bytes; 256 parents with 64 accept patterns each, as many as one rule may
#: make, need half of it.
MAX_SIZE = 16 * 2**20

_HOW = '; make one with "nova-mdev-collector dry-run --format json"'
_TEXT = {'type': 'string'}
_TEXT_OR_NULL = {'type': ['string', 'null']}
_BY_NAME = {'type': 'object', 'additionalProperties': _TEXT}


def _list(items: object) -> dict[str, object]:
    return {'type': 'array', 'items': items}


_TEXTS = _list(_TEXT)


def _object(
    optional: Mapping[str, object] | None = None, **properties: object
) -> dict[str, object]:
    """Return the JSON schema of an object.

    :param optional: keys that older minor versions lack
    """
    return {
        'type': 'object',
        'properties': {**properties, **(optional or {})},
        'required': list(properties),
    }


_REASON = _object(
    cause={'enum': [cause.value for cause in verdict.Cause]}, text=_TEXT
)
_RULE = _object(
    name=_TEXT, source=_TEXT, accepts=_TEXTS, skipped_because=_list(_REASON)
)
#: A parent without its name.
_PARENT = jsonschema.Draft202012Validator(
    _object(
        # Why it could not be read. Only then may parent_id be empty.
        optional={'failure': _TEXT_OR_NULL},
        parent_id={'type': 'string', 'pattern': '^[A-Z0-9_]*$'},
        offered_types=_TEXTS,
        target_type=_TEXT_OR_NULL,
        device_api=_TEXT,
        in_use_types=_TEXTS,
        facts=_BY_NAME,
        unknown_facts=_BY_NAME,
        accepts=_TEXTS,
        rules=_list(_RULE),
        vendor_plugin=_TEXT_OR_NULL,
        note=_TEXT,
    )
)
#: A snapshot without the content of its parents.
_HOST = jsonschema.Draft202012Validator(
    _object(host=_TEXT, parents=_list(_object(name=_TEXT)))
)


def dump(host: host_traits.HostSnapshot) -> str:
    """Return all that is known about a host, as JSON."""
    combined = host_traits.build_host_traits(host.parents)
    return json.dumps(
        {
            'schema_version': SCHEMA_VERSION,
            'host': host.name,
            'mixed': combined.mixed,
            'root_traits': sorted(combined.root),
            'parents': [
                {
                    **_dump_parent(item),
                    'traits': sorted(combined.parents[item.parent.name]),
                }
                for item in host.parents
            ],
            'unused_mdevs': [
                {
                    'name': mdev.name,
                    'uuid': mdev.uuid,
                    'type': mdev.type,
                    'parent': mdev.parent,
                    'state': kind.value,
                }
                for mdev, kind in host.leftovers
            ],
            'remarks': list(host.remarks),
        },
        indent=2,
    )


def _dump_parent(item: host_traits.ParentTraits) -> dict[str, Any]:
    parent = item.parent
    return {
        'name': parent.name,
        'parent_id': parent.parent_id,
        'offered_types': list(parent.offered),
        'target_type': parent.target_type,
        'device_api': parent.device_api,
        'in_use_types': sorted(parent.in_use),
        'facts': dict(sorted(parent.facts.items())),
        'unknown_facts': dict(sorted(parent.unknown.items())),
        'accepts': sorted(item.accepts),
        'rules': [
            {
                'name': outcome.name,
                'source': outcome.source,
                'accepts': sorted(outcome.patterns),
                'skipped_because': [
                    {'cause': reason.cause.value, 'text': reason.text}
                    for reason in outcome.reasons
                ],
            }
            for outcome in item.outcomes
        ],
        'vendor_plugin': item.plugin,
        'note': item.note,
        'failure': str(item.failure) if item.failure else None,
    }


def load(name: str, raw: bytes) -> host_traits.HostSnapshot:
    """Return a host from its snapshot.

    :param name: the file's, for errors
    :raises files.FileError: it is not a snapshot that this release reads
    """
    data = files.parse_json(name, raw, SCHEMA_VERSION, hint=_HOW)
    try:
        _check(_HOST, data)
        return host_traits.HostSnapshot(
            data['host'],
            tuple(
                _load_parent(index, item)
                for index, item in enumerate(data['parents'])
            ),
        )
    except (_ShapeError, identity.IdentityError, traits.TraitError) as exc:
        raise files.FileError(f'{name} is invalid: {exc}{_HOW}') from exc


class _ShapeError(ValueError):
    """Something that the schema does not allow, and where."""

    def __init__(self, path: Sequence[str | int], what: str):
        super().__init__(f'{".".join(map(str, path)) or "as a whole"}: {what}')
        self.path = path
        self.what = what


def _check(validator: Any, data: Any) -> None:
    error = jsonschema.exceptions.best_match(validator.iter_errors(data))
    if error is not None:
        raise _ShapeError(list(error.absolute_path), str(error.message)[:200])


def _load_parent(
    index: int, item: Mapping[str, Any]
) -> host_traits.ParentTraits:
    content = {key: value for key, value in item.items() if key != 'name'}
    try:
        found = _load_content(json.dumps(content, sort_keys=True))
    except _ShapeError as exc:
        raise _ShapeError(['parents', index, *exc.path], exc.what) from exc
    return dataclasses.replace(
        found, parent=dataclasses.replace(found.parent, name=item['name'])
    )


@functools.lru_cache(maxsize=1024)
def _load_content(content: str) -> host_traits.ParentTraits:
    """Return a parent without its name, which equal virtual functions share."""
    item = json.loads(content)
    _check(_PARENT, item)
    parent = parents.MdevParent(
        name='',
        parent_id=item['parent_id'],
        offered=tuple(item['offered_types']),
        target_type=item['target_type'],
        device_api=item['device_api'],
        in_use=frozenset(item['in_use_types']),
        facts=item['facts'],
        unknown=item['unknown_facts'],
    )
    failure = item.get('failure')
    if failure is not None:
        unread = () if parent.parent_id else (traits.PARENT,)
        return host_traits.unreadable(
            parent, exceptions.Failure(failure), unread
        )
    if not parent.parent_id:
        raise _ShapeError(['parent_id'], 'it is empty')
    return host_traits.ParentTraits(
        parent,
        frozenset(host_traits.identity_traits(parent)),
        _patterns(item['accepts']),
        tuple(map(_outcome, item['rules'])),
        item['note'],
        item['vendor_plugin'],
    )


def _outcome(item: Mapping[str, Any]) -> evaluation.RuleOutcome:
    return evaluation.RuleOutcome(
        item['name'],
        item['source'],
        _patterns(item['accepts']),
        tuple(
            verdict.Reason(verdict.Cause(reason['cause']), reason['text'])
            for reason in item['skipped_because']
        ),
    )


def _patterns(names: Iterable[str]) -> dict[str, pattern.Pattern]:
    return {name: traits.decode_pattern(name) for name in names}
