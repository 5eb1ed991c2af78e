# SPDX-License-Identifier: Apache-2.0
"""The one way in which tests wait for what others do.

A process is slow to start where many run, and what it writes is not there
before it has been written. So a test polls for what it needs, and only a
failure takes as long as the deadline.
"""

import time

#: How many seconds anything may take: many times of what it takes on a
#: machine with two cores and a load of ten.
DEADLINE = 120
PAUSE = 0.05


def wait_for(condition, why, deadline=DEADLINE, pause=PAUSE):
    """Return what a condition returns, as soon as that is true.

    A file that it reads and that is not there yet counts as untrue.

    :param condition: called again and again
    :param why: what to say where it never is true, or what returns that
    :param deadline: in seconds
    :param pause: between two calls, in seconds
    :raises AssertionError: it has not been true in that time
    """
    end = time.monotonic() + deadline
    while True:
        missing = ''
        try:
            found = condition()
        except FileNotFoundError as exc:
            found, missing = None, f' ({exc.filename} is not there)'
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError((why() if callable(why) else why) + missing)
        time.sleep(pause)
