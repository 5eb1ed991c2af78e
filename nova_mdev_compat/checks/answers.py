# SPDX-License-Identifier: Apache-2.0
"""Does Placement answer what the filter asks?"""

import contextlib

from nova_mdev_compat.checks import words
from nova_mdev_compat.placement import client

#: Of nobody.
_NOBODY = '00000000-0000-0000-0000-000000000000'


def check(placement: client.Placement) -> words.Finding:
    """Return whether Placement is new enough and shows all that is asked.

    :raises placement.PlacementError: it does not answer, or refuses
    """
    found = microversion(placement.newest_microversion())
    if found.code is not words.Code.SUCCESS:
        return found
    placement.carried_traits()
    placement.lineage_at('name=nobody')
    placement.allocations(_NOBODY)
    with contextlib.suppress(client.NotFound):
        placement.provider_traits(_NOBODY)
    return found


def microversion(newest: str) -> words.Finding:
    """Return whether a newest microversion, ``1.39``, is new enough."""
    try:
        enough = _number(newest) >= _number(client.MICROVERSION)
    except ValueError:
        return words.failure(
            f'what answers at its endpoint has the microversion {newest!r}, '
            'which is none of Placement'
        )
    if enough:
        return words.success()
    return words.failure(
        f'Placement has microversions up to {newest}, and '
        f'{client.MICROVERSION} (Yoga) is needed: upgrade it'
    )


def _number(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split('.')))
