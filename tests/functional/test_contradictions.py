# SPDX-License-Identifier: Apache-2.0
"""What is known to be false does not stay published, whatever else fails.

The boards are from libvirt's test driver, their sysfs is a directory, and the
vendor's driver is a plugin that answers from a file: no board is here that
fails when a test needs it.
"""

import json
import time

import fixtures

from tests.functional import collector_base
from tests.functional import service_base

PLUGIN = """
import json
import os
import pathlib

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.vendors import base


class Plugin(base.Vendor):
    vendors = frozenset({'1b36'})
    fact_names = {'mode': 'fast or safe'}

    def facts(self, devices):
        modes = json.loads(pathlib.Path(os.environ['ACME_MODES']).read_text())
        if modes is None:
            raise exceptions.Failure('the library is of another version')
        return {device.name: base.Facts({'mode': modes[device.name]})
                if modes[device.name]
                else exceptions.Failure('the board is sick')
                for device in devices}
"""
RULES = """
    schema_version: "1.0"
    vendor: "1b36"
    rules:
      - name: the same driver and mode
        accepts:
          facts: {driver: same, mode: same}
    """
OLD, NEW = '535.54.03', '550.90.07'
NAMES = ('pci_0000_81_00_0', 'pci_0000_81_01_0')
GOLD = 'CUSTOM_GOLD'


def board(slot, product='0005'):
    return collector_base.device(slot, ['labgpu-1'], product, '1b36')


def accept(driver, mode='FAST'):
    return (
        f'CUSTOM_MDEV_ACCEPT_1B36_0005__LABGPU_1__DRIVER_EQ_'
        f'{driver.replace(".", "_")}__MODE_IS_{mode}'
    )


def accepted(names):
    return {name for name in names if '_ACCEPT_' in name}


def identities(published):
    """Return what root and boards carry beside accept patterns."""
    return [names - accepted(names) for names in published]


class ContradictionTestCase(service_base.ServiceTestCase):
    """Two boards of Acme's with one driver and all facts known."""

    def setUp(self):
        super().setUp()
        self.options['os_release_file'] = f'{self.home}/os-release'
        self.os('9.4')
        self.nova = '[devices]\nenabled_mdev_types = labgpu-1\n'
        self.write_rules(RULES, 'acme.yaml')
        self.install()
        self.modes(*['fast'] * 2)
        self.devices(board(0), board(1))
        for slot in (0, 1):
            self.driver(slot, OLD)
        for uuid in (self.root, *self.boards):
            self.placement.add_trait(uuid, GOLD)

    def install(self):
        directory = self.home / 'packages/acme_mdev-1.0.dist-info'
        directory.mkdir(parents=True)
        (directory / 'METADATA').write_text(
            'Metadata-Version: 2.1\nName: acme-mdev\nVersion: 1.0\n'
        )
        (directory / 'entry_points.txt').write_text(
            '[nova_mdev_compat.vendors]\nacme = acme_mdev:Plugin\n'
        )
        (self.home / 'packages/acme_mdev.py').write_text(PLUGIN)
        for name, value in (
            ('PYTHONPATH', 'packages'),
            ('XDG_CACHE_HOME', 'cache'),
            ('ACME_MODES', 'modes.json'),
        ):
            self.useFixture(
                fixtures.EnvironmentVariable(name, str(self.home / value))
            )

    def modes(self, *modes):
        """Write what the vendor's driver answers; None is a failed board.

        Without any, the driver fails as a whole.
        """
        path = self.home / 'modes.json'
        new = path.with_suffix('.new')
        new.write_text(
            json.dumps(dict(zip(NAMES, modes, strict=True)) if modes else None)
        )
        new.rename(path)

    def driver(self, slot, version):
        """Write a board's driver to sysfs, with a module of its own."""
        home = self.home / f'sys/devices/pci0000:80/0000:81:{slot:02x}.0'
        home.mkdir(parents=True, exist_ok=True)
        link = home / 'driver'
        if not link.is_symlink():
            link.symlink_to(f'../../../bus/pci/drivers/acme{slot}')
        module = self.home / f'sys/module/acme{slot}'
        module.mkdir(parents=True, exist_ok=True)
        new = module / 'new'
        new.write_text(version + '\n')
        new.rename(module / 'version')

    def os(self, version):
        path = self.home / 'os-release.new'
        path.write_text(f'ID="rhel"\nVERSION_ID="{version}"\n')
        path.rename(self.home / 'os-release')

    def published(self):
        """Return this project's traits of root and boards."""
        found = super().published()
        for names in found:
            self.assertIn(GOLD, names)
        return [names - {GOLD} for names in found]

    def accepting(self, *expected):
        """Return whether root and boards carry just these patterns."""
        return list(map(accepted, self.published())) == list(
            map(set, expected)
        )

    def wait_for_accepting(self, *expected):
        self.wait_for(
            lambda: self.accepting(*expected), f'other than {expected}'
        )

    def wait_for_log(self, words):
        self.wait_for(lambda: words in self.said(), f'not logged: {words}')

    def remembered(self, key):
        path = self.home / 'state.json'
        return json.loads(path.read_text())[key] if path.exists() else None

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def age(self, seconds):
        """Let what is unreadable have been so for longer."""
        path = self.home / 'state.json'
        state = json.loads(path.read_text())
        state['unread_since'] = {
            name: since - seconds
            for name, since in state['unread_since'].items()
        }
        if state['host_unread_since'] is not None:
            state['host_unread_since'] -= seconds
        path.write_text(json.dumps(state))


