# SPDX-License-Identifier: Apache-2.0
"""A publication that is cut off never mixes what was with what will be.

The publisher writes to a real Placement that stops answering, before each
single write in turn. What the host accepts then is a part of what it accepted
before, or a part of what it accepts in the end. What a host accepts is said
here once more, in the filter's terms and without the project's code.
"""

import itertools
import random

import ddt

from nova_mdev_compat.cmd import collector
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import pattern
from nova_mdev_compat.placement import client
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication import publishers
from nova_mdev_compat.rules import model
from tests.functional import collector_base
from tests.unit import samples

ACCEPT, TYPE = 'CUSTOM_MDEV_ACCEPT_', 'CUSTOM_MDEV_TYPE_'
HOST, MIXED = 'CUSTOM_MDEV_HOST', 'CUSTOM_MDEV_MIXED'
NAMES = ('pci_0000_81_00_0', 'pci_0000_81_01_0')
#: A pass that could not read the device, or did not find it.
UNREAD, GONE = 'unread', 'gone'
#: What one board can be: product and type, and which sources it accepts.
A, B, AB = (('2235', 'nvidia-11', sources) for sources in ('A', 'B', 'AB'))
OTHER = ('2236', 'nvidia-11', 'B')
OTHER_TYPE = ('2235', 'nvidia-12', 'A')
UNUSED = ('2235', None, '')
KINDS = (A, B, AB, OTHER, OTHER_TYPE, UNUSED, UNREAD, GONE)


def board(name, kind):
    if kind == UNREAD:
        return host_traits.unreadable(
            samples.parent(name, target_type='nvidia-11', facts={}),
            exceptions.Failure('it is sick'),
            ['CUSTOM_MDEV_FACT_'],
        )
    product, mdev_type, sources = kind
    parent = samples.parent(
        name, parent_id=f'10DE_{product}', target_type=mdev_type, facts={}
    )
    answer = host_traits.VendorAnswer(
        'test',
        frozenset(
            pattern.Pattern(
                '10DE_ANY',
                'ANY',
                (pattern.Condition('mode', pattern.Op.IS, source),),
            )
            for source in sources
        ),
    )
    return host_traits.describe(parent, model.RuleSet({}), answer)


def host(kinds):
    return host_traits.HostSnapshot(
        'host1',
        tuple(
            board(name, kind)
            for name, kind in zip(NAMES, kinds, strict=True)
            if kind != GONE
        ),
    )


def accepted(root, *boards):
    """Return what each board accepts: pairs of source and type served.

    A root that has HOST speaks for all boards by its patterns, and a board
    that has MIXED for itself.
    """

    def pairs(names, speaks):
        if speaks not in names:
            return set()
        return {
            (accept, serves)
            for accept in names
            for serves in names
            if accept.startswith(ACCEPT) and serves.startswith(TYPE)
        }

    return [pairs(root, HOST) | pairs(names, MIXED) for names in boards]


def is_part(some, more):
    """Return whether no board accepts more."""
    return all(map(set.issubset, some, more))


@ddt.ddt
class WriteOrderTest(collector_base.CollectorTestCase):
    def setUp(self):
        super().setUp()
        self.writes = 0
        self.stop = None
        self.placement.before = self.count

    def count(self, method, path):
        if method != 'PUT' or not path.startswith('/resource_providers/'):
            return None
        self.writes += 1
        if self.stop is not None and self.writes >= self.stop:
            return '503 Stopped'
        return None

    def publish(self, found, stop=None):
        """Publish as a process that has just started; tell if it ended."""
        conf = collector.COMMAND.new_config()
        conf(list(map(str, self.write_config())))
        self.writes, self.stop = 0, stop
        try:
            publishers.load(conf).publish(found)
        except client.PlacementError:
            return False
        return True

    def check(self, before, after):
        """Cut off the way from one host to another before every write."""
        self.publish(host(before))
        old = accepted(*self.published())
        self.publish(host(after))
        new = accepted(*self.published())
        for stop in itertools.count(1):
            self.publish(host(before))
            if self.publish(host(after), stop):
                return stop - 1
            found = accepted(*self.published())
            self.assertTrue(
                is_part(found, old) or is_part(found, new),
                f'{before} -> {after}, stopped at write {stop}: {found}',
            )

    @ddt.data(
        # The root speaks for both, and then must not.
        ((A, A), (A, B)),
        ((A, A), (B, A)),
        ((AB, AB), (A, B)),
        # Two boards swap what they accept.
        ((A, B), (B, A)),
        ((A, OTHER), (OTHER, A)),
        # They become the same, and the root speaks.
        ((A, B), (B, B)),
        ((A, B), (A, A)),
        ((A, A), (B, B)),
        # One is gone, or not used any more, or cannot be read.
        ((A, A), (A, GONE)),
        ((AB, B), (GONE, A)),
        ((A, A), (UNUSED, A)),
        ((AB, A), (B, UNREAD)),
        ((A, A), (UNREAD, B)),
        ((A, OTHER_TYPE), (OTHER_TYPE, A)),
    )
    @ddt.unpack
    def test_cut_off(self, before, after):
        self.assertGreater(self.check(before, after), 0)

    def test_drawn(self):
        """Hosts that nobody thought of."""
        draw = random.Random(13)  # noqa: S311
        readable = [kind for kind in KINDS if kind != UNREAD]
        for _ in range(6):
            self.check(draw.choices(readable, k=2), draw.choices(KINDS, k=2))

    def test_the_question_can_be_answered_with_no(self):
        """The oracle tells boards that accept too much."""
        self.publish(host((A, B)))
        first, second = accepted(*self.published())
        self.assertEqual([1, 1], [len(first), len(second)])
        self.assertNotEqual(first, second)
        self.publish(host((A, A)))
        first, second = accepted(*self.published())
        self.assertEqual(first, second)
        self.assertEqual(1, len(first))
