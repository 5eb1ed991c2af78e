# SPDX-License-Identifier: Apache-2.0
"""Files of the release before beside today's code, and the other way round.

During a rolling upgrade an old collector feeds a new guard, and a new
collector an old one. What today's code writes of the same content must be the
same, so that the release before reads it.
"""

import json
import pathlib

import fixtures
import testtools

from nova_mdev_compat.core.identity import Identity
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.core import traits
from nova_mdev_compat.core.verdict import Status
from nova_mdev_compat.daemons import state
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication import snapshot
from tests.unit import samples

EARLIER = samples.DATA / 'earlier'
A40 = Identity.of(
    '10DE_2235',
    'nvidia-558',
    {
        'driver': '550.90.07',
        'ecc': 'on',
        'os': 'rhel-9.6',
        'kernel': '5.14.0-427.el9',
        'subsystem': '10de:1482',
        'module': 'nvidia',
    },
)
MTTY = Identity.of('MTTY', 'mtty-1', {'kernel': '6.12.0'})
MDEVS = tuple(
    domain_xml.AnnotatedDevice(
        '-'.join([8 * n, 4 * n, f'4{3 * n}', f'8{3 * n}', 12 * n]), one
    )
    for n, one in (('1', A40), ('2', MTTY), ('3', None))
)


def document(name):
    return json.loads((EARLIER / name).read_text())


class EarlierReleaseTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.host = snapshot.load(
            'snapshot.json', (EARLIER / 'snapshot.json').read_bytes()
        )

    def written(self, write, content):
        path = pathlib.Path(self.directory(), 'file')
        write(path, content)
        return json.loads(path.read_text())

    def directory(self):
        return self.useFixture(fixtures.TempDir()).path

    def test_snapshot(self):
        self.assertEqual(
            document('snapshot.json'), json.loads(snapshot.dump(self.host))
        )

    def test_devices_file(self):
        """It is read, and the same host makes the same file."""
        read = devices_file.read(EARLIER / 'devices.json')
        self.assertEqual(
            document('devices.json'), self.written(devices_file.write, read)
        )
        self.assertEqual(
            document('devices.json'),
            self.written(
                devices_file.write,
                host_traits.devices_found(self.host, read.read_at, {}),
            ),
        )

    def test_verdict_from_a_devices_file(self):
        devices = devices_file.read(EARLIER / 'devices.json').devices
        verdicts = {
            name: Offer.of(entry.described()).judge(A40).kind
            for name, entry in devices.items()
        }
        self.assertIs(Status.COMPATIBLE, verdicts['pci_0000_84_00_0'])
        self.assertIn(Status.INCOMPATIBLE, verdicts.values())

    def test_state(self):
        self.assertEqual(
            document('state.json'),
            self.written(state.write, state.read(EARLIER / 'state.json')),
        )

    def test_traits(self):
        """An old host's traits mean something here, and are made here."""
        published = document('state.json')['published']
        for names in published.values():
            described = traits.describe(names)
            self.assertEqual((), tuple(described.unreadable))
            self.assertTrue(described.managed)
        combined = host_traits.build_host_traits(self.host.parents)
        self.assertEqual(
            published,
            {
                self.host.name: sorted(combined.root),
                **{
                    f'{self.host.name}_{name}': sorted(names)
                    for name, names in combined.parents.items()
                },
            },
        )

    def test_annotation(self):
        text = (EARLIER / 'annotation.xml').read_text()
        self.assertEqual(MDEVS, tuple(self.annotated(text)))

    def test_annotation_for_an_earlier_guard(self):
        """Only the spelling of values differs, which a reader normalizes."""
        text = domain_xml.write_annotation(MDEVS, 'gpu-1')
        self.assertEqual(MDEVS, tuple(self.annotated(text)))
        self.assertEqual(
            (EARLIER / 'annotation.xml').read_text().lower().split(),
            text.lower()
            .replace('nvidia-558', 'nvidia_558')
            .replace('mtty-1', 'mtty_1')
            .replace('rhel-9.6', 'rhel_9_6')
            .replace('10de:1482', '10de_1482')
            .split(),
        )

    def annotated(self, text):
        return domain_xml.parse(
            f'<domain><metadata>{text}</metadata></domain>'.encode()
        ).annotated
