# SPDX-License-Identifier: Apache-2.0
"""The sub-commands once and dry-run."""

import itertools
import json
import subprocess

from tests.functional import collector_base

ACCEPT = 'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_11'
PUBLISHED = {
    'CUSTOM_MDEV_V1',
    'CUSTOM_MDEV_PARENT_10DE_2235',
    'CUSTOM_MDEV_TYPE_NVIDIA_11',
    ACCEPT,
}
#: Of the root, if its boards differ.
MIXED_ROOT = {'CUSTOM_MDEV_V1', 'CUSTOM_MDEV_HOST'}


class PublishTest(collector_base.CollectorTestCase):
    def without_facts(self):
        return [
            {name for name in names if '_FACT_' not in name}
            for names in self.published()
        ]

    def test_equal_boards(self):
        """The root advertises for them. A second run writes nothing."""
        self.run_collector('once')
        root, *boards = self.without_facts()
        self.assertEqual(PUBLISHED | {'CUSTOM_MDEV_HOST'}, root)
        self.assertEqual([PUBLISHED, PUBLISHED], boards)

        self.placement.requests.clear()
        _, log = self.run_collector('once')
        self.assertEqual(
            {'GET'}, {method for method, _ in self.placement.requests}
        )
        self.assertIn('0 providers changed, 3 unchanged', log)

    def test_different_boards(self):
        """Each board advertises for itself."""
        self.devices(
            collector_base.device(0), collector_base.device(1, product='2236')
        )
        self.run_collector('once')
        root, first, second = self.without_facts()
        self.assertEqual(MIXED_ROOT, root)
        self.assertEqual(PUBLISHED | {'CUSTOM_MDEV_MIXED'}, first)
        self.assertIn('CUSTOM_MDEV_ACCEPT_10DE_2236__NVIDIA_11', second)

    def test_facts(self):
        """Facts from sysfs and the host, only on the board."""
        board = self.home / 'sys/devices/pci0000:80/0000:81:00.0'
        driver = self.home / 'sys/bus/pci/drivers/nvidia'
        version = self.home / 'sys/module/nvidia/version'
        for path in (board, driver, version.parent):
            path.mkdir(parents=True)
        (board / 'driver').symlink_to(driver)
        version.write_text('550.54.14\n')
        (board / 'subsystem_vendor').write_text('0x10de\n')
        (board / 'subsystem_device').write_text('0x14d9\n')

        self.run_collector('once')
        root, first, second = self.published()
        self.assertLessEqual(
            {
                'CUSTOM_MDEV_FACT_MODULE_NVIDIA',
                'CUSTOM_MDEV_FACT_DRIVER_550_54_14',
                'CUSTOM_MDEV_FACT_SUBSYSTEM_10DE_14D9',
            },
            first,
        )
        self.assertFalse([name for name in root if '_FACT_' in name])
        self.assertFalse([name for name in second if '_DRIVER_' in name])
        self.assertTrue([name for name in second if '_FACT_KERNEL_' in name])

    def test_change_of_a_rule(self):
        """Patterns that are no longer true go from all providers."""
        self.run_collector('once')
        self.write_rules("""
            schema_version: "1.0"
            vendor: "10de"
            rules: [{name: other board, accepts: {product: ["2236"]}}]
            """)
        self.run_collector('once')
        for names in self.published():
            self.assertNotIn(ACCEPT, names)
            self.assertIn('CUSTOM_MDEV_ACCEPT_10DE_2236__NVIDIA_11', names)

    def test_masked_default(self):
        self.write_rules(
            """
            schema_version: "1.0"
            vendor: "8086"
            rules: [{name: same, accepts: {}}]
            """,
            name='default.yaml',
        )
        _, log = self.run_collector('once')
        self.assertFalse(any(ACCEPT in names for names in self.published()))
        self.assertIn('no rule file covers vendor 10DE', log)

    def test_orphaned_provider(self):
        """Nova keeps it; it has no identity and accepts nothing."""
        self.run_collector('once')
        self.devices(collector_base.device(1))
        _, log = self.run_collector('once')
        root, orphan, other = self.without_facts()
        self.assertEqual({'CUSTOM_MDEV_V1'}, orphan)
        self.assertEqual(MIXED_ROOT, root)
        self.assertEqual(PUBLISHED | {'CUSTOM_MDEV_MIXED'}, other)
        self.assertIn('gone but still with a provider: pci_0000_81_00_0', log)

    def test_traits_of_others_stay(self):
        """Of Nova's PCI devices, Cyborg's boards, Neutron's agents.

        The names are theirs. Operators who follow Nova's guide add traits to
        our providers, too, which stay even when the devices are gone.
        """
        others = [
            self.placement.create_provider(name, self.root)
            for name in (
                'host1_0000:82:00.0',
                'host1_0000:3b:00.0',
                'host1:Open vSwitch agent',
                'host1:Open vSwitch agent:br-ex',
                'unrelated',
            )
        ]
        theirs = {'CUSTOM_NVIDIA_11', 'CUSTOM_PHYSNET_A', 'HW_GPU_API_VULKAN'}
        for uuid in (*others, *self.boards):
            for name in theirs:
                self.placement.add_trait(uuid, name)
        self.run_collector('once')
        for uuid in others:
            self.assertEqual(theirs, self.placement.traits(uuid))
        for uuid in self.boards:
            self.assertLessEqual(theirs, self.placement.traits(uuid))
        self.assertLessEqual(
            {'CUSTOM_MDEV_HOST', ACCEPT}, self.placement.traits(self.root)
        )
        self.devices()
        self.run_collector('once')
        for uuid in self.boards:
            self.assertEqual(
                theirs | {'CUSTOM_MDEV_V1'}, self.placement.traits(uuid)
            )

    def test_child_that_could_be_orphaned(self):
        """A provider of another service, named like a device's provider.

        It cannot be told from an orphaned one, so the host is mixed and the
        log names it. It keeps its traits, and gets none.
        """
        child = self.placement.create_provider('host1_accelerator', self.root)
        self.placement.add_trait(child, 'CUSTOM_NVIDIA_11')
        _, log = self.run_collector('once')
        self.assertEqual({'CUSTOM_NVIDIA_11'}, self.placement.traits(child))
        self.assertIn('gone but still with a provider: accelerator', log)
        root, *boards = self.without_facts()
        self.assertEqual(MIXED_ROOT, root)
        self.assertEqual([PUBLISHED | {'CUSTOM_MDEV_MIXED'}] * 2, boards)

    def test_no_mdev_devices(self):
        self.devices()
        self.run_collector('once')
        self.assertEqual(MIXED_ROOT, self.placement.traits(self.root))

    def test_device_without_provider(self):
        """nova-compute has not created it yet."""
        self.placement.ask('DELETE', f'/resource_providers/{self.boards[1]}')
        _, log = self.run_collector('once')
        self.assertIn('without a provider: pci_0000_81_01_0', log)
        self.assertIn(ACCEPT, self.placement.traits(self.boards[0]))

    def test_device_api_that_does_not_migrate(self):
        """The device accepts nothing, whatever the rules."""
        self.devices(
            collector_base.device(0), collector_base.device(1, api='vfio-ccw')
        )
        shown, _ = self.run_collector('dry-run')
        self.assertIn('device API vfio-ccw cannot be live-migrated', shown)
        _, log = self.run_collector('once')
        self.assertIn('device API vfio-ccw cannot be live-migrated', log)
        root, first, second = self.without_facts()
        self.assertEqual(MIXED_ROOT, root)
        self.assertEqual(PUBLISHED | {'CUSTOM_MDEV_MIXED'}, first)
        self.assertEqual(first - {ACCEPT}, second)

    def test_many_parents(self):
        """As many as the virtual functions of a host."""
        places = list(itertools.product(range(32), range(8)))
        self.devices(
            *(
                collector_base.device(slot, function=function)
                for slot, function in places
            )
        )
        self.boards += [
            self.provider(slot, function)
            for slot, function in places
            if (slot, function) not in ((0, 0), (1, 0))
        ]
        self.run_collector('once')
        for names in self.published():
            self.assertIn(ACCEPT, names)


