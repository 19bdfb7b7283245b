#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows ninja's progress: a line every few seconds, all of it in a log.

usage: ninja ... | progress.py LOG       Exits with 1 when ninja failed.
"""
import re
import sys
import time

LINE = re.compile(r'^\[(\d+)/(\d+) +(\d+)% +([\d.]+)\] (.*)')


def main():
    every = 2 if sys.stdout.isatty() else 15
    shown, failed = 0, False
    with open(sys.argv[1], 'w') as log:
        for line in sys.stdin:
            log.write(line)
            m = LINE.match(line)
            failed = failed or line.startswith(('FAILED:', 'ninja: error',
                                                'ninja: build stopped'))
            if not m:
                # What is wrong; the log has all of it.
                if failed and re.search('error|FAILED|stopped', line, re.I):
                    print(line[:400].rstrip())
                continue
            done, total, percent, elapsed = (float(x) for x in m.groups()[:4])
            if time.time() - shown < every and done < total:
                continue
            shown = time.time()
            rest = elapsed * (total - done) / done if done else 0
            print(f'  {percent:3.0f} %  {done:.0f}/{total:.0f}  '
                  f'{elapsed / 60:.1f} min gone, about {rest / 60:.1f} to go  '
                  f'{m.group(5).split()[-1][-50:]}', flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
