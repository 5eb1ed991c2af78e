# SPDX-License-Identifier: Apache-2.0
"""The collector as a service that nobody has to think of."""

import os
import signal

from tests.functional import collector_base
from tests.functional import service_base
from tests.functional import test_collector

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
        """Return whether root and boards all carry just these patterns."""
        return all(
            set(names) == {name for name in found if '_ACCEPT_' in name}
            for found in self.published()
        )

    def test_ready_after_the_first_publication(self):
        """nova-compute, which waits for it, never runs on old traits."""
        self.placement.before = lambda *_: '503 Not yet'
        self.start()
        self.passes()
        self.assertFalse(self.is_ready())
        self.placement.before = None
        self.wait_for(self.is_ready, 'it did not become ready')
        self.assertTrue(self.accepting(ACCEPT))
        self.assertIn('WATCHDOG=1', self.heard)

    def test_quiet_host(self):
        """One request a cycle, whatever the number of parents."""
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

    def test_provider_made_anew(self):
        """nova-compute deletes a provider and makes it again, bare."""
        self.start_and_wait()
        self.placement.ask('DELETE', f'/resource_providers/{self.boards[1]}')
        self.passes()
        self.boards[1] = self.provider(1)
        self.wait_for(lambda: self.accepting(ACCEPT), 'not published again')

    def test_traits_wiped_by_somebody(self):
        self.start_and_wait()
        for uuid in (self.root, *self.boards):
            self.placement.ask('DELETE', f'/resource_providers/{uuid}/traits')
        self.wait_for(lambda: self.accepting(ACCEPT), 'not published again')

    def test_trait_deleted_by_somebody(self):
        """One that no provider carried, and that is needed later."""
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
        """The last good rules stay in force; status says so."""
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
        # The first pass asks twice (by name, then for the tree), and one more
        # comes when libvirt is connected to; then there is peace.
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
        """They agree, and then neither writes."""
        self.start()
        self.start_and_wait()
        self.passes(count=4)
        self.placement.requests.clear()
        self.passes(count=4)
        self.assertEqual([], self.writes())
        self.assertTrue(self.accepting(ACCEPT))


class StartTest(service_base.ServiceTestCase):
    """Options with which it could never work: one line, status 2."""

    def assert_refused(self, *words):
        _, log = self.run_collector(status=2)
        for word in words:
            self.assertIn(word, log)
        self.assertEqual(1, len(log.strip().splitlines()), log)
        self.assertEqual([set()] * 3, self.published())

    def test_interval(self):
        self.options['interval'] = '0'
        self.assert_refused('interval', 'Should be greater than or equal to 1')

    def test_publisher(self):
        self.options['publisher'] = 'nowhere'
        self.assert_refused('[collector]publisher', 'nowhere')

    def test_rules(self):
        self.write_rules('rules: [')
        self.assert_refused('nvidia.yaml')

    def test_rules_directory(self):
        self.options['rules_dirs'] = f'{self.home}/node.xml'
        self.assert_refused('node.xml')

    def test_credentials(self):
        self.nova = '[placement]\nauth_type =\n'
        self.assert_refused('[placement]auth_type')

    def test_libvirt_uri(self):
        self.options['libvirt_uri'] = 'nonsense'
        self.assert_refused('libvirt_uri')
