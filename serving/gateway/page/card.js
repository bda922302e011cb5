// A model card: the part of Markdown that cards use, as elements that hold text.

import { element } from "./dom.js";

const INLINE = /(`[^`]+`|\*\*[^*]+\*\*|\*[^*\s][^*]*\*|\[[^\]]+\]\([^)\s]+\))/;
const STARTS = /^(#{1,6} |```|\||\s*([-*]|\d+\.) )/;

/** A card's Markdown as a list of elements, without front matter, title and first paragraph. */
export function cardOf(markdown, title) {
  const lines = withoutFrontMatter(markdown).split("\n");
  const made = [];
  for (let at = leadIn(lines)[1]; at < lines.length;) {
    const [part, next] = block(lines, at, title);
    if (part) made.push(part);
    at = next;
  }
  return made;
}

/** Figures that a card's front matter states: [[name, value], …]. */
export function statedFigures(markdown) {
  const front = /^---\r?\n([\s\S]*?)\r?\n---/.exec(markdown);
  const found = front ? front[1].matchAll(/- type: (\w+)\s+value: (-?[\d.e+-]+)/g) : [];
  return [...found].map(([, name, value]) => [name, Number(value)]);
}

/** The first paragraph under a card's title, as plain text. */
export function leadOf(markdown) {
  const lines = withoutFrontMatter(markdown).split("\n");
  return lines
    .slice(...leadIn(lines))
    .join(" ")
    .replace(/[`*]/g, "");
}

function leadIn(lines) {
  const at = lines.findIndex((line) => line.trim() && !line.startsWith("# "));
  return at < 0 || STARTS.test(lines[at]) ? [0, 0] : [at, endOf(lines, at, goesOn)];
}

const goesOn = (line) => line.trim() !== "" && !STARTS.test(line);

const withoutFrontMatter = (markdown) => markdown.replace(/^---\r?\n[\s\S]*?\r?\n---\r?\n/, "");

function block(lines, at, title) {
  const line = lines[at];
  if (!line.trim()) return [null, at + 1];
  const heading = /^(#{1,6}) (.*)$/.exec(line);
  if (heading) {
    if (heading[2].trim() === title) return [null, at + 1];
    const level = Math.min(6, Math.max(3, heading[1].length + 1));
    return [element(`h${level}`, {}, ...inline(heading[2])), at + 1];
  }
  if (line.startsWith("```")) return code(lines, at);
  if (line.startsWith("|")) return table(lines, at);
  if (/^\s*([-*]|\d+\.) /.test(line)) return list(lines, at);
  const end = endOf(lines, at + 1, goesOn);
  return [element("p", {}, ...inline(lines.slice(at, end).join(" "))), end];
}

function endOf(lines, at, belongs) {
  while (at < lines.length && belongs(lines[at])) at += 1;
  return at;
}

function code(lines, at) {
  const end = endOf(lines, at + 1, (line) => !line.startsWith("```"));
  const text = lines.slice(at + 1, end).join("\n");
  return [element("pre", { tabindex: "0" }, element("code", {}, text)), end + 1];
}

function list(lines, at) {
  const end = endOf(lines, at, (line) => /^\s*([-*]|\d+\.) |^\s+\S/.test(line));
  const items = [];
  for (const line of lines.slice(at, end)) {
    const item = /^\s*(?:[-*]|\d+\.) (.*)$/.exec(line);
    if (item) items.push(item[1]);
    else items[items.length - 1] += ` ${line.trim()}`;
  }
  const kind = /^\s*\d/.test(lines[at]) ? "ol" : "ul";
  return [element(kind, {}, ...items.map((text) => element("li", {}, ...inline(text)))), end];
}

function table(lines, at) {
  const end = endOf(lines, at, (line) => line.startsWith("|"));
  const rows = lines.slice(at, end).map(cells);
  const ruled = rows.length > 1 && rows[1].every((cell) => /^:?-+:?$/.test(cell));
  const head = ruled ? rows[0] : [];
  const first = rows[ruled ? 2 : 0] ?? [];
  const row = (kind) => (texts) =>
    element(
      "tr",
      {},
      ...texts.map((text, column) => element(kind, styleOf(first[column]), ...inline(text))),
    );
  const made = element(
    "table",
    {},
    ruled && element("thead", {}, row("th")(head)),
    element("tbody", {}, ...rows.slice(ruled ? 2 : 0).map(row("td"))),
  );
  return [element("div", { class: "scroll", tabindex: "0" }, made), end];
}

const cells = (line) =>
  line
    .trim()
    .replace(/^\||\|$/g, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));

function styleOf(sample = "") {
  if (/^[-+]?[\d.,]+(e[-+]?\d+)?$/.test(sample)) return { class: "figure" };
  return { class: sample.length > 60 ? "prose" : sample.length > 16 ? "phrase" : null };
}

function inline(text) {
  return text
    .split(INLINE)
    .filter(Boolean)
    .map((part) => {
      if (/^`[^`]+`$/.test(part)) return element("code", {}, part.slice(1, -1));
      if (/^\*\*[^*]+\*\*$/.test(part)) return element("strong", {}, part.slice(2, -2));
      if (/^\*[^*]+\*$/.test(part)) return element("em", {}, part.slice(1, -1));
      const link = /^\[([^\]]+)\]\((https?:\/\/[^)\s]+)\)$/.exec(part);
      return link ? element("a", { href: link[2], rel: "noopener noreferrer" }, link[1]) : part;
    });
}
