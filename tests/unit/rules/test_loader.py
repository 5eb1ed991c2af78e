# SPDX-License-Identifier: Apache-2.0
"""Rule files, good and bad.

tests/data/rules/bad has one file for each possible mistake and, beside it as
.txt, its message. A message names the place and the rule, and what would be
right.
"""

import dataclasses
import pathlib
import subprocess
import sys

import ddt
import fixtures
import hypothesis
from hypothesis import strategies as st
import testtools
import yaml

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import pattern
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import parser
from tests.unit import samples
from tests.unit import strategies

OP = pattern.Op
BAD = sorted(path.stem for path in samples.BAD_RULES.glob('*.yaml'))
GOOD = sorted(
    [*samples.GOOD_RULES.glob('*.yaml'), *samples.SHIPPED_RULES.glob('*.yaml')]
)
ONE_RULE = (
    'schema_version: "1.0"\nvendor: "{vendor}"\nrules:\n'
    '  - name: {name}\n    accepts: {{}}\n'
)


def operands(*pairs):
    return tuple(model.Operand(op, value) for op, value in pairs)


def alternatives(op, *values):
    return tuple(operands((op, value)) for value in values)


@ddt.ddt
class BadFileTest(testtools.TestCase):
    @ddt.data(*BAD)
    def test_message(self, stem):
        path = samples.BAD_RULES / f'{stem}.yaml'
        expected = path.with_suffix('.txt').read_text('utf-8')
        exc = self.assertRaises(model.RuleError, loader.load_file, path)
        self.assertEqual(
            expected.rstrip('\n'), str(exc).removeprefix(f'{path.parent}/')
        )

    def test_every_message_belongs_to_a_file(self):
        messages = [path.stem for path in samples.BAD_RULES.glob('*.txt')]
        self.assertEqual(BAD, sorted(messages))
        self.assertGreater(len(BAD), 100)

    def test_too_many_rules(self):
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'x')
        path.write_text(
            ONE_RULE.format(vendor='*', name='0')
            + ''.join(
                f'  - {{name: r{n}, accepts: {{}}}}\n' for n in range(1000)
            )
        )
        exc = self.assertRaises(model.RuleError, loader.load_file, path)
        self.assertEqual(
            f'{path}:4:3: rules: must be a list of up to 1000 '
            'rules, not a list of 1001',
            str(exc),
        )

    def test_the_operator_has_to_correct_it(self):
        self.assertTrue(issubclass(model.RuleError, exceptions.BadInput))


