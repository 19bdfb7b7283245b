#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Puts style and script into the page of the report, and a policy that allows
them by their hashes. Usage: report-page.py PAGE STYLE SCRIPT LICENSE > PAGE"""
import base64
import hashlib
import sys

page, style, script, licence = (open(name, encoding='utf-8').read().strip() for name in sys.argv[1:])
for text, end in ((style, '</style'), (script, '</script'), (script, '<!--'), (licence, '-->')):
    if end in text.lower():
        sys.exit(f'report-page.py: {end} would end its element')


def allow(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


policy = (f"default-src 'none'; script-src {allow(script)}; style-src {allow(style)}; "
          "base-uri 'none'; form-action 'none'")
for mark, text in (('@VIGIL_CSP@', policy), ('@VIGIL_LICENSE@', licence),
                   ('@VIGIL_STYLE@', style), ('@VIGIL_SCRIPT@', script)):
    if page.count(mark) != 1:
        sys.exit(f'report-page.py: {mark} is there {page.count(mark)} times')
    page = page.replace(mark, text)
sys.stdout.buffer.write((page + '\n').encode())
