// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A headless Chromium of its own for a test, spoken to over a pipe by the
// DevTools protocol: no port, no package. What the page says or asks for is kept.

import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const DEADLINE_MS = 90_000;

// The browser of the machine, or null.
export function findChromium() {
  const names = process.env.CHROMIUM ? [process.env.CHROMIUM]
    : (process.env.PATH ?? '').split(':').flatMap((dir) => ['chromium', 'google-chrome'].map((name) => path.join(dir, name)));
  return names.find((name) => {
    try {
      accessSync(name, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  }) ?? null;
}

export class Browser {
  static async start(t) {
    const it = new Browser();
    it.home = mkdtempSync(path.join(tmpdir(), 'vigil-chromium-'));
    it.said = '';
    it.child = spawn(findChromium(), [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-default-apps', '--disable-extensions',
      '--disable-sync', '--mute-audio', '--hide-scrollbars', '--force-color-profile=srgb', '--font-render-hinting=none',
      `--user-data-dir=${it.home}`, '--remote-debugging-pipe', 'about:blank',
    ], { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'], env: { PATH: process.env.PATH, HOME: it.home, LANG: 'C.UTF-8' } });
    it.child.stderr.setEncoding('utf8').on('data', (s) => { it.said = (it.said + s).slice(-4000); });
    it.waiting = new Map();
    it.listeners = [];
    it.id = 0;
    it.read(it.child.stdio[4]);
    const ended = new Promise((done) => it.child.on('close', done));
    ended.then(() => it.fail(new Error(`the browser ended: ${it.said}`)));
    it.child.on('error', (error) => it.fail(error));
    t.after(async () => {
      it.child.kill('SIGKILL');
      await ended;
      rmSync(it.home, { recursive: true, force: true, maxRetries: 5 });
    });
    return it;
  }

  // Messages are JSON with a zero byte behind each.
  read(pipe) {
    let parts = [];
    pipe.on('data', (chunk) => {
      for (let end; (end = chunk.indexOf(0)) !== -1; chunk = chunk.subarray(end + 1)) {
        const text = Buffer.concat([...parts, chunk.subarray(0, end)]).toString();
        parts = [];
        this.take(JSON.parse(text));
      }
      parts.push(Buffer.from(chunk));
    });
  }

  take(message) {
    if (message.id === undefined) {
      for (const listener of this.listeners) listener(message);
      return;
    }
    const { resolve, reject, timer } = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    clearTimeout(timer);
    if (message.error) reject(new Error(message.error.message));
    else resolve(message.result);
  }

  fail(error) {
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.waiting.clear();
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.id;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${method}: ${this.said}`)), DEADLINE_MS);
      this.waiting.set(id, { resolve, reject, timer });
      this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  // Opens a file. `scheme`: dark or light.
  async open(file, { width = 1280, height = 900, scheme = 'light', mobile = false, scale = 1 } = {}) {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(this, sessionId, targetId);
    await page.send('Page.enable');
    await page.send('Runtime.enable');
    await page.send('Log.enable');
    await page.send('Network.enable');
    await page.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: scale, mobile });
    await page.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme },
                                                               { name: 'prefers-reduced-motion', value: 'reduce' }] });
    await page.send('Page.navigate', { url: pathToFileURL(file).href });
    await page.until('document.documentElement?.dataset.ready');
    return page;
  }
}

export class Page {
  constructor(browser, sessionId, targetId) {
    Object.assign(this, { browser, sessionId, targetId, errors: [], requests: [] });
    browser.listeners.push(({ method, params, sessionId: from }) => {
      if (from !== sessionId) return;
      if (method === 'Runtime.exceptionThrown') this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
      if (method === 'Runtime.consoleAPICalled') this.errors.push(params.args.map((a) => a.description ?? a.value).join(' '));
      if (method === 'Log.entryAdded') this.errors.push(params.entry.text);
      if (method === 'Network.requestWillBeSent') this.requests.push(params.request.url);
      if (method === 'Page.javascriptDialogOpening') this.errors.push(`dialog: ${params.message}`);
    });
  }

  send(method, params) {
    return this.browser.send(method, params, this.sessionId);
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async until(expression) {
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      const value = await this.evaluate(expression);
      if (value) return value;
      if (performance.now() > deadline) throw new Error(`never true: ${expression}; the page said ${this.errors}`);
      await new Promise((done) => setTimeout(done, 30));
    }
  }

  // The next frame is on the screen.
  painted() {
    return this.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))');
  }

  text(selector) {
    return this.evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? null`);
  }

  async click(x, y) {
    for (const type of ['mouseMoved', 'mousePressed', 'mouseReleased']) {
      await this.send('Input.dispatchMouseEvent', { type, x, y, button: type === 'mouseMoved' ? 'none' : 'left', clickCount: 1 });
    }
  }

  async press(key, code = key) {
    const text = key === 'Enter' ? '\r' : key.length === 1 ? key : undefined;
    const windowsVirtualKeyCode = { Enter: 13, Escape: 27, ArrowDown: 40, ArrowUp: 38, ArrowLeft: 37, ArrowRight: 39, Tab: 9, Home: 36 }[key];
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', key, code, text, windowsVirtualKeyCode });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', key, code, windowsVirtualKeyCode });
  }

  type(text) {
    return this.send('Input.insertText', { text });
  }

  async shot(file, options = {}) {
    await this.painted();
    const { data } = await this.send('Page.captureScreenshot', { format: 'png', ...options });
    writeFileSync(file, Buffer.from(data, 'base64'));
  }

  close() {
    return this.browser.send('Target.closeTarget', { targetId: this.targetId });
  }
}
