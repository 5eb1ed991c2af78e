# SPDX-License-Identifier: Apache-2.0
"""A recording, read back."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import functools
import json
from typing import Any

import jsonschema

from nova_mdev_compat.collector import parents as par
from nova_mdev_compat.collector import publication
from nova_mdev_compat.collector import report
from nova_mdev_compat import exceptions
from nova_mdev_compat import identity as ident
from nova_mdev_compat import pattern as pat
from nova_mdev_compat.recordings import schema
from nova_mdev_compat.rules import evaluation
from nova_mdev_compat import schema_version
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
        schema_version.check(data, report.SCHEMA_VERSION)
        _check(schema.HOST, data)
        return publication.Host(data['host'], tuple(
            _parent(index, item)
            for index, item in enumerate(data['parents'])))
    except schema_version.OtherVersionError as exc:
        raise RecordingError(f'{name}: {exc}') from exc
    except (ValueError, RecursionError) as exc:
        what = str(exc)
        if not isinstance(exc, _MISTAKES):
            what = f'no JSON: {exc}'
        raise RecordingError(f'{name}: {what}; {_HOW}') from exc


class _Fault(ValueError):
    """Something that the schema does not allow, and where."""

    def __init__(self, path: Sequence[str | int], what: str):
        super().__init__(f'{".".join(map(str, path)) or "as a whole"}: {what}')
        self.path = path
        self.what = what


_MISTAKES = (_Fault, ident.IdentityError, traits.TraitError,
             schema_version.VersionError)


def _check(validator: Any, data: Any) -> None:
    fault = jsonschema.exceptions.best_match(validator.iter_errors(data))
    if fault is not None:
        raise _Fault(list(fault.absolute_path), str(fault.message)[:200])


def _parent(index: int, item: Mapping[str, Any]) -> publication.ParentTraits:
    content = {key: value for key, value in item.items() if key != 'name'}
    try:
        alike = _without_name(json.dumps(content, sort_keys=True))
    except _Fault as exc:
        raise _Fault(['parents', index, *exc.path], exc.what) from exc
    return dataclasses.replace(alike, parent=dataclasses.replace(
        alike.parent, name=item['name']))


@functools.lru_cache(maxsize=1024)
def _without_name(content: str) -> publication.ParentTraits:
    """Return a parent; the virtual functions of all equal boards are one."""
    item = json.loads(content)
    _check(schema.PARENT, item)
    parent = par.Parent(
        name='', parent_id=item['parent_id'],
        offered=tuple(item['offered_types']),
        target_type=item['target_type'], device_api=item['device_api'],
        in_use=frozenset(item['in_use_types']), facts=item['facts'],
        unknown=item['unknown_facts'])
    failure = item.get('failure')
    if failure is not None:
        unread = () if parent.parent_id else (traits.PARENT,)
        return publication.unreadable(
            parent, exceptions.Failure(failure), unread)
    if not parent.parent_id:
        raise _Fault(['parent_id'], 'it is empty')
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
