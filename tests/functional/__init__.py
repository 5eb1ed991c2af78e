# SPDX-License-Identifier: Apache-2.0
"""Real Nova, real Placement, libvirt's test driver, in one process."""

import os

# The real library, before Nova's fixtures forbid its import: Nova's own
# computes keep to their fake, our collector reads libvirt's test driver.
import libvirt  # noqa: F401

os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'True')

import nova.tests.functional  # noqa: F401
