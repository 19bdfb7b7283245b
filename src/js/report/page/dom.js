// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Elements and words. All text goes in as text nodes: nothing that an incident
// holds is ever parsed as HTML.

export function h(tag, props, ...children) {
  const el = document.createElement(tag);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) el.addEventListener(key.slice(2), value);
    else if (key === 'class') el.className = value;
    else el.setAttribute(key, value === true ? '' : value);
  }
  put(el, children);
  return el;
}

export function put(el, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) el.append(child);
  }
  return el;
}

export const $ = (id) => document.getElementById(id);
export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Shows a section, with what is in it.
export function show(id, ...children) {
  const el = $(id);
  put(el, children);
  el.hidden = false;
  return el;
}

// A function name or a path can read from right to left: it must not turn its
// surroundings around.
export const code = (text, props) => h('code', { dir: 'auto', ...props }, h('bdi', null, text));

const grouped = new Intl.NumberFormat('en');

export const count = (n) => (n === null || n === undefined ? '–' : grouped.format(Math.round(n)));

export function ms(v) {
  if (v === null || v === undefined) return '–';
  if (v >= 9_950) return `${(v / 1000).toFixed(v >= 99_500 ? 0 : 1)} s`;
  if (v >= 995) return `${(v / 1000).toFixed(2)} s`;
  return v >= 9.95 || v === 0 ? `${v.toFixed(0)} ms` : v >= 0.995 ? `${v.toFixed(1)} ms` : `${v.toFixed(2)} ms`;
}

export function percent(share) {
  if (share === null || share === undefined || !Number.isFinite(share)) return '–';
  const p = share * 100;
  if (p > 0 && p < 0.05) return '<0.1 %';
  return `${p >= 9.95 || p === 0 ? p.toFixed(0) : p.toFixed(1)} %`;
}

export function bytes(n) {
  if (n === null || n === undefined) return '–';
  for (const [unit, of] of [['GB', 2 ** 30], ['MB', 2 ** 20], ['KB', 2 ** 10]]) {
    if (n >= of) return `${(n / of).toFixed(n >= 10 * of ? 0 : 1)} ${unit}`;
  }
  return `${n} B`;
}

// A C++ name without parameters and what stands in angle brackets.
export function short(name) {
  let out = '', depth = 0;
  for (const c of name.replace(/\(anonymous namespace\)/g, '{anonymous}').replace(/\)( const)?$/, ')')) {
    if (c === '(' && depth === 0 && out.length > 0 && !out.endsWith('operator')) break;
    if (c === '>' && depth > 0) depth--;
    if (depth === 0) out += c;
    if (c === '<' && /[\w>]$/.test(out.slice(0, -1)) && ++depth === 1) out += '…';
  }
  // Without the type of what a template returns.
  return out.slice(out.lastIndexOf(' ') + 1).replace(/^v8::internal::(?=\w)/, '') || name;
}

export const place = (url, line) => (url === '' ? '' : `${url.slice(url.lastIndexOf('/') + 1) || url}${line > 0 ? `:${line}` : ''}`);
export const clock = (iso) => new Date(iso).toISOString().slice(11, 19);

// A row of buttons of which one is on. `choices` are pairs of value and label.
export function choice(label, choices, value, onchange) {
  const buttons = choices.map(([key, text]) => h('button', {
    'type': 'button', 'data-value': key, 'aria-pressed': String(key === value), 'onclick': () => set(key),
  }, text));
  function set(key) {
    for (const b of buttons) b.setAttribute('aria-pressed', String(b.dataset.value === key));
    onchange(key);
  }
  return h('div', { class: 'choice', role: 'group', 'aria-label': label }, buttons);
}
