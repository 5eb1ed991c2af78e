# SPDX-License-Identifier: Apache-2.0
"""What is needed of a recording, as JSON Schema (draft 2020-12).

Recordings are written by collector/report.py. Keys that nothing here needs
(traits, which are made again from the rest), and those of newer minor
versions, are let through. What is required is in all minor versions.
"""

from collections.abc import Mapping

import jsonschema

from nova_mdev_compat.core import verdict

_TEXT = {'type': 'string'}
_TEXTS = {'type': 'array', 'items': _TEXT}
_TEXT_OR_NULL = {'type': ['string', 'null']}
_BY_NAME = {'type': 'object', 'additionalProperties': _TEXT}


def _object(
    optional: Mapping[str, object] | None = None, **properties: object
) -> dict[str, object]:
    """Return the schema of an object.

    :param optional: what newer minor versions have besides
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
    name=_TEXT,
    source=_TEXT,
    accepts=_TEXTS,
    skipped_because={'type': 'array', 'items': _REASON},
)
_PARENT = _object(
    # Why it could not be read, and only then may there be no parent_id.
    optional={'failure': _TEXT_OR_NULL},
    parent_id={'type': 'string', 'pattern': '^[A-Z0-9_]*$'},
    offered_types=_TEXTS,
    target_type=_TEXT_OR_NULL,
    device_api=_TEXT,
    in_use_types=_TEXTS,
    facts=_BY_NAME,
    unknown_facts=_BY_NAME,
    accepts=_TEXTS,
    rules={'type': 'array', 'items': _RULE},
    vendor_plugin=_TEXT_OR_NULL,
    note=_TEXT,
)
_HOST = _object(
    host=_TEXT, parents={'type': 'array', 'items': _object(name=_TEXT)}
)

#: A recording but for what is in its parents, and one parent without its name.
HOST = jsonschema.Draft202012Validator(_HOST)
PARENT = jsonschema.Draft202012Validator(_PARENT)
