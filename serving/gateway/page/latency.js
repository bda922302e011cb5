// Round trips of the last requests, as this browser measures them.

import { byId, element, fill } from "./dom.js";
import { count, milliseconds } from "./figures.js";
import { sparkline } from "./chart.js";

const KEPT = 100;
let trips = []; // {ms, version}, the oldest first
let failed = 0;
let draw = null;

/** The value below which a share of the values lie, by nearest rank. */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted.length ? sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] : NaN;
}

/** Forget what was measured: another model or endpoint is asked now. */
export function startAnew() {
  trips = [];
  failed = 0;
  show();
}

/** Take colours and sizes anew. */
export function redraw() {
  draw = null;
  fill(byId("spark"));
  show();
}

/** Count one answer. */
export function record(answer) {
  if (answer.ok) trips = [...trips, { ms: answer.ms, version: answer.data.version }].slice(-KEPT);
  else failed += 1;
  show();
}

function show() {
  const values = trips.map(({ ms }) => ms);
  const figures = [
    ["last", values.at(-1) ?? NaN],
    ["p50", quantile(values, 0.5)],
    ["p99", quantile(values, 0.99)],
  ];
  fill(
    byId("latency"),
    figures.map(([name, ms]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, milliseconds(ms))),
    ),
  );
  const failures = failed ? ` · ${failed} failed` : "";
  byId("count").textContent =
    (values.length ? count(values.length, "request") : "none yet") + failures;
  byId("versions").textContent = answeredBy();
  byId("spark").hidden = values.length < 2;
  if (values.length > 1) (draw ??= sparkline(byId("spark")))(values);
}

function answeredBy() {
  const tally = new Map();
  for (const { version } of trips) tally.set(version, (tally.get(version) ?? 0) + 1);
  if (tally.size < 2) return "From the request to the whole answer, in this browser.";
  const parts = [...tally].sort().map(([version, times]) => `version ${version} ${times} ×`);
  return `Answered by ${parts.join(", ")}.`;
}
