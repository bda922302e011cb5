// An answer as a person would want to see it; one way per kind of endpoint.

import { bar, element, fill } from "./dom.js";
import { count, number, percent, plain } from "./figures.js";
import { bandsOf, drawForecast } from "./chart.js";

const SHOWN = 50; // rows; the rest is said to be there
const view = { series: 0 }; // what is looked at, kept from answer to answer

const KINDS = [
  [/\/classify$/, classes],
  [/\/rank$/, ranking],
  [/\/predict$/, scores],
  [/^\/v1\/forecast\//, forecast],
];

/** Show what an endpoint answered to a request, in place of what was there. */
export function showAnswer(parent, endpoint, request, answer) {
  const [, show] = KINDS.find(([pattern]) => pattern.test(endpoint)) ?? [null, raw];
  show(parent, request, answer);
}

/** Show what went wrong, with the id under which the gateway's log has it. */
export function showProblem(parent, problem) {
  const facts = [
    problem.status ? ["status", problem.status] : null,
    problem.request_id ? ["request", problem.request_id] : null,
    problem.retry_after_s ? ["try again in", `${problem.retry_after_s} s`] : null,
  ].filter(Boolean);
  const box = element(
    "div",
    { class: "problem" },
    element("p", { class: "problem-title" }, plain(problem.title)),
    problem.detail && element("p", { class: "problem-detail" }, plain(problem.detail)),
    facts.length > 0 &&
      element(
        "p",
        { class: "hint" },
        facts.map(([name, value]) =>
          element("span", {}, `${name} `, element("code", {}, plain(value))),
        ),
      ),
  );
  fill(parent, box);
}

function raw(parent, request, answer) {
  fill(parent, element("pre", { tabindex: "0" }, JSON.stringify(answer, null, 1)));
}

function rest(all, word) {
  const hidden = all - SHOWN;
  return hidden > 0 && element("p", { class: "hint" }, `and ${count(hidden, `more ${word}`)}`);
}

function classes(parent, request, { rows }) {
  const given = request.sparse ?? request.features ?? [];
  const shown = rows
    .slice(0, SHOWN)
    .map((row, at) =>
      element(
        "section",
        { class: "row" },
        element("h3", {}, `Row ${at + 1}`, element("small", {}, featuresOf(given[at]))),
        element("ol", { class: "bars" }, row.map(classBar)),
      ),
    );
  fill(parent, shown, rest(rows.length, "row"));
}

function classBar({ label, probability }) {
  const share = element("span", { class: "value" }, percent(probability));
  return element("li", {}, element("span", { class: "label" }, label), bar(probability), share);
}

function featuresOf(row) {
  const known = Array.isArray(row) ? row.filter((value) => value !== 0).length : row?.ids?.length;
  return known === undefined ? "" : count(known, "non-zero feature");
}

function scores(parent, request, answer) {
  const given = request.rows ?? (request.ids ?? []).map((ids) => ({ ids }));
  const shared = sharedFields(given);
  const items = answer.scores.slice(0, SHOWN).map((score, at) => {
    const own = Object.entries(given[at] ?? {}).filter(([name]) => !(name in shared));
    return scored(`Row ${at + 1}`, own, score);
  });
  const list = element("ol", { class: "scored" }, items);
  fill(parent, chips(shared, "In every row"), list, rest(answer.scores.length, "row"));
}

function ranking(parent, request, answer) {
  const candidates = request.candidates ?? [];
  const items = answer.ranking.slice(0, SHOWN).map((at, place) => {
    const fields = Object.entries(candidates[at] ?? {});
    return scored(`${place + 1}`, fields, answer.scores[at], `candidate ${at + 1}`);
  });
  const list = element("ol", { class: "scored ranked" }, items);
  const asked = chips(request.request ?? {}, "Ranked for");
  fill(parent, asked, list, rest(answer.ranking.length, "candidate"));
}

function scored(place, fields, score, note = "") {
  return element(
    "li",
    {},
    element("span", { class: "place" }, place),
    element("span", { class: "fields" }, fields.map(chip), note && element("small", {}, note)),
    bar(score),
    element("span", { class: "value" }, percent(score)),
  );
}

const chip = ([name, value]) =>
  element(
    "span",
    { class: "chip", title: `${name} ${plain(value)}` },
    `${name} `,
    element("b", {}, plain(value)),
  );

function chips(fields, title) {
  const entries = Object.entries(fields);
  if (!entries.length) return null;
  return element(
    "div",
    { class: "shared" },
    element("h3", {}, title),
    element("p", { class: "fields" }, entries.map(chip)),
  );
}

function sharedFields(rows) {
  if (rows.length < 2) return {};
  const same = ([name, value]) => rows.every((row) => plain(row?.[name]) === plain(value));
  return Object.fromEntries(Object.entries(rows[0]).filter(same));
}

/** Every series of a forecast's answer with its history: one per channel, and window of a batch. */
export function seriesOf({ history }, answer) {
  const batch = Array.isArray(history[0]?.[0]);
  const windows = batch ? history : [history];
  return windows.flatMap((channels, window) =>
    channels.map((values, channel) => {
      const of = (part) => (batch ? answer[part][window] : answer[part])[channel];
      const name = batch
        ? `window ${window + 1}, channel ${channel + 1}`
        : `channel ${channel + 1}`;
      const bands = bandsOf(answer.levels, of("quantiles"));
      return { name, history: values, median: of("median"), bands, status: of("status") };
    }),
  );
}

function forecast(parent, request, answer) {
  const all = seriesOf(request, answer);
  view.series = Math.min(view.series, all.length - 1);
  const place = element("div", {});
  const draw = () => drawSeries(place, all[view.series]);
  const notes = [
    answer.passes > 1
      ? `${answer.passes} passes of the model, each over the medians of the last.`
      : "",
    answer.note,
  ].filter(Boolean);
  const head = element(
    "div",
    { class: "legend" },
    legend(all[0].bands),
    all.length > 1 && picker(all, draw),
  );
  fill(
    parent,
    head,
    place,
    notes.map((note) => element("p", { class: "hint" }, note)),
  );
  draw();
}

function legend(bands) {
  const key = (name, kind) => element("span", { class: `key-of ${kind}` }, name);
  return [
    key("history", "of-history"),
    key("median", "of-median"),
    ...bands.map(({ share }, at) => key(`${share} band`, `of-band-${at}`)),
  ];
}

function picker(all, draw) {
  const options = all.map(({ name }, at) =>
    element("option", { value: at, selected: at === view.series }, name),
  );
  const select = element("select", { "aria-label": "Series" }, options);
  select.addEventListener("change", () => {
    view.series = Number(select.value);
    draw();
  });
  return select;
}

function drawSeries(place, series) {
  if (series.status) {
    fill(
      place,
      element(
        "p",
        { class: "empty" },
        "No value of this channel is known, so nothing is forecast.",
      ),
    );
    return;
  }
  const plot = element("div", {});
  fill(
    place,
    plot,
    element("details", {}, element("summary", {}, "The values as a table"), tableOf(series)),
  );
  drawForecast(plot, series);
}

function tableOf({ median, bands }) {
  const names = [
    "step",
    ...bands.flatMap(({ share }) => [`${share} from`, `${share} to`]),
    "median",
  ];
  const rows = median.map((value, at) => {
    const within = bands.flatMap(({ low, high }) => [low[at], high[at]]);
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, `+${at + 1}`),
      [...within, value].map((cell) => element("td", { class: "figure" }, number(cell))),
    );
  });
  const head = names.map((name, at) =>
    element("th", { scope: "col", class: at ? "figure" : null }, name),
  );
  return element(
    "div",
    { class: "scroll tall", tabindex: "0" },
    element("table", {}, element("thead", {}, element("tr", {}, head)), element("tbody", {}, rows)),
  );
}
