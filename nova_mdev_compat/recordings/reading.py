# SPDX-License-Identifier: Apache-2.0
"""A recording, read back."""

from collections.abc import Iterable, Mapping
import json
from typing import Any

import jsonschema

from nova_mdev_compat.collector import parents as par
from nova_mdev_compat.collector import publication
from nova_mdev_compat import exceptions
from nova_mdev_compat import identity as ident
from nova_mdev_compat import pattern as pat
from nova_mdev_compat.recordings import schema
from nova_mdev_compat.rules import evaluation
from nova_mdev_compat import traits
from nova_mdev_compat import verdict

_HOW = 'make one with "nova-mdev-collector --dry-run --format json"'


class RecordingError(exceptions.BadInput):
    """A file that is no recording of a host; the message names it."""


def parse(name: str, text: str | bytes) -> publication.Host:
    """Return a host from what --dry-run --format json printed of it.

    :param name: what to call it in an error
    :raises RecordingError: it is something else
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise RecordingError(f'{name}: no JSON: {exc}; {_HOW}') from exc
    fault = jsonschema.exceptions.best_match(
        schema.VALIDATOR.iter_errors(data))
    if fault is not None:
        raise RecordingError(
            f'{name}: {_where(fault.absolute_path)}: {_what(fault)}; {_HOW}')
    try:
        return publication.Host(
            data['host'], tuple(map(_parent, data['parents'])))
    except (ident.IdentityError, traits.TraitError) as exc:
        raise RecordingError(f'{name}: {exc}; {_HOW}') from exc


def _where(path: Iterable[str | int]) -> str:
    return '.'.join(map(str, path)) or 'as a whole'


def _what(fault: jsonschema.ValidationError) -> str:
    if fault.validator == 'const':
        return (f'{fault.instance!r}, where this version reads '
                f'{fault.validator_value!r}')
    return str(fault.message)[:200]


def _parent(item: Mapping[str, Any]) -> publication.ParentTraits:
    parent = par.Parent(
        name=item['name'], parent_id=item['parent_id'],
        offered=tuple(item['offered_types']),
        target_type=item['target_type'], device_api=item['device_api'],
        in_use=frozenset(item['in_use_types']), facts=item['facts'],
        unknown=item['unknown_facts'])
    return publication.ParentTraits(
        parent, frozenset(publication.identity_traits(parent)),
        _patterns(item['accepts']), tuple(map(_outcome, item['rules'])),
        item['note'], item['vendor_plugin'])


def _outcome(item: Mapping[str, Any]) -> evaluation.Outcome:
    return evaluation.Outcome(
        item['name'], item['source'], _patterns(item['accepts']),
        tuple(verdict.Reason(verdict.Cause(reason['cause']), reason['text'])
              for reason in item['skipped_because']))


def _patterns(names: Iterable[str]) -> dict[str, pat.Pattern]:
    return {name: traits.decode_pattern(name) for name in names}
