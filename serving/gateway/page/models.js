// What is served: the list of models, and the head and signature of the one that is looked at.

import { byId, element, fill } from "./dom.js";
import { count, number, percent, plain } from "./figures.js";
import { leadOf, statedFigures } from "./card.js";

const TASKS = {
  graph: ["Graphs", "Node classification"],
  ctr: ["Clicks", "Click prediction and ranking"],
  forecast: ["Forecasts", "Forecasting of time series"],
};
const SHARES = ["accuracy", "coverage80"];
const FIGURES = {
  auc: "AUC",
  mse: "MSE",
  mae: "MAE",
  crps: "CRPS",
  calibration: "predicted over actual",
  ece: "calibration error",
  coverage80: "within the 80 % band",
};

/** The models by task: [[task, models], …], known tasks first. */
export function byTask(models) {
  const tasks = new Set([...Object.keys(TASKS), ...models.map(({ task }) => task)]);
  const groups = [...tasks].map((task) => [task, models.filter((model) => model.task === task)]);
  return groups.filter(([, group]) => group.length);
}

/** The list at the side, and the same as a menu for narrow screens. */
export function showModels(models, current) {
  const groups = byTask(models);
  const title = (task) => TASKS[task]?.[0] ?? task;
  fill(
    byId("models"),
    groups.map(([task, group]) => [
      element("h2", {}, title(task)),
      element(
        "ul",
        {},
        group.map((model) => element("li", {}, entry(model, current))),
      ),
    ]),
  );
  fill(
    byId("pick"),
    groups.map(([task, group]) =>
      element(
        "optgroup",
        { label: title(task) },
        group.map(({ name, ready }) =>
          element(
            "option",
            { value: name, selected: name === current },
            ready ? name : `${name} (not ready)`,
          ),
        ),
      ),
    ),
  );
}

function entry(model, current) {
  const here = model.name === current ? "page" : null;
  const { name, version, canary, ready } = model;
  return element(
    "a",
    { href: `#model=${encodeURIComponent(name)}`, "aria-current": here },
    element("span", { class: ready ? "dot" : "dot off", title: ready ? "ready" : "not ready" }),
    element("span", { class: "entry-name" }, name),
    element(
      "span",
      { class: "entry-state" },
      ready ? `v${version}` : "not ready",
      canary && element("span", { class: "canary" }, canaryOf(canary)),
    ),
  );
}

const canaryOf = ({ version, fraction }) => `v${version} on ${percent(fraction).replace(".0", "")}`;

/** The head of the page: what the model is, its state, what it is worth. */
export function showHead(model) {
  byId("task").textContent = TASKS[model.task]?.[1] ?? model.task;
  byId("name").textContent = model.name;
  byId("summary").textContent = leadOf(model.card ?? "");
  const facts = [
    [
      "state",
      element("span", { class: model.ready ? "good" : "bad" }, model.ready ? "ready" : "not ready"),
    ],
    ["answers", `version ${model.version}`],
    model.canary && ["canary", element("span", { class: "canary" }, canaryOf(model.canary))],
    ...qualityOf(model).map(([name, value]) => [
      FIGURES[name] ?? name.replaceAll("_", " "),
      SHARES.includes(name) ? percent(value) : number(value),
    ]),
  ].filter(Boolean);
  fill(
    byId("facts"),
    facts.map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, value)),
    ),
  );
}

function qualityOf({ metrics, card }) {
  const stated = statedFigures(card ?? "");
  if (stated.length) return stated.slice(0, 4);
  const wanted = ["accuracy", "auc", "logloss", "mse", "mae", "crps", "coverage80"];
  return wanted
    .filter((name) => typeof metrics?.[name] === "number")
    .map((name) => [name, metrics[name]]);
}

/** Tensors of every published form, folded away below the card. */
export function showSignature({ forms }) {
  const names = Object.keys(forms ?? {});
  const box = byId("signature");
  box.hidden = names.length === 0;
  fill(
    box,
    element(
      "summary",
      {},
      `Tensors of ${names.length === 1 ? "its form" : `its ${names.length} forms`}`,
    ),
    names.map((name) => formOf(name, forms[name])),
  );
}

function formOf(name, { triton_model: served, max_batch: rows, inputs, outputs }) {
  const head = ["tensor", "type", "shape", "meaning"].map((text) =>
    element("th", { scope: "col" }, text),
  );
  const body = [
    ...(inputs ?? []).map((tensor) => [tensor, "in"]),
    ...(outputs ?? []).map((tensor) => [tensor, "out"]),
  ];
  return element(
    "section",
    {},
    element(
      "h3",
      {},
      name,
      element(
        "small",
        {},
        `${plain(served)}, ${rows ? `at most ${count(rows, "row")}` : "one request at a time"}`,
      ),
    ),
    element(
      "div",
      { class: "scroll", tabindex: "0" },
      element(
        "table",
        {},
        element("thead", {}, element("tr", {}, head)),
        element("tbody", {}, body.map(tensorRow(rows > 0))),
      ),
    ),
  );
}

const tensorRow =
  (batched) =>
  ([{ name, dtype, shape, doc }, way]) => {
    const cells = [
      element("code", {}, plain(name)),
      plain(dtype),
      `(${[...(batched ? ["batch"] : []), ...(shape ?? [])].join(", ")})`,
      plain(doc),
    ];
    return element(
      "tr",
      { class: way },
      cells.map((cell, column) =>
        element("td", { class: column === 3 ? "prose" : column === 2 ? "shape" : null }, cell),
      ),
    );
  };
