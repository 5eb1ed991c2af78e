# SPDX-License-Identifier: Apache-2.0
"""A recording, read back."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import functools
import json
from typing import Any

import jsonschema

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import schema_version
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import verdict
from nova_mdev_compat.daemons.collector import report
from nova_mdev_compat.host import parents
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication import snapshot_schema
from nova_mdev_compat.rules import evaluation

_HOW = 'make one with "nova-mdev-collector dry-run --format json"'


class RecordingError(exceptions.BadInput):
    """A file that is no recording of a host; the message names it."""


def parse(name: str, text: str | bytes) -> host_traits.Host:
    """Return a host from what dry-run --format json printed of it.

    :param name: what to call it in an error
    :raises RecordingError: it is something else
    """
    try:
        data = json.loads(text)
        schema_version.check(data, report.SCHEMA_VERSION)
        _check(snapshot_schema.HOST, data)
        return host_traits.Host(
            data['host'],
            tuple(
                _parent(index, item)
                for index, item in enumerate(data['parents'])
            ),
        )
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


_MISTAKES = (
    _Fault,
    identity.IdentityError,
    traits.TraitError,
    schema_version.VersionError,
)


def _check(validator: Any, data: Any) -> None:
    fault = jsonschema.exceptions.best_match(validator.iter_errors(data))
    if fault is not None:
        raise _Fault(list(fault.absolute_path), str(fault.message)[:200])


def _parent(index: int, item: Mapping[str, Any]) -> host_traits.ParentTraits:
    content = {key: value for key, value in item.items() if key != 'name'}
    try:
        alike = _without_name(json.dumps(content, sort_keys=True))
    except _Fault as exc:
        raise _Fault(['parents', index, *exc.path], exc.what) from exc
    return dataclasses.replace(
        alike, parent=dataclasses.replace(alike.parent, name=item['name'])
    )


@functools.lru_cache(maxsize=1024)
def _without_name(content: str) -> host_traits.ParentTraits:
    """Return a parent; the virtual functions of all equal boards are one."""
    item = json.loads(content)
    _check(snapshot_schema.PARENT, item)
    parent = parents.Parent(
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
        raise _Fault(['parent_id'], 'it is empty')
    return host_traits.ParentTraits(
        parent,
        frozenset(host_traits.identity_traits(parent)),
        _patterns(item['accepts']),
        tuple(map(_outcome, item['rules'])),
        item['note'],
        item['vendor_plugin'],
    )


def _outcome(item: Mapping[str, Any]) -> evaluation.Outcome:
    return evaluation.Outcome(
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
