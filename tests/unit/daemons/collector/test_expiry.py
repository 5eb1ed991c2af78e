# SPDX-License-Identifier: Apache-2.0

import testtools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.daemons import state
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import model
from tests.unit import samples

NOW = 1_800_000_000.0


def host(*sick):
    """Return a host with two parents, some of them unreadable."""
    return host_traits.HostSnapshot(
        'host1',
        tuple(
            host_traits.unreadable(
                samples.parent(name), exceptions.Failure('x')
            )
            if name in sick
            else host_traits.describe(samples.parent(name), model.RuleSet({}))
            for name in ('pci_0', 'pci_1')
        ),
    )


class MarkTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.state = state.State(60.0)

    def expired(self, found, later, max_age=600):
        return {
            item.parent.name
            for item in self.state.mark_expired(
                found, max_age, NOW + later
            ).parents
            if item.expired
        }

    def test_after_a_while(self):
        for later, expected in (
            (0, set()),
            (599, set()),
            (600, {'pci_0'}),
            (1e6, {'pci_0'}),
        ):
            self.assertEqual(expected, self.expired(host('pci_0'), later))

    def test_each_by_itself(self):
        self.expired(host('pci_0'), 0)
        self.expired(host('pci_0', 'pci_1'), 500)
        self.assertEqual({'pci_0'}, self.expired(host('pci_0', 'pci_1'), 600))

    def test_one_good_read_begins_anew(self):
        self.expired(host('pci_0'), 0)
        self.expired(host(), 300)
        self.assertEqual({}, self.state.unread_since)
        self.assertEqual(set(), self.expired(host('pci_0'), 700))

    def test_at_once(self):
        self.assertEqual({'pci_0'}, self.expired(host('pci_0'), 0, 0))

    def test_a_clock_that_was_set_back(self):
        self.expired(host('pci_0'), 0)
        self.expired(host('pci_0'), -3600)
        self.assertEqual({'pci_0': NOW - 3600}, self.state.unread_since)
        self.assertEqual({'pci_0'}, self.expired(host('pci_0'), -3000))

    def test_the_host_as_a_whole(self):
        for later, expected in ((0, False), (599, False), (600, True)):
            self.assertEqual(
                expected, self.state.host_expired(600, NOW + later)
            )
        self.expired(host('pci_0'), 700)
        self.assertIsNone(self.state.host_unread_since)
        self.assertFalse(self.state.host_expired(600, NOW + 800))

    def test_devices_are_not_forgotten_meanwhile(self):
        self.expired(host('pci_0'), 0)
        self.state.host_expired(600, NOW + 100)
        self.assertEqual({'pci_0'}, self.expired(host('pci_0'), 600))
