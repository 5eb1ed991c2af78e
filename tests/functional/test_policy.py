# SPDX-License-Identifier: Apache-2.0
"""What happens where there is no answer."""

import fixtures
from keystoneauth1 import exceptions as ks_exceptions
from oslo_db import exception as db_exception

from nova_mdev_compat import filters as our_filters
from tests.functional import base
from tests import hardware

Board = hardware.Board


class PolicyTestCase(base.MdevCompatTestCase):

    def log(self):
        return self.stdlog.logger.output

    def assert_calm(self):
        """One line from the filter for one question, and no traceback."""
        lines = [line for line in self.log().splitlines()
                 if '[nova_mdev_compat.filters]' in line
                 and 'is unknown' in line]
        self.assertEqual(1, len(lines), lines)
        self.assertNotIn('nova_mdev_compat/filters.py', self.log())


class NobodyPublishedTest(PolicyTestCase):

    def test_source_rejected(self):
        self.start_host('src', Board(0), collect=False)
        self.start_host('target', Board(0))
        server = self.boot('src')

        self.assert_no_valid_host(server)
        self.assertIn('start nova-mdev-collector on its host', self.log())
        self.assert_calm()

    def test_source_allowed(self):
        self.flags(unknown='allow', group='mdev_compat')
        self.start_host('src', Board(0), collect=False)
        self.start_host('target', Board(0, product='2236'))
        server = self.boot('src')

        self.assertEqual('target', self.migrate(server))
        self.assert_calm()

    def test_target_rejected(self):
        self.start_host('src', Board(0))
        self.start_host('silent', Board(0), collect=False)
        server = self.boot('src')

        self.assert_no_valid_host(server)
        self.assertEqual([], self.checked)
        self.assertIn('On silent: no collector has published here; start '
                      'nova-mdev-collector', self.log())
        # The one question more is who is silent, now that all are refused.
        self.assertEqual(5, len(self.requests), self.requests)

    def test_target_allowed(self):
        """A silent host is let through, one that refuses is not."""
        self.flags(unknown='allow', group='mdev_compat')
        self.start_host('src', Board(0))
        self.start_host('bad', Board(0, product='2236'))
        self.start_host('silent', Board(0), collect=False)
        server = self.boot('src')

        self.assertEqual('silent', self.migrate(server))
        self.assertEqual(['silent'], self.checked)

    def test_nobody_at_all(self):
        """No trait of ours exists in Placement yet."""
        self.start_host('src', Board(0), collect=False)
        self.start_host('target', Board(0), collect=False)
        server = self.boot('src')

        self.assert_no_valid_host(server)
        self.assert_calm()


class PermissiveTest(PolicyTestCase):

    def setUp(self):
        super().setUp()
        self.flags(mode='permissive', group='mdev_compat')

    def test_refusal_is_only_logged(self):
        self.start_host('src', Board(0))
        self.start_host('bad', Board(0, product='2236'))
        server = self.boot('src')

        self.assertEqual('bad', self.migrate(server))
        self.assertIn('Permissive, nothing is refused', self.log())
        self.assertIn('No host accepts', self.log())

    def test_candidates_stay(self):
        """A device that would be left out is not."""
        self.start_host('src', Board(0))
        self.start_host('target', Board(0, product='2236'),
                        Board(1, product='2237'))
        server = self.boot('src')

        self.assertEqual('target', self.migrate(server))

    def test_unknown_is_only_logged(self):
        self.start_host('src', Board(0), collect=False)
        self.start_host('target', Board(0))
        server = self.boot('src')

        self.assertEqual('target', self.migrate(server))
        self.assert_calm()


class FaultTest(PolicyTestCase):
    """Placement or the database fails in the middle of a decision.

    Mocked is the fault alone, which the real services cannot be made to
    have for the filter and not for the rest of the scheduler.
    """

    def setUp(self):
        super().setUp()
        self.start_host('src', Board(0))
        self.start_host('good', Board(0))
        self.server = self.boot('src')

    def fail(self, at, fault):
        """Let the filter's request number ``at`` fail."""
        original = our_filters._send
        count = iter(range(100))

        def send(method, url, body):
            if next(count) == at:
                return fault()
            return original(method, url, body)

        for host_filter in self.our_filters():
            host_filter._placement._send = send

    def answer_500(self):
        return _Response()

    def refuse(self):
        raise ks_exceptions.ConnectFailure('connection refused')

    def test_500_at_each_request(self):
        for at in range(4):
            with self.subTest(at=at):
                self.fail(at, self.answer_500)
                self.assert_no_valid_host(self.server)
                self.assertIn('500', self.log())

    def test_connection_refused(self):
        self.fail(2, self.refuse)
        self.assert_no_valid_host(self.server)
        self.assertIn('Placement does not answer: connection refused',
                      self.log())
        self.assert_calm()

    def test_connection_refused_allowed(self):
        self.flags(unknown='allow', group='mdev_compat')
        self.fail(3, self.refuse)
        self.assertEqual('good', self.migrate(self.server))
        self.assert_calm()

    def test_database_fails(self):
        def broken(spec_obj):
            raise db_exception.DBConnectionError('gone away')

        self.useFixture(fixtures.MonkeyPatch(
            'nova_mdev_compat.filters._live_migrations', broken))
        self.assert_no_valid_host(self.server)
        self.assertIn('gone away', self.log())
        self.assert_calm()


class _Response:
    status_code = 500
    text = 'Internal Server Error'

    def json(self):
        raise ValueError
