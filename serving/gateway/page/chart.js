// Charts: a forecast's bands over its history, and the line of the last round trips.

import uPlot from "./vendor/uPlot.esm.js";
import { number, percent } from "./figures.js";
import { element, fill } from "./dom.js";

const FONT = '12px "Helvetica Neue", Arial, sans-serif';

const BELOW = {
  size: 28,
  label: "steps from the last value",
  labelSize: 20,
  labelGap: 2,
  labelFont: FONT,
};

const signed = (step) => (step > 0 ? `+${step}` : String(step).replace("-", "−"));

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Columns of a chart: what was, then what may come, by steps from the last known one. */
export function columnsOf({ history, median, bands }, shown = 200) {
  const past = history.slice(-shown);
  const steps = [...past.map((_, at) => at - past.length + 1), ...median.map((_, at) => at + 1)];
  const ahead = (values) => [...past.map(() => null), ...values];
  const outline = bands.flatMap(({ low, high }) => [ahead(low), ahead(high)]);
  return [steps, [...past, ...median.map(() => null)], ...outline, ahead(median)];
}

/** A forecast drawn into an element, with a line below that says what is under the cursor. */
export function drawForecast(parent, forecast) {
  const height = innerWidth > 760 ? 380 : 280;
  const columns = columnsOf(forecast);
  const readout = element("p", { class: "readout" });
  const holder = element("div", {
    class: "chart",
    role: "img",
    tabindex: "0",
    "aria-label": spoken(forecast),
  });
  fill(parent, holder, readout);
  const say = (plot) => fill(readout, ...under(forecast, columns, plot.cursor.idx));
  const plot = new uPlot(
    {
      width: Math.max(240, holder.clientWidth),
      height,
      padding: [12, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: false } },
      axes: [axis({ values: (_, at) => at.map(signed), ...BELOW }), axis({ size: widthOf })],
      series: seriesOf(forecast),
      bands: forecast.bands.map((_, at) => ({
        series: [3 + 2 * at, 2 + 2 * at],
        fill: colour(`--band-${at}`),
      })),
      hooks: { setCursor: [say], drawClear: [shadeWhatIsAhead] },
    },
    columns,
    holder,
  );
  walkWithKeys(holder, plot);
  fitTo(holder, plot, height);
}

function seriesOf({ bands }) {
  const edge = { width: 0, points: { show: false } };
  const line = (stroke) => ({ stroke: colour(stroke), width: 1.75, points: { show: false } });
  const outlines = bands.flatMap(() => [edge, edge]);
  return [{}, line("--history"), ...outlines, { ...line("--accent"), width: 2.25 }];
}

function axis(more) {
  return {
    stroke: colour("--muted"),
    font: FONT,
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    values: (_, at) => at.map(number),
    ...more,
  };
}

const widthOf = (_, labels) => 18 + 7 * Math.max(2, ...(labels ?? []).map((label) => label.length));

function shadeWhatIsAhead(plot) {
  const { ctx, bbox } = plot;
  const left = plot.valToPos(0, "x", true);
  ctx.save();
  ctx.fillStyle = colour("--ahead");
  ctx.fillRect(left, bbox.top, bbox.left + bbox.width - left, bbox.height);
  ctx.restore();
}

function walkWithKeys(holder, plot) {
  holder.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const steps = plot.data[0];
    const from = plot.cursor.idx ?? steps.indexOf(0);
    const to = Math.min(steps.length - 1, Math.max(0, from + by));
    plot.setCursor({ left: plot.valToPos(steps[to], "x"), top: plot.over.clientHeight / 2 });
  });
}

function fitTo(holder, plot, height) {
  const watch = new ResizeObserver(() => {
    if (!holder.isConnected) {
      watch.disconnect();
      plot.destroy();
    } else if (Math.abs(holder.clientWidth - plot.width) > 1) {
      plot.setSize({ width: holder.clientWidth, height });
    }
  });
  watch.observe(holder);
}

function spoken({ median, bands, history }) {
  const last = history.findLast((value) => value !== null);
  const end = median.length - 1;
  const within = bands.map(
    ({ share, low, high }) => `, ${share} between ${number(low[end])} and ${number(high[end])}`,
  );
  return (
    `Forecast of ${median.length} steps. Last known value ${number(last)}; ` +
    `median at the last step ${number(median[end])}${within.join("")}. Arrow keys read single steps.`
  );
}

function under(forecast, columns, at) {
  if (at === null || at === undefined)
    return [element("span", {}, "Point at the chart to read a step.")];
  const step = columns[0][at];
  const said = (name, text) => element("span", {}, `${name} `, element("b", {}, text));
  if (step <= 0) return [said("step", String(step)), said("value", number(columns[1][at]))];
  const within = forecast.bands.map(({ share, low, high }) =>
    said(share, `${number(low[step - 1])} to ${number(high[step - 1])}`),
  );
  return [said("step", `+${step}`), said("median", number(forecast.median[step - 1])), ...within];
}

/** The bands of an answer's levels that a chart shows, the wider first. */
export function bandsOf(levels, quantiles) {
  const at = (level) => levels.findIndex((known) => Math.abs(known - level) < 1e-6);
  return [0.1, 0.3]
    .map((level) => [at(level), at(1 - level), 1 - 2 * level])
    .filter(([low, high]) => low >= 0 && high >= 0)
    .map(([low, high, share]) => ({
      share: percent(share).replace(".0", ""),
      low: quantiles.map((step) => step[low]),
      high: quantiles.map((step) => step[high]),
    }));
}

/** The round trips of the last requests as one small line; gives a function that draws more. */
export function sparkline(parent, height = 46) {
  const stroke = colour("--accent");
  const holder = element("div", {});
  parent.append(holder);
  const plot = new uPlot(
    {
      width: Math.max(120, holder.clientWidth),
      height,
      padding: [4, 4, 4, 4],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false },
        y: { range: (_, __, most) => [0, Math.max(most || 0, 1) * 1.05] },
      },
      axes: [{ show: false }, { show: false }],
      series: [{}, { stroke, width: 1.5, fill: colour("--band-0"), points: { show: false } }],
    },
    [[], []],
    holder,
  );
  fitTo(holder, plot, height);
  return (values) => plot.setData([values.map((_, at) => at), values]);
}
