# SPDX-License-Identifier: Apache-2.0
"""The files for RHOSO."""

import configparser
import pathlib

import fixtures
import jinja2
import testtools
import yaml

from nova_mdev_compat.cmd import collector

RHOSO = pathlib.Path(__file__).resolve().parents[3] / 'deploy/rhoso'


class Quadlet(configparser.RawConfigParser):
    """A unit, in which a key may be there more than once."""

    def __init__(self, text):
        super().__init__(strict=False, dict_type=dict)
        self.optionxform = str
        self.read_string(text)
        self.volumes = dict(
            line.removeprefix('Volume=').split(':', 1)
            for line in text.splitlines()
            if line.startswith('Volume=')
        )
        self.devices = [
            line.removeprefix('AddDevice=')
            for line in text.splitlines()
            if line.startswith('AddDevice=')
        ]


class CollectorTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        text = (RHOSO / 'nova-mdev-collector.yaml').read_text()
        self.map, self.service = yaml.safe_load_all(text)
        (self.play,) = yaml.safe_load(self.service['spec']['playbookContents'])

    def task(self, name):
        (found,) = (
            item for item in self.play['tasks'] if item['name'] == name
        )
        return found

    def quadlet(self, *, certificates=False, nodes=()):
        environment = jinja2.Environment(
            undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=True
        )
        environment.filters['bool'] = bool
        content = self.task('Install the unit')['ansible.builtin.copy'][
            'content'
        ]
        return Quadlet(
            environment.from_string(content).render(
                self.play['vars'],
                collector_certificates={'stat': {'exists': certificates}},
                collector_nvidia={'files': [{'path': item} for item in nodes]},
                nova_mdev_collector_nvidia=bool(nodes),
            )
        )

    def test_rights(self):
        found = self.quadlet()['Container']
        self.assertEqual('42436', found['User'])
        self.assertEqual('all', found['DropCapability'])
        self.assertEqual('true', found['NoNewPrivileges'])
        self.assertEqual('true', found['ReadOnly'])
        self.assertEqual([], self.quadlet().devices)

    def test_writes_only_its_state(self):
        self.assertEqual(
            ['/var/lib/nova-mdev-compat'],
            [
                target
                for target in self.quadlet().volumes.values()
                if not target.endswith(':ro')
            ],
        )

    def test_order(self):
        """nova-compute waits for it at boot, and does not need it."""
        found = self.quadlet()
        self.assertEqual('edpm_nova_compute.service', found['Unit']['Before'])
        self.assertEqual('true', found['Container']['Notify'])
        self.assertEqual('2', found['Service']['RestartPreventExitStatus'])

    def test_certificates(self):
        target = '/etc/ssl/certs/ca-certificates.crt:ro'
        self.assertNotIn(target, self.quadlet().volumes.values())
        self.assertIn(target, self.quadlet(certificates=True).volumes.values())

    def test_nvidia(self):
        nodes = ['/dev/nvidia0', '/dev/nvidiactl']
        found = self.quadlet(nodes=nodes)
        self.assertEqual(nodes, found.devices)
        self.assertIn('/usr/lib64/libnvidia-ml.so.1', found.volumes)

    def test_options(self):
        """They name what is mounted."""
        conf = collector.COMMAND.new_config()
        file = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'x.conf')
        file.write_text(self.map['data']['mdev-collector.conf'])
        conf([f'--config-file={file}'])
        targets = [
            item.split(':')[0] for item in self.quadlet().volumes.values()
        ]
        self.assertIn(conf.collector.compute_id_file, targets)
        self.assertIn(conf.collector.os_release_file, targets)

    def test_reads_what_nova_compute_reads(self):
        """Nova's own service copies ``*nova*.conf``, without its key."""
        self.assertEqual(
            ['nova-cell1-compute-config', 'nova-extra-config'],
            [
                (item.get('secretRef') or item['configMapRef'])['name']
                for item in self.service['spec']['dataSources'][:2]
            ],
        )
        copied = self.task('Copy the configuration of nova-compute')
        self.assertIn('/*nova*.conf', copied['loop'])
        self.assertEqual('0400', copied['ansible.builtin.copy']['mode'])
        for key in self.map['data']:
            self.assertNotIn('nova', key)

    def test_change_restarts(self):
        changed = self.task('Start the collector')['vars']['collector_changed']
        for task in self.play['tasks']:
            if 'ansible.builtin.copy' in task:
                self.assertIn(f'{task["register"]} is changed', changed)