@ddt.ddt
class GoodFileTest(testtools.TestCase):
    def assert_rule(self, rule, target, accepts):
        self.assertEqual(model.Target(**target), rule.target)
        self.assertEqual(model.Accepts(**accepts), rule.accepts)

    @ddt.data(*GOOD)
    def test_quotes_change_nothing(self, path):
        plain = loader.load_file(path)
        self.assertRegex(plain.vendor, r'^([0-9A-F]{4}|MTTY|\*)$')
        data = yaml.load(path.read_bytes(), yaml.BaseLoader)  # noqa: S506
        for style in ('"', "'"):
            text = yaml.safe_dump(data, default_style=style)
            quoted = parser.parse('quoted.yaml', text.encode())
            self.assertEqual((), quoted.errors)
            self.assertEqual(
                (plain.vendor, plain.devices),
                (quoted.vendor, quoted.devices),
            )
            for one, other in zip(plain.rules, quoted.rules, strict=True):
                self.assertEqual(
                    dataclasses.replace(one, source=other.source), other
                )

    def test_the_default_compares_the_driver(self):
        path = samples.SHIPPED_RULES / 'default.yaml'
        found = loader.load_file(path)
        self.assertEqual(model.EVERY_VENDOR, found.vendor)
        same = alternatives(OP.IS, 'same')
        for rule, intree, fact in zip(
            found.rules, ('NO', 'YES'), ('driver', 'kernel'), strict=True
        ):
            self.assert_rule(
                rule,
                {'facts': {'intree': alternatives(OP.IS, intree)}},
                {
                    'facts': {
                        'module': same,
                        'intree': same,
                        fact: alternatives(OP.EQ, 'same'),
                    }
                },
            )

    def test_devices(self):
        found = loader.load_file(samples.GOOD_RULES / 'devices.yaml')
        devices = model.Target(
            frozenset({'8086_0B25', '8086_0CFE'}),
            None,
            {
                'module': alternatives(OP.IS, 'IDXD', 'IDXD_UACCE'),
                'kernel': (operands((OP.GE, '6_2')),),
            },
        )
        self.assertEqual(devices, found.devices)
        whole, narrow = found.rules
        self.assertEqual(devices, whole.target)
        self.assertEqual(
            model.Target(
                frozenset({'8086_0B25'}),
                frozenset({'IDXD_DSA_1DWQ_V1'}),
                {
                    **devices.facts,
                    'driver': (operands((OP.GE, '2')),),
                    'kernel': (operands((OP.LT, '7'), (OP.GE, '6_2')),),
                },
            ),
            narrow.target,
        )

    def test_the_example_of_the_design(self):
        vendor, (rule,) = samples.rules('design_example.yaml')
        self.assertEqual('10DE', vendor)
        driver = operands((OP.GE, '535'), (OP.LE, 'same'), (OP.NE, '535_54_3'))
        self.assert_rule(
            rule,
            {
                'types': frozenset({'NVIDIA_558'}),
                'facts': {'driver': (operands((OP.GE, '550')),)},
            },
            {
                'facts': {
                    'driver': (driver,),
                    'ecc': alternatives(OP.IS, 'same'),
                }
            },
        )
        self.assertEqual(
            "'same board and type, driver from the 535 branch up to ours' "
            f'({samples.GOOD_RULES}/design_example.yaml:4)',
            str(rule),
        )

    def test_values_are_texts_as_written(self):
        found = loader.load_file(samples.GOOD_RULES / 'as_written.yaml')
        self.assertEqual('8086', found.vendor)
        self.assertEqual(
            model.Target(facts={'module': alternatives(OP.IS, 'NO', 'I915')}),
            found.devices,
        )
        (rule,) = found.rules
        self.assertEqual('535', rule.name)
        products = {'8086_20B5', '8086_2235', '8086_0123', '8086_1E50'}
        drivers = ('535_161_05', '550', '1E5', '0X10')
        ecc = ('OFF', 'TRUE', '2026_11_23', '12_30', 'NULL', '1_000')
        self.assert_rule(
            rule,
            {
                'products': frozenset(products),
                'facts': {
                    'driver': alternatives(OP.EQ, '550_90'),
                    'ecc': alternatives(OP.IS, 'ON'),
                    'module': (
                        operands((OP.IS, 'NO')),
                        operands((OP.IS, 'NO'), (OP.IS, 'I915')),
                    ),
                },
            },
            {
                'products': ('8086_0123',),
                'facts': {
                    'driver': alternatives(OP.EQ, *drivers),
                    'kernel': (operands((OP.GE, '550_90'), (OP.NE, '600')),),
                    'ecc': alternatives(OP.IS, *ecc),
                    'on': alternatives(OP.IS, 'same'),
                },
            },
        )

    def test_every_key(self):
        _, (lists, ranges, _) = samples.rules('every_key.yaml')
        products = ('10DE_2235', '10DE_20B5')
        types = ('NVIDIA_558', 'NVIDIA_559')
        self.assert_rule(
            lists,
            {
                'products': frozenset(products),
                'types': frozenset(types),
                'facts': {
                    'driver': alternatives(OP.EQ, '535_161_05', '550_54_14'),
                    'ecc': alternatives(OP.IS, 'ON'),
                    'mig': alternatives(OP.IS, 'DISABLED', 'N_A'),
                },
            },
            {
                'products': products,
                'types': types,
                'facts': {
                    'driver': alternatives(OP.EQ, 'same', '535_161_05'),
                    'ecc': alternatives(OP.IS, 'ON', 'same'),
                },
            },
        )
        excepted = ((OP.NE, '550_54_14'), (OP.NE, '550_90'))
        kernel = ((OP.GE, '5_14'), (OP.LE, '5_14_0_503_EL9'))
        driver = ((OP.GE, 'same'), (OP.LT, '570'), (OP.NE, 'same'))
        self.assert_rule(
            ranges,
            {
                'facts': {
                    'driver': (
                        operands((OP.GT, '535'), (OP.LT, '570'), *excepted),
                    ),
                    'kernel': (operands(*kernel),),
                }
            },
            {
                'products': ('any',),
                'types': ('any',),
                'facts': {
                    'driver': (operands(*driver, excepted[0]),),
                    'kernel': alternatives(OP.EQ, 'same'),
                },
            },
        )


