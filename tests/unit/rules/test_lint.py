# SPDX-License-Identifier: Apache-2.0

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.rules import lint
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model
from nova_mdev_compat.vendors import manager as vendors
from tests.unit.rules import builders
from tests.unit import samples
from tests.unit import strategies

KNOWN = ('kernel', 'ecc', 'driver')
VALUES = {'ecc': {'ON', 'OFF', 'N_A'}}
FLOOR = 'Nova refuses a live migration to another type'
NEVER = 'so the rule never matches'
NO_VERSION = f'no version is in this range, {NEVER}; widen it'
ANY_TARGET = (
    f'no version is in this range for any target of the rule, {NEVER}; '
    'change it'
)
SHADOWED = (
    'accepts everything that this one accepts; delete this one, or '
    'correct one of them'
)
NOT_KNOWN = (
    f'no collector publishes fcc of devices of 10de, {NEVER}; did you mean '
    'ecc? Known: driver, ecc, kernel'
)
NO_ECC = 'known: n_a, off, on'
NO_SUBSYSTEM = 'it is two PCI ids, 10de:145a'


def lint_rules(*texts, vendor='10de', known=KNOWN, values=None):
    """Return the remarks about the rules of a file."""
    found = builders.read(*texts, vendor=vendor)
    return list(lint.lint(found.vendor, found.rules, known, values))


def remarks(*texts, **kwargs):
    """Return path and text of the remarks about the rules of a file."""
    return [
        ('.'.join(remark.path), remark.text)
        for remark in lint_rules(*texts, **kwargs)
    ]


def never_matches(remark):
    return 'never matches' in remark.text and 'publishes' not in remark.text


@ddt.ddt
class RuleTest(testtools.TestCase):
    @ddt.data(
        'target: {facts: {ecc: on, driver: {at_least: 1}}}, '
        'accepts: {facts: {kernel: same}}',
        'accepts: {facts: {driver: {at_least: same, below: 535}}}',
        'target: {facts: {driver: {below: 535}}}, '
        'accepts: {facts: {driver: {at_least: same, below: 535}}}',
        'accepts: {facts: {driver: {above: 535, except: [540]}}}',
        'accepts: {facts: {ecc: [same, no such thing]}}',
        'target: {product: [ffff]}, accepts: {}',
        'target: {type: [a]}, accepts: {type: [a]}',
        'target: {type: [a, b]}, accepts: {type: same}',
        'target: {type: [a, b]}, accepts: {}',
    )
    def test_nothing_is_wrong(self, text):
        self.assertEqual([], remarks(text))

    @ddt.data(
        # No collector publishes it.
        (
            'target: {facts: {fcc: on}}, accepts: {}',
            ('target.facts.fcc', NOT_KNOWN),
        ),
        (
            'target: {facts: {fcc: on}}, accepts: {facts: {fcc: same}}',
            ('target.facts.fcc', NOT_KNOWN),
            ('accepts.facts.fcc', NOT_KNOWN),
        ),
        # Exceptions empty the range.
        (
            'target: {facts: {driver: {at_least: 535, at_most: 535.0, '
            'except: [535]}}}, accepts: {}',
            ('target.facts.driver', NO_VERSION),
        ),
        (
            'accepts: {facts: {driver: {at_least: 535, at_most: 535.0, '
            'except: [535]}}}',
            ('accepts.facts.driver', NO_VERSION),
        ),
        # The bounds contradict each other, or the target.
        (
            'accepts: {facts: {driver: {at_least: same, at_most: same, '
            'except: [same]}}}',
            ('accepts.facts.driver', ANY_TARGET),
        ),
        (
            'accepts: {facts: {driver: {above: same, at_most: same}}}',
            ('accepts.facts.driver', ANY_TARGET),
        ),
        *(
            (
                f'target: {{facts: {{driver: {target}}}}}, '
                f'accepts: {{facts: {{driver: {text}}}}}',
                (
                    'accepts.facts.driver',
                    f'{ANY_TARGET} or target.facts.driver',
                ),
            )
            for target, text in (
                ('{at_least: 550}', '{at_least: same, below: 535}'),
                ('[535, 540]', '{above: same, at_most: 535}'),
                ('550.0', '{at_least: same, at_most: same, except: [550]}'),
            )
        ),
        # Types.
        (
            'target: {type: [a]}, accepts: {type: [b]}',
            (
                'accepts.type',
                f'{FLOOR}, and none of these is in target.type, {NEVER}; '
                'write type: same',
            ),
        ),
        *(
            (text, ('accepts.type', f'{FLOOR}; write type: same'))
            for text in (
                'accepts: {type: any}',
                'target: {type: [a]}, accepts: {type: any}',
                'target: {type: [a]}, accepts: {type: [a, b]}',
                'target: {type: [a, b]}, accepts: {type: [a, b]}',
            )
        ),
        *(
            (
                text,
                (
                    'accepts.type',
                    f'{FLOOR}; write type: same, and in target.type {types}',
                ),
            )
            for text, types in (
                ('accepts: {type: [a]}', 'A'),
                ('accepts: {type: [b, a]}', 'A, B'),
                ('target: {type: [c, b]}, accepts: {type: [a, b]}', 'B'),
            )
        ),
    )
    @ddt.unpack
    def test_mistake(self, text, *expected):
        self.assertEqual([*expected], remarks(text))

    @ddt.data(
        # Unlike any fact, and none is known.
        (
            '*',
            KNOWN,
            f'no collector publishes hardware, {NEVER}; known: driver, ecc, '
            'kernel',
        ),
        (
            'mtty',
            (),
            f'no collector publishes hardware of devices of mtty, {NEVER}; '
            'known: none',
        ),
    )
    @ddt.unpack
    def test_unknown_fact(self, vendor, known, expected):
        self.assertEqual(
            [('accepts.facts.hardware', expected)],
            remarks(
                'accepts: {facts: {hardware: same}}',
                vendor=vendor,
                known=known,
            ),
        )