class ServiceTest(ContradictionTestCase):
    def setUp(self):
        super().setUp()
        self.start_and_wait()
        self.assertTrue(self.accepting(*[[accept(OLD)]] * 3))
        self.before = self.published()

    def test_a_new_driver_while_its_library_fails(self):
        """As NVML does after an upgrade of its driver."""
        self.modes()
        for slot in (0, 1):
            self.driver(slot, NEW)
        self.wait_for_accepting([], [], [])
        for names in self.published()[1:]:
            self.assertIn('CUSTOM_MDEV_FACT_DRIVER_550_90_07', names)
            self.assertNotIn('CUSTOM_MDEV_FACT_DRIVER_535_54_03', names)
            # It is unknown for this driver.
            self.assertNotIn('CUSTOM_MDEV_FACT_MODE_FAST', names)
        self.wait_for_log('what is published is no longer true')
        self.assertIn('the library is of another version', self.said())
        self.modes('fast', 'fast')
        self.wait_for_accepting(*[[accept(NEW)]] * 3)

    def test_only_the_contradicted_board(self):
        self.modes()
        self.driver(1, NEW)
        # They differ: each advertises for itself.
        self.wait_for_accepting([], [accept(OLD)], [])
        self.assertIn('CUSTOM_MDEV_MIXED', self.published()[1])

    def test_a_board_that_fails_alone(self):
        """A change of the other one is published."""
        self.modes(None, 'safe')
        self.wait_for_accepting([], [accept(OLD)], [accept(OLD, 'SAFE')])
        self.wait_for_log(
            'pci_0000_81_00_0: the board is sick; what it accepted stays '
            'published for now'
        )
        self.passes()
        self.assertNotIn('pci_0000_81_01_0: the board', self.said())

    def test_a_board_is_gone_while_the_library_fails(self):
        self.modes()
        self.devices(board(0))
        self.wait_for_accepting([], [accept(OLD)], [])
        self.assertEqual({'CUSTOM_MDEV_V1'}, self.published()[2])

    def test_another_product_while_the_library_fails(self):
        self.modes()
        self.devices(board(0), board(1, '0010'))
        self.wait_for_accepting([], [accept(OLD)], [])

    def test_what_is_merely_unreadable_stays(self):
        self.modes()
        self.wait_for_log('the library is of another')
        self.passes(3)
        self.assertEqual(self.before, self.published())
        shown, _ = self.run_collector('status', status=1)
        self.assertIn('the library is of another version', shown)
        self.assertEqual(
            1,
            self.said().count(
                'pci_0000_81_00_0: the library is of another version; what it '
                'accepted stays'
            ),
        )

    def test_but_not_for_ever(self):
        """Nor after a restart of the service."""
        self.modes()
        self.wait_for(lambda: self.remembered('unread_since'), 'not noted')
        self.end(self.service)
        self.age(300)
        self.start()
        self.passes(2)
        self.assertEqual(self.before, self.published())
        self.end(self.service)
        self.age(301)
        self.start()
        self.wait_for_accepting([], [], [])
        self.passes(3)
        self.assertEqual(
            1,
            self.said().count(
                'pci_0000_81_00_0: the library is of another version; it has '
                'been unreadable for longer than'
            ),
        )
        for names in self.published()[1:]:
            self.assertIn('CUSTOM_MDEV_FACT_DRIVER_535_54_03', names)
            self.assertNotIn('CUSTOM_MDEV_FACT_MODE_FAST', names)

    def test_libvirt_is_away(self):
        (self.home / 'node.xml').rename(self.home / 'away.xml')
        self.wait_for(
            lambda: self.remembered('host_unread_since'), 'not noted'
        )
        self.assertEqual(self.before, self.published())
        self.end(self.service)
        self.age(601)
        self.start()
        self.wait_for_accepting([], [], [])
        self.assertEqual(identities(self.before), self.published())
        self.wait_for_log('host1 accepts nothing until this is put right')
        (self.home / 'away.xml').rename(self.home / 'node.xml')
        self.wait_for(
            lambda: self.published() == self.before, 'not accepted again'
        )

    def test_sysfs_of_one_board_is_unreadable(self):
        """A directory in the place of a file is one that is read as root."""
        odd = self.home / 'sys/devices/pci0000:80/0000:81:00.0'
        (odd / 'subsystem_vendor').mkdir()
        (odd / 'subsystem_device').write_text('0x1482\n')
        self.wait_for_log('subsystem_vendor: Is a directory')
        self.driver(1, NEW)
        self.wait_for_accepting([], [accept(OLD)], [accept(NEW)])

    def test_operating_system_upgraded_in_place(self):
        self.assertIn('CUSTOM_MDEV_FACT_OS_RHEL_9_4', self.published()[1])
        self.os('9.6')
        self.wait_for(
            lambda: 'CUSTOM_MDEV_FACT_OS_RHEL_9_6' in self.published()[1],
            'the system before',
        )
        self.assertNotIn('CUSTOM_MDEV_FACT_OS_RHEL_9_4', self.published()[1])

    def test_the_devices_file_has_the_same(self):
        def devices():
            return json.loads((self.home / 'devices.json').read_text())[
                'devices'
            ]

        self.modes()
        self.driver(1, NEW)
        self.wait_for(
            lambda: not devices()[NAMES[1]]['accepts'], 'still accepted'
        )
        self.assertEqual(
            {accept(OLD): ['the same driver and mode']},
            devices()[NAMES[0]]['accepts'],
        )
        self.assertIn(
            'CUSTOM_MDEV_FACT_MODE_FAST', devices()[NAMES[0]]['identity']
        )
        self.assertIn(
            'CUSTOM_MDEV_FACT_DRIVER_550_90_07',
            devices()[NAMES[1]]['identity'],
        )
        self.passes()
        self.assertEqual([accept(OLD)], list(devices()[NAMES[0]]['accepts']))


