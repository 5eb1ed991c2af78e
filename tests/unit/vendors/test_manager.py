# SPDX-License-Identifier: Apache-2.0

import threading

import ddt
from oslo_config import cfg
import testtools

from nova_mdev_compat.common import time_limit
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern as pat
from nova_mdev_compat.host import parents
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import manager
from nova_mdev_compat.vendors import noop
from nova_mdev_compat.vendors import nvidia
from tests.unit import packages
from tests.unit import vendors

BOARD = vendors.device('84', '10DE_2235', 'nvidia-558')
OTHER = vendors.device('85', '10DE_20B5')
MTTY = base.Device('mtty_mtty', 'MTTY', None, None, frozenset({'mtty-2'}))
TARGET = identity.Identity('10DE_2235', 'NVIDIA_558')
FLOOR = pat.Pattern('10DE_2235', 'NVIDIA_558')
BROKEN = (
    "vendor plugin 'acme' breaks its contract for pci_0000_84_00_0: it "
    'returned '
)
NO_REASON = 'plugin acme gives no reason'
NO_SUBCLASS = 'it is not a subclass of nova_mdev_compat.vendors.base.Vendor'


class Acme(base.Vendor):
    """Answers what a test puts into it; raises it where it is an exception."""

    vendors = frozenset({'10de'})
    fact_names = {'ecc': 'ECC mode', 'vbiosversion': 'version of the BIOS'}
    #: What was made last.
    made = None

    def __init__(self, conf):
        super().__init__(conf)
        type(self).made = self
        self.asked = []
        self.answers = {}

    def facts(self, devices):
        self.asked.append(devices)
        return self.answer(
            'facts', {item.name: base.Facts() for item in devices}
        )

    def accepts(self, device, target):
        self.asked.append((device, target))
        return self.answer('accepts', None)

    def answer(self, question, default):
        found = self.answers.get(question, default)
        if isinstance(found, BaseException):
            raise found
        return found() if callable(found) else found


class Mtty(Acme):
    vendors = frozenset({'mtty'})
    fact_names = {'ports': 'number of ports'}


class Broken(Acme):
    """Raises, when it is made, what a test puts here."""

    error = None

    def __init__(self, conf):
        if self.error is not None:
            raise self.error
        super().__init__(conf)


class NoFacts(base.Vendor):
    vendors = frozenset({'1b36'})
    fact_names = {}


class Slow(Acme):
    """Waits, when it is made, for the end of a test."""

    end = None

    def __init__(self, conf):
        self.end.wait()


class OnlyFacts(base.Vendor):
    vendors = frozenset({'10de'})
    fact_names = {}

    def facts(self, devices):
        return {}


class ManagerTestCase(testtools.TestCase):
    """Asks two of the plugins above."""

    options = {}

    def setUp(self):
        super().setUp()
        self.conf = vendors.config(self, **self.options)
        self.start(Acme, Mtty)
        self.acme, self.mtty = Acme.made, Mtty.made

    def start(self, *classes):
        self.vendors = manager.Vendors(
            self.conf, {plugin.__name__.lower(): plugin for plugin in classes}
        )

    def refuse(self, question, *args, kind=manager.VendorError):
        error = self.assertRaises(kind, question, *args)
        self.assertIs(kind, type(error))
        return str(error)

    def failure(self, *devices, kind=manager.VendorError):
        """Return why devices could not be read: the same for all of them."""
        found = self.vendors.facts(devices)
        self.assertEqual({device.name for device in devices}, set(found))
        self.assertEqual(
            [kind] * len(devices),
            [type(failure) for failure in found.values()],
        )
        (why,) = {str(failure) for failure in found.values()}
        return why


