# SPDX-License-Identifier: Apache-2.0
"""Count the tests in files with subunit streams, which stestr leaves.

Print those that did not pass (not with --quiet) and, as the last line, how
many there were of each sort. The exit status is 0 only when every file has
tests and all of them passed: a skipped test is one that nobody ran.
"""

import collections
from collections.abc import Callable, Iterator
import pathlib
import sys
from typing import Any

import subunit
import testtools

PASSED = frozenset({'success', 'xfail'})
TRACE_LINES = 20
Test = dict[str, Any]


def tests(path: pathlib.Path) -> Iterator[Test]:
    """Yield the tests of a stream; one that never ended is a failure."""
    found: list[Test] = []
    collect: Callable[[Test], None] = found.append
    result = testtools.StreamToDict(collect)
    result.startTestRun()
    if path.exists():
        with path.open('rb') as stream:
            subunit.ByteStreamToStreamResult(
                stream, non_subunit_name='stdout'
            ).run(result)
    result.stopTestRun()
    for test in found:
        # Packets without a status carry a worker's output, not a test.
        if test['status'] != 'exists' and test['id'] != 'stdout':
            yield test


def outcome(test: Test) -> str:
    if test['status'] in PASSED:
        return 'passed'
    return 'skipped' if test['status'] == 'skip' else 'failed'


def explain(test: Test) -> str:
    """Return a test's name, and why it was skipped or the end of its trace."""
    text = f'{outcome(test)}: {test["id"]}'
    for name, detail in test['details'].items():
        if name == 'reason':
            text += f' ({detail.as_text().strip()})'
        elif name.startswith('traceback'):
            lines = detail.as_text().strip().splitlines()[-TRACE_LINES:]
            text += ''.join(f'\n    {line}' for line in lines)
    return text


def main(args: list[str]) -> int:
    quiet = '--quiet' in args
    total: collections.Counter[str] = collections.Counter()
    without = []
    for path in [pathlib.Path(arg) for arg in args if arg != '--quiet']:
        count = collections.Counter[str]()
        for test in tests(path):
            count[outcome(test)] += 1
            if outcome(test) != 'passed' and not quiet:
                print(explain(test))
        if not count:
            without.append(path.stem)
        total += count
    for name in without:
        print(f'no test ran: {name}')
    line = f'{total["passed"]} passed, {total["failed"]} failed'
    if total['skipped']:
        line += f', {total["skipped"]} skipped'
    print(line)
    return int(bool(without or total['failed'] or total['skipped']))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
