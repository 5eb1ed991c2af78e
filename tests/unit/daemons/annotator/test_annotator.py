# SPDX-License-Identifier: Apache-2.0
"""Passes over real domains of libvirt's test driver."""

import dataclasses
import re
import shutil

import ddt
import libvirt

from nova_mdev_compat.daemons import domains
from nova_mdev_compat.late_check import domain_xml
from tests.unit.daemons.annotator import base
from tests.unit import samples
from tests import vfio_tree

FOREIGN = (
    (libvirt.VIR_DOMAIN_METADATA_TITLE, None, 'a title'),
    (libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, None, 'for people'),
    (libvirt.VIR_DOMAIN_METADATA_ELEMENT, base.NOVA_URI, base.NOVA),
)


@ddt.ddt
class AnnotateTest(base.AnnotatorTestCase):
    def test_running_domain(self):
        """It is written once, live and for the next start."""
        domain = self.domain(uuids=self.uuids)
        self.assertEqual(1, self.annotate().written)
        self.assert_right(domain, 2)
        self.assertEqual(0, self.annotate().written)
        self.assertEqual(['vm'], self.writes)

    def test_transient_domain(self):
        domain = self.domain(persistent=False)
        self.annotate()
        self.assertEqual(self.known_mdevs(), self.annotated(domain))
        self.annotate()
        self.assertEqual(['vm'], self.writes)

    def test_foreign_metadata(self):
        """Metadata of others stays when ours is written and removed."""
        domain = self.domain()
        both = (
            libvirt.VIR_DOMAIN_AFFECT_LIVE,
            libvirt.VIR_DOMAIN_AFFECT_CONFIG,
        )
        for part, uri, text in FOREIGN:
            domain.setMetadata(part, text, uri and 'other', uri, sum(both))

        def foreign():
            return [
                domain.metadata(part, uri, flag)
                for part, uri, _ in FOREIGN
                for flag in both
            ]

        before = foreign()
        self.annotate()
        self.assertEqual(before, foreign())
        self.annotator.remove()
        self.assertEqual(before, foreign())
        self.assertEqual((None, None), self.both_annotated(domain))

    @ddt.data(True, False)
    def test_last_mdev_is_gone(self, persistent):
        """The test driver cannot unplug, so the domain starts like this."""
        domain = self.domain(
            uuids=(),
            persistent=persistent,
            metadata=base.NOVA
            + domain_xml.write_annotation(self.known_mdevs()),
        )
        self.assertEqual(self.known_mdevs(), self.annotated(domain))
        self.annotate()
        self.assertIsNone(self.annotated(domain))
        self.assertIn('tenant', domain.XMLDesc())
        self.annotate()
        self.assertEqual(['vm'], self.writes)

    def test_one_of_two_is_gone(self):
        domain = self.domain(
            metadata=domain_xml.write_annotation(self.known_mdevs(2))
        )
        self.annotate()
        self.assert_right(domain)

    def test_arrival(self):
        """The annotation still has the sources on the other host."""
        domain = self.domain(
            metadata=domain_xml.write_annotation(
                [domain_xml.AnnotatedDevice('f' * 36, self.identities[1])]
            )
        )
        self.annotate()
        self.assert_right(domain)

    @ddt.data(
        *(
            (flag, prefix)
            for prefix in (domain_xml.KEY, 'x')
            for flag in (
                libvirt.VIR_DOMAIN_AFFECT_LIVE,
                libvirt.VIR_DOMAIN_AFFECT_CONFIG,
            )
        )
    )
    @ddt.unpack
    def test_stripped_or_replaced(self, flag, prefix):
        domain = self.domain()
        self.annotate()
        for text in (
            None,
            '<mdevs><mdev/></mdevs>',
            '<mdevs><other/></mdevs>',
            '<mdevs/>',
        ):
            domain.setMetadata(
                libvirt.VIR_DOMAIN_METADATA_ELEMENT,
                text,
                prefix,
                domain_xml.NAMESPACE,
                flag,
            )
            self.annotate()
            self.assert_right(domain)

    def test_collector_finds_another_device(self):
        domain = self.domain()
        self.annotate()
        parent, device = next(iter(self.known.items()))
        self.known[parent] = base.device(self.identities[1])
        self.write_devices_file()
        self.annotate()
        self.assertEqual(
            '10DE_2231', self.annotated(domain)[0].identity.parent
        )
        self.known[parent] = device
        self.write_devices_file()
        self.annotate()
        self.assert_right(domain)

    def test_without_mdevs(self):
        self.domain(uuids=())
        summary = self.annotate()
        self.assertEqual([], summary.updates)
        self.assertEqual([], self.writes)

    def test_dry_run(self):
        """The connection is read-only."""
        domain = self.domain()
        self.patch(libvirt, 'open', None)
        (plan,) = self.annotator.annotate(write=False).updates
        self.assertEqual(
            ('write', ('live', 'config')), (plan.action, plan.where)
        )
        self.assertEqual([], self.writes)
        self.assertIsNone(self.annotated(domain))

    def test_only_writing_opens_for_writing(self):
        self.domain()
        self.patch(libvirt, 'openReadOnly', None)
        self.assertEqual(1, self.annotate().written)


