# SPDX-License-Identifier: Apache-2.0
import ddt
from hypothesis import given
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.checks import words

FINDINGS = st.lists(
    st.builds(
        words.Finding,
        st.sampled_from(words.Code),
        st.none() | st.text('abc', min_size=1),
    )
)


@ddt.ddt
class WordsTest(testtools.TestCase):
    @ddt.data(
        ([], ''),
        (['b', 'a'], 'a, b'),
        ('abcdefghij', 'a, b, c, d, e, f, g, h, i, j'),
        ('lkjihgfedcba', 'a, b, c, d, e, f, g, h, i, j and 2 more'),
    )
    @ddt.unpack
    def test_some(self, names, expected):
        self.assertEqual(expected, words.some(names))

    @ddt.data((['a'], '1 host (a)'), (['a', 'b'], '2 hosts (a, b)'))
    @ddt.unpack
    def test_count(self, names, expected):
        self.assertEqual(expected, words.count(names, 'host'))

    def test_worst_of_nothing(self):
        self.assertEqual(words.success(), words.worst([]))

    def test_worst_comes_first(self):
        self.assertEqual(
            words.failure('c; a; b'),
            words.worst(
                [
                    words.success('b'),
                    words.success(),
                    words.warning('a'),
                    words.failure('c'),
                ]
            ),
        )

    @given(FINDINGS)
    def test_nothing_gets_lost(self, findings):
        found = words.worst(findings)
        self.assertEqual(
            max((one.code for one in findings), default=0), found.code
        )
        said = [one.details for one in findings if one.details]
        self.assertEqual(
            sorted(said), sorted(found.details.split('; ')) if said else said
        )
        self.assertEqual(bool(said), found.details is not None)

    @ddt.data(
        (
            'Value for option mode from LocationInfo(location=<Locations.user: '
            "(4, True)>, detail='/a b/nova.conf') is not valid: Valid values "
            "are [x, y], but found 'z'",
            's',
            "/a b/nova.conf: [s]mode: Valid values are [x, y], but found 'z'",
        ),
        (
            'Value for option t from LocationInfo(location=<Locations.user: '
            "(4, True)>, detail='n') is not valid: not\na number",
            None,
            'n: t: not\na number',
        ),
        (
            'Failed to parse nova.conf: at nova.conf:1',
            's',
            'Failed to parse nova.conf: at nova.conf:1',
        ),
    )
    @ddt.unpack
    def test_config_error(self, message, section, expected):
        self.assertEqual(expected, words.config_error(message, section))

    @ddt.data(
        (ValueError('a\nb'), 'a'),
        (ValueError('\n a b \nc'), 'a b'),
        (ValueError(''), 'ValueError'),
        (ValueError('x' * 999), 'x' * 300),
    )
    @ddt.unpack
    def test_line(self, exc, expected):
        self.assertEqual(expected, words.line(exc))
