# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-compat-status: the filter, Placement, and what is published."""

import json
import subprocess
import sys

import ddt
from hypothesis import given
from hypothesis import strategies as st
from oslo_upgradecheck import upgradecheck
from placement import microversion
import testtools

from nova_mdev_compat.checks import commands
from tests.functional import collector_base
from tests.functional import differences
from tests.functional import placement_server
from tests.functional import status_base
from tests.unit.checks import results
from tests import vfio_tree
from tests import waiting

SUCCESS, WARNING, FAILURE = range(3)
FILTERS = 'nova_mdev_compat.filters'
ROLE = (
    "; the user in [placement] needs the role that Placement's policy asks for "
    '(service, or admin)'
)
BLOCKED = 'not checked, because the check "Placement" failed'
OTHER_CHECKS = (
    'Hosts have published',
    'Schema of traits',
    'Resource classes',
    'Virtual functions',
)
START = (
    'import sys\nfrom nova_mdev_compat.cmd import start\n'
    'sys.exit(start.status())'
)
WITHOUT = """
import sys
sys.modules[{!r}] = None  # importing it fails from here on
from nova_mdev_compat.cmd import start
sys.exit(start.status(['upgrade', 'check']))
"""

RESULTS = st.lists(
    st.tuples(
        st.sampled_from(upgradecheck.Code),
        st.none() | st.text('abc', min_size=1),
    )
)


def worst(*results):
    found = commands.worst(upgradecheck.Result(*one) for one in results)
    return found.code, found.details


class WorstTest(testtools.TestCase):
    def test_worst_comes_first(self):
        self.assertEqual(
            (FAILURE, 'c; a; b'),
            worst(
                (SUCCESS, 'b'), (SUCCESS, None), (WARNING, 'a'), (FAILURE, 'c')
            ),
        )

    @given(RESULTS)
    def test_nothing_gets_lost(self, found):
        code, details = worst(*found)
        self.assertEqual(max((code for code, _ in found), default=0), code)
        texts = [text for _, text in found if text]
        self.assertEqual(
            sorted(texts), sorted(details.split('; ')) if details else []
        )
        self.assertEqual(bool(texts), details is not None)


class WholeTest(status_base.StatusTestCase):
    def test_all_is_well(self):
        for uuid in self.boards:
            self.give_mdevs(uuid)
        self.run_collector('once')
        self.assertEqual(
            dict.fromkeys(
                ('Filter', 'Placement', *OTHER_CHECKS), (SUCCESS, None)
            ),
            self.results(),
        )
        done = self.command('upgrade', 'check')
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        self.assertEqual(6, done.stdout.count('Result: Success'))

    def test_help(self):
        done = self.command('--help')
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        for text in (
            'Run it on the host of a',
            '--config-file PATH',
            'The exit status is 0 if all checks',
        ):
            self.assertIn(text, done.stdout)

    def test_no_command(self):
        done = self.command()
        self.assertEqual(2, done.returncode)
        self.assertIn(
            'the following arguments are required: command', done.stderr
        )


