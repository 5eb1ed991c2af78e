# SPDX-License-Identifier: Apache-2.0
"""openstack mdev trait."""

import json
import re
import time

import testtools

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
#: For Placement's "startswith", an underscore is any character.
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
            ONE_OF_EACH, [row['trait'] for row in json.loads(done.stdout)]
        )

    def test_whatever_hosts_publish(self):
        text = ''.join(
            path.read_text()
            for path in sorted(recordings.DIRECTORY.glob('*.json'))
        )
        names = set(re.findall('CUSTOM_MDEV_[A-Z0-9_]+', text))
        self.assertTrue(any(name.startswith(traits.ACCEPT) for name in names))
        rows = self.rows('mdev trait decode', *names, cloud=None)
        self.assertEqual(len(names), len(rows))

    def test_sorted_by_words(self):
        done = self.openstack(
            'mdev trait decode -f value -c Trait --sort-column Meaning',
            *reversed(ONE_OF_EACH),
            cloud=None,
        )
        self.assertEqual(
            ('', len(ONE_OF_EACH)),
            (done.stderr, len(done.stdout.splitlines())),
        )

    def test_with_useless_credentials(self):
        self.assertIn(
            'driver=550',
            self.decode('CUSTOM_MDEV_FACT_DRIVER_550', cloud='admin').stdout,
        )

    def test_errors(self):
        for name, line in (
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
        ):
            self.assertEqual(
                line,
                self.refuse(
                    f'mdev trait decode {traits.SCHEMA} {name}',
                    status=2,
                    cloud=None,
                ),
            )
        done = self.decode(status=2, cloud=None)
        self.assertIn('arguments are required: <trait>', done.stderr)


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
        """Return all traits that exist."""
        found = self.placement.ask('GET', '/traits?name=startswith:CUSTOM_')
        return set(found['traits'])

    def purge(self, *args, **kwargs):
        """Return the result by trait."""
        rows = self.rows('mdev trait purge', *args, **kwargs)
        return {row['trait']: row['result'] for row in rows}

    def test_unused(self):
        self.make(*OTHERS)
        before = self.existing()
        self.placement.requests.clear()
        done = self.openstack('mdev trait purge --dry-run -f json')
        self.assert_golden('trait-purge-dry-run.json', done.stdout)
        self.assertEqual(before, self.existing())
        self.assertEqual(
            {'GET'}, {method for method, _ in self.placement.requests}
        )
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
        self.assertEqual({}, self.purge())

    def test_a_cloud_without_collectors(self):
        """Even there, the traits of the filter's queries stay."""
        self.placement.ask('DELETE', f'/resource_providers/{self.root}')
        self.assertEqual(
            {*self.carried, DRIVER, TYPE, ACCEPT} - host_traits.ALWAYS,
            set(self.purge()),
        )
        self.assertEqual(host_traits.ALWAYS, self.existing())

    def test_changes_after_the_list(self):
        """One is carried again, and one is deleted."""

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

    def test_carried_again_between_the_two_lists(self):
        def before(method, path):
            if len(self.placement.requests) == 2:
                self.placement.add_trait(self.root, DRIVER)

        self.placement.before = before
        self.assertEqual({ACCEPT: 'deleted', TYPE: 'deleted'}, self.purge())

    def test_placement_fails_or_refuses(self):
        """What is deleted before is listed."""
        for method, path, status, deleted, remedy in (
            ('DELETE', f'/traits/{ACCEPT}', '403 Forbidden', [], NO_ROLE),
            (
                'DELETE',
                f'/traits/{TYPE}',
                '503 Service Unavailable',
                [ACCEPT, DRIVER],
                '',
            ),
        ):
            self.placement.before = (
                lambda *asked, fails=((method, path), status): (
                    fails[1] if asked == fails[0] else None
                )
            )
            done = self.openstack('mdev trait purge -f json', status=1)
            self.assertEqual(
                [{'trait': name, 'result': 'deleted'} for name in deleted],
                json.loads(done.stdout),
            )
            self.assertEqual(
                f'Placement: {method} {path}: {status[:3]} {status}{remedy}\n',
                done.stderr,
            )
            self.assertIn(TYPE, self.existing())

    def test_progress(self):
        """On a terminal, when it takes longer than a second."""
        self.placement.before = lambda method, path: time.sleep(
            0.6 * (method == 'DELETE')
        )
        for rows_elsewhere in (False, True):
            self.make(DRIVER, TYPE, ACCEPT)
            shown = self.on_terminal(
                'mdev', 'trait', 'purge', rows_elsewhere=rows_elsewhere
            )
            self.assertEqual(not rows_elsewhere, '2/3' in shown, shown)


