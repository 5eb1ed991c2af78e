# SPDX-License-Identifier: Apache-2.0
"""Placement's answers, prepared: what it would say, without the waiting."""

import dataclasses
import json
from typing import Any
from urllib import parse

from oslo_utils import uuidutils

from nova_mdev_compat.core import traits

MIGRATION = uuidutils.generate_uuid()


@dataclasses.dataclass(frozen=True)
class Answer:
    """A response whose body is decoded already."""

    body: Any
    status_code: int = 200
    text: str = ''

    def json(self):
        return self.body


class Answers:
    """Stands where the filter asks Placement; keeps each answer.

    :param targets: trees of the hosts that the request may go to
    :param source: tree of the instance's host
    :param mdevs: how many it has, on one board each, from the first on
    :param patterns: accept patterns of the rest of the cloud
    """

    def __init__(self, targets, source, mdevs, patterns):
        self._trees = [source, *targets]
        self._traits = {
            uuid: names
            for tree in self._trees
            for uuid, names in tree.traits().items()
        }
        self._patterns = patterns
        self._held = source.parents[:mdevs]
        self._answers = {}

    def send(self, method, url, body):
        if url not in self._answers:
            # Through JSON, so that no string is the same object as a host's.
            self._answers[url] = Answer(
                json.loads(json.dumps(self._answer(parse.urlsplit(url))))
            )
        return self._answers[url]

    def _answer(self, url):
        match url.path.split('/')[1:]:
            case ['allocations', consumer] if consumer == MIGRATION:
                return {
                    'allocations': {
                        uuid: {'resources': {'VGPU': 1}} for uuid in self._held
                    }
                }
            case ['resource_providers', uuid, 'traits']:
                return {
                    'traits': sorted(self._traits[uuid]),
                    'resource_provider_generation': 1,
                }
            case ['traits']:
                return {'traits': self._carried_traits()}
            case ['resource_providers']:
                return {
                    'resource_providers': self._providers(
                        **parse.parse_qs(url.query)
                    )
                }
        raise LookupError(url)

    def _carried_traits(self):
        names = set().union(*self._traits.values(), self._patterns)
        return [name for name in names if traits.is_ours(name)]

    def _providers(self, required=(), uuid=None):
        wanted = [
            set(names.removeprefix('in:').split(',')) for names in required
        ]
        return [
            {
                'uuid': one,
                'name': one,
                'generation': 1,
                'root_provider_uuid': tree.root,
                'parent_provider_uuid': None
                if one == tree.root
                else tree.root,
            }
            for tree in self._trees
            for one in (tree.root, *tree.parents)
            if one in (uuid or [one])
            and not any(
                names.isdisjoint(self._traits[one]) for names in wanted
            )
        ]
