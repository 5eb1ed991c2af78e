# SPDX-License-Identifier: Apache-2.0


import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.rules import evaluation
from nova_mdev_compat.rules import lint
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import parser
from nova_mdev_compat.vendors import manager as vendors
from tests.unit import samples
from tests.unit import strategies

KNOWN = ('kernel', 'ecc', 'driver')
FLOOR = 'Nova refuses a live migration to another type'
NO_VERSION = 'no version is in this range, so the rule never matches; widen it'
ANY_TARGET = (
    'no version is in this range for any target of the rule, so the '
    'rule never matches; change it'
)
SHADOWED = (
    'accepts everything that this one accepts; delete this one, or '
    'correct one of them'
)


def lint_rules(*texts, vendor='10de', known=KNOWN, values=None):
    """Return path and text of the remarks about the rules of a file."""
    items = [
        f'  - {{name: r{number}, {text}}}\n'
        for number, text in enumerate(texts)
    ]
    raw = f'schema_version: "1.0"\nvendor: "{vendor}"\nrules:\n'
    found = parser.parse('f.yaml', (raw + ''.join(items)).encode())
    return list(lint.lint(found.vendor, found.rules, known, values))


def said(*texts, **kwargs):
    return [
        ('.'.join(remark.path), remark.text)
        for remark in lint_rules(*texts, **kwargs)
    ]


def never_matches(remark):
    return 'never matches' in remark.text and 'publishes' not in remark.text


@ddt.ddt
class NeverMatchesTest(testtools.TestCase):
    def check(self, text, path, expected):
        self.assertEqual([(path, expected)], said(text))

    @ddt.data(
        (
            'target: {facts: {ecc: "on", driver: {at_least: "1"}}}, '
            'accepts: {facts: {kernel: same}}'
        ),
        'accepts: {facts: {driver: {at_least: same, below: "535"}}}',
        (
            'target: {facts: {driver: {below: "535"}}}, '
            'accepts: {facts: {driver: {at_least: same, below: "535"}}}'
        ),
        'accepts: {facts: {driver: {above: "535", except: ["540"]}}}',
        'accepts: {facts: {ecc: [same, "no such thing"]}}',
        'target: {product: ["ffff"]}, accepts: {}',
    )
    def test_nothing_to_say(self, text):
        self.assertEqual([], said(text))

    @ddt.data('accepts', 'target')
    def test_a_fact_that_nobody_publishes(self, where):
        accepts = '' if where == 'accepts' else ', accepts: {}'
        self.check(
            f'{where}: {{facts: {{fcc: "on"}}}}{accepts}',
            f'{where}.facts.fcc',
            'no collector publishes fcc of devices of 10de, so the '
            'rule never matches; did you mean ecc? Known: driver, ecc, '
            'kernel',
        )

    def test_a_fact_that_is_like_no_other(self):
        self.assertEqual(
            [
                (
                    'accepts.facts.hardware',
                    'no collector publishes hardware, so the rule never '
                    'matches; known: driver, ecc, kernel',
                )
            ],
            said('accepts: {facts: {hardware: same}}', vendor='*'),
        )

    def test_no_fact_is_known(self):
        self.assertEqual(
            [
                (
                    'accepts.facts.ecc',
                    'no collector publishes ecc of devices of mtty, so the '
                    'rule never matches; known: none',
                )
            ],
            said('accepts: {facts: {ecc: same}}', vendor='mtty', known=()),
        )

    def test_a_fact_in_both_places_is_said_twice(self):
        remarks = lint_rules(
            'target: {facts: {fcc: "on"}}, accepts: {facts: {fcc: same}}'
        )
        self.assertEqual(
            [('target', 'facts', 'fcc'), ('accepts', 'facts', 'fcc')],
            [remark.path for remark in remarks],
        )

    @ddt.data(
        (
            'target: {facts: {driver: {at_least: "535", at_most: "535.0", '
            'except: ["535"]}}}, accepts: {}',
            'target.facts.driver',
        ),
        (
            'accepts: {facts: {driver: {at_least: "535", at_most: "535.0", '
            'except: ["535"]}}}',
            'accepts.facts.driver',
        ),
    )
    @ddt.unpack
    def test_a_range_that_its_exceptions_empty(self, text, path):
        self.check(text, path, NO_VERSION)

    @ddt.data(
        '{at_least: same, at_most: same, except: [same]}',
        '{above: same, at_most: same}',
    )
    def test_same_bounds_that_contradict_each_other(self, text):
        self.check(
            f'accepts: {{facts: {{driver: {text}}}}}',
            'accepts.facts.driver',
            ANY_TARGET,
        )

    @ddt.data(
        ('{at_least: "550"}', '{at_least: same, below: "535"}'),
        ('["535", "540"]', '{above: same, at_most: "535"}'),
        ('"550.0"', '{at_least: same, at_most: same, except: ["550"]}'),
    )
    @ddt.unpack
    def test_same_bounds_that_contradict_the_target(self, target, text):
        self.check(
            f'target: {{facts: {{driver: {target}}}}}, '
            f'accepts: {{facts: {{driver: {text}}}}}',
            'accepts.facts.driver',
            f'{ANY_TARGET} or target.facts.driver',
        )

    def test_types_that_no_target_has(self):
        self.check(
            'target: {type: [a]}, accepts: {type: [b]}',
            'accepts.type',
            f'{FLOOR}, and none of these is in target.type, so the '
            'rule never matches; write type: same',
        )


