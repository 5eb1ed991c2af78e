# SPDX-License-Identifier: Apache-2.0
"""What .zuul.yaml names exists, here or in OpenStack's CI.

There is no Zuul to ask here. What a Zuul would know of OpenStack's own jobs
stands in the tables below, each with the place where it is defined.
"""

import configparser
import itertools
import os
import pathlib
import re

import ddt
import testtools
import yaml

HOME = pathlib.Path(__file__).parents[2]
NAME = 'nova-mdev-compat'
# As of June 2026; the templates are in zuul.d/project-templates.yaml there.
_JOBS = 'openstack-zuul-jobs/zuul.d/jobs.yaml'
#: OpenStack's jobs that are named here: where each is defined, and its tox
#: environment, None where it has none of its own.
KNOWN_JOBS = {
    'openstack-tox': (_JOBS, None),
    'openstack-tox-with-sudo': (_JOBS, None),
    'openstack-tox-cover': (_JOBS, 'cover'),
    'openstack-tox-docs': (_JOBS, 'docs'),
    'openstack-tox-pep8': (_JOBS, 'pep8'),
    'openstack-tox-py311': (_JOBS, 'py311'),
    'openstack-tox-py312': (_JOBS, 'py312'),
    'openstack-tox-py313': (_JOBS, 'py313'),
    'openstack-tox-py314': (_JOBS, 'py314'),
    # Would need a tox environment "releasenotes".
    'build-openstack-releasenotes': (_JOBS, 'releasenotes'),
    'devstack': ('devstack/.zuul.yaml', None),
}
#: OpenStack's templates, and the jobs that they bring on the main branch.
KNOWN_TEMPLATES = {
    'build-openstack-docs-pti': {'openstack-tox-docs'},
    'openstack-cover-jobs': {'openstack-tox-cover'},
    'openstack-python3-jobs': {
        'openstack-tox-pep8',
        'openstack-tox-py311',
        'openstack-tox-py312',
        'openstack-tox-py313',
        'openstack-tox-py314',
    },
    'build-release-notes-jobs-python3': {'build-openstack-releasenotes'},
}
#: Nodesets, by where they are defined: the first two by Zuul's own labels in
#: opendev/base-jobs (used by openstack-zuul-jobs), the last in devstack.
KNOWN_NODESETS = {
    'debian-bookworm',
    'debian-trixie-8GB',
    'openstack-two-node-noble',
}
#: Roles that are not ours: devstack/roles.
KNOWN_ROLES = {'orchestrate-devstack'}
PIPELINES = {'check', 'gate', 'periodic', 'periodic-weekly', 'experimental'}


def tox_environments():
    """Return the names of all environments of tox.ini."""
    found = configparser.ConfigParser(interpolation=None)
    found.read(HOME / 'tox.ini')
    return set(
        itertools.chain.from_iterable(
            _expand(section.removeprefix('testenv:'))
            for section in found.sections()
            if section.startswith('testenv:')
        )
    )


def _expand(name):
    """Return what tox makes of braces in the name of a section."""
    parts = [
        part.split(',') if number % 2 else [part]
        for number, part in enumerate(re.split(r'\{(.*?)\}', name))
    ]
    return {''.join(choice) for choice in itertools.product(*parts)}


class ZuulTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        items = yaml.safe_load((HOME / '.zuul.yaml').read_text())
        self.jobs = [item['job'] for item in items if 'job' in item]
        self.by_name = {job['name']: job for job in self.jobs}
        (self.project,) = [
            item['project'] for item in items if 'project' in item
        ]
        self.assertEqual(len(self.jobs) + 1, len(items))

    def pipeline(self, name):
        """Return the jobs of a pipeline: what is changed of each, by name."""
        found = {}
        for entry in self.project[name]['jobs']:
            ((job, changes),) = (
                {entry: {}} if isinstance(entry, str) else entry
            ).items()
            self.assertNotIn(job, found)
            found[job] = changes
        return found

    def ancestors(self, name):
        """Return a job of ours and those of ours that it inherits from."""
        while name in self.by_name:
            yield self.by_name[name]
            name = self.by_name[name]['parent']

    def inherited(self, name, key, default=None):
        return next(
            (job[key] for job in self.ancestors(name) if key in job), default
        )


class JobsTest(ZuulTestCase):
    def test_names(self):
        self.assertEqual(len(self.by_name), len(self.jobs))
        for name in self.by_name:
            self.assertTrue(name.startswith(f'{NAME}-'), name)

    def test_described(self):
        for job in self.jobs:
            self.assertIn('description', job, job['name'])

    def test_parents(self):
        for job in self.jobs:
            self.assertIn(job['parent'], {**self.by_name, **KNOWN_JOBS})

    def test_nodesets(self):
        named = {job['nodeset'] for job in self.jobs if 'nodeset' in job}
        for pipeline in PIPELINES:
            named |= {
                changes['nodeset']
                for changes in self.pipeline(pipeline).values()
                if 'nodeset' in changes
            }
        self.assertEqual(KNOWN_NODESETS, named)

    def test_playbooks(self):
        for job in self.jobs:
            for key in ('pre-run', 'run', 'post-run'):
                if key in job:
                    self.assertTrue((HOME / job[key]).is_file(), job[key])

    def test_every_nova_has_a_job(self):
        tested = {job['vars'].get('tox_envlist') for job in self.jobs}
        self.assertEqual(
            set(),
            {
                name
                for name in tox_environments()
                if re.fullmatch(r'functional-nova\d+', name)
            }
            - tested,
        )