class StartTest(ContradictionTestCase):
    """What the host accepts is unknown when the service starts."""

    def setUp(self):
        super().setUp()
        self.run_collector('once')
        self.assertTrue(self.accepting(*[[accept(OLD)]] * 3))
        self.before = self.published()
        for slot in (0, 1):
            self.driver(slot, NEW)

    def test_rules_that_became_invalid_with_the_driver(self):
        self.write_rules('rules: [', 'acme.yaml')
        _, log = self.run_collector(status=2)
        self.assertIn('host1 accepts nothing until this is put right: ', log)
        self.assertIn('acme.yaml', log)
        self.assertEqual(identities(self.before), self.published())
        shown, _ = self.run_collector('status', status=1)
        self.assertIn('acme.yaml', shown)

    def test_so_with_once(self):
        self.write_rules('rules: [', 'acme.yaml')
        self.run_collector('once', status=2)
        self.assertTrue(self.accepting([], [], []))

    def test_a_plugin_that_does_not_load(self):
        (self.home / 'packages/acme_mdev.py').write_text('import nothing_such')
        self.run_collector(status=2)
        self.assertTrue(self.accepting([], [], []))

    def test_placement_is_away_too(self):
        """Status 1, so that systemd tries again, until it is withdrawn."""
        self.write_rules('rules: [', 'acme.yaml')
        self.placement.before = lambda *_: '503 Not now'
        _, log = self.run_collector(status=1)
        self.assertIn('acme.yaml', log)
        self.assertIn('what this host accepts cannot be taken back now', log)
        self.placement.before = None
        self.assertEqual(self.before, self.published())
        self.run_collector(status=2)
        self.assertTrue(self.accepting([], [], []))

    def test_a_host_that_is_new(self):
        """Nothing is published, so nothing has to be taken back."""
        self.options['hypervisor_hostname'] = 'host2'
        self.write_rules('rules: [', 'acme.yaml')
        self.run_collector(status=2)

    def test_libvirt_is_away_too(self):
        """The host's name is known from the last pass."""
        self.start_and_wait()
        self.end(self.service)
        del self.options['hypervisor_hostname']
        (self.home / 'node.xml').unlink()
        self.write_rules('rules: [', 'acme.yaml')
        self.run_collector(status=2)
        self.assertTrue(self.accepting([], [], []))


