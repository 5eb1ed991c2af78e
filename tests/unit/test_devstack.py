# SPDX-License-Identifier: Apache-2.0
"""The DevStack plugin: the filter, what runs where, and what it names.

What it writes is read by oslo.config, as Nova would.
"""

import configparser
import re

import ddt
import testtools

from nova_mdev_compat.conf import collector
from nova_mdev_compat.conf import mdev_compat
from nova_mdev_compat.conf import nova
from tests.devstack import base


@ddt.ddt
class FilterTest(base.PluginTestCase):
    def stacked(self, **env):
        self.run_ok('stack', **env)
        return base.nova_options(self.nova_conf)

    def test_added_to_what_is_there(self):
        conf = self.stacked()
        self.assertEqual(
            ['ComputeFilter', 'SameHostFilter', 'MdevCompatFilter'],
            conf.filter_scheduler.enabled_filters,
        )
        self.assertEqual(
            [base.ALL, base.CLASS], conf.filter_scheduler.available_filters
        )

    def test_options(self):
        conf = self.stacked(
            MDEV_COMPAT_MODE='permissive',
            MDEV_COMPAT_UNKNOWN='allow',
            MDEV_COMPAT_RESOURCE_CLASSES='VGPU,CUSTOM_MTTY',
            MDEV_COMPAT_CACHE_TTL='0',
        )
        self.assertEqual(
            ('permissive', 'allow', ['VGPU', 'CUSTOM_MTTY'], 0),
            tuple(
                conf.mdev_compat[name]
                for name in (
                    'mode',
                    'unknown',
                    'resource_classes',
                    'cache_ttl',
                )
            ),
        )

    def test_defaults_are_those_of_the_package(self):
        conf = self.stacked()
        for option in mdev_compat.OPTS:
            self.assertEqual(
                option.default, conf.mdev_compat[option.dest], option.name
            )

    @ddt.data(
        # The order, the case that it is there already, and blanks.
        (
            'A,MdevCompatFilter,B',
            None,
            ['A', 'MdevCompatFilter', 'B'],
            [base.ALL, base.CLASS],
        ),
        ('A, B', None, ['A', 'B', 'MdevCompatFilter'], [base.ALL, base.CLASS]),
        (
            'OurMdevCompatFilter',
            [base.ALL],
            ['OurMdevCompatFilter', 'MdevCompatFilter'],
            [base.ALL, base.CLASS],
        ),
        (
            'A',
            ['site.A', 'site.B'],
            ['A', 'MdevCompatFilter'],
            ['site.A', 'site.B', base.CLASS],
        ),
        (
            'A',
            [base.CLASS, base.ALL],
            ['A', 'MdevCompatFilter'],
            [base.CLASS, base.ALL],
        ),
        # nova.conf has none: DevStack's own, which it would have had.
        ('', None, ['X', 'Y', 'MdevCompatFilter'], [base.ALL, base.CLASS]),
    )
    @ddt.unpack
    def test_kept(self, enabled, available, enabled_now, available_now):
        self.write_lists(enabled, available)
        conf = self.stacked(NOVA_FILTERS='X,Y').filter_scheduler
        self.assertEqual(enabled_now, conf.enabled_filters)
        self.assertEqual(available_now, conf.available_filters)

    def write_lists(self, enabled, available):
        # As DevStack writes them: the lists of several lines come first.
        lines = [f'available_filters = {name}' for name in available or ()]
        if enabled:
            lines.append(f'enabled_filters = {enabled}')
        self.write(
            self.root / 'nova.conf',
            '\n'.join(
                [
                    '[filter_scheduler]',
                    *lines,
                    '[other]',
                    'enabled_filters = not ours',
                    '',
                ]
            ),
        )
        self.write(self.root / 'cpu.conf', '[placement]\nusername = n\n')

    @ddt.data(
        ('A', None),
        ('A,B', ['site.A', 'site.B']),
        ('B,A', ['site.A', base.ALL, 'site.B']),
    )
    @ddt.unpack
    def test_unstack(self, enabled, available):
        self.write_lists(enabled, available)
        before = (self.root / 'nova.conf').read_text()
        for _ in range(2):
            self.run_ok('stack')
            self.run_ok('unstack')
            self.assertEqual(before, self.nova_conf.read_text())
        # A second time there is nothing to take out.
        self.run_ok('unstack')
        self.assertEqual(before, self.nova_conf.read_text())

    def test_unstack_a_default_that_was_spelt_out(self):
        """It is not kept as text; what it means is."""
        self.write_lists('A', [base.ALL])
        self.run_ok('stack')
        self.run_ok('unstack')
        self.assertNotIn('available_filters', self.nova_conf.read_text())
        self.assertEqual(
            [base.ALL],
            base.nova_options(
                self.nova_conf
            ).filter_scheduler.available_filters,
        )

    def test_unstack_keeps_later_sections(self):
        self.run_ok('stack', LOCAL_CONF='iniset "$NOVA_CONF" later a b')
        self.run_ok('unstack')
        found = configparser.ConfigParser(interpolation=None)
        found.read(self.nova_conf)
        self.assertEqual(
            ['filter_scheduler', 'placement', 'api_database', 'later'],
            found.sections(),
        )
        self.assertEqual('b', found['later']['a'])

    def test_unstack_without_nova(self):
        self.run_ok('unstack')

    @ddt.data(
        (
            'enabled_filters A',
            'lost MdevCompatFilter: add it to '
            r'\[filter_scheduler\]enabled_filters in local.conf',
        ),
        (
            f'available_filters {base.ALL}',
            f'lost {base.CLASS}: add it to '
            r'\[filter_scheduler\]available_filters in local.conf',
        ),
    )
    @ddt.unpack
    def test_local_conf_that_replaces_a_list(self, change, words):
        self.assert_dies(
            words,
            LOCAL_CONF=(
                f'iniset_multiline "$NOVA_CONF" filter_scheduler {change}'
            ),
        )

    def test_no_filters_at_all(self):
        self.write_lists('', None)
        self.assert_dies('set NOVA_FILTERS', NOVA_FILTERS='')

    @ddt.data(('0', 0), ('1', 0), ('2', 1), ('255', 1))
    @ddt.unpack
    def test_status(self, answer, status):
        found, output = self.source(
            'stack', FAIL='upgrade check', FAIL_STATUS=answer
        )
        self.assertEqual(status, found, output)
        if status:
            self.assertIn(
                f'nova-mdev-compat-status ended with {answer}', output
            )


