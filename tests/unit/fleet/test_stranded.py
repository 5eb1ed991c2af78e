# SPDX-License-Identifier: Apache-2.0

import ddt
import testtools

from nova_mdev_compat.fleet import device_classes
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
UNPUBLISHED, NEWER_SCHEMA = (
    clouds.host(
        name, clouds.silent_parent(name), published=False, schemas=schemas
    )
    for name, schemas in (('unpublished', ()), ('v2', ('CUSTOM_MDEV_V2',)))
)
PLAIN = clouds.host('plain')
ALL = [OLD, NEW, NEW2, UNPUBLISHED, PLAIN]
TOO_NEW = 'driver 550.54 is not at most 535.54 (1 host)'
V2 = 'publishes in schema CUSTOM_MDEV_V2, which this version does not read'


def instance(host, amount=1, slot=0, uuid='i'):
    return instances.Instance(
        uuid, host, ((host.parents[slot], 'VGPU', amount),)
    )


def find(hosts, some, free=None, unavailable=None):
    """Return what is stranded; by default all parents have capacity."""
    if free is None:
        free = {parent.uuid: 16 for host in hosts for parent in host.parents}
    return stranded.find(
        model.by_name(hosts), some, {'VGPU': free}, unavailable or {}
    )


@ddt.ddt
class FindTest(testtools.TestCase):
    @ddt.data(
        (OLD, [OLD, NEW], None, None),
        (NEW, ALL, {'new2-0': 1}, None),
        (NEW, [OLD, NEW], None, (TOO_NEW,)),
        # A host does not help itself.
        (NEW, [OLD, NEW], {'new-0': 16}, (TOO_NEW,)),
        (
            NEW,
            ALL,
            {'new-0': 16},
            (
                'accepts, but has no free capacity (1 host); '
                f'{TOO_NEW}; no collector has published here (1 host)',
                'new2',
            ),
        ),
        (NEW, [NEW, PLAIN], None, ('there is no other host with vGPUs',)),
        (NEW, [NEW, NEWER_SCHEMA], None, (f'{V2} (1 host)',)),
        (
            UNPUBLISHED,
            [NEW, UNPUBLISHED],
            None,
            (
                'the source carries no complete identity: start '
                'nova-mdev-collector on its host, or upgrade it, and see its '
                'log',
            ),
        ),
        (
            NEWER_SCHEMA,
            [NEW, NEWER_SCHEMA],
            None,
            (f'the source {V2}: upgrade nova-mdev-compat here',),
        ),
    )
    @ddt.unpack
    def test_one(self, host, hosts, free, expected):
        one = instance(host)
        if expected:
            because, *accepting = expected
            expected = stranded.Stranded(one, tuple(accepting), because)
        self.assertEqual(
            [expected] if expected else [], find(hosts, [one], free)
        )

    def test_unavailable(self):
        (found,) = find(
            [NEW, NEW2],
            [instance(NEW)],
            unavailable={'uuid-new2': 'its nova-compute is down'},
        )
        self.assertEqual(
            (
                'accepts, but its nova-compute is down (1 host)',
                ('new2',),
            ),
            (found.because, found.accepting),
        )

    def test_only_devices_that_accept_have_capacity(self):
        both = clouds.host(
            'both',
            clouds.parent('both'),
            clouds.parent('both', 1, product='2236'),
        )
        one = instance(NEW)
        self.assertEqual(1, len(find([NEW, both], [one], {'both-1': 16})))
        self.assertEqual([], find([NEW, both], [one], {'both-0': 1}))

    def test_all_of_an_instance_must_fit(self):
        one = instance(NEW, amount=2)
        self.assertEqual(1, len(find([NEW, NEW2], [one], {'new2-0': 1})))
        self.assertEqual([], find([NEW, NEW2], [one], {'new2-0': 2}))

    def test_many_reasons(self):
        hosts = [
            clouds.host(name, clouds.parent(name, driver=f'5{name}'))
            for name in map(str, range(10, 15))
        ]
        (found,) = find([NEW, *hosts], [instance(NEW)])
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
        found = find([NEW, NEW2, OLD], some, {'old-0': 1})
        self.assertEqual(['b', 'c', 'a'], [one.instance.uuid for one in found])

    def test_amounts(self):
        """Up to all that one instance needs; nothing if that is unknown."""
        self.assertEqual(
            {('VGPU', 1), ('VGPU', 2), ('VGPU', 3)},
            stranded.amounts(
                [instance(NEW, 3), instance(OLD), instance(UNPUBLISHED, 4)]
            ),
        )


class AssembleTest(testtools.TestCase):
    def test_an_instance_on_two_parents(self):
        host = clouds.host('h', clouds.parent('h'), clouds.parent('h', 1))
        first, second = host.parents
        self.assertEqual(
            (
                instances.Instance(
                    'i', host, ((first, 'VGPU', 1), (second, 'VGPU', 2))
                ),
                instance(host, slot=1, uuid='j'),
            ),
            instances.assemble(
                [
                    (host, first, {'i': {'VGPU': 1}}),
                    (host, second, {'i': {'VGPU': 2}, 'j': {'VGPU': 1}}),
                ],
                {},
            ),
        )

    def test_migrations(self):
        """m has mdevs of an instance; n is left out."""
        found = [
            (NEW, NEW.parents[0], {'m': {'VGPU': 1}, 'j': {'VGPU': 2}}),
            (OLD, OLD.parents[0], {'n': {'VGPU': 2}}),
        ]
        self.assertEqual(
            (instance(NEW), instance(NEW, 2, uuid='j')),
            instances.assemble(found, {'m': 'i', 'n': None}),
        )

    def test_after_an_evacuation(self):
        """What remains on the other host is an instance of its own."""
        found = [
            (host, host.parents[0], {'i': {'VGPU': 1}}) for host in (OLD, NEW)
        ]
        self.assertEqual(
            (instance(NEW), instance(OLD)), instances.assemble(found, {})
        )


class SourcesTest(testtools.TestCase):
    def sources(self, *hosts):
        """Return the sources that are stranded, by class, with hosts."""
        classes = device_classes.classify(model.by_name(hosts).parents())
        return [
            (one.cell.origin.label, one.hosts, one.unknown)
            for one in stranded.sources(device_classes.matrix(classes))
        ]

    def test_sources(self):
        self.assertEqual([], self.sources(OLD, NEW, NEW2))
        self.assertEqual([('B', ('new',), False)], self.sources(OLD, NEW))
        self.assertEqual(
            [('B', ('new',), True)], self.sources(OLD, NEW, UNPUBLISHED)
        )

    def test_some_hosts_of_a_class(self):
        """The only host that accepts a source does not help itself."""
        both = clouds.host(
            'both',
            clouds.parent('both', driver='550.54'),
            clouds.parent('both', 1, driver='535.54'),
        )
        old = clouds.host('old', clouds.parent('old', driver='535.54'))
        found = self.sources(both, old)
        self.assertEqual([('B', ('both',), False)], found)
