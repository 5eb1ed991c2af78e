# SPDX-License-Identifier: Apache-2.0

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import versions
from tests.unit import strategies


def key(raw):
    return versions.key(identity.canonical(raw))


@ddt.ddt
class KnownOrderTest(testtools.TestCase):
    @ddt.data(
        # NVIDIA's drivers: branches first, and numbers, not text.
        [
            *('470.256.02', '535.54.3', '535.161.05', '550', '550.9'),
            *('550.54.14', '550.127.5', '560.28.03', '1000.1'),
        ],
        # Kernels of distributions.
        [
            '4.18.0-553.el8_10.x86_64',
            '5.14.0-70.el9.x86_64',
            '5.14.0-427.13.1.el9_4.x86_64',
            '5.14.0-503.el9.x86_64',
        ],
        ['6.1.0-9-amd64', '6.1.0-13-amd64', '6.12.0-1-amd64'],
        ['5.15.0-91-generic', '6.8.0-31-generic', '6.8.0-101-generic'],
        # Before a release: its candidates, in their order.
        [
            *('6.11.9', '6.12.0-alpha1', '6.12.0-beta2', '6.12.0-rc1'),
            *('6.12.0-rc2', '6.12.0-rc10', '6.12.0', '6.12.1'),
        ],
        ['6.12-rc1', '6.12', '6.12.1-rc1', '6.12.1'],
        ['1.0-dev', '1.0-pre', '1.0', '1.0-el9', '1.0.1'],
    )
    def test_ascending(self, ascending):
        keys = [key(raw) for raw in ascending]
        self.assertEqual(keys, sorted(keys))
        self.assertEqual(len(keys), len(set(keys)))

    @ddt.data(
        ('550', '550.0'),
        ('550', '550.0.0'),
        ('535.54.03', '535.54.3'),
        ('6.12-rc1', '6.12.0-rc1'),
        ('1.0.0-el9', '1-el9'),
        ('550.54.14', '550-54-14'),
        ('6.1rc1', '6.1-rc-1'),
        ('0', '0.0'),
    )
    @ddt.unpack
    def test_equal(self, one, other):
        self.assertEqual(key(one), key(other))

    @ddt.data(('1.0.1', '1.1'), ('10.0.1', '10'), ('1.0.1-rc1', '1-rc1'))
    @ddt.unpack
    def test_zeros_inside_count(self, one, other):
        self.assertNotEqual(key(one), key(other))

    def test_is_version(self):
        found = filter(versions.is_version, ['550_90', '5_14', '0', 'RC1', ''])
        self.assertEqual(['550_90', '5_14', '0'], list(found))


class OrderTest(testtools.TestCase):
    @hypothesis.given(strategies.any_values, strategies.any_values)
    def test_total(self, one, other):
        left, right = versions.key(one), versions.key(other)
        self.assertEqual(1, (left < right) + (left == right) + (left > right))

    @hypothesis.given(st.lists(strategies.versions, min_size=3, max_size=3))
    def test_transitive(self, three):
        low, middle, high = sorted(three, key=versions.key)
        self.assertLessEqual(versions.key(low), versions.key(middle))
        self.assertLessEqual(versions.key(middle), versions.key(high))
        self.assertLessEqual(versions.key(low), versions.key(high))

    @hypothesis.given(strategies.versions)
    def test_candidate_comes_before_release(self, release):
        for candidate in (f'{release}_RC1', f'{release}_0_RC1'):
            self.assertLess(versions.key(candidate), versions.key(release))

    @hypothesis.given(strategies.versions, st.integers(1, 10**6))
    def test_further_number_is_newer(self, version, number):
        self.assertGreater(
            versions.key(f'{version}_{number}'), versions.key(version)
        )

    @hypothesis.given(strategies.versions)
    def test_zero_at_the_end_does_not_count(self, version):
        self.assertEqual(versions.key(version), versions.key(f'{version}_0'))
