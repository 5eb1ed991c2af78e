# SPDX-License-Identifier: Apache-2.0
"""The collector as a service: a process, its worker, and systemd's view."""

import os
import pathlib
import signal

import ddt
import fixtures

from tests.functional import collector_base
from tests.functional import service_base
from tests.functional import test_collector
from tests import waiting

ACCEPT = test_collector.ACCEPT
OTHER = 'CUSTOM_MDEV_ACCEPT_10DE_2236__NVIDIA_11'
OTHER_RULE = """
    schema_version: "1.0"
    vendor: "10de"
    rules:
      - name: the other board
        accepts: {product: ["2236"]}
    """


class ServiceTest(service_base.ServiceTestCase):
    def accepting(self, *names):
        """Return whether all providers carry these patterns, and no other."""
        return all(
            set(names) == {name for name in found if '_ACCEPT_' in name}
            for found in self.published()
        )

    def test_ready_after_the_first_publication(self):
        """nova-compute waits for it, so it never runs with old traits."""
        self.placement.before = lambda *_: '503 Not yet'
        self.start()
        self.passes()
        self.assertFalse(self.is_ready())
        self.placement.before = None
        self.wait_for(self.is_ready, 'not ready')
        self.assertTrue(self.accepting(ACCEPT))
        self.assertIn('WATCHDOG=1', self.heard)

    def test_unchanged_host(self):
        """One request for each pass, whatever the number of parents."""
        self.devices(*(collector_base.device(slot) for slot in range(20)))
        self.boards += [self.provider(slot) for slot in range(2, 20)]
        self.start_and_wait()
        self.passes()
        self.placement.requests.clear()
        self.passes(count=4)
        self.assertEqual(
            {('GET', '/resource_providers')}, set(self.placement.requests)
        )

    def test_device_changes(self):
        self.start_and_wait()
        self.devices(
            collector_base.device(0, product='2236'),
            collector_base.device(1, product='2236'),
        )
        self.wait_for(lambda: self.accepting(OTHER), 'nothing new')

    def test_provider_created_again(self):
        """nova-compute deletes a provider, and creates it without traits."""
        self.start_and_wait()
        self.placement.ask('DELETE', f'/resource_providers/{self.boards[1]}')
        self.passes()
        self.boards[1] = self.provider(1)
        self.wait_for(lambda: self.accepting(ACCEPT), 'not published again')

    def test_traits_removed_from_outside(self):
        self.start_and_wait()
        for uuid in (self.root, *self.boards):
            self.placement.ask('DELETE', f'/resource_providers/{uuid}/traits')
        self.wait_for(lambda: self.accepting(ACCEPT), 'not published again')

    def test_trait_deleted_from_outside(self):
        """No provider carries the trait, and one needs it later."""
        self.start_and_wait()
        self.placement.ask('DELETE', '/traits/CUSTOM_MDEV_MIXED')
        self.devices(
            collector_base.device(0), collector_base.device(1, product='2236')
        )
        self.wait_for(
            lambda: OTHER in self.placement.traits(self.boards[1]),
            'not published',
        )
        self.wait_for(
            lambda: (
                'CUSTOM_MDEV_MIXED' in self.placement.traits(self.boards[0])
            ),
            'not published',
        )

    def test_wrong_rules_change_nothing(self):
        """The last good rules stay in force; the status reports it."""
        self.start_and_wait()
        self.write_rules('rules: [')
        self.wait_for(lambda: self.state()['rules_error'], 'not reported')
        self.passes()
        self.assertTrue(self.accepting(ACCEPT))
        self.assertIn('nvidia.yaml', self.status(status=1))
        self.write_rules(OTHER_RULE)
        self.wait_for(lambda: self.accepting(OTHER), 'not in force')
        self.status()

    def test_sighup(self):
        """Rules are in force at once, not after the interval."""
        self.options['interval'] = '3600'
        self.start_and_wait()
        # The first pass asks twice (by name, then for the tree). One more pass
        # follows the connection to libvirt.
        self.wait_for(lambda: self.trees() == 3, 'not connected to libvirt')
        self.write_rules(OTHER_RULE)
        self.assertTrue(self.accepting(ACCEPT))
        os.kill(self.service.pid, signal.SIGHUP)
        self.wait_for(lambda: self.accepting(OTHER), 'not in force')

    def test_sigterm(self):
        self.start_and_wait()
        self.assertEqual(0, self.end(self.service, signal.SIGTERM))
        self.assertTrue(self.accepting(ACCEPT))

    def test_two_collectors_for_one_host(self):
        """They publish the same, and then neither writes."""
        self.start()
        self.start_and_wait()
        self.passes(count=4)
        self.placement.requests.clear()
        self.passes(count=4)
        self.assertEqual([], self.writes())
        self.assertTrue(self.accepting(ACCEPT))


@ddt.ddt
class StartTest(service_base.ServiceTestCase):
    """Options with which it could never work: one line, status 2."""

    @ddt.data(
        (
            {'interval': '0'},
            ('interval', 'Should be greater than or equal to 1'),
        ),
        ({'publisher': 'nowhere'}, ('[collector]publisher', 'nowhere')),
        ({'rules_dirs': '{home}/node.xml'}, ('node.xml',)),
        ({'libvirt_uri': 'nonsense'}, ('libvirt_uri',)),
        ({}, ('[placement]auth_type',), '[placement]\nauth_type =\n'),
        ({}, ('nvidia.yaml',), '', 'rules: ['),
    )
    @ddt.unpack
    def test_refused(self, options, words, nova='', rules=''):
        for name, value in options.items():
            self.options[name] = value.format(home=self.home)
        self.nova = nova or self.nova
        if rules:
            self.write_rules(rules)
        _, log = self.run_collector(status=2)
        for word in words:
            self.assertIn(word, log)
        self.assertEqual(1, len(log.strip().splitlines()), log)
        self.assertEqual([set()] * 3, self.published())


class ProcessTest(service_base.ServiceTestCase):
    def setUp(self):
        super().setUp()
        self.options['interval'] = '3600'

    def workers(self):
        return [
            int(child)
            for path in pathlib.Path(f'/proc/{self.service.pid}/task').glob(
                '*/children'
            )
            for child in path.read_text().split()
        ]

    def is_gone(self, pid):
        try:
            status = pathlib.Path(f'/proc/{pid}/stat').read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        return status.rpartition(')')[2].split()[0] == 'Z'

    def test_parent_is_killed(self):
        """The worker ends, too."""
        self.start_and_wait()
        (worker,) = self.workers()
        self.service.kill()
        self.wait_for(lambda: self.is_gone(worker), 'the worker goes on')

    def test_worker_is_killed(self):
        """Another one replaces it, and publishes."""
        self.start_and_wait()
        (worker,) = self.workers()
        count = self.trees()
        os.kill(worker, signal.SIGKILL)
        self.wait_for(lambda: self.trees() > count, 'no other worker')

    def test_longer_watchdog(self):
        """The watchdog waits for longer than the interval of an hour."""
        self.useFixture(
            fixtures.EnvironmentVariable('WATCHDOG_USEC', '600000000')
        )
        self.start_and_wait()
        self.assertIn('WATCHDOG_USEC=10800000000', self.heard)
        self.service.terminate()
        self.assertEqual(0, self.service.wait(waiting.DEADLINE))
        self.is_ready()
        self.assertIn('STOPPING=1', self.heard)
