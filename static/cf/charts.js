/* Draws the figures that the server made. Plotly is fetched only when a chart comes near the screen. Colours are names of tokens, looked up when
   it draws. Plotly has no names or keys for charts: the readout line, the arrow keys and the table beside each chart are ours. */
(() => {
"use strict";
const CONFIG = { displayModeBar: false, displaylogo: false, responsive: true, scrollZoom: false, doubleClick: false, plotlyServerURL: "" };
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const parts = new WeakMap();
let loading;

function plotly() {
  loading ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = document.body.dataset.plotly;
    script.onload = () => done(window.Plotly);
    script.onerror = failed;
    document.head.append(script);
  });
  return loading;
}

/* "--c1" is the token's colour, "--c1/22" the same with an alpha of hex 22. */
function coloured(value) {
  if (typeof value === "string" && value.startsWith("--")) { const [name, alpha = ""] = value.split("/"); return token(name) + alpha; }
  if (Array.isArray(value)) return value.map(coloured);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, coloured(inner)]));
  return value;
}

function layoutOf(figure) {
  const axis = { linecolor: "--border", tickcolor: "--border", fixedrange: true, automargin: true };
  const { xaxis, yaxis, ...rest } = figure.layout;
  return coloured({
    margin: { l: 56, r: 12, t: 10, b: 34 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, bargap: 0.28,
    font: { family: "Inter, system-ui, sans-serif", size: 12, color: "--muted" }, hovermode: "x", dragmode: false, ...rest,
    xaxis: { type: "date", gridcolor: "rgba(0,0,0,0)", ticks: "outside", ticklen: 4, ...axis, ...xaxis },
    yaxis: { gridcolor: "--grid", zeroline: false, nticks: 5, ...axis, linecolor: "rgba(0,0,0,0)", ...yaxis },
  });
}

function tracesOf(figure, { mode, hidden }) {
  return figure.data.map((trace, number) => {
    const made = { ...coloured(trace), hoverinfo: trace.hoverinfo ?? "none", visible: !hidden.has(number) };
    if (trace.type !== "bar" || mode === "stack") return made;
    let sum = 0;
    const y = mode === "sum" ? trace.y.map((amount) => (sum += amount)) : trace.y;
    return { type: "scatter", mode: "lines", name: trace.name, x: trace.x, y, hoverinfo: "none", visible: made.visible, line: { width: 2, color: coloured(trace.marker.color) } };
  }).filter((trace) => mode !== "sum" || trace.type !== "scatter" || (trace.mode !== "markers" && !trace.meta));
}

/* ---- What is read out, to the eye above the chart and to screen readers below it */
function amount(value, unit) {
  if (unit === "usd") return value && Math.abs(value) < 0.01 ? `$${value.toPrecision(3)}` : `$${value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  if (unit === "percent") return `${value.toFixed(1)} %`;
  return unit === "ms" ? `${Math.round(value).toLocaleString("en-US")} ms` : value.toLocaleString("en-US");
}
function pointName(x) {
  const at = new Date(`${x.length > 10 ? x : `${x}T00:00`}Z`);
  const day = { weekday: "short", day: "numeric", month: "long", timeZone: "UTC" };
  return at.toLocaleString("en-GB", x.length > 10 ? { ...day, hour: "2-digit", minute: "2-digit" } : day);
}
function readout(figure, index, hidden) {
  const series = figure.data.map((trace, number) => ({ trace, number })).filter(({ trace, number }) => !hidden.has(number) && trace.hoverinfo !== "skip" && !trace.meta);
  const shown = series.map(({ trace }) => ({ name: trace.name, value: trace.y[index] })).filter(({ value }) => value !== null && value !== undefined);
  const x = series.length ? series[0].trace.x[index] : figure.data[0].x[index];
  const name = pointName(x) + (figure.partial && index === (figure.last ?? figure.data[0].x.length - 1) ? ", so far" : "");
  const [most, least, expected] = figure.data.filter((trace) => trace.meta === "forecast").map((trace) => trace.y[index]);
  if (expected !== undefined && expected !== null) return `${name}: ${amount(expected, figure.unit)} expected (80 %: ${amount(least, figure.unit)} to ${amount(most, figure.unit)})`;
  if (!shown.length) return `${name}: nothing`;
  const total = shown.reduce((sum, { value }) => sum + value, 0);
  if (shown.length === 1) return `${name}: ${shown[0].name} ${amount(shown[0].value, figure.unit)}`;
  if (figure.apart) return `${name}: ${shown.reverse().map(({ name: of, value }) => `${of} ${amount(value, figure.unit)}`).join(", ")}`;
  const before = figure.data.find((trace) => trace.meta === "previous")?.y[index];
  const change = before ? `, ${(total / before).toFixed(1)} times ${figure.data.find((trace) => trace.meta === "previous").name}` : "";
  const largest = shown.filter(({ value }) => value).sort((one, other) => other.value - one.value);
  return `${name}: total ${amount(total, figure.unit)}${change}. ${largest.map(({ name: of, value }) => `${of} ${amount(value, figure.unit)} (${Math.round((100 * value) / total)} %)`).join(", ")}`;
}

/* Where the anomaly is told that began at a point. */
const toldAt = (figure, index) => figure.data.find((trace) => trace.meta === "anomaly")?.customdata[index];

/* The address of a day: the figure says it with {day} in it. Points of hours, and those to come, have none. */
function dayAt(figure, index) {
  const x = figure.data.find((trace) => trace.hoverinfo !== "skip").x[index];
  return figure.day && x && x.length === 10 && index <= (figure.last ?? index) ? figure.day.replaceAll("{day}", x) : undefined;
}

const changedAt = (figure, index) => figure.data.find((trace) => trace.meta === "change")?.text[index];

function say(part, index, { aloud }) {
  const changed = changedAt(part.figure, index);
  const text = readout(part.figure, index, part.hidden) + (changed ? `. Changed that day: ${changed}` : "") + (toldAt(part.figure, index) ? ". Out of the ordinary: Enter, or a click on the diamond, tells more" : "");
  part.readout.textContent = text;
  if (aloud) part.live.textContent = text;
  const x = part.figure.data.find((trace) => trace.hoverinfo !== "skip").x[index];
  window.Plotly.relayout(part.box, { shapes: [...(part.layout.shapes ?? []), { type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: token("--muted"), width: 1, dash: "dot" } }] });
}
function hush(part) {
  part.index = -1;
  part.readout.textContent = "\u00a0";
  window.Plotly?.relayout(part.box, { shapes: part.layout.shapes ?? [] });
}

/* ---- Drawing */
async function draw(element) {
  const part = parts.get(element), library = await plotly();
  part.layout = layoutOf(part.figure);
  await library.react(part.box, tracesOf(part.figure, part), part.layout, CONFIG);
  for (const picture of part.box.querySelectorAll("svg")) picture.setAttribute("aria-hidden", "true");
  if (!part.isDrawn) {
    part.isDrawn = true;
    part.box.on("plotly_hover", (event) => { part.index = event.points[0].pointIndex; say(part, part.index, { aloud: false }); });
    part.box.on("plotly_click", (event) => { const hit = event.points.find((point) => point.data.meta === "anomaly" && point.customdata), to = hit?.customdata ?? dayAt(part.figure, event.points[0].pointIndex); if (to) location.assign(to); });
    part.box.on("plotly_unhover", () => hush(part));
  }
  element.dataset.drawn = "yes";
}
function keys(event, part) {
  const last = part.figure.data.find((trace) => trace.hoverinfo !== "skip").x.length - 1;
  if (event.key === "ArrowRight") part.index = Math.min(last, part.index + 1);
  else if (event.key === "ArrowLeft") part.index = part.index < 0 ? last : Math.max(0, part.index - 1);
  else if (event.key === "Home") part.index = 0;
  else if (event.key === "End") part.index = last;
  else if (event.key === "Enter" && part.index >= 0) { const to = toldAt(part.figure, part.index) ?? dayAt(part.figure, part.index); if (to) location.assign(to); return; }
  else if (event.key === "Escape") { hush(part); return; }
  else return;
  event.preventDefault();
  say(part, part.index, { aloud: true });
}

/* ---- Files, made here: nothing leaves the page */
function table(element) {
  return [...element.querySelectorAll("table tr")].map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
}
function save(url, name) {
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
}
async function tool(button, element) {
  const part = parts.get(element), rows = table(element);
  if (button.dataset.tool === "png") {
    const library = await plotly();
    save(await library.toImage({ data: tracesOf(part.figure, part), layout: { ...part.layout, paper_bgcolor: token("--surface") } }, { format: "png", width: 1200, height: 500 }), "chart.png");
  } else if (button.dataset.tool === "csv") {
    const cells = rows.map((row) => row.map((cell) => `"${(/^[=+\-@\t\r]/.test(cell) ? "'" : "") + cell.replaceAll('"', '""')}"`).join(","));
    save(URL.createObjectURL(new Blob([cells.join("\r\n")], { type: "text/csv" })), "chart.csv");
  } else {
    await navigator.clipboard.writeText(rows.map((row) => row.join("\t")).join("\n"));
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy table"; }, 1500);
  }
}

/* ---- Each chart of the page */
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
}, { rootMargin: "200px" });
function begin(element) {
  const figure = JSON.parse(document.getElementById(element.dataset.figure).textContent);
  const part = { figure, mode: "stack", hidden: new Set(), index: -1, isDrawn: false, box: element.querySelector(".cf-chart"),
    readout: element.querySelector(".readout"), live: element.querySelector("[data-live]") };
  parts.set(element, part);
  part.box.addEventListener("keydown", (event) => { if (part.isDrawn) keys(event, part); });
  part.box.addEventListener("blur", () => { if (part.isDrawn) hush(part); });
  element.addEventListener("click", (event) => {
    const legend = event.target.closest("[data-trace]"), used = event.target.closest("[data-tool]");
    if (used) tool(used, element);
    if (!legend) return;
    const number = Number(legend.dataset.trace);
    part.hidden.has(number) ? part.hidden.delete(number) : part.hidden.add(number);
    legend.setAttribute("aria-pressed", String(!part.hidden.has(number)));
    draw(element);
  });
  near.observe(element);
}
for (const element of document.querySelectorAll("[data-figure]")) begin(element);
/* Pieces that htmx fetches may hold charts, too. */
document.addEventListener("htmx:after:swap", () => { for (const element of document.querySelectorAll("[data-figure]")) if (!parts.has(element)) begin(element); });
for (const group of document.querySelectorAll("[data-modes]")) {
  group.addEventListener("click", (event) => {
    const button = event.target.closest("[data-mode]"), element = group.closest("section").querySelector("[data-figure]");
    if (!button) return;
    for (const other of group.querySelectorAll("[data-mode]")) other.setAttribute("aria-pressed", String(other === button));
    parts.get(element).mode = button.dataset.mode;
    draw(element);
  });
}
function redraw() {
  for (const element of document.querySelectorAll("[data-figure][data-drawn]")) draw(element);
}
new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
})();
