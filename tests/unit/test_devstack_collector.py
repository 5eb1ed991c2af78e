# SPDX-License-Identifier: Apache-2.0
"""The DevStack plugin: the collector.

What it writes is read with the options of nova-mdev-collector itself.
"""

import re

from oslo_config import cfg

from nova_mdev_compat.cmd import collector as command
from nova_mdev_compat.conf import collector
from nova_mdev_compat.host import nova_types
from tests.devstack import base


class CollectorTest(base.PluginTestCase):
    def options(self):
        """Return the file as nova-mdev-collector itself reads it."""
        conf = command.COMMAND.new_config()
        conf(['--config-file', str(self.conf)])
        return conf

    def test_configuration(self):
        self.run_ok(
            'stack',
            MDEV_COMPAT_LIBVIRT_URI='test:///default',
            MDEV_COMPAT_INTERVAL='5',
        )
        conf = self.options()
        self.assertEqual(
            (
                'test:///default',
                5,
                str(self.state_dir / 'state.json'),
                str(self.state_dir / 'devices.json'),
                [
                    str(base.HOME / 'etc/nova-mdev-compat/rules.d'),
                    str(self.conf_dir / 'rules.d'),
                ],
            ),
            (
                conf.collector.libvirt_uri,
                conf.collector.interval,
                conf.collector.state_file,
                conf.collector.devices_file,
                conf.collector.rules_dirs,
            ),
        )
        self.assertEqual(
            str(self.root / 'opt/stack/data/nova'), conf.state_path
        )
        self.assertTrue(conf.debug)

    def test_defaults_are_those_of_the_package(self):
        self.run_ok('stack')
        for option in collector.OPTS:
            # Where they are differs: see rules_dirs in settings.
            if option.dest not in ('rules_dirs', 'state_file', 'devices_file'):
                self.assertEqual(
                    option.default,
                    self.options().collector[option.dest],
                    option.name,
                )

    def test_placement(self):
        """The user is nova-compute's, with every odd letter of it."""
        self.run_ok('stack')
        conf = self.options()
        conf.register_opts(
            [cfg.StrOpt('username'), cfg.StrOpt('password')], group='placement'
        )
        self.assertEqual(
            ('password', 'nova', 'secret&service\\1'),
            (
                conf.placement.auth_type,
                conf.placement.username,
                conf.placement.password,
            ),
        )

    def test_no_other_password(self):
        self.run_ok('stack')
        text = self.conf.read_text()
        self.assertNotIn('secretdatabase', text)
        self.assertNotIn('secretrabbit', text)
        self.assertEqual(
            {'placement', 'devices', 'mdev_mtty-1', 'DEFAULT', 'collector'},
            set(re.findall(r'^\[(.+)\]$', text, re.MULTILINE)),
        )

    def test_nobody_else_reads_it(self):
        calls = self.run_ok('stack')
        self.assertEqual(0o640, self.conf.stat().st_mode & 0o777)
        self.assertIn(f'sudo chown stack:nova-mdev {self.conf}', calls)

    def test_mdev_types(self):
        self.run_ok('stack')
        (self.root / 'devices/virtual/mtty/mtty').mkdir(parents=True)
        types = nova_types.mdev_types(self.options(), str(self.root))
        self.assertEqual('mtty-1', types.type_of('mtty_mtty', None))
        self.assertEqual('mtty-2', types.type_of('pci_0', '0000:01:00.0'))

    def test_local_conf_wins(self):
        self.run_ok(
            'stack',
            LOCAL_CONF=(
                'f=$MDEV_COMPAT_COLLECTOR_CONF;'
                'iniset $f collector vendor_plugins noop;'
                'iniset $f collector interval 7; iniset $f placement timeout 9'
            ),
        )
        conf = self.options()
        self.assertEqual(
            (['noop'], 7, 9),
            (
                conf.collector.vendor_plugins,
                conf.collector.interval,
                conf.placement.timeout,
            ),
        )
        self.assertEqual('password', conf.placement.auth_type)

    def test_started_once_all_is_written(self):
        calls = self.run_ok('stack')
        command = f'{self.bin}/nova-mdev-collector --config-file {self.conf}'
        start = calls.index(
            f'run_process mdev-compat-collector {command}  nova-mdev'
        )
        self.assertEqual(
            'stop_process mdev-compat-collector', calls[start - 1]
        )
        self.assertLess(calls.index('phase stack extra'), start)
        wait = calls.index(
            f'test_with_retry {command} status >/dev/null 2>&1 180'
        )
        self.assertLess(calls.index('phase stack test-config'), wait)

    def test_user(self):
        """It is made from the shipped file before anything is given to it."""
        calls = self.run_ok('stack')
        users = base.HOME / 'etc/systemd/nova-mdev-compat.sysusers.conf'
        made = calls.index(f'sudo systemd-sysusers {users}')
        self.assertRegex(users.read_text(), '(?m)^u nova-mdev ')
        owned = [
            number
            for number, call in enumerate(calls)
            if 'nova-mdev ' in call and call.startswith('sudo install')
        ]
        self.assertEqual(2, len(owned), calls)
        self.assertLess(made, min(owned))

    def test_old_word_is_forgotten(self):
        self.run_ok('stack')
        state = self.write(self.state_dir / 'state.json', 'old')
        self.run_ok('stack')
        self.assertFalse(state.exists())

    def test_never_publishes(self):
        self.assert_dies(
            'has published nothing within 9 seconds: see '
            'journalctl -u devstack@mdev-compat-collector',
            FAIL='status',
            FAIL_STATUS='1',
            MDEV_COMPAT_START_TIMEOUT='9',
        )

    def test_without_placement(self):
        self.write(
            self.root / 'nova.conf',
            '[filter_scheduler]\nenabled_filters = A\n',
        )
        self.assert_dies(r'no section \[placement\]: enable placement-client')

    def test_without_nova_compute(self):
        self.assert_dies(
            'needs nova-compute',
            ENABLED_SERVICES=('n-sch,mdev-compat-collector'),
        )

    def test_unstack(self):
        self.run_ok('stack')
        self.assertEqual(
            [
                'phase unstack',
                'stop_process mdev-compat-collector',
                f'nova-mdev-collector --config-file {self.conf} withdraw',
            ],
            self.run_ok('unstack'),
        )

    def test_unstack_without_placement(self):
        self.run_ok('stack')
        status, output = self.source(
            'unstack', FAIL='withdraw', FAIL_STATUS='1'
        )
        self.assertEqual(0, status, output)
        self.assertRegex(
            output,
            r"\[WARNING\] .*this host's traits stay in "
            'Placement',
        )

    def test_clean(self):
        self.run_ok('stack')
        unit = (
            self.root / 'etc/systemd/system/'
            'devstack@mdev-compat-collector.service'
        )
        unit.parent.mkdir(parents=True)
        self.write(unit, '')
        self.run_ok('unstack')
        calls = self.run_ok('clean')
        self.assertEqual(
            [False] * 3,
            [path.exists() for path in (self.conf_dir, self.state_dir, unit)],
        )
        self.assertIn('sudo userdel nova-mdev', calls)
        self.assertIn(
            f'pip_uninstall nova-mdev-compat from {self.bin.parent}', calls
        )
        # And once more, when there is nothing.
        self.run_ok('clean')
