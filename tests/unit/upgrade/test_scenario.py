# SPDX-License-Identifier: Apache-2.0

import ddt
import testtools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.fleet import model
from nova_mdev_compat.upgrade import scenario
from tests.unit.fleet import clouds

TYPE = frozenset({'NVIDIA_558'})
DRIVER = {'driver': '560'}


def planned(*hosts, types=TYPE, names=(), facts=None, by=clouds.UP_TO_OURS):
    return scenario.build(
        model.by_name(hosts), types, names, facts or DRIVER, by
    )


def one(name, **device):
    """Return a host with one device."""
    return clouds.host(name, clouds.parent(name, **device))


@ddt.ddt
class ScenarioTest(testtools.TestCase):
    def after(self, found, name):
        """Return what a device of a host will say."""
        (host,) = [host for host in found.after.values() if host.name == name]
        return host.parents[0].traits

    def refused(self, *hosts, **kwargs):
        return str(
            self.assertRaises(exceptions.BadInput, planned, *hosts, **kwargs)
        )

    def test_new_facts_and_what_they_make_of_it(self):
        found = planned(one('a', ecc='on'), one('b', mdev_type='nvidia-559'))
        self.assertEqual({'uuid-a'}, found.after.keys())
        said = self.after(found, 'a')
        self.assertEqual({('driver', '560'), ('ecc', 'ON')}, said.facts)
        self.assertEqual(
            ['CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_558__DRIVER_LE_560'],
            list(said.accepts),
        )
        self.assertEqual(
            ((), (), [], []),
            (
                found.up_to_date,
                found.mismatched,
                found.unknown,
                found.unaffected,
            ),
        )

    def test_other_devices_of_its_host_stay_as_they_are(self):
        host = clouds.host(
            'a',
            clouds.parent('a'),
            clouds.parent('a', 1, mdev_type='nvidia-559'),
        )
        found = planned(host)
        self.assertEqual(
            [True, False],
            [found.changes(host, parent) for parent in host.parents],
        )
        self.assertIs(
            host.parents[1].traits, found.after['uuid-a'].parents[1].traits
        )
        self.assertEqual([(host, host.parents[1])], found.unaffected)
        self.assertEqual(
            [], planned(host, types=TYPE | {'NVIDIA_559'}).unaffected
        )

    def test_a_type_that_is_only_in_use(self):
        """Its device changes, and then nothing is in use any more."""
        found = planned(
            one('a', mdev_type='nvidia-559', in_use=['nvidia-558'])
        )
        said = self.after(found, 'a')
        self.assertEqual(
            (frozenset({'NVIDIA_559'}), frozenset()), (said.types, said.in_use)
        )
        self.assertEqual(
            ['CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_559__DRIVER_LE_560'],
            list(said.accepts),
        )

    @ddt.data('560', '560.0', '560.00')
    def test_who_has_it_already(self, driver):
        found = planned(one('a', driver=driver), one('b'))
        self.assertEqual(
            (('a',), {'uuid-b'}), (found.up_to_date, found.after.keys())
        )

    def test_other_rules_are_a_change_too(self):
        found = planned(one('a', driver='560'), by=clouds.SAME_ONLY)
        self.assertEqual({'uuid-a'}, found.after.keys())

    def test_rules_that_are_not_those_of_the_hosts(self):
        found = planned(
            one('a'),
            one('b', by=clouds.SAME_ONLY),
            one('c', by=clouds.SAME_ONLY),
        )
        self.assertEqual(('b', 'c'), found.mismatched)

    def test_only_hosts_that_are_named(self):
        found = planned(one('a'), one('b'), one('c'), names=['c', 'a'])
        self.assertEqual({'uuid-a', 'uuid-c'}, found.after.keys())

    def test_a_device_of_no_complete_identity(self):
        """What is missing is not made up: it accepts nothing."""
        host = clouds.host(
            'a',
            model.Parent(
                'a-0',
                'pci_0',
                clouds._said(
                    frozenset(
                        {
                            'CUSTOM_MDEV_V1',
                            'CUSTOM_MDEV_TYPE_NVIDIA_558',
                            'CUSTOM_MDEV_FACT_DRIVER_550',
                        }
                    )
                ),
            ),
        )
        found = planned(host)
        self.assertEqual([(host, host.parents[0])], found.unknown)
        self.assertEqual({}, self.after(found, 'a').accepts)
        self.assertEqual((), found.mismatched)

    def test_a_fact_that_is_missing_stays_so(self):
        rules = clouds.rules_about('driver', 'ecc', EQ='same')
        found = planned(one('a', by=rules), by=rules)
        self.assertEqual({}, self.after(found, 'a').accepts)

    @ddt.data(
        (
            {'types': frozenset({'NVIDIA_1', 'NVIDIA_2'})},
            'no device serves type nvidia-1 or nvidia-2, or has it in use: '
            '"openstack mdev device list" has the types',
        ),
        (
            {'names': ['a', 'c', 'b']},
            'no device of host b, c serves type nvidia-558, or has it in use',
        ),
        (
            {'facts': {'drivers': '560'}},
            'none of these devices has published fact drivers, and no rule asks '
            'for it; what they have: driver',
        ),
    )
    @ddt.unpack
    def test_nothing_of_the_kind(self, kwargs, line):
        self.assertEqual(
            line,
            self.refused(
                one('a'),
                one('b', mdev_type='nvidia-559'),
                clouds.host('c'),
                **kwargs,
            ),
        )

    def test_a_fact_that_only_a_rule_asks_for(self):
        rules = clouds.rules_about('driver', 'ecc', EQ='same')
        found = planned(one('a'), facts={'ecc': 'ON'}, by=rules)
        self.assertEqual(1, len(self.after(found, 'a').accepts))

    def test_what_no_trait_can_carry(self):
        self.assertEqual(
            "host a: node device pci_0: rule 'r' (f:1): driver 5_GE: a trait "
            'cannot tell GE in a value from an operator',
            self.refused(one('a'), facts={'driver': '5_GE'}),
        )
