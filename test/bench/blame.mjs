// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// How much of what an incident's CPU profile has, but for idling, a function and those
// that it called are owed: a share from 0 to 1; undefined without a profile. What is
// better: the profile from the trigger on, or the one of the minute before.

import { readFileSync } from 'node:fs';

function share(profile, name) {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const within = new Map();  // id -> whether it is below the function
  const down = (node, inside) => {
    const here = inside || node.callFrame.functionName === name;
    within.set(node.id, here);
    for (const id of node.children ?? [])
      down(byId.get(id), here);
  };
  down(profile.nodes[0], false);
  let [all, blamed] = [0, 0];
  profile.samples.forEach((id, i) => {
    if (byId.get(id).callFrame.functionName === '(idle)')
      return;
    all += profile.timeDeltas[i];
    blamed += within.get(id) ? profile.timeDeltas[i] : 0;
  });
  return all ? blamed / all : 0;
}

export function blamed(folder, files, name) {
  const shares = files.filter((f) => f.name.endsWith('.cpuprofile'))
    .map((f) => share(JSON.parse(readFileSync(`${folder}/${f.name}`, 'utf8')), name));
  return shares.length ? Math.max(...shares) : undefined;
}
