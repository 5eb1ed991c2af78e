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

    def run_command(self, *args, status=0, command=COMMAND, **kwargs):
        """Run the command; return what it printed, and on stderr."""
        done = subprocess.run(
            [command, *args],
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

    def run_python(self, code, *args, status=0):
        """Run code that calls the command; return as run_command does."""
        self.environment['PYTHONPATH'] = str(samples.ROOT)
        return self.run_command(
            '-c', code, *args, status=status, command=sys.executable
        )

    def refuse(self, *args):
        """Return the one line that names what to correct."""
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

    def pair(self, source, target, *args):
        """Return the arguments that explain one pair of recorded hosts."""
        ids = ('--source', source, '--target', target)
        return 'explain', '--hosts', RECORDINGS, *ids, *args


@ddt.ddt
class ApplicationTest(CommandTestCase):
    def test_without_a_command_it_prints_help(self):
        shown, _ = self.run_command(stdin=subprocess.DEVNULL)
        self.assertIn('usage: nova-mdev-rules', shown)
        for name in ('diff', 'explain', 'table', 'validate'):
            self.assertIn(f'\n  {name} ', shown)

    @ddt.data('diff', 'explain', 'table', 'validate')
    def test_help_has_status_and_example(self, name):
        shown, _ = self.run_command(name, '--help')
        # It may be wrapped after a hyphen.
        words = ' '.join(shown.split()).replace('- ', '-')
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
        _, said = self.run_python(
            'import sys; sys.modules["cliff"] = None\n'
            'from nova_mdev_compat.cmd import start; sys.exit(start.rules())',
            status=2,
        )
        self.assertIn("pip install 'nova-mdev-compat[rules]'", said)
        self.assertEqual(1, said.count('\n'), said)

    def test_needs_nothing_of_the_other_extras(self):
        """It is for operators' own machines, too."""
        self.run_python(
            'import sys\n'
            'for name in ("libvirt", "lxml", "tenacity", "cotyledon", '
            '"nova", "pynvml"):\n    sys.modules[name] = None\n'
            'from nova_mdev_compat.cmd import start\n'
            f'sys.exit(start.rules(["table", "--hosts", {RECORDINGS!r}]))'
        )


class ValidateTest(CommandTestCase):
    def file(self, rules, version='1.0', vendor='10de', name='a.yaml'):
        """Write a rule file: vendor and rules begin on lines 2 and 3."""
        head = f'schema_version: "{version}"\nvendor: "{vendor}"\n'
        return self.write(name, head + textwrap.dedent(rules))

    def test_shipped_rules_are_clean(self):
        shown, said = self.run_command('validate', '--strict', SHIPPED)
        self.assertEqual('', shown)
        self.assertEqual('7 files: 0 errors, 0 warnings\n', said)

    def test_lines(self):
        """All errors, as an editor jumps to them."""
        path = self.file("""\
            rules:
              - name: first
                acepts: {type: same}
              - name: second
                accepts: {product: "2235", facts: {ecc: null}}
            """)
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

    def test_warnings(self):
        path = self.file(
            """\
            devices:
              facts: {intree: "maybe"}
            rules:
              - name: misspelt
                accepts: {facts: {eec: same}}
              - name: wide
                target: {facts: {subsystem: "0x10de:0x145a"}}
                accepts: {type: any}
              - name: narrow
                target: {facts: {subsystem: "0x10de:0x145a"}}
                accepts: {facts: {ecc: "Enabled"}}
            """,
            version='1.1',
        )
        shown, _ = self.run_command('validate', path)
        expected = (
            '4:11: warning: devices.facts.intree: intree is never maybe; kno',
            "7:23: warning: rule 'misspelt': accepts.facts.eec: no collector",
            "9:22: warning: rule 'wide': target.facts.subsystem: subsystem i",
            "10:15: warning: rule 'wide': accepts.type: Nova refuses a live ",
            f"11:5: warning: rule 'narrow': rule 'wide' ({path}:8) accepts e",
            "12:22: warning: rule 'narrow': target.facts.subsystem: subsyste",
            "13:23: warning: rule 'narrow': accepts.facts.ecc: ecc is never ",
        )
        for line, start in zip(shown.splitlines(), expected, strict=True):
            self.assertEqual(f'{path}:{start}', line[: len(f'{path}:{start}')])
        self.run_command('validate', '--strict', path, status=1)

    def test_a_word_for_a_vendor(self):
        path = self.file('rules: [{name: a, accepts: {}}]\n', vendor='nvidia')
        shown, _ = self.run_command('validate', path)
        self.assertIn('write the PCI id, 10de', shown)

    def test_a_file_of_the_site_beside_the_shipped_one_of_its_vendor(self):
        """Both are in force, so that one can make the other redundant."""
        (self.home / 'site').mkdir()
        site = self.file(
            'rules: [{name: all, accepts: {}}]\n', name='site/mine.yaml'
        )
        (found,) = self.rows('validate', SHIPPED, site)
        self.assertEqual(f'{SHIPPED}/nvidia.yaml', found['file'])
        self.assertIn(f"'all' ({site}:3)", found['message'])

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
        (self.home / 'empty').mkdir()
        self.assertEqual(
            'nova-mdev-rules: empty: there is no rule file (*.yaml) in this '
            'directory',
            self.refuse('validate', 'empty'),
        )
        self.write('named/a.yml', '')
        self.assertIn('name it a.yaml', self.refuse('validate', 'named'))

    def test_without_a_name(self):
        """The rules in force here; it is an error if there are none."""
        code = (
            'import sys\n'
            'from nova_mdev_compat.conf import collector\n'
            'collector.SHIPPED_RULES[:] = sys.argv[1:]\n'
            'collector.SITE_RULES = "/nowhere"\n'
            'from nova_mdev_compat.cli import app\n'
            'sys.exit(app.main(["validate", "--strict"]))\n'
        )
        _, said = self.run_python(code, SHIPPED)
        self.assertEqual('7 files: 0 errors, 0 warnings\n', said)
        _, said = self.run_python(code, '/no/rules', status=2)
        self.assertEqual(
            'nova-mdev-rules: no rule file (*.yaml) in /no/rules, /nowhere; '
            'name files or directories\n',
            said,
        )

    def test_all_of_a_directory_of_wrong_files(self):
        found = self.rows('validate', str(samples.BAD_RULES), status=2)
        files = {path.name for path in samples.BAD_RULES.glob('*.yaml')}
        self.assertEqual(
            files,
            {
                pathlib.Path(row['file']).name
                for row in found
                if row['level'] == 'error'
            },
        )


class ExplainTest(CommandTestCase):
    def explain(self, source, target, *args, **kwargs):
        (found,) = self.rows(*self.pair(source, target, *args), **kwargs)
        return found

    def test_the_rule_that_allows_it(self):
        lines = (samples.SHIPPED_RULES / 'nvidia.yaml').read_text('utf-8')
        line = lines[: lines.index('  - name: ')].count('\n') + 1
        found = self.explain('gpu-1', 'gpu-2')
        self.assertEqual(
            {
                'source': ['gpu-1:pci_0000_84_00_4', 'gpu-1:pci_0000_84_00_5'],
                'target': ['gpu-2:pci_0000_84_00_4', 'gpu-2:pci_0000_84_00_5'],
                'verdict': 'compatible',
                'rule': 'same board, type, driver, ECC, MIG and OS',
                'because': f'{recordings.INSTALLED}/nvidia.yaml:{line}',
            },
            found,
        )

    def test_the_first_condition_that_fails(self):
        found = self.explain('gpu-1', 'gpu-4', status=1)
        self.assertEqual('incompatible', found['verdict'])
        self.assertEqual(
            'driver 535.183.04 is not version 550.90.05', found['because']
        )

    def test_what_is_missing(self):
        for source, target, where in (
            ('gpu-3', 'gpu-5', 'target'),
            ('gpu-5', 'gpu-3', 'source'),
        ):
            found = self.explain(source, target, status=1)
            self.assertEqual(
                (
                    'unknown',
                    f'ecc of the {where} is unknown: {recordings.NO_DRIVER}',
                ),
                (found['verdict'], found['because']),
            )

    def test_other_rules(self):
        found = self.explain('gpu-1', 'gpu-3', '--rules', self.rules())
        self.assertEqual('compatible', found['verdict'])
        self.explain('gpu-3', 'gpu-1', '--rules', self.rules(), status=1)

    def test_files_and_single_devices(self):
        (found,) = self.rows(
            'explain',
            '--source',
            f'{RECORDINGS}/gpu-1.json',
            '--target',
            f'{RECORDINGS}/gpu-2.json:pci_0000_84_00_5',
        )
        self.assertEqual(['gpu-2:pci_0000_84_00_5'], found['target'])
        found = self.explain('gpu-1:pci_0000_84_00_4', 'gpu-2')
        self.assertEqual(['gpu-1:pci_0000_84_00_4'], found['source'])

    def test_a_host_of_this_name_precedes_a_path(self):
        (self.home / 'gpu-1').mkdir()
        found = self.explain('gpu-1', 'gpu-2')
        self.assertEqual('compatible', found['verdict'])

    def test_the_same_host(self):
        _, said = self.run_command(*self.pair('gpu-1', 'gpu-1'), status=1)
        self.assertIn('There is nothing to explain', said)

    def test_unknown_name(self):
        self.assertEqual(
            'nova-mdev-rules: gpu-9: there is neither a snapshot nor a '
            'host of this name; --hosts has gpu-1, gpu-2, gpu-3, gpu-4, gpu-5',
            self.refuse(*self.pair('gpu-9', 'gpu-1')),
        )
        self.assertEqual(
            'nova-mdev-rules: gpu-1:pci_1: host gpu-1 has no device pci_1; it '
            'has pci_0000_84_00_4, pci_0000_84_00_5',
            self.refuse(*self.pair('gpu-2', 'gpu-1:pci_1')),
        )

    def test_wrong_rules(self):
        pair = self.pair('gpu-1', 'gpu-2', '--rules')
        directory = self.rules(text='vendor: x')
        self.assertRegex(
            self.refuse(*pair, directory),
            f'^nova-mdev-rules: {directory}/nvidia.yaml:1:1: missing key ',
        )
        self.assertIn(
            'nowhere: there is no such directory of rule files',
            self.refuse(*pair, 'nowhere'),
        )


class TableTest(CommandTestCase):
    def test_all_classes(self):
        """One class has pairs with itself, between different hosts."""
        found = self.rows('table', '--hosts', RECORDINGS)
        compatible = [
            (row['source'][0], row['target'][0], row['pairs'])
            for row in found
            if row['verdict'] == 'compatible'
        ]
        self.assertEqual(
            [('gpu-1:pci_0000_84_00_4', 'gpu-1:pci_0000_84_00_4', 8)],
            compatible,
        )
        self.assertEqual(4 * 4 - 3, len(found))

    def test_for_people(self):
        hosts = [
            f'--hosts={RECORDINGS}/{name}.json' for name in ('gpu-1', 'gpu-3')
        ]
        shown, said = self.run_command(
            'table', *hosts, '--rules', self.rules()
        )
        self.assertIn(
            '| gpu-1 (2 devices) | gpu-3 (2 devices) |     4 | compatible   |',
            shown,
        )
        # No progress bar without a terminal.
        self.assertEqual('', said)

    def test_wrong_snapshots(self):
        def assert_refused(words, path='a'):
            self.assertIn(words, self.refuse('table', '--hosts', path))

        path = self.write('a/b.json', '{"schema_version": "1.0"}')
        assert_refused(
            'nova-mdev-rules: a/b.json: schema_version 1.0 cannot '
            'be read: this nova-mdev-compat reads 2.x'
        )
        self.write('a/b.json', '{"schema_version": "2.0"}')
        assert_refused('nova-mdev-rules: a/b.json is invalid: ')
        assert_refused('nova-mdev-collector dry-run --format json')
        pathlib.Path(path).write_bytes(b'[' * (16 * 1024 * 1024 + 1))
        assert_refused('a/b.json is larger than 16 MiB')
        pathlib.Path(path).unlink()
        assert_refused('a: there is no snapshot (*.json) in this directory')
        assert_refused('nowhere.json is not there', 'nowhere.json')

    def test_a_host_twice(self):
        text = (recordings.DIRECTORY / 'gpu-1.json').read_text('utf-8')
        self.write('two/a.json', text)
        self.write('two/b.json', text)
        self.assertIn(
            'two/a.json and two/b.json are both snapshots of host gpu-1',
            self.refuse('table', '--hosts', 'two'),
        )


class DiffTest(CommandTestCase):
    def test_what_changes(self):
        old = self.rules(
            'old', (samples.SHIPPED_RULES / 'nvidia.yaml').read_text('utf-8')
        )
        args = ['diff', old, self.rules('new'), '--hosts', RECORDINGS]
        (found,) = self.rows(*args)
        source, target = found.pop('source'), found.pop('target')
        self.assertEqual('gpu-1:pci_0000_84_00_4', source[0])
        self.assertEqual('gpu-3:pci_0000_84_00_4', target[0])
        self.assertEqual(
            {
                'pairs': 8,
                'old': 'incompatible',
                'new': 'compatible',
                'because': "'same board, driver from 535.183 up to ours'",
            },
            found,
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
        """As on a site that masks all of them."""
        (self.home / 'empty').mkdir()
        args = ['diff', 'empty', self.rules(), '--hosts', RECORDINGS]
        self.assertIn(
            'no rule file (*.yaml) in', self.refuse(*args, '--no-shipped')
        )


class ProgressTest(CommandTestCase):
    def setUp(self):
        super().setUp()
        self.master, self.slave = pty.openpty()
        self.addCleanup(os.close, self.master)
        termios.tcsetwinsize(self.slave, (24, 80))

    def run_on_terminal(self, code, stdout):
        subprocess.run(
            [sys.executable, '-c', code],
            stdout=stdout,
            stderr=self.slave,
            check=True,
            env=self.environment,
            cwd=samples.ROOT,
        )
        os.write(self.slave, b'--')

    def printed(self, times):
        """Return what the terminal has got from each run."""
        os.close(self.slave)
        text = b''
        while text.count(b'--') < times:
            # A terminal returns an amount of its own choice.
            text += os.read(self.master, 65536)
        return text.decode().split('--')[:-1]

    def test_on_a_terminal(self):
        """After a second, and only if the rows go there, too."""
        code = (
            'from nova_mdev_compat.cli import common\n'
            'import sys, time\n'
            'for _ in common.progress(range(12)): time.sleep(0.2)\n'
        )
        self.run_on_terminal(code, subprocess.DEVNULL)
        self.run_on_terminal(code, self.slave)
        nothing, shown = self.printed(2)
        self.assertEqual('', nothing)
        self.assertIn('/12', shown)

    def test_without_tqdm(self):
        """The commands of openstackclient load without the extra."""
        code = (
            'import sys\nsys.modules["tqdm"] = None\n'
            'from nova_mdev_compat.cli import common\n'
            'sys.stdout.write("".join(common.progress("abc")))\n'
        )
        self.run_on_terminal(code, self.slave)
        self.assertEqual(['abc'], self.printed(1))