@ddt.ddt
class WhoTest(ManagerTestCase):
    @ddt.data(
        (BOARD, 'acme'), (OTHER, 'acme'), (MTTY, 'mtty'), (vendors.LAB, None)
    )
    @ddt.unpack
    def test_name(self, device, name):
        self.assertEqual(name, self.vendors.name_for(device))

    def test_nobody(self):
        self.assertEqual({}, self.vendors.facts([vendors.LAB]))
        self.assertIsNone(
            self.vendors.accepts(
                vendors.LAB, identity.Identity('1B36_0005', 'LABGPU_1')
            )
        )
        self.assertEqual([], self.acme.asked + self.mtty.asked)

    @ddt.data(
        (BOARD, Acme.fact_names), (MTTY, Mtty.fact_names), (vendors.LAB, ())
    )
    @ddt.unpack
    def test_fact_names(self, device, names):
        """Whether or not it can say them now."""
        self.acme.answers['facts'] = RuntimeError('no board')
        self.assertEqual(frozenset(names), self.vendors.fact_names(device))

    def test_no_devices(self):
        self.assertEqual({}, self.vendors.facts([]))
        self.assertEqual([], self.acme.asked)

    def test_each_is_asked_about_its_own_all_at_once(self):
        """And always in the same order."""
        found = self.vendors.facts(iter([OTHER, MTTY, vendors.LAB, BOARD]))
        self.assertEqual([(BOARD, OTHER)], self.acme.asked)
        self.assertEqual([(MTTY,)], self.mtty.asked)
        self.assertEqual({BOARD.name, OTHER.name, MTTY.name}, set(found))

    @ddt.data([], [noop.NoOp])
    def test_no_plugin_for_them(self, classes):
        self.start(*classes)
        self.assertEqual(
            [None, None],
            [self.vendors.name_for(device) for device in (BOARD, MTTY)],
        )
        self.assertEqual({}, self.vendors.facts([BOARD, MTTY]))

    def test_two_for_one_vendor(self):
        self.assertIn(
            "plugins 'acme' and 'slow' both declare vendor '10de'",
            self.refuse(self.start, Slow, Acme, kind=exceptions.BadInput),
        )


