# SPDX-License-Identifier: Apache-2.0
"""Hosts whose collector publishes another schema than the filter reads."""

from nova_mdev_compat.core import traits
from tests.functional import test_reasons
from tests import hardware

Board = hardware.Board
NEWER = 'CUSTOM_MDEV_V2'


class SchemaTest(test_reasons.ReasonsTestCase):
    def setUp(self):
        super().setUp()
        self.start_host('src', Board(0))
        self.start_host('new', Board(0))
        self.server = self.boot('src')

    def change_schema(self, host, change):
        """Change the traits of a host's root and device.

        :param change: returns new traits for old ones
        """
        for uuid in (
            self._get_provider_uuid_by_name(host),
            self.provider(host, 0),
        ):
            self.change_traits(uuid, change)

    def newer_schema(self, host, keep=False):
        """Give a host's providers the newer schema.

        :param keep: beside our own, instead of replacing it
        """
        removed = set() if keep else {traits.SCHEMA}
        self.change_schema(host, lambda names: names - removed | {NEWER})

    def test_refused_as_unknown(self):
        for keep in (True, False):
            with self.subTest(keep=keep):
                self.collect('new')
                self.newer_schema('new', keep)
                self.assert_no_valid_host(self.server)
                self.assertEqual([], self.checked)
                line = self.lines('No host accepts')[-1]
                self.assertIn(
                    f'Of new: publishes in schema {NEWER}, which this '
                    'version does not read; upgrade nova-mdev-compat here.',
                    line,
                )
                self.assertNotIn('no collector has published', line)

    def test_let_through_as_unknown(self):
        self.flags(unknown='allow', group='mdev_compat')
        self.start_host('bad', Board(0, product='2236'))
        self.newer_schema('new')
        self.assertEqual('new', self.migrate(self.server))
        self.assertEqual(['new'], self.checked)

    def test_others_are_found_with_as_many_requests(self):
        self.start_host('good', Board(0))
        for keep in (True, False):
            self.collect('new')
            self.newer_schema('new', keep)
            self.assertEqual('good', self.migrate(self.server))
            self.assertEqual(4, len(self.requests), self.requests)
            self.assertEqual(['good'], self.checked)
            self.assertEqual('src', self.migrate(self.server))

    def test_source(self):
        for keep in (True, False):
            with self.subTest(keep=keep):
                self.collect('src')
                self.newer_schema('src', keep)
                self.assert_no_valid_host(self.server)
                self.assertIn(
                    f'publishes in schema {NEWER}, which this version does '
                    'not read: upgrade nova-mdev-compat here. Refusing all',
                    self.lines('is unknown')[-1],
                )

    def test_host_without_a_schema(self):
        """Its other traits are ignored."""
        self.change_schema('new', lambda names: names - {traits.SCHEMA})
        self.assert_no_valid_host(self.server)
        self.assertIn(
            'On new: no collector has published here',
            self.lines('No host accepts')[-1],
        )
