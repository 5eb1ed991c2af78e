# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-compat-status: the filter, Placement, and what is published."""

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
from tests.functional import placement_server
from tests.functional import status_base
from tests import waiting

SUCCESS, WARNING, FAILURE = range(3)
FILTERS = 'nova_mdev_compat.filters'
ADD = (
    f'add "available_filters = {FILTERS}.MdevCompatFilter" to '
    '[filter_scheduler], beside the line for all_filters'
)
ENABLE = (
    'MdevCompatFilter is not enabled: add it to '
    '[filter_scheduler]enabled_filters'
)
LOAD = 'nova-scheduler cannot load [filter_scheduler]available_filters = '
NOT_TESTED = (
    ": start with [mdev_compat]mode = permissive and read nova-scheduler's log"
)
ROLE = (
    "; the user in [placement] needs the role that Placement's policy "
    'asks for (service, or admin)'
)
BLOCKED = 'not checked, because the check "Placement" failed'
THE_OTHERS = ('Hosts have published', 'Schema of traits', 'Resource classes')
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
    def test_worst_of_nothing(self):
        self.assertEqual((SUCCESS, None), worst())

    def test_worst_comes_first(self):
        self.assertEqual(
            (FAILURE, 'c; a; b'),
            worst(
                (SUCCESS, 'b'), (SUCCESS, None), (WARNING, 'a'), (FAILURE, 'c')
            ),
        )

    @given(RESULTS)
    def test_nothing_gets_lost(self, results):
        code, details = worst(*results)
        self.assertEqual(max((code for code, _ in results), default=0), code)
        given_details = [text for _, text in results if text]
        self.assertEqual(
            sorted(given_details),
            sorted(details.split('; ')) if details else [],
        )
        self.assertEqual(bool(given_details), details is not None)


