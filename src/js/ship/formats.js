// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// The same alert as Slack, PagerDuty (events v2) and Alertmanager (v2) want it.

const { clip, phrase, summary, where } = require('./body');

// Slack's mark-up has three special characters.
const slackText = (text) => text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);

const kSection = 2900;   // Of 3,000 characters that Slack takes...
const kSections = 20;    // ...and of 50 blocks.

// Links, in as many blocks as they need: with a session token one has 2,000
// characters. They are never cut in the middle.
function slackLinks(evidence) {
  const sections = [];
  for (const { name, link, object } of evidence) {
    const plain = `\`${slackText(object)}\``;
    const linked = link && `<${link.replace(/[<>|]/g, encodeURIComponent)}|${slackText(name)}>`;
    const line = linked && linked.length <= kSection ? linked : plain;
    if (sections.length !== 0 && sections.at(-1).length + line.length < kSection) sections.push(`${sections.pop()}\n${line}`);
    else sections.push(line);
  }
  return sections.slice(0, kSections).map((text) => ({ type: 'section', text: { type: 'mrkdwn', text } }));
}

function slack(alert) {
  const field = (name, value) => ({ type: 'mrkdwn', text: clip(`*${name}*\n${slackText(String(value))}`, 2000) });
  return {
    text: clip(slackText(`${alert.service}: ${summary(alert)}`), 3000),
    unfurl_links: false,
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: clip(`${alert.service}: ${alert.headline}`, 150) } },
      { type: 'section', text: { type: 'mrkdwn', text: clip(`*Cause: ${slackText(alert.cause.class)}*\n${slackText(alert.cause.text)}`, 3000) } },
      { type: 'section', fields: [
        field('Service', `${alert.service} ${alert.version}`), field('Host', `${alert.host}, process ${alert.pid}, ${alert.thread.name}`),
        field('During', phrase(alert.during)), field('Before', phrase(alert.before)),
      ] },
      ...slackLinks(alert.evidence),
      { type: 'context', elements: [{ type: 'mrkdwn', text: clip(slackText(
        `${where(alert)} ${alert.suppressed} suppressed before. ${alert.triggered}, ${alert.incident}`), 2000) }] },
    ],
  };
}

function pagerduty(alert, { routingKey }) {
  const { evidence, ...details } = alert;
  return {
    routing_key: routingKey,
    event_action: 'trigger',
    dedup_key: `vigil-${alert.id}`,
    client: 'Node Vigil',
    payload: {
      summary: clip(`${alert.service}: ${summary(alert)}`, 1024),
      source: alert.host,
      severity: 'error',
      timestamp: alert.triggered,
      component: alert.service,
      group: alert.version,
      class: alert.cause.class,
      custom_details: { ...details, evidence: evidence.map(({ object }) => object) },
    },
    links: evidence.filter(({ link }) => link).map(({ name, link }) => ({ href: link, text: name })),
  };
}

const kShownMs = 15 * 60_000;

function alertmanager(alert, _, now = Date.now()) {
  const [first] = alert.evidence.filter(({ link }) => link);
  return [{
    labels: {
      alertname: 'VigilIncident', severity: 'warning', service: alert.service, version: alert.version,
      instance: alert.host, pid: String(alert.pid), cause: alert.cause.class, rule: alert.rule.name || 'none',
      incident: alert.incident,
    },
    annotations: {
      summary: summary(alert), description: `${where(alert)} During: ${phrase(alert.during)}. Before: ${phrase(alert.before)}.`,
      suppressed: String(alert.suppressed), ...Object.fromEntries(alert.evidence.map(({ name, link, object }) => [
        `evidence_${name.replace(/[^A-Za-z0-9]+/g, '_')}`, link ?? object])),
    },
    startsAt: alert.triggered,
    // It has no end of its own: an incident is an event. In the past it would be
    // taken as resolved and not be told.
    endsAt: new Date(now + kShownMs).toISOString(),
    ...(first && { generatorURL: first.link }),
  }];
}

module.exports = { plain: (alert) => alert, slack, pagerduty, alertmanager };
