// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The flame graph itself: a canvas as large as what is visible of it, in a box
// that scrolls. Only what is at least half a pixel wide is drawn, so that the
// work depends on the screen and not on the profile.

import { css, h } from './dom.js';
import { isDark } from './theme.js';
import { KIND } from './tree.js';

const ROW = 20;
const MIN_PX = 0.5;
const TEXT_PX = 26;

const HUES = { [KIND.app]: [27, 88], [KIND.module]: [48, 76], [KIND.node]: [152, 34], [KIND.native]: [214, 30],
               [KIND.gc]: [344, 72], [KIND.program]: [220, 6], [KIND.all]: [220, 10] };

export const swatch = (kind, dark = isDark(), shade = 0) =>
  `hsl(${HUES[kind][0]} ${HUES[kind][1]}% ${(dark ? 58 : 70) + shade}%)`;

// From blue (less than before) over grey to red (more).
function difference(change, dark) {
  const strength = Math.min(1, Math.sqrt(Math.abs(change) * 4));
  return `hsl(${change > 0 ? 8 : 212} ${Math.round(strength * 80)}% ${Math.round((dark ? 55 : 80) - strength * 14)}%)`;
}

// `on.focus(node)` is called with what the pointer or the keyboard is at (-1: nothing),
// `on.zoom(node)` after each change of the zoom.
export class Flame {
  constructor(on) {
    this.on = on;
    this.canvas = h('canvas', { 'tabindex': 0, 'role': 'application', 'aria-roledescription': 'flame graph',
                                'aria-describedby': 'flame-keys', 'aria-label': 'Flame graph' });
    this.spacer = h('div', { class: 'spacer' }, this.canvas);
    this.el = h('div', { class: 'flamebox' }, this.spacer);
    this.tree = null;
    this.zoom = 0;
    this.selected = 0;
    this.hover = -1;
    this.hit = null;
    this.el.addEventListener('scroll', () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.el);
    this.canvas.addEventListener('pointermove', (e) => this.point(this.at(e), e));
    this.canvas.addEventListener('pointerleave', () => this.point(-1));
    this.canvas.addEventListener('click', (e) => {
      const node = this.at(e);
      if (node !== -1) this.zoomTo(node);
    });
    this.canvas.addEventListener('keydown', (e) => this.key(e));
    this.canvas.addEventListener('focus', () => this.select(this.selected));
  }

  // `model`: { functions, tree, name(node), kind(node), change(node) or null }.
  set(model) {
    Object.assign(this, model);
    this.zoom = this.selected = 0;
    this.hover = -1;
    this.order = null;
    this.fit();
    this.on.zoom(0);
  }

  fit() {
    const rows = this.tree.deepest + 1;
    const tall = Math.min(rows * ROW + 2, Math.max(240, Math.min(620, innerHeight * 0.7)));
    this.el.style.height = `${tall}px`;
    this.spacer.style.height = `${rows * ROW}px`;
    this.draw();
  }

  highlight(hit) {
    this.hit = hit;
    this.draw();
  }

  // Where a node is drawn: [left, width] in px.
  box(node) {
    const { x, total: [wide] } = this.tree;
    const z = this.zoom;
    const scale = wide[z] > 0 ? this.width / wide[z] : 0;
    if (this.tree.depth[node] <= this.tree.depth[z]) return [0, this.width];
    return [(x[node] - x[z]) * scale, wide[node] * scale];
  }

