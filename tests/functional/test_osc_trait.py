# SPDX-License-Identifier: Apache-2.0
"""openstack mdev trait."""

import json
import re
import time

import ddt
import testtools
from testtools import matchers

from nova_mdev_compat.core import traits
from nova_mdev_compat.publication import host_traits
from tests.functional import collector_base
from tests.functional import osc_base
from tests.functional import osc_services
from tests.functional import placement_server
from tests import recordings

ONE_OF_EACH = [
    traits.SCHEMA,
    traits.HOST,
    traits.MIXED,
    traits.encode_value(traits.PARENT, '10DE_2235'),
    traits.encode_value(traits.PARENT, 'MTTY'),
    traits.encode_value(traits.TYPE, 'NVIDIA_558'),
    traits.encode_value(traits.INUSE, 'NVIDIA_557'),
    traits.encode_fact('driver', '550_54_14'),
    traits.encode_fact('ecc', 'ON'),
    'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_558__DRIVER_GE_535_LE_550_54_14'
    '__ECC_IS_ON',
    'CUSTOM_MDEV_ACCEPT_10DE_ANY__ANY',
    'CUSTOM_MDEV_ACCEPT_MTTY__MTTY_2',
]
DRIVER = 'CUSTOM_MDEV_FACT_DRIVER_535_54_03'
TYPE = 'CUSTOM_MDEV_TYPE_NVIDIA_557'
ACCEPT = 'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_557__DRIVER_GE_535'
#: Placement's "startswith" takes an underscore for any character.
OTHERS = [
    'CUSTOM_FOO',
    'CUSTOM_MDEV',
    'CUSTOM_MDEVX',
    'CUSTOM_MDEVX_TYPE_A',
    'CUSTOM_MDEVS_ACCEPT',
    'CUSTOM_XMDEV_V1',
]
NO_ROLE = (
    "; your user needs the role that Placement's policy asks for "
    '(service, or admin)'
)
WHERE = (
    '; see "openstack catalog show placement", clouds.yaml and the '
    'service itself'
)


@ddt.ddt
class DecodeTest(osc_base.ShellMixin, testtools.TestCase):
    """Without a cloud: nothing answers where Keystone should be."""

    def setUp(self):
        super().setUp()
        self.start_client('http://127.0.0.1:9')

    def decode(self, *names, **kwargs):
        return self.openstack('mdev trait decode', *names, **kwargs)

    def test_table(self):
        done = self.decode(*ONE_OF_EACH, cloud=None)
        self.assertEqual('', done.stderr)
        self.assert_golden('trait-decode.txt', done.stdout)

    def test_json(self):
        done = self.decode('-f', 'json', *ONE_OF_EACH, cloud=None)
        self.assert_golden('trait-decode.json', done.stdout)
        self.assertEqual(
            ONE_OF_EACH, [row['Trait'] for row in json.loads(done.stdout)]
        )

    def test_whatever_hosts_publish(self):
        names = set(
            re.findall(
                'CUSTOM_MDEV_[A-Z0-9_]+',
                ''.join(
                    path.read_text()
                    for path in sorted(recordings.DIRECTORY.glob('*.json'))
                ),
            )
        )
        self.assertTrue(any(name.startswith(traits.ACCEPT) for name in names))
        done = self.decode('-f', 'json', *names, cloud=None)
        self.assertEqual(len(names), len(json.loads(done.stdout)))

    def test_sorted_by_words(self):
        done = self.decode(
            '-f',
            'value',
            '-c',
            'Trait',
            '--sort-column',
            'Meaning',
            *reversed(ONE_OF_EACH),
            cloud=None,
        )
        self.assertEqual(
            ('', len(ONE_OF_EACH)),
            (done.stderr, len(done.stdout.splitlines())),
        )

    def test_with_credentials_that_are_of_no_use(self):
        self.assertIn(
            'driver=550',
            self.decode('CUSTOM_MDEV_FACT_DRIVER_550', cloud='admin').stdout,
        )

    @ddt.data(
        (
            'CUSTOM_FOO',
            "'CUSTOM_FOO' is not a trait of ours, which begin with "
            'CUSTOM_MDEV_',
        ),
        (
            'CUSTOM_MDEV_V2',
            'CUSTOM_MDEV_V2 is invalid: it is of another '
            'version, or it was made by hand',
        ),
        (
            'CUSTOM_MDEV_ACCEPT_10DE_2235',
            'CUSTOM_MDEV_ACCEPT_10DE_2235 does '
            'not read as ACCEPT_PARENT__TYPE',
        ),
        (
            'CUSTOM_MDEV_FACT_ECC',
            'CUSTOM_MDEV_FACT_ECC does not read as FACT_NAME_VALUE',
        ),
    )
    @ddt.unpack
    def test_not_one_of_ours(self, name, line):
        self.assertEqual(
            line,
            self.refuse(
                'mdev trait decode', traits.SCHEMA, name, status=2, cloud=None
            ),
        )

    def test_none(self):
        done = self.decode(status=2, cloud=None)
        self.assertIn('arguments are required: <trait>', done.stderr)


