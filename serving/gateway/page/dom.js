// Elements, made of text and attributes only: nothing that a server says becomes markup.

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * An element with its attributes and children; a child that is a string becomes text,
 * one that is null, undefined or false is left out.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...present(children));
  return made;
}

/** Put these in place of what an element held; the focus stays on the control of the same place. */
export function fill(parent, ...children) {
  const place = controls(parent).indexOf(document.activeElement);
  parent.replaceChildren(...present(children));
  if (place >= 0) controls(parent)[place]?.focus({ preventScroll: true });
  return parent;
}

const controls = (parent) => [...parent.querySelectorAll("a, button, select, summary, [tabindex]")];

const present = (children) =>
  children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false);

/** A bar that is as long as a share of 1. */
export function bar(share) {
  const inner = element("span", { class: "bar-fill" });
  inner.style.setProperty("--share", String(Math.min(1, Math.max(0, Number(share) || 0))));
  return element("span", { class: "bar", "aria-hidden": "true" }, inner);
}
