# SPDX-License-Identifier: Apache-2.0
"""What the files of deploy give nova-scheduler, read with Nova's options."""

import pathlib

import fixtures
from nova.conf import scheduler
from nova.scheduler import filters as nova_filters
from oslo_config import cfg
import testtools
import yaml

from nova_mdev_compat.conf import mdev_compat
from nova_mdev_compat import filters

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / 'deploy'
#: What the charm nova-cloud-controller writes for scheduler-default-filters.
CHARM = (
    '[filter_scheduler]\nenabled_filters = ComputeFilter,MdevCompatFilter\n'
)


class DeployedFilterTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, 'nova.conf.d'
        )
        self.folder.mkdir()

    def check(self, text, nova=''):
        """Nova reads the directory although --config-file is given."""
        main = self.folder.parent / 'nova.conf'
        main.write_text(nova)
        (self.folder / 'deploy.conf').write_text(text)
        conf = cfg.ConfigOpts()
        scheduler.register_opts(conf)
        mdev_compat.register_opts(conf)
        conf(
            [f'--config-file={main}'],
            project='nova',
            default_config_dirs=[str(self.folder)],
        )
        found = nova_filters.HostFilterHandler().get_matching_classes(
            conf.filter_scheduler.available_filters
        )
        self.assertIn(filters.MdevCompatFilter, found)
        enabled = conf.filter_scheduler.enabled_filters
        self.assertEqual(
            set(), set(enabled) - {item.__name__ for item in found}
        )
        self.assertEqual('MdevCompatFilter', enabled[-1])
        self.assertEqual('permissive', conf.mdev_compat.mode)
        self.assertEqual(['VGPU'], conf.mdev_compat.resource_classes)

    def test_openstack_helm(self):
        values = yaml.safe_load(
            (DEPLOY / 'openstack-helm/nova.yaml').read_text()
        )['conf']['nova']
        lines = []
        for section, options in values.items():
            lines.append(f'[{section}]')
            for name, value in options.items():
                text = ','.join(value) if isinstance(value, list) else value
                lines.append(f'{name} = {text}')
        self.check('\n'.join(lines))

    def test_rhoso(self):
        patch = yaml.safe_load(
            (DEPLOY / 'rhoso/openstackcontrolplane.yaml').read_text()
        )
        template = patch['spec']['nova']['template']
        self.check(template['schedulerServiceTemplate']['customServiceConfig'])

    def test_juju(self):
        text = (DEPLOY / 'juju/src/charm.py').read_text()
        form = text.partition('SCHEDULER_CONF = """\\\n')[2].partition('"""')[
            0
        ]
        self.check(form.format(mode='permissive', classes='VGPU'), CHARM)
