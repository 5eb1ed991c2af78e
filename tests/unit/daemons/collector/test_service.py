# SPDX-License-Identifier: Apache-2.0
"""The service's files, and its notifications to systemd."""

import json
import pathlib

import ddt
import fixtures
from oslo_config import cfg
import testtools

from nova_mdev_compat.conf import collector as collector_options
from nova_mdev_compat.conf import nova as nova_options
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.daemons import collector
from nova_mdev_compat.daemons import state as collector_state
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication import publishers
from tests.unit import samples


class Rules:
    fault = None


class Reader:
    """Reads a host with one parent; raises instead if it has an error."""

    rules = Rules()
    error = None

    def read(self):
        if self.error:
            raise self.error
        parent = host_traits.unreadable(
            samples.parent(), exceptions.Failure('x')
        )
        return host_traits.HostSnapshot('host1', (parent,))


class Publisher(publishers.Publisher):
    def __init__(self, conf):
        pass

    def publish(self, host):
        return publishers.Summary(published={'host1': ['CUSTOM_MDEV_V1']})

    def withdraw(self, name):
        return publishers.Summary()


class ServiceFilesTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.log = self.useFixture(fixtures.FakeLogger())
        self.conf = cfg.ConfigOpts()
        collector_options.register_opts(self.conf)
        nova_options.register_opts(self.conf)
        self.conf([], default_config_files=[], default_config_dirs=[])
        self.configure(
            hypervisor_hostname='host1',
            publisher='provider_config',
            provider_config_file=str(self.home / 'provider.yaml'),
            rules_dirs=[str(self.home / 'rules.d')],
            state_file=str(self.home / 'state.json'),
            devices_file=str(self.home / 'devices.json'),
            metrics_file=str(self.home / 'metrics.prom'),
        )

    def configure(self, **options):
        for name, value in options.items():
            self.conf.set_override(name, value, group='collector')
            # Option objects are shared, and keep their overrides.
            self.addCleanup(self.conf.clear_override, name, group='collector')

    def state(self):
        return json.loads((self.home / 'state.json').read_text())

    def metrics(self):
        lines = (self.home / 'metrics.prom').read_text().splitlines()
        return {
            name.removeprefix('nova_mdev_collector_'): float(value)
            for name, value in (
                line.split() for line in lines if not line.startswith('#')
            )
        }


@ddt.ddt
class FailedStartTest(ServiceFilesTestCase):
    """After a failed start, neither file reports a healthy service."""

    @ddt.data(
        ({}, 'rules.d'),
        ({'libvirt_uri': 'nonsense'}, 'libvirt_uri'),
        ({'publisher': 'nonsense'}, 'publisher'),
    )
    @ddt.unpack
    def test_bad_input(self, options, why):
        (self.home / 'metrics.prom').write_text(
            'nova_mdev_collector_healthy 1.0\n'
        )
        self.configure(**options)
        error = self.assertRaises(
            exceptions.BadInput, collector.run, self.conf
        )
        self.assertIn(why, str(error))
        self.assertEqual(str(error), self.state()['error'])
        self.assertEqual(0, self.metrics()['healthy'])
        self.assertEqual(1, self.metrics()['consecutive_failures'])


class LoopTest(ServiceFilesTestCase):
    def setUp(self):
        super().setUp()
        self.reader = Reader()
        self.heard = []
        self.loop = collector.CollectorLoop(
            collector.Collector(
                self.conf,
                Publisher(self.conf),
                collector_state.load(self.conf.collector),
            ),
            self.reader,
            self.hear,
        )

    def hear(self, message):
        """Note a notification, and how many files exist by then."""
        names = ('state.json', 'metrics.prom')
        there = [name for name in names if (self.home / name).exists()]
        self.heard.append((message.partition('=')[0], len(there)))

    def test_files_are_written_before_notifications(self):
        self.loop.run_once()
        self.assertEqual(
            [('READY', 2), ('WATCHDOG', 2), ('STATUS', 2)], self.heard
        )
        self.assertEqual(
            {'host1': ['CUSTOM_MDEV_V1']}, self.state()['published']
        )

    def test_not_ready_before_a_host_is_read(self):
        self.reader.error = exceptions.Failure('libvirt is away')
        self.loop.run_once()
        self.assertEqual([('WATCHDOG', 2), ('STATUS', 2)], self.heard)
        self.assertEqual('libvirt is away', self.state()['error'])
        self.assertEqual(0, self.metrics()['healthy'])
        self.assertIn('What was published before stays', self.log.output)
        self.reader.error = None
        self.loop.run_once()
        self.assertIn(('READY', 2), self.heard)

    def test_neither_file_keeps_the_other_from_being_written(self):
        self.configure(state_file=str(self.home / 'nowhere/state.json'))
        self.loop.run_once()
        self.assertEqual(1, self.metrics()['providers'])
        self.assertIn('nowhere/state.json: No such file', self.log.output)
        self.configure(
            state_file=str(self.home / 'state.json'),
            metrics_file=str(self.home / 'nowhere/metrics.prom'),
        )
        self.loop.run_once()
        self.assertEqual(2, self.state()['failures'])
        self.assertIn('nowhere/metrics.prom: No such file', self.log.output)
