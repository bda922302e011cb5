// The page: which model is looked at, which request is sent, and what came back.

import { ask, askForKey, hasKey, takeKeyFromAddress } from "./api.js";
import { showAnswer, showProblem } from "./answers.js";
import { byId, element, fill } from "./dom.js";
import { cardOf } from "./card.js";
import { count, milliseconds, written } from "./figures.js";
import { record, redraw, startAnew } from "./latency.js";
import { showHead, showModels, showSignature } from "./models.js";

const REPEAT_MS = 500;
const REFRESH_MS = 5000;
const PASSING = [429, 503, 504]; // what a repeated request waits out

const state = {
  models: [],
  model: null, // the one that is looked at, with its card and examples
  endpoint: "",
  example: "",
  bodies: {}, // what was typed, by endpoint
  sending: false,
  shown: null, // {endpoint, request, answer}
  listed: "",
  trouble: "",
};

const wanted = () => new URLSearchParams(location.hash.slice(1)).get("model");

async function refresh() {
  const [answer, readiness] = await Promise.all([ask("/v1/models"), ask("/readyz")]);
  showReadiness(readiness);
  if (!answer.ok) {
    state.listed = ""; // read anew once it answers again
    trouble(answer.data);
    return;
  }
  byId("key-button").hidden &&= !hasKey();
  const listed = JSON.stringify([answer.data.models, wanted()]);
  if (listed === state.listed) return;
  state.listed = listed;
  state.models = answer.data.models;
  await choose();
}

/** What stands above everything; the same trouble again is not announced again. */
function trouble(problem) {
  const said = problem ? `${problem.title} ${problem.detail}` : "";
  if (said === state.trouble) return;
  state.trouble = said;
  if (problem) showProblem(byId("trouble"), problem);
  else fill(byId("trouble"));
}

function showReadiness({ ok, status }) {
  const said = ok ? "ready" : status === 0 ? "no answer" : "not ready";
  const box = byId("state");
  if (box.textContent !== said) fill(box, element("span", { class: ok ? "dot" : "dot off" }), said);
}

async function choose() {
  const names = state.models.map(({ name }) => name);
  const name = names.includes(wanted()) ? wanted() : names[0];
  showModels(state.models, name);
  if (!name) {
    trouble({
      title: "No model is served",
      detail: "leanzoo publish puts one into the repository.",
    });
    return;
  }
  const answer = await ask(`/v1/models/${encodeURIComponent(name)}`);
  if ((wanted() ?? name) !== name && names.includes(wanted())) return; // another was chosen meanwhile
  if (answer.ok) showModel(answer.data);
  else state.listed = "";
  trouble(answer.ok ? null : answer.data);
}

function showModel(model) {
  const other = state.model?.name !== model.name;
  state.model = model;
  byId("model").hidden = false;
  document.title = `${model.name} · leanzoo`;
  showHead(model);
  fill(byId("card"), cardOf(model.card ?? "", model.name));
  byId("card").hidden = byId("card-title").hidden = !model.card;
  showSignature(model);
  if (other) chooseEndpoint(model.endpoints[0]);
}

function chooseEndpoint(endpoint) {
  if (state.endpoint) state.bodies[state.endpoint] = byId("body").value;
  state.endpoint = endpoint;
  const buttons = state.model.endpoints.map((path) => {
    const button = element(
      "button",
      { type: "button", "aria-pressed": String(path === endpoint) },
      verbOf(path),
    );
    button.addEventListener("click", () => chooseEndpoint(path));
    return button;
  });
  fill(byId("endpoints"), buttons);
  byId("route").textContent = endpoint;
  state.example = exampleOf(endpoint);
  byId("body").value = state.bodies[endpoint] ?? state.example;
  byId("repeat").checked = false;
  describeBody();
  clearAnswer();
}

const verbOf = (path) => (path.startsWith("/v1/forecast/") ? "forecast" : path.split("/").at(-1));

function exampleOf(endpoint) {
  const letters = Math.min(88, Math.max(28, lettersAcross(byId("body"))));
  return written(state.model.examples?.[endpoint] ?? {}, letters);
}

function lettersAcross(area) {
  const style = getComputedStyle(area);
  const brush = document.createElement("canvas").getContext("2d");
  brush.font = `${style.fontSize} ${style.fontFamily}`;
  const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
  return Math.floor((area.clientWidth - padding) / brush.measureText("0").width) - 1;
}

function describeBody() {
  const size = new Blob([byId("body").value]).size;
  const example = byId("body").value === state.example ? "An example that runs" : "Edited";
  byId("body-hint").textContent = `${example} · ${count(size, "byte")}`;
}

function clearAnswer() {
  state.shown = null;
  startAnew();
  byId("meta").textContent = "";
  fill(
    byId("answer"),
    element("p", { class: "empty" }, "Send the request to see its answer here."),
  );
}

async function send() {
  if (state.sending) return;
  state.sending = true;
  const { endpoint, model } = state;
  const body = byId("body").value;
  byId("send").setAttribute("aria-disabled", String(!byId("repeat").checked));
  byId("answer").setAttribute("aria-busy", "true");
  const answer = await ask(endpoint, body);
  state.sending = false;
  byId("send").setAttribute("aria-disabled", "false");
  byId("answer").setAttribute("aria-busy", "false");
  if (endpoint === state.endpoint && model.name === state.model.name) take(endpoint, body, answer);
}

function take(endpoint, body, answer) {
  record(answer);
  if (!answer.ok) {
    if (!PASSING.includes(answer.status)) byId("repeat").checked = false;
    state.shown = null;
    byId("meta").textContent = "";
    showProblem(byId("answer"), answer.data);
    return;
  }
  const { version, request_id: id, ...rest } = answer.data;
  byId("meta").textContent = `version ${version} · ${milliseconds(answer.ms)}`;
  byId("meta").title = `request ${id}`;
  const said = JSON.stringify([body, version, rest]);
  if (state.shown?.said === said) return; // the same again: what is looked at stays as it is
  state.shown = { endpoint, said, request: JSON.parse(body), answer: answer.data };
  showAnswer(byId("answer"), endpoint, state.shown.request, answer.data);
}

function listen() {
  byId("send").addEventListener("click", send);
  byId("body").addEventListener("input", describeBody);
  byId("body").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
  });
  byId("reset").addEventListener("click", () => {
    byId("body").value = state.example = exampleOf(state.endpoint);
    describeBody();
  });
  byId("repeat").addEventListener("change", () => byId("repeat").checked && send());
  byId("pick").addEventListener("change", () => (location.hash = `model=${byId("pick").value}`));
  byId("key-button").addEventListener("click", async () => {
    if (await askForKey("Another key replaces the one of this tab.")) refresh();
  });
  addEventListener("hashchange", () => {
    takeKeyFromAddress();
    refresh();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  setInterval(() => byId("repeat").checked && send(), REPEAT_MS);
  setInterval(
    () => document.visibilityState === "visible" && !byId("key-dialog").open && refresh(),
    REFRESH_MS,
  );
}

function recolour() {
  redraw();
  const { shown } = state;
  if (shown) showAnswer(byId("answer"), shown.endpoint, shown.request, shown.answer);
}

takeKeyFromAddress();
listen();
refresh();