@ddt.ddt
class FactsTest(ManagerTestCase):
    def facts(self, values=None, unknown=None):
        """Return what comes of facts that the plugin says of a board."""
        self.acme.answers['facts'] = {
            BOARD.name: base.Facts(values or {}, unknown or {})
        }
        (found,) = self.vendors.facts([BOARD]).values()
        return found

    def refuse_answer(self, answer):
        self.acme.answers['facts'] = answer
        return self.failure(BOARD)

    def test_all(self):
        values = {'ecc': 'on', 'vbiosversion': '94.02.5C'}
        self.assertEqual(base.Facts(values), self.facts(values))

    @ddt.data(
        # What is not mentioned, and what has no reason.
        ({}, {}, {'ecc': NO_REASON, 'vbiosversion': NO_REASON}),
        ({}, {'ecc': ''}, {'ecc': NO_REASON, 'vbiosversion': NO_REASON}),
        ({'ecc': 'on'}, {'vbiosversion': 'why'}, {'vbiosversion': 'why'}),
        # A known fact is not unknown.
        ({'ecc': 'on'}, {'ecc': 'why'}, {'vbiosversion': NO_REASON}),
    )
    @ddt.unpack
    def test_unknown(self, values, unknown, expected):
        self.assertEqual(
            base.Facts(values, expected), self.facts(values, unknown)
        )

    def test_other_devices_are_ignored(self):
        names = (BOARD.name, MTTY.name, 'nonsense')
        self.acme.answers['facts'] = dict.fromkeys(names, base.Facts())
        self.assertEqual({BOARD.name}, set(self.vendors.facts([BOARD])))

    @ddt.data(None, [], 'ecc', base.Facts())
    def test_no_mapping(self, answer):
        self.acme.answers['facts'] = answer
        self.assertEqual(
            "vendor plugin 'acme' breaks its contract: it "
            f'returned {answer!r} instead of a mapping',
            self.failure(BOARD, OTHER),
        )

    @ddt.data(
        # Devices that are missing: the fact may be true of the others only.
        ({}, 'None instead of Facts'),
        ({OTHER.name: base.Facts()}, 'None instead of Facts'),
        ({BOARD.name: {'ecc': 'on'}}, "{'ecc': 'on'} instead of Facts"),
    )
    @ddt.unpack
    def test_no_facts(self, answer, what):
        self.assertEqual(BROKEN + what, self.refuse_answer(answer))

    @ddt.data('driver', 'mig', 'ECC', '', 'ports')
    def test_a_fact_that_is_not_declared(self, name):
        for facts in (
            base.Facts({name: '1.0'}),
            base.Facts({}, {name: 'no idea'}),
        ):
            self.assertEqual(
                f'{BROKEN}the fact {name!r}, which its fact_names do not '
                'declare',
                self.refuse_answer({BOARD.name: facts}),
            )

    @ddt.data(
        ('', 'has no letter or digit that a trait could carry'),
        ('?', 'has no letter or digit that a trait could carry'),
        ('x' * 250, 'has 271 characters, Placement takes 255'),
    )
    @ddt.unpack
    def test_a_value_that_no_trait_can_carry(self, value, why):
        message = self.refuse_answer({BOARD.name: base.Facts({'ecc': value})})
        self.assertTrue(
            message.startswith(
                f'{BROKEN}ecc = {value!r}, a value that no trait can carry: '
            )
        )
        self.assertTrue(message.endswith(why), message)

    @ddt.data(
        {},
        {OTHER.name: base.Facts({'driver': '1.0'})},
        {OTHER.name: base.Facts({'ecc': '?'})},
    )
    def test_one_wrong_device_of_several(self, answer):
        facts = base.Facts({'ecc': 'on', 'vbiosversion': '94.02.5C'})
        self.acme.answers['facts'] = {BOARD.name: facts, **answer}
        found = self.vendors.facts([BOARD, OTHER])
        self.assertEqual(facts, found.pop(BOARD.name))
        (failure,) = found.values()
        self.assertIs(manager.VendorError, type(failure))
        self.assertIn('breaks its contract for pci_0000_85_00_0', str(failure))

    @ddt.data(
        exceptions.Failure('the board does not answer'),
        exceptions.BadInput('set [acme]mode'),
    )
    def test_one_sick_device_of_several(self, failure):
        """The plugin reports it, and the others are not affected."""
        facts = base.Facts({'ecc': 'on', 'vbiosversion': '94.02.5C'})
        answer = {BOARD.name: failure, OTHER.name: facts}
        self.acme.answers['facts'] = answer
        ports = {MTTY.name: base.Facts({'ports': '2'})}
        self.mtty.answers['facts'] = ports
        self.assertEqual(
            answer | ports, self.vendors.facts([BOARD, OTHER, MTTY])
        )

    def test_an_instance_does_not_declare_more_than_its_class(self):
        """The class was checked; it has no ``driver``."""
        self.acme.fact_names = {'driver': 'known better'}
        self.assertIn(
            "the fact 'driver', which its fact_names do not",
            self.refuse_answer({BOARD.name: base.Facts({'driver': '1.0'})}),
        )


