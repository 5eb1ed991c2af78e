# SPDX-License-Identifier: Apache-2.0
"""What all hosts of a cloud publish, read by operators and their tools."""
