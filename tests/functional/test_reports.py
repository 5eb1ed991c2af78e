# SPDX-License-Identifier: Apache-2.0
"""Public reports of what people have: each gives what is right.

They are data, see tests/data/reports/README.rst; this runs the commands.
"""

import pathlib
import time

import ddt
import fixtures
import testtools

from nova_mdev_compat.publication import devices_file
from tests.functional import collector_base
from tests.functional import reports
from tests import mdev_tree

#: What expected.yaml may say of a parent.
KEYS = {'type', 'api', 'in_use', 'facts', 'accepts', 'because'}

#: Of the domain in the first of the guard's reports.
UUID = '11111111-1111-4111-8111-111111111111'


@ddt.ddt
class ReportsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def assert_said(self, words, text):
        for word in words:
            self.assertIn(word, text)

    @ddt.data(*reports.having('collector'))
    def test_collector(self, name):
        report = reports.Report(reports.DIRECTORY / name)
        expected = report.expected['collector']
        options = [
            line.format(report=report.path)
            for line in expected.get('options', ())
        ]
        # What it says has to be in both.
        forms = ('table', 'json') if 'says' in expected else ('json',)
        for form in forms:
            done = report.collect(
                self.home, 'dry-run', '--format', form, options=options
            )
            said = done.stdout + done.stderr
            self.assertEqual(expected.get('status', 0), done.returncode, said)
            self.assertNotIn('Traceback', said)
            self.assert_said(expected.get('says', ()), said)
        if expected.get('status', 0):
            self.assertEqual(1, done.stderr.count('\n'), done.stderr)
        if 'parents' not in expected:
            self.assertEqual('', done.stdout)
            return
        found = reports.Found(done.stdout)
        self.assertEqual(expected.get('host', 'gpu-1'), found.name)
        self.assert_parents(expected, found)

    def assert_parents(self, expected, found):
        parents = expected['parents']
        self.assertEqual(set(found.parents), found.matching(parents))
        self.assertEqual(
            expected.get('count', len(parents)), len(found.parents)
        )
        for glob, values in parents.items():
            self.assertEqual(set(), set(values) - KEYS)
            for parent in found.matching([glob]):
                self.assert_parent(values, found, parent)

    def assert_parent(self, values, found, name):
        parent = found.parents[name].parent
        self.assertEqual(values['type'], parent.target_type, name)
        self.assertEqual(
            found.matching(values['accepts']), found.accepted_by(name), name
        )
        if not values['accepts']:
            # Nor anything that this host does not have.
            self.assertEqual({}, found.parents[name].accepts, name)
        self.assertEqual(set(values.get('in_use', ())), parent.in_use, name)
        if 'api' in values:
            self.assertEqual(values['api'], parent.device_api, name)
        self.assertEqual(
            values.get('facts', {}),
            {fact: parent.facts.get(fact) for fact in values.get('facts', ())},
        )
        self.assert_said(values.get('because', ()), found.because(name))

    @ddt.data(*reports.having('guard'))
    def test_guard(self, name):
        report = reports.Report(reports.DIRECTORY / name)
        for case in report.expected['guard']:
            done = report.guard(
                self.home, case['domain'], case.get('options', {})
            )
            said = done.stdout + done.stderr
            self.assertEqual(case.get('status', 0), done.returncode, said)
            self.assertNotIn('Traceback', said)
            self.assert_said(case.get('says', ()), said)
            # libvirt shows all of it as the reason why a migration failed.
            self.assertEqual(
                1 if done.returncode else 0, said.count('\n'), said
            )

    @ddt.data(*reports.having('rules'))
    def test_rules(self, name):
        """Each file on its own, and all that is found in it."""
        report = reports.Report(reports.DIRECTORY / name)
        expected = report.expected['rules']
        self.assertEqual(
            {path.name for path in (report.path / 'rules.d').iterdir()},
            set(expected),
        )
        for file, findings in expected.items():
            done = report.validate(file)
            lines = done.stdout.splitlines()
            self.assertEqual(len(findings), len(lines), done.stdout)
            for finding, line in zip(findings, lines, strict=True):
                self.assertIn(f'{file}:{finding}', line)
            errors = [line for line in lines if ' error: ' in line]
            self.assertEqual(2 if errors else 0, done.returncode, file)

    def test_every_report_is_looked_at(self):
        looked_at = {
            name
            for command in ('collector', 'guard', 'rules')
            for name in reports.having(command)
        }
        self.assertEqual(
            {
                path.name
                for path in reports.DIRECTORY.iterdir()
                if path.is_dir()
            },
            looked_at,
        )