@ddt.ddt
class AcceptsTest(ManagerTestCase):
    def accepts(self, answer, device=BOARD):
        plugin = self.acme if device is not MTTY else self.mtty
        plugin.answers['accepts'] = answer
        return self.vendors.accepts(device, TARGET)

    def refuse_answer(self, answer):
        return self.refuse(self.accepts, answer)

    def test_leaves_it_to_the_rules(self):
        self.assertIsNone(self.accepts(None))
        self.assertEqual([(BOARD, TARGET)], self.acme.asked)

    def test_by_default(self):
        self.start(OnlyFacts)
        self.assertIsNone(self.vendors.accepts(BOARD, TARGET))

    @ddt.data([], (), frozenset(), {}, iter(()))
    def test_nothing_at_all(self, answer):
        self.assertEqual(frozenset(), self.accepts(answer))

    @ddt.data([FLOOR], (FLOOR, FLOOR), {FLOOR}, iter([FLOOR]), {FLOOR: 'why'})
    def test_any_collection(self, answer):
        self.assertEqual({FLOOR}, self.accepts(answer))

    def test_from_a_generator(self):
        def answer():
            yield FLOOR
            yield pat.Pattern('10DE_20B5', 'NVIDIA_558')

        self.assertEqual(2, len(self.accepts(answer)))

    @ddt.data(
        (BOARD, '10DE_2235'),
        (BOARD, '10DE_20B5'),
        (BOARD, '10DE_ANY'),
        (MTTY, 'MTTY'),
        (MTTY, 'MTTY_ANY'),
    )
    @ddt.unpack
    def test_parents_of_its_vendor(self, device, parent):
        newer = pat.Condition('driver', pat.Op.GE, '550')
        pattern = pat.Pattern(parent, pat.ANY, (newer,))
        self.assertEqual({pattern}, self.accepts([pattern], device))

    @ddt.data(
        ('8086_2235', '8086:2235'),
        ('8086_ANY', '8086:any'),
        ('MTTY', 'mtty'),
        ('ANY', 'any'),
        ('10DE_ANY_ANY', '10de_any_any'),
    )
    @ddt.unpack
    def test_another_vendor(self, parent, shown):
        self.assertEqual(
            f'{BROKEN}a pattern for another vendor: {shown}',
            self.refuse_answer([FLOOR, pat.Pattern(parent, 'NVIDIA_558')]),
        )

    def test_a_pci_vendor_for_a_subsystem(self):
        self.assertIn(
            'a pattern for another vendor: 10de:any',
            self.refuse(
                self.accepts, [pat.Pattern('10DE_ANY', 'MTTY_2')], MTTY
            ),
        )

    @ddt.data(
        (['CUSTOM_MDEV_ACCEPT_A__B'], "'CUSTOM_MDEV_ACCEPT_A__B'"),
        ([FLOOR, None], 'None'),
        # A text is a collection of letters.
        ('CUSTOM_MDEV_ACCEPT_A__B', "'C'"),
    )
    @ddt.unpack
    def test_no_pattern(self, answer, what):
        self.assertEqual(
            f'{BROKEN}{what} instead of a pattern', self.refuse_answer(answer)
        )

    @ddt.data(True, 0, FLOOR)
    def test_no_collection(self, answer):
        self.assertIn(
            'object is not iterable; this is a bug in the plugin',
            self.refuse_answer(answer),
        )

    @ddt.data(
        (
            pat.Pattern('10DE_2235', 'X' * 240),
            'characters, Placement takes 255',
        ),
        (
            pat.Pattern(
                '10DE_2235', 'X', (pat.Condition('os', pat.Op.IS, 'LT_2'),)
            ),
            'a trait cannot tell LT in a value from an operator',
        ),
    )
    @ddt.unpack
    def test_a_pattern_that_no_trait_can_carry(self, pattern, why):
        message = self.refuse_answer([pattern])
        self.assertTrue(
            message.startswith(f'{BROKEN}a pattern that no trait can carry: '),
            message,
        )
        self.assertTrue(message.endswith(why), message)

    def test_a_generator_that_raises(self):
        """It runs while it is read."""

        def answer():
            yield FLOOR
            yield pat.Pattern('10de_2235', 'NVIDIA_558')

        self.assertIn(
            "asked what pci_0000_84_00_0 accepts: IdentityError: '10de_2235' "
            'in a pattern is not in canonical form',
            self.refuse_answer(answer),
        )

    def test_a_generator_that_cannot_answer_now(self):
        def answer():
            raise exceptions.Failure('the driver is being upgraded')
            yield

        self.assertEqual(
            'the driver is being upgraded',
            self.refuse(self.accepts, answer, kind=exceptions.Failure),
        )