@ddt.ddt
class ValuesTest(testtools.TestCase):
    """Values that no device has."""

    @ddt.data(
        ('accepts: {facts: {ecc: [on, n/a, same]}}',),
        ('target: {facts: {ecc: "OFF"}}, accepts: {}',),
        ('accepts: {facts: {subsystem: ["10de:145a", same]}}',),
        ('accepts: {facts: {kernel: {at_least: 6.1.0-x86}}}',),
        ('accepts: {facts: {os: anything}}',),
        (
            'accepts: {facts: {ecc: [same, on, Enabled]}}',
            'accepts.facts.ecc',
            f'ecc is never enabled; {NO_ECC}',
        ),
        (
            'accepts: {facts: {ecc: [yes, no]}}',
            'accepts.facts.ecc',
            f'ecc is never yes; {NO_ECC}',
            f'ecc is never no; {NO_ECC}',
        ),
        (
            'target: {facts: {ecc: 2}}, accepts: {}',
            'target.facts.ecc',
            f'ecc is never 2; {NO_ECC}',
        ),
        *(
            (
                f'accepts: {{facts: {{subsystem: "{text}"}}}}',
                'accepts.facts.subsystem',
                f'subsystem is never {shown}; {NO_SUBSYSTEM}',
            )
            for text, shown in (
                ('0x10de:0x145a', '0x10de_0x145a'),
                ('10de145a', '10de145a'),
                ('145a', '145a'),
            )
        ),
        (
            'accepts: {facts: {driver: {except: [550.54.xx]}}}',
            'accepts.facts.driver',
            'x is not a wildcard; for all versions of a '
            'branch write {at_least: "550.54", below: "…"}',
        ),
    )
    @ddt.unpack
    def test_rule(self, text, path='', *expected):
        known = (*KNOWN, 'subsystem', 'os')
        self.assertEqual(
            [(path, one) for one in expected],
            remarks(text, known=known, values=VALUES),
        )

    def test_devices(self):
        facts = {
            name: ((model.Operand(pat.Op.IS, 'X'),),)
            for name in ('modulename', 'ecc', 'os')
        }
        known = ('ecc', 'module', 'os')
        self.assertEqual(
            [
                (
                    ('devices', 'facts', 'modulename'),
                    'no collector publishes modulename of devices of 10de, so '
                    'no rule of this file ever matches; did you mean module? '
                    'Known: ecc, module, os',
                ),
                (('devices', 'facts', 'ecc'), f'ecc is never x; {NO_ECC}'),
            ],
            list(
                lint.devices_remarks(
                    '10DE', model.Target(facts=facts), known, VALUES
                )
            ),
        )


