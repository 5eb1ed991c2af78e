# SPDX-License-Identifier: Apache-2.0
"""Rule files, good and bad.

tests/data/rules/bad holds one wrong file for each way to be wrong, and
beside it, as .txt, what an operator is told. Judge that text as an operator
would: does it name the place and the rule, and say what would be right?
"""

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
        exc = self.assertRaises(loader.RuleError, loader.load_file, path)
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
        exc = self.assertRaises(loader.RuleError, loader.load_file, path)
        self.assertEqual(
            f'{path}:4:3: rules: must be a list of up to 1000 '
            'rules, not a list of 1001',
            str(exc),
        )

    def test_ends_a_command_as_something_to_put_right(self):
        self.assertTrue(issubclass(loader.RuleError, exceptions.BadInput))


@ddt.ddt
class GoodFileTest(testtools.TestCase):
    @ddt.data(*GOOD)
    def test_loads(self, path):
        found = loader.load_file(path)
        self.assertRegex(found.vendor, r'^([0-9A-F]{4}|MTTY|\*)$')
        self.assertTrue(
            all(isinstance(rule, model.Rule) for rule in found.rules)
        )

    @ddt.data(*GOOD)
    def test_quotes_change_nothing(self, path):
        data = yaml.load(path.read_bytes(), yaml.BaseLoader)  # noqa: S506
        for style in ('"', "'"):
            quoted = yaml.safe_dump(data, default_style=style)
            found = parser.parse('quoted.yaml', quoted.encode())
            self.assertEqual((), found.errors)
            self.assertEqual(
                *(
                    (
                        one.vendor,
                        one.devices,
                        [
                            (rule.name, rule.target, rule.accepts)
                            for rule in one.rules
                        ],
                    )
                    for one in (loader.load_file(path), found)
                )
            )

    def test_the_default_compares_the_driver(self):
        path = samples.SHIPPED_RULES / 'default.yaml'
        found = loader.load_file(path)
        self.assertEqual(model.EVERY_VENDOR, found.vendor)
        for rule, intree, fact in zip(
            found.rules, ('NO', 'YES'), ('driver', 'kernel'), strict=True
        ):
            self.assertEqual(
                model.Target(facts={'intree': alternatives(OP.IS, intree)}),
                rule.target,
            )
            self.assertEqual(
                model.Accepts(
                    facts={
                        'module': alternatives(OP.IS, 'same'),
                        'intree': alternatives(OP.IS, 'same'),
                        fact: alternatives(OP.EQ, 'same'),
                    }
                ),
                rule.accepts,
            )

    def test_devices(self):
        found = loader.read_file(samples.GOOD_RULES / 'devices.yaml')
        self.assertEqual((), found.errors)
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
        self.assertEqual(
            model.Target(
                None,
                frozenset({'NVIDIA_558'}),
                {'driver': (operands((OP.GE, '550')),)},
            ),
            rule.target,
        )
        self.assertEqual(
            model.Accepts(
                facts={
                    'driver': (
                        operands(
                            (OP.GE, '535'),
                            (OP.LE, 'same'),
                            (OP.NE, '535_54_3'),
                        ),
                    ),
                    'ecc': alternatives(OP.IS, 'same'),
                }
            ),
            rule.accepts,
        )
        self.assertEqual(
            "'same board and type, driver from the 535 branch up to ours' "
            f'({samples.GOOD_RULES}/design_example.yaml:4)',
            str(rule),
        )

    def test_values_are_texts_as_written(self):
        found = loader.read_file(samples.GOOD_RULES / 'as_written.yaml')
        self.assertEqual((), found.errors)
        self.assertEqual('8086', found.vendor)
        self.assertEqual(
            model.Target(facts={'module': alternatives(OP.IS, 'NO', 'I915')}),
            found.devices,
        )
        (rule,) = found.rules
        self.assertEqual('535', rule.name)
        self.assertEqual(
            model.Target(
                frozenset(
                    {'8086_20B5', '8086_2235', '8086_0123', '8086_1E50'}
                ),
                None,
                {
                    'driver': alternatives(OP.EQ, '550_90'),
                    'ecc': alternatives(OP.IS, 'ON'),
                    'module': (
                        operands((OP.IS, 'NO')),
                        operands((OP.IS, 'NO'), (OP.IS, 'I915')),
                    ),
                },
            ),
            rule.target,
        )
        self.assertEqual(
            model.Accepts(
                ('8086_0123',),
                facts={
                    'driver': alternatives(
                        OP.EQ, '535_161_05', '550', '1E5', '0X10'
                    ),
                    'kernel': (operands((OP.GE, '550_90'), (OP.NE, '600')),),
                    'ecc': alternatives(
                        OP.IS,
                        'OFF',
                        'TRUE',
                        '2026_11_23',
                        '12_30',
                        'NULL',
                        '1_000',
                    ),
                    'on': alternatives(OP.IS, 'same'),
                },
            ),
            rule.accepts,
        )

    def test_lists(self):
        _, (rule, *_) = samples.rules('every_key.yaml')
        products, types = (
            ('10DE_2235', '10DE_20B5'),
            ('NVIDIA_558', 'NVIDIA_559'),
        )
        self.assertEqual(
            model.Target(
                frozenset(products),
                frozenset(types),
                {
                    'driver': alternatives(OP.EQ, '535_161_05', '550_54_14'),
                    'ecc': alternatives(OP.IS, 'ON'),
                    'mig': alternatives(OP.IS, 'DISABLED', 'N_A'),
                },
            ),
            rule.target,
        )
        self.assertEqual(
            model.Accepts(
                products,
                types,
                {
                    'driver': alternatives(OP.EQ, 'same', '535_161_05'),
                    'ecc': alternatives(OP.IS, 'ON', 'same'),
                },
            ),
            rule.accepts,
        )

    def test_ranges(self):
        _, (_, rule, _) = samples.rules('every_key.yaml')
        self.assertEqual(
            {
                'driver': (
                    operands(
                        (OP.GT, '535'),
                        (OP.LT, '570'),
                        (OP.NE, '550_54_14'),
                        (OP.NE, '550_90'),
                    ),
                ),
                'kernel': (
                    operands((OP.GE, '5_14'), (OP.LE, '5_14_0_503_EL9')),
                ),
            },
            rule.target.facts,
        )
        self.assertEqual(
            model.Accepts(
                ('any',),
                ('any',),
                {
                    'driver': (
                        operands(
                            (OP.GE, 'same'),
                            (OP.LT, '570'),
                            (OP.NE, 'same'),
                            (OP.NE, '550_54_14'),
                        ),
                    ),
                    'kernel': alternatives(OP.EQ, 'same'),
                },
            ),
            rule.accepts,
        )