@ddt.ddt
class RaiseTest(ManagerTestCase):
    def start_broken(self, error, *classes):
        """Start with a plugin that raises when it is created, and others."""
        Broken.error = error
        self.start(Broken, *classes)

    @ddt.data(
        (RuntimeError('no board'), 'RuntimeError: no board'),
        (KeyError('ecc'), "KeyError: 'ecc'"),
        (NotImplementedError(), 'NotImplementedError: '),
        (SystemExit(0), 'SystemExit: 0'),
    )
    @ddt.unpack
    def test_a_bug(self, error, shown):
        """None of them ends the collector, or passes for an answer."""
        self.acme.answers = {'facts': error, 'accepts': error}
        text = 'vendor plugin {!r}, {}: {}; this is a bug in the plugin'.format
        self.assertEqual(
            text('acme', 'asked for facts', shown), self.failure(BOARD, OTHER)
        )
        self.assertEqual(
            text('acme', 'asked what pci_0000_84_00_0 accepts', shown),
            self.refuse(self.vendors.accepts, BOARD, TARGET),
        )
        self.start_broken(error)
        self.assertEqual(
            text('broken', 'when it was started', shown),
            self.failure(BOARD, OTHER),
        )

    def test_it_may_start_the_next_time(self):
        """Others go on meanwhile."""
        self.start_broken(RuntimeError('no library'), Mtty)
        for _ in range(2):
            found = self.vendors.facts([BOARD, MTTY])
            self.assertIn(
                'when it was started: RuntimeError: no library',
                str(found[BOARD.name]),
            )
            self.assertIsInstance(found[MTTY.name], base.Facts)
        self.assertIn(
            'when it was started',
            self.refuse(self.vendors.accepts, BOARD, TARGET),
        )
        Broken.error = None
        self.assertIsInstance(
            self.vendors.facts([BOARD])[BOARD.name], base.Facts
        )
        self.assertIsNone(self.vendors.accepts(BOARD, TARGET))

    @ddt.data(
        exceptions.Failure('the driver is being upgraded'),
        exceptions.BadInput('[acme]library: no such file'),
        parents.DeviceError('pci_0000_84_00_0: no such board'),
    )
    def test_its_own_failures_pass(self, error):
        self.acme.answers = {'facts': error, 'accepts': error}
        self.assertEqual(
            {BOARD.name: error, OTHER.name: error},
            self.vendors.facts([BOARD, OTHER]),
        )
        kind = type(error)
        self.assertIs(
            error, self.assertRaises(kind, self.vendors.accepts, BOARD, TARGET)
        )
        if isinstance(error, exceptions.BadInput):
            self.assertIs(
                error, self.assertRaises(kind, self.start_broken, error)
            )
        else:
            self.start_broken(error)
            self.assertEqual({BOARD.name: error}, self.vendors.facts([BOARD]))

    def test_options_that_are_wrong(self):
        error = cfg.RequiredOptError('library', cfg.OptGroup('acme'))
        self.acme.answers = {'facts': error, 'accepts': error}
        text = (
            'vendor plugin {!r}: value required for option library in '
            'group [acme]'
        ).format
        kind = exceptions.BadInput
        self.assertEqual(text('acme'), self.failure(BOARD, OTHER, kind=kind))
        self.assertEqual(
            text('acme'),
            self.refuse(self.vendors.accepts, BOARD, TARGET, kind=kind),
        )
        self.assertEqual(
            text('broken'), self.refuse(self.start_broken, error, kind=kind)
        )

    def test_it_may_answer_the_next_time(self):
        error = RuntimeError('no board')
        self.acme.answers = {'facts': error, 'accepts': error}
        self.failure(BOARD)
        self.refuse(self.vendors.accepts, BOARD, TARGET)
        self.acme.answers.clear()
        self.assertIsInstance(
            self.vendors.facts([BOARD])[BOARD.name], base.Facts
        )
        self.assertIsNone(self.vendors.accepts(BOARD, TARGET))

    def test_one_that_raises_hides_nobody_elses_answer(self):
        self.acme.answers['facts'] = RuntimeError('no board')
        facts = base.Facts({'ports': '2'})
        self.mtty.answers['facts'] = {MTTY.name: facts}
        found = self.vendors.facts([BOARD, MTTY, OTHER])
        self.assertEqual(facts, found.pop(MTTY.name))
        self.assertEqual({BOARD.name, OTHER.name}, set(found))
        for failure in found.values():
            self.assertIn('RuntimeError: no board', str(failure))