@ddt.ddt
class StartTest(status_base.StatusTestCase):
    def python(self, code, *args):
        return subprocess.run(
            [sys.executable, '-c', code, *args],
            capture_output=True,
            text=True,
            check=False,
            timeout=waiting.DEADLINE,
        )

    @ddt.data('nova', 'oslo_upgradecheck')
    def test_not_in_the_environment_of_nova(self, missing):
        done = self.python(WITHOUT.format(missing))
        self.assertEqual((2, ''), (done.returncode, done.stdout))
        # One line. Where nova is not installed, "No module named 'nova'".
        self.assertRegex(
            done.stderr,
            rf'\Anova-mdev-compat-status: .*\b{missing}\b.*: run it in '
            r"nova-scheduler's environment\n\Z",
        )

    @ddt.data(
        (
            '[mdev_compat]\nmode = maybe\n',
            '{}: [mdev_compat]mode: Valid values are [enforcing, permissive], '
            "but found 'maybe'",
        ),
        (
            '[placement]\ntimeout = x\n',
            "{}: timeout: could not convert string to float: 'x'",
        ),
        (
            '[placement]\nauth_type = password\n',
            '[placement]: Auth plugin requires parameters which were not '
            'given: auth_url',
        ),
        (
            'nothing\n',
            "Failed to parse {0}: at {0}:1, No ':' or '=' found in "
            "assignment: 'nothing'",
        ),
        (
            '# \xfc\n',
            "{} is not in UTF-8: 'utf-8' codec can't decode byte "
            '0xfc in position 2: invalid start byte',
        ),
    )
    @ddt.unpack
    def test_a_wrong_nova_conf(self, text, expected):
        more = self.home / 'more.conf'
        more.write_bytes(text.encode('latin-1'))
        self.assert_refused(expected.format(more), '--config-file', more)

    @ddt.data(
        'use_journal = true',
        'log_config_append = /nonexistent',
        'default_log_levels = a',
    )
    def test_logging_options_of_nova(self, line):
        """This command has no log, so it ignores them."""
        more = self.home / 'more.conf'
        more.write_text(f'[DEFAULT]\n{line}\n')
        self.assertIn('Placement', self.results('--config-file', more))

    def test_no_placement_section(self):
        path = self.home / 'empty.conf'
        path.write_text(status_base.FILTERS)
        self.assert_refused(
            '[placement]auth_type is not set: give nova.conf, or another '
            'file with a [placement] section, as --config-file',
            conf=path,
        )

    def test_no_such_file(self):
        path = self.home / 'none.conf'
        self.assert_refused(
            f'Failed to find some config files: {path}', conf=path
        )

    def test_shell_completion(self):
        done = self.python(START, '--shell_completion', 'bash')
        self.assertEqual((2, ''), (done.returncode, done.stdout))
        self.assertNotIn('Traceback', done.stderr)

    def test_messages_and_databases_do_not_matter(self):
        """The options that it does not need may be wrong."""
        self.scheduler += (
            '[DEFAULT]\ntransport_url = nonsense://\n'
            '[database]\nconnection = nonsense\n'
            '[api_database]\nconnection = nonsense\n'
        )
        self.assertEqual((SUCCESS, None), self.check('Filter'))


@ddt.ddt
class FilterTest(status_base.StatusTestCase):
    def test_filter_is_not_configured(self):
        self.scheduler = (
            '[filter_scheduler]\n'
            'available_filters = nova.scheduler.filters.all_filters\n'
            'enabled_filters = ComputeFilter,OtherFilter\n'
            '[mdev_compat]\nmode = permissive\n'
        )
        expected = (
            results.ADD,
            results.ENABLE,
            results.NO_SUCH_FILTER.format('OtherFilter'),
            results.REFUSES_NOTHING,
        )
        self.assertEqual((FAILURE, '; '.join(expected)), self.check('Filter'))

    @ddt.data(
        (
            'nova_mdev_compat.filters.Nothing',
            f"AttributeError: module '{FILTERS}' has no attribute 'Nothing'",
        ),
        ('nothing.Filter', "ModuleNotFoundError: No module named 'nothing'"),
    )
    @ddt.unpack
    def test_filter_that_does_not_load(self, path, why):
        self.scheduler = status_base.FILTERS.replace(
            f'{FILTERS}.all_filters', path
        )
        self.assertEqual(
            (FAILURE, results.CANNOT_LOAD.format(path, why)),
            self.check('Filter'),
        )

    def test_version(self):
        """Only the metadata is another Nova's."""
        directory = self.home / 'nova-28.0.0.dist-info'
        directory.mkdir()
        (directory / 'METADATA').write_text(
            'Metadata-Version: 2.1\nName: nova\nVersion: 28.0.0\n'
        )
        self.environment = {'PYTHONPATH': str(self.home)}
        self.assertEqual(
            (FAILURE, results.TOO_OLD.format('28.0.0')), self.check('Filter')
        )