class DryRunTest(collector_base.CollectorTestCase):
    def test_table(self):
        self.placement.requests.clear()
        shown, _ = self.run_collector('dry-run')
        self.assertEqual([], self.placement.requests)
        for text in (
            'pci_0000_81_00_0',
            'device: 10de:2235',
            '| device 10de:2235 ',
            '| type nvidia-11 ',
            'same vendor, product and type',
            'traits are published once for the host',
        ):
            self.assertIn(text, shown)

    def test_json(self):
        """It has the traits that once publishes."""
        shown, _ = self.run_collector('dry-run', '--format', 'json')
        document = json.loads(shown)
        self.assertEqual('host1', document['host'])
        self.assertFalse(document['mixed'])
        parent = document['parents'][0]
        self.assertEqual('nvidia-11', parent['target_type'])
        self.assertEqual([ACCEPT], parent['accepts'])
        self.assertEqual(
            'same vendor, product and type', parent['rules'][0]['name']
        )
        self.run_collector('once')
        dry = [set(one['traits']) for one in document['parents']]
        self.assertEqual(
            [set(document['root_traits']), *dry], self.published()
        )

    def test_rule_that_does_not_apply(self):
        self.write_rules("""
            schema_version: "1.0"
            vendor: "10de"
            rules: [{name: same ECC mode, accepts: {facts: {ecc: same}}}]
            """)
        shown, _ = self.run_collector('dry-run')
        self.assertIn(
            "not 'same ECC mode': ecc of the target is unknown", shown
        )

    def test_snapshots_for_nova_mdev_rules(self):
        """It gives the verdicts that these hosts give."""
        answers = []
        for name, product in (
            ('host1', '2235'),
            ('host2', '2235'),
            ('host3', '2236'),
        ):
            self.options['hypervisor_hostname'] = name
            self.devices(collector_base.device(0, product=product))
            shown, _ = self.run_collector('dry-run', '--format', 'json')
            (self.home / f'{name}.json').write_text(shown)
        command = collector_base.COMMAND.with_name('nova-mdev-rules')
        for target, status in (('host2', 0), ('host3', 1)):
            arguments = (
                f'explain --source {self.home}/host1.json '
                f'--target {self.home}/{target}.json '
                '-f value -c Verdict -c Because'
            )
            done = subprocess.run(
                [command, *arguments.split()],
                capture_output=True,
                text=True,
                check=False,
            )
            self.assertEqual(status, done.returncode, done.stderr)
            answers.append(done.stdout)
        self.assertRegex(answers[0], r'^compatible .*/default\.yaml:\d+\n$')
        self.assertEqual(
            'incompatible device 10de:2235 is not 10de:2236\n', answers[1]
        )
