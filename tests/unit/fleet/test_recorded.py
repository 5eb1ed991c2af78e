# SPDX-License-Identifier: Apache-2.0

import testtools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import recorded
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import model
from tests.unit import samples

OLD = {**samples.FACTS, 'driver': '535.54.03'}
YES, NO = verdict.Status.COMPATIBLE, verdict.Status.INCOMPATIBLE


def rules(*names, vendor='10DE', **facts):
    return model.RuleSet(
        {
            vendor: tuple(
                model.Rule(
                    name,
                    'f:1',
                    model.Target(),
                    model.Accepts(
                        facts={
                            fact: ((model.Operand(pattern.Op.EQ, value),),)
                            for fact, value in facts.items()
                        }
                    ),
                )
                for name in names
            )
        }
    )


ANY, DRIVER = rules('any'), rules('driver', driver=model.SAME)


def host(name, *parents, by=ANY):
    return host_traits.HostSnapshot(
        name, tuple(host_traits.describe(parent, by) for parent in parents)
    )


def board(number=0, **changes):
    return samples.parent(f'pci_{number}', **changes)


class KindsTest(testtools.TestCase):
    def members(self, *hosts, by=None):
        return [
            list(map(str, kind.members))
            for kind in recorded.kinds(hosts, [by])
        ]

    def test_alike_is_one_kind(self):
        self.assertEqual(
            [['a:pci_0', 'a:pci_1', 'b:pci_0']],
            self.members(host('b', board()), host('a', board(1), board(0))),
        )

    def test_different_facts(self):
        self.assertEqual(
            [['a:pci_0'], ['b:pci_0']],
            self.members(host('a', board()), host('b', board(facts=OLD))),
        )

    def test_different_rules_on_the_hosts(self):
        """Under rules of ours it does not matter which those were."""
        hosts = [host('a', board()), host('b', board(), by=DRIVER)]
        self.assertEqual([['a:pci_0'], ['b:pci_0']], self.members(*hosts))
        for kind in recorded.kinds(hosts, [ANY]):
            (target,) = kind.targets
            self.assertEqual('any', target.outcomes[0].name)

    def test_sources(self):
        (kind,) = recorded.kinds(
            [host('a', board(in_use=frozenset({'nvidia-557'})))], [None]
        )
        self.assertEqual(
            ['NVIDIA_557', 'NVIDIA_558'],
            [source.type for source in kind.sources],
        )

    def test_no_source(self):
        (kind,) = recorded.kinds([host('a', board(target_type=None))], [None])
        self.assertEqual((), kind.sources)

    def test_rules_do_not_replace_the_answer_of_a_plugin(self):
        answer = host_traits.VendorAnswer('acme', frozenset())
        parent = host_traits.describe(board(), ANY, answer)
        (kind,) = recorded.kinds(
            [host_traits.HostSnapshot('a', (parent,))], [ANY]
        )
        self.assertEqual((parent,), kind.targets)

    def test_rules_that_make_no_trait(self):
        long = rules('long', **{f'f{n}': 'X' * 90 for n in range(3)})
        error = self.assertRaises(
            exceptions.BadInput, recorded.kinds, [host('a', board())], [long]
        )
        self.assertIn(
            "host a: node device pci_0: rule 'long' (f:1): trait ", str(error)
        )


class PairsTest(testtools.TestCase):
    def pairs(self, *hosts, by=(None,)):
        kinds = recorded.kinds(hosts, by)
        return [
            (
                str(pair.origin.members[0]),
                str(pair.destination.members[0]),
                pair.number,
                [answer.kind for answer in pair.answers],
            )
            for pair in recorded.pairs(kinds, kinds)
        ]

    def test_directions(self):
        newer = rules('newer')
        self.assertEqual(
            [('a:pci_0', 'b:pci_0', 1, [NO]), ('b:pci_0', 'a:pci_0', 1, [NO])],
            self.pairs(
                host('a', board(), by=DRIVER),
                host('b', board(facts=OLD), by=DRIVER),
            ),
        )
        self.assertEqual(
            [
                ('a:pci_0', 'b:pci_0', 1, [YES]),
                ('b:pci_0', 'a:pci_0', 1, [NO]),
            ],
            self.pairs(
                host('a', board(), by=DRIVER),
                host('b', board(facts=OLD), by=newer),
            ),
        )

    def test_not_within_a_host(self):
        self.assertEqual([], self.pairs(host('a', board(0), board(1))))

    def test_how_many(self):
        """Of devices on different hosts: 9 less those of one host, 4 + 1."""
        self.assertEqual(
            [('a:pci_0', 'a:pci_0', 4, [YES])],
            self.pairs(host('a', board(0), board(1)), host('b', board())),
        )

    def test_several_rules(self):
        self.assertEqual(
            [
                ('a:pci_0', 'b:pci_0', 1, [YES, NO]),
                ('b:pci_0', 'a:pci_0', 1, [YES, NO]),
            ],
            self.pairs(
                host('a', board()),
                host('b', board(facts=OLD)),
                by=(ANY, DRIVER),
            ),
        )

    def test_each_type_in_use(self):
        found = self.pairs(
            host('a', board(in_use=frozenset({'nvidia-557'}))),
            host('b', board()),
        )
        self.assertEqual(
            [[NO], [YES], [YES]], [answers for *_, answers in found]
        )

    def test_progress(self):
        seen = []

        def progress(items):
            for item in items:
                seen.append(item)
                yield item

        kinds = recorded.kinds(
            [host('a', board()), host('b', board(facts=OLD))], [None]
        )
        list(recorded.pairs(kinds, kinds, progress))
        self.assertEqual(list(kinds), seen)

    def test_ten_thousand_hosts_are_as_many_questions_as_there_are_kinds(self):
        boards = [board(), board(facts=OLD)]
        hosts = [host(f'h{n}', boards[n % 2]) for n in range(10_000)]
        found = self.pairs(*hosts)
        self.assertEqual(4, len(found))
        self.assertEqual(
            10_000 * 9_999, sum(number for _, _, number, _ in found)
        )