@ddt.ddt
class UnknownTest(base.AnnotatorTestCase):
    """Nothing is guessed, and nothing is erased."""

    @ddt.data(('old', 'is 601 seconds old'), ('missing', 'is not there'))
    @ddt.unpack
    def test_devices_file(self, how, words):
        before = self.domain('before')
        self.annotate()
        path = self.home / 'devices.json'
        if how == 'old':
            self.write_devices_file(age=601)
        else:
            path.unlink()
        after = self.domain('after')
        summary = self.annotate()
        self.assert_right(before)
        self.assertEqual(
            ((domain_xml.AnnotatedDevice(self.uuids[0], None),),) * 2,
            self.both_annotated(after),
        )
        (text,) = summary.unknown()
        for word in (str(path), words, 'of domain before', 'of domain after'):
            self.assertIn(word, text)
        self.write_devices_file(age=500)
        self.assertEqual([], self.annotate().unknown())
        self.assert_right(after)

    def test_not_in_sysfs(self):
        domain = self.domain(uuids=['f' * 8 + self.uuids[0][8:]])
        (text,) = self.annotate().unknown()
        self.assertIn(f'it is not in {self.home}/sys', text)
        self.assertIsNone(self.annotated(domain)[0].identity)

    def test_sysfs_cannot_be_read(self):
        """The mdev vanishes, or its driver is broken."""
        domain = self.domain()
        home = self.home / 'sys/bus/mdev/devices' / self.uuids[0]
        (home / 'mdev_type').unlink()
        (text,) = self.annotate().unknown()
        self.assertIn('mdev_type: No such file', text)
        self.assertIsNone(self.annotated(domain)[0].identity)

    def test_device_that_the_collector_has_not_found(self):
        domain = self.domain(uuids=self.uuids)
        self.known.popitem()
        self.write_devices_file()
        (text,) = self.annotate().unknown()
        self.assertIn('has not found pci_0000_02_00_0', text)
        self.assertEqual(
            (
                *self.known_mdevs(),
                domain_xml.AnnotatedDevice(self.uuids[1], None),
            ),
            self.annotated(domain),
        )


HOOK = 'etc/libvirt/hooks/qemu.d/nova-mdev-guard'
VFIO = samples.with_facts(framework='vfio')


