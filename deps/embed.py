# SPDX-License-Identifier: MIT
# Writes a text as C: `const char NAME[]` and `const size_t NAME_len`.
#   usage: embed.py NAME < TEXT > FILE.c
import sys

data = sys.stdin.buffer.read()
name = sys.argv[1]
out = [f"/* Made by deps/scripts.sh. */\n#include <stddef.h>\nextern const char {name}[];\n"
       f"extern const size_t {name}_len;\nconst char {name}[] ="]
plain = {b: chr(b) for b in range(32, 127)} | {34: '\\"', 92: '\\\\', 10: '\\n', 63: '\\?'}
for at in range(0, len(data), 1000):
    # Three octal digits: what follows cannot be taken for one more.
    out.append('"' + "".join(plain.get(b, f"\\{b:03o}") for b in data[at:at + 1000]) + '"')
out.append(f";\nconst size_t {name}_len = sizeof({name}) - 1;")
sys.stdout.write("\n".join(out) + "\n")
