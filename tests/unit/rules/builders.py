# SPDX-License-Identifier: Apache-2.0
"""Rules from the text of a file, and what they accept."""

from nova_mdev_compat.rules import evaluation
from nova_mdev_compat.rules import parser
from tests.unit import strategies


def read(*rules, vendor='10de'):
    """Return what the parser makes of rules: ``accepts: {type: any}``."""
    items = [
        f'  - {{name: r{number}, {text}}}\n'
        for number, text in enumerate(rules)
    ]
    raw = f'schema_version: "1.0"\nvendor: "{vendor}"\nrules:\n'
    return parser.parse('f.yaml', (raw + ''.join(items)).encode())


def rule(text='accepts: {}'):
    """Return the rule of a text without errors."""
    (found,) = read(text).rules
    return found


def accepted(rules, own):
    """Return those sources near a target that rules accept."""
    patterns = [
        pattern
        for outcome in evaluation.evaluate(rules, own)
        for pattern in outcome.patterns.values()
    ]
    return {
        source
        for source in strategies.near_sources(own)
        # Its verdict would have all reasons.
        if any(not any(one.failures(source)) for one in patterns)
    }


def rows(table):
    """Return the rows of a table, whose columns are two spaces apart."""
    return [
        [cell for cell in line.strip().split('  ') if cell]
        for line in table.splitlines()
        if line.strip() and not line.strip().startswith('#')
    ]