class ManyFunctionsTest(testtools.TestCase):
    """bigstack-oss/cubecos#312, with more boards: too much to keep as data.

    Eight RTX PRO 6000 with 48 virtual functions each, and 40 types.
    """

    TYPES = [f'nvidia-{number}' for number in range(1500, 1540)]
    #: Bus, slot and function.
    FUNCTIONS = [
        (bus, number // 8, number % 8)
        for bus in range(0x10, 0x90, 0x10)
        for number in range(4, 52)
    ]
    DEVICE = """
        <device>
          <name>pci_0000_{bus:02x}_{slot:02x}_{function}</name>
          <path>{path}</path>
          <parent>computer</parent>
          <driver><name>nvidia</name></driver>
          <capability type='pci'>
            <domain>0</domain><bus>{bus}</bus><slot>{slot}</slot>
            <function>{function}</function>
            <product id='0x2bb5'/><vendor id='0x10de'/>
            <capability type='mdev_types'>{types}</capability>
          </capability>
        </device>
        """
    PATH = (
        '/sys/devices/pci0000:{bus:02x}/0000:{bus:02x}:{slot:02x}.{function}'
    )

    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        types = ''.join(
            collector_base.TYPE.format(name, 'vfio-pci') for name in self.TYPES
        )
        devices = ''.join(
            self.DEVICE.format(
                bus=bus,
                slot=slot,
                function=function,
                types=types,
                path=self.path(bus, slot, function),
            )
            for bus, slot, function in self.FUNCTIONS
        )
        for name, text in (
            ('expected.yaml', '{}'),
            ('node.xml', f'<node>{devices}</node>'),
            ('nova.conf', '[devices]\nenabled_mdev_types = nvidia-1507'),
            (
                'rules.d/nvidia.yaml',
                'schema_version: "1.0"\nvendor: "10de"\n'
                'rules: [{name: same board and type, accepts: {}}]',
            ),
        ):
            path = self.home / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        self.report = reports.Report(self.home)

    def path(self, bus, slot, function):
        return self.PATH.format(bus=bus, slot=slot, function=function)

    def test_dry_run_and_guard(self):
        """All are of one kind, and the guard finds the last of them."""
        done = self.report.collect(self.home, 'dry-run', '--format', 'json')
        self.assertEqual(0, done.returncode, done.stderr)
        found = reports.Found(done.stdout)
        self.assertEqual(384, len(found.parents))
        self.assertEqual(
            {'nvidia-1507'},
            {item.parent.target_type for item in found.parents.values()},
        )
        last = max(found.parents)
        self.assertEqual(set(found.parents), found.accepted_by(last))

        devices_file.write(
            self.home / 'devices.json',
            devices_file.DevicesFile(
                found.name,
                time.time(),
                {
                    name: devices_file.DeviceEntry(
                        item.identity, dict.fromkeys(item.accepts, ('rule',))
                    )
                    for name, item in found.parents.items()
                },
            ),
        )
        mdev_tree.add(
            self.home / 'sys',
            f"""
            <device>
              <path>{self.path(*self.FUNCTIONS[-1])}/{UUID}</path>
              <parent>{last}</parent>
              <capability type='mdev'><type id='nvidia-1507'/></capability>
            </device>""",
        )
        domain = (reports.DIRECTORY / '30-guard-vf/domain.xml').read_text()
        for product, status in (('2bb5', 0), ('2bb4', 1)):
            (self.home / 'domain.xml').write_text(
                domain.replace('2235', product).replace(
                    'NVIDIA_558', 'NVIDIA_1507'
                )
            )
            done = self.report.guard(self.home, 'vg', {})
            self.assertEqual(status, done.returncode, done.stderr)
