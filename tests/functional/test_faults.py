# SPDX-License-Identifier: Apache-2.0
"""Faults while traits are published."""

from tests.functional import collector_base
from tests.functional import test_collector

ACCEPT = test_collector.ACCEPT


class FaultTest(collector_base.CollectorTestCase):
    def setUp(self):
        super().setUp()
        for uuid in (self.root, *self.boards):
            self.placement.add_trait(uuid, 'CUSTOM_GOLD')
        self.writes = 0

    def at_write(self, action):
        """Call ``action(number, path)`` before each write of traits."""

        def before(method, path):
            if method == 'PUT' and path.startswith('/resource_providers/'):
                self.writes += 1
                return action(self.writes, path)
            return None

        self.placement.before = before

    def compete(self, rounds):
        """Let another service write first, a number of times."""

        def action(number, path):
            if number > rounds:
                return
            self.placement.before = None
            self.placement.add_trait(
                path.split('/')[2], f'CUSTOM_OTHER_{number}'
            )
            self.at_write(action)

        self.at_write(action)

    def test_conflicts(self):
        """nova-compute writes to the same provider, nine times in a row."""
        self.compete(rounds=9)
        self.run_collector('once')
        others = {f'CUSTOM_OTHER_{number}' for number in range(1, 10)}
        self.assertLessEqual(others, set().union(*self.published()))
        for names in self.published():
            self.assertLessEqual({ACCEPT, 'CUSTOM_GOLD'}, names)

    def test_conflicts_without_end(self):
        self.compete(rounds=1000)
        _, log = self.run_collector('once', status=1)
        self.assertIn('409', log)

    def test_provider_vanishes(self):
        """nova-compute deletes a provider while it is being written."""

        def action(number, path):
            if number == 1:
                self.placement.before = None
                self.placement.ask(
                    'DELETE', f'/resource_providers/{path.split("/")[2]}'
                )

        self.at_write(action)
        _, log = self.run_collector('once')
        self.assertIn('is gone', log)
        self.assertIn(ACCEPT, self.placement.traits(self.boards[1]))

    def test_stopped_at_every_write(self):
        """A pass that stops half-way never leaves more than is true.

        The root advertises for two equal boards, which then differ.
        """
        for stop in range(1, 4):
            self.placement.before = None
            self.devices(collector_base.device(0), collector_base.device(1))
            self.run_collector('once')
            self.assertIn(ACCEPT, self.placement.traits(self.root))
            self.devices(
                collector_base.device(0),
                collector_base.device(1, product='2236'),
            )
            self.writes = 0
            self.at_write(
                lambda number, _, stop=stop: (
                    '503 Stopped' if number >= stop else None
                )
            )
            self.run_collector('once', status=1)
            self.assertEqual(stop, self.writes)
            root, _, second = self.published()
            self.assertEqual(stop == 1, ACCEPT in root)
            if 'CUSTOM_MDEV_MIXED' in second:
                self.assertNotIn(ACCEPT, second)

    def test_placement_fails(self):
        """Nothing that was published is lost."""
        self.run_collector('once')
        before = self.published()
        self.devices(collector_base.device(0, product='2236'))
        for status in ('500 Internal Server Error', '403 Forbidden'):
            self.placement.before = lambda *_, status=status: status
            _, log = self.run_collector('once', status=1)
            expected = 'Placement: GET /resource_providers?name=host1: '
            self.assertIn(expected + status[:3], log)
            self.placement.before = None
            self.assertEqual(before, self.published())
        self.placement.endpoint = 'http://127.0.0.1:1'
        _, log = self.run_collector('once', status=1)
        self.assertIn('Placement does not answer', log)

    def test_wrong_hostname(self):
        """Nothing is published on the provider of another host or device."""
        self.options['hypervisor_hostname'] = 'elsewhere'
        _, log = self.run_collector('once', status=1)
        self.assertIn('no resource provider named elsewhere', log)
        self.options['hypervisor_hostname'] = 'host1_pci_0000_81_00_0'
        _, log = self.run_collector('once', status=1)
        self.assertIn('is not a compute node', log)
        self.assertEqual(
            {'CUSTOM_GOLD'}, self.placement.traits(self.boards[0])
        )

    def test_libvirt_is_down(self):
        self.run_collector('once')
        before = self.published()
        self.options['libvirt_uri'] = 'qemu+unix:///system?socket=/nowhere'
        _, log = self.run_collector('once', status=1)
        self.assertIn('see [collector]libvirt_uri', log)
        self.assertEqual(before, self.published())
