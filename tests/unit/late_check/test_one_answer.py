# SPDX-License-Identifier: Apache-2.0
"""One pair, one answer: of the rule tool, the filter and the guard.

Recorded hosts under the shipped rules and under some more, each against every
other. Nova is not needed for the filter's part: what it matches, and what it
logs if nothing matches, are modules of their own.
"""

import collections
import itertools
import pathlib
import types

import fixtures
from oslo_config import cfg
import testtools

from nova_mdev_compat.conf import mdev_compat
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import matching
from nova_mdev_compat.core import offer
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import recorded
from nova_mdev_compat.late_check import check
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import loader
from nova_mdev_compat.scheduler import live_migration
from nova_mdev_compat.scheduler import log as filter_report
from tests import recordings
from tests.unit import samples

RULES = """
schema_version: "1.0"
vendor: "10de"
rules:
  - name: a rule
    accepts: {{product: {product}, type: same, facts: {{{facts}}}}}
"""
ONE_RULE = (
    ('same', ''),
    ('same', 'driver: same'),
    ('same', 'ecc: same'),
    ('same', 'driver: {at_least: "550"}'),
    ('["2236"]', ''),
    ('any', 'driver: {at_most: "540"}, ecc: same'),
    ('same', 'driver: {at_least: "500", except: ["535.183.04"]}'),
)
#: Besides the hosts of the tutorial.
SOURCES = (
    samples.with_facts(driver=None),
    samples.with_facts(driver='9'),
    samples.with_facts(ecc=None),
    samples.with_facts(ecc='off'),
    identity.Identity('10DE_2236', 'NVIDIA_558', samples.A16.facts),
    identity.Identity('10DE_2235', 'NVIDIA_557', samples.A16.facts),
)
#: The filter speaks of all hosts at once, and so of a device and a type that
#: this one does not name, in other words.
OF_MANY_HOSTS = {
    verdict.Cause.PARENT: 'No other host publishes a pattern for this device',
    verdict.Cause.TYPE: 'No host accepts live migration m of instance i',
}


BOARD = '0000:81:00.0'
FUNCTIONS = tuple(
    identity.Identity(
        one.parent, one.type, one.facts | {('framework', 'VFIO')}
    )
    for one in (samples.A16, *SOURCES)
)


def under(directory, text, **parent):
    """Return a device of a host with a rule file."""
    pathlib.Path(directory, 'x.yaml').write_text(text)
    return host_traits.describe(
        samples.parent(**parent), loader.load([directory])
    )


def of_guard(target, source):
    """Return the guard's verdict and text."""
    found = host_traits.devices_found(
        host_traits.HostSnapshot('here', (target,)), read_at=0, before={}
    )
    name = target.parent.name
    vfio = name == BOARD
    findings = check.check_domain(
        domain_xml.Domain(
            () if vfio else ('u',),
            (domain_xml.AnnotatedDevice('s', source, source.framework),),
            addresses=('u',) if vfio else (),
        ),
        [
            check.TargetDevice(
                'u',
                name,
                'NVIDIA_558',
                found.devices[name],
                framework='VFIO' if vfio else 'MDEV',
            )
        ],
    )
    if not findings:
        return verdict.Status.COMPATIBLE, ''
    return findings[0].kind, '; '.join(one.text for one in findings)


class OneAnswerTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        conf = cfg.ConfigOpts()
        mdev_compat.register_opts(conf)
        conf([])
        self.useFixture(
            fixtures.MonkeyPatch('nova_mdev_compat.scheduler.log.CONF', conf)
        )
        recorded = {
            name: recordings.host(name).parents[0] for name in recordings.HOSTS
        }
        self.sources = {item.parent.target() for item in recorded.values()}
        self.sources.update(SOURCES)
        directory = self.useFixture(fixtures.TempDir()).path
        texts = [
            RULES.format(product=product, facts=facts)
            for product, facts in ONE_RULE
        ]
        self.one_rule = {text: under(directory, text) for text in texts}
        self.boards = {
            text: under(
                directory,
                text,
                name=BOARD,
                facts={**samples.FACTS, 'framework': 'vfio'},
            )
            for text in texts
        }
        # Why a rule makes no pattern is known where it is evaluated, and in
        # no trait.
        self.without_facts = recorded.pop('gpu-5')
        self.targets = {**recorded, **self.one_rule}

    def of_filter(self, target, source):
        """Return whether the filter finds the target, and its log."""
        accepting = matching.accepting_traits(target.accepts, source)
        host = types.SimpleNamespace(host='here', uuid='root')
        question = live_migration.LiveMigration(
            'i', 'm', (matching.Source(1, frozenset({source})),), 'p'
        )
        with fixtures.FakeLogger('nova_mdev_compat.filters') as log:
            filter_report.answered(
                question, [host], [] if accepting else [host], ()
            )
            if not accepting:
                filter_report.none_left(
                    question,
                    filter_report.sentences(
                        False,
                        [
                            text
                            for text, _ in filter_report.clauses(
                                question, target.accepts, ()
                            )
                        ],
                    ),
                    (),
                    (),
                    (),
                )
            return bool(accepting), log.output

    def test_verdict(self):
        seen = collections.Counter()
        for (name, target), source in itertools.product(
            self.targets.items(), self.sources
        ):
            answer = recorded.explain(target, source)
            accepted, _ = self.of_filter(target, source)
            kind, _ = of_guard(target, source)
            self.assertEqual(
                (answer.kind, answer.kind is verdict.Status.COMPATIBLE),
                (kind, accepted),
                f'{source} to {name}',
            )
            seen[kind] += 1
        for kind in verdict.Status:
            self.assertGreater(seen[kind], 5, seen)

    def test_functions(self):
        """Virtual functions: the same answers; none across frameworks."""
        seen = collections.Counter()
        pairs = [
            *itertools.product(self.boards.items(), FUNCTIONS),
            *itertools.product(self.boards.items(), self.sources),
            *itertools.product(self.targets.items(), FUNCTIONS),
        ]
        for (name, target), source in pairs:
            answer = recorded.explain(target, source)
            accepted, _ = self.of_filter(target, source)
            kind, text = of_guard(target, source)
            crosses = (source in FUNCTIONS) != (target.parent.name == BOARD)
            self.assertEqual(
                (answer.kind is verdict.Status.COMPATIBLE, accepted),
                (kind is verdict.Status.COMPATIBLE,) * 2,
                f'{source} to {name}',
            )
            if crosses:
                self.assertIs(verdict.Status.INCOMPATIBLE, kind, text)
            else:
                self.assertIs(answer.kind, kind, text)
            seen[crosses, kind] += 1
        for kind in verdict.Status:
            self.assertGreater(seen[False, kind], 2, seen)

    def test_target_without_facts(self):
        """Only the tool can tell this from a refusal."""
        source = samples.with_facts(mig='unsupported')
        answer = recorded.explain(self.without_facts, source)
        self.assertIs(verdict.Status.UNKNOWN, answer.kind)
        accepted, _ = self.of_filter(self.without_facts, source)
        kind, text = of_guard(self.without_facts, source)
        self.assertEqual(
            (False, verdict.Status.INCOMPATIBLE), (accepted, kind)
        )
        self.assertIn(str(offer.ACCEPTS_NOTHING), text)

    def test_reason(self):
        """With one rule there is one reason, and all three give it."""
        seen = collections.Counter()
        for (name, target), source in itertools.product(
            self.one_rule.items(), self.sources
        ):
            (outcome,) = recorded.explain(target, source).verdicts
            _, of_filter = self.of_filter(target, source)
            _, of_guard_ = of_guard(target, source)
            for reason in outcome.reasons:
                self.assertIn(str(reason), of_guard_, f'{source} to {name}')
                self.assertIn(
                    OF_MANY_HOSTS.get(reason.cause, str(reason)),
                    of_filter,
                    f'{source} to {name}',
                )
                seen[reason.cause] += 1
        for cause in (
            verdict.Cause.FACT,
            verdict.Cause.MISSING,
            verdict.Cause.TYPE,
            verdict.Cause.PARENT,
        ):
            self.assertGreater(seen[cause], 2, seen)
