// Requests to the gateway that this page came from, and the key that they carry.

import { byId } from "./dom.js";

const STORE = "leanzoo.key";
let asking = null; // the question for a key that is open, if one is
let declined = false; // whether the last question was left without a key

/** Move a key from the address, where it would be seen and shared, into this tab's storage. */
export function takeKeyFromAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const key = parts.get("key");
  if (key === null) return;
  parts.delete("key");
  const rest = parts.toString();
  history.replaceState(null, "", location.pathname + location.search + (rest ? `#${rest}` : ""));
  sessionStorage.setItem(STORE, key);
}

/** Whether this tab has a key. */
export const hasKey = () => sessionStorage.getItem(STORE) !== null;

/** Ask for a key; true once one was given. Several at once share one question. */
export function askForKey(reason) {
  asking ??= new Promise((resolve) => {
    const dialog = byId("key-dialog");
    const input = byId("key-input");
    byId("key-reason").textContent = reason;
    input.value = "";
    dialog.returnValue = "";
    dialog.addEventListener(
      "close",
      () => {
        const key = dialog.returnValue === "use" ? input.value.trim() : "";
        input.value = "";
        if (key) sessionStorage.setItem(STORE, key);
        declined = key === "";
        asking = null;
        resolve(key !== "");
      },
      { once: true },
    );
    dialog.showModal();
  });
  return asking;
}

/**
 * One request and its answer; where a key is wanted the person is asked and the request repeated.
 * Who declined is asked again when sending something, not by what the page reads on its own.
 *
 * Returns {ok, status, data, ms} with `data` the parsed answer, or the problem that there was:
 * {title, detail, status, request_id, retry_after_s}. It never throws.
 */
export async function ask(path, body) {
  for (;;) {
    const answer = await once(path, body);
    if (answer.status !== 401) return answer;
    byId("key-button").hidden = false;
    if (declined && body === undefined) return answer;
    const reason = hasKey() ? "The key that this tab had is not one of this gateway's." : "";
    if (!(await askForKey(reason || "It is printed by leanzoo serve, or made with leanzoo key."))) {
      return answer;
    }
  }
}

async function once(path, body) {
  const headers = { Accept: "application/json" };
  if (hasKey()) headers.Authorization = `Bearer ${sessionStorage.getItem(STORE)}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const method = body === undefined ? "GET" : "POST";
  const began = performance.now();
  try {
    const response = await fetch(path, { method, headers, body, cache: "no-store" });
    const text = await response.text();
    const ms = performance.now() - began;
    return { ...read(response, text), status: response.status, ms };
  } catch {
    const detail = "It may be restarting, or the connection to it is lost.";
    return {
      ok: false,
      status: 0,
      ms: NaN,
      data: { title: "The gateway does not answer", detail },
    };
  }
}

function read(response, text) {
  try {
    if (response.ok) return { ok: true, data: JSON.parse(text) };
  } catch {
    return { ok: false, data: { ...problemOf(response, text), title: "The answer is not JSON" } };
  }
  return { ok: false, data: problemOf(response, text) };
}

function problemOf(response, text) {
  const wait = response.headers.get("Retry-After");
  const known = {
    title: `The gateway answered ${response.status}`,
    detail: text.slice(0, 400),
    status: response.status,
    request_id: response.headers.get("X-Request-Id"),
    retry_after_s: wait,
  };
  try {
    const told = JSON.parse(text);
    return told && typeof told === "object" ? { ...known, ...told } : known;
  } catch {
    return known;
  }
}
