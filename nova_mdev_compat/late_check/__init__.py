# SPDX-License-Identifier: Apache-2.0
"""The check on the destination of a live migration."""