class ErrorTest(osc_base.OperatorTestCase):
    """One line with a remedy, whichever command asks."""

    COMMANDS = {
        'mdev trait purge': '/traits?name=startswith:CUSTOM_MDEV_',
        'mdev device list': '/traits?name=startswith:CUSTOM_MDEV_'
        '&associated=true',
    }

    def assert_refused(self, expected, **kwargs):
        """Check the line in which each command ends.

        :param expected: the line, or a tuple of its parts; after the request
            if it names one
        """
        for command, url in self.COMMANDS.items():
            line = self.refuse(command, **kwargs)
            if not line.startswith('Placement does not answer'):
                self.assertIn(f'Placement: GET {url}: ', line)
                _, _, line = line.partition(f'{url}: ')
            if isinstance(expected, str):
                self.assertEqual(expected, line)
            else:
                self.assertRegex(
                    line, '^' + '.*'.join(map(re.escape, expected)) + '$'
                )

    def test_rights(self):
        for user in ('reader', 'member', 'nobody'):
            self.assert_refused(
                '403 Access was denied to this resource. Policy does not '
                f'allow placement:traits:list to be performed.{NO_ROLE}',
                cloud=user,
            )
        self.assert_refused(
            f'401 Authentication required{NO_ROLE}',
            cloud=osc_services.STRANGER,
        )
        self.openstack('mdev trait purge', cloud='service')

    def test_down(self):
        self.placement.stop()
        self.assert_refused(
            (
                'Placement does not answer: Unable to establish connection '
                'to http://127.0.0.1:PORT/traits?',
                WHERE,
            )
        )
        self.placement.serve()

    def test_old_release(self):
        self.placement.only_up_to('1.38')
        self.assert_refused(
            '406 The resource could not be '
            'generated that was acceptable to your browser (content of '
            'type application/json. Invalid microversion: Unacceptable '
            'version header: 1.39; microversion 1.39 (Yoga) is needed'
        )

    def test_answers(self):
        for answer, expected in (
            (
                placement_server.CUT,
                (
                    'Placement does not answer: Unexpected exception for '
                    'http://127.0.0.1:PORT/traits?',
                    'Connection broken: IncompleteRead',
                    WHERE,
                ),
            ),
            (
                '200 OK',
                "the answer is not one of Placement's; is something else "
                'listening at its endpoint?',
            ),
            (
                '500 Internal Server Error',
                '500 500 Internal Server Error',
            ),
        ):
            self.placement.before = lambda *_, answer=answer: answer
            self.assert_refused(expected)

    def test_catalog(self):
        for services, expected in (
            (
                {'compute': {osc_services.REGION: 'http://nova.test'}},
                'public endpoint for placement service in RegionOne region '
                'not found',
            ),
            ({}, 'The service catalog is empty.'),
        ):
            self.keystone.services = services
            self.assert_refused(
                f'Placement does not answer: {expected}{WHERE}'
            )


class CollectorTest(osc_base.ShellMixin, collector_base.CollectorTestCase):
    """A purge just after a collector has created the traits it will use."""

    def test_the_next_pass_repairs_it(self):
        keystone = osc_services.Keystone()
        keystone.url = self.useFixture(osc_services.HTTPServer(keystone)).url
        keystone.services['placement'] = {
            osc_services.REGION: self.placement.endpoint
        }
        self.start_client(keystone.url)
        self.run_collector('once')
        expected = self.published()
        self.run_collector('withdraw')
        purged = []

        def before(method, path):
            """Purge before the first write."""
            if (
                method == 'PUT'
                and path.startswith('/resource_providers')
                and not purged
            ):
                done = self.process('mdev', 'trait', 'purge', '-f', 'json')
                purged.extend(row['trait'] for row in json.loads(done.stdout))

        self.placement.before = before
        _, log = self.run_collector('once', status=1)
        self.assertIn('400 The server could not comply', log)
        self.assertIn('No such trait', log)
        self.assertIn('CUSTOM_MDEV_TYPE_NVIDIA_11', purged)
        # Some traits are missing, and none is wrong.
        for found, wanted in zip(self.published(), expected, strict=True):
            self.assertLessEqual(found, wanted)

        self.run_collector('once')
        self.assertEqual(expected, self.published())