@ddt.ddt
class ValuesTest(testtools.TestCase):
    """Values that no device has."""

    values = {'ecc': {'ON', 'OFF', 'N_A'}}

    def said(self, text, **kwargs):
        return said(text, values=self.values, **kwargs)

    @ddt.data(
        'accepts: {facts: {ecc: ["on", "n/a", same]}}',
        'target: {facts: {ecc: "OFF"}}, accepts: {}',
        'accepts: {facts: {subsystem: ["10de:145a", same]}}',
        'accepts: {facts: {kernel: {at_least: "6.1.0-x86"}}}',
        'accepts: {facts: {os: "anything"}}',
    )
    def test_nothing_to_say(self, text):
        self.assertEqual(
            [], self.said(text, known=(*KNOWN, 'subsystem', 'os'))
        )

    @ddt.data(
        (
            'accepts: {facts: {ecc: "Enabled"}}',
            'accepts.facts.ecc',
            'ecc is never enabled; known: n_a, off, on',
        ),
        (
            'accepts: {facts: {ecc: [same, "on", "enabled"]}}',
            'accepts.facts.ecc',
            'ecc is never enabled; known: n_a, off, on',
        ),
        (
            'target: {facts: {ecc: "2"}}, accepts: {}',
            'target.facts.ecc',
            'ecc is never 2; known: n_a, off, on',
        ),
        (
            'accepts: {facts: {subsystem: "0x10de:0x145a"}}',
            'accepts.facts.subsystem',
            'subsystem is never 0x10de_0x145a; it is two PCI ids, 10de:145a',
        ),
        (
            'accepts: {facts: {subsystem: "10de145a"}}',
            'accepts.facts.subsystem',
            'subsystem is never 10de145a; it is two PCI ids, 10de:145a',
        ),
        (
            'accepts: {facts: {subsystem: "145a"}}',
            'accepts.facts.subsystem',
            'subsystem is never 145a; it is two PCI ids, 10de:145a',
        ),
        (
            'accepts: {facts: {driver: {except: ["550.54.xx"]}}}',
            'accepts.facts.driver',
            'x is not a wildcard; for all versions of a '
            'branch write {at_least: "550.54", below: "…"}',
        ),
    )
    @ddt.unpack
    def test_a_value_that_no_device_has(self, text, path, expected):
        self.assertEqual(
            [(path, expected)], self.said(text, known=(*KNOWN, 'subsystem'))
        )

    def test_each_value_of_a_fact(self):
        self.assertEqual(
            [
                'ecc is never yes; known: n_a, off, on',
                'ecc is never no; known: n_a, off, on',
            ],
            [
                text
                for _, text in self.said(
                    'accepts: {facts: {ecc: ["yes", "no"]}}'
                )
            ],
        )

    def test_of_devices(self):
        devices = model.Target(
            facts={
                name: ((model.Operand(pat.Op.IS, 'X'),),)
                for name in ('modulename', 'ecc', 'os')
            }
        )
        self.assertEqual(
            {
                ('devices', 'facts', 'modulename'): 'no collector publishes '
                'modulename of devices of 10de, so no rule of this file ever '
                'matches; did you mean module? Known: ecc, module, os',
                (
                    'devices',
                    'facts',
                    'ecc',
                ): 'ecc is never x; known: n_a, off, on',
            },
            dict(
                lint.devices_remarks(
                    '10DE', devices, ('ecc', 'module', 'os'), self.values
                )
            ),
        )


