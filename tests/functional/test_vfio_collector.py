# SPDX-License-Identifier: Apache-2.0
"""The collector on a host with virtual functions, and the real Placement."""

import json
import shutil
import subprocess

import ddt
from nova_mdev_compat.cmd import collector
from nova_mdev_compat.core import traits
from nova_mdev_compat.daemons import host_reader
from nova_mdev_compat.placement import client
from nova_mdev_compat.publication import publishers
from tests.functional import collector_base
from tests import vfio_tree

Board = vfio_tree.VfioBoard
ACCEPT = 'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_11'
ACCEPT_VFIO = f'{ACCEPT}__FRAMEWORK_IS_VFIO'
CHILDREN = '/resource_providers'
#: What current_vgpu_type has, by name of the test; None if it is missing.
WRONG_TYPES = {
    'empty': '',
    'hexadecimal': '0x22e',
    'huge': '5' * 100_000,
    'binary': '\0',
    'missing': None,
}


class VfioCollectorTestCase(collector_base.CollectorTestCase):
    """host1, with no board unless a test adds some."""

    def setUp(self):
        super().setUp()
        self.devices()
        for uuid in self.boards:
            self.placement.ask('DELETE', f'{CHILDREN}/{uuid}')
        self.boards = []
        self.nova += (
            '[pci]\nreport_in_placement = true\n'
            'device_spec = {"vendor_id": "10de", "managed": "no", '
            '"address": {"bus": ".*", "slot": "00", "function": "[4-7]"}, '
            '"live_migratable": "yes"}\n'
        )

    def add_mdevs(self):
        """Add a board with mdevs."""
        self.devices(collector_base.device(0))
        self.boards = [self.provider(0)]

    def add(self, *boards):
        """Add boards with virtual functions of nvidia-11, and Nova's providers."""
        vfio_tree.write(self.home / 'sys', *boards)
        return [self.create_pci_provider(board) for board in boards]

    def create_pci_provider(self, board):
        """Create a provider as Nova does; return its UUID."""
        return self.placement.create_provider(
            f'host1_{board.address.upper()}', self.root
        )

    def remove(self, board):
        """Let a board vanish from sysfs."""
        for address in [board.address, *board.functions()]:
            shutil.rmtree(self.home / 'sys/bus/pci/devices' / address)

    def tree(self):
        """Return our traits by provider name, without facts."""
        found = self.placement.ask('GET', f'{CHILDREN}?in_tree={self.root}')
        return {
            item['name']: {
                name
                for name in self.placement.traits(item['uuid'])
                if traits.is_ours(name) and '_FACT_' not in name
            }
            for item in found['resource_providers']
        }

    def dry_run(self, **kwargs):
        shown, _ = self.run_collector('dry-run', '-f', 'json', **kwargs)
        return json.loads(shown)


def of_type_11(bus=0x82, types=('11', '11'), **kwargs):
    return Board(bus, types=types, **kwargs)