@ddt.ddt
class PurgeTest(osc_base.OperatorTestCase):
    def setUp(self):
        super().setUp()
        self.root = self.placement.create_provider('host1')
        self.carried = {
            traits.SCHEMA,
            traits.HOST,
            'CUSTOM_MDEV_PARENT_10DE_2235',
            'CUSTOM_MDEV_TYPE_NVIDIA_558',
        }
        for name in sorted(self.carried):
            self.placement.add_trait(self.root, name)
        self.make(DRIVER, TYPE, ACCEPT, traits.MIXED)

    def make(self, *names):
        for name in names:
            self.placement.ask('PUT', f'/traits/{name}')

    def existing(self):
        """Return all traits that somebody has made."""
        found = self.placement.ask('GET', '/traits?name=startswith:CUSTOM_')
        return set(found['traits'])

    def purge(self, *args, **kwargs):
        """Return what happened to which trait."""
        done = self.openstack('mdev trait purge -f json', *args, **kwargs)
        return {
            row['Trait']: row['Result']
            for row in json.loads(done.stdout or '[]')
        }

    def test_those_that_nobody_carries(self):
        self.make(*OTHERS)
        done = self.openstack('mdev trait purge')
        self.assert_golden('trait-purge.txt', done.stdout)
        self.assertEqual(
            '3 of 8 traits of ours were carried by no provider '
            'and needed by no query\n',
            done.stderr,
        )
        self.assertEqual(
            self.carried | {traits.MIXED, *OTHERS}, self.existing()
        )
        self.assertEqual(self.carried, self.placement.traits(self.root))

    def test_again(self):
        self.purge()
        self.assertEqual({}, self.purge())

    def test_of_a_cloud_without_collectors(self):
        """Not even there do those go that the filter asks for."""
        self.placement.ask('DELETE', f'/resource_providers/{self.root}')
        self.assertEqual(
            {*self.carried, DRIVER, TYPE, ACCEPT} - host_traits.ALWAYS,
            set(self.purge()),
        )
        self.assertEqual(host_traits.ALWAYS, self.existing())

    def test_dry_run(self):
        self.make(*OTHERS)
        before = self.existing()
        self.placement.requests.clear()
        done = self.openstack('mdev trait purge --dry-run -f json')
        self.assert_golden('trait-purge-dry-run.json', done.stdout)
        self.assertEqual(before, self.existing())
        self.assertEqual(
            {'GET'}, {method for method, _ in self.placement.requests}
        )

    def test_meanwhile(self):
        """One is put to use, and one is deleted, after they were listed."""

        def before(method, path):
            if (method, path) == ('DELETE', f'/traits/{DRIVER}'):
                self.placement.add_trait(self.root, DRIVER)
            if (method, path) == ('DELETE', f'/traits/{TYPE}'):
                self.placement.ask('DELETE', path)

        self.placement.before = before
        self.assertEqual(
            {
                ACCEPT: 'deleted',
                TYPE: 'gone already',
                DRIVER: 'carried again meanwhile',
            },
            self.purge(),
        )
        self.assertIn(DRIVER, self.placement.traits(self.root))

    def test_put_to_use_while_they_are_listed(self):
        def before(method, path):
            if len(self.placement.requests) == 2:
                self.placement.add_trait(self.root, DRIVER)

        self.placement.before = before
        self.assertEqual({ACCEPT: 'deleted', TYPE: 'deleted'}, self.purge())

    def test_what_was_done_before_placement_fails(self):
        def before(method, path):
            if path == f'/traits/{TYPE}':
                return '503 Service Unavailable'

        self.placement.before = before
        done = self.openstack('mdev trait purge -f json', status=1)
        self.assertEqual(
            [
                {'Trait': ACCEPT, 'Result': 'deleted'},
                {'Trait': DRIVER, 'Result': 'deleted'},
            ],
            json.loads(done.stdout),
        )
        self.assertEqual(
            f'Placement: DELETE /traits/{TYPE}: 503 503 Service Unavailable\n',
            done.stderr,
        )
        self.assertIn(TYPE, self.existing())

    def test_somebody_who_may_only_list(self):
        def before(method, path):
            if method == 'DELETE':
                return '403 Forbidden'

        self.placement.before = before
        done = self.openstack('mdev trait purge', status=1)
        self.assertEqual(
            f'Placement: DELETE /traits/{ACCEPT}: 403 403 Forbidden'
            f'{NO_ROLE}\n',
            done.stderr,
        )

    @ddt.data(False, True)
    def test_progress(self, rows_elsewhere):
        """On a terminal, when it takes longer than a second."""
        self.placement.before = lambda method, path: time.sleep(
            0.6 * (method == 'DELETE')
        )
        shown = self.on_terminal(
            'mdev', 'trait', 'purge', rows_elsewhere=rows_elsewhere
        )
        self.assertEqual(not rows_elsewhere, '2/3' in shown, shown)


