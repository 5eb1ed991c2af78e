# SPDX-License-Identifier: Apache-2.0

import unittest

from nova_mdev_compat.core.verdict import Cause
from nova_mdev_compat.core.verdict import Reason
from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.osc import letters
from tests import matrix_samples as samples


class LettersTest(unittest.TestCase):
    def test_text(self):
        driver = Reason(Cause.FACT, '', 'driver')
        module = Reason(Cause.FACT, '', 'module')
        ecc = Reason(Cause.MISSING, '', 'ecc')
        for reasons, expected in (
            ([], ''),
            ([driver, module], 'D'),
            ([ecc, driver], 'DE?'),
            # It differs by one condition, and is unknown to another.
            ([ecc, Reason(Cause.FACT, '', 'ecc')], 'E'),
            ([Reason(Cause.PARENT, '')], 'B'),
            ([Reason(Cause.MISSING, '')], '?'),
            ([Reason(Cause.VENDOR, '')], 'N'),
            ([Reason(Cause.FACT, '', 'cooling')], 'X'),
        ):
            self.assertEqual(expected, letters.text(reasons))

    def test_one_letter_one_meaning(self):
        known = {*letters.CAUSES.values(), *letters.FACTS.values()}
        self.assertEqual(len(known), len({one.sign for one in known}))
        self.assertEqual({*Cause} - {Cause.FACT}, letters.CAUSES.keys())

    def test_every_refusal_has_a_letter(self):
        """A verdict and its differences never contradict each other."""
        for name in ('mixed', 'forty'):
            for row in device_classes.matrix(samples.SAMPLES[name]()):
                for cell in row:
                    self.assertEqual(
                        bool(cell.verdict), not letters.text(cell.differences)
                    )
                    if cell.verdict.reasons:
                        self.assertIn(
                            cell.verdict.reasons[0].cause,
                            [one.cause for one in cell.differences],
                        )
