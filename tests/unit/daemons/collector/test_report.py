# SPDX-License-Identifier: Apache-2.0
"""What dry-run prints, compared with tests/data/report as a whole."""

import dataclasses
import json

import ddt
import testtools

from nova_mdev_compat.core import pattern
from nova_mdev_compat.daemons import report
from nova_mdev_compat.daemons import state as collector_state
from nova_mdev_compat.host.parents import Mdev
from nova_mdev_compat.host import remarks
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication import snapshot
from nova_mdev_compat.rules import model
from tests.unit import samples

FILE = '/etc/nova-mdev-compat/rules.d/nvidia.yaml'


def _rules():
    _, rules = samples.rules('design_example.yaml')
    return model.RuleSet(
        {
            '10DE': tuple(
                dataclasses.replace(rule, source=f'{FILE}:4') for rule in rules
            )
        }
    )


def mixed():
    """Return a host with different parents."""
    old = {**samples.FACTS, 'driver': '535.54.03'}
    parents = [
        samples.parent(
            'pci_0000_84_00_0', in_use=frozenset({'nvidia-557', 'nvidia-556'})
        ),
        samples.parent('pci_0000_85_00_0', facts=old),
        samples.parent('pci_0000_86_00_0', target_type=None, facts={}),
        samples.parent('pci_0000_87_00_0', parent_id='8086_0BD5', facts={}),
    ]
    return host_traits.HostSnapshot(
        'compute1.example.org',
        tuple(host_traits.describe(parent, _rules()) for parent in parents),
    )


def alike():
    return host_traits.HostSnapshot(
        'compute2',
        tuple(
            host_traits.describe(samples.parent(name), _rules())
            for name in ('pci_0000_84_00_0', 'pci_0000_85_00_0')
        ),
    )


def vendors():
    """Return a host with facts and patterns from plugins."""

    def answer(*patterns):
        return host_traits.VendorAnswer('acme', frozenset(patterns))

    facts = {'driver': '550.90.07', 'os': 'rhel-9.6'}
    firmware = pattern.Condition('firmwareversion', pattern.Op.GE, '2_0')
    parents = [
        (
            samples.parent(
                'pci_0000_84_00_0',
                facts=facts,
                unknown={
                    'ecc': 'load the driver',
                    'mig': 'plugin acme does not say',
                },
            ),
            None,
        ),
        (
            samples.parent(
                'pci_0000_85_00_0', facts={**facts, 'firmwareversion': '2.1'}
            ),
            answer(
                pattern.Pattern('10DE_2235', 'NVIDIA_558', (firmware,)),
                pattern.Pattern('10DE_ANY', 'NVIDIA_557'),
            ),
        ),
        (
            samples.parent(
                'pci_0000_86_00_0',
                facts=facts,
                unknown={'firmwareversion': 'set [acme]firmware'},
            ),
            answer(),
        ),
    ]
    return host_traits.HostSnapshot(
        'compute4',
        tuple(
            host_traits.describe(parent, _rules(), given)
            for parent, given in parents
        ),
    )


def frameworks():
    """Return a host with mdevs, and with virtual functions on two boards."""
    facts = {**samples.FACTS, 'framework': 'vfio', 'revision': 'a1'}
    parents = [
        samples.parent('pci_0000_84_00_0'),
        samples.parent('0000:85:00.0', facts=facts, offered=('nvidia-558',)),
        samples.parent(
            '0000:86:00.0',
            facts=facts,
            offered=('nvidia-558',),
            target_type=None,
            in_use=frozenset({'nvidia-558'}),
            why_no_type=(
                'Nova may take a virtual function that has no type: '
                '0000:86:00.5: no vGPU type is set (current_vgpu_type is 0)'
            ),
        ),
    ]
    return host_traits.HostSnapshot(
        'compute5',
        tuple(host_traits.describe(parent, _rules()) for parent in parents),
    )


HOSTS = [
    ('mixed', mixed),
    ('frameworks', frameworks),
    ('alike', alike),
    ('vendors', vendors),
    ('empty', lambda: host_traits.HostSnapshot('compute3', ())),
]


@ddt.ddt
class ReportTest(testtools.TestCase):
    maxDiff = None

    def expected(self, name):
        return (samples.DATA / 'report' / name).read_text('utf-8')

    @ddt.data(*HOSTS)
    @ddt.unpack
    def test_table(self, name, host):
        self.assertEqual(
            self.expected(f'{name}.txt'), report.as_table(host()) + '\n'
        )

    @ddt.data(*HOSTS)
    @ddt.unpack
    def test_json(self, name, host):
        text = snapshot.dump(host())
        self.assertEqual(self.expected(f'{name}.json'), text + '\n')

    def test_json_has_the_traits(self):
        host = mixed()
        found = json.loads(snapshot.dump(host))
        combined = host_traits.build_host_traits(host.parents)
        self.assertEqual(sorted(combined.root), found['root_traits'])
        self.assertEqual(
            {name: sorted(names) for name, names in combined.parents.items()},
            {item['name']: item['traits'] for item in found['parents']},
        )


class RemarksTest(testtools.TestCase):
    """Remarks belong to no device and no trait."""

    def host(self, *parents):
        free, inactive = remarks.Unused.FREE, remarks.Unused.INACTIVE
        mdevs = [
            (
                Mdev('u1', 'nvidia-558', 'pci_0000_84_00_0', f'mdev_{number}'),
                why,
            )
            for number, why in enumerate((free, inactive, free))
        ]
        return host_traits.HostSnapshot(
            'compute1', parents, tuple(mdevs), ('one thing', 'another')
        )

    def test_table(self):
        (alone,) = alike().parents[:1]
        for parents in ((), (alone,)):
            self.assertEqual(
                [
                    'Free, and used again by Nova: mdev_0, mdev_2.',
                    'Note: one thing.',
                    'Note: another.',
                ],
                report.as_table(self.host(*parents)).splitlines()[-3:],
            )

    def test_json(self):
        found = json.loads(snapshot.dump(self.host()))
        self.assertEqual(['one thing', 'another'], found['remarks'])
        self.assertEqual(
            ['free', 'inactive', 'free'],
            [item['state'] for item in found['unused_mdevs']],
        )
        self.assertEqual(
            {
                'name': 'mdev_1',
                'uuid': 'u1',
                'type': 'nvidia-558',
                'parent': 'pci_0000_84_00_0',
                'state': 'inactive',
            },
            found['unused_mdevs'][1],
        )

    def test_status(self):
        state = collector_state.State(60.0, remarks=['one thing', 'another'])
        table = report.state_as_table(state, [])
        self.assertRegex(table, r'(?m)^\| note +\| one thing +\|$')
        self.assertRegex(table, r'(?m)^\| note +\| another +\|$')
        self.assertEqual(
            ['one thing', 'another'],
            json.loads(report.state_as_json(state, []))['remarks'],
        )

    def test_why_there_is_no_type(self):
        """On several lines, as the list of types is long."""
        parent = samples.parent(target_type=None, why_no_type='no; a; b')
        host = host_traits.HostSnapshot(
            'compute1', (host_traits.describe(parent, _rules()),)
        )
        self.assertEqual('no; a; b', host.parents[0].note)
        for line in ('no', 'a', 'b'):
            self.assertRegex(report.as_table(host), rf'(?m)\| {line} +\|$')
