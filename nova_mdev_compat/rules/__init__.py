# SPDX-License-Identifier: Apache-2.0
"""Vendor rules: which source devices this host's parents accept.

loader.py reads files, and is the only module here that does I/O. parser.py
parses them with yaml_document.py and schema.py into the rules of model.py.
evaluation.py turns a rule and a parent into accept patterns. lint.py and
subsumption.py find rules that are probably mistakes.
"""