class WholeTest(status_base.StatusTestCase):
    def test_all_is_well(self):
        for uuid in self.boards:
            self.give_mdevs(uuid)
        self.run_collector('once')
        self.assertEqual(
            {
                'Filter': (SUCCESS, None),
                'Placement': (SUCCESS, None),
                'Hosts have published': (SUCCESS, None),
                'Schema of traits': (SUCCESS, None),
                'Resource classes': (SUCCESS, None),
            },
            self.results(),
        )
        done = self.command('upgrade', 'check')
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        self.assertEqual(5, done.stdout.count('Result: Success'))

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
    @ddt.data('nova', 'oslo_upgradecheck')
    def test_not_in_the_environment_of_nova(self, missing):
        done = subprocess.run(
            [sys.executable, '-c', WITHOUT.format(missing)],
            capture_output=True,
            text=True,
            check=False,
            timeout=waiting.DEADLINE,
        )
        self.assertEqual(
            (
                2,
                '',
                'nova-mdev-compat-status: import of '
                f'{missing} halted; None in sys.modules: run it in '
                "nova-scheduler's environment\n",
            ),
            (done.returncode, done.stdout, done.stderr),
        )

    @ddt.data(
        (
            '[mdev_compat]\nmode = maybe\n',
            '{}: [mdev_compat]mode: Valid '
            "values are [enforcing, permissive], but found 'maybe'",
        ),
        (
            '[mdev_compat]\ncache_ttl = x\n',
            '{}: [mdev_compat]cache_ttl: '
            "invalid literal for int() with base 10: 'x'",
        ),
        (
            '[placement]\ntimeout = x\n',
            "{}: timeout: could not convert string to float: 'x'",
        ),
        (
            '[placement]\nauth_type = password\n',
            '[placement]: Auth plugin '
            'requires parameters which were not given: auth_url',
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
        'log_dir = /nonexistent',
        'default_log_levels = a',
    )
    def test_what_nova_conf_says_about_logging(self, line):
        """This command has no log; what it finds is its output."""
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
        done = subprocess.run(
            [sys.executable, '-c', START, '--shell_completion', 'bash'],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
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
    @ddt.data(
        (('ComputeFilter,MdevCompatFilter', 'ComputeFilter'), FAILURE, ENABLE),
        (
            (f'available_filters = {FILTERS}.MdevCompatFilter', ''),
            FAILURE,
            ADD,
        ),
        (
            ('MdevCompatFilter', 'Nothing'),
            FAILURE,
            f"{LOAD}{FILTERS}.Nothing: AttributeError: module '{FILTERS}' has "
            f"no attribute 'Nothing'; {ENABLE}",
        ),
        (
            (f'{FILTERS}.', 'nothing.'),
            FAILURE,
            f'{LOAD}nothing.MdevCompatFilter: ModuleNotFoundError: No module '
            "named 'nothing'",
        ),
        (
            ('ComputeFilter,', 'OtherFilter,'),
            FAILURE,
            'nova-scheduler does not start: no entry of '
            '[filter_scheduler]available_filters provides OtherFilter',
        ),
        (
            (
                '[filter_scheduler]',
                '[mdev_compat]\nmode = permissive\n[filter_scheduler]',
            ),
            WARNING,
            'the filter refuses nothing: [mdev_compat]mode is permissive; set it '
            'to enforcing once the log shows what you expect',
        ),
    )
    @ddt.unpack
    def test_configuration(self, change, code, expected):
        self.scheduler = status_base.FILTERS.replace(*change)
        self.assertEqual((code, expected), self.check('Filter'))

    @ddt.data(
        (
            '28.0.0',
            FAILURE,
            'Nova 28.0.0 does not live-migrate mdevs: '
            '29 (2024.1) is the first release that does',
        ),
        (
            '30.2.1',
            WARNING,
            'Nova 30.2.1 is in the supported range, '
            'but is not one of the tested releases (29, 31, 33, 34)'
            f'{NOT_TESTED}',
        ),
        (
            '35.0.0',
            WARNING,
            'Nova 35.0.0 is newer than all tested '
            f'releases (29, 31, 33, 34){NOT_TESTED}',
        ),
    )
    @ddt.unpack
    def test_version(self, version, code, expected):
        """Another Nova cannot be had here; its name can."""
        directory = self.home / f'nova-{version}.dist-info'
        directory.mkdir()
        (directory / 'METADATA').write_text(
            f'Metadata-Version: 2.1\nName: nova\nVersion: {version}\n'
        )
        self.environment = {'PYTHONPATH': str(self.home)}
        self.assertEqual((code, expected), self.check('Filter'))


class PlacementTest(status_base.StatusTestCase):
    def assert_failed(self, expected):
        """The others say that they cannot know, instead of the same again."""
        results = self.results()
        self.assertEqual((FAILURE, expected), results['Placement'])
        for name in THE_OTHERS:
            self.assertEqual((FAILURE, BLOCKED), results[name])

    def test_an_old_one(self):
        """The real one, of Xena, when 1.38 was the newest."""
        newest = microversion.VERSIONS.pop()
        self.addCleanup(microversion.VERSIONS.append, newest)
        self.assertEqual('1.39', newest)
        self.assert_failed(
            'Placement supports microversions up to 1.38, and '
            '1.39 (Yoga) is needed: upgrade Placement'
        )

    def test_no_rights(self):
        """Its own policy says no to a user without roles."""
        self.token = 'somebody'
        self.assert_failed(
            'Placement: GET /traits?name=startswith:CUSTOM_MDEV_'
            '&associated=true: 403 Access was denied to this resource. Policy '
            f'does not allow placement:traits:list to be performed.{ROLE}'
        )

    def test_no_rights_to_some_of_it(self):
        """As with a policy that somebody has written; this one is faked."""
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

    def test_it_is_down(self):
        conf = self.write_nova()
        self.placement.stop()
        done = self.command('upgrade', 'check', '--json', conf=conf)
        self.placement.serve()
        self.assertEqual((FAILURE, ''), (done.returncode, done.stderr))
        self.assertIn(
            'Placement does not answer: Unable to establish '
            f'connection to {self.placement.endpoint}/: ',
            done.stdout,
        )

    def test_it_is_something_else(self):
        self.placement.before = lambda *_: '200 OK'
        self.assert_failed(
            "Placement: GET /: the answer is not one of Placement's; is "
            'something else listening at its endpoint?'
        )

    def test_it_is_cut_off(self):
        self.placement.before = lambda *_: placement_server.CUT
        code, details = self.check('Placement')
        self.assertEqual(FAILURE, code)
        self.assertTrue(details.startswith('Placement does not answer: '))

    def test_it_fails_later(self):
        self.run_collector('once')
        self.placement.before = lambda _, path: (
            '503 Busy' if path == '/resource_classes' else None
        )
        results = self.results()
        self.assertEqual((SUCCESS, None), results['Placement'])
        self.assertEqual(
            (
                FAILURE,
                'not checked: Placement: GET /resource_classes: 503 503 Busy',
            ),
            results['Resource classes'],
        )


@ddt.ddt
class PublishedTest(status_base.StatusTestCase):
    def test_nobody_has_published(self):
        results = self.results()
        self.assertEqual(
            (
                WARNING,
                'no collector has published on 1 host (host1): start '
                'nova-mdev-collector there',
            ),
            results['Hosts have published'],
        )
        self.assertEqual((SUCCESS, None), results['Schema of traits'])

    def test_many_hosts_of_which_one_has(self):
        self.run_collector('once')
        for number in range(12):
            root = self.placement.create_provider(f'far{number:02d}')
            self.placement.create_provider(f'far{number:02d}_pci_0', root)
        self.assertEqual(
            (
                WARNING,
                'no collector has published on 12 hosts (far00, far01, '
                'far02, far03, far04, far05, far06, far07, far08, far09 and 2 '
                'more): start nova-mdev-collector there',
            ),
            self.check('Hosts have published'),
        )

    def test_a_ghost(self):
        self.devices(collector_base.device(0))
        self.run_collector('once')
        self.assertEqual(
            (
                WARNING,
                'no complete identity is published for 1 device (host1 '
                'pci_0000_81_01_0): run nova-mdev-collector dry-run there (a '
                'device that was removed keeps its provider, and accepts '
                'nothing)',
            ),
            self.check('Hosts have published'),
        )

    def test_no_mdevs_anywhere(self):
        for uuid in (*self.boards, self.root):
            self.placement.ask('DELETE', f'/resource_providers/{uuid}')
        self.assertEqual(
            (
                WARNING,
                'no host has mdevs: Placement has no provider of an '
                'mdev-capable device; check [devices]enabled_mdev_types on the '
                "compute hosts, and nova-compute's log",
            ),
            self.check('Hosts have published'),
        )

    @ddt.data(
        ('CUSTOM_MDEV_V0', 'older: upgrade nova-mdev-compat there'),
        ('CUSTOM_MDEV_V2', 'newer: upgrade nova-mdev-compat here'),
    )
    @ddt.unpack
    def test_another_schema(self, trait, expected):
        """It counts as published; it need not be on the root."""
        self.run_collector('once')
        far = self.placement.create_provider('far')
        for slot in range(2):
            device = self.placement.create_provider(f'far_pci_{slot}', far)
            self.placement.add_trait(device, trait)
            self.placement.add_trait(device, 'CUSTOM_MDEV_STRANGE_THING')
        results = self.results()
        self.assertEqual(
            (FAILURE, f'{trait}, the schema of 1 host (far), is {expected}'),
            results['Schema of traits'],
        )
        self.assertEqual((SUCCESS, None), results['Hosts have published'])

    def test_unreadable_traits(self):
        """What to do helps, too."""
        self.run_collector('once')
        for uuid in (self.boards[0], self.root):
            self.placement.add_trait(uuid, 'CUSTOM_MDEV_ACCEPT_X')
        self.assertEqual(
            (
                WARNING,
                '1 trait (CUSTOM_MDEV_ACCEPT_X) on host1 '
                'pci_0000_81_00_0 cannot be read, and a device with one is '
                'unknown: upgrade nova-mdev-compat here if a newer collector '
                'wrote it; otherwise restart nova-mdev-collector there, which '
                'removes it',
            ),
            self.check('Schema of traits'),
        )
        self.run_collector('once')
        self.assertEqual((SUCCESS, None), self.check('Schema of traits'))


class ClassesTest(status_base.StatusTestCase):
    def classes(self):
        """Return the result, and which providers were asked one by one."""
        self.placement.requests.clear()
        found = self.check('Resource classes')
        return found, {
            path.split('/')[2]
            for _, path in self.placement.requests
            if path.endswith('/inventories')
        }

    def test_classes_that_the_filter_does_not_know(self):
        """Whether their devices have some to spare or not."""
        self.placement.ask('PUT', '/resource_classes/CUSTOM_FREE')
        self.placement.ask('PUT', '/resource_classes/CUSTOM_FULL')
        self.give_mdevs(self.boards[0], 'CUSTOM_FREE')
        self.give_mdevs(self.boards[1], 'CUSTOM_FULL', used=4)
        self.run_collector('once')
        self.assertEqual(
            (
                (
                    FAILURE,
                    '[mdev_compat]resource_classes lacks CUSTOM_FREE, '
                    'CUSTOM_FULL: the filter ignores instances with these; add '
                    'them to nova.conf of every nova-scheduler',
                ),
                {self.boards[1]},
            ),
            self.classes(),
        )

    def test_a_class_that_nobody_has(self):
        for uuid in self.boards:
            self.give_mdevs(uuid)
        self.run_collector('once')
        self.scheduler += (
            '[mdev_compat]\nresource_classes = VGPU,CUSTOM_NONE\n'
        )
        self.assertEqual(
            (
                (
                    SUCCESS,
                    'no device has CUSTOM_NONE of '
                    '[mdev_compat]resource_classes',
                ),
                set(),
            ),
            self.classes(),
        )

    def test_nobody_has_any(self):
        unknown = (
            WARNING,
            '[mdev_compat]resource_classes cannot be '
            'checked: no device that a collector has published has an '
            'inventory',
        )
        self.assertEqual((unknown, set()), self.classes())
        self.run_collector('once')
        self.assertEqual((unknown, set(self.boards)), self.classes())