class TimeoutTest(ManagerTestCase):
    options = {'vendor_timeout': 1}
    LATE = "vendor plugin '{}' has not answered for 0.05 seconds".format
    STILL = (
        "vendor plugin '{}' still has not answered an earlier question".format
    )

    def setUp(self):
        real = time_limit.TimeLimit
        self.patch(
            time_limit, 'TimeLimit', lambda who, limit: real(who, limit / 20)
        )
        super().setUp()
        self.end = threading.Event()
        self.addCleanup(self.end.set)

    def failure(self, *devices):
        return super().failure(*devices, kind=exceptions.Failure)

    def refuse_accepts(self):
        return self.refuse(
            self.vendors.accepts, BOARD, TARGET, kind=exceptions.Failure
        )

    def test_the_others_are_not_affected(self):
        self.acme.answers['facts'] = self.end.wait
        self.assertEqual(self.LATE('acme'), self.failure(BOARD, OTHER))
        self.assertEqual(self.STILL('acme'), self.refuse_accepts())
        self.assertIsInstance(
            self.vendors.facts([BOARD, MTTY])[MTTY.name], base.Facts
        )

    def test_while_it_is_created(self):
        Slow.end = self.end
        self.start(Slow)
        for text in (self.LATE, self.STILL):
            self.assertEqual(text('slow'), self.failure(BOARD, OTHER))

    def test_while_its_answer_is_read(self):
        def answer():
            yield FLOOR
            self.end.wait()

        self.acme.answers['accepts'] = answer
        self.assertEqual(self.LATE('acme'), self.refuse_accepts())


def plugin(*vendors, **fact_names):
    """Return a plugin's class."""
    return type(
        'Some',
        (OnlyFacts,),
        {'vendors': frozenset(vendors), 'fact_names': fact_names},
    )


@ddt.ddt
class DiscoveryTest(testtools.TestCase):
    """Through entry points of installed packages."""

    def setUp(self):
        super().setUp()
        self.packages = self.useFixture(packages.Packages(beside_ours=True))

    def install(self, text):
        """Install a package with one plugin, beside our own."""
        self.packages.write('acme', text)
        self.packages.install(
            'acme', manager.NAMESPACE, {'acme': 'a_plugin_acme:Thing'}
        )

    def test_all_of_them(self):
        self.install(f'from {__name__} import Mtty as Thing')
        found = manager.load()
        self.assertIs(noop.NoOp, found['noop'])
        self.assertIs(Mtty, found['acme'])

    def test_options_name_them(self):
        self.install('raise RuntimeError("it is broken")')
        conf = vendors.config(self, vendor_plugins=['noop'])
        self.assertEqual({'noop': noop.NoOp}, manager.Vendors(conf).classes)

    @ddt.named_data(
        [
            'missing',
            '',
            "no plugin is named 'other' in nova_mdev_compat.vendors",
            'other',
        ],
        [
            'broken',
            'raise RuntimeError("it is broken")',
            "plugin 'acme' (a_plugin_acme:Thing) does not load: RuntimeError: "
            'it is broken',
            'acme',
        ],
        [
            'no_plugin',
            'class Thing: pass',
            f"plugin 'acme' (<class 'a_plugin_acme.Thing'>): {NO_SUBCLASS}",
            'acme',
        ],
    )
    @ddt.unpack
    def test_refused(self, text, why, name):
        self.install(text)
        error = self.assertRaises(
            exceptions.BadInput, manager.load, ['noop', name]
        )
        self.assertEqual(f'[collector]vendor_plugins: {why}', str(error))


