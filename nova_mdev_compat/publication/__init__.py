# SPDX-License-Identifier: Apache-2.0
"""The desired traits of a host, and where they are published.

snapshot.py writes and reads the JSON of "nova-mdev-collector dry-run".
devices_file.py writes and reads the file of the late check.
"""