@ddt.ddt
class BeyondFloorTest(testtools.TestCase):
    @ddt.data(
        'target: {type: [a]}, accepts: {type: [a]}',
        'target: {type: [a, b]}, accepts: {type: same}',
        'target: {type: [a, b]}, accepts: {}',
    )
    def test_nothing_to_say(self, text):
        self.assertEqual([], said(text))

    @ddt.data(
        'accepts: {type: any}',
        'target: {type: [a]}, accepts: {type: any}',
        'target: {type: [a]}, accepts: {type: [a, b]}',
        'target: {type: [a, b]}, accepts: {type: [a, b]}',
    )
    def test_the_target_has_one_of_these(self, text):
        self.assertEqual(
            [('accepts.type', f'{FLOOR}; write type: same')], said(text)
        )

    @ddt.data(
        ('accepts: {type: [a]}', 'A'),
        ('accepts: {type: [b, a]}', 'A, B'),
        ('target: {type: [c, b]}, accepts: {type: [a, b]}', 'B'),
    )
    @ddt.unpack
    def test_the_target_may_have_another(self, text, types):
        self.assertEqual(
            [
                (
                    'accepts.type',
                    f'{FLOOR}; write type: same, and in target.type {types}',
                )
            ],
            said(text),
        )


class ShadowedTest(testtools.TestCase):
    def test_by_an_earlier_rule(self):
        (remark,) = lint_rules('accepts: {}', 'accepts: {facts: {ecc: same}}')
        self.assertEqual(
            ('r1', (), f"rule 'r0' (f.yaml:4) {SHADOWED}"),
            (remark.rule.name, remark.path, remark.text),
        )

    def test_by_a_later_rule(self):
        (remark,) = lint_rules('accepts: {facts: {ecc: same}}', 'accepts: {}')
        self.assertEqual(
            ('r0', (), f"rule 'r1' (f.yaml:5) {SHADOWED}"),
            (remark.rule.name, remark.path, remark.text),
        )

    def test_the_first_of_equal_rules_stays(self):
        self.assertEqual(
            [('', f"rule 'r0' (f.yaml:4) {SHADOWED}")] * 2,
            said(
                'accepts: {}',
                'accepts: {type: same}',
                'accepts: {product: same}',
            ),
        )

    def test_rules_that_add_up(self):
        self.assertEqual(
            [],
            said(
                'accepts: {facts: {ecc: "on"}}',
                'accepts: {facts: {ecc: "off"}}',
                'accepts: {facts: {kernel: same}}',
            ),
        )

    def test_a_rule_that_never_matches_is_beside_the_point(self):
        (remark,) = lint_rules('accepts: {}', 'accepts: {facts: {fcc: same}}')
        self.assertEqual('r1', remark.rule.name)
        self.assertIn('never matches', remark.text)


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
    def test_nothing_to_say(self, path):
        plugins = vendors.load()
        found = loader.read_file(path)
        vendor = found.vendor
        known, values = (
            of(plugins, vendor) for of in (vendors.facts_of, vendors.values_of)
        )
        self.assertIsNone(lint.vendor_remark(vendor))
        self.assertEqual(
            [], list(lint.lint(vendor, found.rules, known, values))
        )
        if found.devices is not None:
            self.assertEqual(
                [],
                list(
                    lint.devices_remarks(vendor, found.devices, known, values)
                ),
            )


def accepted(rules, own):
    """Return what rules accept of a target's own type."""
    patterns = [
        pattern
        for outcome in evaluation.evaluate(rules, own)
        for pattern in outcome.patterns.values()
    ]
    return {
        source
        for source in strategies.near_sources(own)
        if source.type == own.type
        and any(pattern.judge(source) for pattern in patterns)
    }


class PropertyTest(testtools.TestCase):
    @hypothesis.given(
        st.sampled_from(['10DE', 'MTTY', model.EVERY_VENDOR]),
        st.lists(strategies.rules, max_size=4),
        st.sets(strategies.fact_names, max_size=4),
    )
    def test_says_something_of_whatever_rules(self, vendor, rules, known):
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
