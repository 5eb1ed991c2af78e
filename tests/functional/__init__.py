# SPDX-License-Identifier: Apache-2.0
"""Real Nova, real Placement, libvirt's test driver, in one process.

Up to Nova 33, Nova's fixtures work with eventlet only; nova-scheduler itself
runs with Python's threads since 33.
"""

from importlib import metadata
import os

# The real library, before Nova's fixtures forbid its import: Nova's own
# computes keep to their fake, our collector reads libvirt's test driver.
import libvirt  # noqa: F401

if int(metadata.version('nova').partition('.')[0]) >= 34:
    os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'True')

import nova.tests.functional  # noqa: F401

from tests.functional import caches

caches.keep()