class PlacementTest(status_base.StatusTestCase):
    def assert_failed(self, expected):
        """The other checks do not repeat the fault."""
        found = self.results()
        self.assertEqual((FAILURE, expected), found['Placement'])
        for name in OTHER_CHECKS:
            self.assertEqual((FAILURE, BLOCKED), found[name])

    def test_old_placement(self):
        """Without its newest microversion, it is Xena's."""
        newest = microversion.VERSIONS.pop()
        self.addCleanup(microversion.VERSIONS.append, newest)
        self.assertEqual('1.39', newest)
        self.assert_failed(results.OLD_PLACEMENT.format('1.38'))

    def test_no_rights(self):
        """Placement's own policy refuses a user without roles."""
        self.token = 'somebody'
        self.assert_failed(
            'Placement: GET /traits?name=startswith:CUSTOM_MDEV_'
            '&associated=true: 403 Access was denied to this resource. Policy '
            f'does not allow placement:traits:list to be performed.{ROLE}'
        )

    def test_no_rights_to_some_of_it(self):
        """As with a policy that an operator has written."""
        for part in (
            '/resource_providers',
            '/allocations/',
            '/resource_providers/',
        ):
            self.placement.before = lambda _, path, part=part: (
                '403 Forbidden' if path.startswith(part) else None
            )
            code, details = self.check('Placement')
            self.assertEqual(FAILURE, code)
            self.assertIn(part, details)
            self.assertTrue(details.endswith(f'403 403 Forbidden{ROLE}'))

    def test_placement_is_down(self):
        conf = self.write_nova()
        self.placement.stop()
        done = self.command('upgrade', 'check', '--json', conf=conf)
        self.placement.serve()
        self.assertEqual((FAILURE, ''), (done.returncode, done.stderr))
        self.assertIn(
            'Placement does not answer: Unable to establish connection to '
            f'{self.placement.endpoint}/: ',
            done.stdout,
        )

    def test_another_service(self):
        self.placement.before = lambda *_: '200 OK'
        self.assert_failed(
            "Placement: GET /: the answer is not one of Placement's; is "
            'something else listening at its endpoint?'
        )

    def test_answer_is_cut_off(self):
        self.placement.before = lambda *_: placement_server.CUT
        code, details = self.check('Placement')
        self.assertEqual(FAILURE, code)
        self.assertTrue(details.startswith('Placement does not answer: '))

    def test_placement_fails_later(self):
        self.run_collector('once')
        self.placement.before = lambda _, path: (
            '503 Busy' if path == '/resource_classes' else None
        )
        found = self.results()
        self.assertEqual((SUCCESS, None), found['Placement'])
        self.assertEqual(
            (
                FAILURE,
                'not checked: Placement: GET /resource_classes: 503 503 Busy',
            ),
            found['Resource classes'],
        )


class PublishedTest(status_base.StatusTestCase):
    def assert_warned(self, expected, name='Hosts have published'):
        self.assertEqual((WARNING, expected), self.check(name))

    def test_unpublished_hosts(self):
        found = self.results()
        self.assertEqual(
            (WARNING, results.NO_COLLECTOR.format('1 host (host1)')),
            found['Hosts have published'],
        )
        self.assertEqual((SUCCESS, None), found['Schema of traits'])

        self.run_collector('once')
        for name in ('far1', 'far2'):
            root = self.placement.create_provider(name)
            self.placement.create_provider(f'{name}_pci_0', root)
        self.assert_warned(results.NO_COLLECTOR.format('2 hosts (far1, far2)'))

    def test_orphaned_provider(self):
        self.devices(collector_base.device(0))
        self.run_collector('once')
        self.assert_warned(
            results.NO_IDENTITY.format('host1 pci_0000_81_01_0')
        )

    def test_no_mdevs_anywhere(self):
        for uuid in (*self.boards, self.root):
            self.placement.ask('DELETE', f'/resource_providers/{uuid}')
        self.assert_warned(results.NO_HOST)

    def test_other_schema(self):
        """It counts as published; it need not be on the root."""
        self.run_collector('once')
        far = self.placement.create_provider('far')
        for slot in range(2):
            device = self.placement.create_provider(f'far_pci_{slot}', far)
            self.placement.add_trait(device, 'CUSTOM_MDEV_V2')
            self.placement.add_trait(device, 'CUSTOM_MDEV_STRANGE_THING')
        found = self.results()
        self.assertEqual(
            (FAILURE, results.NEWER.format('CUSTOM_MDEV_V2', '1 host (far)')),
            found['Schema of traits'],
        )
        self.assertEqual((SUCCESS, None), found['Hosts have published'])

    def test_unreadable_traits(self):
        """The advice in the message works."""
        self.run_collector('once')
        for uuid in (self.boards[0], self.root):
            self.placement.add_trait(uuid, 'CUSTOM_MDEV_ACCEPT_X')
        self.assert_warned(
            results.UNREADABLE.format(
                '1 trait (CUSTOM_MDEV_ACCEPT_X) on host1 pci_0000_81_00_0'
            ),
            'Schema of traits',
        )
        self.run_collector('once')
        self.assertEqual((SUCCESS, None), self.check('Schema of traits'))


