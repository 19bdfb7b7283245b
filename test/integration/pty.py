# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
"""Runs a program in a terminal: pty.py COLUMNS ROWS PROGRAM [ARGUMENT...]

Its stdin and stdout are those of the terminal. A line "C R" on descriptor 3 gives
the terminal another size. The last line on stderr is JSON: the exit code (or minus
the signal), and whether the terminal's settings are what they were.
"""
import fcntl
import json
import os
import select
import signal
import struct
import sys
import termios


def set_size(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


master, slave = os.openpty()
set_size(slave, int(sys.argv[1]), int(sys.argv[2]))
before = termios.tcgetattr(slave)
child = os.fork()
if child == 0:
    os.close(master)
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.closerange(3, 64)
    os.execv(sys.argv[3], sys.argv[3:])

sources = {0, 3, master}
status = None
while status is None:
    ready, _, _ = select.select(list(sources), [], [], 0.05)
    for fd in ready:
        data = os.read(fd, 65536)
        if fd == master:
            os.write(1, data)
        elif not data:
            sources.discard(fd)
        elif fd == 0:
            os.write(master, data)
        else:
            set_size(slave, *map(int, data.split()[-2:]))
            os.kill(child, signal.SIGWINCH)
    pid, ended = os.waitpid(child, os.WNOHANG)
    if pid != 0:
        status = os.waitstatus_to_exitcode(ended)
while select.select([master], [], [], 0.2)[0]:
    os.write(1, os.read(master, 65536))
print(json.dumps({"code": status, "restored": termios.tcgetattr(slave) == before}), file=sys.stderr)
