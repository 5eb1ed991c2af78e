# SPDX-License-Identifier: Apache-2.0
"""The charm of deploy/juju."""

import importlib.util
import pathlib
import subprocess
from unittest import mock
import zipfile

import fixtures
import ops
from ops import testing
import testtools
import yaml

from nova_mdev_compat.cmd import collector

ROOT = pathlib.Path(__file__).resolve().parents[3]
CHARM = ROOT / 'deploy/juju'


def load():
    spec = importlib.util.spec_from_file_location(
        'nova_mdev_compat_charm', CHARM / 'src/charm.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class CharmTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.charm = load()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.charm.ROOT = self.root
        self.units = (
            self.root / 'opt/nova-mdev-compat/share/nova-mdev-compat/systemd'
        )
        self.units.parent.mkdir(parents=True)
        self.units.symlink_to(ROOT / 'etc/systemd')
        self.wheel = self.root / 'resource.whl'
        with zipfile.ZipFile(self.wheel, 'w') as archive:
            archive.writestr('nova_mdev_compat-1.2.dist-info/METADATA', '')
        self.status = 0
        self.useFixture(
            fixtures.MockPatchObject(subprocess, 'run', self.run_command)
        )
        self.commands = []
        about = yaml.safe_load((CHARM / 'charmcraft.yaml').read_text())
        self.context = testing.Context(
            self.charm.NovaMdevCompatCharm,
            meta={
                key: about[key]
                for key in ('name', 'subordinate', 'requires', 'resources')
            },
            config=about['config'],
        )

    def run_command(self, command, **_):
        self.commands.append(' '.join(command))
        return mock.Mock(returncode=self.status)

    def run_event(self, name, *endpoints, **config):
        event = getattr(self.context.on, name)()
        return self.context.run(
            event,
            testing.State(
                config=config,
                relations=[
                    testing.SubordinateRelation(item) for item in endpoints
                ],
                resources=[testing.Resource(name='wheel', path=self.wheel)],
            ),
        ).unit_status

    def read(self, path):
        return (self.root / path).read_text()

    def options(self, *texts):
        """Return the collector's options from nova.conf and other files."""
        conf = collector.COMMAND.new_config()
        names = []
        for index, text in enumerate(texts):
            names.append(self.root / f'{index}.conf')
            names[-1].write_text(text)
        conf([f'--config-file={name}' for name in names])
        return conf

    def test_collector(self):
        status = self.run_event(
            'config_changed',
            'compute',
            **{
                'collector-conf': '[collector]\ninterval = 30',
                'rules': 'vendor: x',
            },
        )
        self.assertEqual(testing.ActiveStatus(), status)
        (pip,) = (item for item in self.commands if 'bin/pip ' in item)
        self.assertTrue(
            pip.endswith('/nova_mdev_compat-1.2-py3-none-any.whl[collector]')
        )
        self.assertIn(
            'systemctl restart --no-block nova-mdev-collector', self.commands
        )
        folder = 'etc/systemd/system/nova-mdev-collector.service'
        self.assertIn('User=nova-mdev', self.read(folder))
        self.assertIn(
            'After=systemd-mdev-workaround.service',
            self.read(f'{folder}.d/juju.conf'),
        )
        self.assertFalse((self.root / f'{folder}.d/nvidia.conf').exists())
        self.assertEqual(
            'vendor: x', self.read('etc/nova-mdev-compat/rules.d/juju.yaml')
        )
        self.assertFalse((self.root / 'etc/nova').exists())
        # nova-compute's charm writes "logdir", the old name.
        conf = self.options(
            '[DEFAULT]\nlogdir=/var/log/nova\n',
            self.read('etc/nova-mdev-compat/juju.conf'),
        )
        self.assertFalse(conf.log_dir)
        self.assertEqual(30, conf.collector.interval)

    def test_nvidia(self):
        extras = {'extras': 'collector,nvidia'}
        self.run_event('config_changed', 'compute', **extras)
        path = 'etc/systemd/system/nova-mdev-collector.service.d/nvidia.conf'
        self.assertIn('DeviceAllow=char-nvidia*', self.read(path))
        self.run_event('config_changed', 'compute')
        self.assertFalse((self.root / path).exists())

    def test_filter(self):
        status = self.run_event(
            'config_changed', 'scheduler', mode='enforcing'
        )
        self.assertEqual(testing.ActiveStatus(), status)
        text = self.read('etc/nova/nova.conf.d/nova-mdev-compat.conf')
        self.assertIn('mode = enforcing', text)
        (pip,) = (item for item in self.commands if ' pip ' in item)
        self.assertIn('--no-deps --no-index', pip)
        self.assertIn('systemctl try-restart nova-scheduler', self.commands)
        self.assertFalse((self.root / 'etc/systemd').exists())

    def test_status(self):
        self.status = 1
        status = self.run_event('update_status', 'compute')
        self.assertIsInstance(status, testing.WaitingStatus)
        (command,) = self.commands
        self.assertIn('--config-file /dev/null status', command)
        status = self.run_event('update_status')
        self.assertIsInstance(status, testing.BlockedStatus)

    def test_no_wheel(self):
        with mock.patch('ops.Resources.fetch', side_effect=_missing):
            status = self.run_event('config_changed', 'compute')
        self.assertIsInstance(status, testing.BlockedStatus)
        self.assertEqual([], self.commands)

    def test_remove(self):
        self.run_event('config_changed', 'compute', 'scheduler')
        self.commands.clear()
        self.run_event('remove', 'compute', 'scheduler')
        self.assertIn(
            '/opt/nova-mdev-compat/bin/nova-mdev-collector withdraw',
            self.commands[-2].partition('.crt ')[2],
        )
        for path in (
            'etc/nova/nova.conf.d/nova-mdev-compat.conf',
            'etc/systemd/system/nova-mdev-collector.service',
            'etc/systemd/system/nova-mdev-collector.service.d',
        ):
            self.assertFalse((self.root / path).exists(), path)


def _missing(_):
    raise ops.ModelError('none')
