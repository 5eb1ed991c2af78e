# SPDX-License-Identifier: Apache-2.0

import json

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.common import files
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import traits
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import recorded
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.publication import snapshot
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model
from tests import recordings
from tests.unit import samples

HOW = '; make one with "nova-mdev-collector dry-run --format json"'
OTHER_VALUES = st.one_of(
    st.none(),
    st.text(),
    st.integers(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.text()),
)
RECORDED = sorted(
    path.name for path in (samples.DATA / 'report').glob('*.json')
)


def recording(name='mixed.json'):
    return (samples.DATA / 'report' / name).read_text('utf-8')


def load(text, name='x'):
    raw = text.encode() if isinstance(text, str) else text
    return snapshot.load(name, raw)


def dump(*parents):
    return snapshot.dump(host_traits.HostSnapshot('x', parents))


def change(path, value):
    """Return the recording with another value at a path; None deletes it."""
    data = json.loads(recording())
    where = data
    for step in path[:-1]:
        where = where[step]
    if value is None:
        del where[path[-1]]
    else:
        where[path[-1]] = value
    return json.dumps(data)


@ddt.ddt
class SnapshotTest(testtools.TestCase):
    @ddt.data(*RECORDED)
    def test_written_and_read(self, name):
        text = recording(name)
        self.assertEqual(text, snapshot.dump(load(text)) + '\n')

    def test_recorded_parent_is_described_as_on_its_host(self):
        rules = model.RuleSet(dict([samples.rules('design_example.yaml')]))
        first = host_traits.describe(samples.parent(), rules)
        (again,) = load(dump(first)).parents
        self.assertEqual(first, host_traits.describe(again.parent, rules))

    @ddt.data(
        {},
        {'parent_id': ''},
        {'facts': {}},
        {'target_type': None, 'parent_id': ''},
    )
    def test_device_that_could_not_be_read(self, changes):
        """It accepts nothing, whatever the rules."""
        parent = samples.parent(**changes)
        unread = (traits.PARENT,) if not parent.parent_id else ()
        text = dump(
            host_traits.unreadable(
                parent, exceptions.Failure('the library is gone'), unread
            )
        )
        again = load(text)
        self.assertEqual(text, snapshot.dump(again))
        rules = loader.load([str(samples.SHIPPED_RULES)])
        (kind,) = recorded.classify([again], [None, rules])
        self.assertEqual(
            '' not in (parent.parent_id, parent.target_type),
            bool(kind.sources),
        )
        for target in kind.targets:
            answer = recorded.explain(target, samples.A16)
            self.assertIs(verdict.Status.UNKNOWN, answer.kind)
            self.assertEqual('the library is gone', str(answer))

    def test_every_shipped_rule(self):
        rules = loader.load([str(samples.SHIPPED_RULES)])
        parents = tuple(
            host_traits.describe(
                samples.parent(parent_id=name, unknown={'mig': 'no driver'}),
                rules,
            )
            for name in ('10DE_2235', '8086_0BD5', 'MTTY', '1234_1111')
        )
        self.assertEqual(parents, load(dump(*parents)).parents)

    def refuse(self, text):
        error = self.assertRaises(files.FileError, load, text, 'x.json')
        self.assertTrue(str(error).startswith('x.json is '), error)
        self.assertTrue(str(error).endswith(HOW), error)
        return str(error).removeprefix('x.json is ').removesuffix(HOW)

    @ddt.data(
        (b'', 'not JSON: Expecting value: line 1 column 1 (char 0)'),
        (
            b'{"a"',
            "not JSON: Expecting ':' delimiter: line 1 column 5 (char 4)",
        ),
        (
            b'\xff\xff',
            "not JSON: 'utf-8' codec can't decode byte 0xff in "
            'position 0: invalid start byte',
        ),
        (b'[]', 'invalid: no schema_version'),
        (b'{}', 'invalid: no schema_version'),
        (
            b'{"schema_version": 2.0}',
            'invalid: schema_version 2.0 is not a version such as "2.1"',
        ),
        (
            b'{"schema_version": "2.0"}',
            "invalid: as a whole: 'host' is a required property",
        ),
    )
    @ddt.unpack
    def test_other_document(self, text, expected):
        self.assertEqual(expected, self.refuse(text))

    def test_nested_without_end(self):
        self.assertIn(
            'not JSON: maximum recursion depth exceeded',
            self.refuse('[' * 200_000),
        )

    @ddt.data(
        (('parents',), {}, "parents: {} is not of type 'array'"),
        (
            ('parents', 1, 'facts', 'ecc'),
            True,
            "parents.1.facts.ecc: True is not of type 'string'",
        ),
        (
            ('parents', 0, 'facts'),
            None,
            "parents.0: 'facts' is a required property",
        ),
        (
            ('parents', 0, 'parent_id'),
            '10de:2235',
            "parents.0.parent_id: '10de:2235' does not match '^[A-Z0-9_]*$'",
        ),
        (('parents', 0, 'parent_id'), '', 'parents.0.parent_id: it is empty'),
        (
            ('parents', 0, 'failure'),
            7,
            "parents.0.failure: 7 is not of type 'string', 'null'",
        ),
        (
            ('parents', 0, 'accepts'),
            ['CUSTOM_MDEV_ACCEPT_X'],
            'CUSTOM_MDEV_ACCEPT_X does not read as ACCEPT_PARENT__TYPE',
        ),
        (
            ('parents', 0, 'facts', '2x'),
            'on',
            "fact 2x: '2x' is not a fact name: lower case letters and digits, a "
            'letter first',
        ),
        (
            ('parents', 1, 'rules', 0, 'skipped_because', 0, 'cause'),
            'x',
            "parents.1.rules.0.skipped_because.0.cause: 'x' is not one of "
            "['parent', 'type', 'fact', 'missing', 'vendor']",
        ),
    )
    @ddt.unpack
    def test_almost_right(self, path, value, expected):
        self.assertIn(expected, self.refuse(change(path, value)))

    @ddt.data('2.0', '2.1', '2.999')
    def test_other_minor_version(self, version):
        """Its new keys are ignored."""
        data = json.loads(recording())
        expected = load(json.dumps(data))
        data |= {'schema_version': version, 'new': {'a': [1]}}
        for parent in data['parents']:
            parent['new'] = ['b']
            for rule in parent['rules']:
                rule['new'] = None
        self.assertEqual(expected, load(json.dumps(data)))

    @ddt.data(
        (
            '1.0',
            'Upgrade it where this was written, and have it written again',
        ),
        ('3.0', 'Upgrade it here'),
    )
    @ddt.unpack
    def test_other_major_version(self, version, words):
        text = json.dumps({'schema_version': version})
        error = self.assertRaises(files.FileError, load, text)
        self.assertEqual(
            f'x: schema_version {version} cannot be read: this '
            f'nova-mdev-compat reads 2.x. {words}',
            str(error),
        )

    def test_a_long_message_is_cut(self):
        self.assertLess(
            len(self.refuse(change(('host',), ['x' * 10**6]))), 300
        )

    @hypothesis.given(
        st.one_of(
            st.binary(max_size=50),
            st.recursive(
                st.none() | st.booleans() | st.floats() | st.text(),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(), inner, max_size=3)
                ),
                max_leaves=5,
            ).map(json.dumps),
        )
    )
    def test_any_text_is_a_host_or_an_error(self, text):
        self.assert_host_or_error(text)

    def assert_host_or_error(self, text):
        try:
            load(text)
        except files.FileError as error:
            self.assertTrue(str(error))

    @hypothesis.given(st.data())
    def test_any_change_is_a_host_or_an_error(self, data):
        parsed = json.loads(recording())
        where, key = parsed, 'parents'
        for _ in range(data.draw(st.integers(0, 5))):
            inner = where[key]
            if not isinstance(inner, dict | list) or not inner:
                break
            where = inner
            keys = (
                list(inner) if isinstance(inner, dict) else range(len(inner))
            )
            key = data.draw(st.sampled_from(sorted(keys)))
        where[key] = data.draw(OTHER_VALUES)
        self.assert_host_or_error(json.dumps(parsed))


@ddt.ddt
class RecordingsTest(testtools.TestCase):
    @ddt.data(*recordings.HOSTS, *recordings.REVISIONS)
    def test_up_to_date(self, name):
        """python -m tests.recordings writes them."""
        new = name in recordings.REVISIONS
        directory = recordings.NEW_BOARD if new else recordings.DIRECTORY
        path = directory / f'{name}.json'
        self.assertEqual(recordings.text(name), path.read_text('utf-8'))
