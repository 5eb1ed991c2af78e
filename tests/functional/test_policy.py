# SPDX-License-Identifier: Apache-2.0
"""What happens where there is no answer."""

import functools

from keystoneauth1 import exceptions as ks_exceptions
from oslo_db import exception as db_exception

from nova_mdev_compat.scheduler import compat_filter
from tests.functional import base
from tests import hardware

Board = hardware.Board


class PolicyTestCase(base.MdevCompatTestCase):
    def log(self):
        return self.stdlog.logger.output

    def assert_calm(self):
        """One line from the filter for one question, and no traceback."""
        lines = [
            line
            for line in self.log().splitlines()
            if '[nova_mdev_compat.filters]' in line and 'is unknown' in line
        ]
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
        self.assertIn(
            'On silent: no collector has published here; start '
            'nova-mdev-collector',
            self.log(),
        )
        # Now that all are refused: who is silent, where the source is, who
        # else accepts, and who else has the pattern.
        self.assertEqual(8, len(self.requests), self.requests)

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


class TraitsThatNobodyCarriesTest(PolicyTestCase):
    """Placement answers 400 to a query for a trait that does not exist."""

    def start(self):
        """Make a type in use that nobody serves, and patterns for it.

        The operator changed the type of the source's board before any
        collector came, so that the old type's trait was never made.
        """
        self.write_rules("""
schema_version: "1.0"
vendor: "10de"
rules:
  - name: any type
    accepts: {type: any}
""")
        self.start_host('src', Board(0, both_types=True), collect=False)
        server = self.boot('src')
        self.mdev_types['src'] = {0: 'nvidia-12'}
        self.collect('src')
        self.start_host(
            'bad',
            Board(0, both_types=True, product='2236'),
            types={0: 'nvidia-12'},
        )
        self.assertIn(
            'CUSTOM_MDEV_INUSE_NVIDIA_11',
            self.our_traits(self.provider('src', 0)),
        )
        return server

    def test_type_in_use_rejected(self):
        server = self.start()
        self.assert_no_valid_host(server)
        self.assertIn('0 of 1 hosts accept it, 1 do not', self.log())
        self.assertNotIn('is unknown', self.log())
        self.assertEqual(
            [], [url for url in self.requests if 'TYPE_NVIDIA_11' in url]
        )

    def test_type_in_use_allowed(self):
        """A host that refuses is none of which nothing is known."""
        self.flags(unknown='allow', group='mdev_compat')
        server = self.start()
        self.assert_no_valid_host(server)
        self.assertEqual([], self.checked)
        self.start_host('silent', Board(0), collect=False)
        self.assertEqual('silent', self.migrate(server))

    def test_no_host_was_ever_mixed(self):
        """As where every host's publisher is provider_config."""
        self.start_host('src', Board(0))
        self.start_host('good', Board(0))
        server = self.boot('src')
        self._delete_trait('CUSTOM_MDEV_MIXED')
        self.assertEqual('good', self.migrate(server))
        self.assertEqual(4, len(self.requests), self.requests)


class PartlyUnknownTest(PolicyTestCase):
    """An instance with two mdevs; what one of them needs is not known."""

    def setUp(self):
        super().setUp()
        self.flags(unknown='allow', group='mdev_compat')

    def start(self, types):
        """Start hosts with two boards, and an instance on one of them.

        :param types: mdev type by slot
        """
        boards = [Board(slot, both_types=True) for slot in (0, 1)]
        others = [
            Board(slot, both_types=True, product='2236') for slot in (0, 1)
        ]
        self.start_host('src', *boards, types=types)
        self.start_host('bad', *others, types=types)
        self.start_host('silent', *others, types=types, collect=False)
        return self.boot(
            'src',
            self._create_flavor(
                extra_spec={
                    'resources1:VGPU': '1',
                    'resources2:VGPU': '1',
                    'group_policy': 'isolate',
                }
            ),
        )

    def assert_bad_is_refused(self, server):
        """What is known is refused, what is unknown let through."""
        self.assert_no_valid_host(server, host='bad')
        self.assertEqual([], self.checked)
        self.assert_calm()
        self.assertEqual('silent', self.migrate(server))
        self.assertIn(
            'Refusing 1 of 2 hosts, which reject the known mdevs, and '
            'passing 1',
            self.log(),
        )

    def test_one_source(self):
        server = self.start({0: 'nvidia-11', 1: 'nvidia-11'})
        self._set_provider_traits(self.provider('src', 1), [])
        self.assert_bad_is_refused(server)

    def test_one_source_rejected(self):
        """Then all are refused, and nothing more is asked."""
        self.flags(unknown='reject', group='mdev_compat')
        server = self.start({0: 'nvidia-11', 1: 'nvidia-11'})
        self._set_provider_traits(self.provider('src', 1), [])
        self.assert_no_valid_host(server)
        self.assert_calm()
        self.assertEqual(3, len(self.requests), self.requests)

    def test_one_type(self):
        """Placement fails when it is asked who accepts the second type."""
        server = self.start({0: 'nvidia-11', 1: 'nvidia-12'})
        self.fail_requests('TYPE_NVIDIA_12')
        self.assert_no_valid_host(server, host='bad')
        self.assertEqual([], self.checked)
        self.assertIn('500', self.log())
        self.assert_calm()