  draw() {
    if (this.tree === null || this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.paint();
    });
  }

  paint() {
    const ratio = devicePixelRatio || 1;
    const width = this.width = this.el.clientWidth;
    const height = this.el.clientHeight;
    const { canvas } = this;
    if (width === 0 || height === 0) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const g = this.g = canvas.getContext('2d');
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    g.font = `12px ${css('--sans') || 'sans-serif'}`;
    g.textBaseline = 'middle';
    this.dark = isDark();
    this.found = css('--found');
    this.text = css('--text');
    this.top = this.el.scrollTop;
    this.drawn = 0;
    const { tree } = this;
    const above = [];
    for (let n = tree.parent[this.zoom]; n !== -1; n = tree.parent[n]) above.push(n);
    for (const n of above) this.frame(n, 0, width, true);
    const stack = [this.zoom];
    const bottom = this.top + height;
    while (stack.length > 0) {
      const n = stack.pop();
      const [left, wide] = this.box(n);
      const y = tree.depth[n] * ROW;
      if (wide < MIN_PX || y > bottom) continue;
      if (y + ROW >= this.top) this.frame(n, left, wide, false);
      for (const c of tree.children[n] ?? []) {
        if (this.box(c)[1] < MIN_PX) break;  // The rest is narrower still.
        stack.push(c);
      }
    }
    canvas.dataset.drawn = this.drawn;
  }

  frame(n, left, wide, faded) {
    const { g, tree, dark } = this;
    const y = tree.depth[n] * ROW - this.top;
    const f = tree.fn[n];
    const kind = this.kind(n);
    const found = this.hit !== null && f >= 0 && this.hit[f];
    this.drawn++;
    g.globalAlpha = faded ? 0.55 : this.hit !== null && !found ? 0.28 : 1;
    g.fillStyle = found ? this.found : this.change !== null && n !== 0 ? difference(this.change(n), dark)
      : swatch(kind, dark, (f * 7) % 5 - 2);
    g.fillRect(left, y, Math.max(wide - 0.6, MIN_PX), ROW - 1);
    if (kind === KIND.gc && this.change === null) this.hatch(left, y, wide);
    if (n === this.selected && document.activeElement === this.canvas || n === this.hover) {
      g.globalAlpha = 1;
      g.strokeStyle = this.text;
      g.lineWidth = n === this.selected ? 2 : 1;
      g.strokeRect(left + 1, y + 1, Math.max(1, wide - 2.6), ROW - 3);
    }
    if (wide >= TEXT_PX) {
      g.fillStyle = '#16181d';
      if (this.hit !== null && !found) g.fillStyle = this.text;
      g.globalAlpha = faded ? 0.8 : g.globalAlpha < 1 ? 0.75 : 1;
      const text = this.cut(this.name(n), wide - 10);
      if (text !== '') g.fillText(text, left + 5, y + ROW / 2);
    }
    g.globalAlpha = 1;
  }

  // Garbage collection is seen without its colour, too.
  hatch(left, y, wide) {
    const { g } = this;
    if (wide < 4) return;
    g.save();
    g.beginPath();
    g.rect(left, y, wide - 0.6, ROW - 1);
    g.clip();
    g.strokeStyle = 'rgb(0 0 0 / 0.16)';
    g.lineWidth = 2;
    g.beginPath();
    for (let x = left - ROW; x < Math.min(left + wide, this.width); x += 8) {
      g.moveTo(x, y + ROW);
      g.lineTo(x + ROW, y);
    }
    g.stroke();
    g.restore();
  }

  cut(text, room) {
    const { g } = this;
    if (text.length > 300) text = text.slice(0, 300);
    const full = g.measureText(text).width;
    if (full <= room) return text;
    const keep = Math.floor(text.length * room / full) - 1;
    return keep >= 2 ? `${text.slice(0, keep)}…` : '';
  }

  // The node below the pointer, or -1.
  at({ offsetX, offsetY }) {
    if (this.tree === null) return -1;
    const { tree } = this;
    const depth = Math.floor((offsetY + this.el.scrollTop) / ROW);
    let n = this.zoom;
    if (depth < tree.depth[n]) {
      while (tree.depth[n] > depth) n = tree.parent[n];
      return n;
    }
    while (tree.depth[n] < depth) {
      const next = (tree.children[n] ?? []).find((c) => {
        const [left, wide] = this.box(c);
        return offsetX >= left && offsetX < left + wide;
      });
      if (next === undefined) return -1;
      n = next;
    }
    return n;
  }

  point(node, event) {
    if (this.hover === node && !event) return;
    this.hover = node;
    this.canvas.style.cursor = node === -1 ? 'default' : 'pointer';
    this.on.focus(node === -1 ? -1 : node, event);
    this.draw();
  }

  select(node) {
    this.selected = node;
    const y = this.tree.depth[node] * ROW;
    if (y < this.el.scrollTop) this.el.scrollTop = y;
    else if (y + ROW > this.el.scrollTop + this.el.clientHeight) this.el.scrollTop = y + ROW - this.el.clientHeight;
    this.on.focus(node);
    this.draw();
  }

  zoomTo(node) {
    this.zoom = node;
    this.select(node);
    this.on.zoom(node);
  }

  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const { tree, selected } = this;
    const next = (step) => {
      // Along the same depth, inside of what is zoomed to.
      const list = tree.children[tree.parent[selected]] ?? [selected];
      return list[list.indexOf(selected) + step];
    };
    let to;
    if (e.key === 'ArrowDown') to = tree.children[selected]?.[0];
    else if (e.key === 'ArrowUp') to = selected === this.zoom ? undefined : tree.parent[selected];
    else if (e.key === 'ArrowRight') to = selected === this.zoom ? undefined : next(1);
    else if (e.key === 'ArrowLeft') to = selected === this.zoom ? undefined : next(-1);
    else if (e.key === 'Enter' || e.key === ' ') this.zoomTo(selected);
    else if (e.key === 'Escape' || e.key === 'Backspace') this.zoomTo(Math.max(0, tree.parent[this.zoom]));
    else if (e.key === 'Home') this.zoomTo(0);
    else return;
    e.preventDefault();
    if (to !== undefined && to >= 0 && tree.total[0][to] > 0) this.select(to);
  }
}