class AllErrorsTest(testtools.TestCase):
    """What validate shows: not only the first error of a file."""

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

    #: Of processor time: several times what the largest file takes.
    SECONDS = 60
    MEMORY = 512 * 1024 * 1024  # of address space
    CODE = """if True:
        import pathlib, resource, sys
        from nova_mdev_compat.rules import loader
        resource.setrlimit(resource.RLIMIT_CPU, ({seconds},) * 2)
        resource.setrlimit(resource.RLIMIT_AS, ({memory},) * 2)
        for path in sys.argv[1:]:
            try:
                loader.load_file(pathlib.Path(path))
            except loader.RuleError as exc:
                print(exc)
        """

    def refused(self, *raws):
        """Return why files are refused, in a process of its own for all."""
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        paths = [home / f'{number}.yaml' for number in range(len(raws))]
        for path, raw in zip(paths, raws, strict=True):
            path.write_bytes(raw)
        done = subprocess.run(
            [
                sys.executable,
                '-c',
                self.CODE.format(seconds=self.SECONDS, memory=self.MEMORY),
                *paths,
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=samples.ROOT,
        )
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        messages = done.stdout.splitlines()
        for message, path in zip(messages, paths, strict=True):
            self.assertLess(len(message), 1000)
            self.assertTrue(message.startswith(f'{path}:'), message)
        return [
            message.removeprefix(f'{path}:')
            for message, path in zip(messages, paths, strict=True)
        ]

    def test_laughs(self):
        """A billion of them by aliases, and many without."""
        lines = [
            f'a{n}: &a{n} [' + ', '.join([f'*a{n - 1}'] * 10) + ']'
            for n in range(1, 40)
        ]
        anchors, aliases, items = self.refused(
            '\n'.join(['a0: &a0 ha', *lines]).encode(),
            b'- ha\n- *a0\n',
            b'[' + b'ha, ' * 60_000 + b'ha]',
        )
        self.assertEqual('1:5: anchors (&name) are not allowed', anchors)
        self.assertIn('aliases (*name) are not allowed', aliases)
        self.assertIn('must be a mapping with schema_version', items)

    def test_keys_of_a_megabyte(self):
        *keys, whole = self.refused(
            b'"' + b'x' * 1_000_000 + b'": 1\n',
            b'? ' + b'x' * 1_000_000 + b'\n',
            b'{' + b'x' * 1_000_000 + b': 1}',
            b'x' * 100_000_000,
        )
        self.assertEqual('1:1: larger than 1048576 bytes', whole)
        for message in keys:
            self.assertNotIn('xxxx' * 100, message)

    def test_many_keys_and_many_errors(self):
        """The second one is as large as a file may be, and the slowest."""
        keys = ''.join(f'k{n}: v\n' for n in range(20_000))
        rules = ''.join(f'  - {{x{n}: 1}}\n' for n in range(60_000))
        unknown, many = self.refused(
            keys.encode(),
            b'schema_version: "1.0"\nvendor: "10de"\nrules:\n'
            + rules.encode(),
        )
        self.assertIn('unknown key', unknown)
        self.assertIn('rules: must be a list of up to 1000 rules', many)

    def test_lists_that_multiply(self):
        facts = ', '.join(
            f'f{n}: [{", ".join(f"v{m}" for m in range(100))}]'
            for n in range(500)
        )
        (message,) = self.refused(
            'schema_version: "1.0"\nvendor: "10de"\nrules:\n'
            f'  - {{name: a, accepts: {{facts: {{{facts}}}}}}}\n'.encode()
        )
        self.assertIn('its lists make more than 64 accept patterns', message)

    def test_depth_tags_and_other_encodings(self):
        cases = {
            b'[' * 1_000_000: 'nested deeper than 16 levels',
            b'{a: ' * 250_000: 'nested deeper than 16 levels',
            b'- ' * 500_000: 'nested deeper than 16 levels',
            b'!!python/object/apply:os.system ["true"]': 'tags (!name)',
            b'!!binary |\n ' + b'A' * 1_000_000: 'tags (!name)',
            'vendor: "10de"'.encode('utf-16'): 'not UTF-8',
            b'vendor: "\xff\xfe"': 'not UTF-8',
        }
        for message, (raw, why) in zip(
            self.refused(*cases), cases.items(), strict=True
        ):
            self.assertIn(why, message, raw[:20])


class DirectoriesTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.shipped, self.local = root / 'shipped', root / 'local'
        self.shipped.mkdir()
        self.local.mkdir()

    def write(self, path, vendor='10de'):
        path.write_text(ONE_RULE.format(vendor=vendor, name=path.parent.name))

    def load(self):
        return loader.load([str(self.shipped), str(self.local)])

    def names(self, vendor):
        return [rule.name for rule in self.load().for_vendor(vendor)]

    def test_a_later_directory_masks_by_file_name(self):
        self.write(self.shipped / 'nvidia.yaml')
        self.write(self.local / 'nvidia.yaml')
        self.assertEqual(['local'], self.names('10DE'))

    def test_a_masked_file_is_not_even_read(self):
        (self.shipped / 'nvidia.yaml').write_text('wrong')
        self.write(self.local / 'nvidia.yaml')
        self.assertEqual(['local'], self.names('10DE'))

    def test_other_names_add_up(self):
        self.write(self.shipped / 'nvidia.yaml')
        self.write(self.local / 'more.yaml')
        self.assertEqual(['local', 'shipped'], self.names('10DE'))

    def test_rules_for_every_vendor_speak_where_a_vendor_has_none(self):
        self.write(self.shipped / 'nvidia.yaml')
        self.write(self.local / 'default.yaml', vendor='*')
        self.assertEqual(['shipped'], self.names('10DE'))
        self.assertEqual(['local'], self.names('8086'))

    def test_a_file_that_speaks_for_some_devices(self):
        """Of a vendor, whose other devices are left to the default."""
        self.write(self.shipped / 'default.yaml', vendor='*')
        self.write_devices('some.yaml', '{facts: {module: ["some"]}}')
        found = self.load()
        some = model.Target(facts={'module': alternatives(OP.IS, 'SOME')})
        self.assertEqual({'10DE': (some,)}, found.devices)
        self.write_devices('other.yaml', '{product: ["2235"]}')
        self.assertEqual(
            {'10DE': (model.Target(frozenset({'10DE_2235'})), some)},
            self.load().devices,
        )

    def test_beside_one_that_speaks_for_all(self):
        """Which leaves nothing to the default."""
        self.write(self.shipped / 'nvidia.yaml')
        self.write_devices('some.yaml', '{facts: {module: ["some"]}}')
        self.assertEqual({}, self.load().devices)

    def write_devices(self, name, devices):
        self.write(self.local / name)
        text = (self.local / name).read_text().replace('1.0', '1.1')
        (self.local / name).write_text(f'{text}devices: {devices}\n')

    def test_nobody_speaks(self):
        self.write(self.shipped / 'nvidia.yaml')
        self.assertEqual([], self.names('8086'))

    def test_other_files_are_passed_over(self):
        self.write(self.shipped / 'nvidia.yaml')
        self.write(self.shipped / '.nvidia.yaml')
        self.write(self.shipped / 'nvidia.yaml.dpkg-old')
        (self.shipped / '.#nvidia.yaml').symlink_to('me@here.1')
        self.assertEqual(['shipped'], self.names('10DE'))

    def test_a_directory_that_is_not_there_has_no_files(self):
        self.write(self.shipped / 'nvidia.yaml')
        self.local.rmdir()
        self.assertEqual(['shipped'], self.names('10DE'))

    def test_no_file_at_all(self):
        exc = self.assertRaises(loader.RuleError, self.load)
        self.assertEqual(
            f'no rule file (*.yaml) in {self.shipped}, {self.local}: set '
            '[collector]rules_dirs',
            str(exc),
        )

    def test_no_directory_at_all(self):
        exc = self.assertRaises(loader.RuleError, loader.load, [])
        self.assertIn('in an empty rules_dirs: set', str(exc))

    def test_a_file_that_is_almost_called_right(self):
        self.write(self.shipped / 'default.yaml', vendor='*')
        self.write(self.local / 'nvidia.yml')
        exc = self.assertRaises(loader.RuleError, self.load)
        self.assertEqual(
            f'{self.local}/nvidia.yml: name it nvidia.yaml', str(exc)
        )

    def test_a_file_that_cannot_be_read(self):
        (self.local / 'nvidia.yaml').mkdir()
        exc = self.assertRaises(loader.RuleError, self.load)
        self.assertEqual(f'{self.local}/nvidia.yaml: Is a directory', str(exc))

    def test_a_directory_that_is_a_file(self):
        self.local.rmdir()
        self.local.write_text('')
        exc = self.assertRaises(loader.RuleError, self.load)
        self.assertEqual(f'{self.local}: Not a directory', str(exc))