class OptionsTest(PolicyTestCase):
    def lines(self):
        compat_filter.MdevCompatFilter()
        return [
            line.partition('options in effect: ')[2]
            for line in self.log().splitlines()
            if 'INFO [nova_mdev_compat.filters]' in line
            and 'options in effect' in line
        ]

    def test_logged_at_the_start(self):
        """By the scheduler, in one line; Nova's own log no options."""
        self.flags(
            unknown='allow',
            resource_classes=['VGPU', 'CUSTOM_A'],
            cache_ttl=5,
            group='mdev_compat',
        )
        self.flags(region_name='north', group='placement')
        one, another = self.lines()
        self.assertTrue(
            one.startswith(
                '[mdev_compat]mode = enforcing, [mdev_compat]unknown = reject, '
                '[mdev_compat]resource_classes = VGPU, [mdev_compat]cache_ttl = '
                '0, [mdev_compat]metrics_file = None, [placement]auth_type = '
            ),
            one,
        )
        self.assertTrue(
            another.startswith(
                '[mdev_compat]mode = enforcing, [mdev_compat]unknown = allow, '
                '[mdev_compat]resource_classes = VGPU,CUSTOM_A, '
                '[mdev_compat]cache_ttl = 5, [mdev_compat]metrics_file = '
                'None, [placement]auth_type = '
            ),
            another,
        )
        self.assertIn(
            ', [placement]region_name = north, '
            '[placement]valid_interfaces = internal,public, '
            '[placement]endpoint_override = ',
            another,
        )
        self.assertNotIn('password', another)

    def test_a_wrong_value_is_shown(self):
        path = self.directory / 'wrong.conf'
        path.write_text('[mdev_compat]\nmode = maybe\n')
        compat_filter.CONF([], default_config_files=[str(path)])
        self.addCleanup(compat_filter.CONF.reset)
        self.assertIn(
            f'[mdev_compat]mode = invalid ({path}: mode: Valid values are '
            "[enforcing, permissive], but found 'maybe')",
            self.lines()[-1],
        )


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
        self.start_host(
            'target', Board(0, product='2236'), Board(1, product='2237')
        )
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
        self.sends = [
            (host_filter, host_filter.placement.send)
            for host_filter in self.our_filters()
        ]

    def fail(self, at, fault):
        """Let the filter's request number ``at`` fail."""
        count = iter(range(100))

        def fails(send, method, url, body):
            if next(count) == at:
                return fault()
            return send(method, url, body)

        for host_filter, send in self.sends:
            host_filter.placement.send = functools.partial(fails, send)

    def answer_500(self):
        return base.ServerError()

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
        self.assertIn(
            'Placement does not answer: connection refused', self.log()
        )
        self.assert_calm()

    def test_connection_refused_allowed(self):
        self.flags(unknown='allow', group='mdev_compat')
        self.fail(3, self.refuse)
        self.assertEqual('good', self.migrate(self.server))
        self.assert_calm()

    def test_who_has_published_is_not_known(self):
        """Then nobody passes as one that has not."""
        self.flags(unknown='allow', group='mdev_compat')
        self.start_host('bad', Board(0, product='2236'))
        self.fail(4, self.answer_500)
        self.assert_no_valid_host(self.server, host='bad')
        self.assertEqual([], self.checked)
        self.assertIn(
            'None of them passes as unknown: Placement: GET ', self.log()
        )

    def test_database_fails(self):
        def broken(spec_obj):
            raise db_exception.DBConnectionError('gone away')

        for host_filter in self.our_filters():
            host_filter.live_migrations = broken
        self.assert_no_valid_host(self.server)
        self.assertIn('gone away', self.log())
        self.assert_calm()