class PublisherTest(VfioCollectorTestCase):
    """One publisher that makes pass after pass, as the service does."""

    def start(self):
        self.conf = collector.COMMAND.new_config()
        args = [str(arg) for arg in self.write_config()]
        self.conf([*args, 'once'])
        self.publisher = publishers.load(self.conf)

    def publish(self):
        """Make a pass; return its summary and its requests."""
        self.placement.requests.clear()
        found = host_reader.HostReader(self.conf).read()
        return self.publisher.publish(found), list(self.placement.requests)

    def test_ten_physical_functions(self):
        self.add(*(of_type_11(0x82 + number) for number in range(10)))
        self.start()
        summary, sent = self.publish()
        # Nova's providers have nothing of ours, the root and our own have.
        self.assertEqual(11, len(summary.changed))
        self.assertEqual(10, sum(method == 'POST' for method, _ in sent), sent)
        for name, found in self.tree().items():
            self.assertEqual(
                name == 'host1' or name.endswith('_mdev_compat'),
                ACCEPT_VFIO in found,
                name,
            )

        summary, sent = self.publish()
        self.assertEqual([('GET', CHILDREN)], sent)
        self.assertEqual(([], 11), (summary.changed, summary.unchanged))

    def test_both_frameworks(self):
        self.add_mdevs()
        self.add(of_type_11())
        self.start()
        self.publish()
        found = self.tree()
        self.assertEqual({traits.SCHEMA, traits.HOST}, found['host1'])
        self.assertEqual(set(), found['host1_0000:82:00.0'])
        for name, accept in (
            ('host1_pci_0000_81_00_0', ACCEPT),
            ('host1_0000:82:00.0_mdev_compat', ACCEPT_VFIO),
        ):
            self.assertIn(traits.MIXED, found[name])
            self.assertEqual(
                [accept],
                [one for one in found[name] if one.startswith(traits.ACCEPT)],
            )
        self.assertEqual([('GET', CHILDREN)], self.publish()[1])

    def test_device_is_gone(self):
        gone, stays = of_type_11(), of_type_11(0x83)
        self.add(gone, stays)
        self.start()
        self.publish()
        self.remove(gone)
        self.publish()
        self.assertEqual(
            {
                'host1',
                'host1_0000:82:00.0',
                'host1_0000:83:00.0',
                'host1_0000:83:00.0_mdev_compat',
            },
            self.tree().keys(),
        )
        self.assertIn(ACCEPT_VFIO, self.tree()['host1'])
        self.assertEqual([('GET', CHILDREN)], self.publish()[1])

    def test_nova_creates_its_provider_again(self):
        board = of_type_11()
        (uuid,) = self.add(board)
        self.start()
        self.publish()
        for item in self.placement.ask(
            'GET', f'{CHILDREN}?name=host1_0000:82:00.0_mdev_compat'
        )['resource_providers']:
            self.placement.ask('DELETE', f'{CHILDREN}/{item["uuid"]}')
        self.placement.ask('DELETE', f'{CHILDREN}/{uuid}')
        summary, _ = self.publish()
        self.assertEqual(['0000:82:00.0'], summary.absent)
        self.assertEqual({'host1'}, self.tree().keys())

        self.create_pci_provider(board)
        self.publish()
        self.assertIn(
            ACCEPT_VFIO, self.tree()['host1_0000:82:00.0_mdev_compat']
        )

    def test_another_collector_creates_it_first(self):
        first, _ = self.add(of_type_11(), of_type_11(0x83))
        self.start()
        created = []

        def create(method, path):
            if method == 'POST' and not created:
                created.append(first)
                other = publishers.load(self.conf)
                other.publish(host_reader.HostReader(self.conf).read())

        self.placement.before = create
        self.publish()
        self.placement.before = None
        self.publish()
        self.assertEqual(5, len(self.tree()))
        for name in ('82', '83'):
            self.assertIn(
                ACCEPT_VFIO, self.tree()[f'host1_0000:{name}:00.0_mdev_compat']
            )
        self.assertEqual([('GET', CHILDREN)], self.publish()[1])

    def test_novas_provider_vanishes_meanwhile(self):
        first, _ = self.add(of_type_11(), of_type_11(0x83))
        self.start()
        deleted = []

        def delete(method, path):
            if method == 'POST' and path == CHILDREN and not deleted:
                deleted.append(first)
                self.placement.ask('DELETE', f'{CHILDREN}/{first}')

        self.placement.before = delete
        summary, _ = self.publish()
        self.assertEqual(['0000:82:00.0'], summary.absent)
        self.assertIn(
            ACCEPT_VFIO, self.tree()['host1_0000:83:00.0_mdev_compat']
        )

    def test_ours_vanishes_before_it_is_deleted(self):
        gone = of_type_11()
        self.add(gone)
        self.start()
        self.publish()
        self.remove(gone)

        def delete(method, path):
            if method == 'DELETE':
                self.placement.ask('DELETE', path)

        self.placement.before = delete
        self.publish()
        self.assertEqual({'host1', 'host1_0000:82:00.0'}, self.tree().keys())

    def test_withhold_keeps_the_identity(self):
        """Rules that cannot be used take away the patterns alone."""
        self.add(of_type_11())
        self.start()
        self.publish()
        self.publisher.withhold('host1')
        for name in ('host1', 'host1_0000:82:00.0_mdev_compat'):
            found = self.tree()[name]
            self.assertNotIn(ACCEPT_VFIO, found)
            self.assertIn('CUSTOM_MDEV_TYPE_NVIDIA_11', found)

    def test_withdraw(self):
        self.add_mdevs()
        (uuid,) = self.add(of_type_11())
        self.placement.add_trait(uuid, 'COMPUTE_MANAGED_PCI_DEVICE')
        self.start()
        self.publish()
        summary = self.publisher.withdraw('host1')
        self.assertEqual(
            [
                'host1',
                'host1_0000:82:00.0_mdev_compat',
                'host1_pci_0000_81_00_0',
            ],
            summary.changed,
        )
        self.assertEqual(
            {
                'host1': set(),
                'host1_0000:82:00.0': set(),
                'host1_pci_0000_81_00_0': set(),
            },
            self.tree(),
        )
        self.assertEqual(
            {'COMPUTE_MANAGED_PCI_DEVICE'}, self.placement.traits(uuid)
        )

    def test_withdraw_while_nova_deletes(self):
        (uuid,) = self.add(of_type_11())
        self.start()
        self.publish()

        def delete(method, path):
            if method == 'DELETE':
                self.placement.ask('DELETE', path)
                self.placement.ask('DELETE', f'{CHILDREN}/{uuid}')

        self.placement.before = delete
        self.publisher.withdraw('host1')
        self.assertEqual({'host1': set()}, self.tree())

    def test_placement_fails(self):
        """A pass fails, and the next one does what is left."""
        self.add(of_type_11(), of_type_11(0x83))
        self.start()
        self.placement.before = lambda method, path: (
            '500 Internal Server Error' if method == 'POST' else None
        )
        self.assertRaises(client.PlacementError, self.publish)
        self.placement.before = None
        self.publish()
        self.assertEqual(5, len(self.tree()))


