// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A table that sorts by its headers, and begins with its first rows.

import { h, put } from './dom.js';

// `columns`: { key, label, title, number, value(row), cell(row) }; those with `value`
// can be sorted by. `rows` may be replaced with set().
export function table({ name, columns, sort, first = 25, onpick }) {
  let rows = [];
  let all = false;
  let by = sort;
  let down = true;
  const body = h('tbody');
  const heads = columns.map((c) => h('th', { scope: 'col', class: c.number ? 'n' : null, title: c.title },
    c.value ? h('button', { type: 'button', onclick: () => order(c) }, c.label) : c.label));
  const more = h('button', { type: 'button', class: 'more', onclick: () => { all = !all; draw(); } });
  const el = h('div', { class: 'scroll' }, h('table', { 'aria-label': name },
    h('thead', null, h('tr', null, heads)), body));

  function order(c) {
    down = by === c.key ? !down : Boolean(c.number);
    by = c.key;
    draw();
  }

  function draw() {
    const column = columns.find((c) => c.key === by);
    const way = down ? -1 : 1;
    const sorted = [...rows].sort((a, b) => {
      const [x, y] = [column.value(a), column.value(b)];
      return way * (typeof x === 'string' ? x.localeCompare(y) : x - y);
    });
    columns.forEach((c, i) => {
      if (c.key === by) heads[i].setAttribute('aria-sort', down ? 'descending' : 'ascending');
      else heads[i].removeAttribute('aria-sort');
    });
    body.replaceChildren(...sorted.slice(0, all ? rows.length : first).map((row) => {
      const tr = h('tr', null, columns.map((c) => h('td', { class: c.number ? 'n' : null }, c.cell(row))));
      if (onpick) {
        tr.classList.add('pick');
        tr.addEventListener('click', () => onpick(row));
      }
      return tr;
    }));
    more.hidden = rows.length <= first;
    more.textContent = all ? `Show the first ${first}` : `Show all ${rows.length}`;
  }

  return { el: put(h('div', { class: 'table' }), [el, more]), set(next) { rows = next; draw(); } };
}

// A share as a bar behind its figure.
export function bar(share, text) {
  const el = h('span', { class: 'bar' }, h('i'), text);
  el.firstChild.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return el;
}
