# SPDX-License-Identifier: Apache-2.0
"""Errors that end a command, and its exit status."""


class Failure(Exception):
    """Something outside failed, and may work the next time."""

    exit_status = 1


class BadInput(Failure):
    """Configuration, rules or devices that somebody has to put right.

    The message names file, key or device.
    """

    exit_status = 2


class PartlyDone(Failure):
    """It was done, but for some parts; the message names them."""
