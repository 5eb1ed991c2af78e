# SPDX-License-Identifier: Apache-2.0
"""Take turns, and measure."""

from collections.abc import Callable, Hashable
import contextlib
import dataclasses
import gc
import random
import sys
import time
from typing import Any


@dataclasses.dataclass(frozen=True)
class Case:
    """Something to measure.

    :ivar label: what the report calls it
    :ivar run: what is timed
    :ivar restore: undoes, untimed, what a run left behind
    :ivar check: gets the result of a run; raises where it is wrong
    :ivar clock: returns seconds; time.process_time leaves out what other
        processes take meanwhile, for a run that waits for nothing
    """

    label: Hashable
    run: Callable[[], Any]
    restore: Callable[[], None]
    check: Callable[[Any], None]
    clock: Callable[[], float] = time.perf_counter

    def seconds(self):
        """Run once; return how long it took."""
        self.restore()
        start = self.clock()
        result = self.run()
        elapsed = self.clock() - start
        self.check(result)
        return elapsed


def take_turns(cases, rounds, what, collecting=False, warm_up=1):
    """Run all cases once a round; return their seconds by label.

    In turns, so that a slow spell of the machine hits all of them.

    :param what: for the progress line
    :param collecting: collect garbage meanwhile; what runs for seconds would
        fill the memory
    :param warm_up: how many rounds do not count
    """
    seconds = {case.label: [] for case in cases}
    with _garbage_collection(collecting):
        for number in range(1 - warm_up, rounds + 1):
            progress(f'{what}: round {number} of {rounds}')
            # In another order each time: a case can be quick because the one
            # before it left the processor's caches well filled.
            for case in random.sample(cases, len(cases)):
                elapsed = case.seconds()
                if number > 0:
                    seconds[case.label].append(elapsed)
    progress('')
    return seconds


@contextlib.contextmanager
def _garbage_collection(enabled):
    gc.collect()
    if not enabled:
        gc.disable()
    try:
        yield
    finally:
        gc.enable()


_BEGAN = time.monotonic()


def say(text):
    """Say what begins now, for a log, too."""
    progress('')
    print(
        f'[{time.monotonic() - _BEGAN:4.0f} s] {text}',
        file=sys.stderr,
        flush=True,
    )


def progress(text):
    """Say what is going on right now, to a person."""
    if sys.stderr.isatty():
        sys.stderr.write(f'\r\x1b[K{text}')
        sys.stderr.flush()
