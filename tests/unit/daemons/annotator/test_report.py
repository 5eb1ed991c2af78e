# SPDX-License-Identifier: Apache-2.0
"""What dry-run prints."""

import json

import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.daemons import updates
from nova_mdev_compat.late_check import domain_xml
from tests.unit import samples

A, B = '11111111-1111-4111-8111-111111111111', 'b' * 36
MTTY = identity.Identity.of('MTTY', 'mtty-1', {'kernel': '6.1.0-18'})


def plan(name, where, *entries):
    return updates.DomainUpdate(
        updates.DomainState(
            name, f'uuid of {name}', domain_xml.Domain(()), None
        ),
        entries,
        where,
    )


def entry(uuid, source, why=''):
    return updates.AnnotationEntry(
        domain_xml.AnnotatedDevice(uuid, source), why
    )


VFIO = samples.with_facts(framework='vfio')
PLANS = [
    plan(
        'new',
        ('live', 'config'),
        entry(A, MTTY),
        entry(B, None, 'no device file'),
    ),
    plan('right', (), entry(A, samples.A16, 'no device file')),
    plan('left', ('live',)),
    plan(
        'function',
        ('live',),
        updates.AnnotationEntry(
            domain_xml.AnnotatedDevice('0000:81:00.4', VFIO, 'VFIO')
        ),
    ),
]
TABLE = samples.DATA / 'annotator/plans.txt'


class ReportTest(testtools.TestCase):
    def test_table(self):
        self.assertEqual(TABLE.read_text(), updates.as_table(PLANS) + '\n')

    def test_nothing(self):
        self.assertEqual(
            'No running domain has mdevs, or virtual functions with a VFIO '
            'variant driver.',
            updates.as_table([]),
        )
        self.assertEqual(
            {'schema_version': '1.1', 'domains': []},
            json.loads(updates.as_json([])),
        )

    def test_json(self):
        new, right, left, function = json.loads(updates.as_json(PLANS))[
            'domains'
        ]
        self.assertEqual(
            {
                'name': 'new',
                'uuid': 'uuid of new',
                'action': 'write',
                'where': ['live', 'config'],
                'mdevs': [
                    {
                        'uuid': A,
                        'unknown_because': None,
                        'identity': {
                            'parent': 'mtty',
                            'type': 'mtty-1',
                            'facts': {'kernel': '6.1.0.18'},
                        },
                    },
                    {
                        'uuid': B,
                        'unknown_because': 'no device file',
                        'identity': None,
                    },
                ],
                'functions': [],
                'element': domain_xml.write_annotation(
                    [
                        domain_xml.AnnotatedDevice(A, MTTY),
                        domain_xml.AnnotatedDevice(B, None),
                    ]
                ),
            },
            new,
        )
        self.assertEqual(('none', []), (right['action'], right['where']))
        self.assertEqual(
            ('remove', [], None),
            (left['action'], left['mdevs'], left['element']),
        )
        self.assertEqual([], function['mdevs'])
        (entry,) = function['functions']
        self.assertEqual(
            ('0000:81:00.4', 'vfio', None),
            (
                entry['address'],
                entry['identity']['facts']['framework'],
                entry['unknown_because'],
            ),
        )
