# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-rules itself, as an operator runs it."""

import csv
import io
import json
import os
import pathlib
import pty
import subprocess
import sys
import termios
import textwrap

import ddt
import fixtures
import testtools

from tests.functional import commands
from tests import recordings
from tests.unit import samples
from tests import waiting

COMMAND = commands.path('nova-mdev-rules')
RECORDINGS = str(recordings.DIRECTORY)
SHIPPED = str(samples.SHIPPED_RULES)
#: From the tutorial: an older driver may come, on hosts of one release.
OLDER_MAY_COME = """
schema_version: "1.0"
vendor: "10de"
rules:
  - name: same board, driver from 535.183 up to ours
    accepts:
      facts:
        subsystem: same
        driver: {at_least: "535.183", at_most: same}
        ecc: same
        mig: same
        os: same
"""


class CommandTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.environment = {
            **os.environ,
            'XDG_CACHE_HOME': str(self.home / 'cache'),
            'COLUMNS': '80',
            'NO_COLOR': '1',
        }

    def run_command(self, *args, status=0, **kwargs):
        """Run the command; return what it printed, and on stderr."""
        done = subprocess.run(
            [COMMAND, *args],
            capture_output=True,
            text=True,
            check=False,
            timeout=waiting.DEADLINE,
            cwd=self.home,
            env=self.environment,
            **kwargs,
        )
        self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        self.assertNotIn('Traceback', done.stderr)
        return done.stdout, done.stderr

    def refuse(self, *args):
        """Return the one line that says what is to be put right."""
        shown, said = self.run_command(*args, status=2)
        self.assertEqual('', shown)
        self.assertEqual(1, said.count('\n'), said)
        return said.strip()

    def rows(self, *args, **kwargs):
        shown, _ = self.run_command(*args, '--format', 'json', **kwargs)
        return json.loads(shown)

    def write(self, name, text):
        path = self.home / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text), 'utf-8')
        return str(path)

    def rules(self, name='rules.d', text=OLDER_MAY_COME):
        self.write(f'{name}/nvidia.yaml', text)
        return str(self.home / name)