class OnceTest(ContradictionTestCase):
    """A site that runs the command from time to time, without a service."""

    def setUp(self):
        super().setUp()
        self.run_collector('once')
        self.before = self.published()
        self.modes()

    def test_contradicted(self):
        self.driver(0, NEW)
        _, log = self.run_collector('once', status=1)
        self.assertIn('what is published is no longer true', log)
        self.assertTrue(self.accepting([], [], [accept(OLD)]))

    def test_unreadable(self):
        _, log = self.run_collector('once', status=1)
        self.assertEqual(self.before, self.published())
        self.assertIn(
            f'nova-mdev-collector: {", ".join(NAMES)}: the library is of '
            'another version\n',
            log,
        )
        self.age(601)
        self.run_collector('once', status=1)
        self.assertTrue(self.accepting([], [], []))
        self.modes('fast', 'fast')
        self.run_collector('once')
        self.assertEqual(self.before, self.published())

    def test_no_time_to_recover(self):
        self.options['acceptance_max_age'] = 0
        self.run_collector('once', status=1)
        self.assertTrue(self.accepting([], [], []))

    def test_clock_set_back(self):
        """What is unreadable still expires."""
        self.run_collector('once', status=1)
        self.age(-3600)
        self.run_collector('once', status=1)
        since = json.loads((self.home / 'state.json').read_text())[
            'unread_since'
        ]
        for when in since.values():
            self.assertLessEqual(when, time.time())

    def test_dry_run(self):
        shown, log = self.run_collector(
            'dry-run', '--format', 'json', status=1
        )
        for parent in json.loads(shown)['parents']:
            self.assertEqual(
                'the library is of another version', parent['failure']
            )
            self.assertEqual([], parent['accepts'])
            self.assertEqual(OLD, parent['facts']['driver'])
        self.assertIn('the library is of another version', log)
        shown, _ = self.run_collector('dry-run', status=1)
        self.assertIn('the library is of another version', shown)


class LateProviderTest(ContradictionTestCase):
    """nova-compute makes a provider at any time, and notifies nobody."""

    def setUp(self):
        super().setUp()
        self.placement.ask('DELETE', f'/resource_providers/{self.boards[1]}')
        self.boards.pop()

    def test_the_root_does_not_advertise_for_a_board_to_come(self):
        self.devices(board(0), board(1, '0010'))
        self.run_collector('once')
        self.assertTrue(self.accepting([], [accept(OLD)]))
        self.assertIn('CUSTOM_MDEV_MIXED', self.published()[1])

    def test_it_does_for_a_board_like_the_others(self):
        self.run_collector('once')
        self.assertTrue(self.accepting([accept(OLD)], [accept(OLD)]))

    def test_a_function_that_nova_does_not_use(self):
        """It gets no provider, and its host is not mixed."""
        self.nova += '[mdev_labgpu-1]\ndevice_addresses = 0000:81:00.0\n'
        self.run_collector('once')
        self.assertTrue(self.accepting([accept(OLD)], [accept(OLD)]))

    def test_another_board_that_nova_does_not_use(self):
        """nova.conf may have changed since nova-compute started."""
        self.devices(board(0), board(1, '0010'))
        self.nova += '[mdev_labgpu-1]\ndevice_addresses = 0000:81:00.0\n'
        self.run_collector('once')
        self.assertTrue(self.accepting([], [accept(OLD)]))