@ddt.ddt
class ProcessTest(VfioCollectorTestCase):
    """The command."""

    def test_dry_run_with_both_frameworks(self):
        self.add_mdevs()
        self.add(of_type_11())
        self.placement.requests.clear()
        found = self.dry_run()
        self.assertEqual([], self.placement.requests)
        self.assertTrue(found['mixed'])
        mdevs, functions = found['parents']
        self.assertEqual('0000:82:00.0', functions['name'])
        self.assertEqual('vfio', functions['facts']['framework'])
        self.assertEqual('a1', functions['facts']['revision'])
        self.assertNotIn('framework', mdevs['facts'])
        self.assertEqual(
            ([ACCEPT], [ACCEPT_VFIO]),
            (mdevs['accepts'], functions['accepts']),
        )
        self.assertEqual(
            {mdevs['target_type']}, {functions['target_type'], 'nvidia-11'}
        )
        self.run_collector('once')
        published = self.tree()
        for name, one in (
            ('host1_pci_0000_81_00_0', mdevs),
            ('host1_0000:82:00.0_mdev_compat', functions),
        ):
            self.assertEqual(
                published[name],
                {item for item in one['traits'] if '_FACT_' not in item},
            )

    def test_table(self):
        self.add_mdevs()
        self.add(of_type_11(types=('11', '0')))
        shown, _ = self.run_collector('dry-run')
        for text in (
            'pci_0000_81_00_0',
            '0000:82:00.0',
            'framework: vfio',
            'still in use: nvidia-11',
            '0000:82:00.5: no vGPU type is set (current_vgpu_type is 0)',
            'devices differ, so traits are published per device',
        ):
            self.assertIn(text, shown)

    def test_no_device(self):
        shown, _ = self.run_collector('dry-run')
        for text in (
            'there is no device for vGPUs',
            'virsh nodedev-list --cap mdev_types',
            '/sys/bus/pci/devices/*/nvidia',
        ):
            self.assertIn(text, shown)

    def test_not_reported(self):
        self.nova = self.nova.replace(
            'report_in_placement = true', 'report_in_placement = false'
        )
        vfio_tree.write(self.home / 'sys', of_type_11())
        shown, _ = self.run_collector('dry-run')
        self.assertIn('[pci]report_in_placement is off', shown)
        _, log = self.run_collector('once')
        self.assertIn('[pci]report_in_placement is off', log)
        self.assertEqual({'host1'}, self.tree().keys())

    def test_rules_never_cross(self):
        """The type and the ids of the boards are the same."""
        self.add(of_type_11())
        self.write_snapshots('vfio')
        shutil.rmtree(self.home / 'sys/bus')
        self.add_mdevs()
        self.write_snapshots('mdev')
        command = collector_base.COMMAND.with_name('nova-mdev-rules')
        for source in ('mdev', 'vfio'):
            for target in ('mdev', 'vfio'):
                done = subprocess.run(
                    [
                        command,
                        'explain',
                        f'--source={self.home}/{source}-host1.json',
                        f'--target={self.home}/{target}-host2.json',
                        '-f',
                        'value',
                        '-c',
                        'Verdict',
                    ],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                self.assertEqual(
                    'compatible\n' if source == target else 'incompatible\n',
                    done.stdout,
                )

    def write_snapshots(self, name):
        for host in ('host1', 'host2'):
            self.options['hypervisor_hostname'] = host
            (self.home / f'{name}-{host}.json').write_text(
                json.dumps(self.dry_run())
            )

    @ddt.data(*WRONG_TYPES)
    def test_wrong_type(self, name):
        """One board accepts nothing; the others are not affected."""
        self.add(of_type_11(), of_type_11(0x83))
        path = self.home / 'sys/bus/pci/devices/0000:82:00.4/nvidia'
        text = WRONG_TYPES[name]
        if text is None:
            (path / 'current_vgpu_type').unlink()
        else:
            (path / 'current_vgpu_type').write_text(text)
        broken, good = self.dry_run()['parents']
        self.assertEqual([], broken['accepts'])
        self.assertIsNone(broken['target_type'])
        self.assertIn('0000:82:00.4: its nvidia/current', broken['note'])
        self.assertEqual([ACCEPT_VFIO], good['accepts'])
        _, log = self.run_collector('once')
        self.assertIn('0000:82:00.4: its nvidia/current', log)

    @ddt.data('nvidia/current_vgpu_type', 'vendor', 'revision')
    def test_file_that_cannot_be_read(self, name):
        self.add(of_type_11(), of_type_11(0x83))
        path = self.home / 'sys/bus/pci/devices/0000:82:00.4' / name
        path.unlink()
        path.mkdir()
        shown, log = self.run_collector('dry-run', '-f', 'json', status=1)
        self.assertIn(f'0000:82:00.4/{name}: Is a directory', log)
        broken, good = json.loads(shown)['parents']
        self.assertEqual([], broken['accepts'])
        self.assertEqual([ACCEPT_VFIO], good['accepts'])

    def test_provider_config(self):
        """Nova would replace such traits: the parents of mdevs alone."""
        self.add_mdevs()
        self.add(of_type_11())
        path = self.home / 'provider_config/nova-mdev-compat.yaml'
        path.parent.mkdir()
        self.options |= {
            'publisher': 'provider_config',
            'provider_config_file': str(path),
        }
        self.placement.requests.clear()
        _, log = self.run_collector('once')
        self.assertEqual([], self.placement.requests)
        self.assertIn('without a provider: 0000:82:00.0', log)
        text = path.read_text()
        self.assertIn('host1_pci_0000_81_00_0', text)
        self.assertNotIn('0000:82:00.0', text)
        self.assertNotIn('FRAMEWORK', text)
