# SPDX-License-Identifier: Apache-2.0
"""What a host publishes of itself, beside Placement.

snapshot.py is the JSON of "nova-mdev-collector dry-run", in both directions.
"""
