// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

#include "sea.h"

// As src/node_sea.h has it, which wants more of Node's internals.
namespace node {
namespace sea {
bool IsSingleExecutable();
}  // namespace sea
}  // namespace node

bool vigil__is_sea() {
  return node::sea::IsSingleExecutable();
}