@ddt.ddt
class CheckTest(testtools.TestCase):
    def refuse(self, **classes):
        return str(
            self.assertRaises(exceptions.BadInput, manager.check, classes)
        )

    def refuse_one(self, vendors=('1b36',), fact_names=None, **attributes):
        """Return what is wrong with a plugin that has these attributes."""
        some = type(
            'Thing',
            (OnlyFacts,),
            {'vendors': vendors, 'fact_names': fact_names or {}, **attributes},
        )
        message = self.refuse(acme=some)
        start = f"[collector]vendor_plugins: plugin 'acme' ({some!r}): "
        self.assertTrue(message.startswith(start), message)
        return message.removeprefix(start)

    @ddt.named_data(
        ['none', None, NO_SUBCLASS],
        ['another_class', object, NO_SUBCLASS],
        ['function', noop.NoOp.accepts, NO_SUBCLASS],
        ['instance', OnlyFacts(None), NO_SUBCLASS],
        ['no_method', NoFacts, 'it has no facts()'],
    )
    @ddt.unpack
    def test_no_plugin(self, some, why):
        self.assertTrue(self.refuse(acme=some).endswith(f': {why}'))

    @ddt.data('vendors', 'fact_names')
    def test_no_attribute(self, name):
        parts = {'vendors': (), 'fact_names': {}, 'facts': OnlyFacts.facts}
        del parts[name]
        some = type('Some', (base.Vendor,), parts)
        self.assertTrue(
            self.refuse(acme=some).endswith(
                f": type object 'Some' has no attribute '{name}'"
            )
        )

    @ddt.data(('1b36',), ['1b36'], {'1b36', '10de', 'mtty'}, ())
    def test_vendors_in_any_collection(self, vendors):
        self.assertEqual(
            {'acme'}, set(manager.check({'acme': plugin(*vendors)}))
        )

    @ddt.data('1b36', b'1b36', ['1b36', 5], {None})
    def test_vendors_of_another_kind(self, vendors):
        self.assertEqual(
            f'its vendors are {vendors!r}; they must be a set of texts',
            self.refuse_one(vendors),
        )

    @ddt.data(None, 0x1B36, property(lambda self: {'1b36'}))
    def test_vendors_without_a_collection(self, vendors):
        self.assertIn('object is not iterable', self.refuse_one(vendors))

    # None of them is ever the vendor of a device.
    @ddt.data('', '--', '0x1b36', '1b36:0005', '*', 'any')
    def test_no_vendor(self, vendor):
        self.assertIn(repr(vendor), self.refuse_one({vendor}))

    @ddt.data(['ecc'], 'ecc', {'ecc': None}, {5: 'five'})
    def test_fact_names_of_another_kind(self, fact_names):
        self.assertEqual(
            f'{fact_names!r} is not a mapping of texts to texts',
            self.refuse_one(fact_names=fact_names),
        )

    @ddt.data('', 'ECC', 'ecc_mode', 'ecc-mode', '2ecc', 'ecc\n')
    def test_no_fact_name(self, name):
        self.assertEqual(
            f'{name!r} is not a fact name: lower case letters and digits, a '
            'letter first',
            self.refuse_one(fact_names={'ecc': 'fine', name: 'not so'}),
        )

    @ddt.data(*identity.FACTS)
    def test_a_fact_of_the_collector_itself(self, name):
        self.assertEqual(
            f'the collector itself provides fact {name!r}',
            self.refuse_one(fact_names={name: 'known better'}),
        )

    @ddt.data(
        (['on'], "has no attribute 'keys'"),
        (
            {'gsp': {'on'}},
            "its fact_values have 'gsp', which its fact_names do not declare",
        ),
        (
            {'ecc': 'on'},
            "its fact_values of 'ecc' are 'on'; they must be a set of texts",
        ),
        ({'ecc': None}, 'object is not iterable'),
        (
            {'ecc': [True]},
            "its fact_values of 'ecc' are [True]; they must be a set of texts",
        ),
        ({'ecc': ['--']}, "'--' has no letter or digit that a trait"),
    )
    @ddt.unpack
    def test_fact_values_of_another_kind(self, fact_values, why):
        self.assertIn(
            why,
            self.refuse_one(
                fact_names={'ecc': 'ECC mode'}, fact_values=fact_values
            ),
        )

    @ddt.data(
        ['10de', '10de'],
        ['10de', '10DE'],
        ['mtty', 'Mtty'],
        ['vfio-ap', 'vfio_ap'],
    )
    @ddt.unpack
    def test_two_for_one_vendor(self, one, other):
        self.assertEqual(
            "[collector]vendor_plugins: plugins 'acme' and 'bcme' both "
            f'declare vendor {other!r}; name only one of them',
            self.refuse(acme=plugin(one, 'a'), bcme=plugin(other, 'b')),
        )

    def test_one_for_several_vendors(self):
        self.assertEqual(
            {'10DE': 'acme', 'MTTY': 'acme'},
            manager.by_vendor(
                {'acme': plugin('10de', '10DE', 'mtty'), 'noop': noop.NoOp}
            ),
        )


