# SPDX-License-Identifier: Apache-2.0
"""Placement with one host, as a process of its own.

It says on stdout, in JSON, where it is and what the host looks like; then,
for every line on stdin, how many requests there were since the line before.
"""

import itertools
import json
import logging
import sys

from tests.functional import collector_base
from tests.functional import placement_server


def main():
    logging.disable()
    places = list(itertools.product(range(32), range(8)))[: int(sys.argv[1])]
    with placement_server.PlacementServer() as server:
        root = server.create_provider('host1')
        for slot, function in places:
            server.create_provider(
                f'host1_pci_0000_81_{slot:02x}_{function}', root
            )
        _say(
            {
                'endpoint': server.endpoint,
                'rules': str(collector_base.RULES),
                'devices': [
                    collector_base.device(slot, function=function)
                    for slot, function in places
                ],
            }
        )
        for _ in sys.stdin:
            _say(len(server.requests))
            server.requests.clear()


def _say(what):
    print(json.dumps(what), flush=True)


if __name__ == '__main__':
    main()