class ToxTest(ZuulTestCase):
    def exists(self, name):
        # tox has an environment for each Python by itself.
        return name in tox_environments() or bool(re.fullmatch(r'py\d+', name))

    def test_ours(self):
        for job in self.jobs:
            environment = job['vars'].get('tox_envlist')
            if environment:
                self.assertTrue(self.exists(environment), environment)

    def test_theirs(self):
        named = set().union(
            *(KNOWN_TEMPLATES[name] for name in self.project['templates'])
        )
        for pipeline in PIPELINES:
            named |= set(self.pipeline(pipeline))
        for name in named & set(KNOWN_JOBS):
            self.assertTrue(self.exists(KNOWN_JOBS[name][1]), name)

    def test_bindep(self):
        """libvirt-python is compiled wherever a tox environment is made."""
        named = [
            job['vars']['bindep_profile']
            for job in self.jobs
            if 'bindep_profile' in job.get('vars', ())
        ]
        for pipeline in PIPELINES:
            for name, changes in self.pipeline(pipeline).items():
                if name in KNOWN_JOBS:
                    named.append(changes['vars']['bindep_profile'])
        self.assertEqual({'compile test', 'compile test cloud'}, set(named))


@ddt.ddt
class PipelinesTest(ZuulTestCase):
    def test_templates(self):
        self.assertEqual(
            [],
            [
                name
                for name in self.project['templates']
                if name not in KNOWN_TEMPLATES
            ],
        )

    def test_known(self):
        self.assertEqual(PIPELINES, set(self.project) - {'templates'})

    @ddt.data(*sorted(PIPELINES))
    def test_jobs(self, pipeline):
        self.assertEqual(
            [],
            [
                name
                for name in self.pipeline(pipeline)
                if name not in self.by_name and name not in KNOWN_JOBS
            ],
        )

    @ddt.data(*sorted(PIPELINES))
    def test_changed_jobs_of_templates(self, pipeline):
        """What is changed of a template's job would be nothing without it."""
        brought = set().union(
            *(KNOWN_TEMPLATES[name] for name in self.project['templates'])
        )
        self.assertLessEqual(
            set(self.pipeline(pipeline)) - set(self.by_name), brought
        )

    def test_all_of_ours_run_somewhere(self):
        ran = set().union(*map(self.pipeline, PIPELINES))
        self.assertEqual(set(), set(self.by_name) - ran)

    def test_gate(self):
        """Only what votes, and was seen in check, is in the gate."""
        check = self.pipeline('check')
        for name, changes in self.pipeline('gate').items():
            self.assertEqual(check[name], changes, name)
            self.assertIs(True, self.inherited(name, 'voting', True), name)

    def test_check_votes_are_gated(self):
        """Else what check refuses could merge: the newest Python aside."""
        gate = self.pipeline('gate')
        voting = {
            name
            for name in self.pipeline('check')
            if name in self.by_name and self.inherited(name, 'voting', True)
        }
        self.assertEqual({f'{NAME}-functional-py313'}, voting - set(gate))


class DevStackTest(ZuulTestCase):
    def setUp(self):
        super().setUp()
        self.job = self.by_name[f'{NAME}-devstack-mtty']

    def test_settings(self):
        """Both hosts have settings that the plugin has."""
        settings = (HOME / 'devstack/settings').read_text()
        for hosts in (self.job, self.job['group-vars']['subnode']):
            found = hosts.get('vars', hosts)['devstack_localrc']
            ours = {name for name in found if name.startswith('MDEV_COMPAT_')}
            self.assertTrue(ours)
            for name in ours:
                self.assertIn(f'\n{name}=${{{name}:-', settings)

    def test_plugin(self):
        """DevStack calls a plugin as the folder of its checkout."""
        self.assertIn(NAME, self.job['vars']['devstack_plugins'])
        self.assertRegex(
            (HOME / 'devstack/settings').read_text(),
            f'(?m)^define_plugin {NAME}$',
        )

    def test_playbook(self):
        plays = yaml.safe_load((HOME / self.job['run']).read_text())
        roles = {role for play in plays for role in play.get('roles', ())}
        self.assertEqual(KNOWN_ROLES, roles)
        commands = [
            task['command']
            for play in plays
            for task in play.get('tasks', ())
            if 'command' in task
        ]
        named = set(
            re.findall(r'\{\{ project \}\}/(\S+)', '\n'.join(commands))
        )
        self.assertEqual(
            {
                'devstack/tools/live-migrate.sh',
                'devstack/tools/refuse-all.yaml',
            },
            named,
        )
        for name in named:
            path = HOME / name
            self.assertIs(path.suffix == '.sh', os.access(path, os.X_OK))
            self.assertTrue(path.is_file(), name)