@ddt.ddt
class ShadowedTest(testtools.TestCase):
    @ddt.data(
        # By an earlier rule, and by a later one.
        (['{}', '{facts: {ecc: same}}'], {'r1': "'r0' (f.yaml:4)"}),
        (['{facts: {ecc: same}}', '{}'], {'r0': "'r1' (f.yaml:5)"}),
        # The first of equal rules stays.
        (
            ['{}', '{type: same}', '{product: same}'],
            dict.fromkeys(['r1', 'r2'], "'r0' (f.yaml:4)"),
        ),
        # Rules that add up.
        (
            [
                '{facts: {ecc: on}}',
                '{facts: {ecc: off}}',
                '{facts: {kernel: same}}',
            ],
            {},
        ),
    )
    @ddt.unpack
    def test_by(self, accepts, expected):
        self.assertEqual(
            [
                (name, (), f'rule {other} {SHADOWED}')
                for name, other in expected.items()
            ],
            [
                (remark.rule.name, remark.path, remark.text)
                for remark in lint_rules(*(f'accepts: {a}' for a in accepts))
            ],
        )

    def test_a_rule_that_never_matches_has_no_other_remark(self):
        (remark,) = lint_rules('accepts: {}', 'accepts: {facts: {fcc: same}}')
        self.assertEqual(('r1', NOT_KNOWN), (remark.rule.name, remark.text))


@ddt.ddt
class VendorTest(testtools.TestCase):
    @ddt.data(('nvidia', '10de'), ('intel', '8086'), ('amd', '1002'))
    @ddt.unpack
    def test_a_word_for_a_pci_vendor(self, word, pci_id):
        self.assertEqual(
            f'no device has the vendor {word}, so its rules never '
            f'match; write the PCI id, {pci_id}',
            lint.vendor_remark(word.upper()),
        )

    @ddt.data('10DE', 'MTTY', model.EVERY_VENDOR)
    def test_others(self, vendor):
        self.assertIsNone(lint.vendor_remark(vendor))


@ddt.ddt
class ShippedTest(testtools.TestCase):
    @ddt.data(*sorted(samples.SHIPPED_RULES.glob('*.yaml')))
    def test_nothing_is_wrong(self, path):
        plugins = vendors.load()
        found = loader.read_file(path)
        vendor, devices = found.vendor, found.devices or model.Target()
        known = vendors.facts_of(plugins, vendor)
        values = vendors.values_of(plugins, vendor)
        self.assertIsNone(lint.vendor_remark(vendor))
        remarks = [
            *lint.lint(vendor, found.rules, known, values),
            *lint.devices_remarks(vendor, devices, known, values),
        ]
        self.assertEqual([], remarks)


def accepted(rules, own):
    """Return what rules accept of a target's own type."""
    found = builders.accepted(rules, own)
    return {source for source in found if source.type == own.type}


class PropertyTest(testtools.TestCase):
    @hypothesis.given(
        st.sampled_from(['10DE', 'MTTY', model.EVERY_VENDOR]),
        st.lists(strategies.rules, max_size=4),
        st.sets(strategies.fact_names, max_size=4),
    )
    def test_every_remark_names_a_remedy(self, vendor, rules, known):
        for remark in lint.lint(vendor, rules, known):
            self.assertIn(remark.rule, rules)
            self.assertIn('; ', remark.text)

    def test_what_never_matches_accepts_nothing(self):
        never = []

        @hypothesis.given(strategies.near_rules, st.data())
        def check(rule, data):
            own = data.draw(strategies.targets_of(rule))
            remarks = lint.lint('10DE', [rule], strategies.FEW_FACTS)
            if any(map(never_matches, remarks)):
                never.append(rule)
                self.assertEqual(set(), accepted([rule], own))

        check()
        self.assertGreater(len(never), 10)

    def test_without_what_is_shadowed_the_rest_accepts_as_much(self):
        shadowed = []

        @hypothesis.given(
            strategies.near_rules, strategies.near_rules, st.data()
        )
        def check(one, other, data):
            rules = data.draw(
                st.permutations(
                    [one, other, data.draw(strategies.tightened(one))]
                )
            )
            own = data.draw(strategies.targets_of(one))
            less = list(rules)
            for remark in lint.lint('10DE', rules, strategies.FEW_FACTS):
                if not remark.path:
                    less.remove(remark.rule)
                    shadowed.append(remark)
            self.assertEqual(accepted(rules, own), accepted(less, own))

        check()
        self.assertGreater(len(shadowed), 20)