@ddt.ddt
class ServicesTest(base.PluginTestCase):
    """What runs where, and what is installed for it."""

    @ddt.data(
        # services, disabled, driver; installed with, filter, collector
        ('n-sch,n-cpu', '', 'libvirt', 'collector,osc', True, True),
        ('n-sch', '', 'libvirt', 'osc', True, False),
        ('n-cpu', '', 'libvirt', 'collector,osc', False, True),
        ('n-sch,n-cpu', '', 'fake', 'osc', True, False),
        (
            'n-sch,n-cpu',
            'mdev-compat-filter',
            'libvirt',
            'collector,osc',
            False,
            True,
        ),
        (
            'n-sch,n-cpu',
            'mdev-compat-collector',
            'libvirt',
            'osc',
            True,
            False,
        ),
        ('key', '', 'libvirt', None, False, False),
    )
    @ddt.unpack
    def test_enabled(
        self, services, disabled, driver, extras, filters, collects
    ):
        calls = self.run_ok(
            'stack',
            ENABLED_SERVICES=services,
            DISABLED_SERVICES=disabled,
            VIRT_DRIVER=driver,
        )
        self.assertEqual(
            [f'setup_develop {base.HOME} {extras}'] if extras else [],
            [call for call in calls if call.startswith('setup_develop')],
        )
        self.assertIs(filters, base.CLASS in self.nova_conf.read_text())
        self.assertIs(collects, self.conf.exists())
        self.run_ok(
            'unstack',
            ENABLED_SERVICES=services,
            DISABLED_SERVICES=disabled,
            VIRT_DRIVER=driver,
        )
        self.assertEqual(base.NOVA_CONF, self.nova_conf.read_text())

    @ddt.data(('', ' collector'), ('osc,nvidia', ' collector,osc,nvidia'))
    @ddt.unpack
    def test_extras(self, setting, extras):
        self.assertIn(
            f'setup_develop {base.HOME}{extras}',
            self.run_ok('stack', MDEV_COMPAT_EXTRAS=setting),
        )

    def test_no_extras_at_all(self):
        self.assertIn(
            f'setup_develop {base.HOME}',
            self.run_ok(
                'stack', ENABLED_SERVICES='n-sch', MDEV_COMPAT_EXTRAS=''
            ),
        )

    def test_twice(self):
        """stack.sh run again comes to the same."""

        def everything():
            return (
                self.run_ok('stack'),
                self.nova_conf.read_text(),
                self.conf.read_text(),
            )

        self.assertEqual(everything(), everything())

    def test_phase_that_comes_in_future(self):
        """DevStack may add phases at any time, says its documentation."""
        self.assertEqual(['phase another-mode'], self.run_ok('another-mode'))


