# SPDX-License-Identifier: Apache-2.0
"""The files for Kolla, Kolla Ansible and OpenStack-Ansible."""

import configparser
import json
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap

import fixtures
import jinja2
from nova.conf import scheduler as nova_options
from nova.scheduler import filters as nova_filters
from oslo_config import cfg
from oslo_log import log as logging
import testtools
import yaml

from nova_mdev_compat.conf import collector as collector_options
from nova_mdev_compat.conf import loading
from nova_mdev_compat.conf import mdev_compat as filter_options

ROOT = pathlib.Path(__file__).parents[2]
DEPLOY = ROOT / 'deploy'
KOLLA = DEPLOY / 'kolla-ansible'
OSA = DEPLOY / 'openstack-ansible'
UNITS = ROOT / 'etc/systemd'
PLAYBOOK = pathlib.Path(sys.executable).with_name('ansible-playbook')
VARIABLES = OSA / 'user_variables_nova_mdev.yml'

#: Kolla's module talks to Docker or Podman, which may not be there. This
#: records how it was called, and says that the container has to be changed.
KOLLA_CONTAINER = """\
import json
from ansible.module_utils.basic import AnsibleModule
names = ('action', 'command', 'common_options', 'detach', 'dimensions',
         'healthcheck', 'image', 'labels', 'name', 'privileged',
         'restart_policy', 'volumes')
module = AnsibleModule({{name: {{'type': 'raw'}} for name in names}})
with open({calls!r}, 'a') as calls:
    calls.write(json.dumps(module.params) + '\\n')
module.exit_json(changed=True)
"""
#: Variables of Kolla Ansible that the playbook uses.
KOLLA_VARIABLES = {
    'config_owner_group': os.getgid(),
    'config_owner_user': os.getuid(),
    'container_config_directory': '/var/lib/kolla/config_files',
    'default_container_dimensions': {},
    'default_container_healthcheck_retries': 3,
    'default_container_healthcheck_timeout': 30,
    'docker_common_options': {'restart_policy': 'unless-stopped'},
    'docker_image_url': 'registry.example/kolla/',
    'enable_container_healthchecks': True,
    'openstack_tag': '2026.1-debian-13',
}
#: There is no systemd to ask, so this stands for it: it records what it is
#: told, and shows a unit that is loaded and running.
SYSTEMCTL = """\
#!/bin/sh
echo "systemctl $*" >>{calls}
case $* in
show*) printf 'LoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\n' ;;
is-enabled*) echo enabled ;;
esac
"""
#: /etc is a copy for the playbook, and for nothing else.
NAMESPACE = 'mount --bind {etc} /etc && exec "$@"'


def read(path, *args):
    """Return options of the scheduler, read as Nova does."""
    conf = cfg.ConfigOpts()
    nova_options.register_opts(conf)
    filter_options.register_opts(conf)
    conf(['--config-file', str(path), *args], default_config_files=[])
    return conf


class AnsibleTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def play(self, playbook, variables, before=(), **environment):
        variables = {
            'ansible_become': False,
            'ansible_connection': 'local',
            'ansible_python_interpreter': sys.executable,
            **variables,
        }
        done = subprocess.run(
            [
                *before,
                PLAYBOOK,
                '--inventory=host,',
                f'--extra-vars={json.dumps(variables)}',
                playbook,
            ],
            cwd=self.home,
            env={
                **os.environ,
                'ANSIBLE_HOME': f'{self.home}/ansible',
                'ANSIBLE_PIPELINING': '1',
                'ANSIBLE_REMOTE_TMP': f'{self.home}/ansible/tmp',
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def assert_enables_filter(self, conf):
        """Nova finds all enabled filters: its default, and ours."""
        default = read(os.devnull).filter_scheduler.enabled_filters
        enabled = conf.filter_scheduler.enabled_filters
        self.assertEqual([*default, 'MdevCompatFilter'], enabled)
        found = nova_filters.HostFilterHandler().get_matching_classes(
            conf.filter_scheduler.available_filters
        )
        self.assertLessEqual(set(enabled), {item.__name__ for item in found})
        self.assertEqual('permissive', conf.mdev_compat.mode)

    def assert_options_exist(self, path):
        """No option in a file is unknown."""
        parser = configparser.ConfigParser(strict=False)
        parser.read(path)
        conf = read(path)
        for section in parser.sections():
            for option in parser[section]:
                conf[section][option]


class ImageTest(AnsibleTestCase):
    """Kolla's images."""

    def test_plugin(self):
        parser = configparser.ConfigParser()
        parser.read(DEPLOY / 'kolla/kolla-build.conf')
        # Kolla finds plugins of an image by this name.
        (section,) = parser.sections()
        self.assertEqual('nova-base-plugin-nova-mdev-compat', section)
        self.assertEqual(
            {'type', 'location', 'reference'}, set(parser[section])
        )

    def test_requirements(self):
        """nova-compute gets all that the collector needs."""
        # As Kolla does: its own template is the parent.
        environment = jinja2.Environment()  # noqa: S701
        parent = environment.from_string(
            '{{ nova_compute_pip_packages_append | tojson }}'
        )
        text = (DEPLOY / 'kolla/template-overrides.j2').read_text()
        shown = environment.from_string(text).render(parent_template=parent)
        self.assertEqual(self.needed(), json.loads(shown))

    def test_requirements_of_openstack_ansible(self):
        packages = yaml.safe_load(VARIABLES.read_text())
        ours, *others = packages['nova_user_pip_packages']
        self.assertTrue(ours.endswith('#egg=nova-mdev-compat'), ours)
        self.assertEqual(self.needed(), others)

    def needed(self):
        """Return names of what two extras bring, without libvirt-python."""
        parser = configparser.ConfigParser()
        parser.read(ROOT / 'setup.cfg')
        lines = '\n'.join(
            parser['extras'][name] for name in ('collector', 'metrics')
        )
        names = {line.split('>')[0] for line in lines.split()}
        return sorted(names - {'libvirt-python'})


class KollaTest(AnsibleTestCase):
    """The playbook for Kolla Ansible, and its configuration."""

    def setUp(self):
        super().setUp()
        # Beside site.yml, as Kolla Ansible has it.
        self.playbook = self.home / 'share/nova-mdev-collector.yml'
        self.calls_file = self.home / 'calls'
        library = self.home / 'share/library'
        library.mkdir(parents=True)
        shutil.copy(KOLLA / self.playbook.name, self.playbook)
        (library / 'kolla_container.py').write_text(
            KOLLA_CONTAINER.format(calls=str(self.calls_file))
        )
        shutil.copytree(KOLLA / 'config', self.home / 'config')
        self.site_rules = self.home / 'config/nova-mdev-collector/rules.d'
        self.site_rules.mkdir()
        (self.site_rules / 'site.yaml').write_text('rules of this site')
        self.state = self.home / 'state'
        # The host, on which Kolla Ansible has configured nova-compute.
        self.node = self.home / 'node'
        compute = self.node / 'nova-compute'
        compute.mkdir(parents=True)
        (compute / 'nova.conf').write_text(
            '[DEFAULT]\nstate_path = /var/lib/nova\nlog_dir = /var/log/kolla\n'
        )
        (compute / 'compute_id').write_text('a UUID')
        self.rules = self.node / 'nova-mdev-collector/rules.d'

    def run_playbook(self, **variables):
        """Run it; return how it called Kolla's module."""
        self.play(
            self.playbook,
            {
                **KOLLA_VARIABLES,
                'node_config_directory': str(self.node),
                'node_custom_config': str(self.home / 'config'),
                'nova_mdev_collector_hosts': 'host',
                'nova_mdev_collector_state_directory': str(self.state),
                **variables,
            },
        )
        lines = self.calls_file.read_text().splitlines()
        return [json.loads(line) for line in lines]

    def in_container(self, volumes, path):
        """Return which file of the host a path in the container is."""
        for volume in volumes:
            host, there, *_ = volume.split(':')
            if pathlib.PurePath(path).is_relative_to(there):
                return pathlib.Path(
                    host, pathlib.PurePath(path).relative_to(there)
                )
        return None

    def test_deploy(self):
        """It runs once for all of this, because a run takes seconds."""
        self.rules.mkdir(parents=True)
        (self.rules / 'old.yaml').write_text('deleted on the site')
        compared, started = self.run_playbook(
            nova_mdev_collector_extra_volumes=['/dev:/dev']
        )
        self.assertEqual('compare_container', compared.pop('action'))
        self.assertEqual(
            'recreate_or_restart_container', started.pop('action')
        )
        self.assertEqual(compared, started)
        self.assert_container(started)
        self.assert_files(started['volumes'])
        self.assert_rules()

    def assert_container(self, started):
        self.assertEqual('nova_mdev_collector', started['name'])
        self.assertEqual(
            'registry.example/kolla/nova-compute:2026.1-debian-13',
            started['image'],
        )
        self.assertIs(False, started['privileged'])
        self.assertEqual(
            ['CMD-SHELL', 'nova-mdev-collector status'],
            started['healthcheck']['test'],
        )
        volumes = started['volumes']
        self.assertEqual('/dev:/dev', volumes[-1])
        for name in ('/run/libvirt', '/sys'):
            self.assertIn(f'{name}:{name}:ro', volumes)

    def assert_files(self, volumes):
        """All that config.json copies is where it says."""
        directory = self.node / 'nova-mdev-collector'
        config = json.loads((directory / 'config.json').read_text())
        self.assertEqual('nova-mdev-collector run', config['command'])
        copied = {}
        for item in config['config_files']:
            source = self.in_container(volumes, item['source'])
            self.assertIsNotNone(source, item)
            if source.exists() or not item.get('optional'):
                copied[item['dest']] = source.read_text()
        conf = self.read_collector(copied)
        # Where the container has the host's file.
        (release,) = (
            volume
            for volume in volumes
            if volume.split(':')[1] == conf.collector.os_release_file
        )
        self.assertEqual('/usr/lib/os-release', release.split(':')[0])
        self.assertEqual('a UUID', copied['/var/lib/nova/compute_id'])
        self.assertIs(True, conf.use_stderr)
        # What it writes is on the host.
        for path in (conf.collector.state_file, conf.collector.devices_file):
            self.assertEqual(
                self.state, self.in_container(volumes, path).parent
            )
        # Its site's rules are those of the host.
        rules = self.in_container(volumes, conf.collector.rules_dirs[-1])
        self.assertEqual(self.rules, rules)

    def read_collector(self, copied):
        """Return the collector's options, as it reads them."""
        conf = loading.CommandOptions()
        logging.register_options(conf)
        collector_options.register_opts(conf)
        names = ('nova/nova.conf', 'nova-mdev-compat/nova-mdev-collector.conf')
        arguments = []
        for name in names:
            path = self.home / pathlib.PurePath(name).name
            path.write_text(copied[f'/etc/{name}'])
            arguments.append(f'--config-file={path}')
        loading.read(conf, arguments, default_config_files=[])
        loading.check_values(
            conf, collector_options.GROUP, collector_options.OPTS
        )
        return conf

    def assert_rules(self):
        """The host has those of the site, and no others."""
        (rule,) = self.rules.iterdir()
        self.assertEqual('rules of this site', rule.read_text())
        # The collector, which is not its owner, reads it in the mount.
        self.assertEqual(0o644, rule.stat().st_mode & 0o777)
        self.assertEqual(0o755, self.rules.stat().st_mode & 0o777)

    def test_remove(self):
        self.rules.mkdir(parents=True)
        self.state.mkdir()
        stopped, withdrawn = self.run_playbook(nova_mdev_collector_remove=True)
        self.assertEqual(
            ('stop_and_remove_container', 'nova_mdev_collector'),
            (stopped['action'], stopped['name']),
        )
        self.assertEqual('start_container', withdrawn['action'])
        self.assertIn('nova-mdev-collector withdraw', withdrawn['command'])
        # With its files, and once.
        self.assertEqual(stopped['volumes'], withdrawn['volumes'])
        self.assertEqual(
            (False, 'oneshot'),
            (withdrawn['detach'], withdrawn['restart_policy']),
        )
        self.assertFalse(self.state.exists())
        self.assertEqual(
            ['nova-compute'], [item.name for item in self.node.iterdir()]
        )

    def test_scheduler(self):
        path = KOLLA / 'config/nova/nova-scheduler.conf'
        self.assert_enables_filter(read(path))
        self.assert_options_exist(path)


class OpenStackAnsibleTest(AnsibleTestCase):
    """The playbook and the variables for OpenStack-Ansible."""

    def setUp(self):
        super().setUp()
        self.calls_file = self.home / 'calls'
        self.files = self.home / 'files'
        (self.files / 'rules.d').mkdir(parents=True)
        (self.files / 'rules.d/site.yaml').write_text('rules of this site')
        (self.files / 'nova-mdev-collector.conf').write_text('options')
        self.make_host()

    def make_host(self):
        """Make what os_nova has installed: an environment, and /etc/nova."""
        self.venv = self.home / 'openstack/venvs/nova-33.0.0'
        (self.venv / 'etc/nova').mkdir(parents=True)
        (self.venv / 'share/nova-mdev-compat').mkdir(parents=True)
        (self.venv / 'share/nova-mdev-compat/systemd').symlink_to(UNITS)
        calls = f'echo "{{}} $*" >>{self.calls_file}'
        self.write_command(
            self.venv / 'bin/nova-mdev-collector',
            '#!/bin/sh\n' + calls.format('nova-mdev-collector'),
        )
        self.write_command(
            self.home / 'bin/systemctl',
            SYSTEMCTL.format(calls=self.calls_file),
        )
        self.etc = self.home / 'etc'
        self.etc.mkdir()
        for name in (
            'group',
            'gshadow',
            'login.defs',
            'nsswitch.conf',
            'passwd',
            'shadow',
        ):
            if pathlib.Path('/etc', name).exists():
                shutil.copy2(f'/etc/{name}', self.etc / name)
        with (self.etc / 'group').open('a') as groups:
            groups.write('nova:x:42436:\n')
        (self.etc / 'systemd/system').mkdir(parents=True)
        (self.etc / 'nova').symlink_to(self.venv / 'etc/nova')

    def write_command(self, path, text):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run_playbook(self, **variables):
        """Run it; return which commands were called, one line each."""
        self.calls_file.write_text('')
        sudo = [] if os.geteuid() == 0 else ['sudo', '-n', '--preserve-env']
        self.play(
            OSA / 'nova-mdev-collector.yml',
            {
                'nova_mdev_collector_files': str(self.files),
                'nova_mdev_collector_hosts': 'host',
                **variables,
            },
            before=[
                *sudo,
                'unshare',
                '--mount',
                'sh',
                '-c',
                NAMESPACE.format(etc=self.etc),
                'sh',
            ],
            PATH=f'{self.home}/bin:{os.environ["PATH"]}',
        )
        return [
            line
            for line in self.calls_file.read_text().splitlines()
            if not line.startswith(('systemctl show', 'systemctl is-'))
        ]

    def test_deploy_and_remove(self):
        old = self.etc / 'nova-mdev-compat/rules.d/old.yaml'
        old.parent.mkdir(parents=True)
        old.write_text('deleted on the deployment host')
        called = self.run_playbook(nova_mdev_collector_nvidia=True)
        self.assertEqual('systemctl daemon-reload', called[0])
        self.assertEqual('systemctl restart nova-mdev-collector', called[-1])
        units = self.etc / 'systemd/system'
        self.assert_runs_of_venv(units / 'nova-mdev-collector.service')
        own = self.etc / 'nova-mdev-compat'
        (rule,) = (own / 'rules.d').iterdir()
        self.assertEqual('rules of this site', rule.read_text())
        options = own / 'nova-mdev-collector.conf'
        self.assertEqual('options', options.read_text())
        self.assertEqual(0o640, options.stat().st_mode & 0o777)
        # Its user may read nova.conf.
        self.assertRegex(
            (self.etc / 'group').read_text(), '(?m)^nova:x:42436:nova-mdev$'
        )
        self.assert_removes()

    def assert_removes(self):
        called = self.run_playbook(nova_mdev_collector_remove=True)
        withdraw = called.index('nova-mdev-collector withdraw')
        self.assertIn('systemctl stop nova-mdev-collector', called[:withdraw])
        self.assertIn(
            'systemctl disable nova-mdev-collector', called[:withdraw]
        )
        self.assertEqual([], list((self.etc / 'systemd/system').iterdir()))
        self.assertFalse((self.etc / 'nova-mdev-compat').exists())
        self.assertNotIn('nova-mdev', (self.etc / 'passwd').read_text())

    def assert_runs_of_venv(self, unit):
        """systemd accepts the unit, which starts the command of Nova's."""
        self.assertEqual((UNITS / unit.name).read_text(), unit.read_text())
        drop_ins = unit.with_name(f'{unit.name}.d')
        self.assertEqual(
            (UNITS / 'nova-mdev-collector-nvidia.conf').read_text(),
            (drop_ins / 'nvidia.conf').read_text(),
        )
        self.assertEqual(
            textwrap.dedent(f"""\
                [Service]
                ExecStart=
                ExecStart={self.venv}/bin/nova-mdev-collector run
                """),
            (drop_ins / 'openstack-ansible.conf')
            .read_text()
            .partition('\n')[2],
        )
        done = subprocess.run(
            ['systemd-analyze', 'verify', '--man=no', unit],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(
            (0, '', ''), (done.returncode, done.stdout, done.stderr)
        )

    def test_scheduler(self):
        """As os_nova puts it into nova.conf."""
        variables = yaml.safe_load(VARIABLES.read_text())
        parser = configparser.ConfigParser()
        parser.read_dict(variables['nova_nova_conf_overrides'])
        default = read(os.devnull).filter_scheduler.enabled_filters
        extra = variables['nova_scheduler_extra_filters']
        parser['filter_scheduler']['enabled_filters'] = ','.join(
            [*default, *extra]
        )
        path = self.home / 'nova.conf'
        with path.open('w') as file:
            parser.write(file)
        self.assert_enables_filter(read(path))
        self.assert_options_exist(path)