class FunctionTest(base.AnnotatorTestCase):
    """Domains with virtual functions."""

    def setUp(self):
        super().setUp()
        vfio_tree.write(self.home / 'sys', vfio_tree.VfioBoard())
        self.known['0000:81:00.0'] = base.device(VFIO)
        self.write_devices_file()

    def functions(self, *numbers, identity=VFIO):
        return tuple(
            domain_xml.AnnotatedDevice(f'0000:81:00.{one}', identity, 'VFIO')
            for one in numbers
        )

    def assert_annotated(self, domain, expected):
        self.assertEqual((expected,) * 2, self.both_annotated(domain))

    def test_written_once(self):
        domain = self.domain(uuids=(), functions=(5, 4))
        self.assertEqual([], self.annotate().unknown())
        self.assert_annotated(domain, self.functions(5, 4))
        self.annotate()
        self.assertEqual(['vm'], self.writes)

    def test_beside_an_mdev(self):
        domain = self.domain(functions=(4,))
        self.annotate()
        self.assert_annotated(
            domain, (*self.known_mdevs(), *self.functions(4))
        )

    def test_hook_knows_it(self):
        """The libvirt of these tests writes what the guard's hook expects."""
        (pattern,) = re.findall(
            r'\| \*"(<hostdev [^"]*)"\*',
            (samples.ROOT / HOOK).read_text('utf-8'),
        )
        for functions, count in (((4, 5), 2), ((), 0)):
            domain = self.domain(f'vm{count}', (), functions=functions)
            self.assertEqual(count, domain.XMLDesc().count(pattern))

    def test_other_pci_devices(self):
        """Neither a device on vfio-pci nor the physical function counts."""
        path = self.home / 'sys/bus/pci/devices/0000:81:00.5'
        shutil.rmtree(path / 'nvidia')
        vfio_tree.bind(self.home / 'sys', path.name, 'vfio-pci')
        domain = self.domain(uuids=(), functions=(0, 5, 7))
        self.assertEqual([], self.annotate().updates)
        self.assert_annotated(domain, None)

    def test_type_of_now(self):
        """The type of the function, and not that of the board, counts."""
        vfio_tree.set_type(self.home / 'sys', '0000:81:00.4', '557')
        domain = self.domain(uuids=(), functions=(4,))
        self.annotate()
        source = dataclasses.replace(VFIO, type='NVIDIA_557')
        self.assert_annotated(domain, self.functions(4, identity=source))

    def test_no_type(self):
        vfio_tree.set_type(self.home / 'sys', '0000:81:00.4', '0')
        domain = self.domain(uuids=(), functions=(4,))
        self.assertEqual(
            [
                'virtual function 0000:81:00.4 of domain vm: no vGPU type is '
                'set (current_vgpu_type is 0)'
            ],
            self.annotate().unknown(),
        )
        self.assert_annotated(domain, self.functions(4, identity=None))

    def test_unknown_later(self):
        """What this host has written stays."""
        domain = self.domain(functions=(4,))
        self.annotate()
        vendor = self.home / 'sys/bus/pci/devices/0000:81:00.4/vendor'
        vendor.unlink()
        vendor.symlink_to(vendor.name)
        for spoil, words in (
            (lambda: None, 'vendor: Too many levels of symbolic links'),
            ((self.home / 'devices.json').unlink, 'devices.json is not there'),
        ):
            spoil()
            (text,) = self.annotate().unknown()
            self.assertIn('virtual function 0000:81:00.4 of domain vm', text)
            self.assertIn(words, text)
            self.assert_annotated(
                domain, (*self.known_mdevs(), *self.functions(4))
            )
        self.assertEqual(['vm'], self.writes)

    def test_parent_that_the_collector_has_not_found(self):
        del self.known['0000:81:00.0']
        self.write_devices_file()
        domain = self.domain(uuids=(), functions=(4,))
        (text,) = self.annotate().unknown()
        self.assertIn('has not found 0000:81:00.0', text)
        self.assert_annotated(domain, self.functions(4, identity=None))

    def test_removed(self):
        domain = self.domain(uuids=(), functions=(4,))
        self.annotate()
        self.assertEqual(1, self.annotator.remove().written)
        self.assert_annotated(domain, None)


class RemoveTest(base.AnnotatorTestCase):
    def test_running_and_defined(self):
        stopped, running, neither = (
            self.domain('stopped'),
            self.domain('running'),
            self.domain('neither', uuids=()),
        )
        self.annotate()
        stopped.destroy()
        self.writes.clear()
        self.assertEqual(2, self.annotator.remove().written)
        self.assertEqual(['running', 'stopped'], sorted(self.writes))
        for domain in (stopped, running, neither):
            self.assertEqual((None, None), self.both_annotated(domain))
        self.assertEqual(0, self.annotator.remove().written)

    def test_stops_in_the_middle(self):
        """The annotation of the defined domain is removed, too."""
        domain = self.domain()
        self.annotate()
        self.patch(
            domains.LibvirtDomain,
            '_is_busy',
            lambda _: domain.destroy() and None,
        )
        self.assertEqual(1, self.annotator.remove().written)
        self.assertEqual((None, None), self.both_annotated(domain))
