# SPDX-License-Identifier: Apache-2.0
"""Results of checks as values: oslo.upgradecheck's cannot be compared."""


def plain(results):
    return [(int(result.code), result.details) for result in results]


def success(details):
    return (0, details)


def warning(details):
    return (1, details)


def failure(details):
    return (2, details)
