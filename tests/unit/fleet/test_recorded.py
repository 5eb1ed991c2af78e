# SPDX-License-Identifier: Apache-2.0

import dataclasses

import ddt
import hypothesis
import testtools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import recorded
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import model
from tests.unit import samples
from tests.unit import strategies

OP = pattern.Op
COMPATIBLE = verdict.Status.COMPATIBLE
INCOMPATIBLE = verdict.Status.INCOMPATIBLE
UNKNOWN = verdict.Status.UNKNOWN
OLD = {**samples.FACTS, 'driver': '535.54.03'}


def one_of(op, *values):
    return tuple((model.Operand(op, value),) for value in values)


def rule(name, products=(model.SAME,), target=None, **facts):
    return model.Rule(
        name,
        f'some.yaml:{len(name)}',
        target or model.Target(),
        model.Accepts(products, facts=facts),
    )


def target(*rules, **changes):
    return host_traits.describe(
        samples.parent(**changes), model.RuleSet({'10DE': rules})
    )


def answered(patterns):
    """Return a target for which a vendor's plugin has answered."""
    return host_traits.describe(
        samples.parent(),
        model.RuleSet({}),
        host_traits.VendorAnswer('acme', frozenset(patterns)),
    )


ECC_OFF = one_of(OP.IS, 'OFF')
MIG_ON = one_of(OP.IS, 'ON')
ANY_TYPE = model.Rule(
    'any', 'f:1', model.Target(), model.Accepts(types=(model.ANY,))
)
#: As older releases recorded a device that cannot migrate: with a pattern
#: that accepts.
OLD_SNAPSHOT = host_traits.ParentTraits(
    samples.parent(device_api='vfio-ccw'),
    frozenset(),
    {
        'CUSTOM_MDEV_ACCEPT_10DE_2235__NVIDIA_558': pattern.Pattern(
            '10DE_2235', 'NVIDIA_558'
        )
    },
    note='device API vfio-ccw needs no check',
)


