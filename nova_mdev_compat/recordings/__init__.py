# SPDX-License-Identifier: Apache-2.0
"""Hosts as "nova-mdev-collector --dry-run --format json" recorded them.

reading.py reads a recording back, explanation.py says why a device may land
on another or not, comparison.py does so for all devices of many hosts, each
kind of device once. Pure; the commands open the files.
"""
