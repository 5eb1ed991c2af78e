# SPDX-License-Identifier: Apache-2.0

import textwrap

import ddt
import testtools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import loader
from nova_mdev_compat.vendors import noop
from tests.unit import packages

PLUGIN = """
from nova_mdev_compat.vendors import base

class Thing(base.Vendor):
    vendors = {vendors}
    fact_names = {fact_names}

    def facts(self, devices):
        return {{}}
"""
NO_SUBCLASS = 'it is not a subclass of nova_mdev_compat.vendors.base.Vendor'
VENDOR = (
    "must be a PCI vendor id, '10de', or the subsystem of devices "
    "without PCI ids, 'mtty'"
)


def plugin(*vendors, **fact_names):
    """Return a plugin's class."""
    return type(
        'Some',
        (base.Vendor,),
        {
            'vendors': frozenset(vendors),
            'fact_names': fact_names,
            'facts': lambda _self, _devices: {},
        },
    )


class LoaderTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.packages = self.useFixture(packages.Packages())

    def install(self, name, text):
        """Install a package with one plugin."""
        self.packages.write(name, text)
        self.packages.install(
            name, loader.NAMESPACE, {name: f'a_plugin_{name}:Thing'}
        )

    def refuse(self, *names):
        return str(self.assertRaises(exceptions.BadInput, loader.load, names))


@ddt.ddt
class LoadTest(LoaderTestCase):
    def test_those_of_other_packages(self):
        """Beside our own, which are installed where tests run."""
        self.install(
            'acme',
            PLUGIN.format(
                vendors="frozenset({'1b36'})", fact_names="{'ecc': 'ECC mode'}"
            ),
        )
        found = loader.load()
        self.assertIs(noop.NoOp, found['noop'])
        self.assertEqual('a_plugin_acme', found['acme'].__module__)
        self.assertEqual('acme', loader.by_vendor(found)['1B36'])

    def test_by_name(self):
        self.install('acme', 'raise RuntimeError("it is broken")')
        self.assertEqual({'noop': noop.NoOp}, loader.load(['noop']))

    def test_no_such_plugin(self):
        self.assertEqual(
            "[collector]vendor_plugins: no plugin is named 'acme' in "
            'nova_mdev_compat.vendors',
            self.refuse('noop', 'acme'),
        )

    def test_one_that_does_not_load(self):
        self.install('acme', 'raise RuntimeError("it is broken")')
        self.assertEqual(
            "[collector]vendor_plugins: plugin 'acme' (a_plugin_acme:Thing) "
            'does not load: RuntimeError: it is broken',
            self.refuse('acme'),
        )

    @ddt.data("('1b36',)", "['1b36']", "{'1b36', '10de', 'mtty'}", '()')
    def test_vendors_in_any_collection(self, vendors):
        self.install('acme', PLUGIN.format(vendors=vendors, fact_names={}))
        self.assertEqual({'acme'}, set(loader.load(['acme'])))

    @ddt.data(
        ('Thing = None', NO_SUBCLASS),
        ('class Thing: pass', NO_SUBCLASS),
        ('def Thing(conf): pass', NO_SUBCLASS),
        (
            PLUGIN.format(vendors=(), fact_names={}) + 'Thing = Thing(None)',
            NO_SUBCLASS,
        ),
        (
            """
         from nova_mdev_compat.vendors import base
         class Thing(base.Vendor):
             def facts(self, devices): return {}
         """,
            'it does not say its vendors and fact_names',
        ),
        (
            """
         from nova_mdev_compat.vendors import base
         class Thing(base.Vendor):
             vendors = frozenset({'1b36'})
             def facts(self, devices): return {}
         """,
            'it does not say its fact_names',
        ),
        (
            """
         from nova_mdev_compat.vendors import base
         class Thing(base.Vendor):
             vendors = frozenset({'1b36'})
             fact_names = {}
         """,
            'it has no facts()',
        ),
    )
    @ddt.unpack
    def test_what_is_no_plugin(self, text, why):
        self.install('acme', textwrap.dedent(text))
        message = self.refuse('acme')
        self.assertIn("[collector]vendor_plugins: plugin 'acme' (", message)
        self.assertEqual(why, message.rpartition('): ')[2])

    @ddt.data(
        ("'1b36'", "its vendors are '1b36'; they must be a set of names"),
        ("b'1b36'", 'its vendor 49 ' + VENDOR),
        ('None', 'its vendors are None; they must be a set of names'),
        ('0x1b36', 'its vendors are 6966; they must be a set of names'),
        (
            'property(lambda self: {"1b36"})',
            'its vendors are <property object at',
        ),
        ("['1b36', 5]", 'its vendor 5 ' + VENDOR),
        ('{None}', 'its vendor None ' + VENDOR),
        ("{''}", "its vendor '' " + VENDOR),
        ("{'--'}", "its vendor '--' " + VENDOR),
        # None of them is ever the vendor of a device: nobody would ask it.
        ("{'0x1b36'}", "its vendor '0x1b36' " + VENDOR),
        ("{'1b36:0005'}", "its vendor '1b36:0005' " + VENDOR),
        ("{'*'}", "its vendor '*' " + VENDOR),
        ("{'any'}", "its vendor 'any' " + VENDOR),
    )
    @ddt.unpack
    def test_vendors_that_are_none(self, vendors, why):
        self.install('acme', PLUGIN.format(vendors=vendors, fact_names={}))
        self.assertIn(
            "[collector]vendor_plugins: plugin 'acme' (<class "
            f"'a_plugin_acme.Thing'>): {why}",
            self.refuse('acme'),
        )

    @ddt.data(
        (
            "['ecc']",
            "are ['ecc']; they must be a mapping of names to what they are",
        ),
        (
            "'ecc'",
            "are 'ecc'; they must be a mapping of names to what they are",
        ),
        ('None', 'are None; they must be a mapping of names to what they are'),
        ("{'ecc': None}", "have 'ecc': None, not two texts"),
        ("{5: 'five'}", "have 5: 'five', not two texts"),
    )
    @ddt.unpack
    def test_fact_names_of_another_kind(self, fact_names, why):
        self.install(
            'acme', PLUGIN.format(vendors="{'1b36'}", fact_names=fact_names)
        )
        self.assertEqual(
            "[collector]vendor_plugins: plugin 'acme' (<class "
            f"'a_plugin_acme.Thing'>): its fact_names {why}",
            self.refuse('acme'),
        )

    @ddt.data(
        (
            "['on']",
            "are ['on']; they must be a mapping of names of facts to "
            'sets of values',
        ),
        (
            "{'gsp': {'on'}}",
            "have 'gsp', which its fact_names do not announce",
        ),
        ("{'ecc': 'on'}", "have 'ecc': 'on', not a set"),
        ("{'ecc': None}", "have 'ecc': None, not a set"),
        ("{'ecc': [True]}", "have 'ecc': True, which no trait can carry"),
        ("{'ecc': ['--']}", "have 'ecc': '--', which no trait can carry"),
    )
    @ddt.unpack
    def test_fact_values_of_another_kind(self, fact_values, why):
        self.install(
            'acme',
            PLUGIN.format(vendors="{'1b36'}", fact_names="{'ecc': 'ECC mode'}")
            + f'    fact_values = {fact_values}\n',
        )
        self.assertIn(f'its fact_values {why}', self.refuse('acme'))

    @ddt.data('', 'ECC', 'ecc_mode', 'ecc-mode', '2ecc', 'ecc\n')
    def test_what_is_no_fact_name(self, name):
        self.install(
            'acme',
            PLUGIN.format(
                vendors="{'1b36'}", fact_names={'ecc': 'fine', name: 'not so'}
            ),
        )
        self.assertIn(
            f'its fact_names: {name!r} is not a fact name: lower case '
            'letters and digits, a letter first',
            self.refuse('acme'),
        )

    @ddt.data(*identity.FACTS)
    def test_a_fact_of_the_collector_itself(self, name):
        self.install(
            'acme',
            PLUGIN.format(
                vendors="{'1b36'}", fact_names={name: 'known better'}
            ),
        )
        self.assertIn(
            f'its fact_names: the collector itself gives {name!r}',
            self.refuse('acme'),
        )