@ddt.ddt
class ExplainTest(testtools.TestCase):
    def test_the_rule_that_allows_it(self):
        some = target(rule('no', ecc=ECC_OFF), rule('yes'), rule('also'))
        found = recorded.explain(some, samples.A16)
        self.assertIs(COMPATIBLE, found.kind)
        self.assertEqual(
            (recorded.RuleVerdict('yes', 'some.yaml:3'),), found.verdicts
        )
        self.assertEqual("'yes'", str(found))

    @ddt.data(
        (
            'each rule',
            target(
                rule('ecc', ecc=ECC_OFF),
                rule('os', os=one_of(OP.IS, 'RHEL_10_0')),
            ),
            INCOMPATIBLE,
            "'ecc': ecc on is not equal to off; "
            "'os': os rhel-9.6 is not equal to rhel-10.0",
        ),
        (
            'the first condition of several',
            target(rule('all', ('10DE_20B5',), ecc=ECC_OFF)),
            INCOMPATIBLE,
            "'all': device 10de:2235 is not 10de:20b5",
        ),
        (
            'alternatives that come as far, and not those that fail sooner',
            target(
                rule(
                    'lists',
                    ('10DE_20B5', model.SAME),
                    os=one_of(OP.IS, 'RHEL_9_4', 'RHEL_10_0'),
                )
            ),
            INCOMPATIBLE,
            "'lists': os rhel-9.6 is not equal to rhel-9.4, "
            'os rhel-9.6 is not equal to rhel-10.0',
        ),
        (
            'a rule for another target',
            target(
                rule(
                    'other',
                    target=model.Target(types=frozenset({'NVIDIA_557'})),
                )
            ),
            INCOMPATIBLE,
            "'other': it does not apply to type nvidia-558",
        ),
        (
            'missing on the source',
            target(rule('mig', mig=MIG_ON)),
            UNKNOWN,
            "'mig': mig of the source is unknown",
        ),
        (
            'missing on the target',
            target(
                rule('mig', mig=one_of(OP.IS, model.SAME)),
                unknown={'mig': 'the driver is not loaded'},
            ),
            UNKNOWN,
            "'mig': mig of the target is unknown: the driver is not loaded",
        ),
        (
            'wrong, and missing',
            target(
                rule('both', mig=MIG_ON, ecc=ECC_OFF),
                rule('too', mig=MIG_ON, subsystem=one_of(OP.IS, 'X')),
            ),
            INCOMPATIBLE,
            "'both': ecc on is not equal to off; "
            "'too': subsystem 10de:1482 is not equal to x",
        ),
        (
            'one rule might allow it',
            target(rule('wrong', ecc=ECC_OFF), rule('mig', mig=MIG_ON)),
            UNKNOWN,
            "'wrong': ecc on is not equal to off; "
            "'mig': mig of the source is unknown",
        ),
        (
            'no type',
            target(rule('a'), target_type=None),
            INCOMPATIBLE,
            'Nova uses no mdev type that this device offers',
        ),
        (
            'device API',
            target(rule('a'), device_api='vfio-ccw'),
            INCOMPATIBLE,
            'device API vfio-ccw cannot be live-migrated',
        ),
        (
            'old snapshot',
            OLD_SNAPSHOT,
            INCOMPATIBLE,
            'device API vfio-ccw cannot be live-migrated',
        ),
        (
            'no rule file',
            host_traits.describe(samples.parent(), model.RuleSet({})),
            INCOMPATIBLE,
            'no rule file covers vendor 10DE',
        ),
        (
            'plugin',
            answered({pattern.Pattern('10DE_ANY', 'ANY')}),
            COMPATIBLE,
            "'vendor plugin acme'",
        ),
        (
            'plugin that accepts nothing',
            answered(()),
            INCOMPATIBLE,
            "'vendor plugin acme': it accepts nothing here",
        ),
    )
    @ddt.unpack
    def test_reasons(self, _, some, kind, expected):
        found = recorded.explain(some, samples.A16)
        self.assertEqual((kind, expected), (found.kind, str(found)))

    @ddt.data(
        # A rule may accept any type; Nova does not.
        (
            ANY_TYPE,
            {'type': 'NVIDIA_557'},
            'does not serve type nvidia-557, and Nova takes no other',
        ),
        (
            rule('a'),
            {'parent': '8086_0BD5'},
            'device 8086:0bd5 is of another vendor than 10de:2235',
        ),
    )
    @ddt.unpack
    def test_another_source(self, some, changes, expected):
        found = recorded.explain(
            target(some), dataclasses.replace(samples.A16, **changes)
        )
        self.assertEqual((INCOMPATIBLE, expected), (found.kind, str(found)))

    def test_why_data_of_the_source_is_missing(self):
        found = recorded.explain(
            target(rule('mig', mig=MIG_ON)),
            samples.A16,
            {'mig': 'the driver is not loaded', 'ecc': 'no'},
        )
        self.assertEqual(
            "'mig': mig of the source is unknown: the driver is not loaded",
            str(found),
        )

    @hypothesis.given(
        strategies.rules, strategies.identities, strategies.identities
    )
    def test_agrees_with_the_published_patterns(self, some, own, source):
        """And with the two floors below all rules: vendor and type."""
        parent = samples.parent(
            parent_id=own.parent,
            target_type=own.type,
            offered=(own.type,),
            facts=dict(own.facts),
        )
        vendor = identity.vendor_of(own.parent)
        try:
            described = host_traits.describe(
                parent, model.RuleSet({vendor: (some,)})
            )
        except host_traits.PublicationError:
            hypothesis.reject()
        found = recorded.explain(described, source)
        accepted = (
            source.type == own.type
            and identity.vendor_of(source.parent) == vendor
            and any(one.judge(source) for one in described.accepts.values())
        )
        self.assertIs(accepted, found.kind is COMPATIBLE)
        self.assertNotEqual(
            accepted, any(one.reasons for one in found.verdicts)
        )


def rules(name, **facts):
    """Return a rule set of one rule, with facts that must be equal."""
    facts = {fact: one_of(OP.EQ, value) for fact, value in facts.items()}
    return model.RuleSet({'10DE': (rule(name, **facts),)})


ANY, DRIVER = rules('any'), rules('driver', driver=model.SAME)


def host(name, *parents, by=ANY):
    return host_traits.HostSnapshot(
        name, tuple(host_traits.describe(parent, by) for parent in parents)
    )


def board(number=0, **changes):
    return samples.parent(f'pci_{number}', **changes)


IN_USE = frozenset({'nvidia-557'})


