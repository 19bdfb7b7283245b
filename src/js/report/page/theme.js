// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Dark and light: what the system says, until the button says otherwise.

import { h } from './dom.js';

const dark = matchMedia('(prefers-color-scheme: dark)');
const listeners = [];

export const onTheme = (fn) => listeners.push(fn);
const tell = () => listeners.forEach((fn) => fn());

function set(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  tell();
}

export const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? 'dark' : 'light')) === 'dark';

export function themeButton() {
  const button = h('button', { type: 'button', id: 'theme', onclick: () => {
    set(isDark() ? 'light' : 'dark');
  } });
  const label = () => { button.textContent = isDark() ? 'Light' : 'Dark'; };
  onTheme(label);
  label();
  dark.addEventListener('change', tell);
  // Paper is white.
  let before;
  addEventListener('beforeprint', () => { before = document.documentElement.dataset.theme ?? null; set('light'); });
  addEventListener('afterprint', () => set(before));
  return button;
}
