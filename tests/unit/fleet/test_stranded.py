# SPDX-License-Identifier: Apache-2.0

import ddt
import testtools

from nova_mdev_compat.fleet import instances
from nova_mdev_compat.fleet import model
from nova_mdev_compat.fleet import stranded
from tests.unit.fleet import clouds

OLD, NEW, NEW2 = (
    clouds.host(name, clouds.parent(name, driver=driver))
    for name, driver in (
        ('old', '535.54'),
        ('new', '550.54'),
        ('new2', '550.54'),
    )
)
SILENT = clouds.host('silent', clouds.silent_parent('silent'), published=False)
PLAIN = clouds.host('plain')


def instance(host, amount=1, slot=0, uuid='i'):
    return instances.Instance(
        uuid, host, ((host.parents[slot], 'VGPU', amount),)
    )


@ddt.ddt
class FindTest(testtools.TestCase):
    def find(self, hosts, some, free=None, unavailable=None):
        """Return what is stranded; by default all parents have room."""
        if free is None:
            free = {
                parent.uuid: 16 for host in hosts for parent in host.parents
            }
        return stranded.find(
            model.by_name(hosts), some, {'VGPU': free}, unavailable or {}
        )

    @ddt.data(
        (OLD, [OLD, NEW], {}, {}, None),
        (
            NEW,
            [OLD, NEW],
            {},
            {},
            ('driver 550.54 is not at most 535.54 (1 host)', ()),
        ),
        (NEW, [OLD, NEW, NEW2, SILENT, PLAIN], {'new2-0': 1}, {}, None),
        (
            NEW,
            [OLD, NEW, NEW2, SILENT, PLAIN],
            {'new-0': 16},
            {},
            (
                'accepts, but has no free capacity (1 host); '
                'driver 550.54 is not at most 535.54 (1 host); '
                'no collector has published here (1 host)',
                ('new2',),
            ),
        ),
        (
            NEW,
            [NEW, NEW2],
            {'new2-0': 1},
            {'uuid-new2': 'its nova-compute is down'},
            ('accepts, but its nova-compute is down (1 host)', ('new2',)),
        ),
        (NEW, [NEW, PLAIN], {}, {}, ('there is no other host with mdevs', ())),
        (
            SILENT,
            [NEW, SILENT],
            {},
            {},
            (
                'the source carries no complete identity: start '
                'nova-mdev-collector on its host, or upgrade it, and see its log',
                (),
            ),
        ),
    )
    @ddt.unpack
    def test_one(self, host, hosts, free, unavailable, expected):
        one = instance(host)
        found = self.find(hosts, [one], free or None, unavailable)
        if expected is None:
            self.assertEqual([], found)
        else:
            because, accepting = expected
            self.assertEqual(
                [stranded.Stranded(one, accepting, because)], found
            )

    def test_a_host_does_not_help_itself(self):
        one = instance(NEW)
        (found,) = self.find([NEW, OLD], [one], {'new-0': 16})
        self.assertIs(one, found.instance)

    def test_capacity_is_of_the_devices_that_accept(self):
        """Another board of the host has room, and does not help."""
        both = clouds.host(
            'both',
            clouds.parent('both'),
            clouds.parent('both', 1, product='2236'),
        )
        one = instance(NEW)
        self.assertEqual(1, len(self.find([NEW, both], [one], {'both-1': 16})))
        self.assertEqual([], self.find([NEW, both], [one], {'both-0': 1}))

    def test_all_of_an_instance_must_fit(self):
        one = instance(NEW, amount=2)
        self.assertEqual(1, len(self.find([NEW, NEW2], [one], {'new2-0': 1})))
        self.assertEqual([], self.find([NEW, NEW2], [one], {'new2-0': 2}))

    def test_many_reasons(self):
        hosts = [
            clouds.host(name, clouds.parent(name, driver=f'5{name}'))
            for name in map(str, range(10, 15))
        ]
        (found,) = self.find([NEW, *hosts, *hosts[:1]], [instance(NEW)])
        self.assertEqual(
            'driver 550.54 is not at most 510 (1 host); '
            'driver 550.54 is not at most 511 (1 host); '
            'driver 550.54 is not at most 512 (1 host); '
            'other reasons (2 hosts)',
            found.because,
        )

    def test_in_order(self):
        some = [
            instance(host, uuid=uuid)
            for host, uuid in ((NEW2, 'a'), (NEW, 'c'), (NEW, 'b'))
        ]
        self.assertEqual(
            ['b', 'c', 'a'],
            [
                one.instance.uuid
                for one in self.find([NEW, NEW2, OLD], some, {'old-0': 1})
            ],
        )


class AmountsTest(testtools.TestCase):
    def test_up_to_all_that_one_instance_needs(self):
        self.assertEqual(
            {('VGPU', 1), ('VGPU', 2), ('VGPU', 3)},
            stranded.amounts([instance(NEW, amount=3), instance(OLD)]),
        )

    def test_not_of_whom_nothing_is_known(self):
        self.assertEqual(set(), stranded.amounts([instance(SILENT)]))


class AssembleTest(testtools.TestCase):
    def test_an_instance_on_two_parents(self):
        host = clouds.host('h', clouds.parent('h'), clouds.parent('h', 1))
        first, second = host.parents
        self.assertEqual(
            (
                instances.Instance(
                    'i', host, ((first, 'VGPU', 1), (second, 'VGPU', 2))
                ),
                instances.Instance('j', host, ((second, 'VGPU', 1),)),
            ),
            instances.assemble(
                [
                    (host, first, {'i': {'VGPU': 1}}),
                    (host, second, {'i': {'VGPU': 2}, 'j': {'VGPU': 1}}),
                ]
            ),
        )

    def test_of_migrations(self):
        """One stands for its instance, and one is left out."""
        self.assertEqual(
            (
                instances.Instance('i', NEW, ((NEW.parents[0], 'VGPU', 1),)),
                instances.Instance('j', NEW, ((NEW.parents[0], 'VGPU', 2),)),
            ),
            instances.assemble(
                [
                    (
                        NEW,
                        NEW.parents[0],
                        {'m': {'VGPU': 1}, 'j': {'VGPU': 2}},
                    ),
                    (OLD, OLD.parents[0], {'n': {'VGPU': 2}}),
                ],
                {'m': 'i', 'n': None},
            ),
        )

    def test_what_an_evacuation_left_is_not_mixed_up(self):
        (one, other) = instances.assemble(
            [
                (NEW, NEW.parents[0], {'i': {'VGPU': 1}}),
                (OLD, OLD.parents[0], {'i': {'VGPU': 1}}),
            ]
        )
        self.assertEqual({'new', 'old'}, {one.host.name, other.host.name})
        self.assertEqual({1}, {len(one.mdevs), len(other.mdevs)})