@ddt.ddt
class VocabularyTest(testtools.TestCase):
    classes = {
        'acme': plugin('1b36', '1234', ecc='ECC mode'),
        'mtty': plugin('mtty', ports='number of ports'),
    }

    @ddt.data(
        ('1B36', {'ecc': 'ECC mode'}),
        ('1234', {'ecc': 'ECC mode'}),
        ('MTTY', {'ports': 'number of ports'}),
        ('10DE', {}),
        (None, {'ecc': 'ECC mode', 'ports': 'number of ports'}),
    )
    @ddt.unpack
    def test_of_a_vendor(self, vendor, expected):
        self.assertEqual(
            {**identity.FACTS, **expected},
            manager.facts_of(self.classes, vendor),
        )

    def test_values_of_those_that_have_few(self):
        few = plugin('1b36', ecc='ECC mode', ports='their number')
        few.fact_values = {'ecc': frozenset({'on', 'n/a'})}
        other = plugin('mtty', ecc='whatever it says')
        own = {
            'framework': frozenset({'MDEV', 'VFIO'}),
            'intree': frozenset({'YES', 'NO'}),
        }
        for vendor, expected in (
            ('1B36', {**own, 'ecc': frozenset({'ON', 'N_A'})}),
            ('MTTY', own),
            ('10DE', own),
            # To some vendor's devices it may be anything.
            (None, own),
        ):
            self.assertEqual(
                expected,
                manager.values_of({'few': few, 'other': other}, vendor),
            )
        self.assertEqual(
            {**own, 'ecc': frozenset({'ON', 'N_A'})},
            manager.values_of({'few': few}, None),
        )

    def test_nvidias_values(self):
        found = manager.values_of({'nvidia': nvidia.Nvidia}, '10DE')
        self.assertEqual({'ON', 'OFF', 'UNSUPPORTED'}, found['ecc'])
        self.assertEqual(
            {'ecc', 'mig', 'gsp', 'migration', 'intree', 'framework'},
            set(found),
        )

    def test_nothing_changes_the_collectors_own(self):
        before = dict(identity.FACTS)
        manager.facts_of(self.classes, None)
        self.assertEqual(before, identity.FACTS)