@ddt.ddt
class ApplicationTest(CommandTestCase):
    def test_without_a_command_it_is_no_shell(self):
        shown, _ = self.run_command(stdin=subprocess.DEVNULL)
        self.assertIn('usage: nova-mdev-rules', shown)
        for name in ('diff', 'explain', 'table', 'validate'):
            self.assertIn(f'\n  {name} ', shown)

    @ddt.data('diff', 'explain', 'table', 'validate')
    def test_help_teaches(self, name):
        shown, _ = self.run_command(name, '--help')
        words = ' '.join(shown.split())
        self.assertIn('exit status', words)
        self.assertIn(f'Example: nova-mdev-rules {name} ', words)

    @ddt.data(
        ['explian'],
        ['table'],
        ['explain', '--source', 'a'],
        ['validate', '--unknown'],
        ['diff', 'a'],
    )
    def test_usage(self, args):
        self.run_command(*args, status=2)

    def test_version(self):
        shown, _ = self.run_command('--version')
        self.assertRegex(shown, r'^nova-mdev-rules \d+\.\d+')

    def test_without_its_extra(self):
        """As after pip install nova-mdev-compat."""
        done = subprocess.run(
            [
                sys.executable,
                '-c',
                'import sys; sys.modules["cliff"] = None\n'
                'from nova_mdev_compat.cmd import start; sys.exit(start.rules())',
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=samples.ROOT,
        )
        self.assertEqual(2, done.returncode)
        self.assertIn("pip install 'nova-mdev-compat[rules]'", done.stderr)
        self.assertEqual(1, done.stderr.count('\n'), done.stderr)

    def test_needs_nothing_of_the_other_extras(self):
        """It is for operators' own machines, too."""
        code = (
            'import sys\n'
            'for name in ("libvirt", "lxml", "tenacity", "cotyledon", '
            '"nova", "pynvml"):\n    sys.modules[name] = None\n'
            'from nova_mdev_compat.cmd import start\n'
            f'sys.exit(start.rules(["table", "--hosts", {RECORDINGS!r}]))'
        )
        done = subprocess.run(
            [sys.executable, '-c', code],
            capture_output=True,
            text=True,
            check=False,
            cwd=samples.ROOT,
        )
        self.assertEqual(0, done.returncode, done.stderr)


@ddt.ddt
class ValidateTest(CommandTestCase):
    def test_shipped_rules_are_clean(self):
        shown, said = self.run_command('validate', '--strict', SHIPPED)
        self.assertEqual('', shown)
        self.assertEqual('4 files: 0 errors, 0 warnings\n', said)

    def test_lines(self):
        """All that is wrong, where an editor can jump to."""
        path = self.write(
            'a.yaml',
            """\
            schema_version: "1.0"
            vendor: "10de"
            rules:
              - name: first
                acepts: {type: same}
              - name: second
                accepts: {product: "2235", facts: {ecc: null}}
            """,
        )
        shown, said = self.run_command('validate', path, status=2)
        self.assertEqual(
            textwrap.dedent(f"""\
            {path}:4:5: error: rule 'first': missing key 'accepts'; it must be a mapping of product, type and facts
            {path}:5:5: error: rule 'first': acepts: unknown key; known: accepts, name, target
            {path}:7:24: error: rule 'second': accepts.product: must be same, any or a list of product ids ([2235]), not '2235'
            {path}:7:45: error: rule 'second': accepts.facts.ecc: no value (empty, null or ~); must be text, a list of texts, or a range of at_least, above, at_most, below and except
            """),  # noqa: E501
            shown,
        )
        self.assertEqual('1 file: 4 errors, 0 warnings\n', said)

    def test_every_rule_that_is_wrong(self):
        """Not only the first one."""
        path = self.write(
            'a.yaml',
            """\
            schema_version: "1.0"
            vendor: "10de"
            rules:
              - {name: one, accepts: {facts: {driver: "abc"}}}
              - {name: good, accepts: {}}
              - {name: two, accepts: {facts: {driver: "xyz"}}}
            """,
        )
        found = self.rows('validate', path, status=2)
        self.assertEqual(["'one'", "'two'"], [row['Rule'] for row in found])

    def test_warnings(self):
        path = self.write(
            'a.yaml',
            """\
            schema_version: "1.0"
            vendor: "10de"
            rules:
              - name: misspelt
                accepts: {facts: {eec: same}}
              - name: wide
                accepts: {type: any}
              - name: narrow
                accepts: {facts: {ecc: same}}
            """,
        )
        found = self.rows('validate', path)
        self.assertEqual(
            [("'misspelt'", 5, 23), ("'wide'", 7, 15), ("'narrow'", 8, 5)],
            [(row['Rule'], row['Line'], row['Column']) for row in found],
        )
        self.assertEqual({'warning'}, {row['Level'] for row in found})
        messages = [row['Message'] for row in found]
        self.assertIn('ecc', messages[0])
        self.assertIn('type: same', messages[1])
        self.assertIn(f"'wide' ({path}:6)", messages[2])
        self.run_command('validate', '--strict', path, status=1)

    def test_values_that_no_device_has(self):
        path = self.write(
            'a.yaml',
            """\
            schema_version: "1.1"
            vendor: "10de"
            devices:
              facts: {modulename: [nvidia], intree: "maybe"}
            rules:
              - name: words of nvidia-smi
                accepts: {facts: {ecc: "Enabled", mig: "off"}}
              - name: a subsystem as sysfs has it
                target: {facts: {subsystem: "0x10de:0x145a"}}
                accepts: {facts: {ecc: same}}
            """,
        )
        shown, _ = self.run_command('validate', path)
        said = [line.removeprefix(f'{path}:') for line in shown.splitlines()]
        self.assertEqual(
            [
                '4:11: warning: devices.facts.modulename: no collector publishes '
                'modulename of devices of 10de, so no rule of this file ever '
                'matches; did you mean module?',
                '4:33: warning: '
                'devices.facts.intree: intree is never maybe; known: no, yes',
                "7:23: warning: rule 'words of nvidia-smi': accepts.facts.ecc: "
                'ecc is never enabled; known: off, on, unsupported',
                "9:22: warning: rule 'a subsystem as sysfs has it': "
                'target.facts.subsystem: subsystem is never 0x10de_0x145a; it '
                'is two PCI ids, 10de:145a',
            ],
            [line.partition(' Known: driver')[0] for line in said],
        )
        self.run_command('validate', '--strict', path, status=1)

    def test_a_word_for_a_vendor(self):
        path = self.write(
            'a.yaml',
            """\
            schema_version: "1.0"
            vendor: "nvidia"
            rules: [{name: a, accepts: {}}]
            """,
        )
        shown, _ = self.run_command('validate', path)
        self.assertIn('write the PCI id, 10de', shown)

    def test_a_file_of_the_site_beside_the_shipped_one_of_its_vendor(self):
        """Both are in force, so that one can make the other needless."""
        site = self.write(
            'site/mine.yaml',
            """\
            schema_version: "1.0"
            vendor: "10de"
            rules: [{name: all, accepts: {}}]
            """,
        )
        (found,) = self.rows('validate', SHIPPED, site)
        self.assertEqual(f'{SHIPPED}/nvidia.yaml', found['File'])
        self.assertIn(f"'all' ({site}:3)", found['Message'])

    def test_formats(self):
        path = self.write('a.yaml', 'x')
        shown, _ = self.run_command('validate', path, '-f', 'csv', status=2)
        (row,) = csv.DictReader(io.StringIO(shown))
        self.assertEqual(
            (path, '1', '1', 'error'),
            (row['File'], row['Line'], row['Column'], row['Level']),
        )
        shown, _ = self.run_command(
            'validate', path, '-c', 'Line', '-c', 'Message', status=2
        )
        self.assertRegex(shown, '^1: must be a mapping')

    def test_what_cannot_be_read(self):
        shown, _ = self.run_command('validate', 'nowhere.yaml', status=2)
        self.assertEqual(
            'nowhere.yaml: error: No such file or directory\n', shown
        )

    def test_directories_that_are_no_rules(self):
        (self.home / 'empty').mkdir()
        self.assertEqual(
            'nova-mdev-rules: empty: there is no rule file (*.yaml) in this '
            'directory',
            self.refuse('validate', 'empty'),
        )
        self.write('named/a.yml', '')
        self.assertIn('name it a.yaml', self.refuse('validate', 'named'))

    def test_without_a_name(self):
        """Those in force here; that there are none is no good sign."""
        code = (
            'import sys\n'
            'from nova_mdev_compat.conf import collector\n'
            'collector.SHIPPED_RULES[:] = sys.argv[1:]\n'
            'collector.SITE_RULES = "/nowhere"\n'
            'from nova_mdev_compat.cli import app\n'
            'sys.exit(app.main(["validate", "--strict"]))\n'
        )
        for directory, status, said in (
            (SHIPPED, 0, '4 files: 0 errors, 0 warnings'),
            (
                '/no/rules',
                2,
                'nova-mdev-rules: no rule file (*.yaml) in '
                '/no/rules, /nowhere; name files or directories',
            ),
        ):
            done = subprocess.run(
                [sys.executable, '-c', code, directory],
                capture_output=True,
                text=True,
                check=False,
                cwd=samples.ROOT,
                env=self.environment,
            )
            self.assertEqual(
                (status, f'{said}\n'), (done.returncode, done.stderr)
            )

    def test_all_of_a_directory_of_wrong_files(self):
        found = self.rows('validate', str(samples.BAD_RULES), status=2)
        files = {path.name for path in samples.BAD_RULES.glob('*.yaml')}
        self.assertEqual(
            files,
            {
                pathlib.Path(row['File']).name
                for row in found
                if row['Level'] == 'error'
            },
        )


class ExplainTest(CommandTestCase):
    def explain(self, source, target, *args, **kwargs):
        return self.rows(
            'explain',
            '--hosts',
            RECORDINGS,
            '--source',
            source,
            '--target',
            target,
            *args,
            **kwargs,
        )

    def test_the_rule_that_allows_it(self):
        lines = (samples.SHIPPED_RULES / 'nvidia.yaml').read_text('utf-8')
        line = lines[: lines.index('  - name: ')].count('\n') + 1
        (found,) = self.explain('gpu-1', 'gpu-2')
        self.assertEqual(
            {
                'Source': ['gpu-1:pci_0000_84_00_4', 'gpu-1:pci_0000_84_00_5'],
                'Target': ['gpu-2:pci_0000_84_00_4', 'gpu-2:pci_0000_84_00_5'],
                'Verdict': 'compatible',
                'Rule': 'same board, vGPU type, driver, ECC and MIG mode and '
                'host OS',
                'Because': f'{recordings.INSTALLED}/nvidia.yaml:{line}',
            },
            found,
        )

    def test_the_first_condition_that_fails(self):
        (found,) = self.explain('gpu-1', 'gpu-4', status=1)
        self.assertEqual('incompatible', found['Verdict'])
        self.assertEqual(
            'driver 535.183.04 is not version 550.90.05', found['Because']
        )

    def test_what_is_missing(self):
        (found,) = self.explain('gpu-3', 'gpu-5', status=1)
        self.assertEqual('unknown', found['Verdict'])
        self.assertEqual(
            f'ecc of the target is unknown: {recordings.NO_DRIVER}',
            found['Because'],
        )
        (found,) = self.explain('gpu-5', 'gpu-3', status=1)
        self.assertEqual(
            f'ecc of the source is unknown: {recordings.NO_DRIVER}',
            found['Because'],
        )

    def test_other_rules(self):
        (found,) = self.explain('gpu-1', 'gpu-3', '--rules', self.rules())
        self.assertEqual('compatible', found['Verdict'])
        self.explain('gpu-3', 'gpu-1', '--rules', self.rules(), status=1)

    def test_files_and_single_devices(self):
        (found,) = self.rows(
            'explain',
            '--source',
            f'{RECORDINGS}/gpu-1.json',
            '--target',
            f'{RECORDINGS}/gpu-2.json:pci_0000_84_00_5',
        )
        self.assertEqual(['gpu-2:pci_0000_84_00_5'], found['Target'])
        (found,) = self.explain('gpu-1:pci_0000_84_00_4', 'gpu-2')
        self.assertEqual(['gpu-1:pci_0000_84_00_4'], found['Source'])

    def test_a_host_is_known_by_its_name_first(self):
        """Whatever else is called so."""
        (self.home / 'gpu-1').mkdir()
        (found,) = self.explain('gpu-1', 'gpu-2')
        self.assertEqual('compatible', found['Verdict'])

    def test_the_same_host(self):
        _, said = self.run_command(
            'explain',
            '--hosts',
            RECORDINGS,
            '--source',
            'gpu-1',
            '--target',
            'gpu-1',
            status=1,
        )
        self.assertIn('There is nothing to explain', said)

    def test_nobody_of_this_name(self):
        self.assertEqual(
            'nova-mdev-rules: gpu-9: there is neither a snapshot nor a '
            'host of this name; --hosts has gpu-1, gpu-2, gpu-3, gpu-4, gpu-5',
            self.refuse(
                'explain',
                '--hosts',
                RECORDINGS,
                '--source',
                'gpu-9',
                '--target',
                'gpu-1',
            ),
        )
        self.assertEqual(
            'nova-mdev-rules: gpu-1:pci_1: host gpu-1 has no device pci_1; it '
            'has pci_0000_84_00_4, pci_0000_84_00_5',
            self.refuse(
                'explain',
                '--hosts',
                RECORDINGS,
                '--source',
                'gpu-2',
                '--target',
                'gpu-1:pci_1',
            ),
        )

    def test_wrong_rules(self):
        directory = self.rules(text='vendor: x')
        self.assertRegex(
            self.refuse(
                'explain',
                '--hosts',
                RECORDINGS,
                '--source',
                'gpu-1',
                '--target',
                'gpu-2',
                '--rules',
                directory,
            ),
            f'^nova-mdev-rules: {directory}/nvidia.yaml:1:1: missing key ',
        )
        self.assertIn(
            'nowhere: there is no such directory of rule files',
            self.refuse(
                'explain',
                '--hosts',
                RECORDINGS,
                '--source',
                'gpu-1',
                '--target',
                'gpu-2',
                '--rules',
                'nowhere',
            ),
        )


class TableTest(CommandTestCase):
    def test_all_kinds(self):
        """Hosts that are alike make one kind; itself, if it has another."""
        found = self.rows('table', '--hosts', RECORDINGS)
        compatible = [
            (row['Source'][0], row['Target'][0], row['Pairs'])
            for row in found
            if row['Verdict'] == 'compatible'
        ]
        self.assertEqual(
            [('gpu-1:pci_0000_84_00_4', 'gpu-1:pci_0000_84_00_4', 8)],
            compatible,
        )
        self.assertEqual(4 * 4 - 3, len(found))

    def test_for_people(self):
        shown, _ = self.run_command(
            'table',
            '--hosts',
            f'{RECORDINGS}/gpu-1.json',
            '--hosts',
            f'{RECORDINGS}/gpu-3.json',
            '--rules',
            self.rules(),
        )
        self.assertIn(
            '| gpu-1 (2 devices) | gpu-3 (2 devices) |     4 | compatible   |',
            shown,
        )

    def test_recordings_that_are_none(self):
        path = self.write('a/b.json', '{"schema_version": "1.0"}')
        self.assertIn(
            'nova-mdev-rules: a/b.json: schema_version 1.0 cannot '
            'be read: this nova-mdev-compat reads 2.x',
            self.refuse('table', '--hosts', 'a'),
        )
        self.write('a/b.json', '{"schema_version": "2.0"}')
        said = self.refuse('table', '--hosts', 'a')
        self.assertTrue(
            said.startswith('nova-mdev-rules: a/b.json is invalid: '), said
        )
        self.assertIn('nova-mdev-collector dry-run --format json', said)
        pathlib.Path(path).write_bytes(b'[' * (16 * 1024 * 1024 + 1))
        self.assertIn(
            'a/b.json is larger than 16 MiB',
            self.refuse('table', '--hosts', 'a'),
        )
        pathlib.Path(path).unlink()
        self.assertIn(
            'a: there is no snapshot (*.json) in this directory',
            self.refuse('table', '--hosts', 'a'),
        )
        self.assertIn(
            'nowhere.json is not there',
            self.refuse('table', '--hosts', 'nowhere.json'),
        )

    def test_a_host_twice(self):
        text = (recordings.DIRECTORY / 'gpu-1.json').read_text('utf-8')
        self.write('two/a.json', text)
        self.write('two/b.json', text)
        self.assertIn(
            'two/a.json and two/b.json are both snapshots of host gpu-1',
            self.refuse('table', '--hosts', 'two'),
        )

    def test_no_progress_where_nobody_looks(self):
        _, said = self.run_command('table', '--hosts', RECORDINGS)
        self.assertEqual('', said)


class DiffTest(CommandTestCase):
    def test_what_changes(self):
        old = self.rules(
            'old', (samples.SHIPPED_RULES / 'nvidia.yaml').read_text('utf-8')
        )
        args = ['diff', old, self.rules('new'), '--hosts', RECORDINGS]
        (found,) = self.rows(*args)
        self.assertEqual(
            (
                'gpu-1:pci_0000_84_00_4',
                'gpu-3:pci_0000_84_00_4',
                8,
                'incompatible',
                'compatible',
                "'same board, driver from 535.183 up to ours'",
            ),
            (
                found['Source'][0],
                found['Target'][0],
                found['Pairs'],
                found['Old'],
                found['New'],
                found['Because'],
            ),
        )
        _, said = self.run_command(*args, '--exit-code', status=1)
        self.assertEqual(
            '8 of 80 pairs of devices change: 8 become '
            'compatible, 0 are no longer\n',
            said,
        )

    def test_the_other_way_round(self):
        _, said = self.run_command(
            'diff', self.rules('new'), SHIPPED, '--hosts', RECORDINGS
        )
        self.assertEqual(
            '8 of 80 pairs of devices change: 0 become '
            'compatible, 8 are no longer\n',
            said,
        )

    def test_nothing_changes(self):
        rules = self.rules()
        shown, said = self.run_command(
            'diff', rules, rules, '--hosts', RECORDINGS, '--exit-code'
        )
        self.assertEqual('\n', shown)
        self.assertIn('0 of 80 pairs of devices change', said)

    def test_without_the_shipped_rules(self):
        """Which is what a site has that masks every one of them."""
        (self.home / 'empty').mkdir()
        self.assertIn(
            'no rule file (*.yaml) in',
            self.refuse(
                'diff',
                'empty',
                self.rules(),
                '--hosts',
                RECORDINGS,
                '--no-shipped',
            ),
        )

    def test_progress_on_a_terminal(self):
        """When it takes longer than a second."""
        code = (
            'from nova_mdev_compat.cli import common\n'
            'import sys, time\n'
            'for _ in common.progress(range(12)): time.sleep(0.2)\n'
        )
        master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        for stdout in (subprocess.DEVNULL, slave):
            subprocess.run(
                [sys.executable, '-c', code],
                stdout=stdout,
                stderr=slave,
                check=True,
                env=self.environment,
                cwd=samples.ROOT,
            )
            os.write(slave, b'--')
        os.close(slave)
        # Nothing while the rows went elsewhere.
        text = b''
        while text.count(b'--') < 2:
            # A terminal gives no more at a time than it likes.
            text += os.read(master, 65536)
        os.close(master)
        silent, shown, _ = text.decode().split('--')
        self.assertEqual('', silent)
        self.assertIn('/12', shown)

    def test_no_progress_without_tqdm(self):
        """The commands of openstackclient load without the extra."""
        code = (
            'import sys\nsys.modules["tqdm"] = None\n'
            'from nova_mdev_compat.cli import common\n'
            'sys.stdout.write("".join(common.progress("abc")))\n'
        )
        master, slave = pty.openpty()
        subprocess.run(
            [sys.executable, '-c', code],
            stdout=slave,
            stderr=slave,
            check=True,
            cwd=samples.ROOT,
        )
        self.assertEqual(b'abc', os.read(master, 65536))
        os.close(slave)
        os.close(master)
