# SPDX-License-Identifier: Apache-2.0
"""A publication that is cut off never mixes old and new traits.

A real Placement stops answering before each write in turn. What the host then
accepts is a part of what it accepted before, or a part of what it accepts in
the end. This module computes what a host accepts without the project's code.
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
#: A device that could not be read, or was not found.
UNREAD, GONE = 'unread', 'gone'
#: Classes of boards: product, type, and the sources that they accept.
A, B, AB = (('2235', 'nvidia-11', sources) for sources in ('A', 'B', 'AB'))
OTHER = ('2236', 'nvidia-11', 'B')
OTHER_TYPE = ('2235', 'nvidia-12', 'A')
UNUSED = ('2235', None, '')
CLASSES = (A, B, AB, OTHER, OTHER_TYPE, UNUSED, UNREAD, GONE)


def board(name, board_class):
    if board_class == UNREAD:
        return host_traits.unreadable(
            samples.parent(name, target_type='nvidia-11', facts={}),
            exceptions.Failure('it is sick'),
            ['CUSTOM_MDEV_FACT_'],
        )
    product, mdev_type, sources = board_class
    parent = samples.parent(
        name, parent_id=f'10DE_{product}', target_type=mdev_type, facts={}
    )
    conditions = [
        pattern.Condition('mode', pattern.Op.IS, source) for source in sources
    ]
    answer = host_traits.VendorAnswer(
        'test',
        frozenset(
            pattern.Pattern('10DE_ANY', 'ANY', (one,)) for one in conditions
        ),
    )
    return host_traits.describe(parent, model.RuleSet({}), answer)


def host(classes):
    boards = [
        board(name, board_class)
        for name, board_class in zip(NAMES, classes, strict=True)
        if board_class != GONE
    ]
    return host_traits.HostSnapshot('host1', tuple(boards))


def accepted(root, *boards):
    """Return what each board accepts: pairs of pattern and type.

    A root with HOST advertises for all boards, and a board with MIXED for
    itself.
    """

    def pairs(names, mark):
        return {
            (accept, mdev_type)
            for accept, mdev_type in itertools.product(names, names)
            if mark in names
            and accept.startswith(ACCEPT)
            and mdev_type.startswith(TYPE)
        }

    return [pairs(root, HOST) | pairs(names, MIXED) for names in boards]


def is_part(some, more):
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
        """Publish as a process that has just started; return if it could."""
        conf = collector.COMMAND.new_config()
        conf(list(map(str, self.write_config())))
        self.writes, self.stop = 0, stop
        try:
            publishers.load(conf).publish(found)
        except client.PlacementError:
            return False
        return True

    def check(self, before, after):
        """Cut off a publication before each write; return their number."""
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
        # The root advertises for both, and then must not.
        ((A, A), (A, B)),
        ((A, A), (B, A)),
        ((AB, AB), (A, B)),
        # Two boards swap what they accept.
        ((A, B), (B, A)),
        ((A, OTHER), (OTHER, A)),
        # They become equal, and the root advertises.
        ((A, B), (B, B)),
        ((A, B), (A, A)),
        ((A, A), (B, B)),
        # One is gone, no longer used, or cannot be read.
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

    def test_random_hosts(self):
        draw = random.Random(13)  # noqa: S311
        readable = [one for one in CLASSES if one != UNREAD]
        for _ in range(6):
            self.check(draw.choices(readable, k=2), draw.choices(CLASSES, k=2))

    @ddt.data(((A, B), False), ((A, A), True))
    @ddt.unpack
    def test_the_oracle_tells_boards_apart(self, classes, same):
        self.publish(host(classes))
        first, second = accepted(*self.published())
        self.assertEqual([1, 1], [len(first), len(second)])
        self.assertEqual(same, first == second)
