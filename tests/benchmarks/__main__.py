# SPDX-License-Identifier: Apache-2.0
"""All benchmarks, one after the other: ``python -m tests.benchmarks``."""

import sys

from tests.benchmarks import collector_cost
from tests.benchmarks import filter_overhead
from tests.benchmarks import placement_requests
from tests.benchmarks import target_list

if __name__ == '__main__':
    sys.exit(filter_overhead.main() or placement_requests.main([])
             or collector_cost.main([]) or target_list.main([]))
