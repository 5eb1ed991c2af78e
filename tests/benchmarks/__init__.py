# SPDX-License-Identifier: Apache-2.0
"""What the filter costs: see doc/source/contributor/benchmarks.rst."""

import os
import warnings

os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'True')
# Nova's libraries still import it.
warnings.filterwarnings('ignore', message=r'\s*Eventlet is deprecated')
