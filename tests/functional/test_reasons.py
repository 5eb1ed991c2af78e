# SPDX-License-Identifier: Apache-2.0
"""What the scheduler's log says where no host is left, and of odd traits."""

from nova_mdev_compat.core import traits
from tests.functional import base
from tests import hardware

Board = hardware.Board
ODD = 'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_11__DRIVER_LIKE_550'


class ReasonsTestCase(base.MdevCompatTestCase):
    def log(self):
        return self.stdlog.logger.output

    def lines(self, text):
        return [
            line
            for line in self.log().splitlines()
            if text in line and '[nova_mdev_compat.filters]' in line
        ]

    def change_traits(self, uuid, change):
        """Replace a provider's traits by what a function makes of them."""
        names = change(set(self._get_provider_traits(uuid)))
        for name in filter(traits.is_ours, names):
            self._create_trait(name)
        self._set_provider_traits(uuid, sorted(names))


class NoneLeftTest(ReasonsTestCase):
    """The source's own host takes itself, and is no candidate."""

    def refuse(self):
        """Return why the log says that no host is left."""
        self.assert_no_valid_host(self.server)
        (line,) = self.lines('No host accepts')
        _, _, why = line.partition('subsystem=10de:14d9. ')
        return why.partition(' For each host:')[0]

    def start(self, *others):
        """Start the source, and some hosts with a board each."""
        self.start_host('src', Board(0, driver='550.54.14'))
        for number, board in enumerate(others):
            self.start_host(f'other-{number}', board)
        self.server = self.boot('src')

    def test_only_the_source_has_the_board(self):
        self.start(Board(0, product='2236'))
        self.assertEqual(
            'No other host publishes a pattern for this device.', self.refuse()
        )

    def test_only_the_source_fits(self):
        self.write_rules(base.UPGRADE_RULES)
        self.start(Board(0, driver='535.54.03'), Board(0, product='2236'))
        self.assertEqual(
            'Patterns for this device do not match: driver 550.54.14 is '
            'not at most 535.54.03.',
            self.refuse(),
        )

    def test_nearest_first(self):
        self.write_rules(base.UPGRADE_RULES)
        self.write_rules(
            """
schema_version: "1.0"
vendor: "10de"
rules:
  - name: another subsystem, which is compared later than the driver
    accepts: {facts: {subsystem: "10de:1"}}
""",
            host='other-1',
        )
        self.start(Board(0, driver='535.54.03'), Board(0))
        self.assertEqual(
            'Patterns for this device do not match: subsystem 10de:14d9 is not equal '
            'to 10de_1; driver 550.54.14 is not at most 535.54.03.',
            self.refuse(),
        )

    def test_another_host_is_full(self):
        """In the words of "openstack mdev target list"."""
        self.start(Board(0), Board(0, product='2236'))
        inventory = self._get_provider_inventory(self.provider('other-0', 0))[
            'VGPU'
        ]
        flavor = self._create_flavor(
            extra_spec={'resources:VGPU': str(inventory['total'])}
        )
        self.boot('other-0', flavor)
        self.assertEqual(
            'Another host accepts, but has no free capacity, or Nova '
            'excluded it for another reason.',
            self.refuse(),
        )

    def test_another_host_serves_another_type(self):
        self.write_rules("""
schema_version: "1.0"
vendor: "10de"
rules:
  - name: any type
    accepts: {type: any}
""")
        board = Board(0, both_types=True)
        self.start_host('src', board)
        self.start_host('other', board, types={0: 'nvidia-12'})
        self.server = self.boot('src')
        self.assertEqual(
            'Patterns for this device do not match: does not serve type nvidia-11, '
            'and Nova takes no other.',
            self.refuse(),
        )

    def test_placement_fails_while_it_is_asked_why(self):
        """The refusal stands; the log says what is not known."""
        self.start(Board(0, product='2236'))
        self.fail_requests('uuid=')
        self.assertIn(
            'The reasons of other hosts are unknown: Placement: GET ',
            self.refuse(),
        )


class UnreadableTest(ReasonsTestCase):
    def test_said_once_and_when_it_changes(self):
        self.start_host('src', Board(0))
        self.start_host('bad', Board(0, product='2236'))
        server = self.boot('src')
        uuid = self.provider('bad', 0)

        def said():
            self.assert_no_valid_host(server)
            return self.lines('cannot be read')

        self.assertEqual([], said())
        self.change_traits(uuid, lambda names: names | {ODD})
        (line,) = said()
        self.assertIn(
            f'Ignoring 1 accept pattern in Placement that cannot be read: '
            f'{ODD}.',
            line,
        )
        self.assertEqual([line], said())
        self.change_traits(uuid, lambda names: names | {f'{ODD}_1'})
        _, line = said()
        self.assertIn(
            f'Ignoring 2 accept patterns in Placement that cannot be read: '
            f'{ODD}, {ODD}_1.',
            line,
        )
        self.change_traits(uuid, lambda names: names - {ODD, f'{ODD}_1'})
        self.assertEqual(2, len(said()))
        self.change_traits(uuid, lambda names: names | {ODD})
        self.assertEqual(3, len(said()))