class ClassesTest(status_base.StatusTestCase):
    def assert_result(self, code, details, asked=()):
        """Check the result, and which providers cost a request each."""
        self.placement.requests.clear()
        self.assertEqual((code, details), self.check('Resource classes'))
        self.assertEqual(
            set(asked),
            {
                path.split('/')[2]
                for _, path in self.placement.requests
                if path.endswith('/inventories')
            },
        )

    def test_classes_that_the_option_lacks(self):
        """Whether their devices have free capacity or not."""
        self.placement.ask('PUT', '/resource_classes/CUSTOM_FREE')
        self.placement.ask('PUT', '/resource_classes/CUSTOM_FULL')
        self.give_mdevs(self.boards[0], 'CUSTOM_FREE')
        self.give_mdevs(self.boards[1], 'CUSTOM_FULL', used=4)
        self.run_collector('once')
        self.assert_result(
            FAILURE,
            results.LACKS.format('CUSTOM_FREE, CUSTOM_FULL'),
            [self.boards[1]],
        )

    def test_class_that_no_device_has(self):
        for uuid in self.boards:
            self.give_mdevs(uuid)
        self.run_collector('once')
        self.scheduler += (
            '[mdev_compat]\nresource_classes = VGPU,CUSTOM_NONE\n'
        )
        self.assert_result(SUCCESS, results.UNUSED.format('CUSTOM_NONE'))

    def test_no_inventory(self):
        self.assert_result(WARNING, results.NO_INVENTORY)
        self.run_collector('once')
        self.assert_result(WARNING, results.NO_INVENTORY, self.boards)


@differences.leave_out('no-device-migration')
class VirtualFunctionsTest(status_base.StatusTestCase):
    """Options of Nova for vGPUs that are virtual functions."""

    ALIAS = {
        'name': 'a40-8q',
        'device_type': 'type-VF',
        'resource_class': 'A40_8Q',
        'live_migratable': 'yes',
    }

    def setUp(self):
        super().setUp()
        vfio_tree.write(self.home / 'sys', vfio_tree.VfioBoard())
        spec = json.dumps({'vendor_id': '10de', 'address': '0000:81:00.*'})
        self.nova += (
            f'[pci]\ndevice_spec = {spec}\nreport_in_placement = true\n'
        )
        self.board = self.report('host1', self.root, 0x81)

    def report(self, host, root, bus):
        """Create the provider of a board as Nova does."""
        board = self.placement.create_provider(
            f'{host}_0000:{bus:02X}:00.0', root
        )
        self.placement.ask('PUT', '/resource_classes/CUSTOM_A40_8Q')
        self.give_mdevs(board, 'CUSTOM_A40_8Q')
        return board

    def assert_result(self, code, *details, alias=None, options=''):
        entry = json.dumps({**self.ALIAS, **(alias or {})})
        self.scheduler = (
            f'{status_base.FILTERS}{options}\n[pci]\nalias = {entry}\n'
        )
        self.assertEqual(
            (code, '; '.join(details) or None), self.check('Virtual functions')
        )

    IN_PLACEMENT = 'pci_in_placement = true'

    def test_no_functions(self):
        self.assertEqual((SUCCESS, None), self.check('Virtual functions'))
        self.assert_result(WARNING, results.NO_FUNCTIONS.format('a40-8q'))

    def test_all_is_well(self):
        self.run_collector('once')
        self.assert_result(
            SUCCESS, results.ELSEWHERE, options=self.IN_PLACEMENT
        )

    def test_no_mdevs(self):
        """The option with the classes of mdevs does not matter."""
        self.devices()
        for uuid in self.boards:
            self.placement.ask('DELETE', f'/resource_providers/{uuid}')
        self.run_collector('once')
        self.assertEqual((SUCCESS, None), self.check('Resource classes'))

    def test_pci_in_placement_is_off(self):
        self.run_collector('once')
        self.assert_result(
            WARNING,
            results.HOSTS_DECIDED.format('1 host (host1)'),
            results.ELSEWHERE,
        )

    def test_alias_and_post_copy(self):
        self.run_collector('once')
        self.assert_result(
            WARNING,
            results.POST_COPY,
            results.NOT_MIGRATABLE.format('a40-8q'),
            results.ELSEWHERE,
            alias={'live_migratable': 'no'},
            options=self.IN_PLACEMENT
            + '\n[libvirt]\nlive_migration_permit_post_copy = true',
        )

    def test_boards_that_no_collector_has_published(self):
        self.run_collector('once')
        root = self.placement.create_provider('far')
        self.report('far', root, 0x82)
        self.assert_result(
            WARNING,
            results.NO_BOARD.format('a40-8q', '1 board (far_0000:82:00.0)'),
            results.ELSEWHERE,
            options=self.IN_PLACEMENT,
        )

    def test_class_that_no_host_has_reported(self):
        self.run_collector('once')
        self.assert_result(
            WARNING,
            results.NO_CLASS.format('a40-8q', 'CUSTOM_B'),
            results.ELSEWHERE,
            alias={'resource_class': 'b'},
            options=self.IN_PLACEMENT,
        )