class NamesTest(testtools.TestCase):
    """What the plugin names exists."""

    def setUp(self):
        super().setUp()
        self.text = ''.join(
            path.read_text()
            for path in sorted((base.HOME / 'devstack').rglob('*'))
            if path.is_file() and path.suffix != '.rst'
        )

    def test_options(self):
        known = {
            (group.name, option.name)
            for module in (collector, mdev_compat)
            for group, options in module.list_opts()
            for option in options
        }
        # The rest of what it sets is oslo.log's, and Nova's.
        known |= {('DEFAULT', 'debug'), ('DEFAULT', nova.STATE_PATH.name)}
        known |= {
            ('filter_scheduler', option.name) for option in base.SCHEDULER_OPTS
        }
        used = set(
            re.findall(
                r'(?:iniset|iniset_multiline|iniadd|iniget|iniget_multiline|'
                r'inidelete) "\$\w+" (\S+) ([\w-]+)',
                self.text,
            )
        )
        self.assertEqual(set(), used - known)
        # The expression has found them all.
        self.assertEqual(
            len(re.findall(r'\bini(?:set|add|get|delete)\w* ', self.code())),
            len(re.findall(r'\bini\w+ "\$\w+" \S+ [\w-]+', self.code())),
        )
        # One without a default turns something on; local.conf may set it.
        self.assertLessEqual(
            {
                ('mdev_compat', option.name)
                for option in mdev_compat.OPTS
                if option.default is not None
            },
            used,
        )

    def code(self):
        return re.sub(r'(?m)^\s*#.*$', '', self.text)

    def test_commands_and_extras(self):
        setup = configparser.ConfigParser()
        setup.read(base.HOME / 'setup.cfg')
        scripts = setup['entry_points']['console_scripts']
        for name in ('nova-mdev-collector', 'nova-mdev-compat-status'):
            self.assertIn(f'/{name}"', self.code())
            self.assertRegex(scripts, f'(?m)^{name} = ')
        for extra in ('collector', 'osc', 'nvidia'):
            self.assertIn(extra, setup['extras'])

    def test_filter(self):
        """Not imported: unit tests run without Nova."""
        self.assertIn(f'MDEV_COMPAT_FILTER_CLASS={base.CLASS}\n', self.text)
        module, name = base.CLASS.rsplit('.', 1)
        public = (base.HOME / module.replace('.', '/')).with_suffix('.py')
        self.assertIn(f"__all__ = ['{name}', ", public.read_text())
        origin = re.search(
            rf'^from (\S+) import {name}$', public.read_text(), re.MULTILINE
        )[1]
        source = (base.HOME / origin.replace('.', '/')).with_suffix('.py')
        self.assertRegex(source.read_text(), rf'(?m)^class {name}\(')

    def test_settings_are_explained(self):
        """README.rst has every setting that local.conf may have."""
        settings = re.findall(
            r'^(MDEV_COMPAT_\w+)=\$\{\1:?-',
            (base.HOME / 'devstack/settings').read_text(),
            re.MULTILINE,
        )
        readme = (base.HOME / 'devstack/README.rst').read_text()
        self.assertEqual(11, len(settings))
        for name in settings:
            self.assertIn(f'``{name}``', readme)
