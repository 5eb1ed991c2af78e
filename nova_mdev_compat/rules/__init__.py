# SPDX-License-Identifier: Apache-2.0
"""Vendor rules: which source devices this host's parents accept.

model.py says what a rule is, schema.py what a file looks like, document.py
reads YAML and reader.py rules from it, loader.py opens files (nothing else
here does I/O), evaluation.py turns a rule and a parent into accept patterns.
"""
