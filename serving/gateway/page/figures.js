// How numbers and request bodies are written.

const PLAIN = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A number of any size in four digits; a dash where there is none. */
export function number(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1000 && size < 1e9) return WHOLE.format(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(2);
  return PLAIN.format(value);
}

/** A fraction as a percentage; tiny ones are not called zero. */
export function percent(fraction) {
  if (typeof fraction !== "number" || !Number.isFinite(fraction)) return "–";
  if (fraction > 0 && fraction < 0.001) return "< 0.1 %";
  if (fraction < 1 && fraction > 0.999) return "> 99.9 %";
  return `${(100 * fraction).toFixed(1)} %`;
}

/** Milliseconds with as many digits as matter. */
export const milliseconds = (ms) =>
  Number.isFinite(ms) ? `${ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms` : "–";

/** A word with its count: 1 row, 2 rows. */
export const count = (amount, word) => `${WHOLE.format(amount)} ${word}${amount === 1 ? "" : "s"}`;

/** A field's value as a person writes it. */
export function plain(value) {
  if (value === null || value === undefined) return "–";
  if (Array.isArray(value)) return value.length ? value.map(plain).join(", ") : "none";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** JSON in lines of at most so many letters: short parts stay whole, long lists are filled. */
export function written(value, width = 64, indent = "", before = 0) {
  const short = oneLine(value);
  if (
    indent.length + before + short.length < width ||
    value === null ||
    typeof value !== "object"
  ) {
    return short;
  }
  const inner = `${indent}  `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  let body;
  if (!Array.isArray(value)) {
    body = Object.entries(value).map(
      ([name, part]) =>
        `${inner}${JSON.stringify(name)}: ${written(part, width, inner, name.length + 4)}`,
    );
  } else if (value.every((part) => part === null || typeof part !== "object")) {
    body = filled(value, width - inner.length - 1).map((line) => inner + line);
  } else {
    body = value.map((part) => inner + written(part, width, inner));
  }
  return `${open}\n${body.join(",\n")}\n${indent}${close}`;
}

function oneLine(value) {
  if (Array.isArray(value)) return `[${value.map(oneLine).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const parts = Object.entries(value).map(
    ([name, part]) => `${JSON.stringify(name)}: ${oneLine(part)}`,
  );
  return `{${parts.join(", ")}}`;
}

function filled(values, width) {
  const lines = [];
  let line = "";
  for (const part of values.map((value) => JSON.stringify(value))) {
    if (line && line.length + part.length + 2 > width) {
      lines.push(line);
      line = part;
    } else {
      line = line ? `${line}, ${part}` : part;
    }
  }
  return line ? [...lines, line] : lines;
}