class ClassifyTest(testtools.TestCase):
    def members(self, *hosts, by=None):
        return [
            ' '.join(map(str, one.members))
            for one in recorded.classify(hosts, [by])
        ]

    def test_members(self):
        self.assertEqual(
            ['a:pci_0 a:pci_1 b:pci_0'],
            self.members(host('b', board()), host('a', board(1), board(0))),
        )
        self.assertEqual(
            ['a:pci_0', 'b:pci_0'],
            self.members(host('a', board()), host('b', board(facts=OLD))),
        )

    def test_different_rules_on_the_hosts(self):
        """With given rules, those of the hosts do not matter."""
        hosts = [host('a', board()), host('b', board(), by=DRIVER)]
        self.assertEqual(['a:pci_0', 'b:pci_0'], self.members(*hosts))
        for one in recorded.classify(hosts, [ANY]):
            (target,) = one.targets
            self.assertEqual('any', target.outcomes[0].name)

    def test_sources(self):
        for changes, expected in (
            ({'in_use': IN_USE}, ['NVIDIA_557', 'NVIDIA_558']),
            ({'target_type': None}, []),
        ):
            (one,) = recorded.classify([host('a', board(**changes))], [None])
            self.assertEqual(expected, [source.type for source in one.sources])

    def test_rules_do_not_replace_the_answer_of_a_plugin(self):
        answer = host_traits.VendorAnswer('acme', frozenset())
        parent = host_traits.describe(board(), ANY, answer)
        (one,) = recorded.classify(
            [host_traits.HostSnapshot('a', (parent,))], [ANY]
        )
        self.assertEqual((parent,), one.targets)

    def test_rules_that_make_an_invalid_trait(self):
        long = rules('long', **{f'f{n}': 'X' * 90 for n in range(3)})
        error = self.assertRaises(
            exceptions.BadInput,
            recorded.classify,
            [host('a', board())],
            [long],
        )
        self.assertIn(
            "host a: node device pci_0: rule 'long' (some.yaml:4): trait ",
            str(error),
        )


@ddt.ddt
class PairsTest(testtools.TestCase):
    def pairs(self, *hosts, by=(None,)):
        classes = recorded.classify(hosts, by)
        return [
            (
                f'{pair.origin.members[0]} {pair.destination.members[0]}',
                pair.number,
                *(answer.kind for answer in pair.answers),
            )
            for pair in recorded.pairs(classes, classes)
        ]

    @ddt.data(
        # The source is of an older driver, and then the target.
        ((DRIVER, DRIVER), (None,), [INCOMPATIBLE], [INCOMPATIBLE]),
        ((DRIVER, ANY), (None,), [COMPATIBLE], [INCOMPATIBLE]),
        (
            (ANY, ANY),
            (ANY, DRIVER),
            [COMPATIBLE, INCOMPATIBLE],
            [COMPATIBLE, INCOMPATIBLE],
        ),
    )
    @ddt.unpack
    def test_directions(self, of_hosts, by, there, back):
        self.assertEqual(
            [
                ('a:pci_0 b:pci_0', 1, *there),
                ('b:pci_0 a:pci_0', 1, *back),
            ],
            self.pairs(
                host('a', board(), by=of_hosts[0]),
                host('b', board(facts=OLD), by=of_hosts[1]),
                by=by,
            ),
        )

    def test_only_between_hosts(self):
        """9 pairs of devices, without the 4 + 1 on one host."""
        two = host('a', board(0), board(1))
        self.assertEqual([], self.pairs(two))
        self.assertEqual(
            [('a:pci_0 a:pci_0', 4, COMPATIBLE)],
            self.pairs(two, host('b', board())),
        )

    def test_each_type_in_use(self):
        found = self.pairs(host('a', board(in_use=IN_USE)), host('b', board()))
        self.assertEqual(
            [INCOMPATIBLE, COMPATIBLE, COMPATIBLE],
            [answer for _, _, answer in found],
        )

    def test_progress(self):
        seen = []

        def progress(items):
            for item in items:
                seen.append(item)
                yield item

        classes = recorded.classify(
            [host('a', board()), host('b', board(facts=OLD))], [None]
        )
        list(recorded.pairs(classes, classes, progress))
        self.assertEqual(list(classes), seen)

    def test_ten_thousand_hosts(self):
        """Classes are compared, not hosts."""
        two = [host('a', board()), host('b', board(facts=OLD))]
        found = self.pairs(
            *(
                dataclasses.replace(two[number % 2], name=f'h{number}')
                for number in range(10_000)
            )
        )
        self.assertEqual(4, len(found))
        self.assertEqual(10_000 * 9_999, sum(number for _, number, _ in found))
