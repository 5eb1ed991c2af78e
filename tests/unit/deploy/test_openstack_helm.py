# SPDX-License-Identifier: Apache-2.0
"""The values for openstack-helm.

The chart's templates are not here. tests/data has what the real chart makes of
the values, see tools/render-openstack-helm.py.
"""

import base64
import hashlib
import pathlib

import fixtures
import testtools
import yaml

from nova_mdev_compat.cmd import collector

ROOT = pathlib.Path(__file__).resolve().parents[3]
VALUES = ROOT / 'deploy/openstack-helm/nova.yaml'
DATA = ROOT / 'tests/data/deploy/openstack-helm'


class RenderedCase(testtools.TestCase):
    CASE = 'default'

    def setUp(self):
        super().setUp()
        self.text = (DATA / f'{self.CASE}.yaml').read_text()
        self.objects = {
            (item['kind'], item['metadata']['name']): item
            for item in yaml.safe_load_all(self.text)
        }

    def named(self, kind):
        return {
            name: item
            for (found, name), item in self.objects.items()
            if found == kind
        }

    def options(self, secret):
        """Return the options as the collector reads them in its pod."""
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        nova = base64.b64decode(
            self.objects['Secret', secret]['data']['nova.conf']
        )
        (folder / 'nova.conf').write_bytes(
            b'[DEFAULT]\nlog_config_append = /etc/nova/logging.conf\n' + nova
        )
        files = self.objects['ConfigMap', 'nova-mdev-collector']['data']
        (folder / 'collector.conf').write_text(files['collector.conf'])
        conf = collector.COMMAND.new_config()
        conf(
            [
                f'--config-file={folder}/nova.conf',
                f'--config-file={folder}/collector.conf',
            ]
        )
        return conf


class DefaultTest(RenderedCase):
    def test_is_fresh(self):
        digest = hashlib.sha256(VALUES.read_bytes()).hexdigest()
        self.assertIn(digest, self.text, 'run tools/render-openstack-helm.py')

    def pods(self):
        for item in self.named('DaemonSet').values():
            yield item['spec']['template']['spec']

    def test_rights(self):
        for pod in self.pods():
            (container,) = pod['containers']
            self.assertEqual(42424, pod['securityContext']['runAsUser'])
            self.assertFalse(pod['automountServiceAccountToken'])
            self.assertNotIn('hostNetwork', pod)
            self.assertNotIn('hostPID', pod)
            self.check_rights(container['securityContext'])
            (first,) = pod['initContainers']
            self.assertEqual(
                {'drop': ['ALL'], 'add': ['CHOWN']},
                first['securityContext']['capabilities'],
            )

    def check_rights(self, context):
        self.assertEqual(
            {
                'runAsNonRoot': True,
                'readOnlyRootFilesystem': True,
                'allowPrivilegeEscalation': False,
                'capabilities': {'drop': ['ALL']},
            },
            context,
        )

    def test_writes_only_its_state(self):
        for pod in self.pods():
            (container,) = pod['containers']
            self.assertEqual(
                {'/tmp', '/var/lib/nova-mdev-compat'},
                {
                    mount['mountPath']
                    for mount in container['volumeMounts']
                    if not mount.get('readOnly')
                },
            )

    def test_secrets(self):
        """Of Nova's passwords, only that for Placement."""
        for pod in self.pods():
            (snippets,) = (
                item['projected']['sources']
                for item in pod['volumes']
                if item['name'] == 'nova-etc-snippets'
            )
            self.assertEqual(
                [['nova_placement.conf']],
                [
                    [item['path'] for item in source['secret']['items']]
                    for source in snippets
                ],
            )
        for name in self.named('Secret'):
            text = base64.b64decode(
                self.objects['Secret', name]['data']['nova.conf']
            ).decode()
            self.assertNotIn('password =', text)
            self.assertNotIn('DEFAULT', text)
            self.assertNotIn('[database]', text)
            self.assertIn('auth_url = http', text)

    def test_each_pod_has_the_secret_of_its_group(self):
        self.assertEqual(
            set(self.named('Secret')),
            {
                volume['secret']['secretName']
                for pod in self.pods()
                for volume in pod['volumes']
                if volume['name'] == 'nova-etc'
            },
        )

    def test_files_are_where_the_options_say(self):
        for name in self.named('Secret'):
            conf = self.options(name)
            self.assertFalse(conf.log_config_append)
            for pod in self.pods():
                (container,) = pod['containers']
                mounts = {
                    item['mountPath'] for item in container['volumeMounts']
                }
                self.assertIn(conf.collector.compute_id_file, mounts)
                self.assertIn(conf.collector.os_release_file, mounts)
                self.assertIn(
                    str(pathlib.Path(conf.collector.state_file).parent), mounts
                )


class GroupsTest(DefaultTest):
    CASE = 'groups'

    def check_rights(self, context):
        """Of NVIDIA's hosts: all devices, but no capability for the user."""
        self.assertEqual(
            {
                'runAsNonRoot': True,
                'readOnlyRootFilesystem': True,
                'privileged': True,
            },
            context,
        )

    def test_each_group_has_its_types(self):
        self.assertEqual(
            {
                'default': ['nvidia-558'],
                'gpu': ['nvidia-558', 'nvidia-559'],
                'c1': ['nvidia-700'],
            },
            {
                name.split('-')[3]: self.options(
                    name
                ).devices.enabled_mdev_types
                for name in self.named('Secret')
            },
        )

    def test_options_and_rules(self):
        (secret, *_) = self.named('Secret')
        self.assertEqual(30, self.options(secret).collector.interval)
        files = self.objects['ConfigMap', 'nova-mdev-collector']['data']
        self.assertIn('vendor', yaml.safe_load(files['site.yaml']))