@ddt.ddt
class ErrorTest(osc_base.OperatorTestCase):
    """One line that says what to do, whichever command asks."""

    COMMANDS = {
        'mdev trait purge': '/traits?name=startswith:CUSTOM_MDEV_',
        'mdev device list': '/traits?name=startswith:CUSTOM_MDEV_'
        '&associated=true',
    }

    def refused(self, **kwargs):
        """Return a request of each command, and the line that it ends in."""
        return [
            (f'GET {url}', self.refuse(command, **kwargs))
            for command, url in self.COMMANDS.items()
        ]

    @ddt.data('reader', 'member', 'nobody')
    def test_without_the_role(self, user):
        for request, line in self.refused(cloud=user):
            self.assertEqual(
                f'Placement: {request}: 403 Access was denied to this '
                'resource. Policy does not allow placement:traits:list to be '
                f'performed.{NO_ROLE}',
                line,
            )

    def test_service_role(self):
        self.openstack('mdev trait purge', cloud='service')

    def test_placement_does_not_know_the_token(self):
        for request, line in self.refused(cloud=osc_services.STRANGER):
            self.assertEqual(
                f'Placement: {request}: 401 Authentication required{NO_ROLE}',
                line,
            )

    def test_down(self):
        self.placement.stop()
        for _, line in self.refused():
            self.assertThat(
                line,
                matchers.StartsWith(
                    'Placement does not answer: Unable to establish connection '
                    'to http://127.0.0.1:PORT/traits?'
                ),
            )
            self.assertThat(line, matchers.EndsWith(WHERE))
        self.placement.serve()

    def test_old_release(self):
        self.placement.only_up_to('1.38')
        for request, line in self.refused():
            self.assertEqual(
                f'Placement: {request}: 406 The resource could not be '
                'generated that was acceptable to your browser (content of '
                'type application/json. Invalid microversion: Unacceptable '
                'version header: 1.39; microversion 1.39 (Yoga) is needed',
                line,
            )

    def test_half_an_answer(self):
        self.placement.before = lambda method, path: placement_server.CUT
        for _, line in self.refused():
            self.assertThat(
                line,
                matchers.StartsWith(
                    'Placement does not answer: Unexpected exception for '
                    'http://127.0.0.1:PORT/traits?'
                ),
            )
            self.assertIn('Connection broken: IncompleteRead', line)
            self.assertThat(line, matchers.EndsWith(WHERE))

    def test_something_else_listens(self):
        self.placement.before = lambda method, path: '200 OK'
        for request, line in self.refused():
            self.assertEqual(
                f'Placement: {request}: the answer is not one of '
                "Placement's; is something else listening at its endpoint?",
                line,
            )

    def test_internal_error(self):
        self.placement.before = lambda method, path: (
            '500 Internal Server Error'
        )
        for request, line in self.refused():
            self.assertEqual(
                f'Placement: {request}: 500 500 Internal Server Error', line
            )

    def test_not_in_the_catalog(self):
        self.keystone.services = {
            'compute': {osc_services.REGION: 'http://nova.test'}
        }
        for _, line in self.refused():
            self.assertEqual(
                'Placement does not answer: public endpoint for placement '
                'service in RegionOne region not found' + WHERE,
                line,
            )

    def test_no_catalog(self):
        self.keystone.services = {}
        for _, line in self.refused():
            self.assertEqual(
                'Placement does not answer: The service catalog '
                f'is empty.{WHERE}',
                line,
            )


class CollectorTest(osc_base.ShellMixin, collector_base.CollectorTestCase):
    """A purge just when a collector has made the traits that it will use."""

    def setUp(self):
        super().setUp()
        keystone = osc_services.Keystone()
        keystone.url = self.useFixture(osc_services.HTTPServer(keystone)).url
        keystone.services['placement'] = {
            osc_services.REGION: self.placement.endpoint
        }
        self.start_client(keystone.url)

    def purge_at_first_write(self):
        """Return a list that takes what has been purged by then."""
        purged = []

        def before(method, path):
            if (
                method == 'PUT'
                and path.startswith('/resource_providers')
                and not purged
            ):
                done = self.process('mdev', 'trait', 'purge', '-f', 'json')
                purged.extend(row['Trait'] for row in json.loads(done.stdout))

        self.placement.before = before
        return purged

    def test_the_next_pass_puts_it_right(self):
        self.run_collector('once')
        expected = self.published()
        self.run_collector('withdraw')
        purged = self.purge_at_first_write()

        _, said = self.run_collector('once', status=1)
        self.assertIn('400 The server could not comply', said)
        self.assertIn('No such trait', said)
        self.assertIn('CUSTOM_MDEV_TYPE_NVIDIA_11', purged)
        # Less than there should be, and nothing that is not so.
        for found, wanted in zip(self.published(), expected, strict=True):
            self.assertLessEqual(found, wanted)

        self.run_collector('once')
        self.assertEqual(expected, self.published())
