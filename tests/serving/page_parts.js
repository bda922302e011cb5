// What test_page.py asks of the page's modules by themselves; it runs in the browser.
async () => {
  const { quantile } = await import("/page/latency.js");
  const { written } = await import("/page/figures.js");
  const { columnsOf } = await import("/page/chart.js");
  const { cardOf, leadOf } = await import("/page/card.js");
  const values = Array.from({ length: 100 }, (_, at) => 100 - at);
  const body = { a: values, b: [{ c: null, d: "é\n" }], e: [[1, 2], []], f: {} };
  const text = written(body, 40);
  const columns = columnsOf({ history: Array(300).fill(7), median: [8, 9], bands: [] });
  const card = cardOf("* one\n  more\n2. two\n\n| a \\| b | `c` |\n\nlast `x` *y*", "");
  return {
    p50: quantile([9, 7, 1, 3, 5], 0.5),
    p99: quantile(values, 0.99),
    known: Number.isFinite(quantile([], 0.5)),
    same: JSON.stringify(JSON.parse(text)) === JSON.stringify(body),
    widest: Math.max(...text.split("\n").map((line) => line.length)),
    steps: [columns[0][0], columns[0].at(-1), columns[0].length],
    ahead: columns.at(-1).slice(-3),
    card: card.map((part) => part.outerHTML),
    lead: leadOf("# t\n\nfirst `a`\nb\n\nnext"),
  };
}