class AllErrorsTest(testtools.TestCase):
    """What validate shows: all errors of a file."""

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, 'a.yaml'
        )

    def read(self, text):
        self.path.write_text(text)
        return loader.read_file(self.path)

    def test_each_rule(self):
        found = self.read(
            ONE_RULE.format(vendor='10de', name='good')
            + '  - {name: good, accepts: {}}\n'
            '  - {name: bad, accepts: {facts: {x: any}}}\n'
        )
        self.assertEqual(
            ('10DE', ['good']),
            (found.vendor, [rule.name for rule in found.rules]),
        )
        self.assertEqual(
            [("'good'", 6, 12), ("'bad'", 7, 38)],
            [
                (error.rule, error.place.line, error.place.column)
                for error in found.errors
            ],
        )

    def test_as_many_as_anybody_corrects(self):
        found = self.read(
            'schema_version: "1.0"\nvendor: "10de"\nrules:\n'
            + '  - {}\n' * parser.MAX_FAULTS
        )
        self.assertEqual(parser.MAX_FAULTS, 2 * len(found.errors))

    def test_each_fault_of_the_form(self):
        found = self.read('schema_version: 1\nvendor: ~\nrulse: []\n')
        self.assertEqual((), found.rules)
        self.assertEqual(
            [
                "schema_version: must be 1.0 or 1.1, not '1'",
                'vendor: no value (empty, null or ~); must be a PCI vendor id '
                '(10de), the subsystem of devices without PCI ids (mtty), or "*"',
                'rulse: unknown key; known: devices, rules, schema_version, '
                'vendor',
                "missing key 'rules'; it must be a list of up to 1000 rules",
            ],
            [error.text for error in found.errors],
        )

    def test_a_long_message_is_cut(self):
        key = 'x' * 1000
        (error,) = self.read(f'{key}: a\n{key}: b\n').errors
        self.assertEqual(f"duplicate key '{'x' * 485}…", error.text)

    def test_no_yaml(self):
        (error,) = self.read('x: [').errors
        self.assertEqual((1, 5), (error.place.line, error.place.column))

    def test_where_a_rule_has_its_keys(self):
        (rule,) = self.read(
            'schema_version: "1.0"\nvendor: "10de"\nrules:\n'
            '  - name: one\n    accepts:\n      facts: {ecc: same}\n'
        ).rules
        for path, place in {
            (): (4, 5),
            ('accepts',): (5, 5),
            ('accepts', 'facts', 'ecc'): (6, 15),
            ('accepts', 'facts', 'nowhere'): (6, 7),
            ('target', 'type'): (4, 5),
        }.items():
            found = rule.place(path)
            self.assertEqual(
                (str(self.path), *place),
                (found.file, found.line, found.column),
                path,
            )

    @hypothesis.given(
        st.one_of(st.binary(max_size=200), strategies.mutated_rule_files())
    )
    def test_whatever_it_is_there_are_rules_or_errors(self, raw):
        self.path.write_bytes(raw)
        found = loader.read_file(self.path)
        for error in found.errors:
            self.assertEqual(str(self.path), error.place.file)
            self.assertTrue(error.text)
        for rule in found.rules:
            self.assertEqual(str(self.path), rule.place().file)
            self.assertGreater(rule.place().line, 0)


