# SPDX-License-Identifier: Apache-2.0
"""What may land where, said once more and without the project's code. Pure.

The rules of these hosts (hosts.RULES) are simple enough to be told twice:
the same product, and a driver from the oldest that the target takes up to the
target's own.
"""

import dataclasses

from packaging import version


@dataclasses.dataclass(frozen=True)
class Device:
    """What a device was when an instance came or went.

    :ivar oldest: the oldest driver that its host's rules take
    """

    product: str
    driver: str
    oldest: str


def accepts(source: Device, target: Device | None) -> bool:
    """Return whether an instance may go from one device to another.

    :param target: None where nothing is known of it
    """
    return (
        target is not None
        and source.product == target.product
        and version.parse(target.oldest)
        <= version.parse(source.driver)
        <= version.parse(target.driver)
    )