@ddt.ddt
class VendorTest(LoaderTestCase):
    @ddt.data(
        ['10de', '10de'],
        ['10de', '10DE'],
        ['mtty', 'Mtty'],
        ['vfio-ap', 'vfio_ap'],
    )
    @ddt.unpack
    def test_two_for_one(self, one, other):
        for name, vendor in (('acme', one), ('bcme', other)):
            self.install(
                name,
                PLUGIN.format(vendors=[vendor, f'only {name}'], fact_names={}),
            )
        self.assertEqual(
            "[collector]vendor_plugins: plugins 'acme' and 'bcme' both speak "
            f'for vendor {other!r}; name only one of them',
            self.refuse('acme', 'bcme'),
        )
        self.assertEqual({'bcme'}, set(loader.load(['bcme'])))

    def test_one_for_several(self):
        found = loader.by_vendor(
            {'acme': plugin('10de', '10DE', 'mtty'), 'noop': noop.NoOp}
        )
        self.assertEqual({'10DE': 'acme', 'MTTY': 'acme'}, found)


@ddt.ddt
class FactsTest(testtools.TestCase):
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
            loader.facts_of(self.classes, vendor),
        )

    def test_values_of_those_that_have_few(self):
        few = plugin('1b36', ecc='ECC mode', ports='their number')
        few.fact_values = {'ecc': frozenset({'on', 'n/a'})}
        other = plugin('mtty', ecc='whatever it says')
        own = {'intree': frozenset({'YES', 'NO'})}
        for vendor, expected in (
            ('1B36', {**own, 'ecc': frozenset({'ON', 'N_A'})}),
            ('MTTY', own),
            ('10DE', own),
            # To some vendor's devices it may be anything.
            (None, own),
        ):
            self.assertEqual(
                expected,
                loader.values_of({'few': few, 'other': other}, vendor),
            )
        self.assertEqual(
            {**own, 'ecc': frozenset({'ON', 'N_A'})},
            loader.values_of({'few': few}, None),
        )

    def test_nvidias_values(self):
        found = loader.values_of(loader.load(['nvidia']), '10DE')
        self.assertEqual({'ON', 'OFF', 'UNSUPPORTED'}, found['ecc'])
        self.assertEqual(
            {'ecc', 'mig', 'gsp', 'migration', 'intree'}, set(found)
        )

    def test_nothing_changes_the_collectors_own(self):
        before = dict(identity.FACTS)
        loader.facts_of(self.classes, None)
        self.assertEqual(before, identity.FACTS)