class HostileFileTest(testtools.TestCase):
    """Refused within limits that the kernel keeps."""

    #: Of processor time, for all files; several times what they take.
    SECONDS = 60
    MEMORY = 512 * 1024 * 1024  # of address space
    CODE = """if True:
        import pathlib, resource, sys
        from nova_mdev_compat.rules import loader
        resource.setrlimit(resource.RLIMIT_CPU, ({seconds},) * 2)
        resource.setrlimit(resource.RLIMIT_AS, ({memory},) * 2)
        for path in sys.argv[1:]:
            for error in loader.read_file(pathlib.Path(path)).errors[:1]:
                print(error)
        """

    def test_message(self):
        """One process reads all files, to the first error of each."""
        head = 'schema_version: "1.0"\nvendor: "10de"\nrules:\n'
        laughs = [f'a{n}: &a{n} [{f"*a{n - 1}, " * 10}]' for n in range(1, 40)]
        values = ', '.join(f'v{n}' for n in range(25))
        lists = ', '.join(f'f{n}: [{values}]' for n in range(200))
        key = 'x' * 200_000
        files = {
            '\n'.join(['a0: &a0 ha', *laughs]): '1:5: anchors (&name) are not',
            '- ha\n- *a0\n': '2:3: aliases (*name) are not allowed',
            f'[{"ha, " * 10_000}]': '1:1: must be a mapping with schema_',
            f'"{key}": 1\n': '1:200003: not YAML: mapping values are not',
            f'? {key}\n': f'1:3: {"x" * 60}…: unknown key',
            f'{{{key}: 1}}': '1:200002: not YAML: while parsing a flow',
            ''.join(f'k{n}: v\n' for n in range(10_000)): '1:1: k0: unknown',
            head + '  - {x: 1}\n' * 10_000: '4:3: rules: must be a list of up '
            'to 1000 rules, not a list of 10000',
            f'{head}  - {{name: a, accepts: {{facts: {{{lists}}}}}}}\n': '4:5: '
            "rule 'a': its lists make more than 64 accept patterns",
            '[' * 1_000_000: '1:17: nested deeper than 16 levels',
            '{a: ' * 250_000: '1:62: nested deeper than 16 levels',
            '- ' * 500_000: '1:33: nested deeper than 16 levels',
            '!!python/object/apply:os.system ["true"]': '1:1: tags (!name)',
            f'!!binary |\n {key}': '1:1: tags (!name)',
        }
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for number, text in enumerate(files):
            (home / f'{number:02}.yaml').write_text(text)
        with (home / 'large.yaml').open('w') as stream:
            stream.truncate(2 * self.MEMORY)
        done = subprocess.run(
            [
                sys.executable,
                '-c',
                self.CODE.format(seconds=self.SECONDS, memory=self.MEMORY),
                *(paths := sorted(home.iterdir())),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=samples.ROOT,
        )
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        for message, path, expected in zip(
            done.stdout.splitlines(),
            paths,
            [*files.values(), '1:1: larger than 1048576 bytes'],
            strict=True,
        ):
            self.assertLess(len(message), 600)
            self.assertEqual(
                f'{path}:{expected}', message[: len(f'{path}:{expected}')]
            )


@ddt.ddt
class DirectoriesTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.shipped, self.local = root / 'shipped', root / 'local'
        self.shipped.mkdir()
        self.local.mkdir()
        self.write(self.shipped / 'nvidia.yaml')

    def write(self, path, vendor='10de'):
        path.write_text(ONE_RULE.format(vendor=vendor, name=path.parent.name))

    def write_devices(self, name, devices):
        self.write(self.local / name)
        text = (self.local / name).read_text().replace('1.0', '1.1')
        (self.local / name).write_text(f'{text}devices: {devices}\n')

    def load(self):
        return loader.load([str(self.shipped), str(self.local)])

    def names(self, vendor):
        return [rule.name for rule in self.load().for_vendor(vendor)]

    def refused(self):
        return str(self.assertRaises(model.RuleError, self.load))

    def test_a_later_directory_masks_by_file_name(self):
        """The masked file is not even read."""
        (self.shipped / 'nvidia.yaml').write_text('wrong')
        self.write(self.local / 'nvidia.yaml')
        self.assertEqual(['local'], self.names('10DE'))

    def test_other_names_add_up(self):
        self.write(self.local / 'more.yaml')
        self.assertEqual(['local', 'shipped'], self.names('10DE'))

    def test_vendors_without_rules_have_those_for_every_vendor(self):
        self.assertEqual([], self.names('8086'))
        self.write(self.local / 'default.yaml', vendor='*')
        self.assertEqual(['shipped'], self.names('10DE'))
        self.assertEqual(['local'], self.names('8086'))

    def test_files_for_some_devices(self):
        """A vendor's other devices have the default's rules.

        None are left if another file of the vendor is for all its devices.
        """
        self.write(self.shipped / 'nvidia.yaml', vendor='*')
        self.write_devices('some.yaml', '{facts: {module: ["some"]}}')
        some = model.Target(facts={'module': alternatives(OP.IS, 'SOME')})
        self.assertEqual({'10DE': (some,)}, self.load().devices)
        self.write_devices('other.yaml', '{product: ["2235"]}')
        other = model.Target(frozenset({'10DE_2235'}))
        self.assertEqual({'10DE': (other, some)}, self.load().devices)
        self.write(self.shipped / 'nvidia.yaml')
        self.assertEqual({}, self.load().devices)

    def test_other_files_are_ignored(self):
        self.write(self.shipped / '.nvidia.yaml')
        self.write(self.shipped / 'nvidia.yaml.dpkg-old')
        (self.shipped / '.#nvidia.yaml').symlink_to('me@here.1')
        self.assertEqual(['shipped'], self.names('10DE'))

    def test_a_missing_directory_has_no_files(self):
        self.local.rmdir()
        self.assertEqual(['shipped'], self.names('10DE'))

    def test_no_file_at_all(self):
        (self.shipped / 'nvidia.yaml').unlink()
        self.assertEqual(
            f'no rule file (*.yaml) in {self.shipped}, {self.local}: set '
            '[collector]rules_dirs',
            self.refused(),
        )
        exc = self.assertRaises(model.RuleError, loader.load, [])
        self.assertIn('in an empty rules_dirs: set', str(exc))

    def test_a_file_that_is_almost_called_right(self):
        self.write(self.local / 'nvidia.yml')
        self.assertEqual(
            f'{self.local}/nvidia.yml: name it nvidia.yaml', self.refused()
        )

    def test_what_cannot_be_read(self):
        (self.local / 'nvidia.yaml').mkdir()
        self.assertEqual(
            f'{self.local}/nvidia.yaml: Is a directory', self.refused()
        )
        (self.local / 'nvidia.yaml').rmdir()
        self.local.rmdir()
        self.local.write_text('')
        self.assertEqual(f'{self.local}: Not a directory', self.refused())
