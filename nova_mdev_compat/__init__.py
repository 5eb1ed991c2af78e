# SPDX-License-Identifier: Apache-2.0
"""Keep live migrations of mediated devices on compatible hosts.

The folders are the way of a fact of a device to a verdict: host, vendors,
rules, publication, placement, scheduler. late_check asks once more on the
destination; daemons runs on compute hosts; fleet and upgrade answer
operators; core is the vocabulary of all. doc/source/contributor/code.rst has
the map.
"""
