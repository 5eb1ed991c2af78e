# SPDX-License-Identifier: Apache-2.0
"""Publishing once."""

import itertools
import json
import subprocess

from tests.functional import collector_base

ACCEPT = 'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_11'
SAID = {
    'CUSTOM_MDEV_V1',
    'CUSTOM_MDEV_PARENT_10DE_2235',
    'CUSTOM_MDEV_TYPE_NVIDIA_11',
    ACCEPT,
}
FOREIGN = {'CUSTOM_GOLD', 'HW_GPU_API_VULKAN'}


class PublishTest(collector_base.CollectorTestCase):
    def without_facts(self):
        return [
            {name for name in names if '_FACT_' not in name}
            for names in self.published()
        ]

    def test_equal_boards(self):
        """The root says what its boards say."""
        self.run_collector('once')
        root, *boards = self.without_facts()
        self.assertEqual(SAID | {'CUSTOM_MDEV_HOST'}, root)
        self.assertEqual([SAID, SAID], boards)

    def test_different_boards(self):
        """Each board says it for itself."""
        self.devices(
            collector_base.device(0), collector_base.device(1, product='2236')
        )
        self.run_collector('once')
        root, first, second = self.without_facts()
        self.assertEqual({'CUSTOM_MDEV_V1', 'CUSTOM_MDEV_HOST'}, root)
        self.assertEqual(SAID | {'CUSTOM_MDEV_MIXED'}, first)
        self.assertIn('CUSTOM_MDEV_ACCEPT_10DE_2236__NVIDIA_11', second)

    def test_facts(self):
        """Facts from sysfs and the host, on the board only."""
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

    def test_second_time_writes_nothing(self):
        self.run_collector('once')
        self.placement.requests.clear()
        _, log = self.run_collector('once')
        self.assertEqual(
            {'GET'}, {method for method, _ in self.placement.requests}
        )
        self.assertIn('0 providers changed, 3 unchanged', log)

    def test_foreign_traits_stay(self):
        for uuid in (self.root, *self.boards):
            for name in FOREIGN:
                self.placement.add_trait(uuid, name)
        self.run_collector('once')
        self.devices()
        self.run_collector('once')
        for names in self.published():
            self.assertEqual(FOREIGN, names & FOREIGN)

    def test_change_of_a_rule(self):
        """What is no longer accepted is gone, at once and everywhere."""
        self.run_collector('once')
        self.write_rules("""
            schema_version: "1.0"
            vendor: "10de"
            rules:
              - name: the other board
                accepts: {product: ["2236"]}
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

    def test_device_that_is_gone(self):
        """Nova leaves its provider; it accepts nothing and is nothing."""
        self.run_collector('once')
        self.devices(collector_base.device(1))
        _, log = self.run_collector('once')
        root, ghost, alive = self.without_facts()
        self.assertEqual({'CUSTOM_MDEV_V1'}, ghost)
        self.assertEqual({'CUSTOM_MDEV_V1', 'CUSTOM_MDEV_HOST'}, root)
        self.assertEqual(SAID | {'CUSTOM_MDEV_MIXED'}, alive)
        self.assertIn('gone but still with a provider: pci_0000_81_00_0', log)

    def test_other_children_are_left_alone(self):
        """Providers of PCI devices and of other services, as they call them.

        Nova's PCI devices in Placement, Cyborg's boards, Neutron's agents;
        with traits of theirs, and of operators who follow Nova's guide.
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
        self.assertIn('CUSTOM_MDEV_HOST', self.placement.traits(self.root))
        self.assertIn(ACCEPT, self.placement.traits(self.root))

    def test_child_that_could_be_a_ghost(self):
        """Another service's, called as Nova calls a device's provider.

        It cannot be told from a device that is gone: the host is mixed, and
        the log names it. It keeps what others gave it, and gets nothing.
        """
        child = self.placement.create_provider('host1_accelerator', self.root)
        self.placement.add_trait(child, 'CUSTOM_NVIDIA_11')
        _, log = self.run_collector('once')
        self.assertEqual({'CUSTOM_NVIDIA_11'}, self.placement.traits(child))
        self.assertIn('gone but still with a provider: accelerator', log)
        root, *boards = self.without_facts()
        self.assertEqual({'CUSTOM_MDEV_V1', 'CUSTOM_MDEV_HOST'}, root)
        self.assertEqual([SAID | {'CUSTOM_MDEV_MIXED'}] * 2, boards)

    def test_no_mdev_devices(self):
        self.devices()
        self.run_collector('once')
        self.assertEqual(
            {'CUSTOM_MDEV_V1', 'CUSTOM_MDEV_HOST'},
            self.placement.traits(self.root),
        )

    def test_device_without_provider(self):
        """nova-compute has not made it yet."""
        self.placement.ask('DELETE', f'/resource_providers/{self.boards[1]}')
        _, log = self.run_collector('once')
        self.assertIn('without a provider: pci_0000_81_01_0', log)
        self.assertIn(ACCEPT, self.placement.traits(self.boards[0]))

    def test_device_api_that_does_not_migrate(self):
        """It accepts nothing, whatever rules there are, and says why."""
        self.devices(
            collector_base.device(0), collector_base.device(1, api='vfio-ccw')
        )
        shown, _ = self.run_collector('dry-run')
        self.assertIn('device API vfio-ccw cannot be live-migrated', shown)
        _, log = self.run_collector('once')
        self.assertIn('device API vfio-ccw cannot be live-migrated', log)
        root, asked, unasked = self.without_facts()
        self.assertEqual({'CUSTOM_MDEV_V1', 'CUSTOM_MDEV_HOST'}, root)
        self.assertEqual(SAID | {'CUSTOM_MDEV_MIXED'}, asked)
        self.assertEqual(asked - {ACCEPT}, unasked)

    def test_many_parents(self):
        """256 of them, as virtual functions make."""
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
        shown, _ = self.run_collector('dry-run')
        for text in (
            'pci_0000_81_00_0',
            'nvidia-11',
            ACCEPT,
            'same vendor, product and type',
            'traits are published once for the host',
        ):
            self.assertIn(text, shown)

    def test_json(self):
        shown, _ = self.run_collector('dry-run', '--format', 'json')
        told = json.loads(shown)
        self.assertEqual('host1', told['host'])
        self.assertFalse(told['mixed'])
        parent = told['parents'][0]
        self.assertEqual('nvidia-11', parent['target_type'])
        self.assertEqual([ACCEPT], parent['accepts'])
        self.assertEqual(
            'same vendor, product and type', parent['rules'][0]['name']
        )

    def test_why_not(self):
        self.write_rules("""
            schema_version: "1.0"
            vendor: "10de"
            rules:
              - name: same ECC mode
                accepts: {facts: {ecc: same}}
            """)
        shown, _ = self.run_collector('dry-run')
        self.assertIn(
            "not 'same ECC mode': ecc of the target is unknown", shown
        )

    def test_says_what_once_publishes(self):
        shown, _ = self.run_collector('dry-run', '--format', 'json')
        told = json.loads(shown)
        self.run_collector('once')
        self.assertEqual(
            [
                set(told['root_traits']),
                *(set(parent['traits']) for parent in told['parents']),
            ],
            self.published(),
        )

    def test_is_a_recording(self):
        """Which nova-mdev-rules reads, and judges as the host does."""
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
            done = subprocess.run(
                [
                    command,
                    'explain',
                    '--source',
                    self.home / 'host1.json',
                    '--target',
                    self.home / f'{target}.json',
                    '-f',
                    'value',
                    '-c',
                    'Verdict',
                    '-c',
                    'Because',
                ],
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

    def test_touches_nothing(self):
        self.placement.requests.clear()
        self.run_collector('dry-run')
        self.assertEqual([], self.placement.requests)
